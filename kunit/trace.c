// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_trace: the events of the tracepoints. A case attaches functions of its own to
 * them, which note every event of the mms of the case.
 */

#include <linux/slab.h>
#include <trace/events/mmun.h>

#include "mmun_kunit.h"

enum what {
	RANGE_START, RANGE_END, CALLBACK, REFUSAL, ATTACH, DETACH, REGISTER, UNREGISTER,
	WAIT, ALL,
};

#define EVERYTHING	(BIT(ALL) - 1)

struct seen {
	enum what what;
	const void *mm;
	pid_t pid;
	unsigned long id, start, end;
	unsigned int event;
	bool blockable;
	unsigned int kind;		/* of the callback, the result, the subscription */
	const void *subscriber, *fn;
	int ret;
	bool flag;			/* timed, collides */
	u64 ns;
};

#define MOST	512

static struct {
	raw_spinlock_t lock;
	unsigned long on;		/* bits of enum what */
	unsigned int nr;
	struct seen *seen;
} notes = { .lock = __RAW_SPIN_LOCK_UNLOCKED(notes.lock) };

static void note(struct seen seen)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&notes.lock, flags);
	if (notes.nr < MOST)
		notes.seen[notes.nr] = seen;
	notes.nr++;
	raw_spin_unlock_irqrestore(&notes.lock, flags);
}

static struct seen of_range(enum what what, pid_t pid, unsigned long id,
			    const struct mmun_notifier_range *range)
{
	return (struct seen) {
		.what = what,
		.mm = range->mm,
		.pid = pid,
		.id = id,
		.start = range->start,
		.end = range->end,
		.event = range->event,
		.blockable = mmun_notifier_range_blockable(range),
	};
}

static void on_mmun_range_start(void *data, pid_t pid, unsigned long id,
				const struct mmun_notifier_range *range)
{
	note(of_range(RANGE_START, pid, id, range));
}

static void on_mmun_range_end(void *data, pid_t pid, unsigned long id,
			      const struct mmun_notifier_range *range,
			      enum mmun_trace_result result, bool timed, u64 ns)
{
	struct seen seen = of_range(RANGE_END, pid, id, range);

	seen.kind = result;
	seen.flag = timed;
	seen.ns = ns;
	note(seen);
}

static void on_mmun_callback(void *data, pid_t pid, unsigned long id,
			     const struct mmun_notifier_range *range,
			     enum mmun_trace_callback callback, const void *subscriber,
			     const void *fn, int ret, u64 ns)
{
	struct seen seen = of_range(CALLBACK, pid, id, range);

	seen.kind = callback;
	seen.subscriber = subscriber;
	seen.fn = fn;
	seen.ret = ret;
	seen.ns = ns;
	note(seen);
}

static void on_mmun_refusal(void *data, pid_t pid, unsigned long id,
			    const struct mmun_notifier_range *range,
			    const void *subscriber, const void *fn, int ret)
{
	struct seen seen = of_range(REFUSAL, pid, id, range);

	seen.subscriber = subscriber;
	seen.fn = fn;
	seen.ret = ret;
	note(seen);
}

static void on_mmun_attach(void *data, const struct mm_struct *mm, pid_t pid, int ret)
{
	note((struct seen) { .what = ATTACH, .mm = mm, .pid = pid, .ret = ret });
}

static void on_mmun_detach(void *data, const struct mm_struct *mm, pid_t pid)
{
	note((struct seen) { .what = DETACH, .mm = mm, .pid = pid });
}

static struct seen of_subscription(enum what what, const struct mm_struct *mm, pid_t pid,
				   enum mmun_trace_kind kind, const void *subscriber,
				   const void *ops, unsigned long start, unsigned long end)
{
	return (struct seen) {
		.what = what,
		.mm = mm,
		.pid = pid,
		.start = start,
		.end = end,
		.kind = kind,
		.subscriber = subscriber,
		.fn = ops,
	};
}

static void on_mmun_register(void *data, const struct mm_struct *mm, pid_t pid,
			     enum mmun_trace_kind kind, const void *subscriber,
			     const void *ops, unsigned long start, unsigned long end)
{
	note(of_subscription(REGISTER, mm, pid, kind, subscriber, ops, start, end));
}

static void on_mmun_unregister(void *data, const struct mm_struct *mm, pid_t pid,
			       enum mmun_trace_kind kind, const void *subscriber,
			       const void *ops, unsigned long start, unsigned long end)
{
	note(of_subscription(UNREGISTER, mm, pid, kind, subscriber, ops, start, end));
}

static void on_mmun_wait(void *data, const struct mm_struct *mm, pid_t pid,
			 const void *subscriber, unsigned long start, unsigned long end,
			 bool collides, u64 ns)
{
	note((struct seen) {
		.what = WAIT, .mm = mm, .pid = pid, .subscriber = subscriber,
		.start = start, .end = end, .flag = collides, .ns = ns,
	});
}

/* --- switching the events --- */

