// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_read: read sections collide with what overlaps their interval, and
 * wait for it.
 */

#include "mmun_kunit.h"
#include "shapes.h"

/* A place that no interval overlaps. */
#define ELSEWHERE	0x900000UL

/*
 * A read section with nothing in between, or with ranges beside the interval
 * only, does not collide.
 */
static void ranges_beside_the_interval_do_not_collide(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	unsigned long seq = kt_read_now(test, interval);

	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_end(kt_begin(test, mm, TO, TO + 0x1000));
	kt_end(kt_begin(test, mm, 0, FROM));
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_FALSE(test,
			   mmun_interval_check_retry(&interval->mni, seq));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
}

/*
 * A read section collides when any part of the interval is invalidated, at once
 * and for good.
 */
static void any_overlap_collides(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *range;
	unsigned long seq;
	int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];

		seq = kt_read_now(test, interval);
		range = kt_begin(test, mm, shape->start, shape->end);
		/* In flight, as seen with the lock and without. */
		KUNIT_EXPECT_EQ_MSG(test, kt_retry(interval, seq), shape->hit,
				    "%s", shape->name);
		KUNIT_EXPECT_EQ_MSG(test,
				    mmun_interval_check_retry(&interval->mni,
							      seq),
				    shape->hit, "%s", shape->name);
		kt_end(range);
		KUNIT_EXPECT_EQ_MSG(test, kt_retry(interval, seq), shape->hit,
				    "%s, ended", shape->name);
	}
}

/*
 * A reader that begins in a range waits for its end, and its section is good.
 */
static void end_lets_reader_go(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	unsigned long before = kt_read_now(test, interval);
	struct kt_range *range = kt_begin(test, mm, FROM, FROM + 1);
	struct kt_actor *reader = kt_do(test, NULL, KT_READ_BEGIN, interval);

	kt_assert_waits(test, interval, reader, 1);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	KUNIT_EXPECT_TRUE(test, reader->seq & 1);

	kt_end(kt_begin(test, mm, FROM, FROM + 1));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
}

/*
 * A section that ends before the callback is good, and the callback comes after
 * it; a read_begin that comes before the callback waits.
 */
static void section_before_the_callback_is_good(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	unsigned long seq = kt_read_now(test, interval);
	struct kt_range *range;
	struct kt_actor *task;
	struct kt_actor *reader;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	/* The section fills its mirror, which the callback will empty. */
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	kt_assert_waits(test, interval, reader, 1);

	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
}

/*
 * Two ranges, one in the other: which of two neighbours each overlaps is a bit.
 */
static void nested(struct kunit *test, struct mm_struct *mm,
		   struct kt_interval *a, struct kt_interval *b,
		   unsigned int outer, unsigned int inner)
{
	static const unsigned long bounds[4][2] = {
		{ 0x900000, 0x901000 }, { FROM, TO },
		{ TO, TO + 0x1000 }, { TO - 1, TO + 1 },
	};
	unsigned long seq_a = kt_read_now(test, a), seq_b = kt_read_now(test, b);
	struct kt_range *first, *second;

	first = kt_begin(test, mm, bounds[outer][0], bounds[outer][1]);
	KUNIT_EXPECT_EQ(test, kt_retry(a, seq_a), !!(outer & 1));
	KUNIT_EXPECT_EQ(test, kt_retry(b, seq_b), !!(outer & 2));
	second = kt_begin(test, mm, bounds[inner][0], bounds[inner][1]);
	KUNIT_EXPECT_EQ(test, kt_retry(a, seq_a), !!((outer | inner) & 1));
	KUNIT_EXPECT_EQ(test, kt_retry(b, seq_b), !!((outer | inner) & 2));

	/* End them in both orders. */
	kt_end((outer + inner) & 1 ? first : second);
	kt_end((outer + inner) & 1 ? second : first);
	KUNIT_EXPECT_EQ(test, kt_retry(a, seq_a), !!((outer | inner) & 1));
	KUNIT_EXPECT_EQ(test, kt_retry(b, seq_b), !!((outer | inner) & 2));
	KUNIT_EXPECT_FALSE(test, kt_retry(a, kt_read_now(test, a)));
	KUNIT_EXPECT_FALSE(test, kt_retry(b, kt_read_now(test, b)));
}

