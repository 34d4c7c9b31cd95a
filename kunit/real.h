/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_KUNIT_REAL_H
#define _MMUN_KUNIT_REAL_H

/*
 * Real events and other drivers, for the suites of the bridge: events, attach,
 * bridge, removal, behind, isolation.
 *
 * Events are real where a module can raise them: munmap, a mapping replaced, a
 * copy-on-write fault, exit, a file that is cut off. For the last the kernel
 * holds no lock of the mm: such a range can stand still at a gate while the mm
 * lives on. Peers are other drivers, which use the kernel's own notifier. When a
 * range stands at a peer's gate, mmun has been called for it, and no callback of mmun's
 * subscribers runs.
 */

#include "mmun_kunit.h"

#define PAGES(n)	((unsigned long)(n) << PAGE_SHIFT)

/* For struct kunit_suite. */
int real_init(struct kunit *test);
void real_exit(struct kunit *test);

/* --- peers --- */

struct peer_interval {
	struct mmu_interval_notifier mni;
	struct list_head node;
	bool inserted;
	struct kt_gate gate;		/* in a range that may block */
	atomic_t calls;			/* without the release */
	unsigned long seq;		/* the kernel's number of the last range */
};

/* Its callback comes after mmun's, whose interval begins at zero. */
struct peer_interval *peer_insert(struct kunit *test, struct mm_struct *mm,
				  unsigned long start, unsigned long length);
void peer_remove(struct peer_interval *peer);

struct peer_list {
	struct mmu_notifier mn;
	struct list_head node;
	struct mm_struct *mm;
	bool registered;
	struct kt_gate gate;		/* in a range that may block */
	struct kt_gate release;
	atomic_t calls;
};

/* It refuses ranges that may not block. */
struct peer_list *new_peer_list(struct kunit *test);
int peer_register(struct peer_list *peer, struct mm_struct *mm);
/* A new one that is registered, or the case ends here. */
struct peer_list *peer_join(struct kunit *test, struct mm_struct *mm);
void peer_unregister(struct peer_list *peer);

/* The number that the kernel will give the next range of @mm, with none in flight. */
unsigned long next_number(struct kunit *test, struct mm_struct *mm);

/* --- memory --- */

/* The result of peek() where nothing is mapped. */
#define GONE		(-1)

/* It lives as long as the case. */
struct file *new_file(struct kunit *test, unsigned long length);
unsigned long map_file(struct kunit *test, struct mm_struct *mm,
		       struct file *file, unsigned long length);
/* Pages that were only read: the next write to each is copy-on-write. */
unsigned long map_zero_pages(struct kunit *test, struct mm_struct *mm,
			     unsigned long length);
int poke(struct mm_struct *mm, unsigned long at, int value);
/* The value at @at, without faulting anything in; or GONE. */
int peek(struct mm_struct *mm, unsigned long at);
/* Is there an entry in the page table? A TLB may have an older one. */
bool mapped(struct mm_struct *mm, unsigned long at);
unsigned long map_over(struct mm_struct *mm, unsigned long start,
		       unsigned long length);
/*
 * A real range in every mm that maps the file; the kernel holds no lock of
 * theirs.
 */
void cut_off(struct file *file);

/* --- actors --- */

struct kt_actor *cut_off_beside(struct kunit *test, struct file *file);
struct kt_actor *cut_off_to_gate(struct kunit *test, struct kt_gate *gate,
				 struct file *file);
struct kt_actor *munmap_beside(struct kunit *test, struct mm_struct *mm,
			       unsigned long start, unsigned long length);
struct kt_actor *munmap_to_gate(struct kunit *test, struct kt_gate *gate,
				struct mm_struct *mm, unsigned long start,
				unsigned long length);
struct kt_actor *poke_beside(struct kunit *test, struct mm_struct *mm,
			     unsigned long at);
struct kt_actor *map_over_to_gate(struct kunit *test, struct kt_gate *gate,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long length);
struct kt_actor *insert_beside(struct kunit *test, struct mm_struct *mm,
			       struct kt_interval *interval,
			       unsigned long start, unsigned long length);
/* Actors raise real ranges until real_stop() or the end of the case. */
struct kt_actor *storm_of_cuts(struct kunit *test, struct file *file);
struct kt_actor *storm_of_munmaps(struct kunit *test, struct mm_struct *mm);
void real_stop(void);

/* --- */

static inline bool covers(const struct mmun_notifier_range *range,
			  unsigned long start, unsigned long length)
{
	return range->start <= start && range->end >= start + length;
}

static inline void expect_paired(struct kunit *test, struct kt_sub *sub)
{
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted), kt_ends(sub));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 0);
}

#endif /* _MMUN_KUNIT_REAL_H */
