// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_itree: intervals collide with what overlaps them, wait for it and
 * for nothing else, and come and go in the middle of everything.
 */

#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "mmun_kunit.h"

/* The interval of most cases, bounds inclusive. */
#define FIRST	0x10000UL
#define LAST	0x1ffffUL
#define LENGTH	(LAST - FIRST + 1)

/*
 * What a task of a case writes to lives as long as the case, also if it fails.
 */
static void *new(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static struct kt_interval *insert(struct kunit *test, struct mm_struct *mm)
{
	return kt_insert(test, mm, FIRST, LENGTH);
}

static void look(struct kt_interval *interval, struct mmun_kunit_state *state)
{
	mmun_kunit_look(interval->mni.subs, state);
}

static int invalidates(struct kt_interval *interval)
{
	return atomic_read(&interval->invalidates);
}

/* --- ranges --- */

static struct kt_range *range_of(struct kunit *test, struct mm_struct *mm,
				 unsigned long start, unsigned long end)
{
	return kt_range(test, mm, start, end, true, MMUN_NOTIFY_CLEAR);
}

static struct kt_range *start(struct kunit *test, struct mm_struct *mm,
			      unsigned long from, unsigned long to)
{
	struct kt_range *range = range_of(test, mm, from, to);

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	return range;
}

static int start_task(void *arg)
{
	return kt_start(arg);
}

/* A range whose start stands at the gate of @interval, the task in *@task. */
static struct kt_range *start_at_gate(struct kunit *test, struct mm_struct *mm,
				      unsigned long from, unsigned long to,
				      struct kt_interval *interval,
				      struct kt_task **task)
{
	struct kt_range *range = range_of(test, mm, from, to);

	kt_gate_close(&interval->gate);
	*task = kt_run(test, start_task, range);
	kt_gate_wait(test, &interval->gate);
	return range;
}

/* One that may not block; mmun has agreed, and nobody else has been asked. */
static struct kt_range *accept(struct kunit *test, struct mm_struct *mm,
			       unsigned long from, unsigned long to)
{
	struct kt_range *range = kt_range(test, mm, from, to, false,
					  MMUN_NOTIFY_UNMAP);

	down_read_non_owner(&mm->mmap_lock);
	range->in_flight = true;
	KUNIT_ASSERT_EQ(test, mmun_kunit_accept(&range->kernel), 0);
	return range;
}

/* Somebody behind mmun refuses it: nothing more comes. */
static void refuse_behind(struct kt_range *range)
{
	range->in_flight = false;
	up_read_non_owner(&range->kernel.mm->mmap_lock);
}

/* --- tasks --- */

struct reader {
	struct kt_interval *interval;
	struct kt_task *task;
	unsigned long seq;
	unsigned int in_flight;		/* ranges, when read_begin returned */
};

static int read_task(void *arg)
{
	struct reader *reader = arg;
	struct mmun_kunit_state state;

	reader->seq = mmun_interval_read_begin(&reader->interval->mni);
	look(reader->interval, &state);
	reader->in_flight = state.active + state.overflow;
	return 0;
}

static struct reader *read_beside(struct kunit *test,
				  struct kt_interval *interval)
{
	struct reader *reader = new(test, sizeof(*reader));

	reader->interval = interval;
	reader->task = kt_run(test, read_task, reader);
	return reader;
}

/* A read_begin() that has nothing to wait for. */
static unsigned long read_now(struct kunit *test, struct kt_interval *interval)
{
	struct reader *reader = read_beside(test, interval);

	kt_join(test, reader->task);
	return reader->seq;
}

struct remover {
	struct kt_interval *interval;
	struct kt_task *task;
	int inside;			/* callbacks, when remove returned */
};

static int remove_task(void *arg)
{
	struct remover *remover = arg;

	kt_remove(remover->interval);
	remover->inside = atomic_read(&remover->interval->inside);
	return 0;
}

static struct remover *remove_beside(struct kunit *test,
				     struct kt_interval *interval)
{
	struct remover *remover = new(test, sizeof(*remover));

	remover->interval = interval;
	remover->task = kt_run(test, remove_task, remover);
	return remover;
}

/* A remove that has nothing to wait for. */
static void remove_now(struct kunit *test, struct kt_interval *interval)
{
	kt_join(test, remove_beside(test, interval)->task);
}

struct inserter {
	struct kt_interval *interval;
	struct mm_struct *mm;
	unsigned long start, length;
};

static int insert_task(void *arg)
{
	struct inserter *inserter = arg;
	int ret = mmun_interval_notifier_insert(&inserter->interval->mni,
						inserter->mm, inserter->start,
						inserter->length,
						&kt_interval_ops);

	inserter->interval->inserted = !ret;
	return ret;
}

/* An insert that has nothing to wait for. */
static void insert_now(struct kunit *test, struct kt_interval *interval,
		       struct mm_struct *mm, unsigned long from,
		       unsigned long length)
{
	struct inserter *inserter = new(test, sizeof(*inserter));

	inserter->interval = interval;
	inserter->mm = mm;
	inserter->start = from;
	inserter->length = length;
	KUNIT_ASSERT_EQ(test,
			kt_join(test, kt_run(test, insert_task, inserter)), 0);
}

static int register_task(void *arg)
{
	struct kt_sub *sub = arg;
	int ret = mmun_notifier_register(&sub->mn, sub->mn.mm);

	sub->registered = !ret;
	return ret;
}

static struct kt_task *register_beside(struct kunit *test, struct kt_sub *sub,
				       struct mm_struct *mm)
{
	sub->mn.mm = mm;
	return kt_run(test, register_task, sub);
}

/* --- shapes of ranges against [FIRST, LAST] --- */

static const struct shape {
	const char *name;
	unsigned long start, end;
	bool hit;
} shapes[] = {
	{ "empty at the first byte", FIRST, FIRST, false },
	{ "empty inside", FIRST + 5, FIRST + 5, false },
	{ "empty after the last byte", LAST + 1, LAST + 1, false },
	{ "the first byte", FIRST, FIRST + 1, true },
	{ "the last byte", LAST, LAST + 1, true },
	{ "the byte before", FIRST - 1, FIRST, false },
	{ "the byte after", LAST + 1, LAST + 2, false },
	{ "all up to the first byte", 0, FIRST + 1, true },
	{ "all before", 0, FIRST, false },
	{ "all from the last byte on", LAST, ULONG_MAX, true },
	{ "all after", LAST + 1, ULONG_MAX, false },
	{ "everything", 0, ULONG_MAX, true },
	{ "exactly it", FIRST, LAST + 1, true },
	{ "inside", FIRST + 1, LAST, true },
	{ "one more byte at both ends", FIRST - 1, LAST + 2, true },
	{ "far away", 0x900000, 0x901000, false },
};

static bool hits(const struct shape *shape, const struct kt_interval *interval)
{
	return shape->start < shape->end &&
	       shape->start <= interval->mni.interval_tree.last &&
	       shape->end > interval->mni.interval_tree.start;
}

/* --- 13: read_begin and read_retry --- */

/*
 * With nothing in between, and with a range beside it, a read section is good.
 */
static void p13_nothing_between_no_retry(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	unsigned long seq = read_now(test, interval);

	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_end(start(test, mm, LAST + 1, LAST + 0x1001));
	kt_end(start(test, mm, 0, FIRST));
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_FALSE(test,
			   mmun_interval_check_retry(&interval->mni, seq));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);
}

/*
 * A section retries when any part of the interval is invalidated, at once and
 * for good.
 */
static void p13_part_or_whole_retries(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *range;
	unsigned long seq;
	int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		const struct shape *shape = &shapes[i];

		seq = read_now(test, interval);
		range = start(test, mm, shape->start, shape->end);
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
 * A reader that begins in a range is let go by the range's end, and what it
 * reads then is good.
 */
static void p13_begin_against_an_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	unsigned long before = read_now(test, interval);
	struct kt_range *range = start(test, mm, FIRST, FIRST + 1);
	struct reader *reader = read_beside(test, interval);

	kt_assert_waits(test, interval->mni.subs, reader->task, 1);
	kt_end(range);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	KUNIT_EXPECT_TRUE(test, reader->seq & 1);

	kt_end(start(test, mm, FIRST, FIRST + 1));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
}

