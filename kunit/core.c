// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_core: list subscriptions hear what they are owed, and no more.
 *
 * In a walk the youngest subscriber is called first.
 */

#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "mmun_kunit.h"

/* The range of most cases. */
#define FROM	0x10000UL
#define TO	0x20000UL

/* What a task of a case uses lives as long as the case, also if it fails. */
static void *new(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static int starts(struct kt_sub *sub)
{
	return atomic_read(&sub->starts);
}

static int ends(struct kt_sub *sub)
{
	return atomic_read(&sub->ends);
}

static int releases(struct kt_sub *sub)
{
	return atomic_read(&sub->releases);
}

static struct mmun_kunit_state look(struct kt_sub *sub)
{
	struct mmun_kunit_state state;

	mmun_kunit_look(sub->mn.subs, &state);
	return state;
}

static unsigned int waiters(struct kt_sub *sub)
{
	return kt_waiters(sub->mn.subs);
}

/* Nothing is in flight, nothing is owed, nobody waits. */
static void expect_quiet(struct kunit *test, struct kt_sub *sub)
{
	struct mmun_kunit_state state;

	/* A leaver or a worker may still be on its way out. */
	KT_ASSERT_UNTIL(test, !look(sub).busy);
	state = look(sub);
	KUNIT_EXPECT_EQ(test, state.active, 0U);
	KUNIT_EXPECT_EQ(test, state.provisional, 0U);
	KUNIT_EXPECT_EQ(test, state.overflow, 0U);
	KUNIT_EXPECT_EQ(test, state.invalidating, 0U);
	KUNIT_EXPECT_EQ(test, state.waiters, 0U);
}

/* --- what was heard, in order --- */

enum what { START, END, RELEASE, INVALIDATE };

struct entry {
	const void *who;
	enum what what;
	struct mmun_notifier_range range;
	int non_block;			/* sleeping is checked */
};

static struct entry heard[512];
static unsigned int nr_heard, unheard;
static DEFINE_RAW_SPINLOCK(heard_lock);

static void hear(const void *who, enum what what,
		 const struct mmun_notifier_range *range)
{
	struct entry *entry;

	raw_spin_lock(&heard_lock);
	if (nr_heard < ARRAY_SIZE(heard)) {
		entry = &heard[nr_heard++];
		entry->who = who;
		entry->what = what;
		entry->range = *range;
		entry->non_block = kt_non_block();
	} else {
		unheard++;
	}
	raw_spin_unlock(&heard_lock);
}

static void hear_start(struct kt_sub *sub,
		       const struct mmun_notifier_range *range)
{
	hear(sub, START, range);
}

static void hear_end(struct kt_sub *sub,
		     const struct mmun_notifier_range *range)
{
	hear(sub, END, range);
}

static void hear_release(struct kt_sub *sub)
{
	const struct mmun_notifier_range none = {};

	hear(sub, RELEASE, &none);
}

static struct kt_sub *logged(struct kt_sub *sub)
{
	sub->on_start = hear_start;
	sub->on_end = hear_end;
	sub->on_release = hear_release;
	return sub;
}

static struct kt_sub *sub_of_range(struct kunit *test, struct mm_struct *mm)
{
	return logged(kt_register(test, mm, &kt_range_ops));
}

static bool is_about(const struct entry *entry, const void *who, enum what what,
		     const struct kt_range *range)
{
	return entry->who == who && entry->what == what &&
	       (!range || (entry->range.start == range->kernel.start &&
			   entry->range.end == range->kernel.end));
}

/* How often; of any range if @range is NULL. */
static int times(const void *who, enum what what, const struct kt_range *range)
{
	unsigned int i;
	int n = 0;

	raw_spin_lock(&heard_lock);
	for (i = 0; i < nr_heard; i++)
		n += is_about(&heard[i], who, what, range);
	raw_spin_unlock(&heard_lock);
	return n;
}

/* Where in the order it was heard first, or -1. */
static int place(const void *who, enum what what, const struct kt_range *range)
{
	int i, at = -1;

	raw_spin_lock(&heard_lock);
	for (i = 0; i < (int)nr_heard && at < 0; i++)
		if (is_about(&heard[i], who, what, range))
			at = i;
	raw_spin_unlock(&heard_lock);
	return at;
}

static int non_block_at(const void *who, enum what what)
{
	int at = place(who, what, NULL);

	return at < 0 ? -1 : heard[at].non_block;
}

/* --- intervals that take part in it --- */

static bool hear_invalidate(struct mmun_interval_notifier *mni,
			    const struct mmun_notifier_range *range,
			    unsigned long cur_seq)
{
	struct kt_interval *interval = container_of(mni, struct kt_interval,
						    mni);

	hear(interval, INVALIDATE, range);
	return kt_interval_ops.invalidate(mni, range, cur_seq);
}

static const struct mmun_interval_notifier_ops logged_interval_ops = {
	.invalidate = hear_invalidate,
};

static struct kt_interval *insert(struct kunit *test, struct mm_struct *mm,
				  unsigned long from, unsigned long to)
{
	struct kt_interval *interval = kt_interval(test);

	KUNIT_ASSERT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm, from,
						      to - from,
						      &logged_interval_ops),
			0);
	interval->inserted = true;
	return interval;
}

struct reader {
	struct kt_interval *interval;
	struct kt_task *task;
	unsigned long seq;
};

static int read_task(void *arg)
{
	struct reader *reader = arg;

	reader->seq = mmun_interval_read_begin(&reader->interval->mni);
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

/* A read section that must not wait: does it collide? */
static bool read_collides(struct kunit *test, struct kt_interval *interval)
{
	struct reader *reader = read_beside(test, interval);

	kt_join(test, reader->task);
	return kt_retry(interval, reader->seq);
}

static int remove_task(void *arg)
{
	kt_remove(arg);
	return 0;
}

static void remove_now(struct kunit *test, struct kt_interval *interval)
{
	kt_join(test, kt_run(test, remove_task, interval));
}

/* --- ranges --- */

static struct kt_range *range_of(struct kunit *test, struct mm_struct *mm,
				 unsigned long from, unsigned long to)
{
	return kt_range(test, mm, from, to, true, MMUN_NOTIFY_CLEAR);
}

static struct kt_range *non_block_range(struct kunit *test,
					struct mm_struct *mm)
{
	return kt_range(test, mm, FROM, TO, false, MMUN_NOTIFY_UNMAP);
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

static int exit_task(void *arg)
{
	struct kt_sub *sub = arg;

	kt_mm_exit(sub->test, sub->mn.mm);
	return 0;
}

static int end_task(void *arg)
{
	kt_end(arg);
	return 0;
}

/* A range whose start stands at @gate. */
static struct kt_range *start_at_gate(struct kunit *test, struct mm_struct *mm,
				      struct kt_gate *gate,
				      struct kt_task **task)
{
	struct kt_range *range = range_of(test, mm, FROM, TO);

	kt_gate_close(gate);
	*task = kt_run(test, start_task, range);
	kt_gate_wait(test, gate);
	return range;
}

/* One that may not block; mmun has agreed, and nobody else has been asked. */
static struct kt_range *accept(struct kunit *test, struct mm_struct *mm)
{
	struct kt_range *range = non_block_range(test, mm);

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

/* Ranges for all the slots and @more; the n-th is page n. */
struct many {
	unsigned int slots, nr;
	struct kt_range *range[BITS_PER_LONG + 8];
};

static struct many *fill(struct kunit *test, struct mm_struct *mm,
			 struct kt_sub *watcher, unsigned int more)
{
	struct many *many = new(test, sizeof(*many));
	unsigned int i;

	many->slots = look(watcher).slots;
	many->nr = many->slots + more;
	KUNIT_ASSERT_LE(test, many->nr, (unsigned int)ARRAY_SIZE(many->range));
	for (i = 0; i < many->nr; i++)
		many->range[i] = start(test, mm, i * PAGE_SIZE,
				       (i + 1) * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, look(watcher).overflow, more);
	return many;
}

static void end_all(struct many *many)
{
	unsigned int i;

	for (i = 0; i < many->nr; i++)
		if (many->range[i]->in_flight)
			kt_end(many->range[i]);
}

/* --- joining and leaving --- */

struct joiner {
	struct kt_sub *sub;
	struct mm_struct *mm;
	struct kt_task *task;
};

static int join_task(void *arg)
{
	struct joiner *joiner = arg;
	int ret = mmun_notifier_register(&joiner->sub->mn, joiner->mm);

	joiner->sub->registered = !ret;
	return ret;
}

/* Registers beside the case. */
static struct joiner *join_beside(struct kunit *test, struct mm_struct *mm)
{
	struct joiner *joiner = new(test, sizeof(*joiner));

	joiner->sub = logged(kt_sub(test, &kt_range_ops));
	joiner->mm = mm;
	joiner->task = kt_run(test, join_task, joiner);
	return joiner;
}

enum way { BY_UNREGISTER, BY_NO_RELEASE, BY_PUT };

static const struct way_param {
	enum way way;
	const char *name;
} ways[] = {
	{ BY_UNREGISTER, "unregister" },
	{ BY_NO_RELEASE, "unregister_no_release" },
	{ BY_PUT, "put" },
};

static void way_name(const struct way_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(way, ways, way_name);

static enum way way_of(struct kunit *test)
{
	return ((const struct way_param *)test->param_value)->way;
}

/* One that can leave that way. */
static struct kt_sub *join_for(struct kunit *test, struct mm_struct *mm)
{
	if (way_of(test) == BY_PUT)
		return logged(kt_get(test, mm, &kt_get_ops));
	return sub_of_range(test, mm);
}

static void leave(struct kt_sub *sub, enum way way)
{
	switch (way) {
	case BY_UNREGISTER:
		kt_unregister(sub);
		break;
	case BY_NO_RELEASE:
		sub->registered = false;
		mmun_notifier_unregister_no_release(&sub->mn, sub->mn.mm);
		break;
	case BY_PUT:
		kt_put(sub);
		break;
	}
}

struct leaver {
	struct kt_sub *sub;
	enum way way;
};

static int leave_task(void *arg)
{
	struct leaver *leaver = arg;

	leave(leaver->sub, leaver->way);
	return 0;
}

static struct kt_task *leave_beside(struct kunit *test, struct kt_sub *sub, enum way way)
{
	struct leaver *leaver = new(test, sizeof(*leaver));

	leaver->sub = sub;
	leaver->way = way;
	return kt_run(test, leave_task, leaver);
}

/* --- 9: pairs --- */

/* A range is heard at its start and at its end, with its bounds and its event. */
static void p09_start_and_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_range(test, mm, 0x1000, 0x3000, true,
					  MMUN_NOTIFY_CLEAR);

	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_start.start, 0x1000UL);
	KUNIT_EXPECT_EQ(test, sub->last_start.end, 0x3000UL);
	KUNIT_EXPECT_PTR_EQ(test, sub->last_start.mm, mm);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, 0x1000UL);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, 0x3000UL);
	KUNIT_EXPECT_PTR_EQ(test, sub->last_end.mm, mm);
	expect_quiet(test, sub);
}

