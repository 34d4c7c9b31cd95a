// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_removal: the interval of the bridge is removed only on proof that the mm is
 * not marked. The cases are those of the table at the head of mmun_shim.c, but case 7,
 * an attach that gives up (kill_ends_attach and attach_fails_busy_after_ten_seconds of
 * mmun_attach).
 *
 * A module cannot raise a real range that may not block. The hook raises it, with the
 * number that the kernel would give it; the kernel does not know of it. Where the
 * kernel must have a range in flight, a real one stands at a peer's gate.
 */

#include <linux/oom.h>
#include <linux/sched/mm.h>

#include "real.h"

/* A pause of the worker that need not grow any more, in jiffies: the longest in an rmmod. */
#define GROWN_DELAY	(HZ / 10)

/* One that has grown for seconds without an rmmod. */
#define LONG_PAUSE	(5UL * HZ)

/* A number that the kernel does not give any range of these cases. */
#define FAR_NUMBER	1000001UL

/* Starts a range that may not block, and has the number @seq. */
static struct kt_range *begin_reaping(struct kunit *test, struct mm_struct *mm,
				      unsigned long seq)
{
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);

	mmun_kunit_seq = seq;
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	return range;
}

static void reap(struct kunit *test, struct mm_struct *mm, unsigned long seq)
{
	kt_end(begin_reaping(test, mm, seq));
}

/* mmun refuses a range that may not block, on a bridge that may have gone from sight. */
static void expect_refusal(struct kunit *test, struct mmun_subscriptions *subs,
			   struct mm_struct *mm)
{
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);

	KUNIT_EXPECT_EQ(test, mmun_kunit_accept_on(subs, &range->kernel), -EAGAIN);
}

/* Its exit raises no range but the release. */
static void unmap_all(struct kunit *test, struct mm_struct *mm)
{
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, 0, TASK_SIZE), 0);
}

static int do_flush_worker(void *arg)
{
	mmun_kunit_flush_worker(arg);
	return 0;
}

/*
 * The worker looks again and again without waiting, and the bridge stays. It pauses
 * longer each time, so that nothing that a process can do keeps it busy.
 */
static void expect_stays(struct kunit *test, struct mmun_subscriptions *subs)
{
	unsigned long before, after;
	int i;

	for (i = 0; i < 3; i++) {
		before = kt_state(subs).retry_delay;
		kt_join(test, kt_run(test, do_flush_worker, subs));
		KUNIT_EXPECT_GT(test, mmun_kunit_attached(), 0U);
		KUNIT_EXPECT_EQ(test, kt_state(subs).doubts, 1U);
		after = kt_state(subs).retry_delay;
		KUNIT_EXPECT_TRUE(test, after > before || after >= GROWN_DELAY);
	}
}

/* The worker has looked so often that its pause is far longer than a first one. */
static void let_pause_grow(struct kunit *test, struct mmun_subscriptions *subs)
{
	int i;

	for (i = 0; i < 20 && kt_state(subs).retry_delay < LONG_PAUSE; i++)
		kt_join(test, kt_run(test, do_flush_worker, subs));
	KUNIT_EXPECT_GE(test, kt_state(subs).retry_delay, LONG_PAUSE);
}

/*
 * The bridge of @mm, which has exited, goes when the case does not hold mm_count any
 * more, and not before. @subs was held by the case; it is put.
 */
static void expect_goes_with_last_holder(struct kunit *test,
					 struct mmun_subscriptions *subs,
					 struct mm_struct *mm)
{
	KUNIT_EXPECT_TRUE(test, kt_state(subs).released);
	expect_stays(test, subs);
	mmdrop(mm);
	KUNIT_EXPECT_TRUE(test, kt_until((kt_forget_mms(), !mmun_kunit_attached())));
	/* The state holds it as well. */
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_count), 1);
	mmgrab(mm);
	mmun_kunit_let_go(subs);
	KUNIT_EXPECT_TRUE(test, kt_until(atomic_read(&mm->mm_count) == 1));
}

/* --- case 1: nobody else could refuse --- */

