// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmun_test: a secondary MMU without hardware, driven by ioctl.
 *
 * The contract with the user is in <linux/mmun_test.h>. The driver uses only
 * the public API of mmun and makes no page table: it counts what it hears and
 * tells it.
 *
 * What exists:
 *
 * - A file (struct test_file), one for each open: a table of subscriptions by
 *   id, and a ring of events. A reference is held by the open file and by each
 *   subscription, for a subscription that was detached without waiting may
 *   still be called after the file was closed. Its events then go nowhere:
 *   "closed" is set, and the ring is gone.
 *
 * - A subscription (struct test_sub). References are held by the table and by
 *   each ioctl that works on it; detaching takes it out of the table (who
 *   finds it there has won, everybody else gets ENOENT), then out of mmun, and
 *   only then drops the table's reference.
 *
 * - An object (struct test_object), what mmun_notifier_get() shares between
 *   all that ask for one (ops, mm) pair, whatever their files. mmun speaks to
 *   the object, which passes on to the subscriptions on its list. A detacher
 *   leaves the list before its put, so the object refers to nobody when it is
 *   freed, which may be long after the files are closed.
 *
 * A subscription may join an object while ranges are in flight whose start it
 * has not heard; it must not hear their end either. So the object notes which
 * ranges are open, and who joins copies them as "unheard": the ends of these,
 * and only these, are kept from it. A range is known by what it says, not by
 * its address. If an unheard range and one whose start was heard say the same,
 * the first end is taken for the unheard one: there is no end without a start,
 * and what the subscription believes to be open is open at least that long.
 * Nothing is allocated in a callback, so the set is bounded; ranges beyond it
 * are only counted, and nobody can join until their number is back to zero.
 * (mmun tells the end of a range for which its own table had no room as the end
 * of everything, if the mm exits in the middle: such an end matches nothing, and
 * who joined meanwhile hears it too.)
 * Nothing that was ever told is wrong for it.
 *
 * Locks. Callbacks come with page table locks held, or in ranges where nobody
 * may sleep, so they allocate nothing and take raw spinlocks only, in this
 * order:
 *
 *	test_object.lock	list of subscriptions, open and unheard ranges
 *	  test_sub.lock		counters, and the interval's sequence
 *	    test_file.lock	ring, closed
 *
 * Even a wake-up takes a sleeping lock on PREEMPT_RT, so irq_work does it.
 * Knobs are single words, read and written once each. A callback that was
 * asked to be slow sleeps when it has dropped all of these locks.
 *
 * The rest is taken in system calls only, and not by callbacks:
 *
 *	test_file.read_mutex	one reader at a time moves the ring's tail
 *	test_file.subs		the table, under its own lock
 *	test_sub.reading	held for reading around a read section, for
 *				writing when an interval is detached: no
 *				read_begin on an interval that was removed
 *
 * A section is bounded by its pause, and a loop of sections lets go between
 * two of them, so the detacher gets his turn. Closing a file need not wait: it
 * runs when no system call on the file does.
 */

#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/rwsem.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include <linux/mmun_notifier.h>
#include <uapi/linux/mmun_test.h>

#define RING_SIZE	4096u		/* events of a file; a power of two */
#define SUBS_MAX	65536		/* subscriptions of a file */
#define OPEN_MAX	64		/* ranges that an object can name */
#define FREE_DELAY_MAX	100000u		/* microseconds */

#define ATTACH_OPS	(MMUN_TEST_ATTACH_YOUNG | MMUN_TEST_ATTACH_TLB)
#define ATTACH_ALL	(ATTACH_OPS | MMUN_TEST_ATTACH_LOCKED)

struct test_file {
	struct kref ref;
	struct xarray subs;
	u32 next_id;			/* under the lock of subs */
	atomic_t attached;

	raw_spinlock_t lock;
	bool closed;
	struct mmun_test_event *ring;
	unsigned int head, tail;	/* free running */
	u64 events, dropped;

	struct mutex read_mutex;	/* moves tail */
	wait_queue_head_t wait;
	struct irq_work wake;
};

struct range_key {
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	enum mmun_notifier_event event;
};

/* The same range may be in it more than once. */
struct range_set {
	unsigned int nr;
	struct range_key key[OPEN_MAX];
};

struct test_object {
	struct mmun_notifier mn;
	raw_spinlock_t lock;
	struct list_head subs;
	struct range_set open;		/* started, not ended */
	unsigned int nameless;		/* the same, beyond what the set holds */
	u32 free_delay_us;		/* the largest of those who left */
};

