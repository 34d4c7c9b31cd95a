// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_record: a range that finds no slot has a record, and is to subscribers
 * and readers as any other.
 */

#include <linux/sched/mm.h>

#include "mmun_kunit.h"

KT_NAMED_PARAM(way, kt_ways);

/* The ranges that keep the slots busy are here. */
#define SLOTTED	0x900000UL
/* No range is here. */
#define ELSEWHERE	0x800000UL

/* Takes all slots; ranges that begin later get records. */
static struct kt_many *fill(struct kunit *test, struct mm_struct *mm, struct kt_sub *sub)
{
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), SLOTTED, 0);

	mmun_kunit_no_records = false;
	return many;
}

/* Starts a range, which must get a record. */
static struct kt_range *begin_record(struct kunit *test, struct kt_sub *sub,
				     unsigned long start, unsigned long end)
{
	unsigned int records = kt_state(sub).records;
	struct kt_range *range = kt_begin(test, sub->mn.mm, start, end);

	KUNIT_ASSERT_EQ(test, kt_state(sub).records, records + 1);
	KUNIT_ASSERT_EQ(test, kt_state(sub).overflow, 0U);
	return range;
}

/* A subscriber that is owed no end of a range with a slot. */
static struct kt_sub *join_unowed(struct kunit *test, struct mm_struct *mm,
				  struct kt_sub *keeper, struct kt_many **many)
{
	struct kt_sub *sub = kt_join_for_way(test, mm);

	sub->fail = -ENOMEM;
	*many = fill(test, mm, keeper);
	sub->fail = 0;
	return sub;
}

static void expect_no_record(struct kunit *test, struct kt_sub *sub)
{
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 0U);
	kt_expect_quiet(test, sub);
}

/* The exit has closed the mm: its slots stay as they were, but nothing is in flight. */
static void expect_closed(struct kunit *test, struct kt_sub *sub)
{
	KUNIT_EXPECT_TRUE(test, kt_state(sub).closed);
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).invalidating, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).walks, 0U);
}

static const struct many_param {
	const char *name;
	unsigned int more;
	bool backwards;
} manys[] = {
	{ "one", 1, false },
	{ "one, last first", 1, true },
	{ "five", 5, false },
	{ "five, last first", 5, true },
};

KT_NAMED_PARAM(many, manys);

/*
 * Each range beyond the slots gets its start and its end, with its own bounds,
 * whichever callbacks a subscriber has and in whatever order the ranges end.
 */
static void records_are_paired(struct kunit *test)
{
	const struct many_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *starts_only = kt_register(test, mm, &kt_start_only_ops);
	struct kt_sub *ends_only = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_range *range[5];
	unsigned int i;
	int slots = many->slots;

	for (i = 0; i < param->more; i++) {
		range[i] = begin_record(test, sub, FROM + i, TO + i);
		KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_START, range[i]), 1);
	}
	KUNIT_EXPECT_EQ(test, kt_state(sub).invalidating, slots + param->more);
	KUNIT_EXPECT_EQ(test, kt_starts(starts_only), slots + (int)param->more);
	for (i = 0; i < param->more; i++) {
		struct kt_range *this = range[param->backwards ? param->more - 1 - i : i];

		kt_end(this);
		KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, this), 1);
		KUNIT_EXPECT_EQ(test, kt_ends(sub), (int)i + 1);
		KUNIT_EXPECT_EQ(test, kt_ends(ends_only), (int)i + 1);
		KUNIT_EXPECT_EQ(test, kt_state(sub).records, param->more - 1 - i);
	}
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	KUNIT_EXPECT_EQ(test, kt_ends(ends_only), kt_starts(sub));
	expect_no_record(test, sub);
}

/*
 * A subscriber that joins while a range with a record is in flight waits for it and
 * is not called for it, and is called for a younger one.
 */
static void joiner_is_not_called_for_an_older_record(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_many *many = fill(test, mm, other);
	struct kt_range *older = begin_record(test, other, FROM, TO), *younger;
	struct kt_actor *joiner = kt_register_beside(test, mm);

	kt_assert_waits(test, other, joiner, 1);
	younger = begin_record(test, other, FROM, TO + 1);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_START, younger), 1);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_END, younger), 1);
	younger = begin_record(test, other, FROM, TO + 2);
	kt_end_many(many);
	kt_assert_waits(test, other, joiner, 1);

	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_state(other).records, 1U);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_START, older), 0);
	KUNIT_EXPECT_EQ(test, kt_calls(joiner->sub, CB_END, older), 0);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(other), kt_starts(other));
	expect_no_record(test, other);
}