static const struct alone_param {
	const char *name;
	bool extra;			/* mmun's own for young queries and TLBs */
	bool before, after;		/* a peer registers before, after mmun */
	bool leaves;			/* and leaves */
	unsigned int doubts;
} alone_params[] = {
	{ "mmun only", .doubts = 0 },
	{ "mmun with queries and TLBs", .extra = true, .doubts = 0 },
	{ "a peer at the head", .after = true, .doubts = 1 },
	{ "a peer at the tail", .before = true, .doubts = 1 },
	{ "a peer behind queries and TLBs", .before = true, .extra = true, .doubts = 1 },
	{ "a peer in front of queries and TLBs", .after = true, .extra = true, .doubts = 1 },
	{ "two peers", .before = true, .after = true, .doubts = 1 },
	{ "a peer that left the head", .after = true, .leaves = true, .doubts = 0 },
	{ "a peer that left the tail", .before = true, .leaves = true, .doubts = 0 },
	{ "two peers that left", .before = true, .after = true, .extra = true,
	  .leaves = true, .doubts = 0 },
};

KT_NAMED_PARAM(alone, alone_params);

/* A range that may not block is in doubt only if another driver's notifier is linked. */
static void doubt_needs_foreign_notifier(struct kunit *test)
{
	const struct alone_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct peer_list *before = NULL, *after = NULL;
	struct kt_sub *sub;

	if (param->before)
		before = peer_join(test, mm);
	sub = kt_register(test, mm, param->extra ? &kt_ops : &kt_range_ops);
	if (param->after)
		after = peer_join(test, mm);
	if (param->leaves && before)
		peer_unregister(before);
	if (param->leaves && after)
		peer_unregister(after);
	reap(test, mm, FAR_NUMBER);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, param->doubts);
	expect_paired(test, sub);
}

/*
 * The reaper's range, the release and the exit's own range have one number. Without
 * another driver's notifier the bridge goes, though the case holds the mm_struct.
 */
static void reaping_that_overlaps_exit_leaves_nothing(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *range, *task;
	unsigned long number;

	range = cut_off_to_gate(test, &peer->gate, file);
	number = peer->seq;
	reap(test, mm, number);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	kt_mm_kill(test, mm);
	task = kt_do(test, mm, KT_EXIT, NULL);
	/* The second range that the peer gets is the exit's own. */
	KT_ASSERT_UNTIL(test, atomic_read(&peer->calls) == 2);
	KUNIT_EXPECT_EQ(test, READ_ONCE(peer->seq), number);
	KUNIT_EXPECT_TRUE(test, kt_state(sub).closed);
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	expect_paired(test, sub);
}

/* The same of a process that has no memory any more: its exit raises no range. */
static void reaping_without_memory_leaves_nothing(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	unmap_all(test, mm);
	reap(test, mm, next_number(test, mm));
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	expect_paired(test, sub);
}

static unsigned int doubts_in_start;

static void note_doubts(struct kt_sub *sub, const struct mmun_notifier_range *range)
{
	doubts_in_start = kt_state(sub).doubts;
}

/*
 * The range is in doubt before the subscribers are called: while they are, the kernel
 * may have counted it, and a removal may begin.
 */
static void range_is_in_doubt_during_its_callbacks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	peer_join(test, mm);
	sub->on_start = note_doubts;
	doubts_in_start = 0;
	reap(test, mm, FAR_NUMBER);
	KUNIT_EXPECT_EQ(test, doubts_in_start, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 1U);
	expect_paired(test, sub);
}

/* --- case 2: a later number --- */

/* A start with another number ends the doubt, one with the same number does not. */
static void later_number_ends_doubt(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	peer_join(test, mm);
	reap(test, mm, FAR_NUMBER);
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 1U);
	mmun_kunit_seq = FAR_NUMBER + 2;
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/*
 * A later range that is in doubt, too, ends the doubt about the older one; of the
 * same number both are in doubt.
 */
static void doubts_are_of_one_number(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	peer_join(test, mm);
	reap(test, mm, FAR_NUMBER);
	reap(test, mm, FAR_NUMBER);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 2U);
	reap(test, mm, FAR_NUMBER + 2);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 1U);
}

/*
 * A doubt of the release's own number stays until the exit's own range, which has
 * another one: then the bridge goes, and nobody has to let go of the mm_struct.
 */