/*
 * A section that ends before the callback is good, and the callback then comes;
 * one that begins before the callback waits.
 */
static void p13_callback_after_the_retry(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	unsigned long seq = read_now(test, interval);
	struct kt_range *range;
	struct kt_task *task;
	struct reader *reader;

	range = start_at_gate(test, mm, FIRST, LAST + 1, interval, &task);
	/* It fills its mirror, which the callback will drop. */
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	reader = read_beside(test, interval);
	kt_assert_waits(test, interval->mni.subs, reader->task, 1);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	kt_assert_waits(test, interval->mni.subs, reader->task, 1);

	kt_end(range);
	kt_join(test, reader->task);
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
		{ 0x900000, 0x901000 }, { FIRST, LAST + 1 },
		{ LAST + 1, LAST + 0x1001 }, { LAST, LAST + 2 },
	};
	unsigned long seq_a = read_now(test, a), seq_b = read_now(test, b);
	struct kt_range *first, *second;

	first = start(test, mm, bounds[outer][0], bounds[outer][1]);
	KUNIT_EXPECT_EQ(test, kt_retry(a, seq_a), !!(outer & 1));
	KUNIT_EXPECT_EQ(test, kt_retry(b, seq_b), !!(outer & 2));
	second = start(test, mm, bounds[inner][0], bounds[inner][1]);
	KUNIT_EXPECT_EQ(test, kt_retry(a, seq_a), !!((outer | inner) & 1));
	KUNIT_EXPECT_EQ(test, kt_retry(b, seq_b), !!((outer | inner) & 2));

	/* Ends in both orders. */
	kt_end((outer + inner) & 1 ? first : second);
	kt_end((outer + inner) & 1 ? second : first);
	KUNIT_EXPECT_EQ(test, kt_retry(a, seq_a), !!((outer | inner) & 1));
	KUNIT_EXPECT_EQ(test, kt_retry(b, seq_b), !!((outer | inner) & 2));
	KUNIT_EXPECT_FALSE(test, kt_retry(a, read_now(test, a)));
	KUNIT_EXPECT_FALSE(test, kt_retry(b, read_now(test, b)));
}

/*
 * Two nested ranges over two neighbours: each interval collides with exactly
 * what overlaps it.
 */
static void p13_nested_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *a = insert(test, mm);
	struct kt_interval *b = kt_insert(test, mm, LAST + 1, 0x1000);
	unsigned int outer, inner;

	for (outer = 0; outer < 4; outer++)
		for (inner = 0; inner < 4; inner++)
			nested(test, mm, a, b, outer, inner);
	KUNIT_EXPECT_EQ(test, invalidates(a), 16);
	KUNIT_EXPECT_EQ(test, invalidates(b), 16);
}

/*
 * While one range is inside a callback, a concurrent one goes on, and collides
 * with its own interval only.
 */
static void p13_concurrent_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *a = insert(test, mm);
	struct kt_interval *b = kt_insert(test, mm, LAST + 1, 0x1000);
	unsigned long seq_a = read_now(test, a), seq_b = read_now(test, b);
	struct kt_range *slow, *fast;
	struct kt_task *task;

	slow = start_at_gate(test, mm, FIRST, LAST + 1, a, &task);
	fast = start(test, mm, LAST + 1, LAST + 2);
	KUNIT_EXPECT_FALSE(test, kt_retry(a, seq_a));
	KUNIT_EXPECT_TRUE(test, kt_retry(b, seq_b));
	kt_end(fast);
	seq_b = read_now(test, b);

	kt_gate_open(&a->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_TRUE(test, kt_retry(a, seq_a));
	KUNIT_EXPECT_FALSE(test, kt_retry(b, seq_b));
	kt_end(slow);
	KUNIT_EXPECT_FALSE(test, kt_retry(a, read_now(test, a)));
	KUNIT_EXPECT_EQ(test, invalidates(a), 1);
	KUNIT_EXPECT_EQ(test, invalidates(b), 1);
}

/*
 * The callback of an older range stores its number after that of a younger one:
 * no section is lost.
 */
static void p13_older_number_after_newer(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	unsigned long before = read_now(test, interval), newer;
	struct kt_range *slow;
	struct reader *reader;
	struct kt_task *task;

	slow = start_at_gate(test, mm, FIRST, LAST + 1, interval, &task);
	kt_end(start(test, mm, FIRST, LAST + 1));
	newer = interval->last_seq;
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	reader = read_beside(test, interval);
	kt_assert_waits(test, interval->mni.subs, reader->task, 1);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_LT(test, (long)(interval->last_seq - newer), 0L);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	kt_end(slow);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));

	kt_end(start(test, mm, FIRST, LAST + 1));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, newer));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
}

/*
 * Numbers are odd and never repeat, also where the word wraps; sections collide
 * across the wrap.
 */
static void p13_numbers_wrap(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	unsigned long seen[12], first, seq;
	struct mmun_kunit_state state;
	int i, j;

	mmun_kunit_set_seq(interval->mni.subs, ULONG_MAX - 8);
	kt_end(start(test, mm, FIRST, LAST + 1));
	first = read_now(test, interval);
	KUNIT_EXPECT_EQ(test, first, ULONG_MAX - 6);
	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		seq = read_now(test, interval);
		KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
		kt_end(start(test, mm, FIRST, LAST + 1));
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, first));
		seen[i] = interval->last_seq;
		KUNIT_EXPECT_TRUE_MSG(test, seen[i] & 1, "%lu is even",
				      seen[i]);
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, seen[j], seen[i]);
	}
	/* It did wrap. */
	look(interval, &state);
	KUNIT_EXPECT_LT(test, state.seq, 100UL);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1 + (int)ARRAY_SIZE(seen));
}

/*
 * Two ranges at once over one interval have different numbers, and so have
 * ranges that reach no interval.
 */
static void p13_numbers_of_ranges_in_flight(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *one, *two;
	unsigned long inserted, seq;

	inserted = read_now(test, interval);
	one = start(test, mm, FIRST, LAST + 1);
	seq = interval->last_seq;
	KUNIT_EXPECT_NE(test, seq, inserted);
	two = start(test, mm, FIRST, LAST + 1);
	KUNIT_EXPECT_NE(test, interval->last_seq, seq);
	kt_end(one);
	kt_end(two);

	/* Inserted now, its number is an old one: the next range differs. */
	kt_remove(interval);
	interval = insert(test, mm);
	seq = read_now(test, interval);
	kt_end(start(test, mm, FIRST, LAST + 1));
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
}

/*
 * Registration waits for ranges before the wrap that are older, and for none
 * after it that is younger.
 */
static void p09_register_across_the_wrap(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct mmun_subscriptions *subs = interval->mni.subs;
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_range *older, *middle, *younger;
	struct kt_task *task;

	/* ULONG_MAX | join | 1: waits for the first only. */
	mmun_kunit_set_seq(subs, ULONG_MAX - 2);
	older = start(test, mm, 0, 0x1000);
	task = register_beside(test, sub, mm);
	kt_assert_waits(test, subs, task, 1);
	younger = start(test, mm, 0, 0x1000);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	kt_assert_waits(test, subs, task, 1);
	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);

	/* ULONG_MAX, 1 | join: waits for both. */
	mmun_kunit_set_seq(subs, ULONG_MAX - 2);
	sub = kt_sub(test, &kt_range_ops);
	older = start(test, mm, 0, 0x1000);
	middle = start(test, mm, 0, 0x1000);
	task = register_beside(test, sub, mm);
	kt_assert_waits(test, subs, task, 1);
	kt_end(middle);
	kt_assert_waits(test, subs, task, 1);
	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
}

/*
 * A section in a range that may still be refused returns and retries for ever;
 * once the range is confirmed, read_begin waits.
 */
