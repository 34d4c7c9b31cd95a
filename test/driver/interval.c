// SPDX-License-Identifier: GPL-2.0-only
/*
 * An interval subscription and its read side: also what a mirror is at first
 * (mirror.c), which has entries to tear down besides.
 *
 * With two passes, the first one notes the range for the second. It may come in
 * a range where nobody may sleep, so the notes are allocated when the interval
 * is attached; who finds none left does all of the work in the first pass.
 */

#include <linux/delay.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "driver.h"
#include "mirror.h"

#define FINISHES	8		/* second passes to come of one interval */

struct test_finish {
	struct mmun_interval_notifier_finish core;
	struct mmun_notifier_range range;
	bool used;			/* under test_sub.lock */
};

static struct test_finish *
finish_take(struct test_sub *sub, const struct mmun_notifier_range *range)
{
	struct test_finish *finish, *found = NULL;
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	for (finish = sub->finishes; finish < sub->finishes + FINISHES;
	     finish++) {
		if (!finish->used) {
			finish->used = true;
			finish->range = *range;
			found = finish;
			break;
		}
	}
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	return found;
}

static void finish_give_back(struct test_sub *sub, struct test_finish *finish)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	finish->used = false;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

static struct test_sub *interval_sub(struct mmun_interval_notifier *interval)
{
	return container_of(interval, struct test_sub, interval);
}

static bool is_deaf(struct test_sub *sub)
{
	return READ_ONCE(sub->knobs) & MMUN_TEST_KNOB_DEAF;
}

static void interval_log(struct test_sub *sub,
			 const struct mmun_test_event *event,
			   unsigned long cur_seq, bool deaf)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	if (!deaf)
		mmun_interval_set_seq(&sub->interval, cur_seq);
	sub->events[event->what]++;
	ring_push(sub->file, sub->id, event);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

static void interval_released(struct test_sub *sub,
			      const struct mmun_notifier_range *range,
			      unsigned long cur_seq, bool deaf)
{
	struct mmun_test_event event;

	event_init_range(&event, MMUN_TEST_EV_RELEASE, range);
	interval_log(sub, &event, cur_seq, deaf);
	if (sub->mirror)
		mirror_release(sub, range, deaf);
	nap(READ_ONCE(sub->release_delay_ms));
}

/*
 * The first part of both kinds of callback.
 *
 * Return: 0: the caller tears; 1: there is nothing to tear; or -EAGAIN.
 */
static int interval_begin(struct test_sub *sub,
			  const struct mmun_notifier_range *range,
			  unsigned long cur_seq)
{
	bool blockable = mmun_notifier_range_blockable(range);
	bool deaf = is_deaf(sub);
	struct mmun_test_event event;

	if (range->event == MMUN_NOTIFY_RELEASE) {
		interval_released(sub, range, cur_seq, deaf);
		return 1;
	}
	if (!blockable && sub_refuses(sub)) {
		event_init_range(&event, MMUN_TEST_EV_REFUSED, range);
		sub_log(sub, &event);
		return -EAGAIN;
	}
	event_init_range(&event, MMUN_TEST_EV_START, range);
	interval_log(sub, &event, cur_seq, deaf);
	if (blockable)
		nap(READ_ONCE(sub->start_delay_ms));
	return deaf;
}

static void interval_tear(struct test_sub *sub,
			  const struct mmun_notifier_range *range)
{
	if (mmun_notifier_range_blockable(range))
		nap(READ_ONCE(sub->tear_delay_ms));
	if (sub->mirror)
		mirror_tear(sub, range);
}

/* Around an invalidation, both of its passes if there are two. */
static void enter(struct test_sub *sub)
{
	atomic_inc(&sub->inside);
	atomic_inc(&sub->file->inside);
}

static void leave(struct test_sub *sub)
{
	atomic_dec(&sub->file->inside);
	atomic_dec(&sub->inside);
}

static bool interval_invalidate(struct mmun_interval_notifier *interval,
				const struct mmun_notifier_range *range,
				unsigned long cur_seq)
{
	struct test_sub *sub = interval_sub(interval);
	int ret;

	enter(sub);
	ret = interval_begin(sub, range, cur_seq);
	if (!ret)
		interval_tear(sub, range);
	leave(sub);
	return ret >= 0;
}