static void range_of_exit_ends_doubt(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct peer_list *peer = peer_join(test, mm);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	reap(test, mm, next_number(test, mm));
	task = kt_do_to_gate(test, &peer->release, mm, KT_EXIT, NULL);
	KUNIT_EXPECT_TRUE(test, kt_state(sub).released);
	expect_stays(test, sub->mn.priv.subs);
	kt_gate_open(&peer->release);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/* The number of the release ends the doubt, also where the exit raises no other range. */
static void release_ends_older_doubt(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	peer_join(test, mm);
	unmap_all(test, mm);
	kt_mm_kill(test, mm);
	reap(test, mm, FAR_NUMBER);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 1U);
	kt_mm_exit(test, mm);
	/* The case holds the mm_struct. */
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/* --- case 3: the release waits --- */

/* How many jiffies the release waits for a range in doubt: RELEASE_PATIENCE. */
#define PATIENCE	12

/*
 * The release waits for a range in doubt that is in flight, but not for ever; the
 * exit's own range then ends the doubt.
 */
static void release_waits_for_range_in_doubt_for_bounded_time(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	unsigned long begun;
	struct kt_range *range;
	struct kt_actor *task;

	peer_join(test, mm);
	kt_mm_kill(test, mm);
	range = begin_reaping(test, mm, next_number(test, mm));
	begun = jiffies;
	task = kt_do(test, mm, KT_EXIT, NULL);
	KT_ASSERT_UNTIL(test, kt_state(sub).closed);
	KUNIT_EXPECT_GE(test, jiffies - begun, (unsigned long)PATIENCE);
	/* The exit needs the mmap lock, which the range holds. */
	kt_end(range);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	expect_paired(test, sub);
}

/* When that range ends, the release goes on: subscribers have its end before. */
static void release_goes_on_when_range_in_doubt_ends(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	unsigned long begun, ended;
	struct kt_range *range;
	struct kt_actor *task;

	peer_join(test, mm);
	kt_mm_kill(test, mm);
	range = begin_reaping(test, mm, next_number(test, mm));
	begun = jiffies;
	task = kt_do(test, mm, KT_EXIT, NULL);
	kt_until(kt_settled(task));
	kt_end(range);
	ended = jiffies;
	kt_join(test, task);
	/* On a machine that is too slow for this the release was right not to wait. */
	if (ended - begun < PATIENCE)
		KUNIT_EXPECT_LT(test, kt_place(sub, CB_END, range),
				kt_place(sub, CB_RELEASE, NULL));
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	expect_paired(test, sub);
}

/* --- case 4: the doubt stays --- */

/*
 * No number comes after that of the range in doubt: the bridge waits until nobody but
 * mmun holds the mm_struct, and then goes without anybody's help.
 */
static void doubt_after_exit_ends_with_last_holder(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct peer_list *peer = peer_join(test, mm);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);

	unmap_all(test, mm);
	kt_mm_kill(test, mm);
	reap(test, mm, next_number(test, mm));
	kt_mm_exit(test, mm);
	kt_unregister(sub);
	peer_unregister(peer);
	expect_goes_with_last_holder(test, subs, mm);
	expect_paired(test, sub);
}

/* --- case 5: rmmod does not wait for the last holder --- */

static const struct exe_param {
	const char *name;
	bool exe;
} exes[] = {
	{ "with an exe_file", true },
	{ "without", false },
};

KT_NAMED_PARAM(exe, exes);

/* Gives @mm another exe_file, and returns the old one; nobody else looks at it. */
static struct file *swap_exe_file(struct mm_struct *mm, struct file *file)
{
	return rcu_replace_pointer(mm->exe_file, file, true);
}

/* The memory of the bridge is given up soon. The case takes it back, and ends the rmmod. */
static void give_up_in_unloading(struct kunit *test, struct mmun_subscriptions *subs,
				 struct mm_struct *mm)
{
	KUNIT_EXPECT_TRUE(test, kt_until(!mmun_kunit_attached()));
	mmun_kunit_set_unloading(false);
	mmun_kunit_recover(subs);
	mmun_kunit_let_go(subs);
	KUNIT_EXPECT_TRUE(test, kt_until((kt_forget_mms(), atomic_read(&mm->mm_count) == 1)));
}

/*
 * Memory is given up for an rmmod only, and only after the exit; a mm without an
 * exe_file does not show when that is. Here the exit stands in exit_mmap(), as the
 * first range has a lock of the file's that it needs.
 */