struct test_sub {
	struct kref ref;
	struct rcu_head rcu;
	struct test_file *file;
	struct mm_struct *mm;		/* valid while subscribed */
	u32 id;
	u32 kind;

	union {
		struct mmun_notifier mn;
		struct mmun_interval_notifier interval;
		struct {
			struct test_object *object;
			struct list_head link;
			struct range_set *unheard;
		};
	};

	u32 knobs;
	u32 start_delay_ms;
	u32 release_delay_ms;
	u32 free_delay_us;

	raw_spinlock_t lock;
	u64 heard[MMUN_TEST_EV_TLB + 1];	/* by enum mmun_test_what */
	u64 reads;
	u64 collisions;
	u64 retries;

	struct rw_semaphore reading;
	bool detached;			/* under reading; intervals only */
};

/* Get objects of all files. */
static atomic64_t objects_allocated = ATOMIC64_INIT(0);
static atomic64_t objects_freed = ATOMIC64_INIT(0);

/* The ring */

static void ring_push(struct test_file *file, u32 id,
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

static unsigned int ring_filled(struct test_file *file)
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
 * be copied without the spinlock. What could not be copied stays in the ring.
 */
static ssize_t ring_copy(struct test_file *file, char __user *buf,
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

static void event_init(struct mmun_test_event *event, u32 what, u32 flags,
		       unsigned long start, unsigned long end)
{
	memset(event, 0, sizeof(*event));
	event->what = what;
	event->flags = flags;
	event->start = start;
	event->end = end;
	event->pid = task_pid_nr(current);
	event->tgid = task_tgid_nr(current);
	/* Not get_task_comm(): on older kernels it takes a spinlock_t. */
	strscpy(event->comm, current->comm, sizeof(event->comm));
}

static void event_init_range(struct mmun_test_event *event, u32 what,
			     const struct mmun_notifier_range *range)
{
	event_init(event, what, mmun_notifier_range_blockable(range),
		   range->start, range->end);
	event->event = range->event;
}

static void event_init_release(struct mmun_test_event *event)
{
	event_init(event, MMUN_TEST_EV_RELEASE, MMUN_NOTIFIER_RANGE_BLOCKABLE,
		   0, 0);
	event->event = MMUN_NOTIFY_RELEASE;
}

/* Files and subscriptions */

static void file_free(struct kref *ref)
{
	kfree(container_of(ref, struct test_file, ref));
}

static struct test_sub *sub_alloc(struct test_file *file, u32 kind)
{
	struct test_sub *sub;

	sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);
	if (!sub)
		return NULL;
	if (kind == MMUN_TEST_GET) {
		sub->unheard = kzalloc(sizeof(*sub->unheard),
				       GFP_KERNEL_ACCOUNT);
		if (!sub->unheard) {
			kfree(sub);
			return NULL;
		}
		INIT_LIST_HEAD(&sub->link);
	}
	kref_init(&sub->ref);
	kref_get(&file->ref);
	sub->file = file;
	sub->kind = kind;
	raw_spin_lock_init(&sub->lock);
	init_rwsem(&sub->reading);
	return sub;
}

/* May not sleep: the last reference may be dropped by call_srcu. */
static void sub_free(struct kref *ref)
{
	struct test_sub *sub = container_of(ref, struct test_sub, ref);

	if (sub->kind == MMUN_TEST_GET)
		kfree(sub->unheard);
	kref_put(&sub->file->ref, file_free);
	kfree(sub);
}

static void sub_put(struct test_sub *sub)
{
	kref_put(&sub->ref, sub_free);
}

static void sub_put_rcu(struct rcu_head *rcu)
{
	sub_put(container_of(rcu, struct test_sub, rcu));
}

static struct test_sub *sub_find(struct test_file *file, u32 id)
{
	struct test_sub *sub;

	xa_lock(&file->subs);
	sub = xa_load(&file->subs, id);
	if (sub)
		kref_get(&sub->ref);
	xa_unlock(&file->subs);
	return sub;
}

/* Who takes it out of the table detaches it. */
static bool sub_claim(struct test_sub *sub)
{
	struct xarray *subs = &sub->file->subs;
	bool won;

	xa_lock(subs);
	won = xa_load(subs, sub->id) == sub;
	if (won)
		__xa_erase(subs, sub->id);
	xa_unlock(subs);
	return won;
}

static void sub_hear(struct test_sub *sub, const struct mmun_test_event *event)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	sub->heard[event->what]++;
	ring_push(sub->file, sub->id, event);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

static bool sub_refuses(struct test_sub *sub)
{
	return READ_ONCE(sub->knobs) & MMUN_TEST_KNOB_REFUSE;
}

/* Not interruptible: who is being killed is to be slow too. */
static void nap(u32 ms)
{
	if (ms)
		msleep(ms);
}

/* Callbacks of a list subscription */

static struct test_sub *list_sub(struct mmun_notifier *mn)
{
	return container_of(mn, struct test_sub, mn);
}

static int list_start(struct mmun_notifier *mn,
		      const struct mmun_notifier_range *range)
{
	bool blockable = mmun_notifier_range_blockable(range);
	struct test_sub *sub = list_sub(mn);
	struct mmun_test_event event;

	if (!blockable && sub_refuses(sub)) {
		event_init_range(&event, MMUN_TEST_EV_REFUSED, range);
		sub_hear(sub, &event);
		return -EAGAIN;
	}
	event_init_range(&event, MMUN_TEST_EV_START, range);
	sub_hear(sub, &event);
	if (blockable)
		nap(READ_ONCE(sub->start_delay_ms));
	return 0;
}

static void list_end(struct mmun_notifier *mn,
		     const struct mmun_notifier_range *range)
{
	struct mmun_test_event event;

	event_init_range(&event, MMUN_TEST_EV_END, range);
	sub_hear(list_sub(mn), &event);
}

static void list_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct test_sub *sub = list_sub(mn);
	struct mmun_test_event event;

	event_init_release(&event);
	sub_hear(sub, &event);
	nap(READ_ONCE(sub->release_delay_ms));
}

