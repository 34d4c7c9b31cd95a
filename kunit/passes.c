// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_passes: invalidations in two passes.
 */

#include <linux/poison.h>
#include <linux/slab.h>

#include "mmun_kunit.h"

#define LENGTH	0x1000UL
#define MAX_LOG	16

/* Who was called in which pass, in the order of the calls. */
struct log {
	raw_spinlock_t lock;
	unsigned int nr;
	struct {
		struct two *two;
		unsigned int pass;
	} call[MAX_LOG];
};

/* What one invalidation needs in both passes. */
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
	atomic_t wrong;			/* finishes that were not what was left */
	int non_block;		/* how the last second pass was called */
};

static struct two *two_of(struct mmun_interval_notifier *mni)
{
	return container_of(mni, struct two, i.mni);
}

static void note(struct two *two, unsigned int pass)
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
	note(two, 1);
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
		/* Not to be looked at: to touch it would be a fault. */
		*finish = (void *)0x10;
		return false;
	}
	/* Not GFP_KERNEL: reclaim invalidates, too. */
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
	/* Who looks at it after this is found by KASAN, or follows a bad pointer. */
	if (work == &two->work)
		memset(work, POISON_FREE, sizeof(*work));
	else
		kfree(work);
	note(two, 2);
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

/* With two passes the single one is not used. */
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
	struct log *log = kunit_kzalloc(test, sizeof(*log), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, log);
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

static int start_task(void *arg)
{
	return kt_start(arg);
}

static int remove_task(void *arg)
{
	kt_remove(arg);
	return 0;
}

static int end_task(void *arg)
{
	kt_end(arg);
	return 0;
}

static struct kt_range *blockable(struct kunit *test, struct mm_struct *mm,
				  unsigned long start, unsigned long end)
{
	return kt_range(test, mm, start, end, true, MMUN_NOTIFY_CLEAR);
}

static unsigned int waiters(struct two *two)
{
	return kt_waiters(two->i.mni.subs);
}

/*
 * Every first pass of a range, also of intervals with one pass only, comes before
 * its first second pass; and the second passes come in the order of the first.
 */
static void p17_all_starts_before_the_first_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct log *log = new_log(test);
	struct two *two[4];
	struct kt_range *range;
	unsigned int i;

	for (i = 0; i < 4; i++)
		two[i] = insert(test, mm, log, i * LENGTH);
	two[1]->one_pass = true;

	range = blockable(test, mm, 0, 4 * LENGTH);
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

/* A finish left NULL means done: no second pass, and a remove waits for none. */
static void p17_null_finish_means_done(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = blockable(test, mm, 0, LENGTH);
	struct kt_task *remover;

	two->one_pass = true;
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, starts(two), 1);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);

	remover = kt_run(test, remove_task, &two->i);
	kt_join(test, remover);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);
}

/*
 * An interval refuses: those before it have their second pass, once, the one that
 * refused has none, those after it hear nothing, and nobody waits for the range.
 */
static void p17_refused_range_finishes_what_started(struct kunit *test)
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

	range = kt_range(test, mm, 0, 4 * LENGTH, false, MMUN_NOTIFY_UNMAP);
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

/* A list subscriber refuses after the intervals: both passes are over by then. */
static void p17_list_refuses_after_both_passes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;

	late.two = two;
	late.finishes = 0;
	sub->on_start = look_at_finishes;
	sub->refuse = -EAGAIN;
	range = kt_range(test, mm, 0, LENGTH, false, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, starts(two), 1);
	KUNIT_EXPECT_EQ(test, late.finishes, 1);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_remove(&two->i);
}

/*
 * What an interval leaves in finish is not looked at when it refuses, also in a
 * blockable range, where the refusal is ignored.
 */
static void p17_refusal_has_no_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range;

	two->refuse = true;
	range = kt_range(test, mm, 0, LENGTH, false, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, kt_start(range), -EAGAIN);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);

	range = blockable(test, mm, 0, LENGTH);
	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, starts(two), 2);
	KUNIT_EXPECT_EQ(test, finishes(two), 0);
	kt_end(range);
	two->refuse = false;		/* the release may not be refused */
}