/*
 * Two nested ranges over two neighbours: each interval collides with exactly
 * the ranges that overlap it.
 */
static void nested_ranges_collide_with_overlaps_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *a = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *b = kt_insert(test, mm, TO, 0x1000);
	unsigned int outer, inner;

	for (outer = 0; outer < 4; outer++)
		for (inner = 0; inner < 4; inner++)
			nested(test, mm, a, b, outer, inner);
	KUNIT_EXPECT_EQ(test, kt_invalidates(a), 16);
	KUNIT_EXPECT_EQ(test, kt_invalidates(b), 16);
}

/*
 * While one range is inside a callback, a concurrent one goes on and collides
 * with its own interval only.
 */
static void range_beside_a_blocked_callback_collides_alone(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *a = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *b = kt_insert(test, mm, TO, 0x1000);
	unsigned long seq_a = kt_read_now(test, a), seq_b = kt_read_now(test, b);
	struct kt_range *slow, *fast;
	struct kt_actor *task;

	slow = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &a->gate, NULL, KT_START, slow);
	fast = kt_begin(test, mm, TO, TO + 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(a, seq_a));
	KUNIT_EXPECT_TRUE(test, kt_retry(b, seq_b));
	kt_end(fast);
	seq_b = kt_read_now(test, b);

	kt_gate_open(&a->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_TRUE(test, kt_retry(a, seq_a));
	KUNIT_EXPECT_FALSE(test, kt_retry(b, seq_b));
	kt_end(slow);
	KUNIT_EXPECT_FALSE(test, kt_retry(a, kt_read_now(test, a)));
	KUNIT_EXPECT_EQ(test, kt_invalidates(a), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(b), 1);
}

/*
 * The callback of an older range stores its sequence after that of a younger
 * one: every section still collides.
 */
static void older_sequence_after_newer_still_collides(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	unsigned long before = kt_read_now(test, interval), newer;
	struct kt_range *slow;
	struct kt_actor *reader, *task;

	slow = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, slow);
	kt_end(kt_begin(test, mm, FROM, TO));
	newer = interval->last_seq;
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_LT(test, (long)(interval->last_seq - newer), 0L);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	kt_end(slow);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));

	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, newer));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
}

/*
 * Sequences are odd and do not repeat, also where the word wraps; sections
 * collide across the wrap.
 */
static void sequence_wraps(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	unsigned long seen[12], first, seq;
	struct mmun_kunit_state state;
	int i, j;

	mmun_kunit_set_seq(interval->mni.priv.subs, ULONG_MAX - 8);
	kt_end(kt_begin(test, mm, FROM, TO));
	first = kt_read_now(test, interval);
	KUNIT_EXPECT_EQ(test, first, ULONG_MAX - 6);
	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		seq = kt_read_now(test, interval);
		KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
		kt_end(kt_begin(test, mm, FROM, TO));
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, first));
		seen[i] = interval->last_seq;
		KUNIT_EXPECT_TRUE_MSG(test, seen[i] & 1, "%lu is even",
				      seen[i]);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, seen[j], seen[i]);
	}
	/* It has wrapped. */
	state = kt_state(interval);
	KUNIT_EXPECT_LT(test, state.seq, 100UL);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1 + (int)ARRAY_SIZE(seen));
}

/*
 * Two ranges at once over one interval have different sequences, and so have
 * ranges that reach no interval.
 */
static void concurrent_ranges_have_distinct_sequences(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *one, *two;
	unsigned long inserted, seq;

	inserted = kt_read_now(test, interval);
	one = kt_begin(test, mm, FROM, TO);
	seq = interval->last_seq;
	KUNIT_EXPECT_NE(test, seq, inserted);
	two = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_NE(test, interval->last_seq, seq);
	kt_end(one);
	kt_end(two);

	/* An interval inserted now has an old sequence: the next range has another. */
	kt_remove(interval);
	interval = kt_insert(test, mm, FROM, TO - FROM);
	seq = kt_read_now(test, interval);
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
}