/* Each of several subscribers hears each range once at its start and end. */
static void p09_all_subscribers_hear(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_range *range;
	struct kt_sub *sub[4];
	int i, round;

	for (i = 0; i < 4; i++)
		sub[i] = sub_of_range(test, mm);
	for (round = 1; round <= 3; round++) {
		range = start(test, mm, FROM * round, FROM * round + 1);
		for (i = 0; i < 4; i++) {
			KUNIT_EXPECT_EQ(test, times(sub[i], START, range), 1);
			KUNIT_EXPECT_EQ(test, ends(sub[i]), round - 1);
		}
		kt_end(range);
		for (i = 0; i < 4; i++) {
			KUNIT_EXPECT_EQ(test, times(sub[i], END, range), 1);
			KUNIT_EXPECT_EQ(test, ends(sub[i]), round);
		}
	}
	expect_quiet(test, sub[0]);
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

/* Three nested ranges end in any order, and each end is that of its range. */
static void p09_nested(struct kunit *test)
{
	const struct order_param *order = test->param_value;
	const unsigned int nth[] = { order->first, order->second,
				     order->third };
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *a = sub_of_range(test, mm), *b = sub_of_range(test, mm);
	struct kt_range *range[3];
	unsigned int i;

	range[0] = start(test, mm, FROM, TO);
	range[1] = start(test, mm, FROM + 0x1000, TO - 0x1000);
	range[2] = start(test, mm, FROM + 0x2000, TO - 0x2000);
	KUNIT_EXPECT_EQ(test, look(a).active, 3U);
	for (i = 0; i < 3; i++) {
		kt_end(range[nth[i]]);
		KUNIT_EXPECT_EQ(test, times(a, END, range[nth[i]]), 1);
		KUNIT_EXPECT_EQ(test, times(b, END, range[nth[i]]), 1);
		KUNIT_EXPECT_EQ(test, ends(a), (int)i + 1);
		KUNIT_EXPECT_EQ(test, ends(b), (int)i + 1);
		KUNIT_EXPECT_EQ(test, look(a).active, 2 - i);
	}
	expect_quiet(test, a);
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

static void overlap_name(const struct overlap_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(overlap, overlaps, overlap_name);

/*
 * While one task stands in a start, another's range begins and ends; each is
 * heard with its own bounds, by who is called before the gate and after it.
 */
static void p09_concurrent(struct kunit *test)
{
	const struct overlap_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *after = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *before = sub_of_range(test, mm);
	struct kt_range *one, *other;
	struct kt_task *task, *task2;

	one = start_at_gate(test, mm, &sub->start, &task);
	KUNIT_EXPECT_EQ(test, starts(before), 1);
	KUNIT_EXPECT_EQ(test, starts(after), 0);
	other = range_of(test, mm, param->from, param->to);
	task2 = kt_run(test, start_task, other);
	KUNIT_EXPECT_EQ(test, kt_join(test, task2), 0);
	KUNIT_EXPECT_EQ(test, look(sub).active, 2U);
	kt_end(other);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(before), 1);
	KUNIT_EXPECT_EQ(test, ends(after), 1);
	KUNIT_EXPECT_EQ(test, times(sub, END, other), 1);
	KUNIT_EXPECT_EQ(test, times(after, END, other), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));

	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_end(one);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	KUNIT_EXPECT_EQ(test, ends(before), 2);
	KUNIT_EXPECT_EQ(test, ends(after), 2);
	KUNIT_EXPECT_EQ(test, starts(after), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, FROM);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, TO);
	expect_quiet(test, sub);
}

/* While one end stands at a gate another range begins and ends beside it. */
static void p09_concurrent_ends(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *after = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_range *one = start(test, mm, FROM, TO), *other;
	struct kt_task *task;

	kt_gate_close(&sub->end);
	task = kt_run(test, end_task, one);
	kt_gate_wait(test, &sub->end);
	/* Its range is over, but its slot is not another's yet. */
	KUNIT_EXPECT_EQ(test, look(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, look(sub).busy, 1U);

	other = start(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, look(sub).busy, 2U);
	kt_end(other);
	KUNIT_EXPECT_EQ(test, times(after, END, other), 1);
	KUNIT_EXPECT_EQ(test, times(after, END, one), 0);
	kt_gate_open(&sub->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, times(sub, END, one), 1);
	KUNIT_EXPECT_EQ(test, times(sub, END, other), 1);
	KUNIT_EXPECT_EQ(test, times(after, END, one), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	KUNIT_EXPECT_EQ(test, ends(after), 2);
	expect_quiet(test, sub);
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

static void shape_name(const struct shape_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(shape, shapes, shape_name);

/* Ranges of every shape are heard by list subscribers, unchanged. */
static void p09_shapes(struct kunit *test)
{
	const struct shape_param *shape = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_range *range = start(test, mm, shape->from, shape->to);

	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	KUNIT_EXPECT_EQ(test, times(sub, START, range), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	expect_quiet(test, sub);
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

/* The mm, bounds, event, flags and owner of a range arrive at both ends. */
static void p12_what_a_range_says(struct kunit *test)
{
	const struct event_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_range *range = kt_range(test, mm, FROM + 1, TO + 1,
					  param->blockable, param->event);
	const struct mmun_notifier_range *said[] = {
		&sub->last_start, &sub->last_end, &interval->last,
	};
	unsigned int i;

	range->kernel.owner = test;
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	for (i = 0; i < ARRAY_SIZE(said); i++) {
		KUNIT_EXPECT_PTR_EQ(test, said[i]->mm, mm);
		KUNIT_EXPECT_EQ(test, said[i]->start, FROM + 1);
		KUNIT_EXPECT_EQ(test, said[i]->end, TO + 1);
		KUNIT_EXPECT_EQ(test, (int)said[i]->event, (int)param->event);
		KUNIT_EXPECT_EQ(test, mmun_notifier_range_blockable(said[i]),
				param->blockable);
		KUNIT_EXPECT_EQ(test, said[i]->flags, param->blockable ?
				(unsigned int)MMUN_NOTIFIER_RANGE_BLOCKABLE :
				0U);
		KUNIT_EXPECT_PTR_EQ(test, said[i]->owner, (void *)test);
	}
	expect_quiet(test, sub);
}

/* A subscriber with a start only hears starts, and is owed nothing. */
static void p09_start_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_start_only_ops);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range = start(test, mm, FROM, TO);

	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	range = start(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, starts(sub), 2);
	kt_unregister(sub);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(other), 2);
	expect_quiet(test, other);
}

/* One with an end only hears the end of each range that began after it. */
static void p09_end_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = kt_register(test, mm, &kt_end_only_ops);
	struct kt_range *outer = start(test, mm, FROM, TO);
	struct kt_range *inner = start(test, mm, FROM, FROM + 1);

	logged(sub);
	kt_end(inner);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, times(sub, END, inner), 1);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	KUNIT_EXPECT_EQ(test, times(sub, END, outer), 1);

	outer = start(test, mm, TO, TO + 1);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, times(sub, END, outer), 1);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, ends(sub), 3);
	KUNIT_EXPECT_EQ(test, ends(other), 3);
	expect_quiet(test, other);
}

/* One with a release only, or with nothing at all, is left alone by ranges. */
static void p09_release_only(struct kunit *test)
{
	static const struct mmun_notifier_ops no_ops = {};
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *nothing = kt_register(test, mm, &no_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_release_only_ops);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range = start(test, mm, FROM, TO);

	kt_unregister(nothing);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, releases(sub), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, starts(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	expect_quiet(test, other);
}

/* An end whose start nobody heard is ignored, and so is a second end. */
static void p09_end_without_start(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_range *range = range_of(test, mm, FROM, TO), *other;

	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	expect_quiet(test, sub);

	/* Nor does it end another's range. */
	other = start(test, mm, FROM, TO);
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, look(sub).active, 1U);
	kt_end(other);
	mmun_kunit_end(&other->kernel);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	expect_quiet(test, sub);

	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, starts(sub), 2);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	expect_quiet(test, sub);
}

/*
 * A start that fails in a range that may block gets no end, whatever the error;
 * the range proceeds, and to the others nothing has happened. It is said in the log, once.
 */
static void p09_failed_start_gets_no_end(struct kunit *test)
{
	static const int errors[] = { -EAGAIN, -EINVAL, 1 };
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *older = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *younger = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_range *range, *inner;
	struct reader *reader;
	int i, n;

	mmun_kunit_warnings();
	for (i = 0; i < (int)ARRAY_SIZE(errors); i++) {
		n = 2 * i;
		sub->fail = errors[i];
		range = start(test, mm, FROM, TO);
		KUNIT_EXPECT_EQ(test, starts(older), n + 1);
		KUNIT_EXPECT_EQ(test, starts(younger), n + 1);
		KUNIT_EXPECT_EQ(test, look(sub).active, 1U);
		KUNIT_EXPECT_EQ(test, ends(older), n);
		KUNIT_EXPECT_EQ(test, ends(younger), n);

		/* Still in flight for the intervals. */
		reader = read_beside(test, interval);
		KT_ASSERT_UNTIL(test, waiters(sub) == 1);
		KUNIT_EXPECT_TRUE(test, kt_running(reader->task));

		/* A start inside it that succeeds has its end. */
		sub->fail = 0;
		inner = start(test, mm, FROM + i, FROM + 9);
		kt_end(inner);
		KUNIT_EXPECT_EQ(test, times(sub, END, inner), 1);
		KUNIT_EXPECT_EQ(test, ends(sub), i + 1);
		kt_end(range);
		KUNIT_EXPECT_EQ(test, ends(sub), i + 1);
		KUNIT_EXPECT_EQ(test, ends(older), n + 2);
		KUNIT_EXPECT_EQ(test, ends(younger), n + 2);
		kt_join(test, reader->task);
	}
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	expect_quiet(test, sub);
}

/* --- 9: joining --- */

/*
 * Registration waits for a range that is older than it, is told of younger ones
 * meanwhile, and hears no end without a start.
 */
static void p09_join_between_start_and_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *older = start(test, mm, FROM, TO), *younger, *third;
	struct joiner *joiner = join_beside(test, mm);

	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	younger = start(test, mm, FROM, FROM + 1);
	KUNIT_EXPECT_EQ(test, times(joiner->sub, START, younger), 1);
	third = start(test, mm, FROM, FROM + 2);
	kt_end(third);
	KUNIT_EXPECT_EQ(test, times(joiner->sub, END, third), 1);
	/* Woken by that end, it looks and waits on. */
	kt_assert_waits(test, other->mn.subs, joiner->task, 1);

	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, look(other).active, 1U);
	KUNIT_EXPECT_EQ(test, times(joiner->sub, END, older), 0);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, times(joiner->sub, END, younger), 1);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 2);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 2);
	KUNIT_EXPECT_EQ(test, ends(other), 3);
	expect_quiet(test, other);
}