#define SWITCH(what, name)						\
	do {								\
		if (!(mask & BIT(what)))				\
			break;						\
		if (on)							\
			ret = ret ?: register_trace_##name(on_##name, NULL); \
		else							\
			unregister_trace_##name(on_##name, NULL);	\
	} while (0)

static int switch_events(unsigned long mask, bool on)
{
	int ret = 0;

	SWITCH(RANGE_START, mmun_range_start);
	SWITCH(RANGE_END, mmun_range_end);
	SWITCH(CALLBACK, mmun_callback);
	SWITCH(REFUSAL, mmun_refusal);
	SWITCH(ATTACH, mmun_attach);
	SWITCH(DETACH, mmun_detach);
	SWITCH(REGISTER, mmun_register);
	SWITCH(UNREGISTER, mmun_unregister);
	SWITCH(WAIT, mmun_wait);
	return ret;
}

static void enable(struct kunit *test, unsigned long mask)
{
	mask &= ~notes.on;
	KUNIT_ASSERT_EQ(test, switch_events(mask, true), 0);
	notes.on |= mask;
}

/* Of two events that were seen: sparse does not take two pointers for KUNIT_EXPECT_LT(). */
#define EXPECT_BEFORE(test, first, second)				\
	KUNIT_EXPECT_TRUE(test, (first) < (second))

/* When this returns, no event that is disabled comes any more. */
static void disable(unsigned long mask)
{
	switch_events(mask & notes.on, false);
	notes.on &= ~mask;
	tracepoint_synchronize_unregister();
}

static int trace_init(struct kunit *test)
{
	notes.seen = kcalloc(MOST, sizeof(*notes.seen), GFP_KERNEL);
	if (!notes.seen)
		return -ENOMEM;
	notes.nr = 0;
	notes.on = 0;
	return kt_init(test);
}

static void trace_exit(struct kunit *test)
{
	disable(EVERYTHING);
	kt_exit(test);
	kfree(notes.seen);
}

/* --- what was seen --- */

static unsigned int seen_so_far(void)
{
	unsigned long flags;
	unsigned int nr;

	raw_spin_lock_irqsave(&notes.lock, flags);
	nr = min_t(unsigned int, notes.nr, MOST);
	raw_spin_unlock_irqrestore(&notes.lock, flags);
	return nr;
}

/* Events of the kind @what on @mm, with that subscriber and number if they are not 0. */
static bool matches(const struct seen *seen, enum what what, const void *mm,
		    const void *subscriber, unsigned long id)
{
	return seen->what == what && seen->mm == mm &&
	       (!subscriber || seen->subscriber == subscriber) && (!id || seen->id == id);
}

static unsigned int count(enum what what, const void *mm, const void *subscriber,
			  unsigned long id)
{
	unsigned int i, nr = seen_so_far(), found = 0;

	for (i = 0; i < nr; i++)
		found += matches(&notes.seen[i], what, mm, subscriber, id);
	return found;
}

/* The last one of them, or the case ends here. */
static struct seen *last(struct kunit *test, enum what what, const void *mm,
			 const void *subscriber, unsigned long id)
{
	struct seen *found = NULL;
	unsigned int i, nr = seen_so_far();

	for (i = 0; i < nr; i++)
		if (matches(&notes.seen[i], what, mm, subscriber, id))
			found = &notes.seen[i];
	KUNIT_ASSERT_NOT_NULL_MSG(test, found, "no event %u", what);
	return found;
}

/* The callback of @subscriber of that kind, which was reported once. */
static struct seen *callback(struct kunit *test, const void *subscriber,
			     enum mmun_trace_callback kind)
{
	unsigned int i, nr = seen_so_far(), n = 0;
	struct seen *found = NULL;

	for (i = 0; i < nr; i++) {
		if (notes.seen[i].what != CALLBACK || notes.seen[i].kind != kind ||
		    notes.seen[i].subscriber != subscriber)
			continue;
		found = &notes.seen[i];
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, 1U);
	KUNIT_ASSERT_NOT_NULL_MSG(test, found, "no call of kind %u", kind);
	return found;
}

/* Is @seen about @range? */
static void expect_range(struct kunit *test, const struct seen *seen,
			 const struct kt_range *range)
{
	KUNIT_EXPECT_PTR_EQ(test, seen->mm, (const void *)range->kernel.mm);
	KUNIT_EXPECT_EQ(test, seen->start, range->kernel.start);
	KUNIT_EXPECT_EQ(test, seen->end, range->kernel.end);
	KUNIT_EXPECT_EQ(test, seen->event, (unsigned int)range->kernel.event);
	KUNIT_EXPECT_EQ(test, seen->blockable, range->blockable);
	KUNIT_EXPECT_GT(test, seen->pid, 0);
}

static void expect_end(struct kunit *test, const struct seen *end,
		       enum mmun_trace_result result, bool timed)
{
	KUNIT_EXPECT_EQ(test, end->kind, (unsigned int)result);
	KUNIT_EXPECT_EQ(test, end->flag, timed);
	if (!timed)
		KUNIT_EXPECT_EQ(test, end->ns, 0ULL);
}