/* The second pass may not sleep exactly if the range may not block. */
static void p17_finish_may_sleep_if_blockable(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range;

	range = blockable(test, mm, 0, LENGTH);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, two->non_block, 0);
	kt_end(range);

	range = kt_range(test, mm, 0, LENGTH, false, MMUN_NOTIFY_UNMAP);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 2);
	KUNIT_EXPECT_EQ(test, two->non_block,
			IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP));
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_non_block(), 0);
}

/* Remove waits for a second pass that runs. */
static void p17_remove_waits_for_the_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = blockable(test, mm, 0, LENGTH);
	struct kt_task *starter, *remover;

	kt_gate_close(&two->second);
	starter = kt_run(test, start_task, range);
	kt_gate_wait(test, &two->second);
	remover = kt_run(test, remove_task, &two->i);
	kt_assert_waits(test, two->i.mni.subs, remover, 1);

	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	kt_join(test, remover);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_end(range);
}

/*
 * Between its passes, while another interval has its first one, an interval is
 * not removed; one that has no second pass to come is.
 */
static void p17_remove_between_the_passes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct log *log = new_log(test);
	struct two *owed = insert(test, mm, log, 0);
	struct two *done = insert(test, mm, log, LENGTH);
	struct two *slow = insert(test, mm, log, 2 * LENGTH);
	struct kt_range *range = blockable(test, mm, 0, 3 * LENGTH);
	struct kt_task *starter, *remover;

	done->one_pass = true;
	kt_gate_close(&slow->i.gate);
	starter = kt_run(test, start_task, range);
	kt_gate_wait(test, &slow->i.gate);
	kt_join(test, kt_run(test, remove_task, &done->i));
	remover = kt_run(test, remove_task, &owed->i);
	kt_assert_waits(test, owed->i.mni.subs, remover, 1);
	KUNIT_EXPECT_EQ(test, finishes(owed), 0);

	kt_gate_open(&slow->i.gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	kt_join(test, remover);
	KUNIT_EXPECT_EQ(test, finishes(owed), 1);
	KUNIT_EXPECT_EQ(test, finishes(slow), 1);
	kt_end(range);
}

/* Two ranges at once in one interval: remove waits for both second passes. */
static void p17_remove_waits_for_each_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *first = blockable(test, mm, 0, LENGTH);
	struct kt_range *second = blockable(test, mm, 0, LENGTH);
	struct kt_task *starter, *starter2, *remover;

	kt_gate_close(&two->second);
	starter = kt_run(test, start_task, first);
	kt_gate_wait(test, &two->second);
	kt_gate_close(&two->i.gate);
	starter2 = kt_run(test, start_task, second);
	kt_gate_wait(test, &two->i.gate);
	remover = kt_run(test, remove_task, &two->i);
	kt_assert_waits(test, two->i.mni.subs, remover, 1);

	/* The younger one is done first. */
	kt_gate_open(&two->i.gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter2), 0);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_assert_waits(test, two->i.mni.subs, remover, 1);

	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	kt_join(test, remover);
	KUNIT_EXPECT_EQ(test, finishes(two), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->wrong), 0);
	kt_end(first);
	kt_end(second);
}

struct reader {
	struct two *two;
	unsigned long seq;
};

static int read_task(void *arg)
{
	struct reader *reader = arg;

	reader->seq = mmun_interval_read_begin(&reader->two->i.mni);
	return 0;
}

/*
 * The first pass is the collision: a section that began before it retries while
 * the second one still runs, and a new one waits for the range's end.
 */
static void p17_reader_collides_with_the_first_pass(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = blockable(test, mm, 0, LENGTH);
	struct reader *reader = kunit_kzalloc(test, sizeof(*reader), GFP_KERNEL);
	struct kt_task *starter, *task;
	unsigned long seq;

	KUNIT_ASSERT_NOT_NULL(test, reader);
	reader->two = two;
	seq = mmun_interval_read_begin(&two->i.mni);
	kt_gate_close(&two->second);
	starter = kt_run(test, start_task, range);
	kt_gate_wait(test, &two->second);
	KUNIT_EXPECT_TRUE(test, kt_retry(&two->i, seq));
	task = kt_run(test, read_task, reader);
	kt_assert_waits(test, two->i.mni.subs, task, 1);

	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	kt_assert_waits(test, two->i.mni.subs, task, 1);
	kt_join(test, kt_run(test, end_task, range));
	kt_join(test, task);
	KUNIT_EXPECT_FALSE(test, kt_retry(&two->i, reader->seq));
}

