// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_unregister: unregister returns when no callback runs or ever will.
 */

#include <linux/slab.h>

#include "life.h"

KT_NAMED_PARAM(walk_place, life_walk_places);

/*
 * A subscriber whose release runs in an unregister still gets ranges, and their
 * ends.
 */
static void ranges_arrive_until_release_returns(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *first = kt_register_logged(test, mm);
	struct kt_actor *leaver;
	struct kt_range *range;

	/* The middle one is in the release of an unregister. */
	leaver = kt_do_to_gate(test, &sub->release, NULL, KT_UNREGISTER, sub);
	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(last), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(first), 1);
	kt_gate_open(&sub->release);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_LT(test, kt_place(sub, CB_RELEASE, NULL),
			kt_place(sub, CB_END, range));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(last), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(first), 1);
	kt_expect_quiet(test, last);
}

/* Unregister calls release, once; the exit does not call it again. */
static void unregister_calls_release_once(struct kunit *test)
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

/* When the exit has called release, unregister does not. */
static void unregister_after_exit_calls_no_release(struct kunit *test)
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
 * Unregister sleeps while a callback of any kind runs on the subscriber, and
 * returns after it.
 */
static void unregister_waits_for_running_callback(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_actor *leaver;
	struct kt_sub *sub;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	sub = s.sub;
	life_block(test, &s, param->at);
	leaver = kt_do(test, NULL, KT_UNREGISTER, sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1 || !kt_running(leaver));
	KUNIT_EXPECT_TRUE(test, kt_running(leaver));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	/* The leaver has called it, unless the exit is inside it. */
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases),
			param->at == AT_RELEASE ? 0 : 1);

	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
			atomic_read(&sub->accepted));
}

/*
 * From the moment that unregister waits the subscriber gets no new callback,
 * nor after it.
 */
static void no_callback_after_unregister(struct kunit *test)
{
	struct kt_range *range, *range2;
	struct kt_actor *leaver;
	struct kt_sub *sub, *other;
	struct scene s;
	int i;

	life_stage(test, &s);
	other = kt_register(test, s.mm, &life_list_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	sub = s.sub;
	life_block(test, &s, AT_END);
	leaver = kt_do(test, NULL, KT_UNREGISTER, sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);

	range = life_range(test, s.mm);
	range2 = life_range(test, s.mm);
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
		life_go_on(test, &s);
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
 * delay it.
 */
static void unregister_ignores_later_callback(struct kunit *test)
{
	struct kt_actor *leaver;
	struct scene s, later;

	life_stage(test, &s);
	later = s;
	later.sub = kt_register(test, s.mm, &life_list_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	life_block(test, &s, AT_END);
	leaver = kt_do(test, NULL, KT_UNREGISTER, s.sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	life_block(test, &later, AT_QUERY);
	life_go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(later.actor));
	life_go_on(test, &later);
}

/*
 * The end of a range walks under the same slot as its start. An unregister that
 * waits for the start does not wait for that end, though the walk has begun
 * when it looks.
 */
static void unregister_ignores_next_walk_of_the_slot(struct kunit *test)
{
	struct kt_actor *leaver, *raiser;
	struct kt_sub *other;
	struct scene s;

	life_stage(test, &s);
	other = kt_register(test, s.mm, &kt_range_ops);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	kt_gate_close(&s.sub->start);
	kt_gate_close(&other->end);
	/* No other task runs on its processor from one callback to the next. */
	raiser = kt_prepare(test, NULL, KT_START_END, life_range(test, s.mm));
	raiser->cpu = kt_first_cpu();
	raiser->first = true;
	kt_go(raiser);
	kt_gate_wait(test, &s.sub->start);
	leaver = kt_prepare(test, NULL, KT_UNREGISTER, s.sub);
	leaver->cpu = kt_first_cpu();
	kt_go(leaver);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	kt_gate_open(&s.sub->start);
	kt_gate_wait(test, &other->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(raiser));
	kt_gate_open(&other->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, raiser), 0);
}

/*
 * Of five that unregister while a callback of the middle one runs, the two newer ones
 * do not wait, and each of the others is woken when it returns.
 */
static void all_leavers_are_woken(struct kunit *test)
{
	struct kt_actor *leavers[5];
	struct kt_sub *subs[5];
	struct scene s;
	int i;

	life_stage(test, &s);
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		subs[i] = kt_register(test, s.mm, &kt_range_ops);
	s.sub = subs[2];
	life_block(test, &s, AT_START);
	for (i = 0; i < ARRAY_SIZE(subs); i++)
		leavers[i] = kt_do(test, NULL, KT_UNREGISTER, subs[i]);
	for (i = 3; i < ARRAY_SIZE(subs); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, leavers[i]), 0);
	for (i = 0; i < 3; i++)
		kt_assert_waits(test, s.subs, leavers[i], 3);
	life_go_on(test, &s);
	for (i = 0; i < ARRAY_SIZE(subs); i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, leavers[i]), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&subs[i]->ends),
				atomic_read(&subs[i]->accepted));
	}
}