/* --- ranges --- */

KT_NAMED_PARAM(block, kt_blocks);

KT_NAMED_PARAM(way, kt_ways);

/* So that the mm has a table of times, which a range that may not block does not make. */
static void make_table(struct kunit *test, struct mm_struct *mm)
{
	enable(test, BIT(RANGE_END));
	kt_end(kt_begin(test, mm, 0, 1));
}

/*
 * The start and the end of a range are reported, with the same number, in this order
 * around its callbacks; the end has the duration.
 */
static void range_and_callbacks_are_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range = kt_block_of(test) ? kt_blockable(test, mm, FROM, TO) :
						     kt_nonblock(test, mm, FROM, TO);
	struct seen *start, *end, *seen;
	u64 before, begun, ending;

	make_table(test, mm);
	enable(test, EVERYTHING);
	before = ktime_get_ns();
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	begun = ktime_get_ns();
	ending = ktime_get_ns();
	kt_end(range);

	start = last(test, RANGE_START, mm, NULL, 0);
	expect_range(test, start, range);
	end = last(test, RANGE_END, mm, NULL, start->id);
	expect_range(test, end, range);
	expect_end(test, end, MMUN_TRACE_DONE, true);
	KUNIT_EXPECT_GE(test, end->ns, ending - begun);
	KUNIT_EXPECT_LE(test, end->ns, ktime_get_ns() - before);
	KUNIT_EXPECT_EQ(test, count(RANGE_START, mm, NULL, 0), 1U);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, start->id), 1U);

	seen = callback(test, &interval->mni, MMUN_TRACE_INVALIDATE);
	expect_range(test, seen, range);
	KUNIT_EXPECT_EQ(test, seen->id, start->id);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn, (const void *)interval->mni.ops->invalidate);
	KUNIT_EXPECT_EQ(test, seen->ret, 0);
	EXPECT_BEFORE(test, start, seen);

	EXPECT_BEFORE(test, seen, callback(test, &sub->mn, MMUN_TRACE_START));
	seen = callback(test, &sub->mn, MMUN_TRACE_START);
	expect_range(test, seen, range);
	KUNIT_EXPECT_EQ(test, seen->id, start->id);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn,
			    (const void *)kt_range_ops.invalidate_range_start);
	KUNIT_EXPECT_EQ(test, seen->ret, 0);

	EXPECT_BEFORE(test, seen, callback(test, &sub->mn, MMUN_TRACE_END));
	seen = callback(test, &sub->mn, MMUN_TRACE_END);
	expect_range(test, seen, range);
	KUNIT_EXPECT_EQ(test, seen->id, start->id);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn, (const void *)kt_range_ops.invalidate_range_end);
	EXPECT_BEFORE(test, seen, end);
	KUNIT_EXPECT_EQ(test, count(REFUSAL, mm, NULL, 0), 0U);
	kt_expect_quiet(test, sub);
}

/* A range that calls nobody is reported just so, and its slot is free afterwards. */
static void range_without_callbacks_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *elsewhere = kt_insert_logged(test, mm, TO * 2, TO * 3);
	struct kt_range *range;
	struct seen *start;

	enable(test, EVERYTHING);
	range = kt_begin(test, mm, FROM, TO);
	start = last(test, RANGE_START, mm, NULL, 0);
	expect_range(test, start, range);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, 0), 0U);
	kt_end(range);
	expect_end(test, last(test, RANGE_END, mm, NULL, start->id), MMUN_TRACE_DONE, true);
	KUNIT_EXPECT_EQ(test, count(CALLBACK, mm, NULL, 0), 0U);
	kt_expect_quiet(test, elsewhere);
}

/* Nested ranges, and those of another mm, have durations of their own. */
static void nested_ranges_have_their_own_durations(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *other = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *outer, *inner, *foreign;
	struct seen *first, *second, *third;
	u64 began, ended, short_for;

	kt_register_logged(test, other);
	enable(test, BIT(RANGE_START) | BIT(RANGE_END));
	outer = kt_begin(test, mm, FROM, TO);
	first = last(test, RANGE_START, mm, NULL, 0);
	foreign = kt_begin(test, other, FROM, TO);
	third = last(test, RANGE_START, other, NULL, 0);
	kt_spin_until(false, 2);
	began = ktime_get_ns();
	inner = kt_begin(test, mm, FROM, FROM + 1);
	second = last(test, RANGE_START, mm, NULL, 0);
	kt_end(inner);
	ended = ktime_get_ns();
	kt_end(outer);
	kt_end(foreign);

	KUNIT_EXPECT_NE(test, first->id, second->id);
	short_for = last(test, RANGE_END, mm, NULL, second->id)->ns;
	KUNIT_EXPECT_LE(test, short_for, ended - began);
	KUNIT_EXPECT_GE(test, last(test, RANGE_END, mm, NULL, first->id)->ns,
			short_for + 2 * NSEC_PER_MSEC);
	KUNIT_EXPECT_GE(test, last(test, RANGE_END, other, NULL, third->id)->ns,
			short_for + 2 * NSEC_PER_MSEC);
	kt_expect_quiet(test, sub);
}