/* A remove that came in the first pass: the second one still comes. */
static void p17_removing_keeps_its_finish(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = blockable(test, mm, 0, LENGTH);
	struct kt_task *starter, *remover;

	kt_gate_close(&two->i.gate);
	starter = kt_run(test, start_task, range);
	kt_gate_wait(test, &two->i.gate);
	remover = kt_run(test, remove_task, &two->i);
	KT_ASSERT_UNTIL(test, waiters(two) == 1);
	kt_gate_open(&two->i.gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	kt_join(test, remover);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	kt_end(range);
}

/* At the mm's exit the RELEASE comes in two passes, too, and once. */
static void p17_release_has_two_passes(struct kunit *test)
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

/*
 * The exit comes while the second pass of another task's range runs: it tells its
 * own two passes and does not wait for that one; a remove does.
 */
static void p17_exit_beside_a_finish(struct kunit *test)
{
	struct exiter *exiter = kunit_kzalloc(test, sizeof(*exiter), GFP_KERNEL);
	struct mm_struct *mm = kt_mm(test);
	struct two *two = insert(test, mm, new_log(test), 0);
	struct kt_range *range = blockable(test, mm, 0, LENGTH);
	struct kt_task *starter, *remover;

	KUNIT_ASSERT_NOT_NULL(test, exiter);
	exiter->test = test;
	exiter->mm = mm;
	kt_mm_kill(test, mm);
	kt_gate_close(&two->second);
	starter = kt_run(test, start_task, range);
	kt_gate_wait(test, &two->second);
	kt_join(test, kt_run(test, exit_task, exiter));
	KUNIT_EXPECT_EQ(test, starts(two), 2);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);

	remover = kt_run(test, remove_task, &two->i);
	kt_assert_waits(test, two->i.mni.subs, remover, 1);
	kt_gate_open(&two->second);
	KUNIT_EXPECT_EQ(test, kt_join(test, starter), 0);
	kt_join(test, remover);
	KUNIT_EXPECT_EQ(test, finishes(two), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->wrong), 0);
}

/*
 * Insert wants invalidate, or both passes: anything else is -EINVAL and leaves
 * nothing. Where all three are there, invalidate is not called.
 */
static void p17_both_passes_or_none(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct two *two = new_two(test, new_log(test));
	struct kt_range *range;

	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &start_only_ops), -EINVAL);
	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &finish_only_ops), -EINVAL);
	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &no_ops), -EINVAL);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));

	KUNIT_ASSERT_EQ(test, insert_two(two, mm, 0, &three_ops), 0);
	range = blockable(test, mm, 0, LENGTH);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, starts(two), 1);
	KUNIT_EXPECT_EQ(test, finishes(two), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&two->wrong), 0);
	kt_end(range);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p17_all_starts_before_the_first_finish),
	KUNIT_CASE(p17_null_finish_means_done),
	KUNIT_CASE(p17_refused_range_finishes_what_started),
	KUNIT_CASE(p17_list_refuses_after_both_passes),
	KUNIT_CASE(p17_refusal_has_no_finish),
	KUNIT_CASE(p17_finish_may_sleep_if_blockable),
	KUNIT_CASE(p17_remove_waits_for_the_finish),
	KUNIT_CASE(p17_remove_between_the_passes),
	KUNIT_CASE(p17_remove_waits_for_each_finish),
	KUNIT_CASE(p17_reader_collides_with_the_first_pass),
	KUNIT_CASE(p17_removing_keeps_its_finish),
	KUNIT_CASE(p17_release_has_two_passes),
	KUNIT_CASE(p17_exit_beside_a_finish),
	KUNIT_CASE(p17_both_passes_or_none),
	{}
};

struct kunit_suite mmun_passes_suite = {
	.name = "mmun_passes",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
