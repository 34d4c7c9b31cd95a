// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_lifetime: who is alive, who may be freed, and when. get and put,
 * unregister, deferred destruction, the mm's exit, and every allocation that
 * can fail.
 *
 * Objects of kt_sub() live as long as the case, so that what they have heard
 * can be read after they have left. Where the point is that nobody touches an
 * object any more, it is a struct owned, which is freed for real: KASAN and
 * kmemleak are the judges there.
 */

#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/oom.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>

#include "mmun_kunit.h"

struct call {
	struct rcu_head rcu;
};

/* What alloc_notifier, free_notifier and the functions of call_srcu do. */
struct life {
	struct kunit *test;

	struct kt_gate alloc;
	long alloc_ret;			/* an errno; 1 stands for NULL */
	bool nest;			/* the next alloc calls get itself */
	struct mmun_notifier *nested, *loser;
	struct kt_sub *spare;		/* returned by alloc, if there is one */
	bool hold;			/* who gives back does not return */
	unsigned int held_on;		/* the CPU where it turns */
	struct kt_gate stop;		/* of an owned, or a task */
	struct call *call;		/* for a task to queue on cpu */
	unsigned int cpu;

	atomic_t allocs, frees, funcs, releases;
	atomic_t held;			/* came where hold holds them */
	atomic_t early;			/* freed with a callback inside */
	atomic_t sleepable;		/* freed where one could sleep */
	struct mm_struct *released_mm;	/* what a release was told */
};

static struct life *life;

static struct kt_sub *to_sub(struct mmun_notifier *mn)
{
	return container_of(mn, struct kt_sub, mn);
}

/* --- objects of get that the case can look at afterwards --- */

/* kt_ops with the rest; made in life_init() */
static struct mmun_notifier_ops life_ops, life_ops2;
/* The same without alloc and free, to register. */
static struct mmun_notifier_ops life_list_ops;

static struct mmun_notifier *life_alloc(struct mm_struct *mm)
{
	struct kt_sub *sub = life->spare;

	atomic_inc(&life->allocs);
	kt_gate_pass(&life->alloc);
	if (life->alloc_ret)
		return life->alloc_ret > 0 ? NULL : ERR_PTR(life->alloc_ret);
	if (!sub)
		sub = kt_sub(life->test, NULL);
	if (life->nest) {
		life->nest = false;
		life->nested = mmun_notifier_get_locked(&life_ops, mm);
		life->loser = &sub->mn;
	}
	return &sub->mn;
}

/* One that is slow: it may not sleep, so it turns until the case lets it go. */
static void give_back_slowly(void)
{
	unsigned long deadline = jiffies + 10 * HZ;

	if (!softirq_count())
		atomic_inc(&life->sleepable);
	if (!READ_ONCE(life->hold))
		return;
	life->held_on = raw_smp_processor_id();
	atomic_inc(&life->held);
	while (READ_ONCE(life->hold) && time_before(jiffies, deadline))
		cpu_relax();
}

static void life_free(struct mmun_notifier *mn)
{
	struct kt_sub *sub = to_sub(mn);

	if (atomic_read(&sub->inside))
		atomic_inc(&life->early);
	give_back_slowly();
	atomic_inc(&sub->frees);
	atomic_inc(&life->frees);
}

/* Unlike that of kt_ops it can be stopped, at the gate of the queries. */
static void life_flush_tlb(struct mmun_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	struct kt_sub *sub = to_sub(mn);

	atomic_inc(&sub->inside);
	atomic_inc(&sub->tlb_flushes);
	kt_gate_pass(&sub->query);
	atomic_dec(&sub->inside);
}

/* --- objects that are freed for real --- */

enum place {
	AT_START, AT_END, AT_QUERY, AT_TLB, AT_RELEASE, AT_INTERVAL, AT_LEAVER,
	AT_INTERVAL_RELEASE,
};

struct owned {
	struct mmun_notifier mn;
	struct rcu_head rcu;
	enum place act_at;		/* where act is called; then NULL */
	void (*act)(struct owned *owned);
	struct owned *other;
	int touched;
};

static struct owned *to_owned(struct mmun_notifier *mn)
{
	return container_of(mn, struct owned, mn);
}

/* A callback: it works on its object to the end. */
static void owned_work(struct mmun_notifier *mn, enum place at)
{
	struct owned *owned = to_owned(mn);
	void (*act)(struct owned *owned) = owned->act;

	owned->touched++;
	if (act && owned->act_at == at) {
		owned->act = NULL;
		act(owned);
		return;
	}
	cond_resched();
	owned->touched++;
}

static int owned_start(struct mmun_notifier *mn,
		       const struct mmun_notifier_range *range)
{
	owned_work(mn, AT_START);
	return 0;
}

static void owned_end(struct mmun_notifier *mn,
		      const struct mmun_notifier_range *range)
{
	owned_work(mn, AT_END);
}

static void owned_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	atomic_inc(&life->releases);
	owned_work(mn, AT_RELEASE);
}

static struct mmun_notifier *owned_alloc(struct mm_struct *mm)
{
	struct owned *owned = kzalloc(sizeof(*owned), GFP_KERNEL);

	if (!owned)
		return NULL;
	atomic_inc(&life->allocs);
	return &owned->mn;
}

static void owned_free(struct mmun_notifier *mn)
{
	kfree(to_owned(mn));
	atomic_inc(&life->frees);
}

static void owned_free_rcu(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct owned, rcu));
	atomic_inc(&life->funcs);
}

static const struct mmun_notifier_ops owned_ops = {
	.release = owned_release,
	.invalidate_range_start = owned_start,
	.invalidate_range_end = owned_end,
	.alloc_notifier = owned_alloc,
	.free_notifier = owned_free,
};

static struct owned *owned_register(struct kunit *test, struct mm_struct *mm)
{
	struct owned *owned = kzalloc(sizeof(*owned), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, owned);
	owned->mn.ops = &owned_ops;
	ret = mmun_notifier_register(&owned->mn, mm);
	if (ret) {
		kfree(owned);
		owned = NULL;
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	return owned;
}

static struct owned *owned_get(struct kunit *test, struct mm_struct *mm)
{
	struct mmun_notifier *mn = mmun_notifier_get(&owned_ops, mm);

	KUNIT_ASSERT_FALSE(test, IS_ERR(mn));
	return to_owned(mn);
}

/* What an owned may do in a callback. */
static void act_put(struct owned *owned)
{
	mmun_notifier_put(&owned->mn);
	/* Valid until the callback has returned. */
	owned->touched++;
}

static void act_unregister(struct owned *owned)
{
	mmun_notifier_unregister(&owned->mn, owned->mn.mm);
	kfree(owned);
}

static void act_unregister_other(struct owned *owned)
{
	mmun_notifier_unregister(&owned->other->mn, owned->mn.mm);
	kfree(owned->other);
}

static void act_no_release(struct owned *owned)
{
	mmun_notifier_unregister_no_release(&owned->mn, owned->mn.mm);
	mmun_notifier_call_srcu(&owned->rcu, owned_free_rcu);
	owned->touched++;
}

/* --- functions of call_srcu --- */

static void call_func(struct rcu_head *rcu)
{
	give_back_slowly();
	kfree(container_of(rcu, struct call, rcu));
	atomic_inc(&life->funcs);
}

static void call_later(struct kunit *test)
{
	struct call *call = kzalloc(sizeof(*call), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, call);
	mmun_notifier_call_srcu(&call->rcu, call_func);
}

DEFINE_STATIC_SRCU(elsewhere);

static void do_nothing(struct rcu_head *rcu)
{
}

/* Time enough for what is not held up by anything: it happens to others. */
static void let_others_finish(void)
{
	static struct rcu_head head;
	int i;

	for (i = 0; i < 2; i++) {
		call_srcu(&elsewhere, &head, do_nothing);
		srcu_barrier(&elsewhere);
	}
	rcu_barrier();
}

/* --- what tasks beside the case do --- */

/* Returns what still runs inside it then. */
static int do_unregister(void *arg)
{
	struct kt_sub *sub = arg;

	kt_unregister(sub);
	return atomic_read(&sub->inside);
}

static void no_release(struct kt_sub *sub)
{
	sub->registered = false;
	mmun_notifier_unregister_no_release(&sub->mn, sub->mn.mm);
}

static int do_no_release(void *arg)
{
	no_release(arg);
	return 0;
}

static int do_put(void *arg)
{
	kt_put(arg);
	return 0;
}

static int do_remove(void *arg)
{
	struct kt_interval *interval = arg;

	kt_remove(interval);
	return atomic_read(&interval->inside);
}

static int do_range(void *arg)
{
	int ret = kt_start(arg);

	if (!ret)
		kt_end(arg);
	return ret;
}

static int do_query(void *arg)
{
	mmun_kunit_clear_flush_young(arg, 0, PAGE_SIZE);
	return 0;
}

static int do_flush(void *arg)
{
	mmun_kunit_flush_tlb(arg, 0, PAGE_SIZE);
	return 0;
}

static int do_exit_mm(void *arg)
{
	kt_mm_exit(life->test, arg);
	return 0;
}

/* Returns what the counter that it was given says then. */
static int do_synchronize(void *arg)
{
	mmun_notifier_synchronize();
	return arg ? atomic_read((atomic_t *)arg) : 0;
}

struct joiner {
	struct mm_struct *mm;
	const struct mmun_notifier_ops *ops;
	struct kt_sub *sub;		/* to register; or what get returned */
};

static int do_register(void *arg)
{
	struct joiner *joiner = arg;
	int ret = mmun_notifier_register(&joiner->sub->mn, joiner->mm);

	joiner->sub->registered = !ret;
	return ret;
}

static int do_get(void *arg)
{
	struct joiner *joiner = arg;
	struct mmun_notifier *mn = mmun_notifier_get(joiner->ops, joiner->mm);

	if (IS_ERR(mn))
		return PTR_ERR(mn);
	joiner->sub = to_sub(mn);
	return 0;
}

/* Not on the case's stack, which goes when the case does: the task may go on. */
static void *for_task(struct kunit *test, const void *what, size_t size)
{
	void *copy = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	return memcpy(copy, what, size);
}

static struct joiner *new_joiner(struct kunit *test, struct mm_struct *mm,
				 const struct mmun_notifier_ops *ops)
{
	struct joiner joiner = { .mm = mm, .ops = ops };

	return for_task(test, &joiner, sizeof(joiner));
}

struct on_cpu {
	struct joiner joiner;
	struct kt_sub *sub;
	unsigned int cpu;
	int gets;			/* or puts, of sub, if negative */
};

static int do_on_cpu(void *arg)
{
	struct on_cpu *a = arg;
	int ret, i;

	ret = set_cpus_allowed_ptr(current, cpumask_of(a->cpu));
	for (i = 0; !ret && i < a->gets; i++)
		ret = do_get(&a->joiner);
	for (i = 0; !ret && i > a->gets; i--)
		mmun_notifier_put(&a->sub->mn);
	return ret;
}

/* It sleeps, or has returned. Whether it has is to be looked at then. */
static bool settled(struct kt_task *task)
{
	return !kt_running(task) ||
	       (READ_ONCE(task->task->__state) & TASK_UNINTERRUPTIBLE);
}

/*
 * kt_until() while one turns in give_back_slowly(): that keeps a CPU's timers
 * from expiring, and ours may be among them.
 */
#define run_until(condition)						\
({									\
	unsigned long run_deadline = jiffies + KT_TIMEOUT;		\
	bool run_true;							\
									\
	while (!(run_true = !!(condition)) &&				\
	       time_before(jiffies, run_deadline))			\
		cond_resched();						\
	run_true;							\
})

static void assert_sleeps(struct kunit *test, struct kt_task *task)
{
	KT_ASSERT_UNTIL(test, settled(task));
	KUNIT_ASSERT_TRUE(test, kt_running(task));
}

static struct mmun_kunit_state look(struct mmun_subscriptions *subs)
{
	struct mmun_kunit_state state;

