// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_refusal: a range that may not block can be refused, and leaves
 * nothing behind.
 */

#include "mmun_kunit.h"

KT_NAMED_PARAM(way, kt_ways);

KT_NAMED_PARAM(block, kt_blocks);

static const struct refusal_param {
	unsigned int subs, mask;	/* mask: those that refuse */
} refusals[] = {
	{ 1, 1 }, { 2, 1 }, { 2, 2 }, { 2, 3 }, { 3, 1 }, { 3, 2 }, { 3, 4 },
	{ 3, 5 }, { 3, 7 },
};

static void refusal_name(const struct refusal_param *param, char *name)
{
	snprintf(name, KUNIT_PARAM_DESC_SIZE, "%u subscribers, mask %u refuses",
		 param->subs, param->mask);
}

KUNIT_ARRAY_PARAM(refusal, refusals, refusal_name);

/*
 * Whichever subscribers refuse a range that may not block, each that accepted
 * gets its end once, no other does, and the intervals it overlapped can be
 * read again.
 */
static void refused_range_is_undone(struct kunit *test)
{
	const struct refusal_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *low = kt_insert_logged(test, mm, FROM, FROM + 1);
	struct kt_interval *high = kt_insert_logged(test, mm, TO - 1, TO * 2);
	struct kt_interval *below = kt_insert_logged(test, mm, FROM - 1, FROM);
	struct kt_interval *above = kt_insert_logged(test, mm, TO, TO * 2);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct kt_sub *sub[3];
	bool refuses;
	unsigned int i;
	int round;

	for (i = 0; i < param->subs; i++) {
		sub[i] = kt_register_logged(test, mm);
		if (param->mask & BIT(i))
			sub[i]->refuse = -EAGAIN;
	}
	for (round = 1; round <= 2; round++) {
		KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
		KUNIT_EXPECT_EQ(test, kt_state(sub[0]).active, 0U);
		KUNIT_EXPECT_EQ(test, kt_state(sub[0]).provisional, 0U);
		KUNIT_EXPECT_EQ(test, kt_state(sub[0]).busy, 0U);
		/* An end that comes later reaches no subscriber. */
		mmun_kunit_end(&range->kernel);
		for (i = 0; i < param->subs; i++) {
			refuses = param->mask & BIT(i);
			KUNIT_EXPECT_EQ(test, kt_calls(sub[i], CB_START, range),
					round);
			KUNIT_EXPECT_EQ(test, kt_calls(sub[i], CB_END, range),
					refuses ? 0 : round);
		}
		KUNIT_EXPECT_EQ(test, atomic_read(&low->invalidates), round);
		KUNIT_EXPECT_EQ(test, atomic_read(&high->invalidates), round);
		KUNIT_EXPECT_EQ(test, atomic_read(&below->invalidates), 0);
		KUNIT_EXPECT_EQ(test, atomic_read(&above->invalidates), 0);
		KUNIT_EXPECT_FALSE(test, kt_read_collides(test, low));
		KUNIT_EXPECT_FALSE(test, kt_read_collides(test, high));
		KUNIT_EXPECT_FALSE(test, kt_read_collides(test, below));
	}
	kt_remove_now(test, low);
	kt_remove_now(test, high);
	kt_expect_quiet(test, sub[0]);

	/* The range can be raised again, and then all accept it. */
	for (i = 0; i < param->subs; i++)
		sub[i]->refuse = 0;
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	kt_end(range);
	for (i = 0; i < param->subs; i++)
		KUNIT_EXPECT_EQ(test, kt_ends(sub[i]),
				param->mask & BIT(i) ? 1 : 3);
	kt_expect_quiet(test, sub[0]);
}

/*
 * Another error than -EAGAIN refuses as well; the range returns -EAGAIN, and
 * the log has one warning.
 */
static void any_error_refuses_as_eagain(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);

	mmun_kunit_warnings();
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
	sub->refuse = -EINVAL;
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 3);
	kt_expect_quiet(test, sub);
}