/* Registration waits for the last of several older ranges. */
static void p09_join_waits_for_all_older(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range[3];
	struct joiner *joiner;
	int i;

	for (i = 0; i < 3; i++)
		range[i] = start(test, mm, FROM, TO + i);
	joiner = join_beside(test, mm);
	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	kt_end(range[1]);
	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	/* The newest of them counts as older, too. */
	kt_end(range[0]);
	kt_assert_waits(test, other->mn.subs, joiner->task, 1);
	kt_end(range[2]);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 3);
}

/*
 * Who registers while another's start stands at a gate waits for that range, of
 * which it is not told.
 */
static void p09_join_while_a_start_runs(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range;
	struct joiner *joiner;
	struct kt_task *task;

	range = start_at_gate(test, mm, &other->start, &task);
	joiner = join_beside(test, mm);
	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	kt_gate_open(&other->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_assert_waits(test, other->mn.subs, joiner->task, 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
}

/*
 * Who registers while a range is still with the intervals is told its start,
 * and so its end, although it is older.
 */
static void p09_join_before_the_list_is_asked(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_range *range;
	struct joiner *joiner;
	struct kt_task *task;

	range = start_at_gate(test, mm, &interval->gate, &task);
	joiner = join_beside(test, mm);
	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(joiner->task));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
}

/* Who registers while an end stands at a gate does not hear that end. */
static void p09_join_while_an_end_runs(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range = start(test, mm, FROM, TO);
	struct joiner *joiner;
	struct kt_task *task;

	kt_gate_close(&other->end);
	task = kt_run(test, end_task, range);
	kt_gate_wait(test, &other->end);
	joiner = join_beside(test, mm);
	/* The range is over: there is nothing to wait for. */
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&other->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
}

/* Registration waits for a confirmed range that may not block, too. */
static void p09_join_waits_for_non_blockable(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range = non_block_range(test, mm);
	struct joiner *joiner;

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	joiner = join_beside(test, mm);
	kt_assert_waits(test, other->mn.subs, joiner->task, 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
}

/* --- 9: leaving --- */

/*
 * Who leaves between start and end is told the ends that are due, once, and not
 * again when the ranges end; the others hear theirs then.
 */
static void p09_leave_between_start_and_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_range *over = start(test, mm, FROM, FROM + 1);
	struct kt_range *a = start(test, mm, FROM, TO);
	struct kt_range *b = start(test, mm, TO, TO + 1), *later;

	kt_end(over);
	leave(sub, way_of(test));
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, times(sub, END, a), 1);
	KUNIT_EXPECT_EQ(test, times(sub, END, b), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 3);
	KUNIT_EXPECT_EQ(test, ends(other), 1);

	later = start(test, mm, TO, TO + 2);
	kt_end(a);
	kt_end(b);
	kt_end(later);
	KUNIT_EXPECT_EQ(test, starts(sub), 3);
	KUNIT_EXPECT_EQ(test, ends(sub), 3);
	KUNIT_EXPECT_EQ(test, ends(other), 4);
	KUNIT_EXPECT_EQ(test, releases(sub), way_of(test) == BY_UNREGISTER);
	expect_quiet(test, other);
}

/* Who leaves with a failed start behind it is owed no end for that one. */
static void p09_leave_after_a_failed_start(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_range *good = start(test, mm, FROM, TO), *bad;

	sub->fail = -ENOMEM;
	bad = start(test, mm, TO, TO + 1);
	leave(sub, way_of(test));
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, times(sub, END, good), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	kt_end(good);
	kt_end(bad);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 2);
	expect_quiet(test, other);
}

/*
 * The owed ends are those of the ranges whose starts were heard, also if these
 * end, and others begin, while the leaver is being told.
 */
static void p09_owed_end_keeps_its_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_range *a = start(test, mm, FROM, FROM + 1), *c, *d;
	struct kt_range *b = start(test, mm, FROM, FROM + 2);
	struct kt_task *leaver;

	kt_gate_close(&sub->end);
	leaver = leave_beside(test, sub, way_of(test));
	kt_gate_wait(test, &sub->end);
	kt_end(a);
	kt_end(b);
	KUNIT_EXPECT_EQ(test, look(other).active, 0U);
	c = start(test, mm, TO, TO + 1);
	d = start(test, mm, TO, TO + 2);
	KUNIT_EXPECT_EQ(test, look(other).busy, 4U);
	kt_gate_open(&sub->end);
	kt_join(test, leaver);
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, times(sub, END, a), 1);
	KUNIT_EXPECT_EQ(test, times(sub, END, b), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	KUNIT_EXPECT_EQ(test, starts(sub), 2);
	kt_end(c);
	kt_end(d);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	KUNIT_EXPECT_EQ(test, ends(other), 4);
	expect_quiet(test, other);
}

/*
 * Two are told at once the end of a range in flight, because they leave. It ends
 * meanwhile, and another begins when the first of them has been told: what the second
 * one hears is the end of the first range.
 */
static void p09_owed_ends_of_two_keep_their_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub[2] = { sub_of_range(test, mm), sub_of_range(test, mm) };
	struct kt_range *a = start(test, mm, FROM, FROM + 1), *b;
	struct kt_task *leaver[2];
	int i;

	for (i = 0; i < 2; i++) {
		kt_gate_close(&sub[i]->end);
		leaver[i] = leave_beside(test, sub[i], BY_NO_RELEASE);
		kt_gate_wait(test, &sub[i]->end);
	}
	kt_end(a);
	KUNIT_EXPECT_EQ(test, look(other).active, 0U);
	KUNIT_EXPECT_EQ(test, look(other).busy, 1U);
	kt_gate_open(&sub[0]->end);
	kt_join(test, leaver[0]);
	KUNIT_EXPECT_EQ(test, look(other).busy, 1U);
	b = start(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, look(other).busy, 2U);
	kt_gate_open(&sub[1]->end);
	kt_join(test, leaver[1]);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, times(sub[i], END, a), 1);
		KUNIT_EXPECT_EQ(test, ends(sub[i]), 1);
	}
	KUNIT_EXPECT_EQ(test, look(other).busy, 1U);
	kt_end(b);
	KUNIT_EXPECT_EQ(test, ends(other), 2);
	expect_quiet(test, other);
}

/*
 * Who leaves while its start runs in another task, and then succeeds, hears the
 * end of that range once.
 */
static void p09_leave_while_own_start_runs(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_task *leaver;
	struct kt_range *range;
	struct kt_task *task;

	range = start_at_gate(test, mm, &sub->start, &task);
	leaver = leave_beside(test, sub, way_of(test));
	if (way_of(test) == BY_UNREGISTER)
		KT_ASSERT_UNTIL(test, waiters(other) == 1);
	else
		kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);

	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, starts(other), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	expect_quiet(test, other);
}

/* If that start then fails, no end comes. */
static void p09_leave_while_own_start_fails(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_task *leaver;
	struct kt_range *range;
	struct kt_task *task;

	sub->fail = -EINVAL;
	range = start_at_gate(test, mm, &sub->start, &task);
	leaver = leave_beside(test, sub, way_of(test));
	if (way_of(test) == BY_UNREGISTER)
		KT_ASSERT_UNTIL(test, waiters(other) == 1);
	else
		kt_join(test, leaver);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	kt_end(range);
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	expect_quiet(test, other);
}

/* Who leaves while one of its ends runs in another task hears it once. */
static void p09_leave_while_own_end_runs(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_range *range = start(test, mm, FROM, TO);
	struct kt_task *leaver;
	struct kt_task *task;

	kt_gate_close(&sub->end);
	task = kt_run(test, end_task, range);
	kt_gate_wait(test, &sub->end);
	leaver = leave_beside(test, sub, way_of(test));
	if (way_of(test) == BY_UNREGISTER) {
		KT_ASSERT_UNTIL(test, waiters(other) == 1);
		KUNIT_EXPECT_TRUE(test, kt_running(leaver));
	} else {
		kt_join(test, leaver);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	kt_gate_open(&sub->end);
	kt_join(test, task);
	kt_join(test, leaver);
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	expect_quiet(test, other);
}

/*
 * Who leaves while a range is over but its turn for the end has not come hears
 * that end once.
 */
static void p09_leave_before_own_end_comes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_sub *first = sub_of_range(test, mm);
	struct kt_range *range = start(test, mm, FROM, TO);
	struct kt_task *leaver;
	struct kt_task *task;

	kt_gate_close(&first->end);
	task = kt_run(test, end_task, range);
	kt_gate_wait(test, &first->end);
	leaver = leave_beside(test, sub, way_of(test));
	if (way_of(test) == BY_UNREGISTER)
		KT_ASSERT_UNTIL(test, waiters(first) == 1);
	else
		kt_join(test, leaver);
	if (way_of(test) != BY_PUT)
		KUNIT_EXPECT_EQ(test, ends(sub), 1);
	kt_gate_open(&first->end);
	kt_join(test, task);
	kt_join(test, leaver);
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(first), 1);
	expect_quiet(test, first);
}

/*
 * While the end of a range is being told, one leaves who hears it at once, and
 * another range begins: those whose turn comes later hear the end of the first.
 */
static void p09_told_end_keeps_its_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *first = sub_of_range(test, mm);
	struct kt_range *a = start(test, mm, FROM, FROM + 1), *b;
	struct kt_task *task;

	kt_gate_close(&first->end);
	task = kt_run(test, end_task, a);
	kt_gate_wait(test, &first->end);
	leave(sub, BY_NO_RELEASE);
	KUNIT_EXPECT_EQ(test, times(sub, END, a), 1);
	KUNIT_EXPECT_EQ(test, look(last).busy, 1U);
	b = start(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, look(last).busy, 2U);
	kt_gate_open(&first->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, times(last, END, a), 1);
	KUNIT_EXPECT_EQ(test, ends(last), 1);
	KUNIT_EXPECT_EQ(test, look(last).busy, 1U);
	kt_end(b);
	KUNIT_EXPECT_EQ(test, times(last, END, b), 1);
	KUNIT_EXPECT_EQ(test, times(first, END, b), 1);
	KUNIT_EXPECT_EQ(test, ends(last), 2);
	KUNIT_EXPECT_EQ(test, ends(first), 2);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	expect_quiet(test, last);
}

/* Who leaves before its turn for the start has come is not told of the range. */
static void p09_leave_before_own_start_comes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_sub *first = sub_of_range(test, mm);
	struct kt_task *leaver;
	struct kt_range *range;
	struct kt_task *task;

	range = start_at_gate(test, mm, &first->start, &task);
	leaver = leave_beside(test, sub, way_of(test));
	if (way_of(test) == BY_UNREGISTER)
		KT_ASSERT_UNTIL(test, waiters(first) == 1);
	else
		kt_join(test, leaver);
	kt_gate_open(&first->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	kt_end(range);
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, starts(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(first), 1);
	expect_quiet(test, first);
}