static void p13_provisional_then_confirmed(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	unsigned long before = read_now(test, interval), seq[2];
	struct kt_range *range = accept(test, mm, FIRST, LAST + 1);
	struct reader *reader;
	int i;

	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	for (i = 0; i < 2; i++) {
		seq[i] = read_now(test, interval);
		KUNIT_EXPECT_FALSE_MSG(test, seq[i] & 1, "%lu is odd", seq[i]);
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
		KUNIT_EXPECT_TRUE(test,
				  mmun_interval_check_retry(&interval->mni,
							    seq[i]));
	}

	mmun_kunit_confirm(&range->kernel);
	reader = read_beside(test, interval);
	kt_assert_waits(test, interval->mni.subs, reader->task, 1);
	kt_end(range);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_TRUE(test, reader->seq & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));

	/* Those from inside stay bad when it is over. */
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, before));
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
}

/*
 * An interval that is inserted in a range that may still be refused collides
 * with it, though it has never been told of a range.
 */
static void p13_new_in_a_provisional_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keeper = insert(test, mm);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = accept(test, mm, FIRST, LAST + 1);
	unsigned long seq[2];
	int i;

	insert_now(test, interval, mm, FIRST, LENGTH);
	for (i = 0; i < 2; i++) {
		seq[i] = read_now(test, interval);
		KUNIT_EXPECT_FALSE_MSG(test, seq[i] & 1, "%lu is odd", seq[i]);
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
		KUNIT_EXPECT_TRUE(test,
				  mmun_interval_check_retry(&interval->mni,
							    seq[i]));
	}
	KUNIT_EXPECT_EQ(test, invalidates(keeper), 1);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);

	mmun_kunit_confirm(&range->kernel);
	kt_end(range);
	for (i = 0; i < 2; i++)
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq[i]));
	seq[0] = read_now(test, interval);
	KUNIT_EXPECT_TRUE(test, seq[0] & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq[0]));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);
}

/* A provisional range beside the interval makes no section retry. */
static void p13_provisional_elsewhere(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *range = accept(test, mm, LAST + 1, LAST + 0x1001);
	unsigned long seq = read_now(test, interval);

	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	refuse_behind(range);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
}

/*
 * A waited-for range and a provisional one overlap: read_begin waits for the
 * first and collides with the second.
 */
static void p13_provisional_and_blockable(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *blockable = start(test, mm, FIRST, FIRST + 1);
	struct kt_range *range = accept(test, mm, LAST, LAST + 1);
	struct reader *reader = read_beside(test, interval);

	kt_assert_waits(test, interval->mni.subs, reader->task, 1);
	kt_end(blockable);
	kt_join(test, reader->task);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	mmun_kunit_confirm(&range->kernel);
	kt_end(range);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, read_now(test, interval)));
}

/* --- 14: what read_begin waits for --- */

/*
 * read_begin sleeps for a range in flight that overlaps the interval by one
 * byte, and for none that only touches it.
 */
static void p14_waits_for_overlaps_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *range;
	struct reader *reader;
	int i;

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		range = start(test, mm, shapes[i].start, shapes[i].end);
		reader = read_beside(test, interval);
		if (shapes[i].hit) {
			kt_assert_waits(test, interval->mni.subs, reader->task, 1);
			kt_end(range);
		}
		kt_join(test, reader->task);
		KUNIT_EXPECT_EQ_MSG(test, reader->in_flight, !shapes[i].hit,
				    "%s", shapes[i].name);
		KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
		if (!shapes[i].hit)
			kt_end(range);
	}
}

/*
 * A reader is not held up by a callback of another interval that does not
 * return.
 */
static void p14_other_callback_holds_nobody(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *slow = insert(test, mm);
	struct kt_interval *other = kt_insert(test, mm, LAST + 1, 0x1000);
	struct kt_range *range;
	struct kt_task *task;

	range = start_at_gate(test, mm, 0, LAST + 1, slow, &task);
	KUNIT_EXPECT_FALSE(test, kt_retry(other, read_now(test, other)));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&slow->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
}

/*
 * With two ranges over the interval, read_begin sleeps until the last has
 * ended, whichever it is.
 */
static void p14_waits_for_the_last(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *ranges[2];
	struct reader *reader;
	int i;

	for (i = 0; i < 2; i++) {
		ranges[0] = start(test, mm, FIRST - 1, FIRST + 1);
		ranges[1] = start(test, mm, LAST, LAST + 1);
		reader = read_beside(test, interval);
		kt_assert_waits(test, interval->mni.subs, reader->task, 1);
		kt_end(ranges[i]);
		kt_assert_waits(test, interval->mni.subs, reader->task, 1);
		kt_end(ranges[!i]);
		kt_join(test, reader->task);
		KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
		KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	}
}

/*
 * Two readers of one interval and one of another wait for one range: its end
 * lets all go.
 */
static void p14_all_readers_go(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *a = insert(test, mm);
	struct kt_interval *b = kt_insert(test, mm, LAST + 1, 0x1000);
	struct kt_range *range = start(test, mm, FIRST, LAST + 2);
	struct reader *readers[3];
	int i;

	for (i = 0; i < 3; i++) {
		readers[i] = read_beside(test, i < 2 ? a : b);
		kt_assert_waits(test, a->mni.subs, readers[i]->task, i + 1);
	}
	kt_end(range);
	for (i = 0; i < 3; i++) {
		kt_join(test, readers[i]->task);
		KUNIT_EXPECT_FALSE(test, kt_retry(i < 2 ? a : b,
						  readers[i]->seq));
	}
}

/*
 * A range that found no slot could be anywhere: every reader waits for it, for
 * its end and not for that of others.
 */
static void p14_waits_for_counted_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct mmun_subscriptions *subs = interval->mni.subs;
	struct kt_range *slotted[BITS_PER_LONG], *counted[2];
	struct mmun_kunit_state state;
	struct reader *reader;
	unsigned int i, n;

	look(interval, &state);
	n = state.slots;
	KUNIT_ASSERT_LE(test, n, (unsigned int)BITS_PER_LONG);
	for (i = 0; i < n; i++)
		slotted[i] = start(test, mm, 0x900000, 0x901000);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, read_now(test, interval)));

	for (i = 0; i < 2; i++)
		counted[i] = start(test, mm, 0x900000, 0x901000);
	look(interval, &state);
	KUNIT_ASSERT_EQ(test, state.overflow, 2U);
	reader = read_beside(test, interval);
	kt_assert_waits(test, subs, reader->task, 1);
	kt_end(counted[0]);
	kt_assert_waits(test, subs, reader->task, 1);
	kt_end(slotted[0]);
	kt_assert_waits(test, subs, reader->task, 1);
	kt_end(counted[1]);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, reader->in_flight, n - 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));

	for (i = 1; i < n; i++)
		kt_end(slotted[i]);
	look(interval, &state);
	KUNIT_EXPECT_EQ(test, state.busy + state.overflow, 0U);
}

static void assert_counted(struct kunit *test, struct kt_interval *interval,
			   unsigned int n)
{
	struct mmun_kunit_state state;

	look(interval, &state);
	KUNIT_ASSERT_EQ(test, state.active + state.overflow, n);
	KUNIT_ASSERT_EQ(test, state.invalidating, n);
}

static void assert_refused(struct kunit *test, struct mm_struct *mm)
{
	struct kt_range *range = kt_range(test, mm, FIRST, LAST + 1, false,
					  MMUN_NOTIFY_UNMAP);

	KUNIT_ASSERT_EQ(test, kt_start(range), -EAGAIN);
}

/*
 * The count by which read_begin sees that nothing is in flight: each range of any
 * kind counts once from its start to its end, and a refused one no longer.
 */