/*
 * A walk that stands in a callback of an older subscriber is past a newer one:
 * the newer one's unregister does not wait for it.
 */
static void unregister_ignores_a_walk_past_it(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_actor *leaver;
	struct kt_sub *newer;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	newer = kt_register(test, s.mm, &life_list_ops);
	life_block(test, &s, param->at);
	leaver = kt_do(test, NULL, KT_UNREGISTER, newer);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(s.actor));
	KUNIT_EXPECT_EQ(test, atomic_read(&newer->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&newer->ends), atomic_read(&newer->accepted));
	life_go_on(test, &s);
	KUNIT_EXPECT_EQ(test, atomic_read(&newer->ends), atomic_read(&newer->accepted));
}

/*
 * A walk that stands in a callback of a newer subscriber has the older one ahead:
 * the older one's unregister waits for it.
 */
static void unregister_waits_for_a_walk_ahead_of_it(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_actor *leaver;
	struct kt_sub *older;
	struct scene s;

	life_stage(test, &s);
	older = kt_register(test, s.mm, &life_list_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	life_block(test, &s, param->at);
	leaver = kt_do(test, NULL, KT_UNREGISTER, older);
	kt_assert_waits(test, s.subs, leaver, 1);
	KUNIT_EXPECT_TRUE(test, kt_running(s.actor));
	life_go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&older->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&older->ends), atomic_read(&older->accepted));
}

/*
 * A subscriber may unregister in its own release at exit, and be freed there;
 * the walk goes on.
 */
static void unregister_in_own_release_may_free(struct kunit *test)
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
static void unregister_in_own_release_waits_for_others(struct kunit *test)
{
	struct kt_actor *exit;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	s.sub->on_release = unregister_in_release;
	kt_mm_kill(test, s.mm);
	life_block(test, &s, AT_START);
	exit = kt_do(test, s.mm, KT_EXIT, NULL);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1 || !kt_running(exit));
	KUNIT_EXPECT_TRUE(test, kt_running(exit));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 0);
	life_go_on(test, &s);
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/*
 * At exit a release unregisters and frees another subscriber: the one before
 * it, the next one of the walk, the next two.
 */
