// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_register: register waits for older ranges, and for nothing else.
 */

#include "mmun_kunit.h"

/*
 * Register waits for a range that is older than it, gets younger ones
 * meanwhile, and no end without a start.
 */
static void register_waits_for_older_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *older = kt_begin(test, mm, FROM, TO), *younger, *third;
	struct kt_actor *joiner = kt_register_beside(test, mm);

	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	younger = kt_begin(test, mm, FROM, FROM + 1);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_START, younger), 1);
	third = kt_begin(test, mm, FROM, FROM + 2);
	kt_end(third);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_END, third), 1);
	/* A younger range that is over changes nothing for the register. */
	kt_assert_waits(test, other, joiner, 1);

	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_state(other).active, 1U);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_END, older), 0);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_END, younger), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 3);
	kt_expect_quiet(test, other);
}

/* Register waits for the last of several older ranges. */
static void register_waits_for_all_older_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range[3];
	struct kt_actor *joiner;
	int i;

	for (i = 0; i < 3; i++)
		range[i] = kt_begin(test, mm, FROM, TO + i);
	joiner = kt_register_beside(test, mm);
	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	kt_end(range[1]);
	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	/* The newest of them is older than the register, too. */
	kt_end(range[0]);
	kt_assert_waits(test, other, joiner, 1);
	kt_end(range[2]);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 3);
}

/*
 * A register that comes while another subscriber's start is blocked waits for
 * that range and gets neither its start nor its end.
 */
static void register_during_a_start_waits_for_its_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range;
	struct kt_actor *joiner, *task;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &other->start, NULL, KT_START, range);
	joiner = kt_register_beside(test, mm);
	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	kt_gate_open(&other->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_assert_waits(test, other, joiner, 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
}

/*
 * A register that comes while a range is still with the intervals gets its
 * start, and so its end, although the range is older.
 */
static void register_during_invalidate_gets_start_and_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range;
	struct kt_actor *joiner, *task;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	joiner = kt_register_beside(test, mm);
	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(joiner));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
}

/*
 * A register that comes while an end is blocked in a callback returns at once
 * and does not get that end.
 */
static void register_during_an_end_gets_no_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);
	struct kt_actor *joiner, *task;

	task = kt_do_to_gate(test, &other->end, NULL, KT_END, range);
	joiner = kt_register_beside(test, mm);
	/* The range is over: there is nothing to wait for. */
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&other->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
}

/* Register also waits for a confirmed range that may not block. */
static void register_waits_for_confirmed_nonblockable_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct kt_actor *joiner;

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	joiner = kt_register_beside(test, mm);
	kt_assert_waits(test, other, joiner, 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
}

/*
 * Register waits for ranges before the wrap of the sequence that are older, and
 * not for younger ones after it.
 */
static void register_compares_across_the_wrap(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct mmun_subscriptions *subs = interval->mni.priv.subs;
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_range *older, *middle, *younger;
	struct kt_actor *task;

	/* Sequences ULONG_MAX, register, 1: it waits for the first only. */
	mmun_kunit_set_seq(subs, ULONG_MAX - 2);
	older = kt_begin(test, mm, 0, 0x1000);
	task = kt_do(test, mm, KT_REGISTER, sub);
	kt_assert_waits(test, subs, task, 1);
	younger = kt_begin(test, mm, 0, 0x1000);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	kt_assert_waits(test, subs, task, 1);
	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);

	/* Sequences ULONG_MAX, 1, register: it waits for both. */
	mmun_kunit_set_seq(subs, ULONG_MAX - 2);
	sub = kt_sub(test, &kt_range_ops);
	older = kt_begin(test, mm, 0, 0x1000);
	middle = kt_begin(test, mm, 0, 0x1000);
	task = kt_do(test, mm, KT_REGISTER, sub);
	kt_assert_waits(test, subs, task, 1);
	kt_end(middle);
	kt_assert_waits(test, subs, task, 1);
	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
}

static struct kunit_case cases[] = {
	KT_CASE(09, register_waits_for_older_range),
	KT_CASE(09, register_waits_for_all_older_ranges),
	KT_CASE(09, register_during_a_start_waits_for_its_range),
	KT_CASE(09, register_during_invalidate_gets_start_and_end),
	KT_CASE(09, register_during_an_end_gets_no_end),
	KT_CASE(09, register_waits_for_confirmed_nonblockable_range),
	KT_CASE(09, register_compares_across_the_wrap),
	{}
};

struct kunit_suite mmun_register_suite = {
	.name = "mmun_register",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