/* The same object, registered again in the middle of a range, begins afresh. */
static void p09_leave_and_come_back(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct joiner *joiner = new(test, sizeof(*joiner));
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_range *older = start(test, mm, FROM, TO), *younger;

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	joiner->sub = sub;
	joiner->mm = mm;
	joiner->task = kt_run(test, join_task, joiner);
	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	younger = start(test, mm, TO, TO + 1);
	KUNIT_EXPECT_EQ(test, starts(sub), 2);
	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	kt_end(younger);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	KUNIT_EXPECT_EQ(test, ends(other), 2);
	expect_quiet(test, other);
}

static void put_self(struct kt_sub *sub,
		     const struct mmun_notifier_range *range)
{
	kt_put(sub);
}

static void put_self_once(struct kt_sub *sub,
			  const struct mmun_notifier_range *range)
{
	sub->on_end = NULL;
	kt_put(sub);
}

static const bool blockables[] = { true, false };

static void blockable_name(const bool *blockable, char *name)
{
	strscpy(name, *blockable ? "blockable" : "not blockable",
		KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(blockable, blockables, blockable_name);

/*
 * A put in one's own start: that start has no end, those before it have theirs,
 * and the others hear on.
 */
static void p09_put_in_own_start(struct kunit *test)
{
	const bool blockable = *(const bool *)test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = logged(kt_get(test, mm, &kt_get_ops));
	struct kt_range *outer = start(test, mm, FROM, TO + 1);
	struct kt_range *range = kt_range(test, mm, FROM, TO, blockable,
					  MMUN_NOTIFY_UNMAP);

	sub->on_start = put_self;
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, starts(sub), 2);
	KUNIT_EXPECT_EQ(test, times(sub, END, outer), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, starts(other), 2);
	kt_end(range);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	expect_quiet(test, other);
}

/* A put in one's own end: that end is not told again, the others due are. */
static void p09_put_in_own_end(struct kunit *test)
{
	const bool blockable = *(const bool *)test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = kt_get(test, mm, &kt_get_ops);
	struct kt_range *outer = start(test, mm, FROM, TO + 1);
	struct kt_range *range = kt_range(test, mm, FROM, TO, blockable,
					  MMUN_NOTIFY_UNMAP);

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	sub->on_end = put_self_once;
	kt_end(range);
	KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	kt_end(outer);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	KUNIT_EXPECT_EQ(test, ends(other), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	expect_quiet(test, other);
}

/* What a callback does to other subscribers; NULL ends the list. */
static struct kt_sub *victims[4];

static void put_victims(struct kt_sub *sub,
			const struct mmun_notifier_range *range)
{
	int i;

	sub->on_start = NULL;
	for (i = 0; victims[i]; i++)
		kt_put(victims[i]);
}

/*
 * Puts in a start of those who are next in the walk: it steps over them, and
 * they hear no start and no end; who comes after them hears both.
 */
static void p09_start_puts_the_next_ones(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = sub_of_range(test, mm);
	struct kt_sub *b = kt_get(test, mm, &kt_get_ops);
	struct kt_sub *a = kt_get(test, mm, &kt_get_ops2);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_range *range;

	victims[0] = b;
	victims[1] = a;
	sub->on_start = put_victims;
	range = start(test, mm, FROM, TO);
	kt_end(range);
	KT_ASSERT_UNTIL(test, atomic_read(&a->frees));
	KT_ASSERT_UNTIL(test, atomic_read(&b->frees));
	KUNIT_EXPECT_EQ(test, starts(a), 0);
	KUNIT_EXPECT_EQ(test, starts(b), 0);
	KUNIT_EXPECT_EQ(test, ends(a), 0);
	KUNIT_EXPECT_EQ(test, ends(b), 0);
	KUNIT_EXPECT_EQ(test, starts(last), 1);
	KUNIT_EXPECT_EQ(test, ends(last), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	expect_quiet(test, sub);
}

/* --- 9: more ranges than slots --- */

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

static void many_name(const struct many_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(many, manys, many_name);

/* Ranges that find no slot are counted, and paired all the same. */
static void p09_more_ranges_than_slots(struct kunit *test)
{
	const struct many_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *starts_only = kt_register(test, mm, &kt_start_only_ops);
	struct kt_sub *ends_only = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct many *many = fill(test, mm, sub, param->more);
	struct kt_range *range;
	unsigned int i;

	KUNIT_EXPECT_EQ(test, look(sub).active, many->slots);
	KUNIT_EXPECT_EQ(test, starts(sub), (int)many->nr);
	KUNIT_EXPECT_EQ(test, starts(starts_only), (int)many->nr);
	for (i = 0; i < many->nr; i++) {
		range = many->range[param->backwards ? many->nr - 1 - i : i];
		kt_end(range);
		KUNIT_EXPECT_EQ(test, ends(sub), (int)i + 1);
		KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
		KUNIT_EXPECT_EQ(test, ends(ends_only), (int)i + 1);
	}
	expect_quiet(test, sub);

	/* And the table is as good as new. */
	many = fill(test, mm, sub, 0);
	end_all(many);
	KUNIT_EXPECT_EQ(test, starts(sub), ends(sub));
	expect_quiet(test, sub);
}

/*
 * Registration waits while counted ranges are in flight, unlinked: it hears
 * nothing; then it joins as ever.
 */
static void p09_join_waits_for_counted(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct many *many = fill(test, mm, other, 2);
	struct joiner *joiner = join_beside(test, mm);
	struct kt_range *range;
	unsigned int i;

	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	for (i = 0; i < many->slots; i++)
		kt_end(many->range[i]);
	KUNIT_EXPECT_EQ(test, look(other).active, 0U);
	range = start(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 0);
	kt_end(many->range[i++]);
	KUNIT_EXPECT_EQ(test, look(other).overflow, 1U);
	KT_ASSERT_UNTIL(test, waiters(other) == 1);
	kt_end(range);
	kt_assert_waits(test, other->mn.subs, joiner->task, 1);
	kt_end(many->range[i]);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 0);

	range = start(test, mm, FROM, TO);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 1);
	KUNIT_EXPECT_EQ(test, starts(other), ends(other));
	expect_quiet(test, other);
}

/* Nobody joins before the last end of a counted range has been told. */
static void p09_join_waits_for_counted_ends(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct many *many = fill(test, mm, other, 1);
	struct joiner *joiner;
	struct kt_task *task;
	unsigned int i;

	for (i = 0; i < many->slots; i++)
		kt_end(many->range[i]);
	kt_gate_close(&other->end);
	task = kt_run(test, end_task, many->range[i]);
	kt_gate_wait(test, &other->end);
	joiner = join_beside(test, mm);
	kt_assert_waits(test, other->mn.subs, joiner->task, 1);
	kt_gate_open(&other->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 0);
	expect_quiet(test, other);
}

/* Every read section waits while a counted range, which may be anywhere, lasts. */
static void p14_reader_waits_for_counted(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, TO * 16, TO * 17);
	struct many *many = fill(test, mm, sub, 1);
	struct reader *reader;
	unsigned int i;

	for (i = 0; i < many->slots; i++)
		kt_end(many->range[i]);
	KUNIT_EXPECT_EQ(test, look(sub).active, 0U);
	reader = read_beside(test, interval);
	kt_assert_waits(test, sub->mn.subs, reader->task, 1);
	kt_end(many->range[i]);
	kt_join(test, reader->task);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	expect_quiet(test, sub);
}

/* Who leaves with counted ranges in flight is told an end for each. */
static void p09_leave_with_counted(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct many *many = fill(test, mm, other, 3);
	int nr = many->nr;

	/* One that is over is not told again. */
	kt_end(many->range[nr - 1]);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	leave(sub, way_of(test));
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, ends(sub), nr);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	/* What a counted range was is not known: its end says everything. */
	KUNIT_EXPECT_EQ(test, sub->last_end.start, 0UL);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, ULONG_MAX);
	end_all(many);
	KUNIT_EXPECT_EQ(test, ends(sub), nr);
	KUNIT_EXPECT_EQ(test, starts(other), nr);
	KUNIT_EXPECT_EQ(test, ends(other), nr);
	expect_quiet(test, other);
}

/* The same if no other end is due: the starts with a slot have failed. */
static void p09_leave_with_counted_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_range *range;
	struct many *many;

	sub->fail = -ENOMEM;
	many = fill(test, mm, other, 0);
	sub->fail = 0;
	range = start(test, mm, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, look(other).overflow, 1U);
	leave(sub, way_of(test));
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.end, ULONG_MAX);
	kt_end(range);
	end_all(many);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), many->nr + 1);
	expect_quiet(test, other);
}

/* The same while the start of a counted range still runs. */
static void p09_leave_while_counted_start_runs(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct many *many = fill(test, mm, other, 0);
	struct kt_task *leaver;
	struct kt_range *range;
	struct kt_task *task;
	int slots = many->slots;

	range = start_at_gate(test, mm, &sub->start, &task);
	KUNIT_EXPECT_EQ(test, look(other).overflow, 1U);
	leaver = leave_beside(test, sub, way_of(test));
	if (way_of(test) == BY_UNREGISTER)
		KT_ASSERT_UNTIL(test, waiters(other) == 1);
	else
		kt_join(test, leaver);
	if (way_of(test) != BY_PUT)
		KUNIT_EXPECT_EQ(test, ends(sub), slots);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, leaver);
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, ends(sub), slots + 1);
	kt_end(range);
	end_all(many);
	KUNIT_EXPECT_EQ(test, ends(sub), slots + 1);
	KUNIT_EXPECT_EQ(test, ends(other), slots + 1);
	expect_quiet(test, other);
}

/* A start that fails in a counted range gets its end. */
static void p09_failed_counted_start_gets_its_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct many *many = fill(test, mm, sub, 0);
	struct kt_range *range;
	int slots = many->slots;

	sub->fail = -EINVAL;
	range = start(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, look(sub).overflow, 1U);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	end_all(many);
	KUNIT_EXPECT_EQ(test, ends(sub), slots + 1);
	KUNIT_EXPECT_EQ(test, ends(other), slots + 1);
	expect_quiet(test, sub);
}

/* At the mm's exit the counted ranges are told, too, and forgotten. */
static void p09_counted_at_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct many *many = fill(test, mm, sub, 2);
	int nr = many->nr;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, releases(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), starts(sub));
	KUNIT_EXPECT_GE(test, ends(sub), nr);
	KUNIT_EXPECT_EQ(test, look(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, look(sub).overflow, 0U);
	nr = ends(sub);
	end_all(many);
	KUNIT_EXPECT_EQ(test, ends(sub), nr);
	KUNIT_EXPECT_EQ(test, look(sub).overflow, 0U);
}

