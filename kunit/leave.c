// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_leave: a subscriber that leaves gets the ends that are owed to it,
 * once.
 */

#include "mmun_kunit.h"

KT_NAMED_PARAM(way, kt_ways);

KT_NAMED_PARAM(block, kt_blocks);

/*
 * A subscriber that leaves between start and end gets the owed ends at once and
 * not again; the others get theirs when the ranges end.
 */
static void leaver_gets_owed_ends_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_range *over = kt_begin(test, mm, FROM, FROM + 1);
	struct kt_range *a = kt_begin(test, mm, FROM, TO);
	struct kt_range *b = kt_begin(test, mm, TO, TO + 1), *later;

	kt_end(over);
	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, b), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 3);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);

	later = kt_begin(test, mm, TO, TO + 2);
	kt_end(a);
	kt_end(b);
	kt_end(later);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 3);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 3);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 4);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), kt_way_of(test) == KT_UNREGISTER);
	kt_expect_quiet(test, other);
}

/*
 * A subscriber that leaves after a start that failed is owed no end for that
 * range.
 */
static void leaver_gets_no_end_for_failed_start(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_range *good = kt_begin(test, mm, FROM, TO), *bad;

	sub->fail = -ENOMEM;
	bad = kt_begin(test, mm, TO, TO + 1);
	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, good), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_end(good);
	kt_end(bad);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	kt_expect_quiet(test, other);
}

/*
 * The owed ends carry the bounds of their own ranges, also if these end and
 * others begin while the leaver is in the callback.
 */
static void owed_ends_keep_their_bounds(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_range *a = kt_begin(test, mm, FROM, FROM + 1), *c, *d;
	struct kt_range *b = kt_begin(test, mm, FROM, FROM + 2);
	struct kt_actor *leaver;

	leaver = kt_do_to_gate(test, &sub->end, NULL, kt_way_of(test), sub);
	kt_end(a);
	kt_end(b);
	KUNIT_EXPECT_EQ(test, kt_state(other).active, 0U);
	c = kt_begin(test, mm, TO, TO + 1);
	d = kt_begin(test, mm, TO, TO + 2);
	KUNIT_EXPECT_EQ(test, kt_state(other).busy, 4U);
	kt_gate_open(&sub->end);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, b), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	kt_end(c);
	kt_end(d);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 4);
	kt_expect_quiet(test, other);
}

/*
 * Two leavers are in the owed end of one range when it ends. The slot is not
 * used again before the second of them is done, so both get the right bounds.
 */
static void slot_stays_busy_until_last_owed_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub[2] = { kt_register_logged(test, mm),
				  kt_register_logged(test, mm) };
	struct kt_range *a = kt_begin(test, mm, FROM, FROM + 1), *b;
	struct kt_actor *leaver[2];
	int i;

	for (i = 0; i < 2; i++)
		leaver[i] = kt_do_to_gate(test, &sub[i]->end, NULL,
					  KT_UNREGISTER_NO_RELEASE, sub[i]);
	kt_end(a);
	KUNIT_EXPECT_EQ(test, kt_state(other).active, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(other).busy, 1U);
	kt_gate_open(&sub[0]->end);
	kt_join(test, leaver[0]);
	KUNIT_EXPECT_EQ(test, kt_state(other).busy, 1U);
	b = kt_begin(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, kt_state(other).busy, 2U);
	kt_gate_open(&sub[1]->end);
	kt_join(test, leaver[1]);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, kt_calls(sub[i], CB_END, a), 1);
		KUNIT_EXPECT_EQ(test, kt_ends(sub[i]), 1);
	}
	KUNIT_EXPECT_EQ(test, kt_state(other).busy, 1U);
	kt_end(b);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	kt_expect_quiet(test, other);
}

/*
 * A subscriber that leaves while its start runs in another task, and then
 * succeeds, gets the end of that range once.
 */
static void leaver_in_own_start_gets_one_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_actor *leaver, *task;
	struct kt_range *range;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &sub->start, NULL, KT_START, range);
	leaver = kt_do(test, NULL, kt_way_of(test), sub);
	kt_assert_way_waits(test, kt_subs(other), leaver);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_frees(sub), 0);

	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(other), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_expect_quiet(test, other);
}

/* The same when that start then fails: no end comes. */
static void leaver_in_own_failing_start_gets_no_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_actor *leaver, *task;
	struct kt_range *range;

	sub->fail = -EINVAL;
	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &sub->start, NULL, KT_START, range);
	leaver = kt_do(test, NULL, kt_way_of(test), sub);
	kt_assert_way_waits(test, kt_subs(other), leaver);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	kt_end(range);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_expect_quiet(test, other);
}

/*
 * A subscriber that leaves while one of its ends runs in another task gets that
 * end once.
 */