/*
 * Whose start was not seen has no duration: the event was enabled in the middle, also
 * when the slot has the time of an older range.
 */
static void range_enabled_in_the_middle_has_no_duration(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range;
	int round;

	for (round = 0; round < 2; round++) {
		/* In the second round the slot has a time. */
		range = kt_begin(test, mm, FROM, TO);
		enable(test, BIT(RANGE_END));
		kt_end(range);
		expect_end(test, last(test, RANGE_END, mm, NULL, 0), MMUN_TRACE_DONE, false);
		kt_end(kt_begin(test, mm, FROM, TO));
		expect_end(test, last(test, RANGE_END, mm, NULL, 0), MMUN_TRACE_DONE, true);
		disable(BIT(RANGE_END));
	}
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, 0), 4U);
	kt_expect_quiet(test, sub);
}

/* Disabled and enabled again in the middle, the duration is from the real start. */
static void range_disabled_for_a_while_has_its_duration(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range, *other;
	struct seen *end;
	u64 began, before;

	enable(test, BIT(RANGE_END));
	before = ktime_get_ns();
	range = kt_begin(test, mm, FROM, TO);
	began = ktime_get_ns();
	disable(BIT(RANGE_END));
	other = kt_begin(test, mm, TO, TO + 1);
	kt_end(other);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, 0), 0U);
	kt_spin_until(false, 2);
	enable(test, BIT(RANGE_END));
	kt_end(range);
	end = last(test, RANGE_END, mm, NULL, 0);
	expect_range(test, end, range);
	expect_end(test, end, MMUN_TRACE_DONE, true);
	KUNIT_EXPECT_GE(test, end->ns, 2 * NSEC_PER_MSEC);
	KUNIT_EXPECT_LE(test, end->ns, ktime_get_ns() - before);
	KUNIT_EXPECT_GE(test, ktime_get_ns() - began, end->ns - (began - before));
	kt_expect_quiet(test, sub);
}

/*
 * Ranges that find no slot are reported as well: those with a record with number and
 * duration, unless the event is enabled in the middle; those in overflow without.
 */
static void ranges_without_slot_are_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), TO * 2, 0);
	struct kt_range *early, *record, *overflow;
	struct seen *start, *end;

	mmun_kunit_no_records = false;
	early = kt_begin(test, mm, 0, 1);
	enable(test, EVERYTHING & ~BIT(CALLBACK));
	record = kt_begin(test, mm, FROM, TO);
	start = last(test, RANGE_START, mm, NULL, 0);
	expect_range(test, start, record);
	mmun_kunit_no_records = true;
	overflow = kt_begin(test, mm, FROM, TO + 1);
	expect_range(test, last(test, RANGE_START, mm, NULL, 0), overflow);

	enable(test, EVERYTHING);
	kt_end(overflow);
	end = last(test, RANGE_END, mm, NULL, 0);
	expect_range(test, end, overflow);
	expect_end(test, end, MMUN_TRACE_DONE, false);
	KUNIT_EXPECT_EQ(test, end->id, 0UL);
	KUNIT_EXPECT_EQ(test, callback(test, &sub->mn, MMUN_TRACE_END)->id, 0UL);
	disable(BIT(CALLBACK));
	kt_end(record);
	expect_end(test, last(test, RANGE_END, mm, NULL, start->id), MMUN_TRACE_DONE, true);
	kt_end(early);
	expect_end(test, last(test, RANGE_END, mm, NULL, 0), MMUN_TRACE_DONE, false);
	kt_end_many(many);
	kt_expect_quiet(test, sub);
}

/* --- refusals --- */

/*
 * A refused range: the callback that refused has its answer, the refusal is reported
 * with its function, those that accepted get their end, and the range ends as refused.
 */
static void refusal_of_a_list_subscriber_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *good = kt_register_logged(test, mm);
	struct kt_sub *bad = kt_register_logged(test, mm);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct seen *start, *refusal, *end;

	make_table(test, mm);
	bad->refuse = -EAGAIN;
	enable(test, EVERYTHING);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);

	start = last(test, RANGE_START, mm, NULL, 0);
	KUNIT_EXPECT_EQ(test, callback(test, &bad->mn, MMUN_TRACE_START)->ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, callback(test, &good->mn, MMUN_TRACE_START)->ret, 0);
	refusal = last(test, REFUSAL, mm, NULL, 0);
	expect_range(test, refusal, range);
	KUNIT_EXPECT_EQ(test, refusal->id, start->id);
	KUNIT_EXPECT_PTR_EQ(test, refusal->subscriber, (const void *)&bad->mn);
	KUNIT_EXPECT_PTR_EQ(test, refusal->fn,
			    (const void *)kt_range_ops.invalidate_range_start);
	KUNIT_EXPECT_EQ(test, refusal->ret, -EAGAIN);
	KUNIT_EXPECT_EQ(test, count(REFUSAL, mm, NULL, 0), 1U);
	end = last(test, RANGE_END, mm, NULL, start->id);
	expect_end(test, end, MMUN_TRACE_REFUSED, true);
	EXPECT_BEFORE(test, callback(test, &good->mn, MMUN_TRACE_END), end);
	EXPECT_BEFORE(test, refusal, end);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, start->id), 1U);
	kt_expect_quiet(test, good);
}