/*
 * A subscriber with a start only can refuse; subscribers with an end only get
 * the end of the refused range.
 */
static void start_only_refuses_and_end_only_gets_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *older = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_start_only_ops);
	struct kt_sub *younger = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *both = kt_register_logged(test, mm);

	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(older), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(younger), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(both), 1);
	kt_expect_quiet(test, both);
}

/* A read section that was open when a range was refused has collided. */
static void refused_range_collides(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_actor *reader = kt_do(test, NULL, KT_READ_BEGIN, interval);

	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, reader->seq));
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, interval));
}

/* A refusal ends its own range only, not another one in flight. */
static void refusal_ends_its_own_range_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *outer = kt_begin(test, mm, FROM, TO + 1);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct kt_actor *reader;

	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1U);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, outer), 0);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, NULL), 0);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, sub, reader, 1);
	kt_end(outer);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, outer), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, outer), 1);
	kt_expect_quiet(test, sub);
}

/* May not sleep, so it spins until a task waits. */
static void spin_until_waited_for(struct kt_sub *sub,
				  const struct mmun_notifier_range *range)
{
	unsigned long deadline = jiffies + 10 * HZ;

	while (!kt_waiters(sub) && time_before(jiffies, deadline))
		cpu_relax();
	sub->young = kt_waiters(sub);	/* seen by the case */
}

/* A register that waits for a range returns when that range is refused. */
static void refusal_wakes_blocked_register(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct kt_actor *joiner, *task;

	sub->on_start = spin_until_waited_for;
	sub->refuse = -EAGAIN;
	task = kt_do(test, NULL, KT_START, range);
	KT_ASSERT_UNTIL(test, kt_starts(sub) == 1);
	joiner = kt_register_beside(test, mm);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, sub->young);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(joiner->sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_expect_quiet(test, other);
}

/* May not sleep, so it spins until the exit has closed the mm. */
static void spin_until_closed(struct kt_sub *sub,
			      const struct mmun_notifier_range *range)
{
	unsigned long deadline = jiffies + 10 * HZ;

	while (!kt_state(sub).closed && time_before(jiffies, deadline))
		cpu_relax();
	sub->young = kt_state(sub).closed;
}

/*
 * The exit closes the mm while a start runs that then refuses its range: the
 * range is not removed twice, and each subscriber that accepted has got its
 * end.
 */
static void refusal_after_exit_closed_the_mm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct kt_actor *task, *exit;

	kt_mm_kill(test, mm);
	sub->on_start = spin_until_closed;
	sub->refuse = -EAGAIN;
	task = kt_do(test, NULL, KT_START, range);
	KT_ASSERT_UNTIL(test, kt_starts(sub) == 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 1U);
	exit = kt_do(test, mm, KT_EXIT, NULL);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_join(test, exit), 0);
	KUNIT_EXPECT_TRUE(test, sub->young);
	KUNIT_EXPECT_EQ(test, kt_starts(other), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_expect_quiet(test, sub);
}

/* When an interval refuses, no list subscriber is called. */
static void interval_refusal_skips_the_list(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *ends_only = kt_register(test, mm, &kt_end_only_ops);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *first = kt_insert_logged(test, mm, FROM, FROM + 1);
	struct kt_interval *refuser = kt_insert_logged(test, mm, FROM + 1, FROM + 2);
	struct kt_interval *later = kt_insert_logged(test, mm, FROM + 2, TO);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);

	refuser->refuse = true;
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(ends_only), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&first->invalidates), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&refuser->refusals), 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, first));
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, refuser));
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, later));
	kt_remove_now(test, first);
	kt_remove_now(test, refuser);
	kt_expect_quiet(test, sub);
}

/*
 * Without a free slot a range that may not block is refused before any
 * subscriber is called; with one it is not.
 */