static void memory_is_given_up_after_exit_for_rmmod_only(struct kunit *test)
{
	const struct exe_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *interval = peer_insert(test, mm, at, PAGES(1));
	struct file *exe = param->exe ? NULL : swap_exe_file(mm, NULL);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);
	struct peer_list *peer = peer_join(test, mm);
	struct kt_actor *range, *task;

	kt_mm_kill(test, mm);
	range = cut_off_to_gate(test, &interval->gate, file);
	reap(test, mm, interval->seq);
	kt_unregister(sub);
	task = kt_do(test, mm, KT_EXIT, NULL);
	KT_ASSERT_UNTIL(test, atomic_read(&interval->calls) == 2);
	KUNIT_EXPECT_TRUE(test, kt_state(subs).released);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), 0);
	mmun_kunit_use_up_patience(subs);
	mmun_kunit_set_unloading(true);
	expect_stays(test, subs);
	mmun_kunit_set_unloading(false);
	if (!param->exe)
		swap_exe_file(mm, exe);
	kt_gate_open(&interval->gate);
	kt_join(test, range);
	kt_join(test, task);
	peer_unregister(peer);
	peer_remove(interval);

	expect_stays(test, subs);
	mmun_kunit_set_unloading(true);
	if (!param->exe) {
		expect_stays(test, subs);
		mmun_kunit_set_unloading(false);
		expect_goes_with_last_holder(test, subs, mm);
		return;
	}
	give_up_in_unloading(test, subs, mm);
}

/*
 * In an rmmod, too, the bridge has some time until its memory is given up: the exiting
 * task and the kernel's grace period may hold the mm_struct a little longer.
 */
static void memory_is_not_given_up_at_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct peer_list *peer = peer_join(test, mm);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);
	unsigned long begun;
	unsigned int attached;

	unmap_all(test, mm);
	kt_mm_kill(test, mm);
	reap(test, mm, next_number(test, mm));
	kt_mm_exit(test, mm);
	kt_unregister(sub);
	peer_unregister(peer);
	begun = jiffies;
	mmun_kunit_set_unloading(true);
	kt_join(test, kt_run(test, do_flush_worker, subs));
	attached = mmun_kunit_attached();
	/* On a machine that is too slow for this the time may be used up. */
	if (jiffies - begun < 2 * HZ)
		KUNIT_EXPECT_GT(test, attached, 0U);
	mmun_kunit_use_up_patience(subs);
	give_up_in_unloading(test, subs, mm);
}

/* --- case 6: cut off from a living mm --- */

/* If no range is in flight, the bridge goes though a range is in doubt. */
static void doubt_of_idle_mm_is_solved(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	peer_join(test, mm);
	reap(test, mm, FAR_NUMBER);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 1U);
	kt_unregister(sub);
	mmun_kunit_cut_off(mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_GT(test, atomic_read(&mm->mm_users), 0);

	/* The next subscriber gets a new one. */
	sub = kt_register(test, mm, &kt_range_ops);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	expect_paired(test, sub);
}

/*
 * While a range is in flight the worker neither removes the interval nor waits; when
 * the range has ended, the bridge goes. Meanwhile mmun refuses ranges that may not
 * block.
 */
static void doubt_of_busy_mm_is_solved_later(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);
	struct kt_actor *range;

	peer_join(test, mm);
	range = cut_off_to_gate(test, &peer->gate, file);
	reap(test, mm, FAR_NUMBER);
	kt_unregister(sub);
	mmun_kunit_cut_off(mm);
	expect_refusal(test, subs, mm);
	expect_stays(test, subs);
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_EXPECT_TRUE(test, kt_until(!mmun_kunit_attached()));
	mmun_kunit_let_go(subs);
	expect_paired(test, sub);
}

/* The worker that pauses between two tries does not wait out its pause after a proof. */
static void proof_ends_pause_of_worker(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_range *later = kt_blockable(test, mm, FROM, TO);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);
	struct kt_actor *range;

	peer_join(test, mm);
	range = cut_off_to_gate(test, &peer->gate, file);
	reap(test, mm, FAR_NUMBER);
	kt_unregister(sub);
	mmun_kunit_cut_off(mm);
	let_pause_grow(test, subs);
	KUNIT_EXPECT_TRUE(test, kt_state(subs).worker_pauses);
	mmun_kunit_seq = FAR_NUMBER + 2;
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept_on(subs, &later->kernel), 0);
	KUNIT_EXPECT_EQ(test, kt_state(subs).doubts, 0U);
	KUNIT_EXPECT_FALSE(test, kt_state(subs).worker_pauses);
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_EXPECT_TRUE(test, kt_until(!mmun_kunit_attached()));
	mmun_kunit_let_go(subs);
	expect_paired(test, sub);
}

