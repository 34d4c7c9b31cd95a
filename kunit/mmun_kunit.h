/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_KUNIT_H
#define _MMUN_KUNIT_H

/*
 * Shared by the suites: address spaces that live and die under a case, actors
 * that run one operation each in a task beside the case, subscribers that record
 * their callbacks and can be stopped in any of them, and ranges.
 *
 * kt_exit() takes down everything that a case has made, also after a case that
 * failed in the middle: it opens all gates, ends the ranges, joins the actors,
 * removes the subscribers and kills the processes, whose exit takes the bridges
 * away; then mmun must be detached from every mm.
 *
 * Nothing here sleeps for a guessed time. kt_until() looks at a condition until
 * it is true, and a case that waits longer than KT_TIMEOUT has failed.
 */

#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/mm.h>
#include <linux/mmun_notifier.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>

#include "mmun_hook.h"

#define KT_TIMEOUT	(30 * HZ)

/* Wait until @condition is true; false if it was not within KT_TIMEOUT. */
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

/*
 * A case: its promise of the contract in two digits, 00 if it belongs to none,
 * and the function. The promise stands in front of the name, where KUnit does not
 * print it; scripts/kunit-table reads it here, and the module's parameter case
 * also selects by it: p08_*.
 */
#define KT_TAG		"p00_"
#define KT_CASE(promise, fn)						\
	{ .run_case = fn, .name = &("p" #promise "_" #fn)[sizeof(KT_TAG) - 1] }
/* The same once for each parameter of gen_params. */
#define KT_CASE_PARAM(promise, fn, gen_params)				\
	{ .run_case = fn, .generate_params = gen_params,		\
	  .name = &("p" #promise "_" #fn)[sizeof(KT_TAG) - 1] }

/* The parameters of @array, described by their member .name. */
#define KT_NAMED_PARAM(prefix, array)					\
static void prefix##_describe(typeof(array[0]) *param, char *desc)	\
{									\
	strscpy(desc, param->name, KUNIT_PARAM_DESC_SIZE);		\
}									\
KUNIT_ARRAY_PARAM(prefix, array, prefix##_describe)

/* For the end of a case: kunit_skip() would hide a failure. */
#define kt_skip_if_good(test, reason)					\
do {									\
	struct kunit *kt_test = (test);					\
									\
	if (kt_test->status != KUNIT_FAILURE)				\
		kunit_skip(kt_test, reason);				\
} while (0)

/* The module calls it once while it loads: cases also use the loader's mm. */
int kt_note_loader(void);
/* For struct kunit_suite. */
int kt_init(struct kunit *test);
void kt_exit(struct kunit *test);

/*
 * Zeroed memory that lives as long as the case. An actor must not use the case's
 * stack: the stack goes when the case fails, and the actor may still run.
 */
void *kt_new(struct kunit *test, size_t size);

/* --- gates: a callback stops at a gate until the case opens it --- */

struct kt_gate {
	struct list_head node;
	bool closed;		/* the next task stops here, and reopens it */
	bool holding;		/* a task stands here */
	struct completion entered;
	struct completion go;
};

void kt_gate_init(struct kunit *test, struct kt_gate *gate);
/* Stop the next task that passes; later ones are not stopped. */
void kt_gate_close(struct kt_gate *gate);
void kt_gate_pass(struct kt_gate *gate);
/* Wait until a task stands at the gate. */
void kt_gate_wait(struct kunit *test, struct kt_gate *gate);
void kt_gate_open(struct kt_gate *gate);

/* --- watches: what happens while a task is between two instructions --- */

struct kt_watch {
	/*
	 * Called once, when the task has just read or written the word; in a
	 * context that may do little more than look at memory.
	 */
	void (*fn)(struct kt_watch *watch);
	void *arg;
	const bool *since;		/* not before that is true; NULL: from the first */
	unsigned int hits;
	void *event;
};

/*
 * Watches a word of four bytes for the current task until kt_unwatch().
 * -EOPNOTSUPP where the processor cannot do it, or stops before the access.
 */
int kt_watch(struct kt_watch *watch, const void *word);
void kt_unwatch(struct kt_watch *watch);
/*
 * For fn: wait until @condition is true, or @ms milliseconds. jiffies would not
 * do: this processor may be the one that counts them.
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
static inline unsigned int kt_first_cpu(void)
{
	return cpumask_first(cpu_online_mask);
}

/* Keep the case on the first processor, which is returned. */
unsigned int kt_pin(struct kunit *test);
/*
 * Keep the case on the first processor and give the last one for the task that
 * the case stops: they must not share a run queue. False on one processor.
 */
bool kt_two_cpus(struct kunit *test, unsigned int *other);

/* --- address spaces --- */

/* The mm of a new process that does nothing; the case holds mm_users. */
struct mm_struct *kt_mm(struct kunit *test);
/* The mm of the process that loaded the module. */
struct mm_struct *kt_loader_mm(struct kunit *test);
/* Kills the process; then only the case holds mm_users. */
void kt_mm_kill(struct kunit *test, struct mm_struct *mm);
/*
 * The mm's exit, in the caller's context; kt_mm_kill() comes first. The case holds
 * mm_count until it is over.
 */
void kt_mm_exit(struct kunit *test, struct mm_struct *mm);

/*
 * An idle CPU holds mm_count of the last mm that it has used. Make all CPUs use the
 * loader's.
 */
void kt_forget_mms(void);

/*
 * Does to the bridge of @mm, which lives and has no subscriber, what rmmod does, and
 * waits until every bridge and every work is gone.
 */
void kt_cut_off(struct kunit *test, struct mm_struct *mm);

/* Memory in @mm, with every page present. */
unsigned long kt_mmap(struct kunit *test, struct mm_struct *mm,
		      unsigned long length);
/* The kernel raises an UNMAP for it. */
int kt_munmap(struct mm_struct *mm, unsigned long start, unsigned long length);

/* --- list subscribers --- */

struct kt_sub {
	struct mmun_notifier mn;	/* first: the allocation of a get is this */
	struct kunit *test;
	struct list_head node;
	bool registered;
	bool got;

	/* what the callbacks do */
	int refuse;			/* a start that may not block returns it */
	int fail;			/* all other starts return it */
	bool young;			/* the young queries return it */
	struct kt_gate start, end, release, free, query;
	/* called in the callback, past the gate; may be NULL */
	void (*on_start)(struct kt_sub *sub,
			 const struct mmun_notifier_range *range);
	void (*on_end)(struct kt_sub *sub,
		       const struct mmun_notifier_range *range);
	void (*on_release)(struct kt_sub *sub);
	/* for a callback that puts or unregisters others; NULL ends the list */
	struct kt_sub *victims[5];

	/* how often each callback was called */
	atomic_t starts, accepted, ends, releases, frees;
	atomic_t clear_flush_youngs, clear_youngs, test_youngs, tlb_flushes;
	atomic_t inside;		/* callbacks that run now */
	struct mmun_notifier_range last_start, last_end;
};

/* All list operations except alloc and free. */
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
/* The same operations at another address, which is another key for get. */
extern const struct mmun_notifier_ops kt_get_ops2;

static inline struct kt_sub *kt_to_sub(struct mmun_notifier *mn)
{
	return container_of(mn, struct kt_sub, mn);
}

/* A new subscriber that is not registered. */
struct kt_sub *kt_sub(struct kunit *test, const struct mmun_notifier_ops *ops);
/* Registers a new subscriber, or the case ends here. */
struct kt_sub *kt_register(struct kunit *test, struct mm_struct *mm,
			   const struct mmun_notifier_ops *ops);
/* Registers @sub in the current task; returns what mmun returned. */
int kt_try_register(struct kt_sub *sub, struct mm_struct *mm);
void kt_unregister(struct kt_sub *sub);
void kt_unregister_no_release(struct kt_sub *sub);
/*
 * kt_get_ops.alloc_notifier() makes a kt_sub that lives as long as the case, so
 * that its counters can be read after free_notifier, which only counts.
 */
struct kt_sub *kt_get(struct kunit *test, struct mm_struct *mm,
		      const struct mmun_notifier_ops *ops);
/* The users of a notifier of get that is not freed. */
unsigned int kt_users(struct kt_sub *sub);
void kt_put(struct kt_sub *sub);

/* For on_start, on_end and on_release: puts the notifier itself, once. */
void kt_put_in_start(struct kt_sub *sub, const struct mmun_notifier_range *range);
void kt_put_in_end(struct kt_sub *sub, const struct mmun_notifier_range *range);
void kt_put_in_release(struct kt_sub *sub);

static inline int kt_starts(struct kt_sub *sub)
{
	return atomic_read(&sub->starts);
}

static inline int kt_ends(struct kt_sub *sub)
{
	return atomic_read(&sub->ends);
}

static inline int kt_releases(struct kt_sub *sub)
{
	return atomic_read(&sub->releases);
}

static inline int kt_frees(struct kt_sub *sub)
{
	return atomic_read(&sub->frees);
}

/* --- intervals --- */

struct kt_interval {
	struct mmun_interval_notifier mni;
	struct kunit *test;
	struct list_head node;
	bool inserted;
	/* what KT_INSERT inserts; for kt_interval() the case sets the bounds */
	const struct mmun_interval_notifier_ops *ops;
	unsigned long start, length;

	bool refuse;			/* ranges that may not block */
	struct kt_gate gate;
	raw_spinlock_t lock;		/* the driver's own */
	atomic_t invalidates, releases, refusals;
	atomic_t inside;
	struct mmun_notifier_range last;
	unsigned long last_seq;
};

extern const struct mmun_interval_notifier_ops kt_interval_ops;

/* A new interval that is not inserted. */
struct kt_interval *kt_interval(struct kunit *test);
/* The same as the first member of a larger struct. */
void *kt_interval_sized(struct kunit *test, size_t size);
/* Inserts a new interval, or the case ends here. */
struct kt_interval *kt_insert(struct kunit *test, struct mm_struct *mm,
			      unsigned long start, unsigned long length);
/* Inserts @interval in the current task; returns what mmun returned. */
int kt_try_insert(struct kt_interval *interval, struct mm_struct *mm,
		  unsigned long start, unsigned long length);
void kt_remove(struct kt_interval *interval);
/* read_retry under the interval's lock. */
bool kt_retry(struct kt_interval *interval, unsigned long seq);

static inline int kt_invalidates(struct kt_interval *interval)
{
	return atomic_read(&interval->invalidates);
}

/* --- ranges --- */

/* Most cases have one range or interval, and this is it. */
#define FROM	0x10000UL
#define TO	0x20000UL

struct kt_range {
	struct list_head node;
	struct mmu_notifier_range kernel;
	bool blockable;
	bool in_flight;
};

/*
 * [start, end). A range that may not block has the mmap lock held for reading
 * from its start to its end, as in the kernel.
 */
struct kt_range *kt_range(struct kunit *test, struct mm_struct *mm,
			  unsigned long start, unsigned long end, bool blockable,
			  enum mmun_notifier_event event);
/* A CLEAR that may block, and an UNMAP that may not. */
struct kt_range *kt_blockable(struct kunit *test, struct mm_struct *mm,
			      unsigned long start, unsigned long end);
struct kt_range *kt_nonblock(struct kunit *test, struct mm_struct *mm,
			     unsigned long start, unsigned long end);
int kt_start(struct kt_range *range);
void kt_end(struct kt_range *range);
/* Starts a new range that may block. */
struct kt_range *kt_begin(struct kunit *test, struct mm_struct *mm,
			  unsigned long start, unsigned long end);
/*
 * A provisional range: mmun has accepted it, and the list notifiers of the kernel
 * have not been called. mmun_kunit_confirm() or kt_refuse_behind() comes next.
 */
struct kt_range *kt_accept(struct kunit *test, struct mm_struct *mm,
			   unsigned long start, unsigned long end);
/* A notifier behind mmun refuses the range: mmun is not called any more. */
void kt_refuse_behind(struct kt_range *range);

/* Ranges for all the slots and some more; each is the page after the last. */
struct kt_many {
	unsigned int slots, nr;
	struct kt_range *range[BITS_PER_LONG + 8];
};

/* Starts ranges for all slots and @overflow more. */
struct kt_many *kt_fill_slots(struct kunit *test, struct mm_struct *mm,
			      struct mmun_subscriptions *subs,
			      unsigned long start, unsigned int overflow);
/* Ends the ranges that have a slot; the overflow stays in flight. */
void kt_end_slots(struct kt_many *many);
/* Ends all that are still in flight. */
void kt_end_many(struct kt_many *many);

/* The task's depth in code that may not block; 0 if the kernel does not check. */
static inline int kt_non_block(void)
{
#ifdef CONFIG_DEBUG_ATOMIC_SLEEP
	return current->non_block_count;
#else
	return 0;
#endif
}

/* --- the state of a mm, seen from a subscriber or interval on it --- */

/* Its struct mmun_subscriptions, or @where itself if it is one. */
#define kt_subs(where)							\
({									\
	typeof(where) kt_where = (where);				\
									\
	BUILD_BUG_ON(!KT_IS(kt_where, struct kt_sub *) &&		\
		     !KT_IS(kt_where, struct kt_interval *) &&		\
		     !KT_IS(kt_where, struct mmun_subscriptions *));	\
	kt_subs_of(kt_where, KT_IS(kt_where, struct kt_sub *),		\
		   KT_IS(kt_where, struct kt_interval *));		\
})
#define KT_IS(pointer, type)						\
	__builtin_types_compatible_p(typeof(pointer), type)

static inline struct mmun_subscriptions *
kt_subs_of(void *where, bool is_sub, bool is_interval)
{
	if (is_sub)
		return ((struct kt_sub *)where)->mn.priv.subs;
	if (is_interval)
		return ((struct kt_interval *)where)->mni.priv.subs;
	return where;
}

struct mmun_kunit_state kt_state_of(struct mmun_subscriptions *subs);
#define kt_state(where)		kt_state_of(kt_subs(where))
/* Tasks that sleep inside mmun on this mm: so an actor is known to wait there. */
#define kt_waiters(where)	(kt_state(where).waiters)

/* Wait until no slot is busy, and expect nothing in flight and no waiter. */
void kt_expect_quiet_of(struct kunit *test, struct mmun_subscriptions *subs);
#define kt_expect_quiet(test, where)	kt_expect_quiet_of(test, kt_subs(where))

/* --- actors: one operation in a task beside the case --- */

enum kt_op {
	/* on a struct kt_range */
	KT_START,
	KT_END,
	KT_START_END,
	/* on a struct kt_sub; with an mm */
	KT_REGISTER,
	/* without */
	KT_UNREGISTER,
	KT_UNREGISTER_NO_RELEASE,
	KT_PUT,
	/* on a struct mmun_notifier_ops, with an mm */
	KT_GET,
	/* on a struct kt_interval; with an mm */
	KT_INSERT,
	/* without */
	KT_REMOVE,
	KT_READ_BEGIN,
	/* on an mm only */
	KT_CLEAR_FLUSH_YOUNG,
	KT_FLUSH_TLB,
	KT_EXIT,
	/* on an atomic_t, which is read when synchronize returns */
	KT_SYNCHRONIZE,
	/* a function of the case's own: see kt_run() */
	KT_CALL,
};

struct kt_actor {
	struct list_head node;
	struct kunit *test;
	char name[64];			/* of the operation, for messages */
	enum kt_op op;
	struct mm_struct *mm;
	union {
		struct kt_range *range;
		struct kt_sub *sub;	/* also the result of KT_GET */
		struct kt_interval *interval;
		atomic_t *counter;
	};
	const struct mmun_notifier_ops *ops;
	int (*fn)(void *arg);
	void *arg;
	struct mm_struct *use_mm;	/* the task's current->mm, or NULL */

	/* how it runs: set between kt_prepare() and kt_go() */
	int cpu;			/* -1: any */
	bool first;			/* before all others of its processor */
	unsigned int times;		/* 1 */
	struct kt_watch *watch;		/* on word, while the operation runs */
	const void *word;

	/*
	 * The result, once it is joined: what the function returned; for
	 * unregister and remove the callbacks that still ran on the object then,
	 * which must be 0; for synchronize the counter.
	 */
	int ret;
	unsigned long seq;		/* of KT_READ_BEGIN */
	unsigned int in_flight;		/* ranges, when it returned */

	struct task_struct *task;
	struct completion done;
	bool joined;
};

/* The operations that take an object of that type. */
#define KT_OPS_IF(pointer, type, ops)	(KT_IS(pointer, type) ? (ops) : 0)
#define KT_OPS_ON(pointer)						\
	(KT_OPS_IF(typeof(pointer), struct kt_range *,			\
		   BIT(KT_START) | BIT(KT_END) | BIT(KT_START_END)) |	\
	 KT_OPS_IF(typeof(pointer), struct kt_sub *,			\
		   BIT(KT_REGISTER) | BIT(KT_UNREGISTER) |		\
		   BIT(KT_UNREGISTER_NO_RELEASE) | BIT(KT_PUT)) |	\
	 KT_OPS_IF(typeof(pointer), const struct mmun_notifier_ops *,	\
		   BIT(KT_GET)) |					\
	 KT_OPS_IF(typeof(pointer), struct mmun_notifier_ops *,		\
		   BIT(KT_GET)) |					\
	 KT_OPS_IF(typeof(pointer), struct kt_interval *,		\
		   BIT(KT_INSERT) | BIT(KT_REMOVE) | BIT(KT_READ_BEGIN)) | \
	 KT_OPS_IF(typeof(pointer), atomic_t *, BIT(KT_SYNCHRONIZE)) |	\
	 KT_OPS_IF(typeof(pointer), void *,				\
		   BIT(KT_CLEAR_FLUSH_YOUNG) | BIT(KT_FLUSH_TLB) |	\
		   BIT(KT_EXIT)))

struct kt_actor *kt_prepare_typed(struct kunit *test, struct mm_struct *mm,
				  enum kt_op op, unsigned long allowed,
				  const void *object);
/*
 * An actor that does @op on @object; NULL as the object for operations on an mm
 * only. An operation on an object of another type does not compile, or, if @op is
 * a variable, ends the case. kt_go() starts it.
 */
#define kt_prepare(test, mm, op, object)				\
({									\
	typeof(object) kt_object = (object);				\
	const enum kt_op kt_op = (op);					\
									\
	BUILD_BUG_ON(__builtin_constant_p(kt_op) &&			\
		     !(KT_OPS_ON(kt_object) & BIT(kt_op)));		\
	kt_prepare_typed(test, mm, kt_op, KT_OPS_ON(kt_object), kt_object); \
})

struct kt_actor *kt_go(struct kt_actor *actor);
struct kt_actor *kt_go_to_gate(struct kt_actor *actor, struct kt_gate *gate);
int kt_go_and_join(struct kt_actor *actor);

/* Starts an actor that does @op on @object. */
#define kt_do(test, mm, op, object)					\
	kt_go(kt_prepare(test, mm, op, object))
/* The same, and waits until it stands at @gate. */
#define kt_do_to_gate(test, gate, mm, op, object)			\
	kt_go_to_gate(kt_prepare(test, mm, op, object), gate)
/* The same as kt_do(), joined: for an operation that must not wait. */
#define kt_do_now(test, mm, op, object)					\
	kt_go_and_join(kt_prepare(test, mm, op, object))

/* An actor of the case's own that does fn(arg). */
struct kt_actor *kt_prepare_call(struct kunit *test, int (*fn)(void *arg),
				 void *arg);
/* Starts it. The _mm variant has @mm as its current->mm. */
struct kt_actor *kt_run(struct kunit *test, int (*fn)(void *arg), void *arg);
struct kt_actor *kt_run_mm(struct kunit *test, struct mm_struct *mm,
			   int (*fn)(void *arg), void *arg);

/* Sends a fatal signal. Actors take SIGKILL, and it ends only killable sleeps. */
void kt_kill(struct kt_actor *actor);
bool kt_running(struct kt_actor *actor);
/* Waits for its end, and fails the case after KT_TIMEOUT; returns ->ret. */
int kt_join(struct kunit *test, struct kt_actor *actor);

/*
 * @actor is one of @n tasks that sleep inside mmun on that mm, and it sleeps again
 * when it is woken for no reason: so it is not an actor that was let go already
 * and has not run yet.
 */
void kt_assert_waits_in(struct kunit *test, struct mmun_subscriptions *subs,
			struct kt_actor *actor, unsigned int n);
#define kt_assert_waits(test, where, actor, n)				\
	kt_assert_waits_in(test, kt_subs(where), actor, n)
/* Sleeps, or has returned: look which when this is true. */
bool kt_settled(struct kt_actor *actor);
/* The actor sleeps, anywhere. */
void kt_assert_sleeps(struct kunit *test, struct kt_actor *actor);
/*
 * Wake an actor for no reason. Returns when it has looked again at what it waits
 * for and sleeps, or has returned.
 */
void kt_nudge(struct kunit *test, struct kt_actor *actor);

/* --- short forms --- */

/* Registers a new logged subscriber beside the case. */
struct kt_actor *kt_register_beside(struct kunit *test, struct mm_struct *mm);
/* In an actor, as the case would hang if it had to wait: it must not. */
void kt_insert_now(struct kunit *test, struct mm_struct *mm,
		   struct kt_interval *interval, unsigned long start,
		   unsigned long length);
void kt_remove_now(struct kunit *test, struct kt_interval *interval);
unsigned long kt_read_now(struct kunit *test, struct kt_interval *interval);
/* A read section that must not wait: does it collide? */
bool kt_read_collides(struct kunit *test, struct kt_interval *interval);

/* The three ways to leave the list, for KT_NAMED_PARAM(way, kt_ways). */
struct kt_way {
	const char *name;
	enum kt_op op;
};

extern const struct kt_way kt_ways[3];
/* The one of the case that runs. */
enum kt_op kt_way_of(struct kunit *test);
/* A new logged subscriber that can leave in that way. */
struct kt_sub *kt_join_for_way(struct kunit *test, struct mm_struct *mm);
/* Leaves in the current task. */
void kt_leave(struct kunit *test, struct kt_sub *sub, enum kt_op way);
/* The leaver waits if the way is unregister, and otherwise has left. */
void kt_assert_way_waits(struct kunit *test, struct mmun_subscriptions *subs,
			 struct kt_actor *leaver);
/* If the way is a put, wait until the notifier is freed. */
void kt_await_way_frees(struct kunit *test, struct kt_sub *sub);

/* Whether a range may block, for KT_NAMED_PARAM(block, kt_blocks). */
struct kt_block {
	const char *name;
	bool blockable;
};

extern const struct kt_block kt_blocks[2];
bool kt_block_of(struct kunit *test);

/* --- the log: which callback came when --- */

enum kt_callback { CB_START, CB_END, CB_RELEASE, CB_INVALIDATE };

/* From now on the callbacks of @sub are logged, which is returned. */
struct kt_sub *kt_logged(struct kt_sub *sub);
/* A new subscriber of kt_range_ops that is registered and logged. */
struct kt_sub *kt_register_logged(struct kunit *test, struct mm_struct *mm);
/* A new interval over [start, end) that is inserted and logged. */
struct kt_interval *kt_insert_logged(struct kunit *test, struct mm_struct *mm,
				     unsigned long start, unsigned long end);
void kt_log_end(struct kt_sub *sub, const struct mmun_notifier_range *range);
void kt_log_release(struct kt_sub *sub);
/* How often it was called for @range; for any range if that is NULL. */
int kt_calls(const void *object, enum kt_callback callback,
	     const struct kt_range *range);
/* The place in the log of its first call, or -1. */
int kt_place(const void *object, enum kt_callback callback,
	     const struct kt_range *range);
/* kt_non_block() in its first call, or -1. */
int kt_non_block_in(const void *object, enum kt_callback callback);
/* For kt_init() and kt_exit(). */
void kt_log_reset(void);
unsigned int kt_log_lost(void);

/* --- the suites --- */

extern struct kunit_suite mmun_dispatch_suite;
extern struct kunit_suite mmun_register_suite;
extern struct kunit_suite mmun_kill_suite;
extern struct kunit_suite mmun_leave_suite;
extern struct kunit_suite mmun_overflow_suite;
extern struct kunit_suite mmun_record_suite;
extern struct kunit_suite mmun_refusal_suite;
extern struct kunit_suite mmun_orphan_suite;
extern struct kunit_suite mmun_query_suite;
extern struct kunit_suite mmun_read_suite;
extern struct kunit_suite mmun_interval_suite;
extern struct kunit_suite mmun_passes_suite;
extern struct kunit_suite mmun_dropin_suite;
extern struct kunit_suite mmun_hmm_suite;
extern struct kunit_suite mmun_model_suite;
extern struct kunit_suite mmun_storm_suite;
extern struct kunit_suite mmun_get_suite;
extern struct kunit_suite mmun_put_suite;
extern struct kunit_suite mmun_unregister_suite;
extern struct kunit_suite mmun_deferred_suite;
extern struct kunit_suite mmun_reference_suite;
extern struct kunit_suite mmun_exit_suite;
extern struct kunit_suite mmun_events_suite;
extern struct kunit_suite mmun_attach_suite;
extern struct kunit_suite mmun_bridge_suite;
extern struct kunit_suite mmun_removal_suite;
extern struct kunit_suite mmun_behind_suite;
extern struct kunit_suite mmun_isolation_suite;
extern struct kunit_suite mmun_trace_suite;

/* For the random cases, which print the seed. */
extern unsigned long mmun_kunit_seed;
extern unsigned int mmun_kunit_steps;

#endif /* _MMUN_KUNIT_H */