static void release_may_free_other_subscribers(struct kunit *test)
{
	/* Which one the n-th unregisters in its release; -1: none. */
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
		/* The walk goes from the newest, o[3], to the oldest. */
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

static void unregister_victim(struct kt_sub *sub)
{
	kt_unregister(sub->victims[0]);
}

/*
 * Two tasks that unregister, and whose releases unregister another subscriber
 * each, do not wait for each other.
 */
static void two_releases_that_unregister_do_not_deadlock(struct kunit *test)
{
	struct kt_sub *pairs[2][2];
	struct kt_actor *tasks[2];
	struct scene s;
	int i;

	life_stage(test, &s);
	for (i = 0; i < 2; i++) {
		pairs[i][0] = kt_register(test, s.mm, &kt_range_ops);
		pairs[i][1] = kt_register(test, s.mm, &kt_range_ops);
		pairs[i][0]->victims[0] = pairs[i][1];
		pairs[i][0]->on_release = unregister_victim;
		kt_gate_close(&pairs[i][0]->release);
	}
	for (i = 0; i < 2; i++) {
		tasks[i] = kt_do(test, NULL, KT_UNREGISTER, pairs[i][0]);
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
 * The exit waits for a release that an unregister has called, calls no second
 * one, and releases the others.
 */
static void exit_waits_for_release_of_unregister(struct kunit *test)
{
	struct kt_actor *exit;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	kt_mm_kill(test, s.mm);
	life_block(test, &s, AT_LEAVER);
	exit = kt_do(test, s.mm, KT_EXIT, NULL);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1 || !kt_running(exit));
	KUNIT_EXPECT_TRUE(test, kt_running(exit));
	KUNIT_EXPECT_TRUE(test, kt_running(s.actor));
	KUNIT_EXPECT_FALSE(test, kt_state(s.subs).closed);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_TRUE(test, kt_state(s.subs).closed);
}

/*
 * unregister_no_release returns while a callback runs and never calls release;
 * the exit does not either.
 */
static void no_release_returns_during_callback(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_sub *sub;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	sub = s.sub;
	life_block(test, &s, param->at);
	/* In the case's own task, which would hang here if it had to wait. */
	kt_unregister_no_release(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).users, 1U);
	life_go_on(test, &s);
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
 * While the exit is in a release the next subscriber of the walk leaves without
 * release: its release is not called.
 */
static void exit_skips_next_that_left_without_release(struct kunit *test)
{
	struct kt_sub *next;
	struct scene s;

	life_stage(test, &s);
	next = kt_register(test, s.mm, &life_list_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	life_block(test, &s, AT_RELEASE);
	kt_unregister_no_release(next);
	life_go_on(test, &s);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/* After unregister_no_release the subscriber gets no new callback. */
static void no_callback_after_no_release(struct kunit *test)
{
	struct kt_range *range;
	struct kt_sub *sub;
	struct scene s;

	life_stage(test, &s);
	sub = kt_register(test, s.mm, &life_list_ops);
	range = life_range(test, s.mm);
	kt_unregister_no_release(sub);
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
 * A subscriber that has left may be registered again, also on another mm: it
 * gets ranges and its release again.
 */
static void left_subscriber_registers_again(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = life_range(test, mm2);

	/* It leaves with an end owed. */
	KUNIT_ASSERT_EQ(test, kt_start(life_range(test, mm)), 0);
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

/* The second call of a driver that unregisters once too often. */
static const struct misuse_param {
	const char *name;
	bool no_release;
} misuses[] = {
	{ "unregister", false },
	{ "unregister_no_release", true },
};

KT_NAMED_PARAM(misuse, misuses);

static void expect_reported(struct kunit *test, struct kt_sub *sub, struct mm_struct *mm,
			    struct kt_sub *keeper)
{
	const struct misuse_param *param = test->param_value;
	int count = life_mm_count(mm), releases = kt_releases(sub);

	mmun_kunit_warnings();
	if (param->no_release)
		mmun_notifier_unregister_no_release(&sub->mn, mm);
	else
		mmun_notifier_unregister(&sub->mn, mm);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), releases);
	KUNIT_EXPECT_EQ(test, kt_state(keeper).users, 1U);
}

/*
 * The unregister of a notifier that is not registered (it was unregistered in either
 * way, its memory is zeroed, or its registration failed) is reported each time, and
 * changes nothing.
 */
static void second_unregister_is_reported(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test), *dead = life_mm(test);
	struct kt_sub *keeper = kt_register(test, mm, &kt_release_only_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	kt_unregister(sub);
	expect_reported(test, sub, mm, keeper);
	expect_reported(test, sub, mm, keeper);
	KUNIT_ASSERT_EQ(test, kt_try_register(sub, mm), 0);
	kt_unregister_no_release(sub);
	expect_reported(test, sub, mm, keeper);

	expect_reported(test, kt_sub(test, &kt_range_ops), mm, keeper);

	kt_mm_kill(test, dead);
	kt_mm_exit(test, dead);
	KUNIT_ASSERT_EQ(test, kt_try_register(sub, dead), -ESRCH);
	expect_reported(test, sub, mm, keeper);
	/* The mm and its state are right all the same. */
	KUNIT_ASSERT_EQ(test, kt_try_register(sub, mm), 0);
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	mmun_kunit_warnings();
	kt_unregister(sub);
	kt_unregister(keeper);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
	kt_cut_off(test, mm);
	life_assert_mm_count(test, mm, FRESH_COUNT);
}

/* A walk that stops when it has found the subscriber, and has not stored its place yet. */
struct found {
	struct kt_watch watch;
	bool begun;			/* that walk, and no other one */
	bool inside;			/* it has found it */
	bool returned;			/* the unregister has returned */
	bool too_early;			/* ... while the walk stood there */
};

static const struct found_param {
	const char *name;
	bool query;
	bool refused;
} founds[] = {
	{ "start of a range" },
	{ "ends of a refused range", .refused = true },
	{ "young query", .query = true },
};

KT_NAMED_PARAM(found, founds);

static void wait_for_the_unregister(struct kt_watch *watch)
{
	struct found *f = watch->arg;

	WRITE_ONCE(f->inside, true);
	f->too_early = kt_spin_until(READ_ONCE(f->returned), 500);
}

static struct found *refused;

/* Of the subscriber that refuses, the last one of the walk of the starts. */
static void next_walk_begins(struct kt_sub *sub, const struct mmun_notifier_range *range)
{
	WRITE_ONCE(refused->begun, true);
}

/*
 * A walk that has begun is not past a subscriber because the walk before it, in the same
 * slot, was: an unregister waits for it, also between the walk's look at the list and
 * its first report of its place.
 */
static void unregister_waits_for_a_walk_that_has_found_it(struct kunit *test)
{
	const struct found_param *param = test->param_value;
	struct found *f = kt_new(test, sizeof(*f));
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *keeper = kt_register(test, mm, &kt_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_ops);
	struct kt_range *range = param->refused ? kt_nonblock(test, mm, FROM, TO) :
						  kt_blockable(test, mm, FROM, TO);
	int calls = param->refused ? 2 : 1;
	struct kt_actor *walker;
	unsigned int other;
	int ret;

	if (!kt_two_cpus(test, &other))
		kunit_skip(test, "there is one CPU only");
	kt_end(kt_begin(test, mm, FROM, TO));
	f->begun = !param->refused;
	if (param->refused) {
		refused = f;
		keeper->refuse = -EAGAIN;
		keeper->on_start = next_walk_begins;
	}
	f->watch.fn = wait_for_the_unregister;
	f->watch.arg = f;
	f->watch.since = &f->begun;
	walker = param->query ? kt_prepare(test, mm, KT_CLEAR_FLUSH_YOUNG, NULL) :
				kt_prepare(test, NULL, KT_START, range);
	walker->cpu = other;
	walker->watch = &f->watch;
	walker->word = &sub->mn.priv.linked;
	kt_go(walker);
	while (!READ_ONCE(f->inside) && kt_running(walker))
		cond_resched();
	if (READ_ONCE(f->inside)) {
		kt_unregister(sub);
		WRITE_ONCE(f->returned, true);
	}
	ret = kt_join(test, walker);
	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "no breakpoints on data");
	KUNIT_EXPECT_TRUE(test, f->inside);
	KUNIT_EXPECT_FALSE(test, f->too_early);
	if (param->refused)
		KUNIT_EXPECT_EQ(test, ret, -EAGAIN);
	else if (!param->query)
		kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), calls);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), calls);
	kt_expect_quiet(test, keeper);
}

