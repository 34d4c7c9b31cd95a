// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_orphan: provisional ranges are confirmed, or become orphans and
 * are settled.
 */

#include <linux/rwsem.h>

#include "mmun_kunit.h"

KT_NAMED_PARAM(way, kt_ways);

/*
 * A provisional range makes readers collide without waiting; once it is
 * confirmed they wait for its end.
 */
static void reader_collides_until_confirmed_then_waits(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range = kt_accept(test, mm, FROM, TO);
	struct kt_actor *reader;

	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 1U);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_TRUE(test, kt_read_collides(test, interval));
	mmun_kunit_confirm(&range->kernel);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1U);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, sub, reader, 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	kt_expect_quiet(test, sub);
}

/*
 * A range that a notifier behind mmun refuses: the owed ends come, and
 * read_begin and remove return.
 */
static void orphan_is_settled(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_interval *second = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range = kt_accept(test, mm, FROM, TO);

	/* With the mmap lock held it may still be confirmed. */
	KUNIT_EXPECT_TRUE(test, kt_read_collides(test, interval));
	kt_remove_now(test, second);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 1U);
	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, !kt_state(sub).busy);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 1);
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, interval));
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_remove_now(test, interval);
	kt_expect_quiet(test, sub);
}

/* A subscriber that leaves before an orphan is settled gets its end once. */
static void leaver_gets_end_of_orphan_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_range *range = kt_accept(test, mm, FROM, TO);

	kt_leave(test, sub, kt_way_of(test));
	kt_await_way_frees(test, sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 0);
	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, !kt_state(other).busy);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_expect_quiet(test, other);
}

/*
 * The range object of an orphan is used for another range: the end of the
 * orphan comes before the start of the new range.
 */
static void reused_range_object_settles_orphan_first(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *old = kt_nonblock(test, mm, FROM, TO);
	struct kt_range *range = kt_blockable(test, mm, TO, TO + 1);
	struct mmu_notifier_range object = old->kernel;

	/* Another reader of the lock keeps the worker from settling it. */
	down_read_non_owner(&mm->mmap_lock);
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept(&object), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	object = range->kernel;
	KUNIT_EXPECT_EQ(test, mmun_kunit_start(&object), 0);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, old), 1);
	KUNIT_EXPECT_LT(test, kt_place(sub, CB_END, old), kt_place(sub, CB_START, range));
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 0U);
	mmun_kunit_end(&object);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	up_read_non_owner(&mm->mmap_lock);
	kt_expect_quiet(test, sub);
}

/* The subscriber that leaves inside an end, and the busy slots after that. */
static struct {
	struct kt_sub *sub;
	unsigned int busy;
} in_end;

static void leave_in_end(struct kt_sub *sub,
			 const struct mmun_notifier_range *range)
{
	sub->on_end = kt_log_end;
	kt_log_end(sub, range);
	kt_unregister_no_release(in_end.sub);
	in_end.busy = kt_state(sub).busy;
}

/*
 * While the end of an orphan is being delivered a subscriber leaves and gets it
 * at once: the slot stays busy for those whose turn comes later.
 */
static void slot_of_orphan_stays_busy_during_its_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *first = kt_register_logged(test, mm);
	struct kt_range *range = kt_accept(test, mm, FROM, TO);

	in_end.sub = sub;
	in_end.busy = 0;
	first->on_end = leave_in_end;
	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, kt_calls(last, CB_END, range));
	KUNIT_EXPECT_EQ(test, in_end.busy, 1U);
	kt_expect_quiet(test, last);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(first), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(last), 1);
}

/*
 * The mm's exit comes while a start settles an older range with the same
 * object: afterwards the new range is not in flight, and no subscriber has got
 * it.
 */
static void exit_during_settling_leaves_nothing_in_flight(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *stopped = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	/* May block, as a gate stops the ends of such ranges only. */
	struct kt_range *range = kt_begin(test, mm, FROM, TO);
	struct kt_actor *task;

	task = kt_do_to_gate(test, &stopped->end, NULL, KT_START, range);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_ASSERT_TRUE(test, kt_state(sub).closed);
	kt_gate_open(&stopped->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).invalidating, 0U);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), kt_ends(sub));
	KUNIT_EXPECT_EQ(test, kt_calls(interval, CB_INVALIDATE, range), 1);
	kt_remove_now(test, interval);
}