	mmun_kunit_look(subs, &state);
	return state;
}

/* --- mm_count --- */

static void forget_mm(struct work_struct *work)
{
	struct mm_struct *mm = kt_loader_mm(life->test);

	kthread_use_mm(mm);
	kthread_unuse_mm(mm);
}

/*
 * mm_count of a mm that is not the loader's. An idle CPU holds one on the last
 * mm it has used, so all CPUs are made to use the loader's; twice, because a
 * process that is just going to sleep may come from one that is still to be
 * done to one that is done.
 */
static int mm_count(struct mm_struct *mm)
{
	struct work_struct work;
	int round, cpu;

	for (round = 0; round < 2; round++) {
		for_each_online_cpu(cpu) {
			INIT_WORK_ONSTACK(&work, forget_mm);
			queue_work_on(cpu, system_wq, &work);
			flush_work(&work);
			destroy_work_on_stack(&work);
		}
	}
	return atomic_read(&mm->mm_count);
}

/* It comes back to that: not all who drop it are waited for. */
static void assert_mm_count(struct kunit *test, struct mm_struct *mm,
			    int expected)
{
	bool came = kt_until(mm_count(mm) == expected);

	KUNIT_ASSERT_TRUE_MSG(test, came, "mm_count is %d, not %d",
			      mm_count(mm), expected);
}

/* One that is held by its users and by the case, and by nobody else. */
#define FRESH_COUNT	2

static struct mm_struct *fresh_mm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);

	assert_mm_count(test, mm, FRESH_COUNT);
	return mm;
}

/* --- scenes: a task that stands in a callback of sub or interval --- */

struct scene {
	struct mm_struct *mm;
	struct mmun_subscriptions *subs;
	struct kt_sub *keeper;		/* so that subs stays */
	struct kt_sub *sub;
	struct kt_interval *interval;
	struct kt_gate *gate;
	struct kt_task *task;
};

static struct kt_range *a_range(struct kunit *test, struct mm_struct *mm)
{
	return kt_range(test, mm, 0x1000, 0x2000, true, MMUN_NOTIFY_CLEAR);
}

static void stage(struct kunit *test, struct scene *scene)
{
	scene->mm = fresh_mm(test);
	scene->keeper = kt_register(test, scene->mm, &kt_release_only_ops);
	scene->subs = scene->keeper->mn.subs;
}

static void stand(struct kunit *test, struct scene *scene, enum place at)
{
	struct kt_sub *sub = scene->sub;
	int (*fn)(void *arg) = do_range;
	void *arg = scene->mm;

	switch (at) {
	case AT_START:
		scene->gate = &sub->start;
		arg = a_range(test, scene->mm);
		break;
	case AT_END:
		scene->gate = &sub->end;
		arg = a_range(test, scene->mm);
		break;
	case AT_INTERVAL:
		scene->gate = &scene->interval->gate;
		arg = a_range(test, scene->mm);
		break;
	case AT_QUERY:
		scene->gate = &sub->query;
		fn = do_query;
		break;
	case AT_TLB:
		scene->gate = &sub->query;
		fn = do_flush;
		break;
	case AT_RELEASE:
		kt_mm_kill(test, scene->mm);
		scene->gate = &sub->release;
		fn = do_exit_mm;
		break;
	case AT_INTERVAL_RELEASE:
		kt_mm_kill(test, scene->mm);
		scene->gate = &scene->interval->gate;
		fn = do_exit_mm;
		break;
	case AT_LEAVER:
		scene->gate = &sub->release;
		fn = do_unregister;
		arg = sub;
		break;
	}
	kt_gate_close(scene->gate);
	scene->task = kt_run(test, fn, arg);
	kt_gate_wait(test, scene->gate);
}

static int go_on(struct kunit *test, struct scene *scene)
{
	kt_gate_open(scene->gate);
	return kt_join(test, scene->task);
}

struct place_param {
	const char *name;
	enum place at;
};

static const struct place_param places[] = {
	{ "start", AT_START },
	{ "end", AT_END },
	{ "young query", AT_QUERY },
	{ "TLB flush", AT_TLB },
	{ "release at exit", AT_RELEASE },
	{ "interval", AT_INTERVAL },
	{ "release by unregister", AT_LEAVER },
	{ "release of an interval", AT_INTERVAL_RELEASE },
};

static void place_name(const struct place_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(every_place, places, place_name);

/* Those where a walk of the list calls. */
static const struct place_param walk_places[] = {
	{ "start", AT_START },
	{ "end", AT_END },
	{ "young query", AT_QUERY },
	{ "TLB flush", AT_TLB },
	{ "release at exit", AT_RELEASE },
};

KUNIT_ARRAY_PARAM(walk_place, walk_places, place_name);

/* Those where an object can be put. */
static const struct place_param put_places[] = {
	{ "start", AT_START },
	{ "end", AT_END },
	{ "release at exit", AT_RELEASE },
};

KUNIT_ARRAY_PARAM(put_place, put_places, place_name);

/* --- 1: get --- */

/*
 * A second get returns the same object and counts it; after the last put the
 * next get makes another.
 */
static void p01_second_get_is_the_same(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *first = kt_get(test, mm, &life_ops);
	struct kt_sub *second = kt_get(test, mm, &life_ops);
	struct kt_sub *third;

	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_EQ(test, kt_users(first), 2U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_PTR_EQ(test, first->mn.mm, mm);
	KUNIT_EXPECT_PTR_EQ(test, first->mn.ops,
			    (const struct mmun_notifier_ops *)&life_ops);

	kt_put(first);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&first->frees), 0);
	kt_put(first);

	third = kt_get(test, mm, &life_ops);
	KUNIT_EXPECT_PTR_NE(test, first, third);
	KUNIT_EXPECT_EQ(test, kt_users(third), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 2);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&first->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&third->frees), 0);
}

/*
 * Another ops or another mm is another object; what was registered with the
 * same ops is never returned.
 */
static void p01_other_key_other_object(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_sub *listed = kt_register(test, mm, &life_ops);
	struct kt_sub *a = kt_get(test, mm, &life_ops);
	struct kt_sub *b = kt_get(test, mm, &life_ops2);
	struct kt_sub *c = kt_get(test, mm2, &life_ops);
	struct kt_range *range = a_range(test, mm);

	KUNIT_EXPECT_PTR_NE(test, listed, a);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a, c);
	KUNIT_EXPECT_PTR_NE(test, b, c);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 3);
	KUNIT_EXPECT_PTR_EQ(test, c->mn.mm, mm2);

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->starts), 0);
}

/*
 * At UINT_MAX users of one processor a get fails with -EOVERFLOW and changes nothing;
 * the one before it succeeds.
 */
static void p01_overflow(struct kunit *test)
{
	unsigned int here = kt_pin(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	unsigned int *users = per_cpu_ptr(sub->mn.users, here);
	struct mmun_notifier *mn;

	KUNIT_ASSERT_EQ(test, *users, 1U);
	*users = UINT_MAX - 1;
	KUNIT_EXPECT_PTR_EQ(test, mmun_notifier_get(&life_ops, mm), &sub->mn);
	KUNIT_EXPECT_EQ(test, *users, UINT_MAX);

	mn = mmun_notifier_get(&life_ops, mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-EOVERFLOW);
	mmap_write_lock(mm);
	mn = mmun_notifier_get_locked(&life_ops, mm);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, *users, UINT_MAX);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	*users = 1;
}

/*
 * What alloc_notifier returns instead of an object comes out of get; NULL is
 * -ENOMEM; and nothing stays.
 */
static void p01_alloc_error_passes_through(struct kunit *test)
{
	static const long errors[] = {
		-ENOMEM, -EPERM, -EINTR, -EBUSY, -ESRCH, -MAX_ERRNO, 1,
	};
	struct mm_struct *mm = fresh_mm(test);
	int before = mm_count(mm);
	struct mmun_notifier *mn;
	struct kt_sub *sub;
	int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		life->alloc_ret = errors[i];
		mn = mmun_notifier_get(&life_ops, mm);
		KUNIT_EXPECT_EQ(test, PTR_ERR(mn),
				errors[i] > 0 ? -ENOMEM : errors[i]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), i);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, mm_count(mm), before);

	life->alloc_ret = 0;
	sub = kt_get(test, mm, &life_ops);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
}

/*
 * A get whose registration fails gives the object back to free_notifier, once.
 */
static void p01_failed_get_gives_back(struct kunit *test)
{
	struct mm_struct *mm = fresh_mm(test);
	int before;
	struct mmun_notifier *mn;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	before = mm_count(mm);

	mn = mmun_notifier_get(&life_ops, mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-ESRCH);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);

	mmap_write_lock(mm);
	mn = mmun_notifier_get_locked(&life_ops, mm);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-ESRCH);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 2);
	KUNIT_EXPECT_EQ(test, mm_count(mm), before);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 2);
}

/*
 * After the exit a get of an object that still has users fails, too: it could
 * never hear the release.
 */
static void p01_get_after_exit_is_refused(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	struct mmun_notifier *mn;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	mn = mmun_notifier_get(&life_ops, mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-ESRCH);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
			atomic_read(&life->allocs) - 1);
}

/*
 * A get that comes while another stands in alloc_notifier waits for it and
 * shares its object.
 */
static void p01_get_during_alloc_shares(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct joiner *first = new_joiner(test, mm, &life_ops);
	struct joiner *second = new_joiner(test, mm, &life_ops);
	struct kt_task *a, *b;

	kt_gate_close(&life->alloc);
	a = kt_run(test, do_get, first);
	kt_gate_wait(test, &life->alloc);
	b = kt_run(test, do_get, second);
	KT_ASSERT_UNTIL(test, mmap_lock_is_contended(mm) || !kt_running(b));
	KUNIT_EXPECT_TRUE(test, kt_running(b));
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);

	kt_gate_open(&life->alloc);
	KUNIT_ASSERT_EQ(test, kt_join(test, a), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, b), 0);
	first->sub->got = true;
	KUNIT_EXPECT_PTR_EQ(test, first->sub, second->sub);
	KUNIT_EXPECT_EQ(test, kt_users(first->sub), 2U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 0);
}

/*
 * Of two gets that have both allocated, the loser returns the winner's object
 * and frees its own.
 */
static void p01_losing_get_frees_its_own(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub;

	/* The one way to come between alloc and linking: in alloc itself. */
	life->nest = true;
	sub = kt_get(test, mm, &life_ops);
	KUNIT_ASSERT_NOT_NULL(test, life->loser);
	KUNIT_EXPECT_PTR_EQ(test, &sub->mn, life->nested);
	KUNIT_EXPECT_PTR_NE(test, &sub->mn, life->loser);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 2U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_sub(life->loser)->frees), 1);
	KUNIT_EXPECT_EQ(test, look(sub->mn.subs).users, 1U);
	kt_put(sub);
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 2);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/*
 * Get under the mmap lock makes the object, finds it, and is the same as get
 * without it.
 */
static void p01_get_locked(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct mmun_notifier *first, *second;

	mmap_write_lock(mm);
	first = mmun_notifier_get_locked(&life_ops, mm);
	second = mmun_notifier_get_locked(&life_ops, mm);
	mmap_write_unlock(mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(first));
	to_sub(first)->got = true;
	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_PTR_EQ(test, mmun_notifier_get(&life_ops, mm), first);
	KUNIT_EXPECT_EQ(test, kt_users(to_sub(first)), 3U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
}

/*
 * A get that finds an object whose first get still waits for an older range
 * waits for that range as well.
 */
static void p01_second_get_waits_for_the_first(struct kunit *test)
{
	struct joiner *first, *second;
	struct kt_range *range;
	struct kt_task *a, *b;
	struct scene s;

	stage(test, &s);
	first = new_joiner(test, s.mm, &kt_get_ops);
	second = new_joiner(test, s.mm, &kt_get_ops);
	range = a_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	a = kt_run(test, do_get, first);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	b = kt_run(test, do_get, second);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 2 || !kt_running(b));
	KUNIT_EXPECT_TRUE(test, kt_running(a));
	KUNIT_EXPECT_TRUE(test, kt_running(b));

	kt_end(range);
	KUNIT_ASSERT_EQ(test, kt_join(test, a), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, b), 0);
	first->sub->got = true;
	KUNIT_EXPECT_PTR_EQ(test, first->sub, second->sub);
	KUNIT_EXPECT_EQ(test, kt_users(first->sub), 2U);
}

/*
 * The object that a get waits for is kept by that get, though the first one, of the
 * same processor, puts it meanwhile.
 */