/*
 * The same when it joins while the range is still with the intervals, so that the
 * walk of the list finds it.
 */
static void joiner_ahead_of_a_records_walk_is_not_called(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_many *many = fill(test, mm, other);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	struct kt_actor *joiner[4], *task;
	int i;

	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	KUNIT_EXPECT_EQ(test, kt_state(other).records, 1U);
	/* More than a record has spare room for. */
	for (i = 0; i < ARRAY_SIZE(joiner); i++)
		joiner[i] = kt_register_beside(test, mm);
	KT_ASSERT_UNTIL(test, kt_waiters(other) == ARRAY_SIZE(joiner));
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_START, range), 1);
	kt_end_many(many);
	kt_end(range);
	for (i = 0; i < ARRAY_SIZE(joiner); i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, joiner[i]), 0);
		KUNIT_EXPECT_EQ(test, kt_starts(joiner[i]->sub), 0);
		KUNIT_EXPECT_EQ(test, kt_ends(joiner[i]->sub), 0);
	}
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 1);
	expect_no_record(test, other);
}

/*
 * A subscriber that leaves gets the ends that records owe to it, once, with the
 * bounds of their ranges.
 */
static void leaver_gets_ends_of_records(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_many *many = fill(test, mm, other);
	struct kt_range *over = begin_record(test, other, FROM, FROM + 1);
	struct kt_range *a = begin_record(test, other, FROM, TO);
	struct kt_range *b = begin_record(test, other, TO, TO + 1), *later;
	int nr = many->slots + 3;

	kt_end(over);
	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, over), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, b), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), nr);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	KUNIT_EXPECT_EQ(test, kt_state(other).records, 2U);

	later = begin_record(test, other, TO, TO + 2);
	kt_end(later);
	kt_end(a);
	kt_end(b);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), nr);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), nr);
	KUNIT_EXPECT_EQ(test, kt_ends(other), nr + 1);
	expect_no_record(test, other);
}

/*
 * The owed end of a record keeps its bounds, also if its range ends, and another
 * begins, while the leaver is in the callback.
 */
static void owed_end_of_a_record_keeps_its_bounds(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_many *many;
	struct kt_sub *sub = join_unowed(test, mm, other, &many);
	struct kt_range *a = begin_record(test, other, FROM, TO), *b;
	struct kt_actor *leaver;

	leaver = kt_do_to_gate(test, &sub->end, NULL, kt_way_of(test), sub);
	kt_end(a);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, a), 1);
	/* It is over for all others, and still there for the leaver. */
	KUNIT_EXPECT_EQ(test, kt_state(other).invalidating, many->slots);
	KUNIT_EXPECT_EQ(test, kt_state(other).records, 1U);
	b = begin_record(test, other, TO, TO + 1);
	kt_gate_open(&sub->end);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KT_ASSERT_UNTIL(test, kt_state(other).records == 1);
	kt_end(b);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), (int)many->slots + 2);
	expect_no_record(test, other);
}

/*
 * Two ranges end while a leaver is in the end of one of them: the record of the other
 * stays, too, until the leaver comes for its end.
 */
static void records_stay_until_a_leaver_has_all_ends(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_many *many;
	struct kt_sub *sub = join_unowed(test, mm, other, &many);
	struct kt_range *a = begin_record(test, other, FROM, TO);
	struct kt_range *b = begin_record(test, other, TO, TO + 1);
	struct kt_actor *leaver;

	leaver = kt_do_to_gate(test, &sub->end, NULL, kt_way_of(test), sub);
	kt_end(a);
	kt_end(b);
	KUNIT_EXPECT_EQ(test, kt_state(other).records, 2U);
	kt_gate_open(&sub->end);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, b), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KT_ASSERT_UNTIL(test, !kt_state(other).records);
	kt_end_many(many);
	expect_no_record(test, other);
}

/*
 * The record of a range that is over stays while a leaver is still owed the end. A new
 * range of the same object, which is in overflow, is not taken for it at its end.
 */
static void ended_record_is_not_found_by_its_object(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_many *many;
	struct kt_sub *sub = join_unowed(test, mm, other, &many);
	struct kt_range *range = begin_record(test, other, FROM, TO);
	struct kt_actor *leaver;

	leaver = kt_do_to_gate(test, &sub->end, NULL, kt_way_of(test), sub);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_state(other).records, 1U);
	mmun_kunit_no_records = true;
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, kt_state(other).overflow, 1U);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_state(other).overflow, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(other).invalidating, many->slots);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 2);
	kt_gate_open(&sub->end);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KT_ASSERT_UNTIL(test, !kt_state(other).records);
	kt_end_many(many);
	expect_no_record(test, other);
}

