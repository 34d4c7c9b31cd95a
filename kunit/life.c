// SPDX-License-Identifier: GPL-2.0-only
/* Objects and scenes of the suites on lifetimes: see life.h. */

#include <linux/preempt.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "life.h"

struct life *life;

struct mmun_notifier_ops life_ops, life_ops2;
struct mmun_notifier_ops life_list_ops;

DEFINE_STATIC_SRCU(elsewhere);

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

/* May not sleep, so it spins until the case lets it go. */
static void spin_if_held(void)
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
	struct kt_sub *sub = kt_to_sub(mn);

	if (atomic_read(&sub->inside))
		atomic_inc(&life->early);
	spin_if_held();
	atomic_inc(&sub->frees);
	atomic_inc(&life->frees);
}

/* Unlike that of kt_ops it passes a gate, that of the queries. */
static void life_flush_tlb(struct mmun_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	struct kt_sub *sub = kt_to_sub(mn);

	atomic_inc(&sub->inside);
	atomic_inc(&sub->tlb_flushes);
	kt_gate_pass(&sub->query);
	atomic_dec(&sub->inside);
}

/* A callback that uses its object until it returns. */
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

void owned_free_rcu(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct owned, rcu));
	atomic_inc(&life->funcs);
}

const struct mmun_notifier_ops owned_ops = {
	.release = owned_release,
	.invalidate_range_start = owned_start,
	.invalidate_range_end = owned_end,
	.alloc_notifier = owned_alloc,
	.free_notifier = owned_free,
};

struct owned *owned_register(struct kunit *test, struct mm_struct *mm)
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

struct owned *owned_get(struct kunit *test, struct mm_struct *mm)
{
	struct mmun_notifier *mn = mmun_notifier_get(&owned_ops, mm);

	KUNIT_ASSERT_FALSE(test, IS_ERR(mn));
	return to_owned(mn);
}

void act_put(struct owned *owned)
{
	mmun_notifier_put(&owned->mn);
	/* It stays valid until the callback returns. */
	owned->touched++;
}

void act_unregister(struct owned *owned)
{
	mmun_notifier_unregister(&owned->mn, owned->mn.mm);
	kfree(owned);
}

void act_unregister_other(struct owned *owned)
{
	mmun_notifier_unregister(&owned->other->mn, owned->mn.mm);
	kfree(owned->other);
}

void act_no_release(struct owned *owned)
{
	mmun_notifier_unregister_no_release(&owned->mn, owned->mn.mm);
	mmun_notifier_call_srcu(&owned->rcu, owned_free_rcu);
	owned->touched++;
}

void life_func(struct rcu_head *rcu)
{
	spin_if_held();
	kfree(container_of(rcu, struct call, rcu));
	atomic_inc(&life->funcs);
}

void life_call_srcu(struct kunit *test)
{
	struct call *call = kzalloc(sizeof(*call), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, call);
	mmun_notifier_call_srcu(&call->rcu, life_func);
}

static void do_nothing(struct rcu_head *rcu)
{
}

void life_let_others_finish(void)
{
	static struct rcu_head head;
	int i;

	for (i = 0; i < 2; i++) {
		call_srcu(&elsewhere, &head, do_nothing);
		srcu_barrier(&elsewhere);
	}
	rcu_barrier();
}

int life_mm_count(struct mm_struct *mm)
{
	kt_forget_mms();
	return atomic_read(&mm->mm_count);
}

void life_assert_mm_count(struct kunit *test, struct mm_struct *mm, int expected)
{
	bool came = kt_until(life_mm_count(mm) == expected);

	KUNIT_ASSERT_TRUE_MSG(test, came, "mm_count is %d, not %d",
			      life_mm_count(mm), expected);
}

struct mm_struct *life_mm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);

	life_assert_mm_count(test, mm, FRESH_COUNT);
	return mm;
}

struct kt_range *life_range(struct kunit *test, struct mm_struct *mm)
{
	return kt_blockable(test, mm, 0x1000, 0x2000);
}

/* --- scenes --- */

void life_stage(struct kunit *test, struct scene *scene)
{
	scene->mm = life_mm(test);
	scene->keeper = kt_register(test, scene->mm, &kt_release_only_ops);
	scene->subs = scene->keeper->mn.priv.subs;
}

static struct kt_gate *gate_at(struct scene *scene, enum place at)
{
	switch (at) {
	case AT_START:
		return &scene->sub->start;
	case AT_END:
		return &scene->sub->end;
	case AT_QUERY:
	case AT_TLB:
		return &scene->sub->query;
	case AT_RELEASE:
	case AT_LEAVER:
		return &scene->sub->release;
	case AT_INTERVAL:
	case AT_INTERVAL_RELEASE:
		return &scene->interval->gate;
	}
	return NULL;
}

static struct kt_actor *prepare_at(struct kunit *test, struct scene *scene,
				   enum place at)
{
	struct mm_struct *mm = scene->mm;

	switch (at) {
	case AT_START:
	case AT_END:
	case AT_INTERVAL:
		return kt_prepare(test, NULL, KT_START_END, life_range(test, mm));
	case AT_QUERY:
		return kt_prepare(test, mm, KT_CLEAR_FLUSH_YOUNG, NULL);
	case AT_TLB:
		return kt_prepare(test, mm, KT_FLUSH_TLB, NULL);
	case AT_LEAVER:
		return kt_prepare(test, NULL, KT_UNREGISTER, scene->sub);
	case AT_RELEASE:
	case AT_INTERVAL_RELEASE:
		kt_mm_kill(test, mm);
		return kt_prepare(test, mm, KT_EXIT, NULL);
	}
	return NULL;
}

void life_block(struct kunit *test, struct scene *scene, enum place at)
{
	scene->gate = gate_at(scene, at);
	scene->actor = prepare_at(test, scene, at);
	kt_go_to_gate(scene->actor, scene->gate);
}

int life_go_on(struct kunit *test, struct scene *scene)
{
	kt_gate_open(scene->gate);
	return kt_join(test, scene->actor);
}

const struct place_param life_places[8] = {
	{ "start", AT_START },
	{ "end", AT_END },
	{ "young query", AT_QUERY },
	{ "TLB flush", AT_TLB },
	{ "release at exit", AT_RELEASE },
	{ "interval", AT_INTERVAL },
	{ "release by unregister", AT_LEAVER },
	{ "release of an interval", AT_INTERVAL_RELEASE },
};

const struct place_param life_walk_places[5] = {
	{ "start", AT_START },
	{ "end", AT_END },
	{ "young query", AT_QUERY },
	{ "TLB flush", AT_TLB },
	{ "release at exit", AT_RELEASE },
};

const struct place_param life_put_places[3] = {
	{ "start", AT_START },
	{ "end", AT_END },
	{ "release at exit", AT_RELEASE },
};

int life_init(struct kunit *test)
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

void life_exit(struct kunit *test)
{
	if (life)
		WRITE_ONCE(life->hold, false);
	kt_exit(test);
}
