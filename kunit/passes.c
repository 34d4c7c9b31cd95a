// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_passes: invalidations in two passes.
 */

#include <linux/poison.h>
#include <linux/slab.h>

#include "mmun_kunit.h"

#define LENGTH	0x1000UL
#define MAX_LOG	16

/* Which interval was called in which pass, in the order of the calls. */
struct log {
	raw_spinlock_t lock;
	unsigned int nr;
	struct {
		struct two *two;
		unsigned int pass;
	} call[MAX_LOG];
};

/* The state of one invalidation, from the first pass to the second. */
struct work {
	struct mmun_interval_notifier_finish finish;
	struct two *two;
	unsigned long cur_seq;
};

/* An interval with two passes. */
struct two {
	struct kt_interval i;		/* its gate is the first pass's */
	struct kt_gate second;
	struct log *log;
	struct work work;		/* where nothing can be allocated */
	bool one_pass;			/* leave finish NULL */
	bool refuse;			/* with finish set */
	atomic_t starts, finishes;
	atomic_t wrong;			/* calls with a wrong or stale argument */
	int non_block;			/* kt_non_block() in the last second pass */
};

static struct two *two_of(struct mmun_interval_notifier *mni)
{
	return container_of(mni, struct two, i.mni);
}

static void log_pass(struct two *two, unsigned int pass)
{
	struct log *log = two->log;

	raw_spin_lock(&log->lock);
	if (log->nr < MAX_LOG) {
		log->call[log->nr].two = two;
		log->call[log->nr].pass = pass;
	}
	log->nr++;
	raw_spin_unlock(&log->lock);
}

static bool two_start(struct mmun_interval_notifier *mni,
		      const struct mmun_notifier_range *range,
		      unsigned long cur_seq,
		      struct mmun_interval_notifier_finish **finish)
{
	bool blockable = mmun_notifier_range_blockable(range);
	struct two *two = two_of(mni);
	struct work *work;

	if (*finish)
		atomic_inc(&two->wrong);
	log_pass(two, 1);
	if (blockable)
		kt_gate_pass(&two->i.gate);
	raw_spin_lock(&two->i.lock);
	mmun_interval_set_seq(mni, cur_seq);
	two->i.last = *range;
	raw_spin_unlock(&two->i.lock);
	atomic_inc(&two->starts);
	if (two->one_pass)
		return true;

	if (two->refuse) {
		/* mmun must not use it: an access would fault. */
		*finish = (void *)0x10;
		return false;
	}
	/* Not GFP_KERNEL: reclaim invalidates as well. */
	work = blockable ? kmalloc(sizeof(*work), GFP_NOWAIT) : &two->work;
	if (!work) {
		atomic_inc(&two->wrong);
		return true;
	}
	work->two = two;
	work->cur_seq = cur_seq;
	*finish = &work->finish;
	return true;
}

static void two_finish(struct mmun_interval_notifier_finish *finish)
{
	struct work *work = container_of(finish, struct work, finish);
	struct two *two = work->two;

	if (finish->notifier != &two->i.mni)
		atomic_inc(&two->wrong);
	/* A later use is a bug that KASAN, or the poison, shows. */
	if (work == &two->work)
		memset(work, POISON_FREE, sizeof(*work));
	else
		kfree(work);
	log_pass(two, 2);
	two->non_block = kt_non_block();
	if (!two->non_block)	/* cases close it in blockable ranges only */
		kt_gate_pass(&two->second);
	atomic_inc(&two->finishes);
}

static bool never(struct mmun_interval_notifier *mni,
		  const struct mmun_notifier_range *range,
		  unsigned long cur_seq)
{
	atomic_inc(&two_of(mni)->wrong);
	return true;
}

static const struct mmun_interval_notifier_ops two_ops = {
	.invalidate_start = two_start,
	.invalidate_finish = two_finish,
};

/* All three: invalidate must not be called. */
static const struct mmun_interval_notifier_ops three_ops = {
	.invalidate = never,
	.invalidate_start = two_start,
	.invalidate_finish = two_finish,
};

static const struct mmun_interval_notifier_ops start_only_ops = {
	.invalidate_start = two_start,
};

