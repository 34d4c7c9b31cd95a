// SPDX-License-Identifier: GPL-2.0-only
/* Suite mmun_isolation: a slow callback of one mm delays no other mm. */

#include <linux/srcu.h>

#include "real.h"

static atomic_t called = ATOMIC_INIT(0);

static void count_call(struct rcu_head *rcu)
{
	atomic_inc(&called);
}

DEFINE_STATIC_SRCU(own_srcu);

/* All that happens to a mm. */
struct life {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned long start, length;
	struct kt_sub *sub;
	struct kt_interval *interval;
	struct peer_list *peer;
	unsigned int attached;
};

static int subscribe(struct life *life)
{
	return kt_try_register(life->sub, life->mm) ?:
	       kt_try_insert(life->interval, life->mm, life->start, life->length);
}

/*
 * All that subscribers of a mm do, up to its exit. Its process has been killed.
 * With a peer, also a user of the kernel's own notifier comes and goes, and every bridge
 * is gone in the end but those that were attached before.
 */
static int do_whole_life(void *arg)
{
	struct life *life = arg;
	struct kt_sub *sub = life->sub, *got;
	struct kt_interval *interval = life->interval;
	struct kunit *test = life->test;
	struct mmun_notifier *mn;
	unsigned long seq;
	int ret;

	ret = subscribe(life);
	if (ret)
		return ret;
	mn = mmun_notifier_get(&kt_get_ops, life->mm);
	if (IS_ERR(mn))
		return PTR_ERR(mn);
	got = kt_to_sub(mn);
	got->got = true;

	KUNIT_EXPECT_EQ(test, kt_munmap(life->mm, life->start, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(got), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(got), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));

	kt_remove(interval);
	kt_put(got);
	KUNIT_EXPECT_TRUE(test, kt_until(kt_frees(got)));
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	if (life->peer) {
		mmun_kunit_cut_off(life->mm);
		KUNIT_EXPECT_TRUE(test, kt_until(mmun_kunit_attached() ==
						 life->attached));
		KUNIT_EXPECT_EQ(test, peer_register(life->peer, life->mm), 0);
		peer_unregister(life->peer);
	}

	sub->mn = (struct mmun_notifier){ .ops = sub->mn.ops };
	ret = subscribe(life);
	if (ret)
		return ret;
	kt_mm_exit(test, life->mm);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	kt_unregister(sub);
	kt_remove(interval);
	if (life->peer)
		KUNIT_EXPECT_TRUE(test, kt_until(mmun_kunit_attached() ==
						 life->attached));
	return 0;
}

/* Before the slow callback: what do_whole_life() needs. */
static struct life *new_life(struct kunit *test)
{
	struct life *life = kt_new(test, sizeof(*life));

	life->test = test;
	life->mm = kt_mm(test);
	life->start = kt_mmap(test, life->mm, PAGES(1));
	life->length = PAGES(1);
	life->sub = kt_sub(test, &kt_ops);
	life->interval = kt_interval(test);
	life->peer = new_peer_list(test);
	kt_mm_kill(test, life->mm);
	return life;
}

static void expect_life(struct kunit *test, struct life *life)
{
	life->attached = mmun_kunit_attached();
	KUNIT_EXPECT_EQ(test, kt_join(test, kt_run(test, do_whole_life, life)), 0);
}

/* A start that sleeps in one mm delays nothing in another. */
static void sleeping_start_delays_no_other_mm(struct kunit *test)
{
	struct life *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	task = munmap_to_gate(test, &sub->start, mm, at, PAGES(1));
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/* An interval's invalidate that sleeps in one mm delays nothing in another. */
static void sleeping_invalidate_delays_no_other_mm(struct kunit *test)
{
	struct life *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct kt_actor *task;

	task = munmap_to_gate(test, &interval->gate, mm, at, PAGES(1));
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/* A release that sleeps in one mm's exit delays nothing in another. */
static void sleeping_release_delays_no_other_mm(struct kunit *test)
{
	struct life *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &sub->release, mm, KT_EXIT, NULL);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	kt_gate_open(&sub->release);
	kt_join(test, task);
}

/* The same for an interval's. */
static void sleeping_interval_release_delays_no_other_mm(struct kunit *test)
{
	struct life *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGES(1));
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &interval->gate, mm, KT_EXIT, NULL);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_gate_open(&interval->gate);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/* So does a release that unregister calls. */
static void sleeping_release_in_unregister_delays_no_other_mm(struct kunit *test)
{
	struct life *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	task = kt_do_to_gate(test, &sub->release, NULL, KT_UNREGISTER, sub);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	kt_gate_open(&sub->release);
	kt_join(test, task);
}

/*
 * Nor does another driver's callback that sleeps in the kernel's own
 * notifier.
 */
static void sleeping_peer_delays_no_other_mm(struct kunit *test)
{
	struct life *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct peer_list *peer = new_peer_list(test);
	struct kt_actor *task;

	KUNIT_ASSERT_EQ(test, peer_register(peer, mm), 0);
	task = munmap_to_gate(test, &peer->gate, mm, at, PAGES(1));
	/* Memory that the kernel frees, and other peers, do wait for it. */
	life->peer = NULL;
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&peer->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/* call_srcu, and synchronize with it, wait for callbacks of all mms. */
static void call_srcu_waits_for_all_mms(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct rcu_head *head = kunit_kzalloc(test, 2 * sizeof(*head),
					      GFP_KERNEL);
	struct kt_actor *task, *sync;

	KUNIT_ASSERT_NOT_NULL(test, head);
	atomic_set(&called, 0);
	task = munmap_to_gate(test, &sub->start, mm, at, PAGES(1));
	mmun_notifier_call_srcu(&head[0], count_call);
	sync = kt_do(test, NULL, KT_SYNCHRONIZE, &called);
	/* In this time it would have been called, without readers. */
	call_srcu(&own_srcu, &head[1], count_call);
	srcu_barrier(&own_srcu);
	kt_assert_sleeps(test, sync);
	KUNIT_EXPECT_EQ(test, atomic_read(&called), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, sync);
	KUNIT_EXPECT_EQ(test, atomic_read(&called), 2);
}

static struct kunit_case cases[] = {
	KT_CASE(20, sleeping_start_delays_no_other_mm),
	KT_CASE(20, sleeping_invalidate_delays_no_other_mm),
	KT_CASE(20, sleeping_release_delays_no_other_mm),
	KT_CASE(20, sleeping_interval_release_delays_no_other_mm),
	KT_CASE(20, sleeping_release_in_unregister_delays_no_other_mm),
	KT_CASE(20, sleeping_peer_delays_no_other_mm),
	KT_CASE(20, call_srcu_waits_for_all_mms),
	{}
};

struct kunit_suite mmun_isolation_suite = {
	.name = "mmun_isolation",
	.init = real_init,
	.exit = real_exit,
	.test_cases = cases,
};