/* Unregister waits for the end of a range whose object is used again. */
static void unregister_waits_for_a_settled_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_actor *leaver;
	struct kt_range *range = kt_begin(test, mm, FROM, TO);
	struct kt_actor *task;

	task = kt_do_to_gate(test, &sub->end, NULL, KT_START, range);
	leaver = kt_do(test, NULL, KT_UNREGISTER, sub);
	kt_assert_waits(test, other, leaver, 1);
	kt_gate_open(&sub->end);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	kt_expect_quiet(test, other);
}

/*
 * At the mm's exit the end of an orphan comes once, and nothing waits for it.
 */
static void exit_delivers_end_of_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range;

	kt_mm_kill(test, mm);
	range = kt_accept(test, mm, FROM, TO);
	kt_refuse_behind(range);
	kt_mm_exit(test, mm);
	/* The release or the worker delivers it, and may still be busy with it. */
	KT_ASSERT_UNTIL(test, kt_calls(sub, CB_END, range));
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 0U);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	kt_read_collides(test, interval);
	kt_remove_now(test, interval);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
}

struct locked {
	struct mm_struct *mm;
	struct kt_sub *sub;
	struct kt_range *range;
	unsigned int provisional;
};

static int register_locked(void *arg)
{
	struct locked *locked = arg;
	int ret;

	mmap_write_lock(locked->mm);
	ret = mmun_kunit_accept(&locked->range->kernel);
	ret = ret ?: __mmun_notifier_register(&locked->sub->mn, locked->mm);
	locked->sub->registered = !ret;
	if (!ret)
		locked->provisional = kt_state(locked->sub).provisional;
	mmap_write_unlock(locked->mm);
	return ret;
}

/*
 * Register under the mmap lock does not wait for an orphan, which cannot be
 * settled meanwhile, and does not get its end.
 */
static void locked_register_passes_an_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct locked *locked = kt_new(test, sizeof(*locked));

	locked->mm = mm;
	locked->sub = kt_sub(test, &kt_range_ops);
	locked->range = kt_nonblock(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test,
			kt_join(test, kt_run(test, register_locked, locked)), 0);
	KUNIT_EXPECT_EQ(test, locked->provisional, 1U);
	KT_ASSERT_UNTIL(test, !kt_state(other).busy);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(locked->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(locked->sub), 0);
}

/*
 * Inside a range that a notifier behind mmun refuses, insert, read_begin and
 * remove return, the owed end comes, and a new section is good.
 */
static void orphan_blocks_no_interval_operation(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *gone = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *late = kt_interval(test);
	struct mmun_kunit_state state;
	struct kt_range *range;
	unsigned long seq;

	range = kt_accept(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	kt_remove_now(test, gone);
	kt_insert_now(test, mm, late, FROM, TO - FROM);
	/* The range did not call it, and yet it cannot be read. */
	KUNIT_EXPECT_TRUE(test, kt_retry(late, kt_read_now(test, late)));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);

	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, !kt_state(interval).busy);
	state = kt_state(interval);
	KUNIT_EXPECT_EQ(test, state.active + state.provisional, 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	seq = kt_read_now(test, interval);
	KUNIT_EXPECT_TRUE(test, seq & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	seq = kt_read_now(test, late);
	KUNIT_EXPECT_FALSE(test, kt_retry(late, seq));
	kt_remove_now(test, interval);
	kt_remove_now(test, late);
}

static struct kunit_case cases[] = {
	KT_CASE(10, reader_collides_until_confirmed_then_waits),
	KT_CASE(10, orphan_is_settled),
	KT_CASE_PARAM(10, leaver_gets_end_of_orphan_once, way_gen_params),
	KT_CASE(10, reused_range_object_settles_orphan_first),
	KT_CASE(10, slot_of_orphan_stays_busy_during_its_end),
	KT_CASE(08, exit_during_settling_leaves_nothing_in_flight),
	KT_CASE(03, unregister_waits_for_a_settled_end),
	KT_CASE(10, exit_delivers_end_of_orphan),
	KT_CASE(10, locked_register_passes_an_orphan),
	KT_CASE(10, orphan_blocks_no_interval_operation),
	{}
};

struct kunit_suite mmun_orphan_suite = {
	.name = "mmun_orphan",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
