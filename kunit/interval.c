// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_interval: intervals come and go in the middle of everything.
 */

#include <linux/slab.h>

#include "life.h"
#include "shapes.h"

/*
 * Insert inside a range does not wait; readers of the new interval do; and the
 * next range calls it at once.
 */
static void insert_in_a_range_returns_and_readers_wait(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);
	struct mmun_subscriptions *subs = first->mni.priv.subs;
	struct kt_actor *reader;

	kt_insert_now(test, mm, interval, FROM, TO - FROM);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, subs, reader, 1);
	kt_end(kt_begin(test, mm, TO - 1, TO));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	kt_assert_waits(test, subs, reader, 1);

	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
}

/* An interval that is inserted beside a range in flight can be read at once. */
static void insert_beside_a_range_can_be_read(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = kt_begin(test, mm, TO, TO + 1);

	KUNIT_EXPECT_EQ(test, kt_invalidates(first), 0);
	kt_insert_now(test, mm, interval, FROM, TO - FROM);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, kt_read_now(test, interval)));
	kt_end(range);
}

/*
 * Remove inside a range whose callback is over returns at once; the range ends
 * as usual.
 */
static void remove_in_a_range_returns(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *other = kt_insert(test, mm, TO, 0x1000);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *range = kt_begin(test, mm, FROM, TO + 1);
	struct kt_range *second;

	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	kt_remove_now(test, interval);
	KUNIT_EXPECT_TRUE(test, range->in_flight);
	second = kt_begin(test, mm, FROM, TO + 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(other), 2);
	kt_end(range);
	kt_end(second);
	KUNIT_EXPECT_FALSE(test, kt_retry(other, kt_read_now(test, other)));
}

/* Remove waits for a running callback of its own interval. */
static void remove_waits_for_own_callback(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_actor *remover;
	struct kt_range *range;
	struct kt_actor *task;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	remover = kt_do(test, NULL, KT_REMOVE, interval);
	kt_assert_waits(test, keep, remover, 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_invalidates(keep), 0);
}

/*
 * Remove of another interval, already called or still to be called, does not
 * wait for a running callback.
 */
static void remove_ignores_callback_of_another(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *before = kt_insert(test, mm, 0, 0x1000);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *after = kt_insert(test, mm, TO, 0x1000);
	struct kt_range *range;
	struct kt_actor *task;

	range = kt_blockable(test, mm, 0, TO + 1);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	kt_remove_now(test, before);
	kt_remove_now(test, after);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(interval->gate.holding));
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_invalidates(before), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(after), 0);
}

/*
 * A range begins and ends while a remove waits, and does not call the interval
 * that is being removed.
 */
static void range_does_not_wait_for_remove(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *other = kt_insert(test, mm, TO, 0x1000);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *range, *second;
	struct kt_actor *remover, *task;

	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	remover = kt_do(test, NULL, KT_REMOVE, interval);
	kt_assert_waits(test, other, remover, 1);

	second = kt_blockable(test, mm, FROM, TO + 1);
	KUNIT_EXPECT_EQ(test,
			kt_do_now(test, NULL, KT_START, second), 0);
	kt_end(second);
	KUNIT_EXPECT_EQ(test, kt_invalidates(other), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_assert_waits(test, other, remover, 1);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
}

/*
 * An object is inserted, removed and inserted again inside one range: its
 * readers wait for that range, and the next one calls it.
 */
static void insert_again_in_a_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_interval(test);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);
	struct kt_actor *reader;

	kt_insert_now(test, mm, interval, FROM, TO - FROM);
	kt_remove_now(test, interval);
	kt_insert_now(test, mm, interval, FROM, TO - FROM);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, keep, reader, 1);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);

	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	kt_end(range);
}

/* An interval whose memory is really freed: KASAN reports a later use. */
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
 * While a callback runs, the intervals around it, and the next one of the walk,
 * are removed and freed: the walk goes on.
 */
