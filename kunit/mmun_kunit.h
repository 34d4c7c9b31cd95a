/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_KUNIT_H
#define _MMUN_KUNIT_H

/*
 * What the suites share: address spaces that live and die under a case, tasks
 * beside the case, subscribers that record what they hear and can be stopped in
 * any callback, and ranges.
 *
 * Whatever a case has made is taken down after it, also when it failed in the
 * middle: all gates are opened, tasks are waited for, ranges ended, subscribers
 * removed, processes killed; and then everything must be detached.
 *
 * Nothing here sleeps for a guessed time. kt_until() looks at a condition until
 * it is true, and a case that waits longer than KT_TIMEOUT has failed.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/mm.h>
#include <linux/mmun_notifier.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "mmun_hook.h"

#define KT_TIMEOUT	(30 * HZ)

/* Until it is true; false if that took too long. */
#define kt_until(condition)						\
({									\
	unsigned long kt_deadline = jiffies + KT_TIMEOUT;		\
	bool kt_true;							\
									\
	while (!(kt_true = !!(condition)) &&				\
	       time_before(jiffies, kt_deadline))			\
		schedule_timeout_uninterruptible(1);			\
	kt_true;							\
})

#define KT_ASSERT_UNTIL(test, condition)				\
do {									\
	bool kt_came = kt_until(condition);				\
									\
	KUNIT_ASSERT_TRUE_MSG(test, kt_came,				\
			      "never became true: " #condition);	\
} while (0)

/* At the end of a case: kunit_skip() would take back that something has failed. */
#define kt_skip_if_good(test, reason)					\
do {									\
	struct kunit *kt_test = (test);					\
									\
	if (kt_test->status != KUNIT_FAILURE)				\
		kunit_skip(kt_test, reason);				\
} while (0)

/* Once, by who loads the module: its address space is one to test with. */
int kt_note_loader(void);
/* For struct kunit_suite. */
int kt_init(struct kunit *test);
void kt_exit(struct kunit *test);

/* --- gates: where a callback stops until the case lets it go --- */

struct kt_gate {
	struct list_head node;
	bool closed;		/* the next one who comes here stops, and reopens it */
	bool holding;		/* one stands here */
	struct completion entered;
	struct completion go;
};

void kt_gate_init(struct kunit *test, struct kt_gate *gate);
/* The next one who passes is stopped; later ones are not. */
void kt_gate_close(struct kt_gate *gate);
void kt_gate_pass(struct kt_gate *gate);
/* Somebody stands at the gate. */
void kt_gate_wait(struct kunit *test, struct kt_gate *gate);
void kt_gate_open(struct kt_gate *gate);

/* --- tasks --- */

struct kt_task {
	struct list_head node;
	int (*fn)(void *arg);
	void *arg;
	struct mm_struct *mm;	/* used by the task, or NULL */
	int ret;
	struct task_struct *task;
	struct completion done;
	bool joined;
};

/* Runs fn(arg) beside the case. The _mm variant has @mm as its current->mm. */
struct kt_task *kt_run(struct kunit *test, int (*fn)(void *arg), void *arg);
struct kt_task *kt_run_mm(struct kunit *test, struct mm_struct *mm,
			  int (*fn)(void *arg), void *arg);
bool kt_running(struct kt_task *task);
/* Waits for it; returns what fn returned. */
int kt_join(struct kunit *test, struct kt_task *task);

/* --- watches: what happens while a task is between two instructions --- */

struct kt_watch {
	/*
	 * Called once, when the task has just read (or written) the word; in a
	 * context that may do little more than look at memory.
	 */
	void (*fn)(struct kt_watch *watch);
	void *arg;
	unsigned int hits;
	void *event;
};

/*
 * Of the current task, for a word of four bytes, until kt_unwatch(). -EOPNOTSUPP
 * where the processor cannot do it, or stops before the word is read.
 */
int kt_watch(struct kt_watch *watch, const void *word);
void kt_unwatch(struct kt_watch *watch);
/*
 * For fn: until it is true, or that many milliseconds. Not by jiffies: they may be
 * this processor's to count.
 */
#define kt_spin_until(condition, ms)					\
({									\
	u64 kt_deadline = ktime_get_mono_fast_ns() + (ms) * NSEC_PER_MSEC; \
	bool kt_true;							\
									\
	while (!(kt_true = !!(condition)) &&				\
	       ktime_get_mono_fast_ns() < kt_deadline)			\
		cpu_relax();						\
	kt_true;							\
})
/* The case stays on the first processor, which is returned. */
unsigned int kt_pin(struct kunit *test);
/*
 * The two ends of the processors, for the case and for the task that it stops: the
 * case must not be in the queue behind that task. False if there is one only.
 */
bool kt_two_cpus(struct kunit *test, unsigned int *other);

/* --- address spaces --- */

/* Of a process of its own, which does nothing; mm_users is held for the case. */
struct mm_struct *kt_mm(struct kunit *test);
/* Of the process that loaded the module. */
struct mm_struct *kt_loader_mm(struct kunit *test);
/* Its process is killed; then only the case has the mm_users. */
void kt_mm_kill(struct kunit *test, struct mm_struct *mm);
/*
 * The mm's exit, in the caller's context: the process must have been killed.
 * mm_count is held until the case is over.
 */
void kt_mm_exit(struct kunit *test, struct mm_struct *mm);

/* Memory in @mm, for tasks of kt_run_mm() and for the case itself. */
unsigned long kt_mmap(struct kunit *test, struct mm_struct *mm,
		      unsigned long length);
/* Raises a real UNMAP. */
int kt_munmap(struct mm_struct *mm, unsigned long start, unsigned long length);

/* --- list subscribers --- */

#define KT_LOG	32

struct kt_sub {
	struct mmun_notifier mn;	/* first: the allocation of a get is this */
	struct kunit *test;
	struct list_head node;
	bool registered;
	bool got;

	/* what the callbacks do */
	int refuse;			/* returned by starts that may not block */
	int fail;			/* returned by all others */
	bool young;			/* returned by the young queries */
	struct kt_gate start, end, release, free, query;
	/* called in the callback, past the gate; may be NULL */
	void (*on_start)(struct kt_sub *sub,
			 const struct mmun_notifier_range *range);
	void (*on_end)(struct kt_sub *sub,
		       const struct mmun_notifier_range *range);
	void (*on_release)(struct kt_sub *sub);

	/* what was heard */
	atomic_t starts, accepted, ends, releases, frees;
	atomic_t clear_flush_youngs, clear_youngs, test_youngs, tlb_flushes;
	atomic_t inside;		/* callbacks that run */
	struct mmun_notifier_range last_start, last_end;
};

/* Every list operation but alloc and free. */
extern const struct mmun_notifier_ops kt_ops;
/* Start, end and release. */
extern const struct mmun_notifier_ops kt_range_ops;
extern const struct mmun_notifier_ops kt_start_only_ops;
extern const struct mmun_notifier_ops kt_end_only_ops;
extern const struct mmun_notifier_ops kt_release_only_ops;
extern const struct mmun_notifier_ops kt_young_ops;
extern const struct mmun_notifier_ops kt_tlb_ops;
/* For get: start, end, release, alloc and free. */
extern const struct mmun_notifier_ops kt_get_ops;
/* The same operations, at another address: another key for get. */
extern const struct mmun_notifier_ops kt_get_ops2;

/* A zeroed one; it belongs to the case and lives as long. */
struct kt_sub *kt_sub(struct kunit *test, const struct mmun_notifier_ops *ops);
/* Registers it, or the case ends here. Taken off after the case. */
struct kt_sub *kt_register(struct kunit *test, struct mm_struct *mm,
			   const struct mmun_notifier_ops *ops);
void kt_unregister(struct kt_sub *sub);
/*
 * What kt_get_ops.alloc_notifier() makes next: a sub of the case that is not
 * freed before it ends, so that its counters can be read; frees counts.
 */
struct kt_sub *kt_get(struct kunit *test, struct mm_struct *mm,
		      const struct mmun_notifier_ops *ops);
/* Of one of get, which is not freed. */
unsigned int kt_users(struct kt_sub *sub);
void kt_put(struct kt_sub *sub);

/* --- intervals --- */

struct kt_interval {
	struct mmun_interval_notifier mni;
	struct kunit *test;
	struct list_head node;
	bool inserted;
	bool refuse;			/* what may not block */
	struct kt_gate gate;
	raw_spinlock_t lock;		/* the driver's own */
	atomic_t invalidates, releases, refusals;
	atomic_t inside;
	struct mmun_notifier_range last;
	unsigned long last_seq;
};

extern const struct mmun_interval_notifier_ops kt_interval_ops;

/* A zeroed one that is not inserted; it belongs to the case. */
struct kt_interval *kt_interval(struct kunit *test);
/* The same as the first member of something larger. */
void *kt_interval_sized(struct kunit *test, size_t size);
struct kt_interval *kt_insert(struct kunit *test, struct mm_struct *mm,
			      unsigned long start, unsigned long length);
void kt_remove(struct kt_interval *interval);
/* read_retry under the interval's lock */
bool kt_retry(struct kt_interval *interval, unsigned long seq);

/* --- ranges --- */

struct kt_range {
	struct list_head node;
	struct mmu_notifier_range kernel;
	bool blockable;
	bool in_flight;
};

/*
 * [start, end). The range is the case's; one still in flight is ended after it.
 * One that may not block has the mmap lock held for reading from its start to
 * its end, as the kernel would have: start and end it in one task.
 */
struct kt_range *kt_range(struct kunit *test, struct mm_struct *mm,
			  unsigned long start, unsigned long end, bool blockable,
			  enum mmun_notifier_event event);
int kt_start(struct kt_range *range);
void kt_end(struct kt_range *range);

/* How deep the task is in what may not block; 0 where the kernel does not count. */
static inline int kt_non_block(void)
{
#ifdef CONFIG_DEBUG_ATOMIC_SLEEP
	return current->non_block_count;
#else
	return 0;
#endif
}

/* Sleepers inside mmun on this mm: the way to know that a task waits there. */
unsigned int kt_waiters(struct mmun_subscriptions *subs);
/*
 * @task is one of @n that sleep there, and goes on to when it is woken for no
 * reason: it is not one that has been let go and has not run yet.
 */
void kt_assert_waits(struct kunit *test, struct mmun_subscriptions *subs,
		     struct kt_task *task, unsigned int n);

/* --- the suites --- */

extern struct kunit_suite mmun_core_suite;
extern struct kunit_suite mmun_itree_suite;
extern struct kunit_suite mmun_passes_suite;
extern struct kunit_suite mmun_dropin_suite;
extern struct kunit_suite mmun_hmm_suite;
extern struct kunit_suite mmun_model_suite;
extern struct kunit_suite mmun_lifetime_suite;
extern struct kunit_suite mmun_shim_suite;

/* For what is random; printed by who uses it. */
extern unsigned long mmun_kunit_seed;
extern unsigned int mmun_kunit_steps;

#endif /* _MMUN_KUNIT_H */