/*
 * A subscriber that leaves while its start runs in a range with a record, and then
 * succeeds, gets the end of that range once, with its bounds.
 */
static void leaver_in_a_records_start_gets_one_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_many *many;
	struct kt_sub *sub = join_unowed(test, mm, other, &many);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	struct kt_actor *leaver, *task;

	task = kt_do_to_gate(test, &sub->start, NULL, KT_START, range);
	KUNIT_EXPECT_EQ(test, kt_state(other).records, 1U);
	leaver = kt_do(test, NULL, kt_way_of(test), sub);
	kt_assert_way_waits(test, kt_subs(other), leaver);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_end(range);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 1);
	expect_no_record(test, other);
}

/*
 * While the walk of a record's start or end stands at an older subscriber, a newer
 * one's unregister returns.
 */
static void leaver_ignores_a_records_walk_past_it(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *older = kt_register_logged(test, mm);
	struct kt_sub *newer[2] = { kt_register_logged(test, mm),
				    kt_register_logged(test, mm) };
	struct kt_many *many = fill(test, mm, older);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	struct kt_gate *gate;
	struct kt_actor *task;
	int i;

	for (i = 0; i < 2; i++) {
		gate = i ? &older->end : &older->start;
		task = kt_do_to_gate(test, gate, NULL, i ? KT_END : KT_START, range);
		KUNIT_EXPECT_EQ(test, kt_do_now(test, NULL, KT_UNREGISTER, newer[i]), 0);
		KUNIT_EXPECT_TRUE(test, kt_running(task));
		KUNIT_EXPECT_EQ(test, kt_calls(newer[i], CB_END, range), 1);
		kt_gate_open(gate);
		KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
		KUNIT_EXPECT_EQ(test, kt_ends(newer[i]), kt_starts(newer[i]));
	}
	kt_end_many(many);
	expect_no_record(test, older);
}

/* A start that fails in a range with a record gets no end, also not in leaving. */
static void failed_start_of_a_record_gets_no_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *stays = kt_register_logged(test, mm);
	struct kt_many *many;
	struct kt_sub *sub = join_unowed(test, mm, other, &many);
	struct kt_range *range;

	sub->fail = -EINVAL;
	stays->fail = -EINVAL;
	range = begin_record(test, other, FROM, TO);
	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_START, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_calls(stays, CB_END, range), 0);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 1);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(stays), (int)many->slots);
	expect_no_record(test, other);
}

/*
 * The mm's exit delivers the ends of records and forgets these; ends that come after
 * it are ignored.
 */
static void exit_delivers_ends_of_records(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_range *a = begin_record(test, sub, FROM, TO);
	struct kt_range *b = begin_record(test, sub, FROM, TO + 1);
	int ends;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, a), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, b), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	expect_closed(test, sub);
	ends = kt_ends(sub);
	kt_end(a);
	kt_end(b);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), ends);
	expect_closed(test, sub);
}

/*
 * The exit closes the mm while the start of a range with a record runs: the start
 * that then succeeds gets its end, and the record goes.
 */
static void exit_during_a_records_start(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &sub->start, NULL, KT_START, range);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_TRUE(test, kt_state(sub).closed);
	KUNIT_EXPECT_EQ(test, kt_state(sub).invalidating, 0U);
	/* The walk still reads it. */
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 1U);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 0);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	/* The exit was past it before the walk of the start. */
	KUNIT_EXPECT_EQ(test, kt_ends(last), kt_starts(last));
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 0U);
	kt_end(range);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	expect_closed(test, sub);
}