/* In a storm of real ranges of several tasks the bridge goes, too. */
static void doubt_in_storm_of_ranges_is_solved(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, 0, ULONG_MAX);
	struct kt_actor *storm[3];
	struct kt_sub *sub;
	int i;

	peer_join(test, mm);
	map_file(test, mm, file, PAGES(1));
	storm[0] = storm_of_cuts(test, file);
	storm[1] = storm_of_munmaps(test, mm);
	storm[2] = storm_of_munmaps(test, mm);
	for (i = 0; i < 6; i++) {
		sub = kt_register(test, mm, &kt_range_ops);
		/* If that number has gone by, the next start ends the doubt. */
		reap(test, mm, READ_ONCE(peer->seq));
		kt_unregister(sub);
		mmun_kunit_cut_off(mm);
		KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
		expect_paired(test, sub);
	}
	real_stop();
	for (i = 0; i < ARRAY_SIZE(storm); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, storm[i]), 0);
}

/*
 * A range that is in flight until the exit is over stands for a mm that is really
 * marked: the bridge that was cut off stays, and goes with the last holder. The worker,
 * whose pause has grown, looks often again from the release on.
 */
static void doubt_of_marked_mm_lasts_until_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *interval = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);
	struct peer_list *peer = peer_join(test, mm);
	struct kt_actor *range, *task;
	unsigned long number, begun, pause;

	kt_mm_kill(test, mm);
	range = cut_off_to_gate(test, &interval->gate, file);
	number = interval->seq;
	reap(test, mm, number);
	kt_unregister(sub);
	mmun_kunit_cut_off(mm);
	expect_stays(test, subs);
	let_pause_grow(test, subs);
	begun = jiffies;
	task = kt_do(test, mm, KT_EXIT, NULL);
	/* The second range that the peer gets is the exit's own. */
	KT_ASSERT_UNTIL(test, atomic_read(&interval->calls) == 2);
	KUNIT_EXPECT_EQ(test, READ_ONCE(interval->seq), number);
	KUNIT_EXPECT_TRUE(test, kt_state(subs).released);
	pause = kt_state(subs).retry_delay;
	/* Before that it cannot have grown again. */
	if (jiffies - begun < LONG_PAUSE / 2)
		KUNIT_EXPECT_LT(test, pause, LONG_PAUSE);
	expect_stays(test, subs);
	kt_gate_open(&interval->gate);
	kt_join(test, range);
	kt_join(test, task);
	peer_unregister(peer);
	peer_remove(interval);
	expect_goes_with_last_holder(test, subs, mm);
}

/* --- a removal that waits --- */

/* So many tasks pause that one more pauses for longer than a case waits. */
#define MANY	1000

/* A removal that waits for a range which @peer holds, and two ranges of others. */
struct waiting {
	struct mm_struct *mm;
	struct peer_interval *peer;
	struct kt_sub *sub;
	struct mmun_subscriptions *subs;
	struct kt_actor *held;
	struct kt_range *other;
	struct kt_range *reaping;
};

static struct waiting *begin_waiting(struct kunit *test)
{
	struct waiting *w = kt_new(test, sizeof(*w));
	struct file *file = new_file(test, PAGES(1));
	unsigned long at;

	w->mm = kt_mm(test);
	at = map_file(test, w->mm, file, PAGES(1));
	w->peer = peer_insert(test, w->mm, at, PAGES(1));
	w->other = kt_blockable(test, w->mm, FROM, TO);
	w->reaping = kt_nonblock(test, w->mm, FROM, TO);
	w->sub = kt_register(test, w->mm, &kt_range_ops);
	w->subs = mmun_kunit_hold(w->mm);
	w->held = cut_off_to_gate(test, &w->peer->gate, file);
	KUNIT_ASSERT_EQ(test, kt_start(w->reaping), 0);
	kt_unregister(w->sub);
	KUNIT_EXPECT_EQ(test, kt_state(w->subs).throttled, 0UL);
	mmun_kunit_cut_off(w->mm);
	KT_ASSERT_UNTIL(test, kt_state(w->subs).throttled);
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept_on(w->subs, &w->other->kernel), 0);
	return w;
}