/* The end of a counted range is being told when the exit comes: nothing is lost. */
static void p09_counted_end_meets_the_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct many *many = fill(test, mm, sub, 1);
	struct kt_task *task;
	unsigned int i;

	for (i = 0; i < many->slots; i++)
		kt_end(many->range[i]);
	kt_gate_close(&sub->end);
	task = kt_run(test, end_task, many->range[i]);
	kt_gate_wait(test, &sub->end);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, look(sub).overflow, 0U);
	kt_gate_open(&sub->end);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, look(sub).overflow, 0U);
	KUNIT_EXPECT_EQ(test, ends(sub), starts(sub));
}

/*
 * At the mm's exit the owed ends come after the release, once; the ranges' own
 * ends and an unregister later add nothing.
 */
static void p09_owed_at_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range = start(test, mm, FROM, TO);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, times(other, END, range), 1);
	KUNIT_EXPECT_LT(test, place(sub, RELEASE, NULL),
			place(sub, END, range));
	KUNIT_EXPECT_EQ(test, starts(sub), ends(sub));
	KUNIT_EXPECT_EQ(test, look(sub).active, 0U);
	kt_end(range);
	kt_unregister(sub);
	kt_unregister(other);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, times(other, END, range), 1);
	KUNIT_EXPECT_EQ(test, releases(sub), 1);
}

/* Until its release has returned a subscriber hears ranges, and their ends. */
static void p09_heard_until_released(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *first = sub_of_range(test, mm);
	struct kt_task *leaver;
	struct kt_range *range;

	/* The middle one stands in an unregister's release. */
	kt_gate_close(&sub->release);
	leaver = leave_beside(test, sub, BY_UNREGISTER);
	kt_gate_wait(test, &sub->release);
	range = start(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	KUNIT_EXPECT_EQ(test, starts(last), 1);
	KUNIT_EXPECT_EQ(test, starts(first), 1);
	kt_gate_open(&sub->release);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_LT(test, place(sub, RELEASE, NULL),
			place(sub, END, range));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(last), 1);
	KUNIT_EXPECT_EQ(test, ends(first), 1);
	expect_quiet(test, last);
}

#define STORM_ROUNDS	100	/* at the least */

struct storm {
	struct kt_range *range[3];
	int rounds;
	bool *over;
};

static int storm_task(void *arg)
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
 * Subscribers come and go in every way while three tasks raise nested ranges:
 * each has heard as many ends as starts when it is gone.
 */
static void p09_come_and_go_in_a_storm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register(test, mm, &kt_range_ops);
	struct storm *storm = new(test, 3 * sizeof(*storm));
	bool *over = new(test, sizeof(*over));
	struct kt_task *task[3];
	struct kt_sub *sub[48];
	unsigned int i, j;
	int rounds = 0;

	for (i = 0; i < 3; i++) {
		storm[i].over = over;
		for (j = 0; j < 3; j++)
			storm[i].range[j] = range_of(test, mm, FROM * (i + 1),
						     TO * (i + 1) + j);
		task[i] = kt_run(test, storm_task, &storm[i]);
	}
	for (i = 0; i < ARRAY_SIZE(sub); i++) {
		sub[i] = i % 3 == BY_PUT ? kt_get(test, mm, &kt_get_ops) :
					   kt_register(test, mm, &kt_range_ops);
		/* The first of each way stays until the storm has come to it. */
		if (i < 3) {
			kt_gate_close(&sub[i]->start);
			kt_gate_wait(test, &sub[i]->start);
			kt_gate_open(&sub[i]->start);
		}
		cond_resched();
		leave(sub[i], i % 3);
	}
	WRITE_ONCE(*over, true);
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, kt_join(test, task[i]), 0);
		rounds += storm[i].rounds;
	}
	mmun_notifier_synchronize();
	for (i = 0; i < ARRAY_SIZE(sub); i++) {
		KUNIT_EXPECT_EQ_MSG(test, atomic_read(&sub[i]->accepted),
				    ends(sub[i]), "the %uth", i);
	}
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_GT(test, starts(sub[i]), 0);
	KUNIT_EXPECT_EQ(test, starts(other), 3 * rounds);
	KUNIT_EXPECT_EQ(test, ends(other), 3 * rounds);
	expect_quiet(test, other);
}

/* --- 10: refusals --- */

static const struct refusal_param {
	unsigned int subs, who;		/* who: a mask */
} refusals[] = {
	{ 1, 1 }, { 2, 1 }, { 2, 2 }, { 2, 3 }, { 3, 1 }, { 3, 2 }, { 3, 4 },
	{ 3, 5 }, { 3, 7 },
};

static void refusal_name(const struct refusal_param *param, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u subscribers, mask %u refuses",
		 param->subs, param->who);
}

KUNIT_ARRAY_PARAM(refusal, refusals, refusal_name);

/*
 * Whoever refuses a range that may not block, everybody who agreed hears its
 * end, once, and nobody else; the intervals it overlapped are free again.
 */
static void p10_refusal(struct kunit *test)
{
	const struct refusal_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *low = insert(test, mm, FROM, FROM + 1);
	struct kt_interval *high = insert(test, mm, TO - 1, TO * 2);
	struct kt_interval *below = insert(test, mm, FROM - 1, FROM);
	struct kt_interval *above = insert(test, mm, TO, TO * 2);
	struct kt_range *range = non_block_range(test, mm);
	struct kt_sub *sub[3];
	bool refuses;
	unsigned int i;
	int round;

	for (i = 0; i < param->subs; i++) {
		sub[i] = sub_of_range(test, mm);
		if (param->who & BIT(i))
			sub[i]->refuse = -EAGAIN;
	}
	for (round = 1; round <= 2; round++) {
		KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
		KUNIT_EXPECT_EQ(test, look(sub[0]).active, 0U);
		KUNIT_EXPECT_EQ(test, look(sub[0]).provisional, 0U);
		KUNIT_EXPECT_EQ(test, look(sub[0]).busy, 0U);
		/* Nobody hears an end later, if one should come. */
		mmun_kunit_end(&range->kernel);
		for (i = 0; i < param->subs; i++) {
			refuses = param->who & BIT(i);
			KUNIT_EXPECT_EQ(test, times(sub[i], START, range),
					round);
			KUNIT_EXPECT_EQ(test, times(sub[i], END, range),
					refuses ? 0 : round);
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&low->invalidates), round);
		KUNIT_EXPECT_EQ(test, atomic_read(&high->invalidates), round);
		KUNIT_EXPECT_EQ(test, atomic_read(&below->invalidates), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&above->invalidates), 0);
		KUNIT_EXPECT_FALSE(test, read_collides(test, low));
		KUNIT_EXPECT_FALSE(test, read_collides(test, high));
		KUNIT_EXPECT_FALSE(test, read_collides(test, below));
	}
	remove_now(test, low);
	remove_now(test, high);
	expect_quiet(test, sub[0]);

	/* It can be raised again, and then all agree. */
	for (i = 0; i < param->subs; i++)
		sub[i]->refuse = 0;
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	kt_end(range);
	for (i = 0; i < param->subs; i++)
		KUNIT_EXPECT_EQ(test, ends(sub[i]),
				param->who & BIT(i) ? 1 : 3);
	expect_quiet(test, sub[0]);
}

/* Another error than -EAGAIN refuses as well, and is reported as -EAGAIN, and in the log. */
static void p10_refusal_by_another_error(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);

	mmun_kunit_warnings();
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(non_block_range(test, mm)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
	sub->refuse = -EINVAL;
	KUNIT_EXPECT_EQ(test, kt_start(non_block_range(test, mm)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_start(non_block_range(test, mm)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 3);
	expect_quiet(test, sub);
}

/* Who has a start only can refuse; who has an end only hears that end. */
static void p10_refusal_and_half_subscribers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *older = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_start_only_ops);
	struct kt_sub *younger = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *both = sub_of_range(test, mm);

	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(non_block_range(test, mm)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(older), 1);
	KUNIT_EXPECT_EQ(test, ends(younger), 1);
	KUNIT_EXPECT_EQ(test, ends(both), 1);
	expect_quiet(test, both);
}

/* A read section that was open when a range was refused has collided. */
static void p10_refused_range_collides(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct reader *reader = read_beside(test, interval);

	kt_join(test, reader->task);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(non_block_range(test, mm)), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_FALSE(test, read_collides(test, interval));
}

/* A refusal is the end of its own range only, not of another in flight. */
static void p10_refused_inside_another(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_range *outer = start(test, mm, FROM, TO + 1);
	struct kt_range *range = non_block_range(test, mm);
	struct reader *reader;

	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, look(sub).active, 1U);
	KUNIT_EXPECT_EQ(test, times(other, END, range), 1);
	KUNIT_EXPECT_EQ(test, times(other, END, outer), 0);
	KUNIT_EXPECT_EQ(test, times(sub, END, NULL), 0);
	reader = read_beside(test, interval);
	kt_assert_waits(test, sub->mn.subs, reader->task, 1);
	kt_end(outer);
	kt_join(test, reader->task);
	KUNIT_EXPECT_EQ(test, times(other, END, outer), 1);
	KUNIT_EXPECT_EQ(test, times(sub, END, outer), 1);
	expect_quiet(test, sub);
}

/* It may not sleep, so it turns until somebody waits. */
static void turn_until_waited_for(struct kt_sub *sub,
				  const struct mmun_notifier_range *range)
{
	unsigned long deadline = jiffies + 10 * HZ;

	while (!waiters(sub) && time_before(jiffies, deadline))
		cpu_relax();
	sub->young = waiters(sub);	/* seen by the case */
}

/* Who registers during a range that is then refused is let in. */
static void p10_refusal_wakes_who_joins(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_range *range = non_block_range(test, mm);
	struct joiner *joiner;
	struct kt_task *task;

	sub->on_start = turn_until_waited_for;
	sub->refuse = -EAGAIN;
	task = kt_run(test, start_task, range);
	KT_ASSERT_UNTIL(test, starts(sub) == 1);
	joiner = join_beside(test, mm);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, sub->young);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner->task), 0);
	KUNIT_EXPECT_EQ(test, starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	expect_quiet(test, other);
}

/* It may not sleep, so it turns until the exit has closed the mm. */
static void turn_until_closed(struct kt_sub *sub,
			      const struct mmun_notifier_range *range)
{
	unsigned long deadline = jiffies + 10 * HZ;

	while (!look(sub).closed && time_before(jiffies, deadline))
		cpu_relax();
	sub->young = look(sub).closed;
}

/*
 * The exit closes the mm while a start is running that then refuses its range: the
 * range is over already, and is not taken off again. Who had agreed has had its end.
 */