/* The same while the end of such a range runs: it comes once, and the record goes. */
static void exit_during_a_records_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_range *range = begin_record(test, sub, FROM, TO);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &sub->end, NULL, KT_END, range);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 1U);
	KUNIT_EXPECT_EQ(test, kt_calls(last, CB_END, range), 1);
	kt_gate_open(&sub->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(last, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	KUNIT_EXPECT_EQ(test, kt_ends(last), kt_starts(last));
	expect_closed(test, sub);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
}

#define NR_RECORDS	200

/*
 * With 200 ranges in flight beyond the slots a reader elsewhere does not wait, and a
 * registration waits for those that are older than it, and for no other.
 */
static void many_records_delay_only_their_own(struct kunit *test)
{
	struct kt_range **range = kt_new(test, NR_RECORDS * sizeof(*range));
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, ELSEWHERE, PAGE_SIZE);
	struct kt_sub *joining = kt_sub(test, &kt_range_ops);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_actor *joiner;
	unsigned int i;

	/* The younger half comes when the register waits. */
	for (i = 0; i < NR_RECORDS / 2; i++)
		range[i] = begin_record(test, sub, FROM + i, FROM + i + 1);
	joiner = kt_do(test, mm, KT_REGISTER, joining);
	kt_assert_waits(test, sub, joiner, 1);
	for (; i < NR_RECORDS; i++)
		range[i] = begin_record(test, sub, FROM + i, FROM + i + 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, (unsigned int)NR_RECORDS);
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, interval));

	kt_end_many(many);
	for (i = 1; i < NR_RECORDS / 2; i++)
		kt_end(range[i]);
	kt_assert_waits(test, sub, joiner, 1);
	kt_end(range[0]);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, NR_RECORDS / 2U);
	KUNIT_EXPECT_EQ(test, kt_starts(joining), NR_RECORDS / 2);
	KUNIT_EXPECT_EQ(test, kt_ends(joining), 0);
	for (i = NR_RECORDS / 2; i < NR_RECORDS; i++)
		kt_end(range[i]);
	KUNIT_EXPECT_EQ(test, kt_ends(joining), NR_RECORDS / 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, interval));
	expect_no_record(test, sub);
}

/*
 * A reader waits for a range with a record that overlaps its interval; the end of
 * that one wakes it, while all others are in flight.
 */
static void end_of_a_record_wakes_its_reader(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_range *beside = begin_record(test, sub, TO, TO + 1);
	struct kt_range *range = begin_record(test, sub, TO - 1, TO);
	struct kt_range *younger = begin_record(test, sub, TO + 1, TO + 2);
	unsigned long seq;
	struct kt_actor *reader;

	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, sub, reader, 1);
	kt_end(younger);
	kt_assert_waits(test, sub, reader, 1);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 1U);

	/* A section before such a range collides. */
	seq = reader->seq;
	range = begin_record(test, sub, FROM, FROM + 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	kt_end(range);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	kt_end(beside);
	kt_end_many(many);
	expect_no_record(test, sub);
}

/* A start that stops in the allocation of its record. */
struct allocation {
	struct kt_watch watch;
	struct kt_range *range;
	bool armed;
	bool inside;			/* it allocates */
	bool joined;			/* the case has let subscribers in */
	bool in_time;			/* before it went on */
	bool outside;			/* it went on */
};

#if defined(CONFIG_FAULT_INJECTION) && defined(CONFIG_FAILSLAB)
static void wait_in_allocation(struct kt_watch *watch)
{
	struct allocation *a = watch->arg;

	if (!READ_ONCE(a->armed))
		return;
	WRITE_ONCE(a->inside, true);
	a->in_time = kt_spin_until(READ_ONCE(a->joined), 5000);
	WRITE_ONCE(a->outside, true);
}

static int start_and_stop_in_allocation(void *arg)
{
	struct allocation *a = arg;
	int ret;

	a->watch.fn = wait_in_allocation;
	a->watch.arg = a;
	/* Each allocation looks there whether it is to fail. */
	ret = kt_watch(&a->watch, &current->fail_nth);
	if (ret)
		return ret;
	a->watch.hits = 0;
	WRITE_ONCE(a->armed, true);
	ret = kt_start(a->range);
	WRITE_ONCE(a->armed, false);
	kt_unwatch(&a->watch);
	return ret;
}
#else
static int start_and_stop_in_allocation(void *arg)
{
	return -EOPNOTSUPP;
}
#endif

/* Passes a gate of @sub that it does not use otherwise, and registers it. */
static int register_behind_gate(void *arg)
{
	struct kt_sub *sub = arg;

	kt_gate_pass(&sub->query);
	return kt_try_register(sub, sub->mn.mm);
}

/*
 * More subscribers register while a record is allocated than it has spare room for:
 * it has room for all, and each gets its start and its end.
 */