/*
 * A section inside a provisional range returns at once and collides for ever;
 * once the range is confirmed, read_begin waits.
 */
static void sections_of_a_provisional_range_stay_bad(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	unsigned long before = kt_read_now(test, interval), seq[2];
	struct kt_range *range = kt_accept(test, mm, FROM, TO);
	struct kt_actor *reader;
	int i;

	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	for (i = 0; i < 2; i++) {
		seq[i] = kt_read_now(test, interval);
		KUNIT_EXPECT_FALSE_MSG(test, seq[i] & 1, "%lu is odd", seq[i]);
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
		KUNIT_EXPECT_TRUE(test,
				  mmun_interval_check_retry(&interval->mni,
							    seq[i]));
	}

	mmun_kunit_confirm(&range->kernel);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_TRUE(test, reader->seq & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));

	/* Sections from inside stay bad when the range is over. */
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
}

/*
 * An interval that is inserted inside a provisional range collides with it,
 * though it was never called.
 */
static void interval_inserted_in_a_provisional_range_collides(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keeper = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = kt_accept(test, mm, FROM, TO);
	unsigned long seq[2];
	int i;

	kt_insert_now(test, mm, interval, FROM, TO - FROM);
	for (i = 0; i < 2; i++) {
		seq[i] = kt_read_now(test, interval);
		KUNIT_EXPECT_FALSE_MSG(test, seq[i] & 1, "%lu is odd", seq[i]);
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
		KUNIT_EXPECT_TRUE(test,
				  mmun_interval_check_retry(&interval->mni,
							    seq[i]));
	}
	KUNIT_EXPECT_EQ(test, kt_invalidates(keeper), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);

	mmun_kunit_confirm(&range->kernel);
	kt_end(range);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
	seq[0] = kt_read_now(test, interval);
	KUNIT_EXPECT_TRUE(test, seq[0] & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq[0]));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
}

/* A provisional range beside the interval makes no section collide. */
static void provisional_range_elsewhere_does_not_collide(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *range = kt_accept(test, mm, TO, TO + 0x1000);
	unsigned long seq = kt_read_now(test, interval);

	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_refuse_behind(range);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
}

/*
 * With a blockable and a provisional range over the interval, read_begin waits
 * for the first and collides with the second.
 */
static void reader_waits_for_one_and_collides_with_the_other(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *blockable = kt_begin(test, mm, FROM, FROM + 1);
	struct kt_range *range = kt_accept(test, mm, TO - 1, TO);
	struct kt_actor *reader = kt_do(test, NULL, KT_READ_BEGIN, interval);

	kt_assert_waits(test, interval, reader, 1);
	kt_end(blockable);
	kt_join(test, reader);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	mmun_kunit_confirm(&range->kernel);
	kt_end(range);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, kt_read_now(test, interval)));
}

/*
 * read_begin sleeps for a range in flight that overlaps the interval by one
 * byte, and not for one that only touches it.
 */
static void reader_waits_for_overlaps_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *range;
	struct kt_actor *reader;
	int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		range = kt_begin(test, mm, shapes[i].start, shapes[i].end);
		reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
		if (shapes[i].hit) {
			kt_assert_waits(test, interval, reader, 1);
			kt_end(range);
		}
		kt_join(test, reader);
		KUNIT_EXPECT_EQ_MSG(test, reader->in_flight, !shapes[i].hit,
				    "%s", shapes[i].name);
		KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
		if (!shapes[i].hit)
			kt_end(range);
	}
}

/*
 * A reader does not wait for a callback of another interval that does not
 * return.
 */
static void reader_passes_blocked_callback_of_another(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *slow = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *other = kt_insert(test, mm, TO, 0x1000);
	struct kt_range *range;
	struct kt_actor *task;

	range = kt_blockable(test, mm, 0, TO);
	task = kt_do_to_gate(test, &slow->gate, NULL, KT_START, range);
	KUNIT_EXPECT_FALSE(test, kt_retry(other, kt_read_now(test, other)));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&slow->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
}