static void neighbours_of_a_walk_may_be_freed(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *end = kt_insert(test, mm, TO + 0x4000, 0x1000);
	struct kt_gate *gate = kt_new(test, sizeof(*gate));
	atomic_t *calls = kt_new(test, 2 * sizeof(*calls));
	struct heap *around[4];
	struct kt_range *range;
	struct kt_actor *task;
	int i;

	kt_gate_init(test, gate);
	around[0] = heap_insert(test, mm, gate, &calls[0], 0);
	for (i = 1; i < 4; i++)
		around[i] = heap_insert(test, mm, gate, &calls[1],
					TO + i * 0x1000);

	range = kt_blockable(test, mm, 0, TO + 0x5000);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	for (i = 0; i < 4; i++)
		kt_join(test, kt_run(test, heap_remove, around[i]));
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&calls[0]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&calls[1]), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(end), 1);
}

/*
 * An interval that is removed and freed as soon as its callback has returned is
 * not touched by the walk afterwards.
 */
static void interval_may_be_freed_after_its_callback(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *end = kt_insert(test, mm, TO, 0x1000);
	struct kt_gate *gate = kt_new(test, sizeof(*gate));
	atomic_t *calls = kt_new(test, sizeof(*calls));
	struct kt_actor *task, *remover;
	struct kt_range *range;
	struct heap *heap;
	int i;

	kt_gate_init(test, gate);
	for (i = 1; i <= 20; i++) {
		heap = heap_insert(test, mm, gate, calls, FROM);
		range = kt_blockable(test, mm, FROM, TO + 1);
		task = kt_do_to_gate(test, gate, NULL, KT_START, range);
		remover = kt_run(test, heap_remove, heap);
		kt_assert_waits(test, end, remover, 1);
		kt_gate_open(gate);
		KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
		KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
		kt_end(range);
		KUNIT_EXPECT_EQ(test, atomic_read(calls), i);
		KUNIT_EXPECT_EQ(test, kt_invalidates(end), i);
	}
}

/*
 * Intervals are inserted before and behind the place where a walk is: their
 * readers wait until the range ends.
 */
static void readers_of_new_intervals_wait_for_the_walk(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct mmun_subscriptions *subs = interval->mni.priv.subs;
	struct kt_interval *behind = kt_interval(test);
	struct kt_interval *ahead = kt_interval(test);
	struct kt_actor *readers[2];
	struct kt_range *range;
	struct kt_actor *task;
	int i;

	range = kt_blockable(test, mm, 0, TO + 0x1000);
	task = kt_do_to_gate(test, &interval->gate, NULL, KT_START, range);
	kt_insert_now(test, mm, behind, 0, 0x1000);
	kt_insert_now(test, mm, ahead, TO, 0x1000);
	readers[0] = kt_do(test, NULL, KT_READ_BEGIN, behind);
	kt_assert_waits(test, subs, readers[0], 1);
	readers[1] = kt_do(test, NULL, KT_READ_BEGIN, ahead);
	kt_assert_waits(test, subs, readers[1], 2);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(behind), 0);
	for (i = 0; i < 2; i++)
		kt_assert_waits(test, subs, readers[i], 2);
	kt_end(range);
	for (i = 0; i < 2; i++) {
		kt_join(test, readers[i]);
		KUNIT_EXPECT_EQ(test, readers[i]->in_flight, 0U);
	}
	KUNIT_EXPECT_FALSE(test, kt_retry(behind, readers[0]->seq));
	KUNIT_EXPECT_FALSE(test, kt_retry(ahead, readers[1]->seq));

	kt_end(kt_begin(test, mm, 0, TO + 0x1000));
	KUNIT_EXPECT_TRUE(test, kt_retry(behind, readers[0]->seq));
	KUNIT_EXPECT_TRUE(test, kt_retry(ahead, readers[1]->seq));
}

