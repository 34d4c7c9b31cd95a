// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_dispatch: start and end reach list subscribers, and carry what
 * they should.
 */

#include "mmun_kunit.h"

/* A range calls start and then end, both with its mm and its bounds. */
static void start_and_end_carry_bounds_and_mm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_range(test, mm, 0x1000, 0x3000, true,
					  MMUN_NOTIFY_CLEAR);

	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_start.start, 0x1000UL);
	KUNIT_EXPECT_EQ(test, sub->last_start.end, 0x3000UL);
	KUNIT_EXPECT_PTR_EQ(test, sub->last_start.mm, mm);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, 0x1000UL);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, 0x3000UL);
	KUNIT_EXPECT_PTR_EQ(test, sub->last_end.mm, mm);
	kt_expect_quiet(test, sub);
}

/*
 * Each of four subscribers gets each of three ranges once, at its start and at
 * its end.
 */
static void every_subscriber_gets_every_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_range *range;
	struct kt_sub *sub[4];
	int i, round;

	for (i = 0; i < 4; i++)
		sub[i] = kt_register_logged(test, mm);
	for (round = 1; round <= 3; round++) {
		range = kt_begin(test, mm, FROM * round, FROM * round + 1);
		for (i = 0; i < 4; i++) {
			KUNIT_EXPECT_EQ(test, kt_calls(sub[i], CB_START, range), 1);
			KUNIT_EXPECT_EQ(test, kt_ends(sub[i]), round - 1);
		}
		kt_end(range);
		for (i = 0; i < 4; i++) {
			KUNIT_EXPECT_EQ(test, kt_calls(sub[i], CB_END, range), 1);
			KUNIT_EXPECT_EQ(test, kt_ends(sub[i]), round);
		}
	}
	kt_expect_quiet(test, sub[0]);
}

static const struct order_param {
	unsigned int first, second, third;
} orders[] = {
	{ 2, 1, 0 }, { 0, 1, 2 }, { 1, 0, 2 }, { 1, 2, 0 }, { 0, 2, 1 },
	{ 2, 0, 1 },
};

static void order_name(const struct order_param *param, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "ends %u, %u, %u", param->first,
		 param->second, param->third);
}

KUNIT_ARRAY_PARAM(order, orders, order_name);

/*
 * Three nested ranges end in any order, and each end carries the bounds of its
 * own range.
 */
static void nested_ranges_end_in_any_order(struct kunit *test)
{
	const struct order_param *order = test->param_value;
	const unsigned int nth[] = { order->first, order->second,
				     order->third };
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *a = kt_register_logged(test, mm), *b = kt_register_logged(test, mm);
	struct kt_range *range[3];
	unsigned int i;

	range[0] = kt_begin(test, mm, FROM, TO);
	range[1] = kt_begin(test, mm, FROM + 0x1000, TO - 0x1000);
	range[2] = kt_begin(test, mm, FROM + 0x2000, TO - 0x2000);
	KUNIT_EXPECT_EQ(test, kt_state(a).active, 3U);
	for (i = 0; i < 3; i++) {
		kt_end(range[nth[i]]);
		KUNIT_EXPECT_EQ(test, kt_calls(a, CB_END, range[nth[i]]), 1);
		KUNIT_EXPECT_EQ(test, kt_calls(b, CB_END, range[nth[i]]), 1);
		KUNIT_EXPECT_EQ(test, kt_ends(a), (int)i + 1);
		KUNIT_EXPECT_EQ(test, kt_ends(b), (int)i + 1);
		KUNIT_EXPECT_EQ(test, kt_state(a).active, 2 - i);
	}
	kt_expect_quiet(test, a);
}

static const struct overlap_param {
	const char *name;
	unsigned long from, to;
} overlaps[] = {
	{ "the same", FROM, TO },
	{ "inside", FROM + 0x1000, TO - 0x1000 },
	{ "around", FROM - 0x1000, TO + 0x1000 },
	{ "across the start", FROM - 0x1000, FROM + 1 },
	{ "across the end", TO - 1, TO + 0x1000 },
	{ "just before", FROM - 0x1000, FROM },
	{ "just after", TO, TO + 0x1000 },
	{ "far away", TO * 16, TO * 17 },
};

KT_NAMED_PARAM(overlap, overlaps);

/*
 * While one task is blocked in a start, another task's range begins and ends;
 * subscribers before and after the blocked one get both with their own bounds.
 */