/*
 * With two ranges over the interval, read_begin sleeps until the last has
 * ended, whichever it is.
 */
static void reader_waits_for_last_of_two_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *ranges[2];
	struct kt_actor *reader;
	int i;

	for (i = 0; i < 2; i++) {
		ranges[0] = kt_begin(test, mm, FROM - 1, FROM + 1);
		ranges[1] = kt_begin(test, mm, TO - 1, TO);
		reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
		kt_assert_waits(test, interval, reader, 1);
		kt_end(ranges[i]);
		kt_assert_waits(test, interval, reader, 1);
		kt_end(ranges[!i]);
		kt_join(test, reader);
		KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
		KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	}
}

/*
 * Two readers of one interval and one of another wait for one range: its end
 * wakes all of them.
 */
static void end_wakes_all_readers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *a = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *b = kt_insert(test, mm, TO, 0x1000);
	struct kt_range *range = kt_begin(test, mm, FROM, TO + 1);
	struct kt_actor *readers[3];
	int i;

	for (i = 0; i < 3; i++) {
		readers[i] = kt_do(test, NULL, KT_READ_BEGIN, i < 2 ? a : b);
		kt_assert_waits(test, a, readers[i], i + 1);
	}
	kt_end(range);
	for (i = 0; i < 3; i++) {
		kt_join(test, readers[i]);
		KUNIT_EXPECT_FALSE(test, kt_retry(i < 2 ? a : b,
						  readers[i]->seq));
	}
}

/*
 * An overflow range could be anywhere: every reader waits for its end, and not
 * for the ends of ranges elsewhere.
 */
static void reader_waits_for_every_overflow_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(interval),
					     ELSEWHERE, 0);
	struct mmun_kunit_state state;
	struct kt_range *overflow[2];
	struct kt_actor *reader;
	unsigned int i;

	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, interval));
	for (i = 0; i < 2; i++)
		overflow[i] = kt_begin(test, mm, ELSEWHERE, ELSEWHERE + 0x1000);
	KUNIT_ASSERT_EQ(test, kt_state(interval).overflow, 2U);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);
	kt_end(overflow[0]);
	kt_assert_waits(test, interval, reader, 1);
	kt_end(many->range[0]);
	kt_assert_waits(test, interval, reader, 1);
	kt_end(overflow[1]);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, many->slots - 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));

	kt_end_many(many);
	state = kt_state(interval);
	KUNIT_EXPECT_EQ(test, state.busy + state.overflow, 0U);
}

static void assert_in_flight(struct kunit *test, struct kt_interval *interval,
			     unsigned int n)
{
	struct mmun_kunit_state state = kt_state(interval);

	KUNIT_ASSERT_EQ(test, state.active + state.overflow, n);
	KUNIT_ASSERT_EQ(test, state.invalidating, n);
}

static void assert_refused(struct kunit *test, struct mm_struct *mm)
{
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);

	KUNIT_ASSERT_EQ(test, kt_start(range), -EAGAIN);
}

/*
 * The count by which read_begin sees that nothing is in flight: each range of
 * any kind counts once from its start to its end, and a refused one no longer.
 */