/* Two ranges are inside the callback of one interval: remove waits for both. */
static void remove_waits_for_two_callbacks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *ranges[2];
	struct kt_actor *remover;
	struct kt_actor *tasks[2];
	int i;

	for (i = 0; i < 2; i++) {
		ranges[i] = kt_blockable(test, mm, FROM, TO);
		tasks[i] = kt_do_to_gate(test, &interval->gate, NULL, KT_START,
					 ranges[i]);
	}
	KUNIT_ASSERT_EQ(test, atomic_read(&interval->inside), 2);
	remover = kt_do(test, NULL, KT_REMOVE, interval);
	kt_assert_waits(test, keep, remover, 1);

	/* Let one of them go on. */
	complete(&interval->gate.go);
	KT_ASSERT_UNTIL(test, !kt_running(tasks[0]) || !kt_running(tasks[1]));
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_assert_waits(test, keep, remover, 1);

	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, tasks[i]), 0);
		kt_end(ranges[i]);
	}
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 2);
}

/*
 * A remove returns after its own callback, though the range is in the callback
 * of the next interval.
 */
static void remove_ignores_callback_of_the_next(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_insert(test, mm, FROM, 1);
	struct kt_interval *next = kt_insert(test, mm, FROM + 1, 1);
	struct kt_actor *remover;
	struct kt_range *range;
	struct kt_actor *task;

	kt_gate_close(&next->gate);
	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do_to_gate(test, &first->gate, NULL, KT_START, range);
	remover = kt_do(test, NULL, KT_REMOVE, first);
	kt_assert_waits(test, next, remover, 1);
	kt_gate_open(&first->gate);
	kt_gate_wait(test, &next->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&next->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
}

/* Two removes wait for callbacks of their own: each returns after its own. */
static void two_removes_wait_for_their_own_callbacks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, 0, 1);
	struct kt_interval *intervals[2];
	struct kt_actor *removers[2];
	struct kt_range *ranges[2];
	struct kt_actor *tasks[2];
	int i;

	for (i = 0; i < 2; i++) {
		intervals[i] = kt_insert(test, mm, FROM, TO - FROM);
		ranges[i] = kt_blockable(test, mm, FROM, TO);
		tasks[i] = kt_do_to_gate(test, &intervals[i]->gate, NULL,
					 KT_START, ranges[i]);
		/* The next range will not call this one. */
		removers[i] = kt_do(test, NULL, KT_REMOVE, intervals[i]);
		kt_assert_waits(test, keep, removers[i], i + 1);
	}
	kt_gate_open(&intervals[1]->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, removers[1]), 0);
	kt_assert_waits(test, keep, removers[0], 1);
	kt_gate_open(&intervals[0]->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, removers[0]), 0);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, tasks[i]), 0);
		kt_end(ranges[i]);
		KUNIT_EXPECT_EQ(test, kt_invalidates(intervals[i]), 1);
	}
}

/*
 * The last interval of a mm is removed and freed while a range is in a list
 * callback: it is not touched after that.
 */