static void leaver_in_own_end_gets_it_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);
	struct kt_actor *leaver, *task;

	task = kt_do_to_gate(test, &sub->end, NULL, KT_END, range);
	leaver = kt_do(test, NULL, kt_way_of(test), sub);
	kt_assert_way_waits(test, kt_subs(other), leaver);
	KUNIT_EXPECT_EQ(test, kt_frees(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_gate_open(&sub->end);
	kt_join(test, task);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_expect_quiet(test, other);
}

/*
 * A subscriber that leaves while the walk of an end has not reached it yet gets
 * that end once.
 */
static void leaver_ahead_of_an_end_gets_it_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_sub *first = kt_register_logged(test, mm);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);
	struct kt_actor *leaver, *task;

	task = kt_do_to_gate(test, &first->end, NULL, KT_END, range);
	leaver = kt_do(test, NULL, kt_way_of(test), sub);
	kt_assert_way_waits(test, kt_subs(first), leaver);
	if (kt_way_of(test) != KT_PUT)
		KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_gate_open(&first->end);
	kt_join(test, task);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(first), 1);
	kt_expect_quiet(test, first);
}

/*
 * While an end is being delivered, one subscriber leaves and gets it at once,
 * and another range begins: those whose turn comes later still get the bounds
 * of the first.
 */
static void end_keeps_its_bounds_while_others_leave(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *first = kt_register_logged(test, mm);
	struct kt_range *a = kt_begin(test, mm, FROM, FROM + 1), *b;
	struct kt_actor *task;

	task = kt_do_to_gate(test, &first->end, NULL, KT_END, a);
	kt_leave(test, sub, KT_UNREGISTER_NO_RELEASE);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_state(last).busy, 1U);
	b = kt_begin(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, kt_state(last).busy, 2U);
	kt_gate_open(&first->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_calls(last, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(last), 1);
	KUNIT_EXPECT_EQ(test, kt_state(last).busy, 1U);
	kt_end(b);
	KUNIT_EXPECT_EQ(test, kt_calls(last, CB_END, b), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(first, CB_END, b), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(last), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(first), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_expect_quiet(test, last);
}

/*
 * A subscriber that leaves before the walk of a start has reached it gets
 * neither start nor end of that range.
 */
static void leaver_ahead_of_a_start_gets_no_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_sub *first = kt_register_logged(test, mm);
	struct kt_actor *leaver, *task;
	struct kt_range *range;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &first->start, NULL, KT_START, range);
	leaver = kt_do(test, NULL, kt_way_of(test), sub);
	kt_assert_way_waits(test, kt_subs(first), leaver);
	kt_gate_open(&first->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	kt_end(range);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(first), 1);
	kt_expect_quiet(test, first);
}

/*
 * An object that is registered again inside a range waits for that range as a
 * new one would.
 */
static void register_again_inside_a_range_begins_afresh(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *older = kt_begin(test, mm, FROM, TO), *younger;
	struct kt_actor *joiner;

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	joiner = kt_do(test, mm, KT_REGISTER, sub);
	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	younger = kt_begin(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	kt_expect_quiet(test, other);
}

/*
 * A notifier put by its own start callback gets no end for that start; it gets
 * those owed before, and the others go on.
 */
static void put_in_own_start_gets_no_end(struct kunit *test)
{
	const bool blockable = kt_block_of(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_logged(kt_get(test, mm, &kt_get_ops));
	struct kt_range *outer = kt_begin(test, mm, FROM, TO + 1);
	struct kt_range *range = kt_range(test, mm, FROM, TO, blockable,
					  MMUN_NOTIFY_UNMAP);

	sub->on_start = kt_put_in_start;
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KT_ASSERT_UNTIL(test, kt_frees(sub));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, outer), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(other), 2);
	kt_end(range);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	KUNIT_EXPECT_EQ(test, kt_frees(sub), 1);
	kt_expect_quiet(test, other);
}

/*
 * A notifier put by its own end callback does not get that end again, and gets
 * the other owed ends.
 */