/* An interval that refuses returns false, which is reported as -EAGAIN. */
static void refusal_of_an_interval_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct seen *refusal;

	interval->refuse = true;
	enable(test, EVERYTHING);
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, callback(test, &interval->mni, MMUN_TRACE_INVALIDATE)->ret,
			-EAGAIN);
	refusal = last(test, REFUSAL, mm, &interval->mni, 0);
	KUNIT_EXPECT_PTR_EQ(test, refusal->fn, (const void *)interval->mni.ops->invalidate);
	/* The first range of the mm: there is no table of times yet. */
	expect_end(test, last(test, RANGE_END, mm, NULL, refusal->id), MMUN_TRACE_REFUSED,
		   false);
	KUNIT_EXPECT_EQ(test, count(CALLBACK, mm, &sub->mn, 0), 0U);
	kt_expect_quiet(test, sub);
}

/* An error in a range that may block is reported, and the range goes on. */
static void ignored_error_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range;
	struct seen *refusal;

	sub->fail = -ENOMEM;
	enable(test, EVERYTHING);
	range = kt_begin(test, mm, FROM, TO);
	refusal = last(test, REFUSAL, mm, &sub->mn, 0);
	expect_range(test, refusal, range);
	KUNIT_EXPECT_EQ(test, refusal->ret, -ENOMEM);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, 0), 0U);
	kt_end(range);
	expect_end(test, last(test, RANGE_END, mm, NULL, refusal->id), MMUN_TRACE_DONE, true);
	kt_expect_quiet(test, sub);
}

/* Without a slot mmun itself refuses: no function, no start and no end are reported. */
static void refusal_without_slot_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), TO * 2, 0);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct seen *refusal;

	enable(test, EVERYTHING);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	refusal = last(test, REFUSAL, mm, NULL, 0);
	expect_range(test, refusal, range);
	KUNIT_EXPECT_NULL(test, refusal->fn);
	KUNIT_EXPECT_NULL(test, refusal->subscriber);
	KUNIT_EXPECT_EQ(test, count(RANGE_START, mm, NULL, 0), 0U);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, 0), 0U);
	kt_end_many(many);
	kt_expect_quiet(test, sub);
}

/* A range that another notifier refuses ends once, as an orphan, after its ends. */
static void orphan_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range;
	struct seen *start;

	make_table(test, mm);
	enable(test, EVERYTHING);
	range = kt_accept(test, mm, FROM, TO);
	start = last(test, RANGE_START, mm, NULL, 0);
	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, !kt_state(sub).busy);
	expect_end(test, last(test, RANGE_END, mm, NULL, start->id), MMUN_TRACE_ORPHAN, true);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, start->id), 1U);
	EXPECT_BEFORE(test, callback(test, &sub->mn, MMUN_TRACE_END),
		      last(test, RANGE_END, mm, NULL, start->id));
	kt_expect_quiet(test, sub);
}

/* --- callbacks --- */

/* A callback that began before the event was enabled, or ends after that, has none. */
static void callback_enabled_in_the_middle_is_not_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	struct kt_actor *actor;
	u64 held, before;
	struct seen *seen;

	actor = kt_do_to_gate(test, &sub->start, NULL, KT_START, range);
	enable(test, BIT(CALLBACK));
	kt_gate_open(&sub->start);
	kt_join(test, actor);
	KUNIT_EXPECT_EQ(test, count(CALLBACK, mm, NULL, 0), 0U);

	actor = kt_do_to_gate(test, &sub->end, NULL, KT_END, range);
	disable(BIT(CALLBACK));
	kt_gate_open(&sub->end);
	kt_join(test, actor);
	KUNIT_EXPECT_EQ(test, count(CALLBACK, mm, NULL, 0), 0U);

	/* And one that is held while it is enabled is as long as it was held. */
	enable(test, BIT(CALLBACK));
	range = kt_blockable(test, mm, FROM, TO);
	before = ktime_get_ns();
	actor = kt_do_to_gate(test, &sub->start, NULL, KT_START, range);
	held = ktime_get_ns();
	kt_spin_until(false, 2);
	held = ktime_get_ns() - held;
	kt_gate_open(&sub->start);
	kt_join(test, actor);
	seen = callback(test, &sub->mn, MMUN_TRACE_START);
	KUNIT_EXPECT_GE(test, seen->ns, held);
	KUNIT_EXPECT_LE(test, seen->ns, ktime_get_ns() - before);
	kt_end(range);
	kt_expect_quiet(test, sub);
}