static void p01_waiting_get_keeps_the_object(struct kunit *test)
{
	struct on_cpu a = { .cpu = kt_pin(test), .gets = 1 }, *second;
	struct kt_range *range;
	struct kt_task *b;
	struct kt_sub *sub;
	struct scene s;

	stage(test, &s);
	sub = kt_get(test, s.mm, &life_ops);
	a.joiner = (struct joiner){ .mm = s.mm, .ops = &life_ops };
	second = for_task(test, &a, sizeof(a));
	range = a_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	/* As if sub's own get had not come through yet. */
	sub->mn.joining = true;
	hlist_del_init_rcu(&sub->mn.got_node);
	b = kt_run(test, do_on_cpu, second);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 2U);
	kt_put(sub);
	sub->mn.joining = false;
	kt_end(range);
	KUNIT_ASSERT_EQ(test, kt_join(test, b), 0);
	KUNIT_EXPECT_PTR_EQ(test, sub, second->joiner.sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
}

/*
 * While the last put's object is still held by a callback, a get makes a new
 * one, and only the old one is freed.
 */
static void p01_get_while_the_old_one_is_a_zombie(struct kunit *test)
{
	struct kt_sub *old, *new;
	struct scene s;

	stage(test, &s);
	s.sub = kt_get(test, s.mm, &life_ops);
	old = s.sub;
	KUNIT_EXPECT_EQ(test, look(s.subs).gettable, 1U);
	stand(test, &s, AT_END);
	kt_put(old);
	KUNIT_ASSERT_EQ(test, look(s.subs).zombies, 1U);
	KUNIT_EXPECT_EQ(test, look(s.subs).gettable, 0U);

	new = kt_get(test, s.mm, &life_ops);
	KUNIT_EXPECT_PTR_NE(test, old, new);
	KUNIT_EXPECT_EQ(test, look(s.subs).gettable, 1U);
	KUNIT_EXPECT_EQ(test, kt_users(old), 0U);
	KUNIT_EXPECT_EQ(test, kt_users(new), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 0);

	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->ends), 0);
}

/*
 * The same with the old object's start running: the new get waits for that
 * range, the old object for its callback.
 */
static void p01_get_while_the_old_one_starts(struct kunit *test)
{
	struct joiner *joiner;
	struct kt_task *task;
	struct kt_sub *old;
	struct scene s;

	stage(test, &s);
	joiner = new_joiner(test, s.mm, &life_ops);
	s.sub = kt_get(test, s.mm, &life_ops);
	old = s.sub;
	stand(test, &s, AT_START);
	kt_put(old);
	task = kt_run(test, do_get, joiner);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 0);

	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	joiner->sub->got = true;
	KUNIT_EXPECT_PTR_NE(test, joiner->sub, old);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&joiner->sub->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
}

/* --- 2: put --- */

/*
 * free_notifier is called once, after the last put and not before, where one
 * may not sleep.
 */
static void p02_free_once_after_the_last_put(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	int i;

	kt_get(test, mm, &life_ops);
	kt_get(test, mm, &life_ops);
	for (i = 0; i < 2; i++) {
		kt_put(sub);
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	}
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
	/* A driver calls release itself, if it wants to. */
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
}

/*
 * An object that is put while a callback on it runs is not freed until that
 * has returned.
 */
static void p02_free_waits_for_callbacks(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_task *sync;
	struct kt_sub *sub;
	struct scene s;

	stage(test, &s);
	s.sub = kt_get(test, s.mm, &life_ops);
	sub = s.sub;
	stand(test, &s, param->at);
	kt_put(sub);
	KUNIT_EXPECT_EQ(test, look(s.subs).zombies, 1U);
	sync = kt_run(test, do_synchronize, &sub->frees);
	assert_sleeps(test, sync);
	let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);

	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
			atomic_read(&sub->accepted));
}

/*
 * Of two callbacks that run on a put object the last one is waited for,
 * whichever it is.
 */
static void p02_free_waits_for_each_callback(struct kunit *test)
{
	struct scene s, t;
	struct kt_sub *sub;
	int i;

	stage(test, &s);
	for (i = 0; i < 2; i++) {
		t = s;
		sub = kt_get(test, s.mm, &life_ops);
		s.sub = sub;
		t.sub = sub;
		stand(test, &s, AT_START);
		stand(test, &t, AT_END);
		kt_put(sub);
		KUNIT_EXPECT_EQ(test, go_on(test, i ? &s : &t), 0);
		let_others_finish();
		KUNIT_EXPECT_EQ(test, look(s.subs).zombies, 1U);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
		KUNIT_EXPECT_EQ(test, go_on(test, i ? &t : &s), 0);
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
}

/*
 * A callback that began after the put, or that runs on another mm, does not
 * hold the object up.
 */
static void p02_free_does_not_wait_for_others(struct kunit *test)
{
	struct scene s, later, other;
	struct kt_sub *sub;

	stage(test, &s);
	later = s;
	stage(test, &other);
	later.sub = kt_register(test, s.mm, &life_list_ops);
	other.sub = kt_register(test, other.mm, &life_list_ops);
	s.sub = kt_get(test, s.mm, &life_ops);
	sub = s.sub;

	stand(test, &other, AT_START);
	stand(test, &s, AT_END);
	kt_put(sub);
	stand(test, &later, AT_QUERY);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_TRUE(test, kt_running(later.task));
	KUNIT_EXPECT_TRUE(test, kt_running(other.task));
	go_on(test, &later);
	go_on(test, &other);
}

/*
 * What is newer than a put does not stand for what is older: with a callback
 * from before it, and one from after it, still running, a third that ends frees
 * nothing.
 */
static void p02_newer_callbacks_do_not_free(struct kunit *test)
{
	/* In a range with a slot, and in a walk with a number. */
	static const enum place older[] = { AT_START, AT_QUERY };
	struct scene s, later;
	struct kt_sub *sub;
	int i;

	stage(test, &s);
	later = s;
	later.sub = kt_register(test, s.mm, &life_list_ops);
	for (i = 0; i < ARRAY_SIZE(older); i++) {
		s.sub = kt_get(test, s.mm, &life_ops);
		sub = s.sub;
		stand(test, &s, older[i]);
		kt_put(sub);
		stand(test, &later, AT_QUERY);
		KUNIT_EXPECT_EQ(test, do_range(a_range(test, s.mm)), 0);
		KUNIT_EXPECT_EQ(test, look(s.subs).zombies, 1U);
		go_on(test, &later);
		KUNIT_EXPECT_EQ(test, look(s.subs).zombies, 1U);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
		KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	}
}

/*
 * The reference on the mm_struct is held until free_notifier has been called,
 * and then dropped.
 */
static void p02_mm_reference_is_dropped(struct kunit *test)
{
	struct scene s;
	int before;

	stage(test, &s);
	before = mm_count(s.mm);
	s.sub = kt_get(test, s.mm, &kt_get_ops);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), before + 1);
	kt_get(test, s.mm, &kt_get_ops);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), before + 1);
	kt_put(s.sub);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), before + 1);
	stand(test, &s, AT_END);
	kt_put(s.sub);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), before + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 0);
	go_on(test, &s);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 1);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), before);
}

static void put_in_start(struct kt_sub *sub,
			 const struct mmun_notifier_range *range)
{
	sub->on_start = NULL;
	kt_put(sub);
}

static void put_in_end(struct kt_sub *sub,
		       const struct mmun_notifier_range *range)
{
	sub->on_end = NULL;
	kt_put(sub);
}

static void put_in_release(struct kt_sub *sub)
{
	kt_put(sub);
}

/*
 * The last put works inside start, end and release; the callback goes on, and
 * then the object is freed.
 */
static void p02_put_in_a_callback(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *next = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	struct kt_sub *last = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = a_range(test, mm);

	if (param->at == AT_START)
		sub->on_start = put_in_start;
	else if (param->at == AT_END)
		sub->on_end = put_in_end;
	else
		sub->on_release = put_in_release;

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	if (param->at == AT_RELEASE) {
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
		kt_mm_kill(test, mm);
		kt_mm_exit(test, mm);
		KUNIT_EXPECT_EQ(test, atomic_read(&next->releases), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&last->releases), 1);
	}
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
			param->at == AT_START ? 0 : 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases),
			param->at == AT_RELEASE ? 1 : 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->ends), 1);
}

/* The same with objects that are freed for real, two of them in one walk. */
static void p02_put_in_a_callback_frees(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *keeper = kt_register(test, mm, &kt_release_only_ops);
	struct owned *owned = owned_get(test, mm);
	struct owned *listed = owned_register(test, mm);
	struct kt_range *range = a_range(test, mm);

	owned->act = act_put;
	owned->act_at = param->at;
	/* It leaves on its own, in the same callback. */
	listed->act = act_no_release;
	listed->act_at = param->at;

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->releases),
			param->at == AT_RELEASE ? 2 : 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&keeper->releases), 1);
}

/*
 * A put without a user is reported and does nothing: one free, and the others
 * stay. The counts are somebody else's then, and it must not find them.
 */
static void p02_put_without_user(struct kunit *test)
{
	struct scene s;

	stage(test, &s);
	s.sub = kt_get(test, s.mm, &kt_get_ops);
	stand(test, &s, AT_END);
	mmun_kunit_warnings();
	kt_put(s.sub);
	KUNIT_EXPECT_EQ(test, look(s.subs).users, 1U);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
	mmun_notifier_put(&s.sub->mn);
	mmun_notifier_put(&s.sub->mn);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 2U);
	KUNIT_EXPECT_EQ(test, kt_users(s.sub), 0U);
	KUNIT_EXPECT_EQ(test, s.sub->mn.users_cpus, 0U);
	KUNIT_EXPECT_EQ(test, look(s.subs).users, 1U);
	KUNIT_EXPECT_EQ(test, look(s.subs).zombies, 1U);
	go_on(test, &s);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 1);

	KUNIT_EXPECT_TRUE(test, !s.sub->mn.users);
	mmun_notifier_put(&s.sub->mn);
	KUNIT_EXPECT_EQ(test, s.sub->mn.users_cpus, 0U);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	KUNIT_EXPECT_EQ(test, look(s.subs).users, 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 1);
}

/* One that was registered, and not got, has one user: it can be put, too. */
static void p02_put_of_a_registered_one(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &life_ops);

	sub->registered = false;
	mmun_notifier_put(&sub->mn);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
}

struct between {
	struct joiner joiner;
	struct kt_watch watch;
	struct kt_sub *old;
	unsigned int cpu, watched;
	bool inside;			/* it has read how many users old has */
	bool changed;			/* and the case has changed that */
	bool in_time;			/* before it went on */
	bool freed;			/* and it was freed meanwhile, too */
	bool outside;			/* it went on */
};

static struct kt_sub *get_on(struct kunit *test, struct mm_struct *mm,
			     unsigned int cpu)
{
	struct on_cpu a = {
		.joiner = { .mm = mm, .ops = &life_ops }, .cpu = cpu, .gets = 1,
	}, *getter = for_task(test, &a, sizeof(a));

	KUNIT_ASSERT_EQ(test, kt_join(test, kt_run(test, do_on_cpu, getter)), 0);
	getter->joiner.sub->got = true;
	return getter->joiner.sub;
}

static void put_on(struct kunit *test, struct kt_sub *sub, unsigned int cpu,
		   int n)
{
	struct on_cpu a = { .sub = sub, .cpu = cpu, .gets = -n };
	struct on_cpu *putter = for_task(test, &a, sizeof(a));

	KUNIT_ASSERT_EQ(test, kt_join(test, kt_run(test, do_on_cpu, putter)), 0);
}

/*
 * A user may be put on another processor than it was got on: what counts is the sum,
 * and the object goes with the last one.
 */
static void p02_put_on_another_cpu(struct kunit *test)
{
	unsigned int here = kt_pin(test), other;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub;

	if (!kt_two_cpus(test, &other))
		kunit_skip(test, "there is one CPU only");
	sub = kt_get(test, mm, &life_ops);
	KUNIT_EXPECT_PTR_EQ(test, get_on(test, mm, other), sub);
	KUNIT_EXPECT_PTR_EQ(test, get_on(test, mm, other), sub);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 3U);
	KUNIT_EXPECT_EQ(test, sub->mn.users_cpus, 2U);

	/* One of its own, then one of the other's. */
	put_on(test, sub, here, 2);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	KUNIT_EXPECT_EQ(test, sub->mn.users_cpus, 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);

	/* And back: this processor has none now. */
	KUNIT_EXPECT_PTR_EQ(test, get_on(test, mm, here), sub);
	KUNIT_EXPECT_EQ(test, sub->mn.users_cpus, 2U);
	put_on(test, sub, other, 1);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	sub->got = false;
	put_on(test, sub, other, 1);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
}