static bool list_clear_flush_young(struct mmun_notifier *mn,
				   struct mm_struct *mm, unsigned long start,
				   unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 1, start, end);
	sub_hear(list_sub(mn), &event);
	return false;
}

static bool list_clear_young(struct mmun_notifier *mn, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 2, start, end);
	sub_hear(list_sub(mn), &event);
	return false;
}

static bool list_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			    unsigned long address)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 3, address,
		   address + PAGE_SIZE);
	sub_hear(list_sub(mn), &event);
	return false;
}

static void list_tlbs(struct mmun_notifier *mn, struct mm_struct *mm,
		      unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_TLB, 0, start, end);
	sub_hear(list_sub(mn), &event);
}

/* By the flags in ATTACH_OPS. */
static const struct mmun_notifier_ops list_ops[] = {
	[0] = {
		.release = list_release,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
	},
	[MMUN_TEST_ATTACH_YOUNG] = {
		.release = list_release,
		.clear_flush_young = list_clear_flush_young,
		.clear_young = list_clear_young,
		.test_young = list_test_young,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
	},
	[MMUN_TEST_ATTACH_TLB] = {
		.release = list_release,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
		.arch_invalidate_secondary_tlbs = list_tlbs,
	},
	[MMUN_TEST_ATTACH_YOUNG | MMUN_TEST_ATTACH_TLB] = {
		.release = list_release,
		.clear_flush_young = list_clear_flush_young,
		.clear_young = list_clear_young,
		.test_young = list_test_young,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
		.arch_invalidate_secondary_tlbs = list_tlbs,
	},
};

/* Objects, and their callbacks */

static bool range_set_add(struct range_set *set,
			  const struct mmun_notifier_range *range)
{
	if (set->nr == OPEN_MAX)
		return false;
	set->key[set->nr++] = (struct range_key) {
		.start = range->start,
		.end = range->end,
		.flags = range->flags,
		.event = range->event,
	};
	return true;
}

static bool key_matches(const struct range_key *key,
			const struct mmun_notifier_range *range)
{
	return key->start == range->start && key->end == range->end &&
		key->flags == range->flags && key->event == range->event;
}

static bool range_set_del(struct range_set *set,
			  const struct mmun_notifier_range *range)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		if (key_matches(&set->key[i], range)) {
			set->key[i] = set->key[--set->nr];
			return true;
		}
	}
	return false;
}

static void object_open(struct test_object *object,
			const struct mmun_notifier_range *range)
{
	lockdep_assert_held(&object->lock);
	if (!range_set_add(&object->open, range))
		object->nameless++;
}

static void object_close(struct test_object *object,
			 const struct mmun_notifier_range *range)
{
	lockdep_assert_held(&object->lock);
	if (!range_set_del(&object->open, range) && object->nameless)
		object->nameless--;
}

/* One who refuses is enough; only those who do hear of it. */
static bool object_refuses(struct test_object *object,
			   const struct mmun_notifier_range *range)
{
	struct mmun_test_event event;
	bool refused = false;
	struct test_sub *sub;

	lockdep_assert_held(&object->lock);
	event_init_range(&event, MMUN_TEST_EV_REFUSED, range);
	list_for_each_entry(sub, &object->subs, link) {
		if (sub_refuses(sub)) {
			sub_hear(sub, &event);
			refused = true;
		}
	}
	return refused;
}