static void put_in_own_end_gets_other_owed_ends(struct kunit *test)
{
	const bool blockable = kt_block_of(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_get(test, mm, &kt_get_ops);
	struct kt_range *outer = kt_begin(test, mm, FROM, TO + 1);
	struct kt_range *range = kt_range(test, mm, FROM, TO, blockable,
					  MMUN_NOTIFY_UNMAP);

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	sub->on_end = kt_put_in_end;
	kt_end(range);
	KT_ASSERT_UNTIL(test, kt_frees(sub));
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	KUNIT_EXPECT_EQ(test, kt_frees(sub), 1);
	kt_expect_quiet(test, other);
}

static void put_victims(struct kt_sub *sub,
			const struct mmun_notifier_range *range)
{
	int i;

	sub->on_start = NULL;
	for (i = 0; sub->victims[i]; i++)
		kt_put(sub->victims[i]);
}

/*
 * A start callback puts the next two of the walk: the walk steps over them, and
 * the one after them gets start and end.
 */
static void start_callback_puts_next_subscribers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register_logged(test, mm);
	struct kt_sub *b = kt_get(test, mm, &kt_get_ops);
	struct kt_sub *a = kt_get(test, mm, &kt_get_ops2);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range;

	sub->victims[0] = b;
	sub->victims[1] = a;
	sub->on_start = put_victims;
	range = kt_begin(test, mm, FROM, TO);
	kt_end(range);
	KT_ASSERT_UNTIL(test, kt_frees(a));
	KT_ASSERT_UNTIL(test, kt_frees(b));
	KUNIT_EXPECT_EQ(test, kt_starts(a), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(b), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(a), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(b), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(last), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(last), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_expect_quiet(test, sub);
}

#define STORM_ROUNDS	100	/* at least */

struct storm {
	struct kt_range *range[3];
	int rounds;
	bool *over;
};

static int raise_storm(void *arg)
{
	struct storm *storm = arg;
	int i, ret = 0;

	for (i = 0; !ret && (i < STORM_ROUNDS || !READ_ONCE(*storm->over)); i++) {
		ret = kt_start(storm->range[0]) ?: kt_start(storm->range[1]);
		kt_end(storm->range[i & 1]);
		ret = ret ?: kt_start(storm->range[2]);
		kt_end(storm->range[!(i & 1)]);
		kt_end(storm->range[2]);
		if (!(i % 8))
			cond_resched();
	}
	storm->rounds = i;
	return ret;
}

/*
 * Subscribers come and leave in every way while three tasks raise nested
 * ranges: each has got as many ends as starts when it is gone.
 */
static void leavers_in_a_storm_are_paired(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register(test, mm, &kt_range_ops);
	struct storm *storm = kt_new(test, 3 * sizeof(*storm));
	bool *over = kt_new(test, sizeof(*over));
	int rounds = 0, called = 0;
	struct kt_actor *task[3];
	struct kt_sub *sub[48];
	unsigned int i, j;
	enum kt_op way;

	for (i = 0; i < 3; i++) {
		storm[i].over = over;
		for (j = 0; j < 3; j++)
			storm[i].range[j] = kt_blockable(test, mm,
							 FROM * (i + 1),
							 TO * (i + 1) + j);
		task[i] = kt_run(test, raise_storm, &storm[i]);
	}
	KT_ASSERT_UNTIL(test, kt_starts(other));
	for (i = 0; i < ARRAY_SIZE(sub); i++) {
		way = kt_ways[i % ARRAY_SIZE(kt_ways)].op;
		sub[i] = way == KT_PUT ? kt_get(test, mm, &kt_get_ops) :
					 kt_register(test, mm, &kt_range_ops);
		cond_resched();
		kt_leave(test, sub[i], way);
	}
	WRITE_ONCE(*over, true);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, task[i]), 0);
		rounds += storm[i].rounds;
	}
	mmun_notifier_synchronize();
	for (i = 0; i < ARRAY_SIZE(sub); i++) {
		called += !!kt_starts(sub[i]);
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&sub[i]->accepted),
				    kt_ends(sub[i]), "the %uth", i);
	}
	KUNIT_EXPECT_GT(test, called, 0);
	KUNIT_EXPECT_EQ(test, kt_starts(other), 3 * rounds);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 3 * rounds);
	kt_expect_quiet(test, other);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(09, leaver_gets_owed_ends_once, way_gen_params),
	KT_CASE_PARAM(09, leaver_gets_no_end_for_failed_start, way_gen_params),
	KT_CASE_PARAM(09, owed_ends_keep_their_bounds, way_gen_params),
	KT_CASE(09, slot_stays_busy_until_last_owed_end),
	KT_CASE_PARAM(09, leaver_in_own_start_gets_one_end, way_gen_params),
	KT_CASE_PARAM(09, leaver_in_own_failing_start_gets_no_end, way_gen_params),
	KT_CASE_PARAM(09, leaver_in_own_end_gets_it_once, way_gen_params),
	KT_CASE_PARAM(09, leaver_ahead_of_an_end_gets_it_once, way_gen_params),
	KT_CASE(09, end_keeps_its_bounds_while_others_leave),
	KT_CASE_PARAM(09, leaver_ahead_of_a_start_gets_no_range, way_gen_params),
	KT_CASE(09, register_again_inside_a_range_begins_afresh),
	KT_CASE_PARAM(09, put_in_own_start_gets_no_end, block_gen_params),
	KT_CASE_PARAM(09, put_in_own_end_gets_other_owed_ends, block_gen_params),
	KT_CASE(09, start_callback_puts_next_subscribers),
	KT_CASE(09, leavers_in_a_storm_are_paired),
	{}
};

struct kunit_suite mmun_leave_suite = {
	.name = "mmun_leave",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