struct counts {
	unsigned int __percpu *taken[1024];
	unsigned int nr;
};

/*
 * Asks for the like of a notifier's counts until somebody is given what were its own,
 * and says whether it was so.
 */
static bool given_away(struct counts *counts, const unsigned int __percpu *users)
{
	bool given = false;

	for (counts->nr = 0; counts->nr < ARRAY_SIZE(counts->taken) && !given;) {
		counts->taken[counts->nr] = alloc_percpu(unsigned int);
		given = counts->taken[counts->nr++] == users;
	}
	return given;
}

static void give_back_counts(struct counts *counts)
{
	while (counts->nr)
		free_percpu(counts->taken[--counts->nr]);
}

static void wait_for_the_put(struct kt_watch *watch)
{
	struct between *b = watch->arg;

	WRITE_ONCE(b->inside, true);
	b->in_time = kt_spin_until(READ_ONCE(b->changed), 5000);
	b->freed = kt_spin_until(atomic_read(&b->old->frees), 500);
	WRITE_ONCE(b->outside, true);
}

static int do_watched_get(void *arg)
{
	struct between *b = arg;
	int ret;

	ret = set_cpus_allowed_ptr(current, cpumask_of(b->cpu));
	if (ret)
		return ret;
	b->watch.fn = wait_for_the_put;
	b->watch.arg = b;
	ret = kt_watch(&b->watch, per_cpu_ptr(b->old->mn.users, b->watched));
	if (ret)
		return ret;
	ret = do_get(&b->joiner);
	kt_unwatch(&b->watch);
	return ret;
}

/*
 * The last put comes when a get on another processor has found the object and not
 * counted itself: the object is not freed before the get has turned away from it, nor
 * are its counts, and the get makes another.
 */
static void p02_put_inside_a_get(struct kunit *test)
{
	struct between *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	struct counts *counts = kunit_kzalloc(test, sizeof(*counts), GFP_KERNEL);
	unsigned int __percpu *users;
	struct kt_task *task;
	struct scene s;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, b);
	KUNIT_ASSERT_NOT_NULL(test, counts);
	stage(test, &s);
	if (!kt_two_cpus(test, &b->cpu))
		kunit_skip(test, "there is one CPU only");
	b->joiner.mm = s.mm;
	b->joiner.ops = &life_ops;
	/* Of that processor's users it is the only one. */
	b->watched = b->cpu;
	b->old = get_on(test, s.mm, b->cpu);
	task = kt_run(test, do_watched_get, b);
	while (!READ_ONCE(b->inside) && kt_running(task))
		cond_resched();
	if (READ_ONCE(b->inside)) {
		users = b->old->mn.users;
		kt_put(b->old);
		WRITE_ONCE(b->changed, true);
		while (!READ_ONCE(b->outside) && kt_running(task)) {
			if (given_away(counts, users))
				/* Not while the get was inside. */
				KUNIT_EXPECT_TRUE(test, READ_ONCE(b->outside));
			give_back_counts(counts);
		}
	}
	ret = kt_join(test, task);
	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "no breakpoints on data");
	KUNIT_ASSERT_EQ(test, ret, 0);
	b->joiner.sub->got = true;
	KUNIT_EXPECT_TRUE(test, b->in_time);
	KUNIT_EXPECT_FALSE(test, b->freed);
	KUNIT_EXPECT_PTR_NE(test, b->joiner.sub, b->old);
	KUNIT_EXPECT_EQ(test, kt_users(b->joiner.sub), 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&b->old->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->joiner.sub->frees), 0);
}

static void wait_for_the_get(struct kt_watch *watch)
{
	struct between *b = watch->arg;

	WRITE_ONCE(b->inside, true);
	b->in_time = kt_spin_until(READ_ONCE(b->changed), 5000);
}

static int do_watched_put(void *arg)
{
	struct between *b = arg;
	int ret;

	ret = set_cpus_allowed_ptr(current, cpumask_of(b->cpu));
	if (ret)
		return ret;
	b->watch.fn = wait_for_the_get;
	b->watch.arg = b;
	ret = kt_watch(&b->watch, per_cpu_ptr(b->old->mn.users, b->watched));
	if (ret)
		return ret;
	mmun_notifier_put(&b->old->mn);
	kt_unwatch(&b->watch);
	return 0;
}

/*
 * A get on another processor comes when the last put has seen that it is the last
 * one: it is not any more, and nothing is freed.
 */
static void p02_get_inside_a_put(struct kunit *test)
{
	struct between *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	struct kt_task *task;
	struct scene s;
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, b);
	stage(test, &s);
	if (!kt_two_cpus(test, &b->cpu))
		kunit_skip(test, "there is one CPU only");
	b->watched = kt_pin(test);
	b->old = kt_get(test, s.mm, &life_ops);
	task = kt_run(test, do_watched_put, b);
	while (!READ_ONCE(b->inside) && kt_running(task))
		cond_resched();
	if (READ_ONCE(b->inside)) {
		KUNIT_EXPECT_PTR_EQ(test, kt_get(test, s.mm, &life_ops), b->old);
		WRITE_ONCE(b->changed, true);
	}
	ret = kt_join(test, task);
	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "no breakpoints on data");
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, b->in_time);
	KUNIT_EXPECT_EQ(test, kt_users(b->old), 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&b->old->frees), 0);
	kt_put(b->old);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&b->old->frees), 1);
}

#define PUTTERS	4
#define PUTS	50

static int do_puts(void *arg)
{
	struct kt_sub *sub = arg;
	int i;

	for (i = 0; i < PUTS; i++) {
		mmun_notifier_put(&sub->mn);
		cond_resched();
	}
	return 0;
}

/*
 * Puts of many tasks are all counted: the object goes with the last one of
 * them.
 */
static void p02_puts_of_many_tasks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	struct kt_task *tasks[PUTTERS];
	int i;

	for (i = 0; i < PUTTERS * PUTS; i++)
		KUNIT_ASSERT_PTR_EQ(test, mmun_notifier_get(&life_ops, mm),
				    &sub->mn);
	for (i = 0; i < PUTTERS; i++)
		tasks[i] = kt_run(test, do_puts, sub);
	for (i = 0; i < PUTTERS; i++)
		kt_join(test, tasks[i]);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
}

#define ROUNDS	40

static int do_churn(void *arg)
{
	struct mmun_notifier *mn;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		mn = mmun_notifier_get(&owned_ops, arg);
		if (IS_ERR(mn))
			return PTR_ERR(mn);
		if (mn->mm != arg)
			return -EINVAL;
		to_owned(mn)->touched++;
		mmun_notifier_put(mn);
	}
	return 0;
}

static int do_ranges(void *arg)
{
	int i, ret = 0;

	for (i = 0; i < ROUNDS && !ret; i++)
		ret = do_range(arg);
	return ret;
}

/*
 * Gets, puts and ranges of several tasks at once: every object that was made
 * is freed, and none is touched after.
 */
static void p02_churn(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_task *tasks[5];
	int i;

	for (i = 0; i < 3; i++)
		tasks[i] = kt_run(test, do_churn, mm);
	for (; i < ARRAY_SIZE(tasks); i++)
		tasks[i] = kt_run(test, do_ranges, a_range(test, mm));
	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, tasks[i]), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_GT(test, atomic_read(&life->allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
			atomic_read(&life->allocs));
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/* --- 3: unregister --- */

/* Unregister calls release, once; the exit does not call it again. */
static void p03_release_by_unregister(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *keeper = kt_register(test, mm, &kt_release_only_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&keeper->releases), 1);
}

/* If the exit has called release, unregister does not. */
static void p03_release_by_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
}

/*
 * Unregister sleeps while a callback runs on the subscriber, of each kind, and
 * returns when it has.
 */
static void p03_unregister_waits_for_callbacks(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_task *leaver;
	struct kt_sub *sub;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	sub = s.sub;
	stand(test, &s, param->at);
	leaver = kt_run(test, do_unregister, sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1 || !kt_running(leaver));
	KUNIT_EXPECT_TRUE(test, kt_running(leaver));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	/* Called by the leaver, except if the exit stands in it. */
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases),
			param->at == AT_RELEASE ? 0 : 1);

	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
			atomic_read(&sub->accepted));
}

/*
 * From the moment that unregister waits no new callback comes to the
 * subscriber, nor after it.
 */
static void p03_no_callback_after(struct kunit *test)
{
	struct kt_range *range, *range2;
	struct kt_task *leaver;
	struct kt_sub *sub, *other;
	struct scene s;
	int i;

	stage(test, &s);
	other = kt_register(test, s.mm, &life_list_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	sub = s.sub;
	stand(test, &s, AT_END);
	leaver = kt_run(test, do_unregister, sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);

	range = a_range(test, s.mm);
	range2 = a_range(test, s.mm);
	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, kt_start(i ? range2 : range), 0);
		kt_end(i ? range2 : range);
		mmun_kunit_clear_flush_young(s.mm, 0, PAGE_SIZE);
		mmun_kunit_clear_young(s.mm, 0, PAGE_SIZE);
		mmun_kunit_test_young(s.mm, 0);
		mmun_kunit_flush_tlb(s.mm, 0, PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, atomic_read(&other->starts), i + 2);
		KUNIT_EXPECT_EQ(test, atomic_read(&other->clear_youngs), i + 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&other->tlb_flushes), i + 1);
		if (i)
			break;
		go_on(test, &s);
		KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	}
	kt_mm_kill(test, s.mm);
	kt_mm_exit(test, s.mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->clear_flush_youngs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->clear_youngs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->test_youngs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->tlb_flushes), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
}

/*
 * A callback that began after unregister had unlinked the subscriber does not
 * hold it up.
 */
static void p03_later_callback_is_not_waited_for(struct kunit *test)
{
	struct kt_task *leaver;
	struct scene s, later;

	stage(test, &s);
	later = s;
	later.sub = kt_register(test, s.mm, &life_list_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	stand(test, &s, AT_END);
	leaver = kt_run(test, do_unregister, s.sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	stand(test, &later, AT_QUERY);
	go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(later.task));
	go_on(test, &later);
}

static int stay_on_first_cpu(void)
{
	return set_cpus_allowed_ptr(current,
				    cpumask_of(cpumask_first(cpu_online_mask)));
}

/* There nobody else runs before it sleeps. */
static int come_first(void)
{
	int ret = stay_on_first_cpu();

	if (!ret)
		sched_set_fifo(current);
	return ret;
}

/* Nobody else runs on its processor from one callback to the next. */
static int do_range_at_once(void *arg)
{
	int ret = come_first();

	return ret ? ret : do_range(arg);
}

static int do_unregister_there(void *arg)
{
	int ret = stay_on_first_cpu();

	return ret ? ret : do_unregister(arg);
}

/*
 * The end of a range is told in the slot in which its start was. Who waits for the
 * start to return does not wait for that end, though it has begun when he looks.
 */
static void p03_next_walk_of_the_slot_is_not_waited_for(struct kunit *test)
{
	struct kt_task *leaver, *task;
	struct kt_sub *other;
	struct scene s;

	stage(test, &s);
	other = kt_register(test, s.mm, &kt_range_ops);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	kt_gate_close(&s.sub->start);
	kt_gate_close(&other->end);
	task = kt_run(test, do_range_at_once, a_range(test, s.mm));
	kt_gate_wait(test, &s.sub->start);
	leaver = kt_run(test, do_unregister_there, s.sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	kt_gate_open(&s.sub->start);
	kt_gate_wait(test, &other->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&other->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/*
 * Every one of many that leave while a callback runs is woken when it returns.
 */
static void p03_all_leavers_are_woken(struct kunit *test)
{
	struct kt_task *leavers[5];
	struct kt_sub *subs[5];
	struct scene s;
	int i;

	stage(test, &s);
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		subs[i] = kt_register(test, s.mm, &kt_range_ops);
	s.sub = subs[2];
	stand(test, &s, AT_START);
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		leavers[i] = kt_run(test, do_unregister, subs[i]);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == ARRAY_SIZE(subs));
	go_on(test, &s);
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, leavers[i]), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->ends),
				atomic_read(&subs[i]->accepted));
	}
}