/* An interval with two passes. */
struct passes {
	struct mmun_interval_notifier mni;
	struct mmun_interval_notifier_finish finish;
	raw_spinlock_t lock;
};

static bool passes_start(struct mmun_interval_notifier *mni,
			 const struct mmun_notifier_range *range, unsigned long cur_seq,
			 struct mmun_interval_notifier_finish **finish)
{
	struct passes *passes = container_of(mni, struct passes, mni);

	raw_spin_lock(&passes->lock);
	mmun_interval_set_seq(mni, cur_seq);
	raw_spin_unlock(&passes->lock);
	*finish = &passes->finish;
	return true;
}

static void passes_finish(struct mmun_interval_notifier_finish *finish)
{
	/* mmun has to have read it. */
	memset(finish, 0, sizeof(*finish));
}

static const struct mmun_interval_notifier_ops passes_ops = {
	.invalidate_start = passes_start,
	.invalidate_finish = passes_finish,
};

/* Both passes of an interval are reported, with the function of each. */
static void both_passes_are_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct passes *passes = kt_new(test, sizeof(*passes));
	struct kt_range *range = kt_blockable(test, mm, FROM, TO);
	struct seen *first, *second;
	int ret;

	raw_spin_lock_init(&passes->lock);
	enable(test, EVERYTHING);
	ret = mmun_interval_notifier_insert(&passes->mni, mm, FROM, TO - FROM, &passes_ops);
	KUNIT_ASSERT_EQ(test, ret, 0);
	ret = kt_start(range);
	mmun_interval_notifier_remove(&passes->mni);
	KUNIT_EXPECT_EQ(test, ret, 0);
	kt_end(range);
	first = callback(test, &passes->mni, MMUN_TRACE_FIRST_PASS);
	KUNIT_EXPECT_PTR_EQ(test, first->fn, (const void *)passes_start);
	expect_range(test, first, range);
	second = callback(test, &passes->mni, MMUN_TRACE_SECOND_PASS);
	KUNIT_EXPECT_PTR_EQ(test, second->fn, (const void *)passes_finish);
	expect_range(test, second, range);
	KUNIT_EXPECT_EQ(test, second->id, first->id);
	EXPECT_BEFORE(test, first, second);
}

/* The young queries and the flush of a secondary TLB are reported, with the answer. */
static void queries_are_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *young = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *tlb = kt_register(test, mm, &kt_tlb_ops);
	struct seen *seen;

	enable(test, EVERYTHING);
	young->young = true;
	KUNIT_EXPECT_TRUE(test, mmun_kunit_clear_flush_young(mm, FROM, TO));
	seen = callback(test, &young->mn, MMUN_TRACE_CLEAR_FLUSH_YOUNG);
	KUNIT_EXPECT_EQ(test, seen->ret, 1);
	KUNIT_EXPECT_EQ(test, seen->start, FROM);
	KUNIT_EXPECT_EQ(test, seen->end, TO);
	KUNIT_EXPECT_EQ(test, seen->event, (unsigned int)MMUN_TRACE_NO_EVENT);
	KUNIT_EXPECT_FALSE(test, seen->blockable);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn, (const void *)kt_young_ops.clear_flush_young);
	young->young = false;
	KUNIT_EXPECT_FALSE(test, mmun_kunit_clear_young(mm, FROM, TO));
	seen = callback(test, &young->mn, MMUN_TRACE_CLEAR_YOUNG);
	KUNIT_EXPECT_EQ(test, seen->ret, 0);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn, (const void *)kt_young_ops.clear_young);
	KUNIT_EXPECT_FALSE(test, mmun_kunit_test_young(mm, FROM));
	seen = callback(test, &young->mn, MMUN_TRACE_TEST_YOUNG);
	KUNIT_EXPECT_EQ(test, seen->start, FROM);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn, (const void *)kt_young_ops.test_young);
	mmun_kunit_flush_tlb(mm, FROM, TO);
	seen = callback(test, &tlb->mn, MMUN_TRACE_TLBS);
	KUNIT_EXPECT_EQ(test, seen->end, TO);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn,
			    (const void *)kt_tlb_ops.arch_invalidate_secondary_tlbs);
	/* None of them is a range. */
	KUNIT_EXPECT_EQ(test, count(RANGE_START, mm, NULL, 0), 0U);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, 0), 0U);
}

/* --- lifetimes --- */

/*
 * A subscriber's registration is reported before its callbacks, and its leaving after
 * them, also after the end that it was still owed.
 */