static void range_passes_a_blocked_start(struct kunit *test)
{
	const struct overlap_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *after = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *before = kt_register_logged(test, mm);
	struct kt_range *one, *other;
	struct kt_actor *task, *task2;

	one = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &sub->start, NULL, KT_START, one);
	KUNIT_EXPECT_EQ(test, kt_starts(before), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(after), 0);
	other = kt_blockable(test, mm, param->from, param->to);
	task2 = kt_do(test, NULL, KT_START, other);
	KUNIT_EXPECT_EQ(test, kt_join(test, task2), 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 2U);
	kt_end(other);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(before), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(after), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, other), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(after, CB_END, other), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));

	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(one);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(before), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(after), 2);
	KUNIT_EXPECT_EQ(test, kt_starts(after), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, FROM);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, TO);
	kt_expect_quiet(test, sub);
}

/*
 * While one end is blocked in a callback, another range begins and ends beside
 * it.
 */
static void range_passes_a_blocked_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *after = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *one = kt_begin(test, mm, FROM, TO), *other;
	struct kt_actor *task;

	task = kt_do_to_gate(test, &sub->end, NULL, KT_END, one);
	/* Its range is over, but its slot is not free yet. */
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 1U);

	other = kt_begin(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 2U);
	kt_end(other);
	KUNIT_EXPECT_EQ(test, kt_calls(after, CB_END, other), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(after, CB_END, one), 0);
	kt_gate_open(&sub->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, one), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, other), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(after, CB_END, one), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(after), 2);
	kt_expect_quiet(test, sub);
}

static const struct shape_param {
	const char *name;
	unsigned long from, to;
} shapes[] = {
	{ "empty", FROM, FROM },
	{ "empty at zero", 0, 0 },
	{ "one byte", FROM, FROM + 1 },
	{ "the first byte", 0, 1 },
	{ "the last byte but one", ULONG_MAX - 1, ULONG_MAX },
	{ "everything", 0, ULONG_MAX },
};

KT_NAMED_PARAM(shape, shapes);

/*
 * Empty ranges, single bytes and the whole address space reach list subscribers
 * unchanged.
 */
static void bounds_arrive_unchanged(struct kunit *test)
{
	const struct shape_param *shape = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range = kt_begin(test, mm, shape->from, shape->to);

	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_START, range), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	kt_expect_quiet(test, sub);
}

static const struct event_param {
	const char *name;
	enum mmun_notifier_event event;
	bool blockable;
} events[] = {
#define EVENT(e, blockable) { #e, MMUN_NOTIFY_##e, blockable }
	EVENT(UNMAP, true), EVENT(UNMAP, false),
	EVENT(CLEAR, true), EVENT(CLEAR, false),
	EVENT(PROTECTION_VMA, true), EVENT(PROTECTION_VMA, false),
	EVENT(PROTECTION_PAGE, true), EVENT(PROTECTION_PAGE, false),
	EVENT(SOFT_DIRTY, true), EVENT(SOFT_DIRTY, false),
	EVENT(MIGRATE, true), EVENT(MIGRATE, false),
	EVENT(EXCLUSIVE, true), EVENT(EXCLUSIVE, false),
};

static void event_name(const struct event_param *param, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%s, %s", param->name,
		 param->blockable ? "blockable" : "not blockable");
}

KUNIT_ARRAY_PARAM(event, events, event_name);

/*
 * The mm, bounds, event, flags and owner of a range arrive at start, end and
 * invalidate.
 */
static void all_fields_of_a_range_arrive(struct kunit *test)
{
	const struct event_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range = kt_range(test, mm, FROM + 1, TO + 1,
					  param->blockable, param->event);
	const struct mmun_notifier_range *given[] = {
		&sub->last_start, &sub->last_end, &interval->last,
	};
	unsigned int i;

	range->kernel.owner = test;
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	for (i = 0; i < ARRAY_SIZE(given); i++) {
		KUNIT_EXPECT_PTR_EQ(test, given[i]->mm, mm);
		KUNIT_EXPECT_EQ(test, given[i]->start, FROM + 1);
		KUNIT_EXPECT_EQ(test, given[i]->end, TO + 1);
		KUNIT_EXPECT_EQ(test, (int)given[i]->event, (int)param->event);
		KUNIT_EXPECT_EQ(test, mmun_notifier_range_blockable(given[i]),
				param->blockable);
		KUNIT_EXPECT_EQ(test, given[i]->flags, param->blockable ?
				(unsigned int)MMUN_NOTIFIER_RANGE_BLOCKABLE :
				0U);
		KUNIT_EXPECT_PTR_EQ(test, given[i]->owner, (void *)test);
	}
	kt_expect_quiet(test, sub);
}

/* A subscriber with a start only gets starts, and no end is owed to it. */
static void start_only_gets_no_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_start_only_ops);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);

	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	kt_unregister(sub);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	kt_expect_quiet(test, other);
}

/*
 * A subscriber with an end only gets the end of each range that began after it
 * registered, at the latest when it leaves.
 */