static const struct mmun_interval_notifier_ops finish_only_ops = {
	.invalidate_finish = two_finish,
};

static const struct mmun_interval_notifier_ops no_ops = {};

static struct log *new_log(struct kunit *test)
{
	struct log *log = kt_new(test, sizeof(*log));

	raw_spin_lock_init(&log->lock);
	return log;
}

static struct two *new_two(struct kunit *test, struct log *log)
{
	struct two *two = kt_interval_sized(test, sizeof(*two));

	kt_gate_init(test, &two->second);
	two->log = log;
	return two;
}

static int insert_two(struct two *two, struct mm_struct *mm, unsigned long start,
		      const struct mmun_interval_notifier_ops *ops)
{
	int ret = mmun_interval_notifier_insert(&two->i.mni, mm, start, LENGTH,
						ops);

	two->i.inserted = !ret;
	return ret;
}

static struct two *insert(struct kunit *test, struct mm_struct *mm,
			  struct log *log, unsigned long start)
{
	struct two *two = new_two(test, log);

	KUNIT_ASSERT_EQ(test, insert_two(two, mm, start, &two_ops), 0);
	return two;
}

static int starts(struct two *two)
{
	return atomic_read(&two->starts);
}

static int finishes(struct two *two)
{
	return atomic_read(&two->finishes);
}

static void expect_call(struct kunit *test, struct log *log, unsigned int at,
			struct two *two, unsigned int pass)
{
	KUNIT_ASSERT_LT(test, at, log->nr);
	KUNIT_EXPECT_PTR_EQ_MSG(test, log->call[at].two, two, "call %u", at);
	KUNIT_EXPECT_EQ_MSG(test, log->call[at].pass, pass, "call %u", at);
}

/*
 * Every first pass of a range, also of intervals with one pass only, comes
 * before its first second pass; the second passes come in the order of the
 * first.
 */
static void all_starts_before_first_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct log *log = new_log(test);
	struct two *two[4];
	struct kt_range *range;
	unsigned int i;

	for (i = 0; i < 4; i++)
		two[i] = insert(test, mm, log, i * LENGTH);
	two[1]->one_pass = true;

	range = kt_blockable(test, mm, 0, 4 * LENGTH);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_ASSERT_EQ(test, log->nr, 7U);
	for (i = 0; i < 4; i++) {
		expect_call(test, log, i, two[i], 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&two[i]->wrong), 0);
	}
	expect_call(test, log, 4, two[0], 2);
	expect_call(test, log, 5, two[2], 2);
	expect_call(test, log, 6, two[3], 2);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, log->nr, 7U);
}

/*
 * A finish left NULL means done: there is no second pass, and a remove does not
 * wait for one.
 */
static void null_finish_means_done(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = kt_blockable(test, mm, 0, LENGTH);

	two->one_pass = true;
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, starts(two), 1);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);

	kt_remove_now(test, &two->i);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);
}

/*
 * An interval refuses: those before it get their second pass once, the one that
 * refused gets none, those after it are not called, and nothing waits for the
 * range.
 */
static void refused_range_finishes_started_passes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct log *log = new_log(test);
	struct two *two[4];
	struct kt_range *range;
	unsigned long seq;
	unsigned int i;

	for (i = 0; i < 4; i++)
		two[i] = insert(test, mm, log, i * LENGTH);
	two[2]->refuse = true;

	range = kt_nonblock(test, mm, 0, 4 * LENGTH);
	KUNIT_ASSERT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_ASSERT_EQ(test, log->nr, 5U);
	for (i = 0; i < 3; i++)
		expect_call(test, log, i, two[i], 1);
	expect_call(test, log, 3, two[0], 2);
	expect_call(test, log, 4, two[1], 2);
	KUNIT_EXPECT_EQ(test, starts(two[3]), 0);

	seq = mmun_interval_read_begin(&two[0]->i.mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(&two[0]->i, seq));
	for (i = 0; i < 4; i++)
		kt_remove(&two[i]->i);
}

struct late {
	struct two *two;
	int finishes;			/* at the start of the list subscriber */
};