static void leaving_is_reported_after_the_last_callback(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub;
	struct kt_range *range;
	struct seen *joined, *left;

	enable(test, EVERYTHING);
	sub = kt_join_for_way(test, mm);
	range = kt_begin(test, mm, FROM, TO);
	joined = last(test, REGISTER, mm, &sub->mn, 0);
	KUNIT_EXPECT_EQ(test, joined->kind, kt_way_of(test) == KT_PUT ?
			(unsigned int)MMUN_TRACE_GOT : (unsigned int)MMUN_TRACE_LIST);
	KUNIT_EXPECT_EQ(test, joined->start, 0UL);
	KUNIT_EXPECT_EQ(test, joined->end, ULONG_MAX);
	KUNIT_EXPECT_PTR_EQ(test, joined->fn, (const void *)sub->mn.ops);
	EXPECT_BEFORE(test, joined, callback(test, &sub->mn, MMUN_TRACE_START));

	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	left = last(test, UNREGISTER, mm, &sub->mn, 0);
	KUNIT_EXPECT_EQ(test, left->kind, joined->kind);
	KUNIT_EXPECT_EQ(test, count(UNREGISTER, mm, &sub->mn, 0), 1U);
	EXPECT_BEFORE(test, callback(test, &sub->mn, MMUN_TRACE_END), left);
	KUNIT_EXPECT_EQ(test, callback(test, &sub->mn, MMUN_TRACE_END)->id,
			callback(test, &sub->mn, MMUN_TRACE_START)->id);
	if (kt_way_of(test) == KT_UNREGISTER)
		EXPECT_BEFORE(test, callback(test, &sub->mn, MMUN_TRACE_RELEASE), left);
	kt_end(range);
	kt_end(kt_begin(test, mm, FROM, TO));
	EXPECT_BEFORE(test, last(test, CALLBACK, mm, &sub->mn, 0), left);
	kt_expect_quiet(test, other);
}

/* An interval's insert and remove are reported with its bounds, around its callbacks. */
static void insert_and_remove_are_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval;
	struct seen *seen;

	enable(test, EVERYTHING);
	interval = kt_insert_logged(test, mm, FROM, TO);
	kt_end(kt_begin(test, mm, FROM, TO));
	kt_remove(interval);
	seen = last(test, REGISTER, mm, &interval->mni, 0);
	KUNIT_EXPECT_EQ(test, seen->kind, (unsigned int)MMUN_TRACE_INTERVAL);
	KUNIT_EXPECT_EQ(test, seen->start, FROM);
	KUNIT_EXPECT_EQ(test, seen->end, TO);
	EXPECT_BEFORE(test, seen, callback(test, &interval->mni, MMUN_TRACE_INVALIDATE));
	seen = last(test, UNREGISTER, mm, &interval->mni, 0);
	KUNIT_EXPECT_EQ(test, seen->end, TO);
	EXPECT_BEFORE(test, callback(test, &interval->mni, MMUN_TRACE_INVALIDATE), seen);
	KUNIT_EXPECT_EQ(test, count(UNREGISTER, mm, NULL, 0), 1U);
}

/*
 * A mm's attach comes first, and its detach last, when everything has left. The exit
 * reports the release, and the ranges that it ends.
 */
static void attach_exit_and_detach_are_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct seen *attach, *start, *seen;
	struct kt_interval *interval;
	unsigned int i, nr;
	struct kt_range *range;
	struct kt_sub *sub;

	enable(test, EVERYTHING);
	sub = kt_register_logged(test, mm);
	interval = kt_insert_logged(test, mm, FROM, TO);
	attach = last(test, ATTACH, mm, NULL, 0);
	KUNIT_EXPECT_EQ(test, attach->ret, 0);
	range = kt_begin(test, mm, FROM, TO);
	start = last(test, RANGE_START, mm, NULL, 0);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);

	seen = callback(test, &sub->mn, MMUN_TRACE_RELEASE);
	KUNIT_EXPECT_PTR_EQ(test, seen->fn, (const void *)kt_range_ops.release);
	KUNIT_EXPECT_EQ(test, seen->event, (unsigned int)MMUN_NOTIFY_RELEASE);
	seen = last(test, CALLBACK, mm, &interval->mni, 0);
	KUNIT_EXPECT_EQ(test, seen->event, (unsigned int)MMUN_NOTIFY_RELEASE);
	seen = last(test, RANGE_END, mm, NULL, start->id);
	expect_end(test, seen, MMUN_TRACE_CLOSED, true);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, count(RANGE_END, mm, NULL, start->id), 1U);
	KUNIT_EXPECT_EQ(test, count(DETACH, mm, NULL, 0), 0U);

	kt_unregister(sub);
	kt_remove(interval);
	KT_ASSERT_UNTIL(test, count(DETACH, mm, NULL, 0));
	KUNIT_EXPECT_EQ(test, count(DETACH, mm, NULL, 0), 1U);
	seen = last(test, DETACH, mm, NULL, 0);
	KUNIT_EXPECT_EQ(test, seen->pid, attach->pid);
	nr = seen_so_far();
	for (i = 0; i < nr; i++) {
		if (notes.seen[i].mm != mm)
			continue;
		KUNIT_EXPECT_EQ(test, notes.seen[i].pid, attach->pid);
		KUNIT_EXPECT_TRUE(test, attach <= &notes.seen[i] && &notes.seen[i] <= seen);
	}
	KUNIT_EXPECT_GT(test, attach->pid, 0);
}