static void end_waiting(struct kunit *test, struct waiting *w)
{
	kt_end(w->reaping);
	kt_gate_open(&w->peer->gate);
	kt_join(test, w->held);
	KUNIT_EXPECT_TRUE(test, kt_until(!mmun_kunit_attached()));
	KUNIT_EXPECT_EQ(test, kt_state(w->subs).throttled, 0UL);
}

static void finish_waiting(struct kunit *test, struct waiting *w)
{
	mmun_kunit_let_go(w->subs);
	expect_paired(test, w->sub);
}

static int end_other(void *arg)
{
	struct waiting *w = arg;

	mmun_kunit_end_on(w->subs, &w->other->kernel);
	return 0;
}

/*
 * A task with the address space @mm ends a range, while the removal has waited for longer
 * than a case waits and MANY tasks pause.
 */
static struct kt_actor *end_other_beside_many(struct kunit *test, struct waiting *w,
					      struct mm_struct *mm)
{
	mmun_kunit_throttle(w->subs, jiffies - 2 * KT_TIMEOUT, MANY);
	return kt_run_mm(test, mm, end_other, w);
}

/*
 * While the kernel looks for a moment without a range, a task pauses after each of its
 * ranges for as long as the removal has waited, up to a quarter of a second; but not after
 * one that may not block.
 */
static void ranges_are_slowed_down_during_removal(struct kunit *test)
{
	struct waiting *w = begin_waiting(test);
	unsigned long before, waited;
	struct kt_actor *task;

	KT_ASSERT_UNTIL(test, jiffies - kt_state(w->subs).throttled >= 40);
	waited = jiffies - kt_state(w->subs).throttled;
	before = jiffies;
	task = kt_run_mm(test, w->mm, end_other, w);
	kt_join(test, task);
	KUNIT_EXPECT_GE(test, jiffies - before, min(waited, HZ / 4UL));
	/* As the kernel does; it reports it if the end sleeps. */
	non_block_start();
	mmun_kunit_end_on(w->subs, &w->reaping->kernel);
	non_block_end();
	end_waiting(test, w);
	finish_waiting(test, w);
}

/*
 * A task pauses for longer if many do, so that all of them are out of their ranges at
 * once; and goes on when the removal is done.
 */
static void pause_ends_with_removal(struct kunit *test)
{
	struct waiting *w = begin_waiting(test);
	unsigned long before = jiffies;
	struct kt_actor *task;

	task = end_other_beside_many(test, w, w->mm);
	KT_ASSERT_UNTIL(test, kt_state(w->subs).pausing == MANY + 1);
	/* Longer than one that pauses alone. */
	KT_ASSERT_UNTIL(test, jiffies - before > HZ / 2);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	end_waiting(test, w);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_state(w->subs).pausing, MANY);
	finish_waiting(test, w);
}

/* A fatal signal ends the pause of a task. */
static void killed_task_does_not_pause(struct kunit *test)
{
	struct waiting *w = begin_waiting(test);
	struct kt_actor *task;

	task = end_other_beside_many(test, w, w->mm);
	KT_ASSERT_UNTIL(test, kt_state(w->subs).pausing == MANY + 1);
	kt_kill(task);
	kt_join(test, task);
	KUNIT_EXPECT_NE(test, kt_state(w->subs).throttled, 0UL);
	end_waiting(test, w);
	finish_waiting(test, w);
}

/* A thread of the kernel, for which others wait, pauses briefly, however many tasks pause. */
static void kernel_thread_pauses_briefly(struct kunit *test)
{
	struct waiting *w = begin_waiting(test);
	struct kt_actor *thread;

	thread = end_other_beside_many(test, w, NULL);
	kt_join(test, thread);
	KUNIT_EXPECT_NE(test, kt_state(w->subs).throttled, 0UL);
	end_waiting(test, w);
	finish_waiting(test, w);
}

/* --- refusals --- */

/*
 * From the beginning of the release on mmun refuses ranges that may not block, also
 * while another driver's release sleeps: then none can leave a mark any more.
 */