/* Return: how long the slowest subscription wants to sleep, in milliseconds. */
static u32 object_hears_start(struct test_object *object,
			      const struct mmun_notifier_range *range)
{
	struct mmun_test_event event;
	struct test_sub *sub;
	u32 delay_ms = 0;

	lockdep_assert_held(&object->lock);
	object_open(object, range);
	event_init_range(&event, MMUN_TEST_EV_START, range);
	list_for_each_entry(sub, &object->subs, link) {
		sub_hear(sub, &event);
		delay_ms = max(delay_ms, READ_ONCE(sub->start_delay_ms));
	}
	return delay_ms;
}

static int object_start(struct mmun_notifier *mn,
			const struct mmun_notifier_range *range)
{
	struct test_object *object = container_of(mn, struct test_object, mn);
	bool blockable = mmun_notifier_range_blockable(range);
	unsigned long flags;
	u32 delay_ms;

	raw_spin_lock_irqsave(&object->lock, flags);
	if (!blockable && object_refuses(object, range)) {
		raw_spin_unlock_irqrestore(&object->lock, flags);
		return -EAGAIN;
	}
	delay_ms = object_hears_start(object, range);
	raw_spin_unlock_irqrestore(&object->lock, flags);
	if (blockable)
		nap(delay_ms);
	return 0;
}

static void object_end(struct mmun_notifier *mn,
		       const struct mmun_notifier_range *range)
{
	struct test_object *object = container_of(mn, struct test_object, mn);
	struct mmun_test_event event;
	struct test_sub *sub;
	unsigned long flags;

	event_init_range(&event, MMUN_TEST_EV_END, range);
	raw_spin_lock_irqsave(&object->lock, flags);
	object_close(object, range);
	list_for_each_entry(sub, &object->subs, link)
		if (!range_set_del(sub->unheard, range))
			sub_hear(sub, &event);
	raw_spin_unlock_irqrestore(&object->lock, flags);
}

/* What has neither a range nor an answer: everybody hears it. */
static void object_hears(struct mmun_notifier *mn,
			 const struct mmun_test_event *event)
{
	struct test_object *object = container_of(mn, struct test_object, mn);
	struct test_sub *sub;
	unsigned long flags;

	raw_spin_lock_irqsave(&object->lock, flags);
	list_for_each_entry(sub, &object->subs, link)
		sub_hear(sub, event);
	raw_spin_unlock_irqrestore(&object->lock, flags);
}

static void object_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct test_object *object = container_of(mn, struct test_object, mn);
	struct mmun_test_event event;
	struct test_sub *sub;
	unsigned long flags;
	u32 delay_ms = 0;

	event_init_release(&event);
	raw_spin_lock_irqsave(&object->lock, flags);
	list_for_each_entry(sub, &object->subs, link) {
		sub_hear(sub, &event);
		delay_ms = max(delay_ms, READ_ONCE(sub->release_delay_ms));
	}
	raw_spin_unlock_irqrestore(&object->lock, flags);
	nap(delay_ms);
}

static bool object_clear_flush_young(struct mmun_notifier *mn,
				     struct mm_struct *mm, unsigned long start,
				     unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 1, start, end);
	object_hears(mn, &event);
	return false;
}

static bool object_clear_young(struct mmun_notifier *mn, struct mm_struct *mm,
			       unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 2, start, end);
	object_hears(mn, &event);
	return false;
}

static bool object_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			      unsigned long address)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 3, address,
		   address + PAGE_SIZE);
	object_hears(mn, &event);
	return false;
}

static void object_tlbs(struct mmun_notifier *mn, struct mm_struct *mm,
			unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_TLB, 0, start, end);
	object_hears(mn, &event);
}

static struct mmun_notifier *object_alloc(struct mm_struct *mm)
{
	struct test_object *object;

	object = kzalloc(sizeof(*object), GFP_KERNEL);
	if (!object)
		return ERR_PTR(-ENOMEM);
	raw_spin_lock_init(&object->lock);
	INIT_LIST_HEAD(&object->subs);
	atomic64_inc(&objects_allocated);
	return &object->mn;
}

static void object_free(struct mmun_notifier *mn)
{
	struct test_object *object = container_of(mn, struct test_object, mn);

	mdelay(object->free_delay_us / 1000);
	udelay(object->free_delay_us % 1000);
	kfree(object);
	atomic64_inc(&objects_freed);
}