static void last_interval_may_be_freed_in_a_walk(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_gate *gate = kt_new(test, sizeof(*gate));
	atomic_t *calls = kt_new(test, sizeof(*calls));
	struct kt_range *range;
	struct kt_actor *task;
	struct heap *heap;

	kt_gate_init(test, gate);
	heap = heap_insert(test, mm, gate, calls, FROM);
	kt_gate_close(&sub->start);
	range = kt_blockable(test, mm, FROM, TO);
	task = kt_do(test, NULL, KT_START, range);
	kt_gate_wait(test, &sub->start);
	/* Its callback is over, the walk is not. */
	kt_join(test, kt_run(test, heap_remove, heap));
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(calls), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

static const struct bounds {
	const char *name;
	unsigned long start, length;
	bool good;
} bounds[] = {
	{ "no length", FROM, 0, false },
	{ "no length at 0", 0, 0, false },
	{ "no length at the end", ULONG_MAX, 0, false },
	{ "one byte too many", ULONG_MAX, 2, false },
	{ "a page, one byte too many", ULONG_MAX - 0xffe, 0x1000, false },
	{ "all, one byte too many", 2, ULONG_MAX, false },
	{ "both the largest", ULONG_MAX, ULONG_MAX, false },
	{ "wraps to itself", 1UL << (BITS_PER_LONG - 1),
	  (1UL << (BITS_PER_LONG - 1)) + 1, false },
	{ "one byte", FROM, 1, true },
	{ "the first byte", 0, 1, true },
	{ "the last byte", ULONG_MAX, 1, true },
	{ "the last page", ULONG_MAX - 0xfff, 0x1000, true },
	{ "all but the last byte", 0, ULONG_MAX, true },
	{ "all but the first byte", 1, ULONG_MAX, true },
	{ "the upper half", 1UL << (BITS_PER_LONG - 1),
	  1UL << (BITS_PER_LONG - 1), true },
};

KT_NAMED_PARAM(bounds, bounds);

/*
 * A length of 0 and an end beyond ULONG_MAX return -EOVERFLOW and leave
 * nothing; all else is accepted, with inclusive bounds.
 */
static void insert_checks_bounds(struct kunit *test)
{
	const struct bounds *b = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_interval(test);
	int ret;

	ret = kt_try_insert(interval, mm, b->start, b->length);
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

	/* No exclusive end is beyond the last byte. */
	if (b->start == ULONG_MAX)
		return;
	/* Ranges that end at its first byte, and one byte later. */
	kt_end(kt_begin(test, mm, 0, b->start));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
	kt_end(kt_begin(test, mm, 0, b->start + 1));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
}

static const unsigned int populations[] = { 0, 1, 2, 1000 };

static void population_desc(const unsigned int *n, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u intervals", *n);
}

KUNIT_ARRAY_PARAM(population, populations, population_desc);

/* How many intervals were called too often, or not often enough? */
static unsigned int count_wrong(const struct shape *shape,
				struct kt_interval **all, unsigned int n)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < n; i++)
		wrong += kt_invalidates(all[i]) != hits(shape, all[i]);
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
static void ranges_call_exactly_the_overlapped_intervals(struct kunit *test)
{
	const unsigned int n = *(const unsigned int *)test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval **all = kt_new(test, (n + 1) * sizeof(*all));
	struct kt_range *range;
	unsigned int i, wrong;

	for (i = 0; i < n; i++)
		all[i] = i ? kt_insert(test, mm, i * 0x100, 0x100 + i % 7) :
			     kt_insert(test, mm, FROM, TO - FROM);

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		forget_calls(all, n);
		range = kt_begin(test, mm, shapes[i].start, shapes[i].end);
		wrong = count_wrong(&shapes[i], all, n);
		kt_end(range);
		wrong += count_wrong(&shapes[i], all, n);
		KUNIT_EXPECT_EQ_MSG(test, wrong, 0U, "%s", shapes[i].name);
		if (n)
			KUNIT_EXPECT_EQ_MSG(test, kt_invalidates(all[0]),
					    (int)shapes[i].hit, "%s",
					    shapes[i].name);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), (int)i + 1);
	}
}

/*
 * A real munmap() calls the interval that it overlaps, to the byte, and no
 * other.
 */
static void munmap_reaches_overlapping_interval_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, 4 * PAGE_SIZE);
	unsigned long beside = kt_mmap(test, mm, 2 * PAGE_SIZE);
	struct kt_interval *interval = kt_insert(test, mm, at + PAGE_SIZE,
						 2 * PAGE_SIZE);
	struct kt_interval *other = kt_insert(test, mm, beside, 2 * PAGE_SIZE);
	unsigned long seq = kt_read_now(test, interval);
	unsigned long seq_other = kt_read_now(test, other);

	KUNIT_EXPECT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, kt_munmap(mm, at + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, (int)interval->last.event,
			(int)MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, interval->last.start, at + 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, interval->last.end, at + 3 * PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, kt_retry(other, seq_other));
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, kt_read_now(test, interval)));
}

/*
 * An interval holds mm_count once, from its insert to its remove, and no
 * mm_users.
 */
static void interval_holds_mm_count_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, FROM, TO - FROM);
	int count = life_mm_count(mm);
	int users = atomic_read(&mm->mm_users);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	int ret;

	life_assert_mm_count(test, mm, count + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), users);
	kt_remove(interval);
	life_assert_mm_count(test, mm, count);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), users);

	ret = mmun_interval_notifier_insert(&interval->mni, mm, ULONG_MAX, 2,
					    &kt_interval_ops);
	KUNIT_EXPECT_EQ(test, ret, -EOVERFLOW);
	life_assert_mm_count(test, mm, count);
	KUNIT_EXPECT_EQ(test, kt_invalidates(keep), 0);
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
 * ones, also inside a range, and checks its bounds.
 */