static void p14_each_range_counts(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *slotted[BITS_PER_LONG], *counted[2], *range;
	struct mmun_kunit_state state;
	struct reader *reader;
	unsigned int i, n;

	slotted[0] = start(test, mm, FIRST, LAST + 1);
	slotted[1] = start(test, mm, 0x900000, 0x901000);
	assert_counted(test, interval, 2);
	kt_end(slotted[0]);
	assert_counted(test, interval, 1);
	kt_end(slotted[1]);
	assert_counted(test, interval, 0);

	interval->refuse = true;
	assert_refused(test, mm);
	assert_counted(test, interval, 0);
	interval->refuse = false;
	sub->refuse = -EAGAIN;
	assert_refused(test, mm);
	assert_counted(test, interval, 0);
	sub->refuse = 0;

	range = accept(test, mm, FIRST, LAST + 1);
	assert_counted(test, interval, 1);
	refuse_behind(range);
	KT_ASSERT_UNTIL(test, (look(interval, &state), !state.busy));
	assert_counted(test, interval, 0);

	look(interval, &state);
	n = state.slots;
	KUNIT_ASSERT_LE(test, n, (unsigned int)BITS_PER_LONG);
	for (i = 0; i < n; i++)
		slotted[i] = start(test, mm, 0x900000, 0x901000);
	assert_refused(test, mm);
	assert_counted(test, interval, n);
	for (i = 0; i < 2; i++)
		counted[i] = start(test, mm, 0x900000, 0x901000);
	assert_counted(test, interval, n + 2);
	for (i = 0; i < n; i++)
		kt_end(slotted[i]);
	assert_counted(test, interval, 2);
	kt_end(counted[0]);
	assert_counted(test, interval, 1);
	/* By now only that one, which no slot knows of, makes a reader wait. */
	reader = read_beside(test, interval);
	kt_assert_waits(test, interval->mni.subs, reader->task, 1);
	kt_end(counted[1]);
	kt_join(test, reader->task);
	assert_counted(test, interval, 0);
}

/* The exit gives up all ranges in flight: none counts any more. */
static void p14_none_counts_after_the_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct mmun_kunit_state state;
	unsigned int i;

	kt_mm_kill(test, mm);
	look(interval, &state);
	for (i = 0; i < state.slots + 2; i++)
		start(test, mm, 0x900000, 0x901000);
	assert_counted(test, interval, state.slots + 2);
	kt_mm_exit(test, mm);
	assert_counted(test, interval, 0);
	remove_now(test, interval);
}

struct between {
	struct reader reader;
	struct kt_watch watch;
	unsigned int cpu;
	bool inside;			/* read_begin has looked at the count */
	bool begun;			/* and the range has begun since */
	bool in_time;			/* before it went on */
};

static void wait_for_the_range(struct kt_watch *watch)
{
	struct between *b = watch->arg;

	WRITE_ONCE(b->inside, true);
	b->in_time = kt_spin_until(READ_ONCE(b->begun), 5000);
}

static int watched_read_task(void *arg)
{
	struct between *b = arg;
	int ret;

	ret = set_cpus_allowed_ptr(current, cpumask_of(b->cpu));
	if (ret)
		return ret;
	b->watch.fn = wait_for_the_range;
	b->watch.arg = b;
	ret = kt_watch(&b->watch,
		       mmun_kunit_invalidating(b->reader.interval->mni.subs));
	if (ret)
		return ret;
	b->reader.seq = mmun_interval_read_begin(&b->reader.interval->mni);
	kt_unwatch(&b->watch);
	return 0;
}

/*
 * A range begins, and calls the interval, when read_begin has seen that none is in
 * flight: the number that it returns is that from before, or it waits after all.
 */
static void p13_range_begins_inside_read_begin(struct kunit *test)
{
	struct between *b = new(test, sizeof(*b));
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *range = range_of(test, mm, FIRST, LAST + 1);
	int ret;

	if (!kt_two_cpus(test, &b->cpu))
		kunit_skip(test, "there is one CPU only");
	b->reader.interval = interval;
	b->reader.task = kt_run(test, watched_read_task, b);
	while (!READ_ONCE(b->inside) && kt_running(b->reader.task))
		cond_resched();
	if (READ_ONCE(b->inside)) {
		KUNIT_EXPECT_EQ(test, kt_start(range), 0);
		WRITE_ONCE(b->begun, true);
		KT_ASSERT_UNTIL(test, !kt_running(b->reader.task) ||
				kt_waiters(interval->mni.subs));
		if (!kt_running(b->reader.task))
			KUNIT_EXPECT_TRUE(test, kt_retry(interval,
							 b->reader.seq));
		kt_end(range);
	}
	ret = kt_join(test, b->reader.task);
	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "no breakpoints on data");
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, b->in_time);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
}

/* A range that found no slot collides with what it overlaps as any other. */
static void p13_counted_ranges_collide(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *slotted[BITS_PER_LONG], *counted;
	unsigned long seq = read_now(test, interval);
	struct mmun_kunit_state state;
	unsigned int i, n;

	look(interval, &state);
	n = state.slots;
	KUNIT_ASSERT_LE(test, n, (unsigned int)BITS_PER_LONG);
	for (i = 0; i < n; i++)
		slotted[i] = start(test, mm, 0x900000, 0x901000);
	counted = start(test, mm, LAST + 1, LAST + 2);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_end(counted);
	counted = start(test, mm, LAST, LAST + 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	kt_end(counted);
	seq = read_now(test, interval);
	for (i = 0; i < n; i++)
		kt_end(slotted[i]);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
}

/* --- 15: insert and remove in the middle --- */

/*
 * Insert in a range does not wait; the interval's readers do; and it hears the
 * next range at once.
 */
static void p15_insert_in_a_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = start(test, mm, FIRST, LAST + 1);
	struct mmun_subscriptions *subs = first->mni.subs;
	struct reader *reader;

	insert_now(test, interval, mm, FIRST, LENGTH);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);
	reader = read_beside(test, interval);
	kt_assert_waits(test, subs, reader->task, 1);
	kt_end(start(test, mm, LAST, LAST + 1));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	kt_assert_waits(test, subs, reader->task, 1);

	kt_end(range);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
}

/* An interval inserted beside a range in flight can be read at once. */
static void p15_insert_beside_a_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = start(test, mm, LAST + 1, LAST + 2);

	KUNIT_EXPECT_EQ(test, invalidates(first), 0);
	insert_now(test, interval, mm, FIRST, LENGTH);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, read_now(test, interval)));
	kt_end(range);
}

/*
 * Remove in a range whose callback is over returns at once; the range ends as
 * if nothing had been.
 */
static void p15_remove_in_a_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *other = kt_insert(test, mm, LAST + 1, 0x1000);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *range = start(test, mm, FIRST, LAST + 2);
	struct kt_range *second;

	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	remove_now(test, interval);
	KUNIT_EXPECT_TRUE(test, range->in_flight);
	second = start(test, mm, FIRST, LAST + 2);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, invalidates(other), 2);
	kt_end(range);
	kt_end(second);
	KUNIT_EXPECT_FALSE(test, kt_retry(other, read_now(test, other)));
}

/* Remove waits for the callback of its own interval that runs. */
static void p15_remove_waits_for_callback(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = insert(test, mm);
	struct remover *remover;
	struct kt_range *range;
	struct kt_task *task;

	range = start_at_gate(test, mm, FIRST, LAST + 1, interval, &task);
	remover = remove_beside(test, interval);
	kt_assert_waits(test, keep->mni.subs, remover->task, 1);
	kt_gate_open(&interval->gate);
	kt_join(test, remover->task);
	KUNIT_EXPECT_EQ(test, remover->inside, 0);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, invalidates(keep), 0);
}

/*
 * Remove of another interval, called or still to be called, does not wait for a
 * callback that runs.
 */
static void p15_remove_other_returns(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *before = kt_insert(test, mm, 0, 0x1000);
	struct kt_interval *interval = insert(test, mm);
	struct kt_interval *after = kt_insert(test, mm, LAST + 1, 0x1000);
	struct kt_range *range;
	struct kt_task *task;

	range = start_at_gate(test, mm, 0, LAST + 2, interval, &task);
	remove_now(test, before);
	remove_now(test, after);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(interval->gate.holding));
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, invalidates(before), 1);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, invalidates(after), 0);
}

/*
 * A range begins and ends while a remove waits; it does not call the interval
 * that is being removed.
 */
static void p15_range_never_waits_for_remove(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *other = kt_insert(test, mm, LAST + 1, 0x1000);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *range, *second;
	struct remover *remover;
	struct kt_task *task;

	range = start_at_gate(test, mm, FIRST, LAST + 1, interval, &task);
	remover = remove_beside(test, interval);
	kt_assert_waits(test, other->mni.subs, remover->task, 1);

	second = range_of(test, mm, FIRST, LAST + 2);
	KUNIT_EXPECT_EQ(test,
			kt_join(test, kt_run(test, start_task, second)), 0);
	kt_end(second);
	KUNIT_EXPECT_EQ(test, invalidates(other), 1);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_assert_waits(test, other->mni.subs, remover->task, 1);

	kt_gate_open(&interval->gate);
	kt_join(test, remover->task);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
}