/* By the flags in ATTACH_OPS. */
static const struct mmun_notifier_ops object_ops[] = {
	[0] = {
		.release = object_release,
		.invalidate_range_start = object_start,
		.invalidate_range_end = object_end,
		.alloc_notifier = object_alloc,
		.free_notifier = object_free,
	},
	[MMUN_TEST_ATTACH_YOUNG] = {
		.release = object_release,
		.clear_flush_young = object_clear_flush_young,
		.clear_young = object_clear_young,
		.test_young = object_test_young,
		.invalidate_range_start = object_start,
		.invalidate_range_end = object_end,
		.alloc_notifier = object_alloc,
		.free_notifier = object_free,
	},
	[MMUN_TEST_ATTACH_TLB] = {
		.release = object_release,
		.invalidate_range_start = object_start,
		.invalidate_range_end = object_end,
		.arch_invalidate_secondary_tlbs = object_tlbs,
		.alloc_notifier = object_alloc,
		.free_notifier = object_free,
	},
	[MMUN_TEST_ATTACH_YOUNG | MMUN_TEST_ATTACH_TLB] = {
		.release = object_release,
		.clear_flush_young = object_clear_flush_young,
		.clear_young = object_clear_young,
		.test_young = object_test_young,
		.invalidate_range_start = object_start,
		.invalidate_range_end = object_end,
		.arch_invalidate_secondary_tlbs = object_tlbs,
		.alloc_notifier = object_alloc,
		.free_notifier = object_free,
	},
};

static bool object_try_join(struct test_object *object, struct test_sub *sub)
{
	unsigned long flags;
	bool joined;

	raw_spin_lock_irqsave(&object->lock, flags);
	joined = !object->nameless;
	if (joined) {
		*sub->unheard = object->open;
		sub->object = object;
		list_add_tail(&sub->link, &object->subs);
	}
	raw_spin_unlock_irqrestore(&object->lock, flags);
	return joined;
}

/*
 * The caller has a user of the object, and keeps the address space from its
 * exit: every range in flight will have its end, and the release comes later.
 */
static int object_join(struct test_object *object, struct test_sub *sub)
{
	while (!object_try_join(object, sub)) {
		msleep_interruptible(1);
		if (signal_pending(current))
			return -EINTR;
	}
	return 0;
}

static void object_leave(struct test_object *object, struct test_sub *sub)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&object->lock, flags);
	list_del(&sub->link);
	object->free_delay_us = max(object->free_delay_us,
				    READ_ONCE(sub->free_delay_us));
	raw_spin_unlock_irqrestore(&object->lock, flags);
}

/* The callback of an interval subscription */

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

/* Attach and detach */

static int attach_list(struct test_sub *sub, u32 flags)
{
	sub->mn.ops = &list_ops[flags & ATTACH_OPS];
	if (flags & MMUN_TEST_ATTACH_LOCKED)
		return __mmun_notifier_register(&sub->mn, sub->mm);
	return mmun_notifier_register(&sub->mn, sub->mm);
}

static int attach_get(struct test_sub *sub, u32 flags)
{
	const struct mmun_notifier_ops *ops = &object_ops[flags & ATTACH_OPS];
	struct mmun_notifier *mn;

	if (flags & MMUN_TEST_ATTACH_LOCKED)
		mn = mmun_notifier_get_locked(ops, sub->mm);
	else
		mn = mmun_notifier_get(ops, sub->mm);
	if (IS_ERR(mn))
		return PTR_ERR(mn);
	sub->object = container_of(mn, struct test_object, mn);
	return 0;
}

static int attach_interval(struct test_sub *sub,
			   const struct mmun_test_attach *arg)
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

static int attach_kind(struct test_sub *sub, const struct mmun_test_attach *arg)
{
	switch (sub->kind) {
	case MMUN_TEST_LIST:
		return attach_list(sub, arg->flags);
	case MMUN_TEST_GET:
		return attach_get(sub, arg->flags);
	default:
		return attach_interval(sub, arg);
	}
}

/* The caller has a user of the mm. */
static int sub_attach(struct test_sub *sub, const struct mmun_test_attach *arg)
{
	bool locked = arg->flags & MMUN_TEST_ATTACH_LOCKED;
	int err;

	if (locked && mmap_write_lock_killable(sub->mm))
		return -EINTR;
	err = attach_kind(sub, arg);
	if (locked)
		mmap_write_unlock(sub->mm);
	if (err || sub->kind != MMUN_TEST_GET)
		return err;

	err = object_join(sub->object, sub);
	if (err)
		mmun_notifier_put(&sub->object->mn);
	return err;
}