static struct late late;

static void look_at_finishes(struct kt_sub *sub,
			     const struct mmun_notifier_range *range)
{
	late.finishes = finishes(late.two);
}

/*
 * A list subscriber refuses after the intervals: both passes are over by then.
 */
static void list_refusal_comes_after_both_passes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;

	late.two = two;
	late.finishes = 0;
	sub->on_start = look_at_finishes;
	sub->refuse = -EAGAIN;
	range = kt_nonblock(test, mm, 0, LENGTH);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, starts(two), 1);
	KUNIT_EXPECT_EQ(test, late.finishes, 1);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_remove(&two->i);
}

/*
 * The finish of an interval that refuses is not used, also in a blockable
 * range, where the refusal is ignored.
 */
static void refusing_interval_gets_no_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range;

	two->refuse = true;
	range = kt_nonblock(test, mm, 0, LENGTH);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);

	range = kt_blockable(test, mm, 0, LENGTH);
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, starts(two), 2);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);
	kt_end(range);
	two->refuse = false;		/* the release may not be refused */
}

/* The second pass may sleep exactly if the range may block. */
static void finish_may_sleep_if_blockable(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range;

	range = kt_blockable(test, mm, 0, LENGTH);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, two->non_block, 0);
	kt_end(range);

	range = kt_nonblock(test, mm, 0, LENGTH);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 2);
	KUNIT_EXPECT_EQ(test, two->non_block,
			IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_non_block(), 0);
}

/* Remove waits for a second pass that runs. */
static void remove_waits_for_running_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = kt_blockable(test, mm, 0, LENGTH);
	struct kt_actor *starter, *remover;

	starter = kt_do_to_gate(test, &two->second, NULL, KT_START, range);
	remover = kt_do(test, NULL, KT_REMOVE, &two->i);
	kt_assert_waits(test, &two->i, remover, 1);

	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_end(range);
}

/*
 * An interval is not removed between its passes, while another interval is in
 * its first one; an interval without a second pass is.
 */
static void remove_between_passes_waits(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct log *log = new_log(test);
	struct two *owed = insert(test, mm, log, 0);
	struct two *done = insert(test, mm, log, LENGTH);
	struct two *slow = insert(test, mm, log, 2 * LENGTH);
	struct kt_range *range = kt_blockable(test, mm, 0, 3 * LENGTH);
	struct kt_actor *starter, *remover;

	done->one_pass = true;
	starter = kt_do_to_gate(test, &slow->i.gate, NULL, KT_START, range);
	kt_remove_now(test, &done->i);
	remover = kt_do(test, NULL, KT_REMOVE, &owed->i);
	kt_assert_waits(test, &owed->i, remover, 1);
	KUNIT_EXPECT_EQ(test, finishes(owed), 0);

	kt_gate_open(&slow->i.gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_EQ(test, finishes(owed), 1);
	KUNIT_EXPECT_EQ(test, finishes(slow), 1);
	kt_end(range);
}

/* Two ranges at once in one interval: remove waits for both second passes. */
static void remove_waits_for_both_finishes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *first = kt_blockable(test, mm, 0, LENGTH);
	struct kt_range *second = kt_blockable(test, mm, 0, LENGTH);
	struct kt_actor *starter, *starter2, *remover;

	starter = kt_do_to_gate(test, &two->second, NULL, KT_START, first);
	starter2 = kt_do_to_gate(test, &two->i.gate, NULL, KT_START, second);
	remover = kt_do(test, NULL, KT_REMOVE, &two->i);
	kt_assert_waits(test, &two->i, remover, 1);

	/* The younger one is done first. */
	kt_gate_open(&two->i.gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter2), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_assert_waits(test, &two->i, remover, 1);

	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->wrong), 0);
	kt_end(first);
	kt_end(second);
}

/*
 * A section that began before the first pass collides while the second one
 * still runs, and a new one waits for the end of the range.
 */