static void count_for_readers_is_exact(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range, *overflow[2];
	struct kt_actor *reader;
	struct kt_many *many;
	unsigned int i;

	range = kt_begin(test, mm, FROM, TO);
	overflow[0] = kt_begin(test, mm, ELSEWHERE, ELSEWHERE + 0x1000);
	assert_in_flight(test, interval, 2);
	kt_end(range);
	assert_in_flight(test, interval, 1);
	kt_end(overflow[0]);
	assert_in_flight(test, interval, 0);

	interval->refuse = true;
	assert_refused(test, mm);
	assert_in_flight(test, interval, 0);
	interval->refuse = false;
	sub->refuse = -EAGAIN;
	assert_refused(test, mm);
	assert_in_flight(test, interval, 0);
	sub->refuse = 0;

	range = kt_accept(test, mm, FROM, TO);
	assert_in_flight(test, interval, 1);
	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, !kt_state(interval).busy);
	assert_in_flight(test, interval, 0);

	many = kt_fill_slots(test, mm, kt_subs(interval), ELSEWHERE, 0);
	assert_refused(test, mm);
	assert_in_flight(test, interval, many->slots);
	for (i = 0; i < 2; i++)
		overflow[i] = kt_begin(test, mm, ELSEWHERE, ELSEWHERE + 0x1000);
	assert_in_flight(test, interval, many->slots + 2);
	kt_end_slots(many);
	assert_in_flight(test, interval, 2);
	kt_end(overflow[0]);
	assert_in_flight(test, interval, 1);
	/* Now only this range, which has no slot, makes a reader wait. */
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);
	kt_end(overflow[1]);
	kt_join(test, reader);
	assert_in_flight(test, interval, 0);
}

/* The exit gives up all ranges in flight: the count is zero. */
static void exit_resets_count_for_readers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_many *many;

	kt_mm_kill(test, mm);
	many = kt_fill_slots(test, mm, kt_subs(interval), ELSEWHERE, 2);
	assert_in_flight(test, interval, many->nr);
	kt_mm_exit(test, mm);
	assert_in_flight(test, interval, 0);
	kt_remove_now(test, interval);
}

/* A read_begin that stops when it has looked at the count of ranges. */
struct between {
	struct kt_watch watch;
	bool inside;			/* it has looked */
	bool begun;			/* and the range has begun since */
	bool in_time;			/* before it went on */
};

static void wait_for_the_range(struct kt_watch *watch)
{
	struct between *b = watch->arg;

	WRITE_ONCE(b->inside, true);
	b->in_time = kt_spin_until(READ_ONCE(b->begun), 5000);
}

/*
 * A range begins, and calls the interval, when read_begin has seen that none is
 * in flight: read_begin returns the sequence from before, or waits after all.
 */
static void range_begins_inside_read_begin(struct kunit *test)
{
	struct between *b = kt_new(test, sizeof(*b));
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	struct kt_actor *reader;
	unsigned int other;
	int ret;

	if (!kt_two_cpus(test, &other))
		kunit_skip(test, "there is one CPU only");
	b->watch.fn = wait_for_the_range;
	b->watch.arg = b;
	reader = kt_prepare(test, NULL, KT_READ_BEGIN, interval);
	reader->cpu = other;
	reader->watch = &b->watch;
	reader->word = mmun_kunit_invalidating(kt_subs(interval));
	kt_go(reader);
	while (!READ_ONCE(b->inside) && kt_running(reader))
		cond_resched();
	if (READ_ONCE(b->inside)) {
		KUNIT_EXPECT_EQ(test, kt_start(range), 0);
		WRITE_ONCE(b->begun, true);
		KT_ASSERT_UNTIL(test, !kt_running(reader) || kt_waiters(interval));
		if (!kt_running(reader))
			KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
		kt_end(range);
	}
	ret = kt_join(test, reader);
	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "no breakpoints on data");
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, b->in_time);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
}

/*
 * An overflow range collides with the intervals that it overlaps, as any other.
 */