static void p10_refused_after_the_exit_closed(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_range *range = non_block_range(test, mm);
	struct kt_task *task, *exit;

	kt_mm_kill(test, mm);
	sub->on_start = turn_until_closed;
	sub->refuse = -EAGAIN;
	task = kt_run(test, start_task, range);
	KT_ASSERT_UNTIL(test, starts(sub) == 1);
	KUNIT_EXPECT_EQ(test, look(sub).active, 1U);
	exit = kt_run(test, exit_task, sub);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_join(test, exit), 0);
	KUNIT_EXPECT_TRUE(test, sub->young);
	KUNIT_EXPECT_EQ(test, starts(other), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	expect_quiet(test, sub);
}

/* If an interval refuses, no list subscriber is told at all. */
static void p10_interval_refusal(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *ends_only = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *first = insert(test, mm, FROM, FROM + 1);
	struct kt_interval *refuser = insert(test, mm, FROM + 1, FROM + 2);
	struct kt_interval *later = insert(test, mm, FROM + 2, TO);
	struct kt_range *range = non_block_range(test, mm);

	refuser->refuse = true;
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, starts(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(ends_only), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&first->invalidates), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&refuser->refusals), 1);
	KUNIT_EXPECT_EQ(test, look(sub).active, 0U);
	KUNIT_EXPECT_FALSE(test, read_collides(test, first));
	KUNIT_EXPECT_FALSE(test, read_collides(test, refuser));
	KUNIT_EXPECT_FALSE(test, read_collides(test, later));
	remove_now(test, first);
	remove_now(test, refuser);
	expect_quiet(test, sub);
}

/*
 * With no slot left a range that may not block is refused before anybody is
 * told of it; with one left it is not.
 */
static void p10_no_slot_left(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct many *many = fill(test, mm, sub, 0);
	struct kt_range *range = non_block_range(test, mm);
	int told = atomic_read(&interval->invalidates);

	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, starts(sub), (int)many->slots);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), told);
	KUNIT_EXPECT_EQ(test, look(sub).overflow, 0U);
	KUNIT_EXPECT_EQ(test, look(sub).active, many->slots);

	kt_end(many->range[0]);
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	kt_end(range);
	end_all(many);
	KUNIT_EXPECT_EQ(test, starts(sub), (int)many->slots + 1);
	KUNIT_EXPECT_EQ(test, ends(sub), (int)many->slots + 1);
	expect_quiet(test, sub);
}

/* A put in the start of a range that another refuses: no end for that start. */
static void p10_put_in_a_refused_start(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &kt_get_ops);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *refuser = sub_of_range(test, mm);

	sub->on_start = put_self;
	refuser->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(non_block_range(test, mm)), -EAGAIN);
	KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	expect_quiet(test, other);
}

/* --- 10: accepted here, refused behind --- */

/*
 * A range that may not block is provisional until it is confirmed: a reader
 * collides without waiting; then he waits, as for any other.
 */
static void p10_provisional_then_confirmed(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_range *range = accept(test, mm);
	struct reader *reader;

	KUNIT_EXPECT_EQ(test, look(sub).provisional, 1U);
	KUNIT_EXPECT_EQ(test, starts(sub), 1);
	KUNIT_EXPECT_TRUE(test, read_collides(test, interval));
	mmun_kunit_confirm(&range->kernel);
	KUNIT_EXPECT_EQ(test, look(sub).provisional, 0U);
	KUNIT_EXPECT_EQ(test, look(sub).active, 1U);
	reader = read_beside(test, interval);
	kt_assert_waits(test, sub->mn.subs, reader->task, 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	kt_end(range);
	kt_join(test, reader->task);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	expect_quiet(test, sub);
}

/* A range that is refused behind mmun: the owed ends come, and nobody hangs. */
static void p10_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_interval *second = insert(test, mm, FROM, TO);
	struct kt_range *range = accept(test, mm);

	/* With the lock held it cannot be known to be an orphan. */
	KUNIT_EXPECT_TRUE(test, read_collides(test, interval));
	remove_now(test, second);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	KUNIT_EXPECT_EQ(test, look(sub).provisional, 1U);
	refuse_behind(range);
	KT_ASSERT_UNTIL(test, !look(sub).busy);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, times(other, END, range), 1);
	KUNIT_EXPECT_FALSE(test, read_collides(test, interval));
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	remove_now(test, interval);
	expect_quiet(test, sub);
}

/* Who leaves before an orphan is settled is told its end once. */
static void p10_leave_with_an_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_range *range = accept(test, mm);

	leave(sub, way_of(test));
	if (way_of(test) == BY_PUT)
		KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 0);
	refuse_behind(range);
	KT_ASSERT_UNTIL(test, !look(other).busy);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	expect_quiet(test, other);
}

/*
 * An object whose range was refused behind mmun is used for another range: the
 * old one's end comes before the new one's start.
 */
static void p10_orphans_key_used_again(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_range *old = non_block_range(test, mm);
	struct kt_range *range = range_of(test, mm, TO, TO + 1);
	struct mmu_notifier_range object = old->kernel;

	/* Another reader of the lock keeps the worker away. */
	down_read_non_owner(&mm->mmap_lock);
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept(&object), 0);
	KUNIT_EXPECT_EQ(test, ends(sub), 0);
	object = range->kernel;
	KUNIT_EXPECT_EQ(test, mmun_kunit_start(&object), 0);
	KUNIT_EXPECT_EQ(test, times(sub, END, old), 1);
	KUNIT_EXPECT_LT(test, place(sub, END, old), place(sub, START, range));
	KUNIT_EXPECT_EQ(test, look(sub).active, 1U);
	KUNIT_EXPECT_EQ(test, look(sub).provisional, 0U);
	mmun_kunit_end(&object);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 2);
	up_read_non_owner(&mm->mmap_lock);
	expect_quiet(test, sub);
}

/* Who leaves in an end, and how many slots are taken then. */
static struct {
	struct kt_sub *sub;
	unsigned int busy;
} in_end;

static void leave_in_end(struct kt_sub *sub,
			 const struct mmun_notifier_range *range)
{
	sub->on_end = hear_end;
	hear_end(sub, range);
	leave(in_end.sub, BY_NO_RELEASE);
	in_end.busy = look(sub).busy;
}

/*
 * While the end of an orphan is being told, one leaves who hears it at once: the slot
 * is still taken, for those whose turn comes later.
 */
static void p10_orphans_end_keeps_its_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *first = sub_of_range(test, mm);
	struct kt_range *range = accept(test, mm);

	in_end.sub = sub;
	in_end.busy = 0;
	first->on_end = leave_in_end;
	refuse_behind(range);
	KT_ASSERT_UNTIL(test, times(last, END, range));
	KUNIT_EXPECT_EQ(test, in_end.busy, 1U);
	expect_quiet(test, last);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
	KUNIT_EXPECT_EQ(test, ends(sub), 1);
	KUNIT_EXPECT_EQ(test, ends(first), 1);
	KUNIT_EXPECT_EQ(test, ends(last), 1);
}

/*
 * The mm's exit comes while a range is at the end of another that had its key: it is
 * not in flight afterwards, and nobody is told of it.
 */
static void p08_range_settles_during_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *stopped = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	/* Of one that may not block the end could not be stopped. */
	struct kt_range *range = start(test, mm, FROM, TO);
	struct kt_task *task;

	kt_gate_close(&stopped->end);
	task = kt_run(test, start_task, range);
	kt_gate_wait(test, &stopped->end);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_ASSERT_TRUE(test, look(sub).closed);
	kt_gate_open(&stopped->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, look(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, look(sub).busy, 0U);
	KUNIT_EXPECT_EQ(test, look(sub).invalidating, 0U);
	KUNIT_EXPECT_EQ(test, starts(sub), ends(sub));
	KUNIT_EXPECT_EQ(test, times(interval, INVALIDATE, range), 1);
	remove_now(test, interval);
}

/* Unregister waits for the end of a range whose key is used again. */
static void p03_unregister_waits_for_a_settled_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_task *leaver;
	struct kt_range *range = start(test, mm, FROM, TO);
	struct kt_task *task;

	kt_gate_close(&sub->end);
	task = kt_run(test, start_task, range);
	kt_gate_wait(test, &sub->end);
	leaver = leave_beside(test, sub, BY_UNREGISTER);
	kt_assert_waits(test, other->mn.subs, leaver, 1);
	kt_gate_open(&sub->end);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, ends(sub), starts(sub));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(other), 2);
	expect_quiet(test, other);
}

/* At the mm's exit an orphan's end comes, once, and nothing waits for it. */
static void p10_orphan_at_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_range *range;

	kt_mm_kill(test, mm);
	range = accept(test, mm);
	refuse_behind(range);
	kt_mm_exit(test, mm);
	/* The release or the worker tells it, and may still be at it. */
	KT_ASSERT_UNTIL(test, times(sub, END, range));
	KUNIT_EXPECT_EQ(test, look(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, look(sub).provisional, 0U);
	KUNIT_EXPECT_EQ(test, releases(sub), 1);
	read_collides(test, interval);
	remove_now(test, interval);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, times(sub, END, range), 1);
}

struct locked {
	struct mm_struct *mm;
	struct kt_sub *sub;
	struct kt_range *range;
	unsigned int provisional;
};

static int locked_task(void *arg)
{
	struct locked *locked = arg;
	int ret;

	mmap_write_lock(locked->mm);
	ret = mmun_kunit_accept(&locked->range->kernel);
	ret = ret ?: __mmun_notifier_register(&locked->sub->mn, locked->mm);
	locked->sub->registered = !ret;
	if (!ret)
		locked->provisional = look(locked->sub).provisional;
	mmap_write_unlock(locked->mm);
	return ret;
}

/*
 * Registration under the mmap lock does not wait for an orphan, which nobody
 * could settle meanwhile; nor is its end heard by who joined.
 */
static void p10_join_locked_passes_an_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct locked *locked = new(test, sizeof(*locked));

	locked->mm = mm;
	locked->sub = kt_sub(test, &kt_range_ops);
	locked->range = non_block_range(test, mm);
	KUNIT_EXPECT_EQ(test, kt_join(test, kt_run(test, locked_task, locked)),
			0);
	KUNIT_EXPECT_EQ(test, locked->provisional, 1U);
	KT_ASSERT_UNTIL(test, !look(other).busy);
	KUNIT_EXPECT_EQ(test, ends(other), 1);
	KUNIT_EXPECT_EQ(test, starts(locked->sub), 0);
	KUNIT_EXPECT_EQ(test, ends(locked->sub), 0);
}

/* --- 11: where sleeping is a mistake, it is checked --- */

static void skip_unless_checked(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		kunit_skip(test, "the kernel does not check");
}

/*
 * The callbacks of a range are checked for sleeping if it may not block, and
 * not if it may; afterwards the task is as before.
 */
