// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_overflow: ranges that find no slot are paired all the same.
 */

#include "mmun_kunit.h"

KT_NAMED_PARAM(way, kt_ways);

static const struct many_param {
	const char *name;
	unsigned int more;
	bool backwards;
} manys[] = {
	{ "just all slots", 0, false },
	{ "one more", 1, false },
	{ "one more, last first", 1, true },
	{ "five more", 5, false },
	{ "five more, last first", 5, true },
};

KT_NAMED_PARAM(many, manys);

/*
 * Ranges beyond the slots overflow, and each still gets its start and its end.
 */
static void overflow_ranges_are_paired(struct kunit *test)
{
	const struct many_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *starts_only = kt_register(test, mm, &kt_start_only_ops);
	struct kt_sub *ends_only = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), 0, param->more);
	struct kt_range *range;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, kt_state(sub).active, many->slots);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), (int)many->nr);
	KUNIT_EXPECT_EQ(test, kt_starts(starts_only), (int)many->nr);
	for (i = 0; i < many->nr; i++) {
		range = many->range[param->backwards ? many->nr - 1 - i : i];
		kt_end(range);
		KUNIT_EXPECT_EQ(test, kt_ends(sub), (int)i + 1);
		KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
		KUNIT_EXPECT_EQ(test, kt_ends(ends_only), (int)i + 1);
	}
	kt_expect_quiet(test, sub);

	/* The table of slots works as before. */
	many = kt_fill_slots(test, mm, kt_subs(sub), 0, 0);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), kt_ends(sub));
	kt_expect_quiet(test, sub);
}

/*
 * Register waits while an overflow range is in flight, not yet on the list: it
 * gets nothing, and after that everything.
 */
static void register_waits_unlinked_for_overflow(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(other), 0, 2);
	struct kt_actor *joiner = kt_register_beside(test, mm);
	struct kt_range *range;

	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	kt_end_slots(many);
	KUNIT_EXPECT_EQ(test, kt_state(other).active, 0U);
	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 0);
	kt_end(many->range[many->slots]);
	KUNIT_EXPECT_EQ(test, kt_state(other).overflow, 1U);
	KT_ASSERT_UNTIL(test, kt_waiters(other) == 1);
	kt_end(range);
	kt_assert_waits(test, other, joiner, 1);
	kt_end(many->range[many->slots + 1]);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 0);

	range = kt_begin(test, mm, FROM, TO);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(other), kt_ends(other));
	kt_expect_quiet(test, other);
}

/*
 * Register returns only after the last end of an overflow range has been
 * delivered.
 */
static void register_waits_for_last_overflow_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(other), 0, 1);
	struct kt_actor *joiner, *task;

	kt_end_slots(many);
	task = kt_do_to_gate(test, &other->end, NULL, KT_END, many->range[many->slots]);
	joiner = kt_register_beside(test, mm);
	kt_assert_waits(test, other, joiner, 1);
	kt_gate_open(&other->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 0);
	kt_expect_quiet(test, other);
}

/*
 * Every read_begin waits while an overflow range is in flight: it may be
 * anywhere.
 */
static void reader_anywhere_waits_for_overflow(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, TO * 16, TO * 17);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), 0, 1);
	struct kt_actor *reader;

	kt_end_slots(many);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, sub, reader, 1);
	kt_end(many->range[many->slots]);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	kt_expect_quiet(test, sub);
}

/*
 * A subscriber that leaves with overflow ranges in flight gets one end for
 * each, over the whole address space.
 */
static void leaver_gets_one_end_per_overflow_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(other), 0, 3);
	int nr = many->nr;

	/* The end of a range that is over does not come again. */
	kt_end(many->range[nr - 1]);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), nr);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	/* mmun does not know the bounds of an overflow range: its end covers all. */
	KUNIT_EXPECT_EQ(test, sub->last_end.start, 0UL);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, ULONG_MAX);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), nr);
	KUNIT_EXPECT_EQ(test, kt_starts(other), nr);
	KUNIT_EXPECT_EQ(test, kt_ends(other), nr);
	kt_expect_quiet(test, other);
}

/* The same when no other end is owed, because the starts with a slot failed. */
static void leaver_gets_overflow_ends_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_range *range;
	struct kt_many *many;

	sub->fail = -ENOMEM;
	many = kt_fill_slots(test, mm, kt_subs(other), 0, 0);
	sub->fail = 0;
	range = kt_begin(test, mm, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, kt_state(other).overflow, 1U);
	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, ULONG_MAX);
	kt_end(range);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), many->nr + 1);
	kt_expect_quiet(test, other);
}

/*
 * A subscriber that leaves while the start of an overflow range runs gets the
 * end of that range, too.
 */
static void leaver_in_overflow_start_gets_its_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(other), 0, 0);
	struct kt_actor *leaver, *task;
	struct kt_range *range;
	int slots = many->slots;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &sub->start, NULL, KT_START, range);
	KUNIT_EXPECT_EQ(test, kt_state(other).overflow, 1U);
	leaver = kt_do(test, NULL, kt_way_of(test), sub);
	kt_assert_way_waits(test, kt_subs(other), leaver);
	if (kt_way_of(test) != KT_PUT)
		KUNIT_EXPECT_EQ(test, kt_ends(sub), slots);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), slots + 1);
	kt_end(range);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), slots + 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), slots + 1);
	kt_expect_quiet(test, other);
}

/* A start that fails in an overflow range gets its end all the same. */
static void failed_overflow_start_gets_its_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), 0, 0);
	struct kt_range *range;
	int slots = many->slots;

	sub->fail = -EINVAL;
	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 1U);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), slots + 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), slots + 1);
	kt_expect_quiet(test, sub);
}

/* The mm's exit delivers the ends of the overflow ranges and forgets them. */
static void exit_delivers_overflow_ends(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), 0, 2);
	int nr = many->nr;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	KUNIT_EXPECT_GE(test, kt_ends(sub), nr);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0U);
	nr = kt_ends(sub);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), nr);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0U);
}

/*
 * The exit comes while the end of an overflow range is being delivered: nothing
 * is lost, and the count does not go below zero.
 */
static void exit_during_an_overflow_end_loses_nothing(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), 0, 1);
	struct kt_actor *task;

	kt_end_slots(many);
	task = kt_do_to_gate(test, &sub->end, NULL, KT_END, many->range[many->slots]);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0U);
	kt_gate_open(&sub->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0U);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(09, overflow_ranges_are_paired, many_gen_params),
	KT_CASE(09, register_waits_unlinked_for_overflow),
	KT_CASE(09, register_waits_for_last_overflow_end),
	KT_CASE(14, reader_anywhere_waits_for_overflow),
	KT_CASE_PARAM(09, leaver_gets_one_end_per_overflow_range, way_gen_params),
	KT_CASE_PARAM(09, leaver_gets_overflow_ends_only, way_gen_params),
	KT_CASE_PARAM(09, leaver_in_overflow_start_gets_its_end, way_gen_params),
	KT_CASE(09, failed_overflow_start_gets_its_end),
	KT_CASE(09, exit_delivers_overflow_ends),
	KT_CASE(09, exit_during_an_overflow_end_loses_nothing),
	{}
};

struct kunit_suite mmun_overflow_suite = {
	.name = "mmun_overflow",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