static void record_has_room_for_those_that_come_meanwhile(struct kunit *test)
{
	struct allocation *a = kt_new(test, sizeof(*a));
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_actor *joiner[8], *task;
	struct kt_sub *joining[8];
	struct kt_many *many;
	unsigned int other;
	int i, ret;

	if (!kt_two_cpus(test, &other))
		kunit_skip(test, "there is one CPU only");
	/* They need nothing of the other processor once the task has stopped there. */
	for (i = 0; i < ARRAY_SIZE(joiner); i++) {
		joining[i] = kt_logged(kt_sub(test, &kt_range_ops));
		joining[i]->mn.mm = mm;
		joiner[i] = kt_prepare_call(test, register_behind_gate, joining[i]);
		joiner[i]->cpu = kt_first_cpu();
		kt_go_to_gate(joiner[i], &joining[i]->query);
	}
	many = fill(test, mm, sub);
	a->range = kt_blockable(test, mm, FROM, TO);
	task = kt_prepare_call(test, start_and_stop_in_allocation, a);
	task->cpu = other;
	kt_go(task);
	while (!READ_ONCE(a->inside) && kt_running(task))
		cond_resched();
	if (!READ_ONCE(a->inside)) {
		ret = kt_join(test, task);
		KUNIT_ASSERT_EQ(test, ret, -EOPNOTSUPP);
		kt_skip_if_good(test, "no breakpoints on data, or no fault injection");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(joiner); i++)
		kt_gate_open(&joining[i]->query);
	/*
	 * Until they are linked, and wait for the ranges that have the slots. The task
	 * that has stopped may be on the processor that counts jiffies.
	 */
	while (kt_waiters(sub) != ARRAY_SIZE(joiner) && !READ_ONCE(a->outside))
		cond_resched();
	WRITE_ONCE(a->joined, true);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_TRUE(test, a->in_time);
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 1U);
	kt_end_many(many);
	for (i = 0; i < ARRAY_SIZE(joiner); i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, joiner[i]), 0);
		KUNIT_EXPECT_EQ(test, kt_calls(joining[i], CB_START, a->range), 1);
		KUNIT_EXPECT_EQ(test, kt_ends(joining[i]), 0);
	}
	kt_end(a->range);
	for (i = 0; i < ARRAY_SIZE(joiner); i++)
		KUNIT_EXPECT_EQ(test, kt_calls(joining[i], CB_END, a->range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	expect_no_record(test, sub);
}

/* Without memory for its record a range is in overflow, and is paired all the same. */
static void range_without_memory_for_a_record_overflows(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO), *record;

#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = 1;
#endif
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
#ifdef CONFIG_FAULT_INJECTION
	current->fail_nth = 0;
#endif
	if (!IS_ENABLED(CONFIG_FAILSLAB)) {
		kt_skip_if_good(test, "the kernel has no CONFIG_FAILSLAB");
		return;
	}
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 0U);
	/* The next one has memory again. */
	record = kt_begin(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 1U);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0U);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, record), 0);
	kt_end(record);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, record), 1);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	expect_no_record(test, sub);
}

/* Reclaim raises ranges: the start of one must not begin another reclaim. */
static void record_of_a_reclaims_range_begins_no_reclaim(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_many *many = fill(test, mm, sub);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	int ret;

	/* As reclaim does; lockdep reports it if the start allocates with reclaim. */
	fs_reclaim_acquire(GFP_KERNEL);
	ret = kt_start(range);
	fs_reclaim_release(GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).records, 1U);
	kt_end(range);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	expect_no_record(test, sub);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(09, records_are_paired, many_gen_params),
	KT_CASE(09, joiner_is_not_called_for_an_older_record),
	KT_CASE(09, joiner_ahead_of_a_records_walk_is_not_called),
	KT_CASE_PARAM(09, leaver_gets_ends_of_records, way_gen_params),
	KT_CASE_PARAM(09, owed_end_of_a_record_keeps_its_bounds, way_gen_params),
	KT_CASE_PARAM(09, records_stay_until_a_leaver_has_all_ends, way_gen_params),
	KT_CASE_PARAM(09, ended_record_is_not_found_by_its_object, way_gen_params),
	KT_CASE_PARAM(09, leaver_in_a_records_start_gets_one_end, way_gen_params),
	KT_CASE(03, leaver_ignores_a_records_walk_past_it),
	KT_CASE_PARAM(09, failed_start_of_a_record_gets_no_end, way_gen_params),
	KT_CASE(09, exit_delivers_ends_of_records),
	KT_CASE(09, exit_during_a_records_start),
	KT_CASE(09, exit_during_a_records_end),
	KT_CASE(14, many_records_delay_only_their_own),
	KT_CASE(14, end_of_a_record_wakes_its_reader),
	KT_CASE(09, record_has_room_for_those_that_come_meanwhile),
	KT_CASE(09, range_without_memory_for_a_record_overflows),
	KT_CASE(22, record_of_a_reclaims_range_begins_no_reclaim),
	{}
};

struct kunit_suite mmun_record_suite = {
	.name = "mmun_record",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
