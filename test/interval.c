// SPDX-License-Identifier: GPL-2.0-only
/* An interval subscription, and its read side. */

#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "driver.h"

static void interval_hears(struct test_sub *sub,
			   const struct mmun_test_event *event,
			   unsigned long cur_seq)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	mmun_interval_set_seq(&sub->interval, cur_seq);
	sub->heard[event->what]++;
	ring_push(sub->file, sub->id, event);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

static bool interval_invalidate(struct mmun_interval_notifier *interval,
				const struct mmun_notifier_range *range,
				unsigned long cur_seq)
{
	struct test_sub *sub = container_of(interval, struct test_sub,
					    interval);
	bool release = range->event == MMUN_NOTIFY_RELEASE;
	bool blockable = mmun_notifier_range_blockable(range);
	struct mmun_test_event event;

	if (!blockable && !release && sub_refuses(sub)) {
		event_init_range(&event, MMUN_TEST_EV_REFUSED, range);
		sub_hear(sub, &event);
		return false;
	}
	event_init_range(&event, release ? MMUN_TEST_EV_RELEASE :
			 MMUN_TEST_EV_START, range);
	interval_hears(sub, &event, cur_seq);
	if (blockable)
		nap(release ? READ_ONCE(sub->release_delay_ms) :
		    READ_ONCE(sub->start_delay_ms));
	return true;
}

static const struct mmun_interval_notifier_ops interval_ops = {
	.invalidate = interval_invalidate,
};

int interval_attach(struct test_sub *sub, const struct mmun_test_attach *arg)
{
	if (arg->start > ULONG_MAX || arg->length > ULONG_MAX)
		return -EOVERFLOW;
	if (arg->flags & MMUN_TEST_ATTACH_LOCKED)
		return mmun_interval_notifier_insert_locked(&sub->interval,
				sub->mm, arg->start, arg->length,
				&interval_ops);
	return mmun_interval_notifier_insert(&sub->interval, sub->mm,
					     arg->start, arg->length,
					     &interval_ops);
}

void interval_detach(struct test_sub *sub)
{
	mmun_interval_notifier_remove(&sub->interval);
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

	if (down_read_killable(&sub->reading))
		return -EINTR;
	if (sub->detached) {
		up_read(&sub->reading);
		return -ENOENT;
	}
	seq = mmun_interval_read_begin(&sub->interval);
	interrupted = pause_ms && msleep_interruptible(pause_ms);
	collided = section_end(sub, seq, again);
	up_read(&sub->reading);
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