/*
 * One object inserted, removed and inserted again in one range: its readers
 * wait for it, and it hears the next.
 */
static void p15_reinsert_in_a_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = start(test, mm, FIRST, LAST + 1);
	struct reader *reader;

	insert_now(test, interval, mm, FIRST, LENGTH);
	remove_now(test, interval);
	insert_now(test, interval, mm, FIRST, LENGTH);
	reader = read_beside(test, interval);
	kt_assert_waits(test, keep->mni.subs, reader->task, 1);
	kt_end(range);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);

	range = start(test, mm, FIRST, LAST + 1);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	kt_end(range);
}

/* An interval in memory of its own, which is really freed: KASAN looks on. */
struct heap {
	struct mmun_interval_notifier mni;
	struct kt_gate *gate;		/* the case's */
	atomic_t *calls;
};

static bool heap_invalidate(struct mmun_interval_notifier *mni,
			    const struct mmun_notifier_range *range,
			    unsigned long cur_seq)
{
	struct heap *heap = container_of(mni, struct heap, mni);

	kt_gate_pass(heap->gate);
	mmun_interval_set_seq(mni, cur_seq);
	atomic_inc(heap->calls);
	return true;
}

static const struct mmun_interval_notifier_ops heap_ops = {
	.invalidate = heap_invalidate,
};

static struct heap *heap_insert(struct kunit *test, struct mm_struct *mm,
				struct kt_gate *gate, atomic_t *calls,
				unsigned long from)
{
	struct heap *heap = kzalloc(sizeof(*heap), GFP_KERNEL);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, heap);
	heap->gate = gate;
	heap->calls = calls;
	ret = mmun_interval_notifier_insert(&heap->mni, mm, from, 0x1000,
					    &heap_ops);
	if (ret) {
		kfree(heap);
		heap = NULL;
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	return heap;
}

static int heap_remove(void *arg)
{
	struct heap *heap = arg;

	mmun_interval_notifier_remove(&heap->mni);
	kfree(heap);
	return 0;
}

/*
 * While a callback runs, the intervals around it, and the next one in the walk,
 * are removed and freed: the walk goes on.
 */
static void p15_free_neighbours_of_a_walk(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_interval *end = kt_insert(test, mm, LAST + 0x4001, 0x1000);
	struct kt_gate *gate = new(test, sizeof(*gate));
	atomic_t *calls = new(test, 2 * sizeof(*calls));
	struct heap *around[4];
	struct kt_range *range;
	struct kt_task *task;
	int i;

	kt_gate_init(test, gate);
	around[0] = heap_insert(test, mm, gate, &calls[0], 0);
	for (i = 1; i < 4; i++)
		around[i] = heap_insert(test, mm, gate, &calls[1],
					LAST + 1 + i * 0x1000);

	range = start_at_gate(test, mm, 0, LAST + 0x5001, interval, &task);
	for (i = 0; i < 4; i++)
		kt_join(test, kt_run(test, heap_remove, around[i]));
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&calls[0]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&calls[1]), 0);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, invalidates(end), 1);
}

/*
 * An interval that is removed and freed as soon as its callback has returned is
 * not touched by the walk afterwards.
 */
static void p15_free_right_after_callback(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *end = kt_insert(test, mm, LAST + 1, 0x1000);
	struct kt_gate *gate = new(test, sizeof(*gate));
	atomic_t *calls = new(test, sizeof(*calls));
	struct kt_task *task, *remover;
	struct kt_range *range;
	struct heap *heap;
	int i;

	kt_gate_init(test, gate);
	for (i = 1; i <= 20; i++) {
		heap = heap_insert(test, mm, gate, calls, FIRST);
		kt_gate_close(gate);
		range = range_of(test, mm, FIRST, LAST + 2);
		task = kt_run(test, start_task, range);
		kt_gate_wait(test, gate);
		remover = kt_run(test, heap_remove, heap);
		kt_assert_waits(test, end->mni.subs, remover, 1);
		kt_gate_open(gate);
		kt_join(test, remover);
		KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
		kt_end(range);
		KUNIT_EXPECT_EQ(test, atomic_read(calls), i);
		KUNIT_EXPECT_EQ(test, invalidates(end), i);
	}
}

/*
 * Intervals inserted behind and before the place where a walk stands: no reader
 * of theirs is let in before the range ends.
 */
static void p15_insert_around_a_walk(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct mmun_subscriptions *subs = interval->mni.subs;
	struct kt_interval *behind = kt_interval(test);
	struct kt_interval *ahead = kt_interval(test);
	struct reader *readers[2];
	struct kt_range *range;
	struct kt_task *task;
	int i;

	range = start_at_gate(test, mm, 0, LAST + 0x1001, interval, &task);
	insert_now(test, behind, mm, 0, 0x1000);
	insert_now(test, ahead, mm, LAST + 1, 0x1000);
	readers[0] = read_beside(test, behind);
	kt_assert_waits(test, subs, readers[0]->task, 1);
	readers[1] = read_beside(test, ahead);
	kt_assert_waits(test, subs, readers[1]->task, 2);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, invalidates(behind), 0);
	for (i = 0; i < 2; i++)
		kt_assert_waits(test, subs, readers[i]->task, 2);
	kt_end(range);
	for (i = 0; i < 2; i++) {
		kt_join(test, readers[i]->task);
		KUNIT_EXPECT_EQ(test, readers[i]->in_flight, 0U);
	}
	KUNIT_EXPECT_FALSE(test, kt_retry(behind, readers[0]->seq));
	KUNIT_EXPECT_FALSE(test, kt_retry(ahead, readers[1]->seq));

	kt_end(start(test, mm, 0, LAST + 0x1001));
	KUNIT_EXPECT_TRUE(test, kt_retry(behind, readers[0]->seq));
	KUNIT_EXPECT_TRUE(test, kt_retry(ahead, readers[1]->seq));
}

/* Two ranges are inside the callback of one interval: remove waits for both. */
static void p15_remove_waits_for_two(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *ranges[2];
	struct remover *remover;
	struct kt_task *tasks[2];
	int i;

	for (i = 0; i < 2; i++)
		ranges[i] = start_at_gate(test, mm, FIRST, LAST + 1, interval,
					  &tasks[i]);
	KUNIT_ASSERT_EQ(test, atomic_read(&interval->inside), 2);
	remover = remove_beside(test, interval);
	kt_assert_waits(test, keep->mni.subs, remover->task, 1);

	/* One of them, whichever, goes on. */
	complete(&interval->gate.go);
	KT_ASSERT_UNTIL(test, !kt_running(tasks[0]) || !kt_running(tasks[1]));
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_assert_waits(test, keep->mni.subs, remover->task, 1);

	kt_gate_open(&interval->gate);
	kt_join(test, remover->task);
	KUNIT_EXPECT_EQ(test, remover->inside, 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, tasks[i]), 0);
		kt_end(ranges[i]);
	}
	KUNIT_EXPECT_EQ(test, invalidates(interval), 2);
}

/* A remove returns with its own callback, though the range is with the next one. */
static void p15_remove_does_not_wait_for_the_next(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_insert(test, mm, FIRST, 1);
	struct kt_interval *next = kt_insert(test, mm, FIRST + 1, 1);
	struct remover *remover;
	struct kt_range *range;
	struct kt_task *task;

	kt_gate_close(&next->gate);
	range = start_at_gate(test, mm, FIRST, LAST + 1, first, &task);
	remover = remove_beside(test, first);
	kt_assert_waits(test, next->mni.subs, remover->task, 1);
	kt_gate_open(&first->gate);
	kt_gate_wait(test, &next->gate);
	kt_join(test, remover->task);
	KUNIT_EXPECT_EQ(test, remover->inside, 0);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&next->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
}