/* Out of mmun, and the table's reference with it. */
static void sub_detach(struct test_sub *sub, u32 how)
{
	struct test_object *object;

	switch (sub->kind) {
	case MMUN_TEST_LIST:
		if (how == MMUN_TEST_NO_RELEASE) {
			mmun_notifier_unregister_no_release(&sub->mn, sub->mm);
			mmun_notifier_call_srcu(&sub->rcu, sub_put_rcu);
			return;
		}
		mmun_notifier_unregister(&sub->mn, sub->mm);
		break;
	case MMUN_TEST_GET:
		object = sub->object;
		object_leave(object, sub);
		mmun_notifier_put(&object->mn);
		break;
	default:
		mmun_interval_notifier_remove(&sub->interval);
		break;
	}
	sub_put(sub);
}

static u32 how_at_close(const struct test_sub *sub)
{
	return sub->kind == MMUN_TEST_GET ? MMUN_TEST_PUT :
		MMUN_TEST_UNREGISTER;
}

static bool how_fits(const struct test_sub *sub, u32 how)
{
	switch (how) {
	case MMUN_TEST_UNREGISTER:
		return sub->kind != MMUN_TEST_GET;
	case MMUN_TEST_NO_RELEASE:
		return sub->kind == MMUN_TEST_LIST;
	case MMUN_TEST_PUT:
		return sub->kind == MMUN_TEST_GET;
	default:
		return false;
	}
}

static bool may_mirror(struct mm_struct *mm)
{
	return mm == current->mm || ns_capable(mm->user_ns, CAP_SYS_PTRACE);
}

/* Return: the mm with a user, for mmput(). */
static struct mm_struct *mm_of_pid(s32 nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!nr) {
		mm = get_task_mm(current);
		return mm ?: ERR_PTR(-ESRCH);
	}
	pid = find_get_pid(nr);
	if (!pid)
		return ERR_PTR(-ESRCH);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = get_task_mm(task);
	put_task_struct(task);
	if (!mm)
		return ERR_PTR(-ESRCH);
	if (!may_mirror(mm)) {
		mmput(mm);
		return ERR_PTR(-EPERM);
	}
	return mm;
}

static bool attach_valid(const struct mmun_test_attach *arg)
{
	if (arg->flags & ~ATTACH_ALL || arg->reserved || arg->pid < 0)
		return false;
	switch (arg->kind) {
	case MMUN_TEST_LIST:
	case MMUN_TEST_GET:
		return !arg->start && !arg->length;
	case MMUN_TEST_INTERVAL:
		return !(arg->flags & ATTACH_OPS);
	default:
		return false;
	}
}

/*
 * The id is reserved first, for events may come before the attach returns. The
 * table shows the subscription when nothing can fail any more, so nobody else
 * can have detached what has to be undone here.
 */
static long attach_mm(struct test_file *file, struct mm_struct *mm,
		      const struct mmun_test_attach *arg,
		      struct mmun_test_attach __user *uarg)
{
	struct test_sub *sub;
	u32 id;
	int err;

	sub = sub_alloc(file, arg->kind);
	if (!sub)
		return -ENOMEM;
	sub->mm = mm;

	err = xa_alloc_cyclic(&file->subs, &sub->id, NULL, xa_limit_32b,
			      &file->next_id, GFP_KERNEL_ACCOUNT);
	if (err < 0)
		goto err_sub;
	id = sub->id;
	err = sub_attach(sub, arg);
	if (err)
		goto err_id;
	if (put_user(id, &uarg->id)) {
		sub_detach(sub, how_at_close(sub));
		xa_erase(&file->subs, id);
		return -EFAULT;
	}
	/* The slot is there: this allocates nothing, and cannot fail. */
	xa_store(&file->subs, id, sub, GFP_KERNEL_ACCOUNT);
	return 0;

err_id:
	xa_erase(&file->subs, id);
err_sub:
	sub_put(sub);
	return err;
}

/*
 * Arguments: what is longer than we know must be zero there. The size that was
 * looked at is the one that counts, whatever the second copy says.
 */
static int arg_copy(void *arg, size_t size, void __user *uarg)
{
	u32 usize;
	int err;

	if (get_user(usize, (u32 __user *)uarg))
		return -EFAULT;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	if (usize < size)
		return -EINVAL;
	err = copy_struct_from_user(arg, size, uarg, usize);
	if (err)
		return err;
	*(u32 *)arg = usize;
	return 0;
}