/*
 * A subscriber may unregister in its own release at exit, and be freed there;
 * the walk goes on.
 */
static void p03_unregister_in_own_release(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *before = kt_register(test, mm, &kt_release_only_ops);
	struct owned *two[] = { owned_register(test, mm),
				owned_register(test, mm) };
	struct kt_sub *after = kt_register(test, mm, &kt_release_only_ops);
	int i;

	for (i = 0; i < ARRAY_SIZE(two); i++) {
		two[i]->act = act_unregister;
		two[i]->act_at = AT_RELEASE;
	}
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->releases), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&before->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&after->releases), 1);
}

static void unregister_in_release(struct kt_sub *sub)
{
	kt_unregister(sub);
}

/*
 * Unregister in the own release at exit still waits for a callback in another
 * task.
 */
static void p03_own_release_waits_for_other_tasks(struct kunit *test)
{
	struct kt_task *exit;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	s.sub->on_release = unregister_in_release;
	kt_mm_kill(test, s.mm);
	stand(test, &s, AT_START);
	exit = kt_run(test, do_exit_mm, s.mm);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1 || !kt_running(exit));
	KUNIT_EXPECT_TRUE(test, kt_running(exit));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 0);
	go_on(test, &s);
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/*
 * At exit one release unregisters and frees another subscriber: the one before
 * it, the next one of the walk, the next two.
 */
static void p03_release_unregisters_others(struct kunit *test)
{
	/* Who takes whom off in its release; itself, or nobody. */
	static const int takes[3][4] = {
		{ 0, 1, -1, 2 }, { 0, 1, 3, -1 }, { 0, -1, 1, 2 },
	};
	struct kt_sub *first, *last;
	struct mm_struct *mm;
	struct owned *o[4];
	int round, i, left;

	for (round = 0; round < ARRAY_SIZE(takes); round++) {
		mm = kt_mm(test);
		atomic_set(&life->releases, 0);
		/* The walk comes from the newest, o[3], to the oldest. */
		last = kt_register(test, mm, &kt_release_only_ops);
		for (i = 0; i < ARRAY_SIZE(o); i++)
			o[i] = owned_register(test, mm);
		first = kt_register(test, mm, &kt_release_only_ops);
		left = round == 1 ? 2 : 3;
		for (i = 0; i < ARRAY_SIZE(o); i++) {
			if (takes[round][i] < 0)
				continue;
			o[i]->act_at = AT_RELEASE;
			o[i]->act = act_unregister;
			if (takes[round][i] == i)
				continue;
			o[i]->act = act_unregister_other;
			o[i]->other = o[takes[round][i]];
		}
		kt_mm_kill(test, mm);
		kt_mm_exit(test, mm);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->releases), 4);
		KUNIT_EXPECT_EQ(test, atomic_read(&first->releases), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&last->releases), 1);
		mmun_notifier_unregister(&o[left]->mn, mm);
		kfree(o[left]);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->releases), 4);
	}
}

/* pairs[i][0] takes pairs[i][1] off. */
static struct kt_sub *pairs[2][2];

static void unregister_its_other(struct kt_sub *sub)
{
	kt_unregister(pairs[sub == pairs[1][0]][1]);
}

/*
 * Two tasks that unregister, and unregister another one each inside the
 * release, do not wait for each other.
 */
static void p03_two_releases_that_unregister(struct kunit *test)
{
	struct kt_task *tasks[2];
	struct scene s;
	int i;

	stage(test, &s);
	for (i = 0; i < 2; i++) {
		pairs[i][0] = kt_register(test, s.mm, &kt_range_ops);
		pairs[i][1] = kt_register(test, s.mm, &kt_range_ops);
		pairs[i][0]->on_release = unregister_its_other;
		kt_gate_close(&pairs[i][0]->release);
	}
	for (i = 0; i < 2; i++) {
		tasks[i] = kt_run(test, do_unregister, pairs[i][0]);
		kt_gate_wait(test, &pairs[i][0]->release);
	}
	for (i = 0; i < 2; i++)
		kt_gate_open(&pairs[i][0]->release);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, tasks[i]), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&pairs[i][0]->releases), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&pairs[i][1]->releases), 1);
	}
}

/*
 * The exit waits for a release that unregister has called, calls no second
 * one, and tells the others.
 */
static void p03_exit_waits_for_unregisters_release(struct kunit *test)
{
	struct kt_task *exit;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	kt_mm_kill(test, s.mm);
	stand(test, &s, AT_LEAVER);
	exit = kt_run(test, do_exit_mm, s.mm);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1 || !kt_running(exit));
	KUNIT_EXPECT_TRUE(test, kt_running(exit));
	KUNIT_EXPECT_TRUE(test, kt_running(s.task));
	KUNIT_EXPECT_FALSE(test, look(s.subs).closed);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_TRUE(test, look(s.subs).closed);
}

/*
 * unregister_no_release returns with a callback running, and never calls
 * release; the exit does not either.
 */
static void p03_no_release(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_sub *sub;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	sub = s.sub;
	stand(test, &s, param->at);
	/* In the case's own thread: if it waits, the case hangs here. */
	no_release(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	KUNIT_EXPECT_EQ(test, look(s.subs).users, 1U);
	go_on(test, &s);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
			atomic_read(&sub->accepted));
	if (param->at != AT_RELEASE) {
		kt_mm_kill(test, s.mm);
		kt_mm_exit(test, s.mm);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases),
			param->at == AT_RELEASE ? 1 : 0);
}

/*
 * The exit stands in a release, and the one that it will come to next leaves
 * without release: it is not told, though the walk still comes to it.
 */
static void p03_no_release_of_the_next(struct kunit *test)
{
	struct kt_sub *next;
	struct scene s;

	stage(test, &s);
	next = kt_register(test, s.mm, &life_list_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	stand(test, &s, AT_RELEASE);
	no_release(next);
	go_on(test, &s);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/* After unregister_no_release nothing new is heard. */
static void p03_no_callback_after_no_release(struct kunit *test)
{
	struct kt_range *range;
	struct kt_sub *sub;
	struct scene s;

	stage(test, &s);
	sub = kt_register(test, s.mm, &life_list_ops);
	range = a_range(test, s.mm);
	no_release(sub);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	mmun_kunit_clear_flush_young(s.mm, 0, PAGE_SIZE);
	mmun_kunit_flush_tlb(s.mm, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->clear_flush_youngs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->tlb_flushes), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
}

/*
 * What has left may be registered again: it hears again, and its release is
 * called again.
 */
static void p03_registered_again(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = a_range(test, mm2);

	/* It leaves with an end due. */
	KUNIT_ASSERT_EQ(test, kt_start(a_range(test, mm)), 0);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_ASSERT_EQ(test, mmun_notifier_register(&sub->mn, mm2), 0);
	sub->registered = true;
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 2);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 2);
}

/* --- 4: call_srcu --- */

/*
 * The function is called after a callback of each kind that runs on another
 * mm, where one may not sleep.
 */
static void p04_waits_for_callbacks_of_all_mms(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	s.interval = kt_insert(test, s.mm, 0, 0x10000);
	stand(test, &s, param->at);
	call_later(test);
	call_later(test);
	let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(s.task));
	go_on(test, &s);
	KT_ASSERT_UNTIL(test, atomic_read(&life->funcs) == 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
}

/* The same for a range that found no slot, at its start and at its end. */
static void p04_waits_for_counted_ranges(struct kunit *test)
{
	static const enum place at[] = { AT_START, AT_END };
	unsigned int i, slots;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	slots = look(s.subs).slots;
	for (i = 0; i < slots; i++)
		KUNIT_ASSERT_EQ(test, kt_start(a_range(test, s.mm)), 0);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		stand(test, &s, at[i]);
		KUNIT_EXPECT_EQ(test, look(s.subs).overflow, 1U);
		call_later(test);
		let_others_finish();
		KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), (int)i);
		go_on(test, &s);
		KT_ASSERT_UNTIL(test, atomic_read(&life->funcs) == (int)i + 1);
	}
}

/* The same for the end that somebody is told who leaves, by the task that leaves. */
static void p04_waits_for_owed_ends(struct kunit *test)
{
	struct kt_range *range;
	struct kt_task *task;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	range = a_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_gate_close(&s.sub->end);
	task = kt_run(test, do_no_release, s.sub);
	kt_gate_wait(test, &s.sub->end);
	call_later(test);
	let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	kt_gate_open(&s.sub->end);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, atomic_read(&life->funcs) == 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->ends), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->ends), 1);
}

/* Called once, also if nothing runs and nobody subscribes. */
static void p04_called_once(struct kunit *test)
{
	call_later(test);
	KT_ASSERT_UNTIL(test, atomic_read(&life->funcs));
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
}

static void act_stand(struct owned *owned)
{
	kt_gate_pass(&life->stop);
	owned->touched++;
}

/*
 * unregister_no_release and call_srcu with a callback running: the object is
 * freed for real, after it.
 */
static void p04_frees_what_left_without_waiting(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct owned *owned = owned_register(test, mm);
	struct kt_task *task;

	owned->act = act_stand;
	owned->act_at = AT_START;
	kt_gate_close(&life->stop);
	task = kt_run(test, do_range, a_range(test, mm));
	kt_gate_wait(test, &life->stop);
	mmun_notifier_unregister_no_release(&owned->mn, mm);
	mmun_notifier_call_srcu(&owned->rcu, owned_free_rcu);
	let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	kt_gate_open(&life->stop);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->releases), 0);
}

/* --- 5: synchronize --- */

/*
 * A function of call_srcu that is in the middle has not finished: synchronize
 * waits for its return.
 */
static void p05_waits_for_a_running_func(struct kunit *test)
{
	struct kt_task *sync;

	life->hold = true;
	call_later(test);
	KUNIT_EXPECT_TRUE(test, run_until(atomic_read(&life->held)));
	sync = kt_run(test, do_synchronize, &life->funcs);
	KUNIT_EXPECT_TRUE(test, run_until(settled(sync)));
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	WRITE_ONCE(life->hold, false);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
}

static int do_call_later_on(void *arg)
{
	if (set_cpus_allowed_ptr(current, cpumask_of(life->cpu)))
		return -EINVAL;
	mmun_notifier_call_srcu(&life->call->rcu, call_func);
	return 0;
}

static int do_synchronize_later(void *arg)
{
	kt_gate_pass(&life->stop);
	return do_synchronize(&life->funcs);
}

static bool marked;

static void mark(struct rcu_head *rcu)
{
	WRITE_ONCE(marked, true);
}

/*
 * A function that is in the middle on another CPU has not finished, though a
 * whole grace period after the call is over.
 */
static void p05_waits_for_a_func_of_another_cpu(struct kunit *test)
{
	unsigned int here = cpumask_first(cpu_online_mask);
	static struct rcu_head head;
	struct kt_task *sync;
	unsigned long slept;
	bool one_queue;
	int i;

	life->cpu = cpumask_last(cpu_online_mask);
	if (life->cpu == here)
		kunit_skip(test, "there is one CPU only");

	life->call = kzalloc(sizeof(*life->call), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, life->call);
	kt_gate_close(&life->stop);
	sync = kt_run(test, do_synchronize_later, NULL);
	kt_gate_wait(test, &life->stop);
	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(sync->task, cpumask_of(here)),
			0);

	life->hold = true;
	KUNIT_EXPECT_EQ(test,
			kt_join(test, kt_run(test, do_call_later_on, NULL)), 0);
	KUNIT_EXPECT_TRUE(test, run_until(atomic_read(&life->held)));
	/* A small SRCU domain has one queue, where nothing can overtake. */
	one_queue = life->held_on != life->cpu;
	if (!one_queue) {
		KUNIT_EXPECT_EQ(test, set_cpus_allowed_ptr(current,
							   cpumask_of(here)),
				0);
		slept = READ_ONCE(sync->task->nvcsw);
		kt_gate_open(&life->stop);
		KUNIT_EXPECT_TRUE(test,
				  run_until(READ_ONCE(sync->task->nvcsw) !=
					    slept && settled(sync)));
		/* What is queued here now comes after what it has queued. */
		for (i = 0; i < 2; i++) {
			marked = false;
			mmun_notifier_call_srcu(&head, mark);
			KUNIT_EXPECT_TRUE(test, run_until(READ_ONCE(marked)));
		}
		for (i = 0; i < 2; i++) {
			slept = READ_ONCE(sync->task->nvcsw);
			wake_up_process(sync->task);
			KUNIT_EXPECT_TRUE(test,
					  run_until(!kt_running(sync) ||
						    READ_ONCE(sync->task->nvcsw)
						    != slept));
		}
		KUNIT_EXPECT_TRUE(test, kt_running(sync));
		KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	}
	WRITE_ONCE(life->hold, false);
	kt_gate_open(&life->stop);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
	if (one_queue)
		kt_skip_if_good(test, "the SRCU domain has one queue");
}