/* Two removes wait for callbacks of their own: each returns with its own. */
static void p15_two_removes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *intervals[2];
	struct remover *removers[2];
	struct kt_range *ranges[2];
	struct kt_task *tasks[2];
	int i;

	for (i = 0; i < 2; i++) {
		intervals[i] = insert(test, mm);
		ranges[i] = start_at_gate(test, mm, FIRST, LAST + 1,
					  intervals[i], &tasks[i]);
		/* The next range does not call this one any more. */
		removers[i] = remove_beside(test, intervals[i]);
		kt_assert_waits(test, keep->mni.subs, removers[i]->task, i + 1);
	}
	kt_gate_open(&intervals[1]->gate);
	kt_join(test, removers[1]->task);
	kt_assert_waits(test, keep->mni.subs, removers[0]->task, 1);
	kt_gate_open(&intervals[0]->gate);
	kt_join(test, removers[0]->task);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, tasks[i]), 0);
		kt_end(ranges[i]);
		KUNIT_EXPECT_EQ(test, invalidates(intervals[i]), 1);
	}
}

/*
 * The last interval of a mm goes while a range is inside another's list
 * callback: nothing is touched after it is freed.
 */
static void p15_remove_the_last_in_a_walk(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_gate *gate = new(test, sizeof(*gate));
	atomic_t *calls = new(test, sizeof(*calls));
	struct kt_range *range;
	struct kt_task *task;
	struct heap *heap;

	kt_gate_init(test, gate);
	heap = heap_insert(test, mm, gate, calls, FIRST);
	kt_gate_close(&sub->start);
	range = range_of(test, mm, FIRST, LAST + 1);
	task = kt_run(test, start_task, range);
	kt_gate_wait(test, &sub->start);
	/* Its callback is over, the walk is not. */
	kt_join(test, kt_run(test, heap_remove, heap));
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(calls), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/* --- 16: bounds --- */

static const struct bounds {
	const char *name;
	unsigned long start, length;
	bool good;
} bounds[] = {
	{ "no length", FIRST, 0, false },
	{ "no length at 0", 0, 0, false },
	{ "no length at the end", ULONG_MAX, 0, false },
	{ "one byte too many", ULONG_MAX, 2, false },
	{ "a page, one byte too many", ULONG_MAX - 0xffe, 0x1000, false },
	{ "all, one byte too many", 2, ULONG_MAX, false },
	{ "both the largest", ULONG_MAX, ULONG_MAX, false },
	{ "wraps to itself", 1UL << (BITS_PER_LONG - 1),
	  (1UL << (BITS_PER_LONG - 1)) + 1, false },
	{ "one byte", FIRST, 1, true },
	{ "the first byte", 0, 1, true },
	{ "the last byte", ULONG_MAX, 1, true },
	{ "the last page", ULONG_MAX - 0xfff, 0x1000, true },
	{ "all but the last byte", 0, ULONG_MAX, true },
	{ "all but the first byte", 1, ULONG_MAX, true },
	{ "the upper half", 1UL << (BITS_PER_LONG - 1),
	  1UL << (BITS_PER_LONG - 1), true },
};

static void bounds_desc(const struct bounds *b, char *desc)
{
	strscpy(desc, b->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(bounds, bounds, bounds_desc);

/*
 * No length, and an end beyond ULONG_MAX, return -EOVERFLOW and leave nothing;
 * all else is accepted, with its bounds inclusive.
 */
static void p16_bounds(struct kunit *test)
{
	const struct bounds *b = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_interval(test);
	int ret;

	ret = mmun_interval_notifier_insert(&interval->mni, mm, b->start,
					    b->length, &kt_interval_ops);
	interval->inserted = !ret;
	if (!b->good) {
		KUNIT_EXPECT_EQ(test, ret, -EOVERFLOW);
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0U);
		return;
	}
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, interval->mni.interval_tree.start, b->start);
	KUNIT_EXPECT_EQ(test, interval->mni.interval_tree.last,
			b->start + (b->length - 1));
	KUNIT_EXPECT_PTR_EQ(test, interval->mni.mm, mm);

	/* Of ranges up to there, an exclusive end cannot say it all. */
	if (b->start == ULONG_MAX)
		return;
	/* Ranges that end at its first byte, and one byte later. */
	kt_end(start(test, mm, 0, b->start));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);
	kt_end(start(test, mm, 0, b->start + 1));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
}

static const unsigned int populations[] = { 0, 1, 2, 1000 };

static void population_desc(const unsigned int *n, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u intervals", *n);
}

KUNIT_ARRAY_PARAM(population, populations, population_desc);

/* How many were called that should not have been, or not as often? */
static unsigned int count_wrong(const struct shape *shape,
				struct kt_interval **all, unsigned int n)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < n; i++)
		wrong += invalidates(all[i]) != hits(shape, all[i]);
	return wrong;
}

static void forget_calls(struct kt_interval **all, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		atomic_set(&all[i]->invalidates, 0);
}

/*
 * Ranges of every shape call exactly the intervals that they overlap, among 0
 * to 1000 of them.
 */
static void p16_shapes(struct kunit *test)
{
	const unsigned int n = *(const unsigned int *)test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval **all = new(test, (n + 1) * sizeof(*all));
	struct kt_range *range;
	unsigned int i, wrong;

	for (i = 0; i < n; i++)
		all[i] = i ? kt_insert(test, mm, i * 0x100, 0x100 + i % 7) :
			     insert(test, mm);

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		forget_calls(all, n);
		range = start(test, mm, shapes[i].start, shapes[i].end);
		wrong = count_wrong(&shapes[i], all, n);
		kt_end(range);
		wrong += count_wrong(&shapes[i], all, n);
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0U, "%s", shapes[i].name);
		if (n)
			KUNIT_EXPECT_EQ_MSG(test, invalidates(all[0]),
					    (int)shapes[i].hit, "%s",
					    shapes[i].name);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), (int)i + 1);
	}
}

/* --- 18: the mm's exit --- */

struct exiter {
	struct kunit *test;
	struct mm_struct *mm;
};

static int exit_task(void *arg)
{
	struct exiter *exiter = arg;

	kt_mm_exit(exiter->test, exiter->mm);
	return 0;
}

static struct kt_task *exit_beside(struct kunit *test, struct mm_struct *mm)
{
	struct exiter *exiter = new(test, sizeof(*exiter));

	exiter->test = test;
	exiter->mm = mm;
	return kt_run(test, exit_task, exiter);
}

/*
 * At the exit each interval still inserted gets one RELEASE over everything,
 * one that was removed none, and sections collide.
 */
static void p18_one_release_each(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *intervals[3];
	unsigned long seq[2];
	int i;

	intervals[0] = insert(test, mm);
	intervals[1] = kt_insert(test, mm, 0, ULONG_MAX);
	intervals[2] = insert(test, mm);
	kt_remove(intervals[2]);
	kt_mm_kill(test, mm);
	for (i = 0; i < 2; i++)
		seq[i] = read_now(test, intervals[i]);
	kt_mm_exit(test, mm);

	for (i = 0; i < 2; i++) {
		struct mmun_notifier_range *last = &intervals[i]->last;

		KUNIT_EXPECT_EQ(test, atomic_read(&intervals[i]->releases), 1);
		KUNIT_EXPECT_EQ(test, (int)last->event,
				(int)MMUN_NOTIFY_RELEASE);
		KUNIT_EXPECT_PTR_EQ(test, last->mm, mm);
		KUNIT_EXPECT_EQ(test, last->start, 0UL);
		KUNIT_EXPECT_EQ(test, last->end, ULONG_MAX);
		KUNIT_EXPECT_TRUE(test, mmun_notifier_range_blockable(last));
		KUNIT_EXPECT_TRUE(test, intervals[i]->last_seq & 1);
		KUNIT_EXPECT_TRUE(test, kt_retry(intervals[i], seq[i]));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&intervals[2]->releases), 0);
	for (i = 0; i < 2; i++) {
		remove_now(test, intervals[i]);
		KUNIT_EXPECT_EQ(test, atomic_read(&intervals[i]->releases), 1);
	}
}