static void p11_checked_for_sleeping(struct kunit *test)
{
	const bool blockable = *(const bool *)test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_interval *interval = insert(test, mm, FROM, TO);
	struct kt_range *range = kt_range(test, mm, FROM, TO, blockable,
					  MMUN_NOTIFY_UNMAP);
	int before = kt_non_block();

	skip_unless_checked(test);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, kt_non_block(), before);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_non_block(), before);
	KUNIT_EXPECT_EQ(test, non_block_at(sub, START), before + !blockable);
	KUNIT_EXPECT_EQ(test, non_block_at(sub, END), before + !blockable);
	KUNIT_EXPECT_EQ(test, non_block_at(interval, INVALIDATE),
			before + !blockable);
}

/* The end after a refusal is checked, too, whoever refused. */
static void p11_end_after_refusal(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *older = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *younger = sub_of_range(test, mm);
	int before = kt_non_block();

	skip_unless_checked(test);
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(non_block_range(test, mm)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_non_block(), before);
	KUNIT_EXPECT_EQ(test, non_block_at(sub, START), before + 1);
	KUNIT_EXPECT_EQ(test, non_block_at(older, START), before + 1);
	KUNIT_EXPECT_EQ(test, non_block_at(older, END), before + 1);
	KUNIT_EXPECT_EQ(test, non_block_at(younger, END), before + 1);
}

/* An owed end of such a range is checked wherever it is told. */
static void p11_owed_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *sub = join_for(test, mm);
	struct kt_range *range = accept(test, mm);

	skip_unless_checked(test);
	leave(sub, way_of(test));
	KT_ASSERT_UNTIL(test, ends(sub));
	KUNIT_EXPECT_EQ(test, non_block_at(sub, END), 1);
	KUNIT_EXPECT_EQ(test, kt_non_block(), 0);
	/* Here by the worker that settles it. */
	refuse_behind(range);
	KT_ASSERT_UNTIL(test, ends(other));
	KUNIT_EXPECT_EQ(test, non_block_at(other, END), 1);
}

/* --- young queries and secondary TLBs --- */

/* What the last query said. */
static struct {
	struct mm_struct *mm;
	unsigned long start, end;
	int n;
} asked;

static bool note_asked(struct mm_struct *mm, unsigned long start,
		       unsigned long end)
{
	asked.mm = mm;
	asked.start = start;
	asked.end = end;
	asked.n++;
	return true;
}

static bool note_clear_flush_young(struct mmun_notifier *mn,
				   struct mm_struct *mm, unsigned long start,
				   unsigned long end)
{
	return note_asked(mm, start, end);
}

static bool note_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			    unsigned long address)
{
	return note_asked(mm, address, 0);
}

static void note_flush_tlb(struct mmun_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	note_asked(mm, start, end);
}

static const struct mmun_notifier_ops clear_flush_young_ops = {
	.clear_flush_young = note_clear_flush_young,
};

static const struct mmun_notifier_ops clear_young_ops = {
	.clear_young = note_clear_flush_young,
};

static const struct mmun_notifier_ops test_young_ops = {
	.test_young = note_test_young,
};

static const struct mmun_notifier_ops flush_tlb_ops = {
	.arch_invalidate_secondary_tlbs = note_flush_tlb,
};

static const struct query_param {
	const char *name;
	const struct mmun_notifier_ops *ops;
} queries[] = {
	{ "clear_flush_young", &clear_flush_young_ops },
	{ "clear_young", &clear_young_ops },
	{ "test_young", &test_young_ops },
	{ "arch_invalidate_secondary_tlbs", &flush_tlb_ops },
};

static void query_name(const struct query_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(query, queries, query_name);

/* A bit for each query that was answered by true; TLBs by having been told. */
static unsigned int ask_all(struct mm_struct *mm)
{
	unsigned int yes = 0;

	if (mmun_kunit_clear_flush_young(mm, FROM, TO))
		yes |= BIT(0);
	if (mmun_kunit_clear_young(mm, FROM, TO))
		yes |= BIT(1);
	if (mmun_kunit_test_young(mm, FROM))
		yes |= BIT(2);
	mmun_kunit_flush_tlb(mm, FROM, TO);
	return yes;
}

/*
 * A subscriber with one of the queries only is asked that one, with the mm and
 * the bounds, and none of the others; and nothing after it has left.
 */
static void p12_only_those_who_have_the_op(struct kunit *test)
{
	const struct query_param *param = test->param_value;
	const unsigned int nth = param - queries;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = sub_of_range(test, mm);
	struct kt_sub *all = kt_register(test, mm, &kt_ops);
	struct kt_sub *sub;

	/* Every bridge is there, and nobody answers. */
	KUNIT_EXPECT_EQ(test, ask_all(mm), 0U);
	sub = kt_register(test, mm, param->ops);
	asked.n = 0;
	KUNIT_EXPECT_EQ(test, ask_all(mm), nth < 3 ? BIT(nth) : 0);
	KUNIT_EXPECT_EQ(test, asked.n, 1);
	KUNIT_EXPECT_PTR_EQ(test, asked.mm, mm);
	KUNIT_EXPECT_EQ(test, asked.start, FROM);
	KUNIT_EXPECT_EQ(test, asked.end, nth == 2 ? 0 : TO);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, ask_all(mm), 0U);
	KUNIT_EXPECT_EQ(test, asked.n, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->clear_flush_youngs), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->clear_youngs), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->tlb_flushes), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->test_youngs),
			nth == 2 ? 2 : 3);
	KUNIT_EXPECT_EQ(test, starts(other) + ends(other), 0);
}

/* All are asked clear_flush_young and clear_young, and one yes is enough. */
static void p12_young_is_ored(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub[3];
	unsigned int mask;
	int i;

	for (i = 0; i < 3; i++)
		sub[i] = kt_register(test, mm, &kt_young_ops);
	for (mask = 0; mask < 8; mask++) {
		for (i = 0; i < 3; i++)
			sub[i]->young = mask & BIT(i);
		KUNIT_EXPECT_EQ(test, mmun_kunit_clear_flush_young(mm, FROM,
								   TO),
				!!mask);
		KUNIT_EXPECT_EQ(test, mmun_kunit_clear_young(mm, FROM, TO),
				!!mask);
		KUNIT_EXPECT_EQ(test, mmun_kunit_test_young(mm, FROM), !!mask);
	}
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&sub[i]->clear_flush_youngs),
				8);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub[i]->clear_youngs), 8);
	}
}

/* test_young asks nobody after the first yes. */
static void p12_test_young_stops(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *second = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *first = kt_register(test, mm, &kt_young_ops);

	second->young = true;
	last->young = true;
	KUNIT_EXPECT_TRUE(test, mmun_kunit_test_young(mm, FROM));
	KUNIT_EXPECT_EQ(test, atomic_read(&first->test_youngs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->test_youngs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->test_youngs), 0);
	second->young = false;
	last->young = false;
	KUNIT_EXPECT_FALSE(test, mmun_kunit_test_young(mm, FROM));
	KUNIT_EXPECT_EQ(test, atomic_read(&last->test_youngs), 1);
}

static int query_task(void *arg)
{
	return mmun_kunit_clear_flush_young(arg, FROM, TO);
}

/* Who leaves while another is being asked is not asked any more. */
static void p12_not_asked_after_leaving(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *first = kt_register(test, mm, &kt_young_ops);
	struct kt_task *task;

	sub->young = true;
	kt_gate_close(&first->query);
	task = kt_run(test, query_task, mm);
	kt_gate_wait(test, &first->query);
	leave(sub, BY_NO_RELEASE);
	kt_gate_open(&first->query);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->clear_flush_youngs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->clear_flush_youngs), 1);
}

/* After its release, in the mm's exit, nobody is asked or told of ranges. */
static void p12_not_asked_after_release(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register(test, mm, &kt_ops);
	struct kt_sub *gone = kt_register(test, mm, &kt_ops);
	struct kt_range *range;
	struct kt_task *task;
	int n, before[2];

	kt_mm_kill(test, mm);
	kt_gate_close(&last->release);
	task = kt_run(test, exit_task, last);
	kt_gate_wait(test, &last->release);
	KUNIT_EXPECT_EQ(test, releases(gone), 1);
	gone->young = true;
	n = atomic_read(&last->clear_flush_youngs);
	KUNIT_EXPECT_EQ(test, ask_all(mm), 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&gone->clear_flush_youngs), n);
	KUNIT_EXPECT_EQ(test, atomic_read(&gone->tlb_flushes), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->clear_flush_youngs), n + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->tlb_flushes), 1);
	before[0] = starts(gone);
	before[1] = starts(last);
	range = start(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, starts(gone), before[0]);
	KUNIT_EXPECT_EQ(test, starts(last), before[1] + 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, ends(gone), before[0]);
	KUNIT_EXPECT_EQ(test, ends(last), before[1] + 1);
	kt_gate_open(&last->release);
	kt_join(test, task);
	n = atomic_read(&last->clear_flush_youngs);
	ask_all(mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->clear_flush_youngs), n);
	KUNIT_EXPECT_EQ(test, ends(last), before[1] + 1);
}

/* The extra bridges are there while somebody needs them, and no longer. */
static void p12_bridges_come_and_go(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_sub *young, *young2, *tlb, *both;

	KUNIT_EXPECT_FALSE(test, look(sub).young);
	KUNIT_EXPECT_FALSE(test, look(sub).tlb);
	young = kt_register(test, mm, &kt_young_ops);
	KUNIT_EXPECT_TRUE(test, look(sub).young);
	KUNIT_EXPECT_FALSE(test, look(sub).tlb);
	young2 = kt_register(test, mm, &test_young_ops);
	tlb = kt_register(test, mm, &kt_tlb_ops);
	KUNIT_EXPECT_TRUE(test, look(sub).tlb);

	kt_unregister(tlb);
	KT_ASSERT_UNTIL(test, !look(sub).tlb);
	KUNIT_EXPECT_TRUE(test, look(sub).young);
	kt_unregister(young);
	KUNIT_EXPECT_TRUE(test, mmun_kunit_test_young(mm, FROM));
	kt_unregister(young2);
	KT_ASSERT_UNTIL(test, !look(sub).young);
	KUNIT_EXPECT_FALSE(test, mmun_kunit_test_young(mm, FROM));

	both = kt_register(test, mm, &kt_ops);
	KUNIT_EXPECT_TRUE(test, look(sub).young);
	KUNIT_EXPECT_TRUE(test, look(sub).tlb);
	leave(both, BY_NO_RELEASE);
	KT_ASSERT_UNTIL(test, !look(sub).young && !look(sub).tlb);
	KUNIT_EXPECT_EQ(test, look(sub).users, 1U);
	KUNIT_EXPECT_FALSE(test, look(sub).detaching);
}

/* A flush of secondary TLBs is told to all who asked for them. */
static void p12_flush_reaches_all(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *a = kt_register(test, mm, &kt_tlb_ops);
	struct kt_sub *b = kt_register(test, mm, &kt_ops);
	struct kt_sub *c = kt_register(test, mm, &kt_tlb_ops);

	mmun_kunit_flush_tlb(mm, FROM, TO);
	kt_unregister(b);
	mmun_kunit_flush_tlb(mm, FROM, TO);
	kt_unregister(c);
	mmun_kunit_flush_tlb(mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->tlb_flushes), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->tlb_flushes), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->tlb_flushes), 2);
}