static void first_pass_is_the_collision(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = kt_blockable(test, mm, 0, LENGTH);
	struct kt_actor *starter, *reader;
	unsigned long seq;

	seq = mmun_interval_read_begin(&two->i.mni);
	starter = kt_do_to_gate(test, &two->second, NULL, KT_START, range);
	KUNIT_EXPECT_TRUE(test, kt_retry(&two->i, seq));
	reader = kt_do(test, NULL, KT_READ_BEGIN, &two->i);
	kt_assert_waits(test, &two->i, reader, 1);

	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	kt_assert_waits(test, &two->i, reader, 1);
	kt_do_now(test, NULL, KT_END, range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(&two->i, reader->seq));
}

/* After a remove that comes in the first pass the second pass still comes. */
static void remove_in_first_pass_keeps_the_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = kt_blockable(test, mm, 0, LENGTH);
	struct kt_actor *starter, *remover;

	starter = kt_do_to_gate(test, &two->i.gate, NULL, KT_START, range);
	remover = kt_do(test, NULL, KT_REMOVE, &two->i);
	KT_ASSERT_UNTIL(test, kt_waiters(&two->i) == 1);
	kt_gate_open(&two->i.gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_end(range);
}

/* At the mm's exit the RELEASE comes in two passes, once. */
static void release_has_two_passes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct log *log = new_log(test);
	struct two *two[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		two[i] = insert(test, mm, log, i * LENGTH);
	kt_mm_kill(test, mm);
	log->nr = 0;
	for (i = 0; i < 2; i++) {
		atomic_set(&two[i]->starts, 0);
		atomic_set(&two[i]->finishes, 0);
	}
	kt_mm_exit(test, mm);
	KUNIT_ASSERT_EQ(test, log->nr, 4U);
	for (i = 0; i < 2; i++) {
		expect_call(test, log, i, two[i], 1);
		expect_call(test, log, 2 + i, two[i], 2);
		KUNIT_EXPECT_EQ(test, two[i]->i.last.event, MMUN_NOTIFY_RELEASE);
	}
}

/*
 * The exit comes while the second pass of another task's range runs: it calls
 * its own two passes and does not wait for that one; a remove does.
 */
static void exit_passes_a_running_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = kt_blockable(test, mm, 0, LENGTH);
	struct kt_actor *starter, *remover;

	kt_mm_kill(test, mm);
	starter = kt_do_to_gate(test, &two->second, NULL, KT_START, range);
	kt_do_now(test, mm, KT_EXIT, NULL);
	KUNIT_EXPECT_EQ(test, starts(two), 2);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);

	remover = kt_do(test, NULL, KT_REMOVE, &two->i);
	kt_assert_waits(test, &two->i, remover, 1);
	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->wrong), 0);
}

/*
 * Insert wants invalidate, or both passes: anything else is -EINVAL and leaves
 * nothing. With all three, invalidate is not called.
 */
static void insert_wants_both_passes_or_one(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = new_two(test, new_log(test));
	struct kt_range *range;

	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &start_only_ops), -EINVAL);
	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &finish_only_ops), -EINVAL);
	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &no_ops), -EINVAL);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));

	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &three_ops), 0);
	range = kt_blockable(test, mm, 0, LENGTH);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, starts(two), 1);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->wrong), 0);
	kt_end(range);
}

static struct kunit_case cases[] = {
	KT_CASE(17, all_starts_before_first_finish),
	KT_CASE(17, null_finish_means_done),
	KT_CASE(17, refused_range_finishes_started_passes),
	KT_CASE(17, list_refusal_comes_after_both_passes),
	KT_CASE(17, refusing_interval_gets_no_finish),
	KT_CASE(17, finish_may_sleep_if_blockable),
	KT_CASE(17, remove_waits_for_running_finish),
	KT_CASE(17, remove_between_passes_waits),
	KT_CASE(17, remove_waits_for_both_finishes),
	KT_CASE(17, first_pass_is_the_collision),
	KT_CASE(17, remove_in_first_pass_keeps_the_finish),
	KT_CASE(17, release_has_two_passes),
	KT_CASE(17, exit_passes_a_running_finish),
	KT_CASE(17, insert_wants_both_passes_or_one),
	{}
};

struct kunit_suite mmun_passes_suite = {
	.name = "mmun_passes",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