/* An interval of the very last byte gets its RELEASE, as any other. */
static void p18_release_reaches_the_last_byte(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *last = kt_insert(test, mm, ULONG_MAX, 1);
	struct kt_interval *page = kt_insert(test, mm, ULONG_MAX - 0xfff,
					     0x1000);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&page->releases), 1);
}

/*
 * After the exit: insert returns -ESRCH, read_begin does not sleep, ranges are
 * not heard, remove works.
 */
static void p18_after_the_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_interval *late = kt_interval(test);
	struct kt_range *range;
	int ret;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);

	ret = mmun_interval_notifier_insert(&late->mni, mm, FIRST, LENGTH,
					    &kt_interval_ops);
	KUNIT_EXPECT_EQ(test, ret, -ESRCH);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, read_now(test, interval)));

	range = start(test, mm, FIRST, LAST + 1);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, read_now(test, interval)));
	kt_end(range);
	remove_now(test, interval);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&late->releases), 0);
}

/*
 * In the middle of the exit: remove waits for its own RELEASE callback,
 * another's remove and a second insert do not.
 */
static void p18_remove_waits_for_release(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_interval *next = kt_insert(test, mm, LAST + 1, 0x1000);
	struct kt_interval *keep = kt_insert(test, mm, LAST + 0x1001, 0x1000);
	struct kt_interval *late = kt_interval(test);
	struct remover *remover;
	struct kt_task *task;
	int ret;

	kt_mm_kill(test, mm);
	kt_gate_close(&interval->gate);
	task = exit_beside(test, mm);
	kt_gate_wait(test, &interval->gate);

	ret = mmun_interval_notifier_insert(&late->mni, mm, 0, 1,
					    &kt_interval_ops);
	KUNIT_EXPECT_EQ(test, ret, -ESRCH);
	remove_now(test, next);
	remover = remove_beside(test, interval);
	kt_assert_waits(test, keep->mni.subs, remover->task, 1);
	kt_gate_open(&interval->gate);
	kt_join(test, remover->task);
	KUNIT_EXPECT_EQ(test, remover->inside, 0);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&keep->releases), 1);
}

/*
 * A reader that waits for a range when the mm exits is let go, though the range
 * loses its end.
 */
static void p18_exit_lets_readers_go(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct mmun_kunit_state state;
	struct kt_range *range;
	struct reader *reader;

	kt_mm_kill(test, mm);
	range = start(test, mm, FIRST, LAST + 1);
	reader = read_beside(test, interval);
	kt_assert_waits(test, interval->mni.subs, reader->task, 1);
	kt_mm_exit(test, mm);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	look(interval, &state);
	KUNIT_EXPECT_TRUE(test, state.closed);
	KUNIT_EXPECT_EQ(test, state.active, 0U);
	/* An end that comes after all is nobody's. */
	kt_end(range);
	remove_now(test, interval);
}

/* The same if the range has found no slot, and those that had one are over. */
static void p18_exit_lets_counted_readers_go(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *slotted[BITS_PER_LONG];
	struct mmun_kunit_state state;
	struct reader *reader;
	unsigned int i, n;

	kt_mm_kill(test, mm);
	look(interval, &state);
	n = state.slots;
	for (i = 0; i < n; i++)
		slotted[i] = start(test, mm, 0x900000, 0x901000);
	start(test, mm, 0x900000, 0x901000);
	for (i = 0; i < n; i++)
		kt_end(slotted[i]);
	look(interval, &state);
	KUNIT_ASSERT_EQ(test, state.overflow, 1U);
	KUNIT_ASSERT_EQ(test, state.active, 0U);
	reader = read_beside(test, interval);
	kt_assert_waits(test, interval->mni.subs, reader->task, 1);
	kt_mm_exit(test, mm);
	kt_join(test, reader->task);
	remove_now(test, interval);
}

/* --- 10: refusals --- */

/*
 * The second of three intervals refuses: the third is not asked, nobody stays
 * marked, and the mm goes on.
 */
static void p10_interval_refuses(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *intervals[3];
	struct mmun_kunit_state state;
	struct kt_range *range;
	unsigned long seq[3];
	int i;

	for (i = 0; i < 3; i++) {
		intervals[i] = kt_insert(test, mm, (i + 1) * 0x1000, 0x1000);
		seq[i] = read_now(test, intervals[i]);
	}
	intervals[1]->refuse = true;
	range = kt_range(test, mm, 0, 0x10000, false, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);

	KUNIT_EXPECT_EQ(test, invalidates(intervals[0]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&intervals[1]->refusals), 1);
	KUNIT_EXPECT_EQ(test, invalidates(intervals[1]), 0);
	KUNIT_EXPECT_EQ(test, invalidates(intervals[2]), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&intervals[2]->refusals), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	/* What the first one dropped is gone; the others were not touched. */
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kt_retry(intervals[i], seq[i]), !i);

	look(intervals[0], &state);
	KUNIT_EXPECT_EQ(test, state.busy + state.active + state.overflow, 0U);
	KUNIT_EXPECT_EQ(test, state.provisional, 0U);
	for (i = 0; i < 3; i++) {
		seq[i] = read_now(test, intervals[i]);
		KUNIT_EXPECT_TRUE(test, seq[i] & 1);
		KUNIT_EXPECT_FALSE(test, kt_retry(intervals[i], seq[i]));
		remove_now(test, intervals[i]);
	}
}

/*
 * A list subscriber refuses after the intervals agreed: the range is refused,
 * and no interval stays marked.
 */
static void p10_list_refuses_after_intervals(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	unsigned long seq = read_now(test, interval);
	struct mmun_kunit_state state;
	struct kt_range *range;

	sub->refuse = -EAGAIN;
	range = kt_range(test, mm, FIRST, LAST + 1, false, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	look(interval, &state);
	KUNIT_EXPECT_EQ(test, state.busy + state.active + state.provisional,
			0U);
	seq = read_now(test, interval);
	KUNIT_EXPECT_TRUE(test, seq & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	remove_now(test, interval);
}

/*
 * With all slots taken a range that may not block is refused before anybody is
 * asked.
 */
static void p10_no_slot_refuses(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = insert(test, mm);
	struct kt_range *ranges[BITS_PER_LONG], *range;
	struct mmun_kunit_state state;
	unsigned int i, n;

	look(interval, &state);
	n = state.slots;
	KUNIT_ASSERT_LE(test, n, (unsigned int)BITS_PER_LONG);
	for (i = 0; i < n; i++)
		ranges[i] = start(test, mm, 0x900000, 0x901000);
	range = kt_range(test, mm, FIRST, LAST + 1, false, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	look(interval, &state);
	KUNIT_EXPECT_EQ(test, state.active, n);
	KUNIT_EXPECT_EQ(test, state.overflow, 0U);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, read_now(test, interval)));

	kt_end(ranges[0]);
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	kt_end(range);
	for (i = 1; i < n; i++)
		kt_end(ranges[i]);
}

static bool stubborn_invalidate(struct mmun_interval_notifier *mni,
				const struct mmun_notifier_range *range,
				unsigned long cur_seq)
{
	mmun_interval_set_seq(mni, cur_seq);
	return range->event == MMUN_NOTIFY_RELEASE;
}

static const struct mmun_interval_notifier_ops stubborn_ops = {
	.invalidate = stubborn_invalidate,
};

/*
 * An interval that refuses a range that may block is ignored: the range goes
 * on, and the next ones are told. It is said in the log, once.
 */
static void p10_blockable_refusal_is_ignored(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *stubborn = kt_interval(test);
	struct kt_interval *next = insert(test, mm);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;
	struct reader *reader;

	KUNIT_ASSERT_EQ(test,
			mmun_interval_notifier_insert(&stubborn->mni, mm, 0,
						      FIRST, &stubborn_ops), 0);
	stubborn->inserted = true;
	mmun_kunit_warnings();
	range = start(test, mm, 0, LAST + 1);
	KUNIT_EXPECT_EQ(test, invalidates(next), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	/* It is in flight for the one who refused, too. */
	reader = read_beside(test, stubborn);
	kt_assert_waits(test, next->mni.subs, reader->task, 1);
	kt_end(range);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);

	kt_end(start(test, mm, 0, LAST + 1));
	KUNIT_EXPECT_EQ(test, invalidates(next), 2);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
}

/*
 * In a range that somebody behind mmun refuses: insert, read_begin and remove
 * return, the owed end comes, and a fresh section is good.
 */
static void p10_refused_behind(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = insert(test, mm);
	struct kt_interval *gone = insert(test, mm);
	struct kt_interval *late = kt_interval(test);
	struct mmun_kunit_state state;
	struct kt_range *range;
	unsigned long seq;

	range = accept(test, mm, FIRST, LAST + 1);
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	remove_now(test, gone);
	insert_now(test, late, mm, FIRST, LENGTH);
	/* Not told of it, and yet it cannot be read. */
	KUNIT_EXPECT_TRUE(test, kt_retry(late, read_now(test, late)));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);

	refuse_behind(range);
	KT_ASSERT_UNTIL(test, (look(interval, &state), !state.busy));
	KUNIT_EXPECT_EQ(test, state.active + state.provisional, 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	seq = read_now(test, interval);
	KUNIT_EXPECT_TRUE(test, seq & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	seq = read_now(test, late);
	KUNIT_EXPECT_FALSE(test, kt_retry(late, seq));
	remove_now(test, interval);
	remove_now(test, late);
}

/* --- the rest --- */

/*
 * A real munmap() is heard by the interval that it overlaps, byte for byte, and
 * by no other.
 */
static void p12_real_unmap(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, 4 * PAGE_SIZE);
	unsigned long beside = kt_mmap(test, mm, 2 * PAGE_SIZE);
	struct kt_interval *interval = kt_insert(test, mm, at + PAGE_SIZE,
						 2 * PAGE_SIZE);
	struct kt_interval *other = kt_insert(test, mm, beside, 2 * PAGE_SIZE);
	unsigned long seq = read_now(test, interval);
	unsigned long seq_other = read_now(test, other);

	KUNIT_EXPECT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, kt_munmap(mm, at + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, (int)interval->last.event,
			(int)MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, interval->last.start, at + 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, interval->last.end, at + 3 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, kt_retry(other, seq_other));
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, read_now(test, interval)));
}