static void nonblockable_range_without_slot_is_refused(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_many *many = kt_fill_slots(test, mm, kt_subs(sub), 0, 0);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	int before = atomic_read(&interval->invalidates);

	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), (int)many->slots);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), before);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, many->slots);

	kt_end(many->range[0]);
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	kt_end(range);
	kt_end_many(many);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), (int)many->slots + 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), (int)many->slots + 1);
	kt_expect_quiet(test, sub);
}

/*
 * A notifier put by its own start callback, in a range that another refuses,
 * gets no end.
 */
static void put_in_a_refused_start_gets_no_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &kt_get_ops);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *refuser = kt_register_logged(test, mm);

	sub->on_start = kt_put_in_start;
	refuser->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KT_ASSERT_UNTIL(test, kt_frees(sub));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 1);
	kt_expect_quiet(test, other);
}

static void skip_unless_checked(struct kunit *test)
{
	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP))
		kunit_skip(test, "the kernel does not check");
}

/*
 * The callbacks of a range are checked for sleeping exactly if it may not
 * block; afterwards the task is as before.
 */
static void callbacks_are_checked_for_sleeping(struct kunit *test)
{
	const bool blockable = kt_block_of(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_interval *interval = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range = kt_range(test, mm, FROM, TO, blockable,
					  MMUN_NOTIFY_UNMAP);
	int before = kt_non_block();

	skip_unless_checked(test);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, kt_non_block(), before);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_non_block(), before);
	KUNIT_EXPECT_EQ(test, kt_non_block_in(sub, CB_START), before + !blockable);
	KUNIT_EXPECT_EQ(test, kt_non_block_in(sub, CB_END), before + !blockable);
	KUNIT_EXPECT_EQ(test, kt_non_block_in(interval, CB_INVALIDATE),
			before + !blockable);
}

/* The end after a refusal is checked for sleeping as well. */
static void end_after_refusal_is_checked(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *older = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *younger = kt_register_logged(test, mm);
	int before = kt_non_block();

	skip_unless_checked(test);
	sub->refuse = -EAGAIN;
	KUNIT_EXPECT_EQ(test, kt_start(kt_nonblock(test, mm, FROM, TO)), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_non_block(), before);
	KUNIT_EXPECT_EQ(test, kt_non_block_in(sub, CB_START), before + 1);
	KUNIT_EXPECT_EQ(test, kt_non_block_in(older, CB_START), before + 1);
	KUNIT_EXPECT_EQ(test, kt_non_block_in(older, CB_END), before + 1);
	KUNIT_EXPECT_EQ(test, kt_non_block_in(younger, CB_END), before + 1);
}

/*
 * An owed end of a range that may not block is checked for sleeping, in a
 * leaver and in the worker.
 */
static void owed_end_is_checked(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_join_for_way(test, mm);
	struct kt_range *range = kt_accept(test, mm, FROM, TO);

	skip_unless_checked(test);
	kt_leave(test, sub, kt_way_of(test));
	KT_ASSERT_UNTIL(test, kt_ends(sub));
	KUNIT_EXPECT_EQ(test, kt_non_block_in(sub, CB_END), 1);
	KUNIT_EXPECT_EQ(test, kt_non_block(), 0);
	/* This one comes from the worker that settles the orphan. */
	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, kt_ends(other));
	KUNIT_EXPECT_EQ(test, kt_non_block_in(other, CB_END), 1);
}

/*
 * The second of three intervals refuses: the third is not called, none stays
 * marked, and the mm goes on.
 */
static void interval_refusal_stops_the_walk(struct kunit *test)
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
		seq[i] = kt_read_now(test, intervals[i]);
	}
	intervals[1]->refuse = true;
	range = kt_nonblock(test, mm, 0, 0x10000);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);

	KUNIT_EXPECT_EQ(test, kt_invalidates(intervals[0]), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&intervals[1]->refusals), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(intervals[1]), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(intervals[2]), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&intervals[2]->refusals), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	/* Only the first was invalidated. */
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kt_retry(intervals[i], seq[i]), !i);

	state = kt_state(intervals[0]);
	KUNIT_EXPECT_EQ(test, state.busy + state.active + state.overflow, 0U);
	KUNIT_EXPECT_EQ(test, state.provisional, 0U);
	for (i = 0; i < 3; i++) {
		seq[i] = kt_read_now(test, intervals[i]);
		KUNIT_EXPECT_TRUE(test, seq[i] & 1);
		KUNIT_EXPECT_FALSE(test, kt_retry(intervals[i], seq[i]));
		kt_remove_now(test, intervals[i]);
	}
}