/* --- the walk is mended --- */

static void unregister_victims(struct kt_sub *sub)
{
	int i;

	hear_release(sub);
	for (i = 0; victims[i]; i++)
		kt_unregister(victims[i]);
}

static const struct victim_param {
	const char *name;
	int nth[3];			/* -1: no more */
} victim_params[] = {
	{ "the next one", { 2, -1 } },
	{ "itself", { 1, -1 } },
	{ "the one before", { 0, -1 } },
	{ "the last one", { 3, -1 } },
	{ "the next two", { 2, 3, -1 } },
	{ "the next two, far one first", { 3, 2, -1 } },
	{ "itself and the next one", { 1, 2, -1 } },
	{ "the next one and itself", { 2, 1, -1 } },
	{ "both neighbours", { 0, 2, -1 } },
};

static void victim_name(const struct victim_param *param, char *name)
{
	strscpy(name, param->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(victim, victim_params, victim_name);

/*
 * In the mm's exit the second of four unregisters some of them in its release:
 * each is released once all the same, and the walk comes to its end.
 */
static void p08_release_unregisters(struct kunit *test)
{
	const struct victim_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *anchor = insert(test, mm, FROM, TO);
	struct kt_range *range;
	struct kt_sub *sub[4];	/* in the order of the walk */
	int i;

	for (i = 3; i >= 0; i--)
		sub[i] = sub_of_range(test, mm);
	for (i = 0; i < 3 && param->nth[i] >= 0; i++)
		victims[i] = sub[param->nth[i]];
	sub[1]->on_release = unregister_victims;
	range = start(test, mm, FROM, TO);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ_MSG(test, releases(sub[i]), 1, "the %dth", i);
		KUNIT_EXPECT_EQ(test, starts(sub[i]), ends(sub[i]));
		KUNIT_EXPECT_EQ(test, times(sub[i], END, range), 1);
	}
	KUNIT_EXPECT_LT(test, place(sub[0], RELEASE, NULL),
			place(sub[1], RELEASE, NULL));
	KUNIT_EXPECT_EQ(test, atomic_read(&anchor->releases), 1);
	kt_end(range);
	for (i = 0; i < 4; i++) {
		if (sub[i]->registered)
			kt_unregister(sub[i]);
		KUNIT_EXPECT_EQ(test, releases(sub[i]), 1);
		KUNIT_EXPECT_EQ(test, times(sub[i], END, range), 1);
	}
}

/* The driver's memory is its own again, and it makes a new one of it. */
static void unregister_and_clear(struct kt_sub *sub)
{
	struct kt_sub *victim = victims[0];
	const struct mmun_notifier_ops *ops = victim->mn.ops;

	hear_release(sub);
	kt_unregister(victim);
	memset(&victim->mn, 0, sizeof(victim->mn));
	victim->mn.ops = ops;
}

/*
 * In the exit's walk a release unregisters the one after the next, while the
 * next is being unregistered by another task: neither is come to again.
 */
static void p08_release_and_another_unregister(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_task *leaver;
	struct kt_sub *last = sub_of_range(test, mm);
	struct kt_sub *after = sub_of_range(test, mm);
	struct kt_sub *next = sub_of_range(test, mm);
	struct kt_sub *sub = sub_of_range(test, mm);
	struct kt_task *task;

	sub->on_release = unregister_and_clear;
	victims[0] = after;
	kt_mm_kill(test, mm);
	kt_gate_close(&sub->release);
	task = kt_run(test, exit_task, sub);
	kt_gate_wait(test, &sub->release);
	leaver = leave_beside(test, next, BY_UNREGISTER);
	/* It is unlinked, and waits for the exit's walk. */
	KT_ASSERT_UNTIL(test, waiters(sub) == 1);
	KUNIT_EXPECT_EQ(test, releases(next), 1);
	kt_gate_open(&sub->release);
	kt_join(test, task);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, releases(sub), 1);
	KUNIT_EXPECT_EQ(test, releases(next), 1);
	KUNIT_EXPECT_EQ(test, releases(after), 1);
	KUNIT_EXPECT_EQ(test, releases(last), 1);
}

/* The youngest is told first, of starts, ends and releases. */
static void x_order_of_the_walk(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *second = sub_of_range(test, mm);
	struct kt_sub *first = sub_of_range(test, mm);
	struct kt_range *range = start(test, mm, FROM, TO);

	kt_end(range);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_LT(test, place(first, START, range),
			place(second, START, range));
	KUNIT_EXPECT_LT(test, place(second, START, range),
			place(first, END, range));
	KUNIT_EXPECT_LT(test, place(first, END, range),
			place(second, END, range));
	KUNIT_EXPECT_LT(test, place(first, RELEASE, NULL),
			place(second, RELEASE, NULL));
	KUNIT_EXPECT_GE(test, place(first, RELEASE, NULL), 0);
}

static int core_init(struct kunit *test)
{
	nr_heard = 0;
	unheard = 0;
	memset(victims, 0, sizeof(victims));
	return kt_init(test);
}

static void core_exit(struct kunit *test)
{
	/* Else "was not heard" would mean "was not written down". */
	KUNIT_EXPECT_EQ(test, unheard, 0U);
	kt_exit(test);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p09_start_and_end),
	KUNIT_CASE(p09_all_subscribers_hear),
	KUNIT_CASE_PARAM(p09_nested, order_gen_params),
	KUNIT_CASE_PARAM(p09_concurrent, overlap_gen_params),
	KUNIT_CASE(p09_concurrent_ends),
	KUNIT_CASE_PARAM(p09_shapes, shape_gen_params),
	KUNIT_CASE_PARAM(p12_what_a_range_says, event_gen_params),
	KUNIT_CASE(p09_start_only),
	KUNIT_CASE(p09_end_only),
	KUNIT_CASE(p09_release_only),
	KUNIT_CASE(p09_end_without_start),
	KUNIT_CASE(p09_failed_start_gets_no_end),
	KUNIT_CASE(p09_join_between_start_and_end),
	KUNIT_CASE(p09_join_waits_for_all_older),
	KUNIT_CASE(p09_join_while_a_start_runs),
	KUNIT_CASE(p09_join_before_the_list_is_asked),
	KUNIT_CASE(p09_join_while_an_end_runs),
	KUNIT_CASE(p09_join_waits_for_non_blockable),
	KUNIT_CASE_PARAM(p09_leave_between_start_and_end, way_gen_params),
	KUNIT_CASE_PARAM(p09_leave_after_a_failed_start, way_gen_params),
	KUNIT_CASE_PARAM(p09_owed_end_keeps_its_range, way_gen_params),
	KUNIT_CASE(p09_owed_ends_of_two_keep_their_range),
	KUNIT_CASE_PARAM(p09_leave_while_own_start_runs, way_gen_params),
	KUNIT_CASE_PARAM(p09_leave_while_own_start_fails, way_gen_params),
	KUNIT_CASE_PARAM(p09_leave_while_own_end_runs, way_gen_params),
	KUNIT_CASE_PARAM(p09_leave_before_own_end_comes, way_gen_params),
	KUNIT_CASE(p09_told_end_keeps_its_range),
	KUNIT_CASE_PARAM(p09_leave_before_own_start_comes, way_gen_params),
	KUNIT_CASE(p09_leave_and_come_back),
	KUNIT_CASE_PARAM(p09_put_in_own_start, blockable_gen_params),
	KUNIT_CASE_PARAM(p09_put_in_own_end, blockable_gen_params),
	KUNIT_CASE(p09_start_puts_the_next_ones),
	KUNIT_CASE_PARAM(p09_more_ranges_than_slots, many_gen_params),
	KUNIT_CASE(p09_join_waits_for_counted),
	KUNIT_CASE(p09_join_waits_for_counted_ends),
	KUNIT_CASE(p14_reader_waits_for_counted),
	KUNIT_CASE_PARAM(p09_leave_with_counted, way_gen_params),
	KUNIT_CASE_PARAM(p09_leave_with_counted_only, way_gen_params),
	KUNIT_CASE_PARAM(p09_leave_while_counted_start_runs, way_gen_params),
	KUNIT_CASE(p09_failed_counted_start_gets_its_end),
	KUNIT_CASE(p09_counted_at_exit),
	KUNIT_CASE(p09_counted_end_meets_the_exit),
	KUNIT_CASE(p09_owed_at_exit),
	KUNIT_CASE(p09_heard_until_released),
	KUNIT_CASE(p09_come_and_go_in_a_storm),
	KUNIT_CASE_PARAM(p10_refusal, refusal_gen_params),
	KUNIT_CASE(p10_refusal_by_another_error),
	KUNIT_CASE(p10_refusal_and_half_subscribers),
	KUNIT_CASE(p10_refused_range_collides),
	KUNIT_CASE(p10_refused_inside_another),
	KUNIT_CASE(p10_refusal_wakes_who_joins),
	KUNIT_CASE(p10_refused_after_the_exit_closed),
	KUNIT_CASE(p10_interval_refusal),
	KUNIT_CASE(p10_no_slot_left),
	KUNIT_CASE(p10_put_in_a_refused_start),
	KUNIT_CASE(p10_provisional_then_confirmed),
	KUNIT_CASE(p10_orphan),
	KUNIT_CASE_PARAM(p10_leave_with_an_orphan, way_gen_params),
	KUNIT_CASE(p10_orphans_key_used_again),
	KUNIT_CASE(p10_orphans_end_keeps_its_range),
	KUNIT_CASE(p08_range_settles_during_exit),
	KUNIT_CASE(p03_unregister_waits_for_a_settled_end),
	KUNIT_CASE(p10_orphan_at_exit),
	KUNIT_CASE(p10_join_locked_passes_an_orphan),
	KUNIT_CASE_PARAM(p11_checked_for_sleeping, blockable_gen_params),
	KUNIT_CASE(p11_end_after_refusal),
	KUNIT_CASE_PARAM(p11_owed_end, way_gen_params),
	KUNIT_CASE_PARAM(p12_only_those_who_have_the_op, query_gen_params),
	KUNIT_CASE(p12_young_is_ored),
	KUNIT_CASE(p12_test_young_stops),
	KUNIT_CASE(p12_not_asked_after_leaving),
	KUNIT_CASE(p12_not_asked_after_release),
	KUNIT_CASE(p12_bridges_come_and_go),
	KUNIT_CASE(p12_flush_reaches_all),
	KUNIT_CASE_PARAM(p08_release_unregisters, victim_gen_params),
	KUNIT_CASE(p08_release_and_another_unregister),
	KUNIT_CASE(x_order_of_the_walk),
	{}
};

struct kunit_suite mmun_core_suite = {
	.name = "mmun_core",
	.init = core_init,
	.exit = core_exit,
	.test_cases = cases,
};