static bool
interval_invalidate_start(struct mmun_interval_notifier *interval,
			  const struct mmun_notifier_range *range,
			  unsigned long cur_seq,
			  struct mmun_interval_notifier_finish **core)
{
	struct test_sub *sub = interval_sub(interval);
	struct test_finish *finish;
	int ret;

	enter(sub);
	ret = interval_begin(sub, range, cur_seq);
	if (!ret) {
		finish = finish_take(sub, range);
		if (finish) {
			*core = &finish->core;
			return true;
		}
		interval_tear(sub, range);
	}
	leave(sub);
	return ret >= 0;
}

static void
interval_invalidate_finish(struct mmun_interval_notifier_finish *core)
{
	struct test_finish *finish = container_of(core, struct test_finish,
						  core);
	struct test_sub *sub = interval_sub(core->notifier);
	struct mmun_test_event event;

	interval_tear(sub, &finish->range);
	event_init_range(&event, MMUN_TEST_EV_END, &finish->range);
	finish_give_back(sub, finish);
	sub_log(sub, &event);
	leave(sub);
}

static const struct mmun_interval_notifier_ops interval_ops = {
	.invalidate = interval_invalidate,
};

static const struct mmun_interval_notifier_ops interval_ops_two_pass = {
	.invalidate_start = interval_invalidate_start,
	.invalidate_finish = interval_invalidate_finish,
};

static int insert(struct test_sub *sub, const struct mmun_test_attach *arg,
		  const struct mmun_interval_notifier_ops *ops)
{
	if (arg->flags & MMUN_TEST_ATTACH_LOCKED)
		return mmun_interval_notifier_insert_locked(&sub->interval,
				sub->mm, arg->start, arg->length, ops);
	return mmun_interval_notifier_insert(&sub->interval, sub->mm,
					     arg->start, arg->length, ops);
}

int interval_attach(struct test_sub *sub, const struct mmun_test_attach *arg)
{
	const struct mmun_interval_notifier_ops *ops = &interval_ops;
	int err;

	if (arg->start > ULONG_MAX || arg->length > ULONG_MAX)
		return -EOVERFLOW;
	if (arg->flags & MMUN_TEST_ATTACH_TWO_PASS) {
		ops = &interval_ops_two_pass;
		sub->finishes = kcalloc(FINISHES, sizeof(*sub->finishes),
					GFP_KERNEL_ACCOUNT);
		if (!sub->finishes)
			return -ENOMEM;
	}
	err = insert(sub, arg, ops);
	if (!err && atomic_read(&sub->file->inside))
		atomic64_inc(&sub->file->joined_busy);
	return err;
}

void interval_detach(struct test_sub *sub)
{
	if (atomic_read(&sub->inside))
		atomic64_inc(&sub->file->left_busy);
	mmun_interval_notifier_remove(&sub->interval);
}

/* Until section_leave() the interval is not detached. */
int section_enter(struct test_sub *sub)
{
	if (down_read_killable(&sub->reading))
		return -EINTR;
	if (!sub->detached)
		return 0;
	up_read(&sub->reading);
	return -ENOENT;
}

void section_leave(struct test_sub *sub)
{
	up_read(&sub->reading);
}

/* How a section ended, counted with it. */
static bool section_end(struct test_sub *sub, unsigned long seq, bool again)
{
	unsigned long flags;
	bool collided;

	raw_spin_lock_irqsave(&sub->lock, flags);
	collided = mmun_interval_read_retry(&sub->interval, seq);
	sub->reads++;
	sub->collisions += collided;
	sub->retries += again;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
	return collided;
}

/* Return: whether it collided, or an error. */
static int read_section(struct test_sub *sub, u32 pause_ms, bool again)
{
	bool collided, interrupted;
	unsigned long seq;
	int err;

	err = section_enter(sub);
	if (err)
		return err;
	seq = mmun_interval_read_begin(&sub->interval);
	interrupted = pause_ms && msleep_interruptible(pause_ms);
	collided = section_end(sub, seq, again);
	section_leave(sub);
	return interrupted ? -EINTR : collided;
}

int read_sections(struct test_sub *sub, struct mmun_test_read *arg)
{
	bool loop = arg->flags & MMUN_TEST_READ_LOOP;
	int ret;

	arg->begins = 0;
	arg->collided = 0;
	for (;;) {
		ret = read_section(sub, arg->pause_ms, arg->begins);
		if (ret < 0)
			return ret;
		arg->begins++;
		arg->collided |= ret;
		if (!ret || !loop)
			return 0;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
}
