// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of events of a file. Callbacks push, with page table locks held or in
 * ranges where nobody may sleep; even a wake-up takes a sleeping lock on
 * PREEMPT_RT, so irq_work does it.
 */

#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

#include "driver.h"

void ring_push(struct test_file *file, u32 id,
	       const struct mmun_test_event *event)
{
	struct mmun_test_event *slot;
	unsigned long flags;

	raw_spin_lock_irqsave(&file->lock, flags);
	if (file->closed)
		goto out;
	if (file->head - file->tail == RING_SIZE) {
		file->dropped++;
		goto out;
	}
	slot = &file->ring[file->head % RING_SIZE];
	*slot = *event;
	slot->id = id;
	slot->seq = file->events + file->dropped;
	slot->time_ns = ktime_get_ns();
	file->head++;
	file->events++;
	/* Under the lock: after "closed" was set, no wake-up is queued. */
	if (wq_has_sleeper(&file->wait))
		irq_work_queue(&file->wake);
out:
	raw_spin_unlock_irqrestore(&file->lock, flags);
}

static void ring_wake(struct irq_work *work)
{
	struct test_file *file = container_of(work, struct test_file, wake);

	wake_up_interruptible(&file->wait);
}

unsigned int ring_filled(struct test_file *file)
{
	unsigned long flags;
	unsigned int filled;

	raw_spin_lock_irqsave(&file->lock, flags);
	filled = file->head - file->tail;
	raw_spin_unlock_irqrestore(&file->lock, flags);
	return filled;
}

static void ring_consume(struct test_file *file, unsigned int nr)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&file->lock, flags);
	file->tail += nr;
	raw_spin_unlock_irqrestore(&file->lock, flags);
}

/*
 * Nobody writes to a filled slot, and nobody else moves the tail: the slots can
 * be copied without the spinlock. An event that could not be copied stays in the ring.
 */
ssize_t ring_copy(struct test_file *file, char __user *buf,
		  unsigned int room)
{
	unsigned int copied = 0;

	lockdep_assert_held(&file->read_mutex);
	room = min(room, ring_filled(file));
	while (copied < room) {
		unsigned int at = file->tail % RING_SIZE;
		unsigned int nr = min(room - copied, RING_SIZE - at);
		size_t size = nr * sizeof(*file->ring);
		size_t left;

		left = copy_to_user(buf + copied * sizeof(*file->ring),
				    &file->ring[at], size);
		nr = (size - left) / sizeof(*file->ring);
		ring_consume(file, nr);
		copied += nr;
		if (left)
			return copied ? copied * sizeof(*file->ring) : -EFAULT;
	}
	return copied * sizeof(*file->ring);
}

void event_init(struct mmun_test_event *event, u32 what, u32 flags,
		unsigned long start, unsigned long end)
{
	memset(event, 0, sizeof(*event));
	event->what = what;
	event->flags = flags;
	event->start = start;
	event->end = end;
	event->pid = task_pid_nr(current);
	event->tgid = task_tgid_nr(current);
	/* Not get_task_comm(): its lock, where it has one, may sleep. */
	strscpy(event->comm, current->comm, sizeof(event->comm));
}

void event_init_range(struct mmun_test_event *event, u32 what,
		      const struct mmun_notifier_range *range)
{
	event_init(event, what, mmun_notifier_range_blockable(range),
		   range->start, range->end);
	event->event = range->event;
}

void event_init_release(struct mmun_test_event *event)
{
	event_init(event, MMUN_TEST_EV_RELEASE, MMUN_NOTIFIER_RANGE_BLOCKABLE,
		   0, 0);
	event->event = MMUN_NOTIFY_RELEASE;
}

int ring_open(struct test_file *file)
{
	file->ring = kvcalloc(RING_SIZE, sizeof(*file->ring),
			      GFP_KERNEL_ACCOUNT);
	if (!file->ring)
		return -ENOMEM;
	raw_spin_lock_init(&file->lock);
	mutex_init(&file->read_mutex);
	init_waitqueue_head(&file->wait);
	init_irq_work(&file->wake, ring_wake);
	return 0;
}

void ring_close(struct test_file *file)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&file->lock, flags);
	file->closed = true;
	raw_spin_unlock_irqrestore(&file->lock, flags);
	irq_work_sync(&file->wake);
	kvfree(file->ring);
	file->ring = NULL;
}