/*
 * A free_notifier that is in the middle has not finished: synchronize waits
 * for its return.
 */
static void p05_waits_for_a_running_free(struct kunit *test)
{
	struct kt_sub *sub = kt_get(test, kt_mm(test), &life_ops);
	struct kt_task *sync;

	life->hold = true;
	kt_put(sub);
	KUNIT_EXPECT_TRUE(test, run_until(atomic_read(&life->held)));
	sync = kt_run(test, do_synchronize, &sub->frees);
	KUNIT_EXPECT_TRUE(test, run_until(settled(sync)));
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	WRITE_ONCE(life->hold, false);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
}

/* A put that a callback holds back is waited for. */
static void p05_waits_for_a_put_held_back(struct kunit *test)
{
	struct kt_task *sync;
	struct kt_sub *sub;
	struct scene s;

	stage(test, &s);
	s.sub = kt_get(test, s.mm, &life_ops);
	sub = s.sub;
	stand(test, &s, AT_START);
	kt_put(sub);
	sync = kt_run(test, do_synchronize, &sub->frees);
	assert_sleeps(test, sync);
	let_others_finish();
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
}

/*
 * A func that cannot run yet, because a callback runs, is waited for; with
 * several synchronize at a time.
 */
static void p05_waits_for_a_queued_func(struct kunit *test)
{
	struct kt_task *syncs[2];
	struct scene s;
	int i;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	stand(test, &s, AT_START);
	call_later(test);
	for (i = 0; i < ARRAY_SIZE(syncs); i++)
		syncs[i] = kt_run(test, do_synchronize, &life->funcs);
	for (i = 0; i < ARRAY_SIZE(syncs); i++)
		assert_sleeps(test, syncs[i]);
	let_others_finish();
	KUNIT_EXPECT_TRUE(test, kt_running(syncs[0]));
	KUNIT_EXPECT_TRUE(test, kt_running(syncs[1]));
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	go_on(test, &s);
	for (i = 0; i < ARRAY_SIZE(syncs); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, syncs[i]), 1);
}

/*
 * Whatever was queued before it, on several mms and of both kinds, is done
 * when synchronize returns; each time.
 */
static void p05_all_that_was_queued_is_done(struct kunit *test)
{
	struct mm_struct *mms[] = { kt_mm(test), kt_mm(test) };
	struct kt_sub *sub;
	int round, i;

	for (round = 1; round <= 5; round++) {
		for (i = 0; i < 6; i++) {
			sub = kt_get(test, mms[i & 1],
				     i & 2 ? &life_ops : &life_ops2);
			if (i >= 2)
				kt_put(sub);
			call_later(test);
		}
		/* The one of i == 0, 1 is that of 4, 5. */
		for (i = 0; i < 2; i++) {
			sub = kt_get(test, mms[i], &life_ops2);
			kt_put(sub);
			kt_put(sub);
		}
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 4 * round);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 4 * round);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 6 * round);
	}
}

/*
 * A put that comes while synchronize waits is not waited for; the next
 * synchronize waits for it.
 */
static void p05_later_put_does_not_hold_it_up(struct kunit *test)
{
	struct kt_task *first, *second;
	struct scene s, t;

	stage(test, &s);
	stage(test, &t);
	s.sub = kt_get(test, s.mm, &life_ops);
	t.sub = kt_get(test, t.mm, &life_ops);
	stand(test, &s, AT_END);
	stand(test, &t, AT_END);
	kt_put(s.sub);
	first = kt_run(test, do_synchronize, &s.sub->frees);
	assert_sleeps(test, first);
	kt_put(t.sub);
	go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, first), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t.sub->frees), 0);

	second = kt_run(test, do_synchronize, &t.sub->frees);
	assert_sleeps(test, second);
	let_others_finish();
	KUNIT_EXPECT_TRUE(test, kt_running(second));
	go_on(test, &t);
	KUNIT_EXPECT_EQ(test, kt_join(test, second), 1);
}

/* --- 6: mm_count, not mm_users --- */

/*
 * Each subscriber holds the mm_struct once, and none holds the address space.
 */
static void p06_holds_mm_count_only(struct kunit *test)
{
	struct kt_interval *interval;
	struct kt_sub *sub, *got;
	struct scene s;
	int users, count;

	s.mm = fresh_mm(test);
	users = atomic_read(&s.mm->mm_users);
	s.keeper = kt_register(test, s.mm, &life_list_ops);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.mm->mm_users), users);
	count = mm_count(s.mm);

	sub = kt_register(test, s.mm, &kt_range_ops);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), count + 1);
	got = kt_get(test, s.mm, &life_ops);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), count + 2);
	interval = kt_insert(test, s.mm, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), count + 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.mm->mm_users), users);

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), count + 2);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), count + 1);
	kt_put(got);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), count);
	sub = kt_register(test, s.mm, &kt_range_ops);
	no_release(sub);
	KUNIT_EXPECT_EQ(test, mm_count(s.mm), count);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.mm->mm_users), users);
}

static void release_notes_mm(struct mmun_notifier *mn, struct mm_struct *mm)
{
	life->released_mm = mm;
}

static const struct mmun_notifier_ops notes_mm_ops = { .release = release_notes_mm };

/*
 * Who leaves with another mm than it registered with, as one does who takes current->mm
 * in the last close of a file that was inherited, drops its own reference and no other.
 */
static void p06_leave_with_another_mm(struct kunit *test)
{
	struct mm_struct *mm = fresh_mm(test), *other = fresh_mm(test);
	struct kt_sub *keeper = kt_register(test, mm, &life_list_ops);
	struct kt_sub *sub = kt_register(test, mm, &notes_mm_ops);
	int count = mm_count(mm);

	mmun_kunit_warnings();
	sub->registered = false;
	mmun_notifier_unregister(&sub->mn, other);
	KUNIT_EXPECT_PTR_EQ(test, life->released_mm, mm);
	KUNIT_EXPECT_EQ(test, mm_count(mm), count - 1);
	KUNIT_EXPECT_EQ(test, mm_count(other), FRESH_COUNT);

	sub = kt_register(test, mm, &notes_mm_ops);
	sub->registered = false;
	mmun_notifier_unregister_no_release(&sub->mn, other);
	KUNIT_EXPECT_EQ(test, mm_count(mm), count - 1);
	KUNIT_EXPECT_EQ(test, mm_count(other), FRESH_COUNT);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);

	kt_unregister(keeper);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
}

/*
 * The exit comes with subscribers there; the mm_struct stays until each of
 * them has left.
 */
static void p06_mm_struct_outlives_the_exit(struct kunit *test)
{
	struct mm_struct *mm = fresh_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *got = kt_get(test, mm, &kt_get_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGE_SIZE);
	const int count = 4 + 1 + 1;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	/*
	 * Four subscribers, their common state, and the case. The kernel drops
	 * those of the bridges after a grace period.
	 */
	assert_mm_count(test, mm, count);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.mm, mm);

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, mm_count(mm), count - 1);
	no_release(sub2);
	KUNIT_EXPECT_EQ(test, mm_count(mm), count - 2);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, mm_count(mm), count - 3);
	kt_put(got);
	mmun_notifier_synchronize();
	/* With the last of them the state goes, too. */
	KUNIT_EXPECT_EQ(test, mm_count(mm), count - 5);
}

static void nobody_can_join(struct kunit *test, struct mm_struct *mm)
{
	struct kt_sub *sub = kt_sub(test, &life_list_ops);
	struct kt_interval *interval = kt_interval(test);
	int allocs = atomic_read(&life->allocs);
	int frees = atomic_read(&life->frees);
	int count = mm_count(mm);

	KUNIT_EXPECT_EQ(test, mmun_notifier_register(&sub->mn, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR_OR_ZERO(mmun_notifier_get(&life_ops, mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm, 0,
						      PAGE_SIZE,
						      &kt_interval_ops),
			-ESRCH);
	mmap_write_lock(mm);
	KUNIT_EXPECT_EQ(test, __mmun_notifier_register(&sub->mn, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR_OR_ZERO(mmun_notifier_get_locked(&life_ops,
								 mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert_locked(&interval->mni, mm,
							     0, PAGE_SIZE,
							     &kt_interval_ops),
			-ESRCH);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), allocs + 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), frees + 2);
	KUNIT_EXPECT_EQ(test, mm_count(mm), count);
}

/*
 * Where nobody uses the address space any more, every way to subscribe fails
 * with -ESRCH and leaves nothing.
 */
static void p06_nobody_joins_a_dead_mm(struct kunit *test)
{
	struct mm_struct *mm = fresh_mm(test);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	nobody_can_join(test, mm);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0U);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
}

/*
 * The same while a subscriber from before the exit is still there, and inside
 * its release.
 */
static void p06_nobody_joins_during_or_after_exit(struct kunit *test)
{
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	stand(test, &s, AT_RELEASE);
	nobody_can_join(test, s.mm);
	go_on(test, &s);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	/* Two subscribers, their common state, and the case. */
	assert_mm_count(test, s.mm, 4);
	nobody_can_join(test, s.mm);
	kt_unregister(s.sub);
	kt_unregister(s.keeper);
	nobody_can_join(test, s.mm);
}

/*
 * The exit stands in a release: a get does not find the notifier of an earlier
 * get either, whose address space is going.
 */
static void p06_nobody_gets_during_exit(struct kunit *test)
{
	struct kt_sub *got;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	got = kt_get(test, s.mm, &kt_get_ops);
	stand(test, &s, AT_RELEASE);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR_OR_ZERO(mmun_notifier_get(&kt_get_ops, s.mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test, kt_users(got), 1U);
	go_on(test, &s);
	kt_put(got);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&got->frees), 1);
}

/* --- 7: nothing stays --- */

struct kind_param {
	const char *name;
	const struct mmun_notifier_ops *ops;	/* NULL: an interval */
	bool get;
	bool no_release;
};

static const struct kind_param kinds[] = {
	{ "register", &kt_range_ops },
	{ "no release", &kt_range_ops, .no_release = true },
	{ "young", &kt_young_ops },
	{ "TLB", &kt_tlb_ops },
	{ "all ops", &life_list_ops },
	{ "get", &life_ops, .get = true },
	{ "interval", NULL },
};

static void kind_name(const struct kind_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(kind, kinds, kind_name);

/*
 * When the last subscriber of any kind has left, everything is detached though
 * the process lives; again and again.
 */
static void p07_detached_with_the_last_subscriber(struct kunit *test)
{
	const struct kind_param *param = test->param_value;
	struct mm_struct *mm = fresh_mm(test);
	struct kt_interval *interval = NULL;
	int before = mm_count(mm);
	struct kt_sub *sub = NULL;
	int round;

	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		if (!param->ops) {
			interval = kt_insert(test, mm, 0, PAGE_SIZE);
		} else if (param->get) {
			sub = kt_get(test, mm, param->ops);
			kt_get(test, mm, param->ops);
		} else {
			sub = kt_register(test, mm, param->ops);
		}
		KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
		KUNIT_EXPECT_GE(test, mmun_kunit_attached(), 2U);
		KUNIT_EXPECT_GT(test, mm_count(mm), before);

		if (!param->ops) {
			kt_remove(interval);
		} else if (param->get) {
			kt_put(sub);
			KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
			kt_put(sub);
		} else if (param->no_release) {
			no_release(sub);
		} else {
			kt_unregister(sub);
		}
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
		assert_mm_count(test, mm, before);
	}
	KUNIT_EXPECT_GT(test, atomic_read(&mm->mm_users), 1);
}

/*
 * While one of several is left the bridge stays, and real events come through
 * it.
 */