static void insert_locked_works_and_checks_bounds(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *first = kt_interval(test);
	struct kt_interval *second = kt_interval(test);
	struct kt_range *range;
	struct kt_actor *reader;

	KUNIT_EXPECT_EQ(test, insert_locked(first, mm, FROM, 0), -EOVERFLOW);
	KUNIT_EXPECT_EQ(test, insert_locked(first, mm, 2, ULONG_MAX),
			-EOVERFLOW);
	KUNIT_ASSERT_EQ(test, insert_locked(first, mm, FROM, TO - FROM), 0);
	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_invalidates(first), 1);
	KUNIT_ASSERT_EQ(test, insert_locked(second, mm, FROM, TO - FROM), 0);
	reader = kt_do(test, NULL, KT_READ_BEGIN, second);
	kt_assert_waits(test, first, reader, 1);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(second, reader->seq));
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_invalidates(first), 2);
	KUNIT_EXPECT_EQ(test, kt_invalidates(second), 1);
}

/*
 * The remove of an interval that is not inserted (it was removed, its memory is
 * zeroed, or its insert failed) is reported each time, and changes nothing.
 */
static void second_remove_is_reported(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_interval *keep = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *interval, *zeroed, *failed;
	int count = life_mm_count(mm);

	interval = kt_insert(test, mm, FROM, TO - FROM);
	kt_remove(interval);
	zeroed = kt_interval(test);
	failed = kt_interval(test);
	KUNIT_EXPECT_EQ(test, kt_try_insert(failed, mm, FROM, 0), -EOVERFLOW);

	mmun_kunit_warnings();
	mmun_interval_notifier_remove(&interval->mni);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	mmun_interval_notifier_remove(&interval->mni);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	mmun_interval_notifier_remove(&zeroed->mni);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	mmun_interval_notifier_remove(&failed->mni);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);

	life_assert_mm_count(test, mm, count);
	KUNIT_EXPECT_EQ(test, kt_state(keep).users, 1U);
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_invalidates(keep), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);

	/* It can be inserted again, and removed once. */
	KUNIT_ASSERT_EQ(test, kt_try_insert(interval, mm, FROM, TO - FROM), 0);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
}

static struct kunit_case cases[] = {
	KT_CASE(15, insert_in_a_range_returns_and_readers_wait),
	KT_CASE(15, insert_beside_a_range_can_be_read),
	KT_CASE(15, insert_locked_works_and_checks_bounds),
	KT_CASE(15, remove_in_a_range_returns),
	KT_CASE(15, remove_waits_for_own_callback),
	KT_CASE(15, remove_ignores_callback_of_another),
	KT_CASE(15, range_does_not_wait_for_remove),
	KT_CASE(15, insert_again_in_a_range),
	KT_CASE(15, neighbours_of_a_walk_may_be_freed),
	KT_CASE(15, interval_may_be_freed_after_its_callback),
	KT_CASE(15, readers_of_new_intervals_wait_for_the_walk),
	KT_CASE(15, remove_waits_for_two_callbacks),
	KT_CASE(15, remove_ignores_callback_of_the_next),
	KT_CASE(15, two_removes_wait_for_their_own_callbacks),
	KT_CASE(15, last_interval_may_be_freed_in_a_walk),
	KT_CASE(15, second_remove_is_reported),
	KT_CASE_PARAM(16, insert_checks_bounds, bounds_gen_params),
	KT_CASE_PARAM(16, ranges_call_exactly_the_overlapped_intervals, population_gen_params),
	KT_CASE(12, munmap_reaches_overlapping_interval_only),
	KT_CASE(06, interval_holds_mm_count_only),
	{}
};

struct kunit_suite mmun_interval_suite = {
	.name = "mmun_interval",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