/*
 * A list subscriber refuses after the intervals accepted: the range is refused,
 * and no interval stays marked.
 */
static void list_refusal_unmarks_intervals(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	unsigned long seq = kt_read_now(test, interval);
	struct mmun_kunit_state state;
	struct kt_range *range;

	sub->refuse = -EAGAIN;
	range = kt_nonblock(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	state = kt_state(interval);
	KUNIT_EXPECT_EQ(test, state.busy + state.active + state.provisional,
			0U);
	seq = kt_read_now(test, interval);
	KUNIT_EXPECT_TRUE(test, seq & 1);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_remove_now(test, interval);
}

/*
 * With all slots busy a range that may not block is refused before any interval
 * is called.
 */
static void no_slot_refuses_before_intervals(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_range *range = kt_nonblock(test, mm, FROM, TO);
	struct mmun_kunit_state state;
	struct kt_many *many;

	many = kt_fill_slots(test, mm, kt_subs(interval), 0x900000, 0);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	state = kt_state(interval);
	KUNIT_EXPECT_EQ(test, state.active, many->slots);
	KUNIT_EXPECT_EQ(test, state.overflow, 0U);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, kt_read_now(test, interval)));

	kt_end(many->range[0]);
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	kt_end(range);
	kt_end_many(many);
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
 * An interval that refuses a range that may block is ignored: the range goes on
 * and calls the next ones, and the log has one warning.
 */
static void interval_cannot_refuse_a_blockable_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *stubborn = kt_interval(test);
	struct kt_interval *next = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;
	struct kt_actor *reader;

	stubborn->ops = &stubborn_ops;
	KUNIT_ASSERT_EQ(test, kt_try_insert(stubborn, mm, 0, FROM), 0);
	mmun_kunit_warnings();
	range = kt_begin(test, mm, 0, TO);
	KUNIT_EXPECT_EQ(test, kt_invalidates(next), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	/* It is in flight for the interval that refused, too. */
	reader = kt_do(test, NULL, KT_READ_BEGIN, stubborn);
	kt_assert_waits(test, next, reader, 1);
	kt_end(range);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, reader->in_flight, 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);

	kt_end(kt_begin(test, mm, 0, TO));
	KUNIT_EXPECT_EQ(test, kt_invalidates(next), 2);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(10, refused_range_is_undone, refusal_gen_params),
	KT_CASE(10, any_error_refuses_as_eagain),
	KT_CASE(10, start_only_refuses_and_end_only_gets_end),
	KT_CASE(10, refused_range_collides),
	KT_CASE(10, refusal_ends_its_own_range_only),
	KT_CASE(10, refusal_wakes_blocked_register),
	KT_CASE(10, refusal_after_exit_closed_the_mm),
	KT_CASE(10, interval_refusal_skips_the_list),
	KT_CASE(10, nonblockable_range_without_slot_is_refused),
	KT_CASE(10, put_in_a_refused_start_gets_no_end),
	KT_CASE_PARAM(11, callbacks_are_checked_for_sleeping, block_gen_params),
	KT_CASE(11, end_after_refusal_is_checked),
	KT_CASE_PARAM(11, owed_end_is_checked, way_gen_params),
	KT_CASE(10, interval_refusal_stops_the_walk),
	KT_CASE(10, list_refusal_unmarks_intervals),
	KT_CASE(10, no_slot_refuses_before_intervals),
	KT_CASE(10, interval_cannot_refuse_a_blockable_range),
	{}
};

struct kunit_suite mmun_refusal_suite = {
	.name = "mmun_refusal",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