static void p07_stays_while_one_is_left(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, ULONG_MAX);
	unsigned long at = kt_mmap(test, mm, PAGE_SIZE);
	int heard;

	kt_unregister(sub);
	kt_unregister(sub2);
	mmun_notifier_synchronize();
	heard = atomic_read(&interval->invalidates);
	KUNIT_EXPECT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&interval->invalidates), heard);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
}

/*
 * Subscribing while the worker detaches what the last one left never gets a
 * bridge that is going.
 */
static void p07_subscribed_while_detaching(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	unsigned long at;
	int i, heard;

	for (i = 0; i < 10; i++) {
		KUNIT_ASSERT_EQ(test, mmun_notifier_register(&sub->mn, mm), 0);
		sub->registered = true;
		at = kt_mmap(test, mm, PAGE_SIZE);
		heard = atomic_read(&sub->starts);
		KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
		KUNIT_EXPECT_GT(test, atomic_read(&sub->starts), heard);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
				atomic_read(&sub->starts));
		kt_unregister(sub);
	}
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/* Who finds the bridge before it goes, and comes to subscribe after it, is not let in. */
static void p07_not_let_in_while_detaching(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);

	KUNIT_ASSERT_NOT_NULL(test, subs);
	KUNIT_EXPECT_FALSE(test, look(subs).detaching);
	kt_unregister(sub);
	KUNIT_EXPECT_TRUE(test, kt_until(look(subs).detaching));
	KUNIT_EXPECT_FALSE(test, mmun_kunit_let_in(subs));
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/*
 * After the exit everything is detached, though subscribers have not left yet.
 */
static void p07_detached_after_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &life_list_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGE_SIZE);

	KUNIT_EXPECT_GE(test, mmun_kunit_attached(), 4U);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_TRUE(test, look(sub->mn.subs).closed);
	KUNIT_EXPECT_EQ(test, look(sub->mn.subs).users, 2U);
	kt_unregister(sub);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0U);
}

static void marked_mm(struct kunit *test, bool leave_first)
{
	struct mm_struct *mm = fresh_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &life_list_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGE_SIZE);

	mm_flags_set(MMF_UNSTABLE, mm);
	if (leave_first) {
		kt_unregister(sub);
		kt_remove(interval);
		/* The list notifiers go; what is left waits for the exit. */
		KT_ASSERT_UNTIL(test, mmun_kunit_attached() <= 2);
	}
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	if (!leave_first) {
		kt_unregister(sub);
		kt_remove(interval);
	}
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	assert_mm_count(test, mm, FRESH_COUNT - 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), !leave_first);
}

/*
 * In a process that the OOM killer has marked, ranges may have been refused by
 * others. If none was, everything is given back at the exit, whether the
 * subscribers leave before it or after.
 */
static void p07_marked_and_sound(struct kunit *test)
{
	marked_mm(test, true);
	marked_mm(test, false);
}

/* --- 8: after the exit, in any order --- */

/* u unregister, n unregister_no_release, p put, r remove */
static const char * const orders[] = {
	"unpr", "unrp", "upnr", "uprn", "urnp", "urpn",
	"nupr", "nurp", "npur", "npru", "nrup", "nrpu",
	"punr", "purn", "pnur", "pnru", "prun", "prnu",
	"runp", "rupn", "rnup", "rnpu", "rpun", "rpnu",
};

static void order_name(const char * const *order, char *name)
{
	strscpy(name, *order, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(order, orders, order_name);

/*
 * After the exit subscribers leave in each order, from any task, and everything
 * is given back.
 */
static void p08_leave_after_exit(struct kunit *test)
{
	const char *step = *(const char * const *)test->param_value;
	struct mm_struct *mm = fresh_mm(test);
	int before = mm_count(mm);
	struct kt_sub *u = kt_register(test, mm, &life_list_ops);
	struct kt_sub *n = kt_register(test, mm, &life_list_ops);
	struct kt_sub *p = kt_get(test, mm, &life_ops);
	struct kt_interval *r = kt_insert(test, mm, 0, PAGE_SIZE);
	struct kt_task *task;

	kt_mm_kill(test, mm);
	task = kt_run(test, do_exit_mm, mm);
	kt_join(test, task);
	mmun_notifier_synchronize();
	for (; *step; step++) {
		if (*step == 'u')
			task = kt_run(test, do_unregister, u);
		else if (*step == 'n')
			task = kt_run(test, do_no_release, n);
		else if (*step == 'p')
			task = kt_run(test, do_put, p);
		else
			task = kt_run(test, do_remove, r);
		KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
		call_later(test);
	}
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&u->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&r->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 4);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	/* What mm_users had is gone as well. */
	assert_mm_count(test, mm, before - 1);
}

/* While the exit stands in one subscriber's release, the others leave. */
static void p08_leave_during_exit(struct kunit *test)
{
	struct kt_sub *u, *n, *p, *u2;
	struct kt_interval *r;
	struct kt_task *leaver, *leaver2;
	struct scene s;

	stage(test, &s);
	/* The walk comes from the newest to the oldest: u2 has been told. */
	u = kt_register(test, s.mm, &life_list_ops);
	n = kt_register(test, s.mm, &life_list_ops);
	p = kt_get(test, s.mm, &life_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	u2 = kt_register(test, s.mm, &life_list_ops);
	r = kt_insert(test, s.mm, 0, PAGE_SIZE);
	stand(test, &s, AT_RELEASE);
	KUNIT_EXPECT_EQ(test, atomic_read(&r->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&u2->releases), 1);

	kt_remove(r);
	no_release(n);
	kt_put(p);
	KUNIT_EXPECT_EQ(test, look(s.subs).zombies, 1U);
	leaver = kt_run(test, do_unregister, u);
	leaver2 = kt_run(test, do_unregister, u2);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 0);

	go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver2), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&u2->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&r->releases), 1);
}

/*
 * The exit comes while a remove waits for a callback: it does not wait itself,
 * and the remove returns after the callback.
 */
static void p08_exit_while_a_remove_waits(struct kunit *test)
{
	struct kt_task *leaver, *exit;
	struct scene s;

	stage(test, &s);
	s.interval = kt_insert(test, s.mm, 0, 0x10000);
	kt_mm_kill(test, s.mm);
	stand(test, &s, AT_INTERVAL);
	leaver = kt_run(test, do_remove, s.interval);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	exit = kt_run(test, do_exit_mm, s.mm);
	kt_join(test, exit);
	KUNIT_EXPECT_TRUE(test, kt_running(leaver));
	KUNIT_EXPECT_EQ(test, kt_waiters(s.subs), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	KUNIT_EXPECT_EQ(test, go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.interval->invalidates), 1);
}

/*
 * The exit comes while an unregister waits for a callback: release stays
 * called once, and the unregister returns.
 */
static void p08_exit_while_an_unregister_waits(struct kunit *test)
{
	struct kt_task *leaver, *exit;
	struct scene s;

	stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	kt_mm_kill(test, s.mm);
	stand(test, &s, AT_START);
	leaver = kt_run(test, do_unregister, s.sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	exit = kt_run(test, do_exit_mm, s.mm);
	kt_join(test, exit);
	KUNIT_EXPECT_TRUE(test, kt_running(leaver));
	KUNIT_EXPECT_EQ(test, kt_waiters(s.subs), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->ends),
			atomic_read(&s.sub->accepted));
}

/*
 * The exit comes while a register and a get wait for an older range: they
 * return, and have been told the release.
 */
static void p08_exit_while_others_join(struct kunit *test)
{
	struct joiner *reg, *get;
	struct kt_task *a, *b, *exit;
	struct kt_range *range;
	struct scene s;

	stage(test, &s);
	reg = new_joiner(test, s.mm, NULL);
	reg->sub = kt_sub(test, &kt_range_ops);
	get = new_joiner(test, s.mm, &kt_get_ops);
	kt_mm_kill(test, s.mm);
	range = a_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	a = kt_run(test, do_register, reg);
	b = kt_run(test, do_get, get);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 2);
	exit = kt_run(test, do_exit_mm, s.mm);
	KUNIT_EXPECT_EQ(test, kt_join(test, a), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, b), 0);
	get->sub->got = true;
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&get->sub->releases), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->ends), 0);

	kt_unregister(reg->sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 1);
	kt_put(get->sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&get->sub->frees), 1);
}

/*
 * The exit comes while a register and a get wait for a range without a slot:
 * they fail with -ESRCH, the object is given back.
 */
static void p08_exit_while_others_wait_to_join(struct kunit *test)
{
	struct joiner *reg, *get;
	struct kt_task *a, *b, *exit;
	unsigned int slots, i;
	struct scene s;

	stage(test, &s);
	reg = new_joiner(test, s.mm, NULL);
	reg->sub = kt_sub(test, &kt_range_ops);
	get = new_joiner(test, s.mm, &life_ops);
	/* The bridges that life_ops needs */
	kt_register(test, s.mm, &life_list_ops);
	kt_mm_kill(test, s.mm);
	slots = look(s.subs).slots;
	for (i = 0; i <= slots; i++)
		KUNIT_ASSERT_EQ(test, kt_start(a_range(test, s.mm)), 0);
	KUNIT_ASSERT_EQ(test, look(s.subs).overflow, 1U);
	a = kt_run(test, do_register, reg);
	b = kt_run(test, do_get, get);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 2);
	exit = kt_run(test, do_exit_mm, s.mm);
	KUNIT_EXPECT_EQ(test, kt_join(test, a), -ESRCH);
	KUNIT_EXPECT_EQ(test, kt_join(test, b), -ESRCH);
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);
}

/*
 * A process that is dead but whose address space somebody uses can be
 * subscribed to, and its exit is heard.
 */
static void p08_register_on_a_dying_mm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval;
	struct kt_sub *sub, *got;
	struct kt_range *range;

	kt_mm_kill(test, mm);
	sub = kt_register(test, mm, &life_list_ops);
	got = kt_get(test, mm, &life_ops);
	interval = kt_insert(test, mm, 0, 0x10000);
	range = a_range(test, mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/* A range without a slot is in flight, and no other. */
static void count_a_range(struct kunit *test, struct scene *s)
{
	unsigned int slots = look(s->subs).slots, i;
	struct kt_range *range[BITS_PER_LONG];

	for (i = 0; i < slots; i++) {
		range[i] = a_range(test, s->mm);
		KUNIT_ASSERT_EQ(test, kt_start(range[i]), 0);
	}
	KUNIT_ASSERT_EQ(test, kt_start(a_range(test, s->mm)), 0);
	for (i = 0; i < slots; i++)
		kt_end(range[i]);
	KUNIT_ASSERT_EQ(test, look(s->subs).overflow, 1U);
}

/*
 * The exit comes while a register waits for a range without a slot, and all others
 * have left: everything is given back.
 */
static void p08_exit_while_the_only_one_waits_to_join(struct kunit *test)
{
	struct kt_task *joiner;
	struct joiner *reg;
	struct scene s;

	stage(test, &s);
	reg = new_joiner(test, s.mm, NULL);
	reg->sub = kt_sub(test, &kt_range_ops);
	kt_mm_kill(test, s.mm);
	count_a_range(test, &s);
	joiner = kt_run(test, do_register, reg);
	kt_assert_waits(test, s.subs, joiner, 1);
	kt_unregister(s.keeper);
	kt_mm_exit(test, s.mm);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), -ESRCH);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	assert_mm_count(test, s.mm, FRESH_COUNT - 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/* Woken together with others of its processor, it looks before they do. */
static int do_register_first(void *arg)
{
	int ret = come_first();

	return ret ? ret : do_register(arg);
}

static int do_exit_mm_there(void *arg)
{
	int ret = stay_on_first_cpu();

	return ret ? ret : do_exit_mm(arg);
}

/*
 * The exit itself wakes who waits for a range without a slot: what happened before it
 * gave that range up has woken him, and he looked, and sleeps again.
 */
static void p08_exit_wakes_who_waits_to_join(struct kunit *test)
{
	struct kt_task *joiner, *leaver, *exit;
	struct joiner *reg;
	struct scene s;

	kt_pin(test);
	stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	reg = new_joiner(test, s.mm, NULL);
	reg->sub = kt_sub(test, &kt_range_ops);
	kt_mm_kill(test, s.mm);
	/* The end of one with a slot would wake him as well. */
	count_a_range(test, &s);
	joiner = kt_run(test, do_register_first, reg);
	kt_assert_waits(test, s.subs, joiner, 1);

	/* The exit waits for this release, when its own walk is over. */
	kt_gate_close(&s.sub->release);
	leaver = kt_run(test, do_unregister_there, s.sub);
	kt_gate_wait(test, &s.sub->release);
	exit = kt_run(test, do_exit_mm_there, s.mm);
	kt_assert_waits(test, s.subs, exit, 2);
	kt_assert_waits(test, s.subs, joiner, 2);
	kt_gate_open(&s.sub->release);

	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), -ESRCH);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, exit), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/*
 * A range still in flight at the exit does not keep anybody: its end goes
 * nowhere, and all leave.
 */