/*
 * An interval holds one mm_count, from its insert to its remove, and no
 * mm_users.
 */
static void p06_interval_holds_mm_count(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = insert(test, mm);
	int count = atomic_read(&mm->mm_count);
	int users = atomic_read(&mm->mm_users);
	struct kt_interval *interval = insert(test, mm);
	int ret;

	/* The lookup of a mm that is lazily in use elsewhere comes and goes. */
	KT_ASSERT_UNTIL(test, atomic_read(&mm->mm_count) == count + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), users);
	kt_remove(interval);
	KT_ASSERT_UNTIL(test, atomic_read(&mm->mm_count) == count);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), users);

	ret = mmun_interval_notifier_insert(&interval->mni, mm, ULONG_MAX, 2,
					    &kt_interval_ops);
	KUNIT_EXPECT_EQ(test, ret, -EOVERFLOW);
	KT_ASSERT_UNTIL(test, atomic_read(&mm->mm_count) == count);
	KUNIT_EXPECT_EQ(test, invalidates(keep), 0);
}

static int insert_locked(struct kt_interval *interval, struct mm_struct *mm,
			 unsigned long from, unsigned long length)
{
	int ret;

	mmap_write_lock(mm);
	ret = mmun_interval_notifier_insert_locked(&interval->mni, mm, from,
						   length, &kt_interval_ops);
	mmap_write_unlock(mm);
	interval->inserted = !ret;
	return ret;
}

/*
 * insert_locked works under the mmap lock, for the first subscription and later
 * ones, also in a range, and checks its bounds.
 */
static void p15_insert_locked(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_interval(test);
	struct kt_interval *second = kt_interval(test);
	struct kt_range *range;
	struct reader *reader;

	KUNIT_EXPECT_EQ(test, insert_locked(first, mm, FIRST, 0), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, insert_locked(first, mm, 2, ULONG_MAX),
			-EOVERFLOW);
	KUNIT_ASSERT_EQ(test, insert_locked(first, mm, FIRST, LENGTH), 0);
	range = start(test, mm, FIRST, LAST + 1);
	KUNIT_EXPECT_EQ(test, invalidates(first), 1);
	KUNIT_ASSERT_EQ(test, insert_locked(second, mm, FIRST, LENGTH), 0);
	reader = read_beside(test, second);
	kt_assert_waits(test, first->mni.subs, reader->task, 1);
	kt_end(range);
	kt_join(test, reader->task);
	KUNIT_EXPECT_FALSE(test, kt_retry(second, reader->seq));
	kt_end(start(test, mm, FIRST, LAST + 1));
	KUNIT_EXPECT_EQ(test, invalidates(first), 2);
	KUNIT_EXPECT_EQ(test, invalidates(second), 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p13_nothing_between_no_retry),
	KUNIT_CASE(p13_part_or_whole_retries),
	KUNIT_CASE(p13_begin_against_an_end),
	KUNIT_CASE(p13_callback_after_the_retry),
	KUNIT_CASE(p13_nested_ranges),
	KUNIT_CASE(p13_concurrent_ranges),
	KUNIT_CASE(p13_older_number_after_newer),
	KUNIT_CASE(p13_numbers_wrap),
	KUNIT_CASE(p13_numbers_of_ranges_in_flight),
	KUNIT_CASE(p09_register_across_the_wrap),
	KUNIT_CASE(p13_provisional_then_confirmed),
	KUNIT_CASE(p13_new_in_a_provisional_range),
	KUNIT_CASE(p13_provisional_elsewhere),
	KUNIT_CASE(p13_provisional_and_blockable),
	KUNIT_CASE(p13_counted_ranges_collide),
	KUNIT_CASE(p13_range_begins_inside_read_begin),
	KUNIT_CASE(p14_waits_for_overlaps_only),
	KUNIT_CASE(p14_other_callback_holds_nobody),
	KUNIT_CASE(p14_waits_for_the_last),
	KUNIT_CASE(p14_all_readers_go),
	KUNIT_CASE(p14_waits_for_counted_ranges),
	KUNIT_CASE(p14_each_range_counts),
	KUNIT_CASE(p14_none_counts_after_the_exit),
	KUNIT_CASE(p15_insert_in_a_range),
	KUNIT_CASE(p15_insert_beside_a_range),
	KUNIT_CASE(p15_insert_locked),
	KUNIT_CASE(p15_remove_in_a_range),
	KUNIT_CASE(p15_remove_waits_for_callback),
	KUNIT_CASE(p15_remove_other_returns),
	KUNIT_CASE(p15_range_never_waits_for_remove),
	KUNIT_CASE(p15_reinsert_in_a_range),
	KUNIT_CASE(p15_free_neighbours_of_a_walk),
	KUNIT_CASE(p15_free_right_after_callback),
	KUNIT_CASE(p15_insert_around_a_walk),
	KUNIT_CASE(p15_remove_waits_for_two),
	KUNIT_CASE(p15_remove_does_not_wait_for_the_next),
	KUNIT_CASE(p15_two_removes),
	KUNIT_CASE(p15_remove_the_last_in_a_walk),
	KUNIT_CASE_PARAM(p16_bounds, bounds_gen_params),
	KUNIT_CASE_PARAM(p16_shapes, population_gen_params),
	KUNIT_CASE(p18_one_release_each),
	KUNIT_CASE(p18_release_reaches_the_last_byte),
	KUNIT_CASE(p18_after_the_exit),
	KUNIT_CASE(p18_remove_waits_for_release),
	KUNIT_CASE(p18_exit_lets_readers_go),
	KUNIT_CASE(p18_exit_lets_counted_readers_go),
	KUNIT_CASE(p10_interval_refuses),
	KUNIT_CASE(p10_list_refuses_after_intervals),
	KUNIT_CASE(p10_no_slot_refuses),
	KUNIT_CASE(p10_blockable_refusal_is_ignored),
	KUNIT_CASE(p10_refused_behind),
	KUNIT_CASE(p12_real_unmap),
	KUNIT_CASE(p06_interval_holds_mm_count),
	{}
};

struct kunit_suite mmun_itree_suite = {
	.name = "mmun_itree",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