static long ioctl_attach(struct test_file *file, void __user *uarg)
{
	struct mmun_test_attach arg;
	struct mm_struct *mm;
	long err;

	err = arg_copy(&arg, sizeof(arg), uarg);
	if (err)
		return err;
	if (!attach_valid(&arg))
		return -EINVAL;
	mm = mm_of_pid(arg.pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);

	err = -ENOSPC;
	if (atomic_inc_return(&file->attached) <= SUBS_MAX)
		err = attach_mm(file, mm, &arg, uarg);
	if (err)
		atomic_dec(&file->attached);
	mmput(mm);
	return err;
}

/*
 * The sections in progress are waited for before anything is decided, so a
 * signal can still turn back.
 */
static int detach_claim(struct test_sub *sub)
{
	bool interval = sub->kind == MMUN_TEST_INTERVAL;
	bool won;

	if (interval && down_write_killable(&sub->reading))
		return -EINTR;
	won = sub_claim(sub);
	if (interval) {
		sub->detached = true;
		up_write(&sub->reading);
	}
	return won ? 0 : -ENOENT;
}

static long ioctl_detach(struct test_file *file, void __user *uarg)
{
	struct mmun_test_detach arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.reserved || arg.how > MMUN_TEST_PUT)
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	err = how_fits(sub, arg.how) ? detach_claim(sub) : -EINVAL;
	if (!err) {
		sub_detach(sub, arg.how);
		atomic_dec(&file->attached);
	}
	sub_put(sub);
	return err;
}

static void stats_of_sub(struct mmun_test_stats *stats, struct test_sub *sub)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	stats->starts = sub->heard[MMUN_TEST_EV_START];
	stats->ends = sub->heard[MMUN_TEST_EV_END];
	stats->refusals = sub->heard[MMUN_TEST_EV_REFUSED];
	stats->releases = sub->heard[MMUN_TEST_EV_RELEASE];
	stats->youngs = sub->heard[MMUN_TEST_EV_YOUNG];
	stats->tlbs = sub->heard[MMUN_TEST_EV_TLB];
	stats->reads = sub->reads;
	stats->collisions = sub->collisions;
	stats->retries = sub->retries;
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

static long ioctl_stats(struct test_file *file, void __user *uarg)
{
	struct mmun_test_stats arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.reserved[0] || arg.reserved[1])
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	stats_of_sub(&arg, sub);
	sub_put(sub);
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static bool knobs_valid(const struct mmun_test_knobs *arg)
{
	return !(arg->flags & ~MMUN_TEST_KNOB_REFUSE) && !arg->reserved &&
		arg->start_delay_ms <= MMUN_TEST_DELAY_MAX_MS &&
		arg->release_delay_ms <= MMUN_TEST_DELAY_MAX_MS &&
		arg->free_delay_us <= FREE_DELAY_MAX;
}

static long ioctl_knobs(struct test_file *file, void __user *uarg)
{
	struct mmun_test_knobs arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), uarg);
	if (err)
		return err;
	if (!knobs_valid(&arg))
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	WRITE_ONCE(sub->knobs, arg.flags);
	WRITE_ONCE(sub->start_delay_ms, arg.start_delay_ms);
	WRITE_ONCE(sub->release_delay_ms, arg.release_delay_ms);
	WRITE_ONCE(sub->free_delay_us, arg.free_delay_us);
	sub_put(sub);
	return 0;
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

static int read_sections(struct test_sub *sub, struct mmun_test_read *arg)
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

static long ioctl_read(struct test_file *file, void __user *uarg)
{
	struct mmun_test_read arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.flags & ~MMUN_TEST_READ_LOOP || arg.reserved ||
	    arg.pause_ms > MMUN_TEST_DELAY_MAX_MS)
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	err = -EINVAL;
	if (sub->kind == MMUN_TEST_INTERVAL)
		err = read_sections(sub, &arg);
	sub_put(sub);
	if (err)
		return err;
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static long ioctl_file(struct test_file *file, void __user *uarg)
{
	struct mmun_test_file_stats arg;
	unsigned long flags;
	int err;

	err = arg_copy(&arg, sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.reserved[0] || arg.reserved[1])
		return -EINVAL;
	raw_spin_lock_irqsave(&file->lock, flags);
	arg.events = file->events;
	arg.dropped = file->dropped;
	raw_spin_unlock_irqrestore(&file->lock, flags);
	arg.subscriptions = atomic_read(&file->attached);
	arg.freed = atomic64_read(&objects_freed);
	arg.allocated = atomic64_read(&objects_allocated);
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/*
 * The size in the ioctl's number is that of the caller's header, which may be
 * newer than ours: the struct says its own size, so that one is not looked at.
 */
#define IOC(cmd)	((cmd) & ~(unsigned int)IOCSIZE_MASK)

static long test_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct test_file *file = filp->private_data;
	void __user *uarg = (void __user *)arg;

	switch (IOC(cmd)) {
	case IOC(MMUN_TEST_IOC_ATTACH):
		return ioctl_attach(file, uarg);
	case IOC(MMUN_TEST_IOC_DETACH):
		return ioctl_detach(file, uarg);
	case IOC(MMUN_TEST_IOC_STATS):
		return ioctl_stats(file, uarg);
	case IOC(MMUN_TEST_IOC_KNOBS):
		return ioctl_knobs(file, uarg);
	case IOC(MMUN_TEST_IOC_READ):
		return ioctl_read(file, uarg);
	case IOC(MMUN_TEST_IOC_FILE):
		return ioctl_file(file, uarg);
	case IOC(MMUN_TEST_IOC_SYNC):
		if (arg)
			return -EINVAL;
		mmun_notifier_synchronize();
		return 0;
	default:
		return -ENOTTY;
	}
}