static void p08_range_in_flight_at_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *got = kt_get(test, mm, &life_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, 0x10000);
	struct kt_range *range = a_range(test, mm);

	kt_mm_kill(test, mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_mm_exit(test, mm);
	/* Told with the release: the end that was owed. */
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->ends), 1);
	kt_remove(interval);
	kt_put(got);
	kt_unregister(sub);
	mmun_notifier_synchronize();
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->frees), 1);
}

/* --- every allocation that can fail --- */

enum how { BY_REGISTER, BY_GET, BY_INSERT };

struct sweep_param {
	const char *name;
	enum how how;
	const struct mmun_notifier_ops *ops;
	bool bridged;			/* the mm has a subscriber already */
	int least;			/* so many allocations are mmun's own */
};

static const struct sweep_param sweeps[] = {
	{ "register", BY_REGISTER, &kt_range_ops, false, 2 },
	{ "get", BY_GET, &life_ops, false, 5 },
	{ "insert", BY_INSERT, NULL, false, 2 },
	{ "young", BY_REGISTER, &kt_young_ops, false, 3 },
	{ "TLB", BY_REGISTER, &kt_tlb_ops, false, 3 },
	{ "young on a bridge", BY_REGISTER, &kt_young_ops, true, 1 },
	{ "TLB on a bridge", BY_REGISTER, &kt_tlb_ops, true, 1 },
	{ "get on a bridge", BY_GET, &life_ops, true, 3 },
};

static void sweep_name(const struct sweep_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(sweep, sweeps, sweep_name);

/* Returns what could not be reset. */
static unsigned int set_fail_nth(unsigned int nth)
{
	unsigned int left = 0;

#ifdef CONFIG_FAULT_INJECTION
	left = current->fail_nth;
	current->fail_nth = nth;
#endif
	return left;
}

static int sweep_join(const struct sweep_param *param, struct mm_struct *mm,
		      struct kt_sub *sub, struct kt_interval *interval)
{
	int ret;

	switch (param->how) {
	case BY_REGISTER:
		ret = mmun_notifier_register(&sub->mn, mm);
		sub->registered = !ret;
		return ret;
	case BY_GET:
		life->spare = sub;
		ret = PTR_ERR_OR_ZERO(mmun_notifier_get(param->ops, mm));
		sub->got = !ret;
		return ret;
	default:
		ret = mmun_interval_notifier_insert(&interval->mni, mm, 0,
						    PAGE_SIZE,
						    &kt_interval_ops);
		interval->inserted = !ret;
		return ret;
	}
}

static bool has_extra_bridges(struct mmun_subscriptions *subs)
{
	struct mmun_kunit_state state = look(subs);

	return state.young || state.tlb;
}

/* Nothing is left of what failed. */
static void swept_clean(struct kunit *test, const struct sweep_param *param,
			struct mm_struct *mm, struct kt_sub *keeper)
{
	if (param->bridged) {
		KT_ASSERT_UNTIL(test, !has_extra_bridges(keeper->mn.subs));
		KUNIT_EXPECT_EQ(test, look(keeper->mn.subs).users, 1U);
	} else {
		KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	}
}

/*
 * Each allocation of a subscription fails in turn: -ENOMEM, nothing stays, get
 * gives the object back, and the next try works.
 */
static void x_every_allocation_fails_once(struct kunit *test)
{
	const struct sweep_param *param = test->param_value;
	struct kt_sub *sub, *keeper = NULL;
	struct kt_interval *interval;
	struct mm_struct *mm = NULL;
	unsigned int nth, left;
	int ret, before, failed = 0;
	bool no_counts;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "the kernel has no CONFIG_FAILSLAB");

	if (param->bridged) {
		mm = fresh_mm(test);
		keeper = kt_register(test, mm, &kt_range_ops);
	}
	/* First what fault injection does not reach. */
	for (nth = param->how == BY_GET ? 0 : 1, left = 0; !left; nth++) {
		KUNIT_ASSERT_LT(test, nth, 100U);
		no_counts = !nth;
		/* One that the kernel's notifier has nothing for, either. */
		if (!param->bridged)
			mm = fresh_mm(test);
		sub = kt_sub(test, param->ops);
		interval = kt_interval(test);
		before = mm_count(mm);

		mmun_kunit_no_counts = no_counts;
		set_fail_nth(nth);
		ret = sweep_join(param, mm, sub, interval);
		left = set_fail_nth(0);
		mmun_kunit_no_counts = false;
		KUNIT_EXPECT_FALSE(test, no_counts && !ret);

		if (ret) {
			failed++;
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_EQ(test, left, 0U);
			KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
					atomic_read(&life->allocs));
			swept_clean(test, param, mm, keeper);
			assert_mm_count(test, mm, before);
			ret = sweep_join(param, mm, sub, interval);
		}
		KUNIT_ASSERT_EQ_MSG(test, ret, 0, "the %uth failed", nth);

		if (param->how == BY_REGISTER)
			kt_unregister(sub);
		else if (param->how == BY_GET)
			kt_put(sub);
		else
			kt_remove(interval);
		mmun_notifier_synchronize();
		swept_clean(test, param, mm, keeper);
		assert_mm_count(test, mm, before);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
				atomic_read(&life->allocs));
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases),
				param->ops == &kt_range_ops ? 1 : 0);
	}
	KUNIT_EXPECT_GE(test, failed, param->least);
}

static int life_init(struct kunit *test)
{
	int ret = kt_init(test);

	life = NULL;
	if (ret)
		return ret;
	life = kunit_kzalloc(test, sizeof(*life), GFP_KERNEL);
	if (!life)
		return -ENOMEM;
	life->test = test;
	kt_gate_init(test, &life->alloc);
	kt_gate_init(test, &life->stop);

	life_list_ops = kt_ops;
	life_list_ops.arch_invalidate_secondary_tlbs = life_flush_tlb;
	life_ops = life_list_ops;
	life_ops.alloc_notifier = life_alloc;
	life_ops.free_notifier = life_free;
	life_ops2 = life_ops;
	return 0;
}

static void life_exit(struct kunit *test)
{
	if (life)
		WRITE_ONCE(life->hold, false);
	kt_exit(test);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p01_second_get_is_the_same),
	KUNIT_CASE(p01_other_key_other_object),
	KUNIT_CASE(p01_overflow),
	KUNIT_CASE(p01_alloc_error_passes_through),
	KUNIT_CASE(p01_failed_get_gives_back),
	KUNIT_CASE(p01_get_after_exit_is_refused),
	KUNIT_CASE(p01_get_during_alloc_shares),
	KUNIT_CASE(p01_losing_get_frees_its_own),
	KUNIT_CASE(p01_get_locked),
	KUNIT_CASE(p01_second_get_waits_for_the_first),
	KUNIT_CASE(p01_waiting_get_keeps_the_object),
	KUNIT_CASE(p01_get_while_the_old_one_is_a_zombie),
	KUNIT_CASE(p01_get_while_the_old_one_starts),
	KUNIT_CASE(p02_free_once_after_the_last_put),
	KUNIT_CASE_PARAM(p02_free_waits_for_callbacks, walk_place_gen_params),
	KUNIT_CASE(p02_free_waits_for_each_callback),
	KUNIT_CASE(p02_free_does_not_wait_for_others),
	KUNIT_CASE(p02_newer_callbacks_do_not_free),
	KUNIT_CASE(p02_mm_reference_is_dropped),
	KUNIT_CASE_PARAM(p02_put_in_a_callback, put_place_gen_params),
	KUNIT_CASE_PARAM(p02_put_in_a_callback_frees, put_place_gen_params),
	KUNIT_CASE(p02_put_without_user),
	KUNIT_CASE(p02_put_of_a_registered_one),
	KUNIT_CASE(p02_put_on_another_cpu),
	KUNIT_CASE(p02_put_inside_a_get),
	KUNIT_CASE(p02_get_inside_a_put),
	KUNIT_CASE(p02_puts_of_many_tasks),
	KUNIT_CASE(p02_churn),
	KUNIT_CASE(p03_release_by_unregister),
	KUNIT_CASE(p03_release_by_exit),
	KUNIT_CASE_PARAM(p03_unregister_waits_for_callbacks,
			 walk_place_gen_params),
	KUNIT_CASE(p03_no_callback_after),
	KUNIT_CASE(p03_later_callback_is_not_waited_for),
	KUNIT_CASE(p03_next_walk_of_the_slot_is_not_waited_for),
	KUNIT_CASE(p03_all_leavers_are_woken),
	KUNIT_CASE(p03_unregister_in_own_release),
	KUNIT_CASE(p03_own_release_waits_for_other_tasks),
	KUNIT_CASE(p03_release_unregisters_others),
	KUNIT_CASE(p03_two_releases_that_unregister),
	KUNIT_CASE(p03_exit_waits_for_unregisters_release),
	KUNIT_CASE_PARAM(p03_no_release, walk_place_gen_params),
	KUNIT_CASE(p03_no_release_of_the_next),
	KUNIT_CASE(p03_no_callback_after_no_release),
	KUNIT_CASE(p03_registered_again),
	KUNIT_CASE_PARAM(p04_waits_for_callbacks_of_all_mms,
			 every_place_gen_params),
	KUNIT_CASE(p04_waits_for_counted_ranges),
	KUNIT_CASE(p04_waits_for_owed_ends),
	KUNIT_CASE(p04_called_once),
	KUNIT_CASE(p04_frees_what_left_without_waiting),
	KUNIT_CASE(p05_waits_for_a_running_func),
	KUNIT_CASE(p05_waits_for_a_func_of_another_cpu),
	KUNIT_CASE(p05_waits_for_a_running_free),
	KUNIT_CASE(p05_waits_for_a_put_held_back),
	KUNIT_CASE(p05_waits_for_a_queued_func),
	KUNIT_CASE(p05_all_that_was_queued_is_done),
	KUNIT_CASE(p05_later_put_does_not_hold_it_up),
	KUNIT_CASE(p06_holds_mm_count_only),
	KUNIT_CASE(p06_leave_with_another_mm),
	KUNIT_CASE(p06_mm_struct_outlives_the_exit),
	KUNIT_CASE(p06_nobody_joins_a_dead_mm),
	KUNIT_CASE(p06_nobody_joins_during_or_after_exit),
	KUNIT_CASE(p06_nobody_gets_during_exit),
	KUNIT_CASE_PARAM(p07_detached_with_the_last_subscriber,
			 kind_gen_params),
	KUNIT_CASE(p07_stays_while_one_is_left),
	KUNIT_CASE(p07_subscribed_while_detaching),
	KUNIT_CASE(p07_not_let_in_while_detaching),
	KUNIT_CASE(p07_detached_after_exit),
	KUNIT_CASE(p07_marked_and_sound),
	KUNIT_CASE_PARAM(p08_leave_after_exit, order_gen_params),
	KUNIT_CASE(p08_leave_during_exit),
	KUNIT_CASE(p08_exit_while_a_remove_waits),
	KUNIT_CASE(p08_exit_while_an_unregister_waits),
	KUNIT_CASE(p08_exit_while_others_join),
	KUNIT_CASE(p08_exit_while_others_wait_to_join),
	KUNIT_CASE(p08_exit_while_the_only_one_waits_to_join),
	KUNIT_CASE(p08_exit_wakes_who_waits_to_join),
	KUNIT_CASE(p08_register_on_a_dying_mm),
	KUNIT_CASE(p08_range_in_flight_at_exit),
	KUNIT_CASE_PARAM(x_every_allocation_fails_once, sweep_gen_params),
	{}
};

struct kunit_suite mmun_lifetime_suite = {
	.name = "mmun_lifetime",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