static void nonblockable_ranges_are_refused_from_release_on(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct peer_list *peer = peer_join(test, mm);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	kt_gate_close(&peer->release);
	task = kt_do_to_gate(test, &sub->release, mm, KT_EXIT, NULL);
	expect_refusal(test, sub->mn.priv.subs, mm);
	kt_gate_open(&sub->release);
	kt_gate_wait(test, &peer->release);
	expect_refusal(test, sub->mn.priv.subs, mm);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	/* Not even the exit is needed: there is no doubt. */
	KT_ASSERT_UNTIL(test, !mmun_kunit_found(mm));
	kt_gate_open(&peer->release);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/*
 * A bridge whose attach has failed refuses ranges that may not block, so that none is
 * in doubt while its interval is still in the kernel's tree.
 */
static void bridge_of_failed_attach_refuses(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_subscriptions *subs = mmun_kunit_hold(mm);

	peer_join(test, mm);
	kt_unregister(sub);
	mmun_kunit_abandon(subs);
	expect_refusal(test, subs, mm);
	KUNIT_EXPECT_TRUE(test, kt_until(!mmun_kunit_attached()));
	expect_refusal(test, subs, mm);
	mmun_kunit_let_go(subs);
}

/* A range that mmun refuses itself leaves no doubt, and takes no other one's. */
static void own_refusal_leaves_no_doubt(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);

	peer_join(test, mm);
	mmun_kunit_seq = FAR_NUMBER;
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 0U);
	sub->refuse = 0;
	reap(test, mm, FAR_NUMBER);
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_state(sub).doubts, 1U);
	expect_paired(test, sub);
}

/*
 * A mm that the OOM killer has marked as unstable may be marked already: no bridge is
 * made for it. One that has a bridge takes subscribers as before.
 */
static void unstable_mm_gets_no_bridge(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_interval *interval = kt_interval(test);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);

	kt_register(test, mm2, &kt_range_ops);
	mm_flags_set(MMF_UNSTABLE, mm);
	mm_flags_set(MMF_UNSTABLE, mm2);
	KUNIT_EXPECT_EQ(test, kt_try_register(sub, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test, kt_try_insert(interval, mm, 0, PAGES(1)), -ESRCH);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mmun_notifier_get(&kt_get_ops, mm)), -ESRCH);
	KUNIT_EXPECT_EQ(test, mmun_notifier_register(NULL, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2U);
	KUNIT_EXPECT_EQ(test, kt_try_register(sub, mm2), 0);
	KUNIT_EXPECT_EQ(test, kt_try_insert(interval, mm2, 0, PAGES(1)), 0);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(22, doubt_needs_foreign_notifier, alone_gen_params),
	KT_CASE(22, reaping_that_overlaps_exit_leaves_nothing),
	KT_CASE(22, reaping_without_memory_leaves_nothing),
	KT_CASE(07, range_is_in_doubt_during_its_callbacks),
	KT_CASE(07, later_number_ends_doubt),
	KT_CASE(07, doubts_are_of_one_number),
	KT_CASE(07, range_of_exit_ends_doubt),
	KT_CASE(07, release_ends_older_doubt),
	KT_CASE(07, release_waits_for_range_in_doubt_for_bounded_time),
	KT_CASE(07, release_goes_on_when_range_in_doubt_ends),
	KT_CASE(22, doubt_after_exit_ends_with_last_holder),
	KT_CASE_PARAM(22, memory_is_given_up_after_exit_for_rmmod_only, exe_gen_params),
	KT_CASE(22, memory_is_not_given_up_at_once),
	KT_CASE(07, doubt_of_idle_mm_is_solved),
	KT_CASE(07, doubt_of_busy_mm_is_solved_later),
	KT_CASE(22, proof_ends_pause_of_worker),
	KT_CASE(07, doubt_in_storm_of_ranges_is_solved),
	KT_CASE(07, doubt_of_marked_mm_lasts_until_exit),
	KT_CASE(07, ranges_are_slowed_down_during_removal),
	KT_CASE(22, pause_ends_with_removal),
	KT_CASE(22, killed_task_does_not_pause),
	KT_CASE(22, kernel_thread_pauses_briefly),
	KT_CASE(22, nonblockable_ranges_are_refused_from_release_on),
	KT_CASE(07, bridge_of_failed_attach_refuses),
	KT_CASE(07, own_refusal_leaves_no_doubt),
	KT_CASE(07, unstable_mm_gets_no_bridge),
	{}
};

struct kunit_suite mmun_removal_suite = {
	.name = "mmun_removal",
	.init = real_init,
	.exit = real_exit,
	.test_cases = cases,
};
