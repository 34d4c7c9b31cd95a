// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_bridge: the bridge stays until the exit of the mm, or until it is
 * removed from a living one.
 */

#include "real.h"

/*
 * The bridge stays when the last subscriber leaves, and calls nobody; the next
 * subscriber finds it, and is called.
 */
static void bridge_stays_when_last_subscriber_leaves(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, ULONG_MAX);
	struct kt_sub *got = kt_get(test, mm, &kt_get_ops);
	struct mmun_subscriptions *subs = sub->mn.priv.subs;

	kt_remove(interval);
	kt_unregister(sub);
	kt_put(got);
	/* The notifiers for young queries and TLBs go. */
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);

	sub = kt_register(test, mm, &kt_range_ops);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.priv.subs, subs);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(1), PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	expect_paired(test, sub);
}

/* The bridge that nobody needs any more goes with the mm's exit. */
static void idle_bridge_goes_with_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
}

/* The last one leaves in the middle of a real range without waiting for it. */
static void last_subscriber_leaves_in_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *range;

	range = cut_off_to_gate(test, &peer->gate, file);
	kt_do_now(test, NULL, KT_UNREGISTER, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
}

/*
 * Removing the bridge of a living mm waits for a real range that is held open, and
 * then comes to its end. Until then no second bridge is made: a new subscriber waits a
 * second, and fails.
 */
static void removal_waits_for_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *old = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *new = kt_sub(test, &kt_range_ops);
	struct kt_actor *range, *task;
	unsigned int most = 0;

	range = cut_off_to_gate(test, &peer->gate, file);
	kt_do_now(test, NULL, KT_UNREGISTER, old);
	mmun_kunit_cut_off(mm);
	/* Both notifiers and the worker, which is in the removal of the interval. */
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	KT_ASSERT_UNTIL(test, !mmun_kunit_found(mm));
	task = kt_do(test, mm, KT_REGISTER, new);
	kt_until((most = max(most, mmun_kunit_attached()), !kt_running(task)));
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EBUSY);
	KUNIT_EXPECT_EQ(test, most, 3U);
	KUNIT_EXPECT_TRUE(test, kt_running(range));

	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_ASSERT_EQ(test, kt_join(test, kt_do(test, mm, KT_REGISTER, new)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(new), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(new), 0);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);

	cut_off(file);
	KUNIT_EXPECT_EQ(test, kt_starts(new), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(new), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(old), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(old), 1);
}

/* An exit while the removal waits for a range: the bridge goes once, after both. */
static void exit_while_removal_waits(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *range, *task;

	range = cut_off_to_gate(test, &peer->gate, file);
	kt_do_now(test, NULL, KT_UNREGISTER, sub);
	mmun_kunit_cut_off(mm);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	kt_mm_kill(test, mm);
	task = kt_do(test, mm, KT_EXIT, NULL);
	/* At the file's lock, which is past the release. */
	kt_assert_sleeps(test, task);
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	expect_paired(test, sub);
}

/*
 * First and last subscribers come and go in a storm of real ranges of several tasks:
 * each has an end for each start, and gets the ranges that begin after it came. The
 * bridge can be removed in the storm.
 */
static void subscribers_come_and_go_in_storm_of_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct kt_interval *interval;
	struct kt_actor *storm[3];
	struct kt_sub *sub;
	int i;

	map_file(test, mm, file, PAGES(1));
	storm[0] = storm_of_cuts(test, file);
	storm[1] = storm_of_munmaps(test, mm);
	storm[2] = storm_of_munmaps(test, mm);
	for (i = 0; i < 12; i++) {
		interval = i & 1 ? kt_insert(test, mm, 0, ULONG_MAX) : NULL;
		sub = kt_register(test, mm, i & 2 ? &kt_ops : &kt_range_ops);
		KT_ASSERT_UNTIL(test, kt_ends(sub) >= 2);
		if (interval) {
			KT_ASSERT_UNTIL(test, kt_invalidates(interval));
			kt_remove(interval);
		}
		kt_unregister(sub);
		expect_paired(test, sub);
		/* To the same bridge, or to a new one when all has gone. */
		if (i & 4) {
			mmun_kunit_cut_off(mm);
			KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
		}
	}
	real_stop();
	for (i = 0; i < ARRAY_SIZE(storm); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, storm[i]), 0);
}

static struct kunit_case cases[] = {
	KT_CASE(07, bridge_stays_when_last_subscriber_leaves),
	KT_CASE(07, idle_bridge_goes_with_exit),
	KT_CASE(07, last_subscriber_leaves_in_real_range),
	KT_CASE(07, removal_waits_for_real_range),
	KT_CASE(08, exit_while_removal_waits),
	KT_CASE(09, subscribers_come_and_go_in_storm_of_ranges),
	{}
};

struct kunit_suite mmun_bridge_suite = {
	.name = "mmun_bridge",
	.init = real_init,
	.exit = real_exit,
	.test_cases = cases,
};