static struct kunit_case cases[] = {
	KT_CASE(09, ranges_arrive_until_release_returns),
	KT_CASE(03, unregister_calls_release_once),
	KT_CASE(03, unregister_after_exit_calls_no_release),
	KT_CASE_PARAM(03, unregister_waits_for_running_callback, walk_place_gen_params),
	KT_CASE(03, no_callback_after_unregister),
	KT_CASE(03, unregister_ignores_later_callback),
	KT_CASE(03, unregister_ignores_next_walk_of_the_slot),
	KT_CASE(03, all_leavers_are_woken),
	KT_CASE_PARAM(03, unregister_ignores_a_walk_past_it, walk_place_gen_params),
	KT_CASE_PARAM(03, unregister_waits_for_a_walk_ahead_of_it, walk_place_gen_params),
	KT_CASE_PARAM(03, unregister_waits_for_a_walk_that_has_found_it, found_gen_params),
	KT_CASE(03, unregister_in_own_release_may_free),
	KT_CASE(03, unregister_in_own_release_waits_for_others),
	KT_CASE(03, release_may_free_other_subscribers),
	KT_CASE(03, two_releases_that_unregister_do_not_deadlock),
	KT_CASE(03, exit_waits_for_release_of_unregister),
	KT_CASE_PARAM(03, no_release_returns_during_callback, walk_place_gen_params),
	KT_CASE(03, exit_skips_next_that_left_without_release),
	KT_CASE(03, no_callback_after_no_release),
	KT_CASE(03, left_subscriber_registers_again),
	KT_CASE_PARAM(03, second_unregister_is_reported, misuse_gen_params),
	{}
};

struct kunit_suite mmun_unregister_suite = {
	.name = "mmun_unregister",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