/* The other file operations */

static int reader_wait(struct test_file *file, bool nonblock)
{
	if (nonblock)
		return ring_filled(file) ? 0 : -EAGAIN;
	return wait_event_interruptible(file->wait, ring_filled(file));
}

static int reader_lock(struct test_file *file, bool nonblock)
{
	if (nonblock)
		return mutex_trylock(&file->read_mutex) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(&file->read_mutex);
}

/* Nobody waits for events with the mutex held. */
static ssize_t test_read(struct file *filp, char __user *buf, size_t size,
			 loff_t *pos)
{
	struct test_file *file = filp->private_data;
	bool nonblock = filp->f_flags & O_NONBLOCK;
	size_t room = size / sizeof(*file->ring);
	ssize_t ret;

	if (!room)
		return -EINVAL;
	room = min_t(size_t, room, RING_SIZE);
	do {
		ret = reader_wait(file, nonblock);
		if (ret)
			return ret;
		ret = reader_lock(file, nonblock);
		if (ret)
			return ret;
		ret = ring_copy(file, buf, room);
		mutex_unlock(&file->read_mutex);
	} while (!ret);
	return ret;
}

static __poll_t test_poll(struct file *filp, poll_table *wait)
{
	struct test_file *file = filp->private_data;

	poll_wait(filp, &file->wait, wait);
	return ring_filled(file) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int test_open(struct inode *inode, struct file *filp)
{
	struct test_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	file->ring = kvcalloc(RING_SIZE, sizeof(*file->ring),
			      GFP_KERNEL_ACCOUNT);
	if (!file->ring) {
		kfree(file);
		return -ENOMEM;
	}
	kref_init(&file->ref);
	xa_init_flags(&file->subs, XA_FLAGS_ALLOC1);
	raw_spin_lock_init(&file->lock);
	mutex_init(&file->read_mutex);
	init_waitqueue_head(&file->wait);
	init_irq_work(&file->wake, ring_wake);
	filp->private_data = file;
	return stream_open(inode, filp);
}

static void ring_close(struct test_file *file)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&file->lock, flags);
	file->closed = true;
	raw_spin_unlock_irqrestore(&file->lock, flags);
	irq_work_sync(&file->wake);
	kvfree(file->ring);
	file->ring = NULL;
}

/* No system call on the file runs. What was to be slow need not be any more. */
static int test_release(struct inode *inode, struct file *filp)
{
	struct test_file *file = filp->private_data;
	struct test_sub *sub;
	unsigned long id;

	ring_close(file);
	xa_for_each(&file->subs, id, sub) {
		WRITE_ONCE(sub->start_delay_ms, 0);
		WRITE_ONCE(sub->release_delay_ms, 0);
	}
	xa_for_each(&file->subs, id, sub) {
		xa_erase(&file->subs, id);
		sub_detach(sub, how_at_close(sub));
		cond_resched();
	}
	xa_destroy(&file->subs);
	kref_put(&file->ref, file_free);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.read = test_read,
	.poll = test_poll,
	.unlocked_ioctl = test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmun_test",
	.mode = 0600,
	.fops = &test_fops,
};

static int __init test_init(void)
{
	return misc_register(&test_device);
}

/* No file is open, but what was put or left to call_srcu may not be done. */
static void __exit test_exit(void)
{
	misc_deregister(&test_device);
	mmun_notifier_synchronize();
}

module_init(test_init);
module_exit(test_exit);

MODULE_AUTHOR("mmun developers");
MODULE_DESCRIPTION("A secondary MMU without hardware, to test mmun");
MODULE_LICENSE("GPL");
