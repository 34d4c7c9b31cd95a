// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_behind: ranges that another driver refuses behind mmun. They may not
 * block; mmun has accepted them, and neither a confirmation nor an end comes. The task
 * that raises such a range has the mmap lock for reading.
 */

#include "real.h"

/*
 * An orphan's owed end comes when the mmap lock is free, and not before. The worker
 * looks for that less and less often.
 */
static void orphan_is_settled_when_mmap_lock_is_free(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	struct kt_range *range;
	unsigned long seq, delay;
	int i;

	range = kt_accept(test, mm, PAGES(1), PAGES(2));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	for (i = 0; i < 3; i++) {
		delay = kt_state(sub).settle_delay;
		mmun_kunit_flush_worker(sub->mn.priv.subs);
		KUNIT_EXPECT_TRUE(test, kt_state(sub).settle_delay > delay || delay >= HZ / 10);
		seq = mmun_interval_read_begin(&interval->mni);
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	}
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 1);
	kt_refuse_behind(range);

	KT_ASSERT_UNTIL(test, kt_ends(sub) == 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(1));
	KUNIT_EXPECT_EQ(test, sub->last_end.end, PAGES(2));
	KUNIT_EXPECT_FALSE(test, mmun_notifier_range_blockable(&sub->last_end));
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 0);
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
}

/* A range that was confirmed is no orphan, whoever has the mmap lock. */
static void confirmed_range_is_no_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;
	struct kt_range *orphan;

	range = kt_accept(test, mm, PAGES(1), PAGES(2));
	mmun_kunit_confirm(&range->kernel);
	orphan = kt_accept(test, mm, PAGES(4), PAGES(5));
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 2);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 1);
	kt_refuse_behind(orphan);
	kt_refuse_behind(range);

	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(4));
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1);
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(1));
}

/* Several orphans of several tasks are settled, each with its own bounds. */
static void orphans_of_tasks_are_settled(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range[3];
	int i;

	for (i = 0; i < ARRAY_SIZE(range); i++)
		range[i] = kt_accept(test, mm, PAGES(i), PAGES(i + 1));
	for (i = 0; i < ARRAY_SIZE(range); i++)
		kt_refuse_behind(range[i]);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub2->accepted), 3);
	expect_paired(test, sub);
	expect_paired(test, sub2);
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 0);
}

/*
 * The next range from the same object shows that the last one was an orphan:
 * its end comes before the new start.
 */
static void reused_range_object_settles_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;

	range = kt_accept(test, mm, PAGES(1), PAGES(2));
	range->kernel.start = PAGES(8);
	range->kernel.end = PAGES(9);
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept(&range->kernel), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(1));
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 1);

	mmun_kunit_confirm(&range->kernel);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(8));
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 0);
}

/* The same when the next range is one that may block. */
static void reused_range_object_settles_orphan_before_blockable(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	unsigned long seq;

	range = kt_accept(test, mm, PAGES(1), PAGES(2));
	range->kernel.start = PAGES(8);
	range->kernel.end = PAGES(9);
	range->kernel.flags = MMU_NOTIFIER_RANGE_BLOCKABLE;
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept(&range->kernel), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 0);
	/* The orphan's mark is gone from its interval. */
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_end(range);
	expect_paired(test, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
}

/* The exit settles an orphan even if the mmap lock never becomes free. */
static void exit_settles_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	struct kt_range *range;
	struct kt_actor *task;

	range = kt_accept(test, mm, PAGES(1), PAGES(2));
	kt_mm_kill(test, mm);
	task = kt_do(test, mm, KT_EXIT, NULL);
	KT_ASSERT_UNTIL(test, kt_state(sub).closed);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).provisional, 0);
	mmun_interval_read_begin(&interval->mni);
	kt_refuse_behind(range);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
}

/* The last subscriber leaves with an orphan: it has its end, and later ones come. */
static void last_subscriber_leaves_with_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	struct kt_range *range;

	range = kt_accept(test, mm, PAGES(1), PAGES(2));
	kt_remove_now(test, interval);
	kt_do_now(test, NULL, KT_UNREGISTER, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);

	sub = kt_register(test, mm, &kt_range_ops);
	interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	KUNIT_EXPECT_FALSE(test,
			   kt_retry(interval,
				    mmun_interval_read_begin(&interval->mni)));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
}

/* A register waits until an orphan is settled. */
static void register_waits_for_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;
	struct kt_sub *second = kt_sub(test, &kt_range_ops);
	struct kt_actor *task;

	range = kt_accept(test, mm, PAGES(1), PAGES(2));
	task = kt_do(test, mm, KT_REGISTER, second);
	kt_assert_waits(test, sub->mn.priv.subs, task, 1);
	kt_refuse_behind(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KT_ASSERT_UNTIL(test, kt_ends(sub) == 1);
	KUNIT_EXPECT_EQ(test, kt_starts(second), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(second), 0);
}

static struct kunit_case cases[] = {
	KT_CASE(10, orphan_is_settled_when_mmap_lock_is_free),
	KT_CASE(10, confirmed_range_is_no_orphan),
	KT_CASE(10, orphans_of_tasks_are_settled),
	KT_CASE(10, reused_range_object_settles_orphan),
	KT_CASE(10, reused_range_object_settles_orphan_before_blockable),
	KT_CASE(10, exit_settles_orphan),
	KT_CASE(10, last_subscriber_leaves_with_orphan),
	KT_CASE(10, register_waits_for_orphan),
	{}
};

struct kunit_suite mmun_behind_suite = {
	.name = "mmun_behind",
	.init = real_init,
	.exit = real_exit,
	.test_cases = cases,
};