/* --- readers --- */

/*
 * A reader that has slept is reported with how long; one that did not sleep, or that
 * slept already when the event was enabled, is not.
 */
static void waiting_reader_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range = kt_begin(test, mm, FROM, FROM + 1);
	struct kt_actor *reader;
	struct seen *seen;
	u64 before, held;

	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);
	enable(test, EVERYTHING);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, count(WAIT, mm, NULL, 0), 0U);

	kt_read_now(test, interval);
	range = kt_begin(test, mm, TO, TO + 1);
	kt_read_now(test, interval);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, count(WAIT, mm, NULL, 0), 0U);

	range = kt_begin(test, mm, FROM, FROM + 1);
	before = ktime_get_ns();
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);
	held = ktime_get_ns();
	kt_spin_until(false, 2);
	held = ktime_get_ns() - held;
	kt_end(range);
	kt_join(test, reader);
	seen = last(test, WAIT, mm, &interval->mni, 0);
	KUNIT_EXPECT_EQ(test, count(WAIT, mm, NULL, 0), 1U);
	KUNIT_EXPECT_EQ(test, seen->start, FROM);
	KUNIT_EXPECT_EQ(test, seen->end, TO);
	KUNIT_EXPECT_FALSE(test, seen->flag);
	KUNIT_EXPECT_GE(test, seen->ns, held);
	KUNIT_EXPECT_LE(test, seen->ns, ktime_get_ns() - before);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
}

/* A reader beside a range that may still be refused is reported, and that it collides. */
static void colliding_reader_is_reported(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range;

	enable(test, EVERYTHING);
	range = kt_accept(test, mm, FROM, TO);
	KUNIT_EXPECT_TRUE(test, kt_read_collides(test, interval));
	KUNIT_EXPECT_TRUE(test, last(test, WAIT, mm, &interval->mni, 0)->flag);
	mmun_kunit_confirm(&range->kernel);
	kt_end(range);
	kt_expect_quiet(test, interval);
}

/*
 * Enabled and disabled among the ranges of several tasks, no end has a wrong duration. All
 * run on one processor: to enable an event patches the core's text, and an emulated
 * processor beside this one may go on executing the breakpoint that the patching puts there.
 */
static void events_switched_among_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	u64 began = ktime_get_ns(), whole;
	unsigned int here = kt_pin(test);
	struct kt_actor *actor[3];
	unsigned int i, nr;

	for (i = 0; i < ARRAY_SIZE(actor); i++) {
		actor[i] = kt_prepare(test, NULL, KT_START_END,
				      kt_blockable(test, mm, FROM, TO));
		actor[i]->times = 300;
		actor[i]->cpu = here;
		kt_go(actor[i]);
	}
	for (i = 0; i < 20; i++) {
		enable(test, BIT(RANGE_START) | BIT(RANGE_END) | BIT(CALLBACK));
		disable(i & 1 ? BIT(RANGE_END) : BIT(CALLBACK) | BIT(RANGE_START));
	}
	for (i = 0; i < ARRAY_SIZE(actor); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, actor[i]), 0);
	disable(EVERYTHING);
	whole = ktime_get_ns() - began;
	nr = seen_so_far();
	for (i = 0; i < nr; i++) {
		KUNIT_EXPECT_LE(test, notes.seen[i].ns, whole);
		if (notes.seen[i].what == RANGE_END && !notes.seen[i].flag)
			KUNIT_EXPECT_EQ(test, notes.seen[i].ns, 0ULL);
	}
	kt_expect_quiet(test, sub);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(00, range_and_callbacks_are_reported, block_gen_params),
	KT_CASE(00, range_without_callbacks_is_reported),
	KT_CASE(00, nested_ranges_have_their_own_durations),
	KT_CASE(00, range_enabled_in_the_middle_has_no_duration),
	KT_CASE(00, range_disabled_for_a_while_has_its_duration),
	KT_CASE(00, ranges_without_slot_are_reported),
	KT_CASE(00, refusal_of_a_list_subscriber_is_reported),
	KT_CASE(00, refusal_of_an_interval_is_reported),
	KT_CASE(00, ignored_error_is_reported),
	KT_CASE(00, refusal_without_slot_is_reported),
	KT_CASE(00, orphan_is_reported),
	KT_CASE(00, callback_enabled_in_the_middle_is_not_reported),
	KT_CASE(00, both_passes_are_reported),
	KT_CASE(00, queries_are_reported),
	KT_CASE_PARAM(00, leaving_is_reported_after_the_last_callback, way_gen_params),
	KT_CASE(00, insert_and_remove_are_reported),
	KT_CASE(00, attach_exit_and_detach_are_reported),
	KT_CASE(00, waiting_reader_is_reported),
	KT_CASE(00, colliding_reader_is_reported),
	KT_CASE(00, events_switched_among_ranges),
	{}
};

struct kunit_suite mmun_trace_suite = {
	.name = "mmun_trace",
	.init = trace_init,
	.exit = trace_exit,
	.test_cases = cases,
};