static void overflow_range_collides(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	unsigned long seq = kt_read_now(test, interval);
	struct kt_range *overflow;
	struct kt_many *many;

	many = kt_fill_slots(test, mm, kt_subs(interval), ELSEWHERE, 0);
	overflow = kt_begin(test, mm, TO, TO + 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_end(overflow);
	overflow = kt_begin(test, mm, TO - 1, TO);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	kt_end(overflow);
	seq = kt_read_now(test, interval);
	kt_end_many(many);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
}

/* The ranges that are waited for have slots, or records. */
static const struct kind {
	const char *name;
	bool records;
} kinds[] = {
	{ "slots", false },
	{ "records", true },
};

KT_NAMED_PARAM(kind, kinds);

/* How often the task of @actor has gone to sleep. */
static unsigned long sleeps(struct kt_actor *actor)
{
	return READ_ONCE(actor->task->nvcsw);
}

/*
 * The end of a range wakes the readers that wait for it, and not those that wait for
 * another range; nor a register that does.
 */
static void end_wakes_its_own_readers_only(struct kunit *test)
{
	const struct kind *kind = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *mine = kt_insert(test, mm, FROM, 0x1000);
	struct kt_interval *others = kt_insert(test, mm, TO, 0x1000);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *reader[2], *other[2], *joiner;
	struct kt_range *range, *another;
	struct kt_many *many = NULL;
	unsigned long slept[3];
	int i;

	if (kind->records) {
		many = kt_fill_slots(test, mm, kt_subs(sub), ELSEWHERE, 0);
		mmun_kunit_no_records = false;
	}
	/* The first one that a register looks for. */
	another = kt_begin(test, mm, TO, TO + 1);
	joiner = kt_do(test, mm, KT_REGISTER, kt_sub(test, &kt_range_ops));
	kt_assert_waits(test, sub, joiner, 1);
	range = kt_begin(test, mm, FROM, FROM + 1);
	KUNIT_ASSERT_EQ(test, kt_state(sub).records, kind->records ? 2U : 0U);
	for (i = 0; i < 2; i++) {
		reader[i] = kt_do(test, NULL, KT_READ_BEGIN, mine);
		kt_assert_waits(test, sub, reader[i], 2 + 2 * i);
		other[i] = kt_do(test, NULL, KT_READ_BEGIN, others);
		kt_assert_waits(test, sub, other[i], 3 + 2 * i);
		slept[i] = sleeps(other[i]);
	}
	slept[2] = sleeps(joiner);

	kt_end(range);
	for (i = 0; i < 2; i++)
		kt_join(test, reader[i]);
	/* Ranges elsewhere that come and go do not wake them either. */
	for (i = 0; i < 10; i++)
		kt_end(kt_begin(test, mm, FROM, FROM + 1));
	KUNIT_EXPECT_EQ(test, kt_waiters(sub), 3U);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_TRUE(test, kt_running(other[i]));
		KUNIT_EXPECT_EQ(test, sleeps(other[i]), slept[i]);
	}
	KUNIT_EXPECT_EQ(test, sleeps(joiner), slept[2]);

	kt_end(another);
	for (i = 0; i < 2; i++)
		kt_join(test, other[i]);
	if (many)
		kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	kt_expect_quiet(test, sub);
}

static struct kunit_case cases[] = {
	KT_CASE(13, ranges_beside_the_interval_do_not_collide),
	KT_CASE(13, any_overlap_collides),
	KT_CASE(13, end_lets_reader_go),
	KT_CASE(13, section_before_the_callback_is_good),
	KT_CASE(13, nested_ranges_collide_with_overlaps_only),
	KT_CASE(13, range_beside_a_blocked_callback_collides_alone),
	KT_CASE(13, older_sequence_after_newer_still_collides),
	KT_CASE(13, sequence_wraps),
	KT_CASE(13, concurrent_ranges_have_distinct_sequences),
	KT_CASE(13, sections_of_a_provisional_range_stay_bad),
	KT_CASE(13, interval_inserted_in_a_provisional_range_collides),
	KT_CASE(13, provisional_range_elsewhere_does_not_collide),
	KT_CASE(13, reader_waits_for_one_and_collides_with_the_other),
	KT_CASE(13, overflow_range_collides),
	KT_CASE(13, range_begins_inside_read_begin),
	KT_CASE(14, reader_waits_for_overlaps_only),
	KT_CASE(14, reader_passes_blocked_callback_of_another),
	KT_CASE(14, reader_waits_for_last_of_two_ranges),
	KT_CASE(14, end_wakes_all_readers),
	KT_CASE_PARAM(14, end_wakes_its_own_readers_only, kind_gen_params),
	KT_CASE(14, reader_waits_for_every_overflow_range),
	KT_CASE(14, count_for_readers_is_exact),
	KT_CASE(14, exit_resets_count_for_readers),
	{}
};

struct kunit_suite mmun_read_suite = {
	.name = "mmun_read",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
