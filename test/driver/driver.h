/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MMUN_TEST_DRIVER_H
#define MMUN_TEST_DRIVER_H

/*
 * Shared by the parts of mmun_test. The essay on what exists, and the lock
 * order, stand at the head of main.c.
 */

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include <linux/mmun_notifier.h>
#include <uapi/linux/mmun_test.h>

#define RING_SIZE	4096u		/* events of a file; a power of two */

#define ATTACH_OPS	(MMUN_TEST_ATTACH_YOUNG | MMUN_TEST_ATTACH_TLB)

struct range_set;
struct test_finish;
struct test_mirror;
struct test_object;

struct test_file {
	struct kref ref;
	struct xarray subs;
	u32 next_id;			/* under the lock of subs */
	atomic_t attached;
	atomic_t tables;		/* of all mirrors */
	atomic_t inside;		/* invalidations in intervals, not done */
	atomic64_t joined_busy, left_busy;

	raw_spinlock_t lock;
	bool closed;
	struct mmun_test_event *ring;
	unsigned int head, tail;	/* free running */
	u64 events, dropped;

	struct mutex read_mutex;	/* moves tail */
	wait_queue_head_t wait;
	struct irq_work wake;
};

struct test_sub {
	struct kref ref;
	struct rcu_head rcu;
	struct test_file *file;
	struct mm_struct *mm;		/* valid while subscribed */
	u32 id;
	u32 kind;

	union {
		struct mmun_notifier mn;
		struct {
			struct mmun_interval_notifier interval;
			atomic_t inside;	/* invalidations, not done */
			struct test_finish *finishes;
			struct test_mirror *mirror;
		};
		struct {
			struct test_object *object;
			struct list_head link;
			struct range_set *missed;
		};
	};

	u32 knobs;
	u32 start_delay_ms;
	u32 release_delay_ms;
	u32 free_delay_us;
	u32 fill_delay_ms;
	u32 tear_delay_ms;

	raw_spinlock_t lock;
	u64 events[MMUN_TEST_EV_TLB + 1];	/* by enum mmun_test_what */
	u64 reads;
	u64 collisions;
	u64 retries;

	struct rw_semaphore reading;
	bool detached;			/* under reading; has_interval() only */
};

static inline bool has_interval(const struct test_sub *sub)
{
	return sub->kind == MMUN_TEST_INTERVAL ||
		sub->kind == MMUN_TEST_MIRROR;
}

/* main.c */
int arg_copy(void *arg, size_t size, size_t first, void __user *uarg);
struct test_sub *sub_find(struct test_file *file, u32 id);
void sub_put(struct test_sub *sub);
void sub_log(struct test_sub *sub, const struct mmun_test_event *event);
bool sub_refuses(struct test_sub *sub);

/*
 * Sleep for MS milliseconds. MS is read again four times a second, so a knob that is turned down
 * ends the sleep. No signal does: a task that is being killed is to be slow too.
 */
#define nap(ms) do {							\
	ktime_t __begin = ktime_get();					\
	s64 __left;							\
									\
	while ((__left = (ms) - ktime_ms_delta(ktime_get(), __begin)) > 0) \
		msleep(min_t(s64, __left, 250));			\
} while (0)

/* ring.c */
int ring_open(struct test_file *file);
void ring_close(struct test_file *file);
void ring_push(struct test_file *file, u32 id,
	       const struct mmun_test_event *event);
unsigned int ring_filled(struct test_file *file);
ssize_t ring_copy(struct test_file *file, char __user *buf,
		  unsigned int room);
void event_init(struct mmun_test_event *event, u32 what, u32 flags,
		unsigned long start, unsigned long end);
void event_init_range(struct mmun_test_event *event, u32 what,
		      const struct mmun_notifier_range *range);
void event_init_release(struct mmun_test_event *event);

/* list.c */
int list_attach(struct test_sub *sub, u32 flags);
void list_detach(struct test_sub *sub, u32 how);

/* object.c */
int object_attach(struct test_sub *sub, u32 flags);
int object_join(struct test_sub *sub);
void object_detach(struct test_sub *sub);
void object_count(struct mmun_test_file_stats *stats);

/* interval.c */
int interval_attach(struct test_sub *sub, const struct mmun_test_attach *arg);
void interval_detach(struct test_sub *sub);
int section_enter(struct test_sub *sub);
void section_leave(struct test_sub *sub);
int read_sections(struct test_sub *sub, struct mmun_test_read *arg);

#endif /* MMUN_TEST_DRIVER_H */