static void end_only_gets_ends_of_later_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register(test, mm, &kt_end_only_ops);
	struct kt_range *outer = kt_begin(test, mm, FROM, TO);
	struct kt_range *inner = kt_begin(test, mm, FROM, FROM + 1);

	kt_logged(sub);
	kt_end(inner);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, inner), 1);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, outer), 1);

	outer = kt_begin(test, mm, TO, TO + 1);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, outer), 1);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 3);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 3);
	kt_expect_quiet(test, other);
}

/*
 * A subscriber with a release only, or with no operation, gets neither starts
 * nor ends.
 */
static void release_only_gets_no_range(struct kunit *test)
{
	static const struct mmun_notifier_ops no_ops = {};
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *nothing = kt_register(test, mm, &no_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_release_only_ops);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);

	kt_unregister(nothing);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_expect_quiet(test, other);
}

/*
 * An end whose start mmun did not see is ignored, and so is a second end of one
 * range.
 */
static void end_without_start_is_ignored(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO), *other;

	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_expect_quiet(test, sub);

	/* It does not end another range either. */
	other = kt_begin(test, mm, FROM, TO);
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1U);
	kt_end(other);
	mmun_kunit_end(&other->kernel);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_expect_quiet(test, sub);

	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	kt_expect_quiet(test, sub);
}

/*
 * A start that fails in a range that may block gets no end, whatever the error;
 * the range goes on for the others, and the log has one warning.
 */
static void failed_start_gets_no_end(struct kunit *test)
{
	static const int errors[] = { -EAGAIN, -EINVAL, 1 };
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *older = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *younger = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range, *inner;
	struct kt_actor *reader;
	int i, n;

	mmun_kunit_warnings();
	for (i = 0; i < (int)ARRAY_SIZE(errors); i++) {
		n = 2 * i;
		sub->fail = errors[i];
		range = kt_begin(test, mm, FROM, TO);
		KUNIT_EXPECT_EQ(test, kt_starts(older), n + 1);
		KUNIT_EXPECT_EQ(test, kt_starts(younger), n + 1);
		KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1U);
		KUNIT_EXPECT_EQ(test, kt_ends(older), n);
		KUNIT_EXPECT_EQ(test, kt_ends(younger), n);

		/* Still in flight for the intervals. */
		reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
		KT_ASSERT_UNTIL(test, kt_waiters(sub) == 1);
		KUNIT_EXPECT_TRUE(test, kt_running(reader));

		/* A start inside it that succeeds gets its end. */
		sub->fail = 0;
		inner = kt_begin(test, mm, FROM + i, FROM + 9);
		kt_end(inner);
		KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, inner), 1);
		KUNIT_EXPECT_EQ(test, kt_ends(sub), i + 1);
		kt_end(range);
		KUNIT_EXPECT_EQ(test, kt_ends(sub), i + 1);
		KUNIT_EXPECT_EQ(test, kt_ends(older), n + 2);
		KUNIT_EXPECT_EQ(test, kt_ends(younger), n + 2);
		kt_join(test, reader);
	}
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	kt_expect_quiet(test, sub);
}

/* Starts, ends and releases call the newest subscriber first. */
static void newest_subscriber_comes_first(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *second = kt_register_logged(test, mm);
	struct kt_sub *first = kt_register_logged(test, mm);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);

	kt_end(range);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_LT(test, kt_place(first, CB_START, range),
			kt_place(second, CB_START, range));
	KUNIT_EXPECT_LT(test, kt_place(second, CB_START, range),
			kt_place(first, CB_END, range));
	KUNIT_EXPECT_LT(test, kt_place(first, CB_END, range),
			kt_place(second, CB_END, range));
	KUNIT_EXPECT_LT(test, kt_place(first, CB_RELEASE, NULL),
			kt_place(second, CB_RELEASE, NULL));
	KUNIT_EXPECT_GE(test, kt_place(first, CB_RELEASE, NULL), 0);
}

static struct kunit_case cases[] = {
	KT_CASE(09, start_and_end_carry_bounds_and_mm),
	KT_CASE(09, every_subscriber_gets_every_range),
	KT_CASE_PARAM(09, nested_ranges_end_in_any_order, order_gen_params),
	KT_CASE_PARAM(09, range_passes_a_blocked_start, overlap_gen_params),
	KT_CASE(09, range_passes_a_blocked_end),
	KT_CASE_PARAM(09, bounds_arrive_unchanged, shape_gen_params),
	KT_CASE_PARAM(12, all_fields_of_a_range_arrive, event_gen_params),
	KT_CASE(09, start_only_gets_no_end),
	KT_CASE(09, end_only_gets_ends_of_later_ranges),
	KT_CASE(09, release_only_gets_no_range),
	KT_CASE(09, end_without_start_is_ignored),
	KT_CASE(09, failed_start_gets_no_end),
	KT_CASE(00, newest_subscriber_comes_first),
	{}
};

struct kunit_suite mmun_dispatch_suite = {
	.name = "mmun_dispatch",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
