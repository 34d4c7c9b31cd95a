// SPDX-License-Identifier: GPL-2.0-only
/*
 * An object (struct test_object) is what mmun_notifier_get() shares between all
 * that ask for one (ops, mm) pair, whatever their files. mmun calls the
 * object, which passes on to the subscriptions on its list. A detacher leaves
 * the list before its put, so the object refers to nobody when it is freed,
 * which may be long after the files are closed.
 *
 * A subscription may join an object while ranges are in flight whose start it
 * has not seen; it must not see their end either. So the object notes which
 * ranges are open, and a joiner copies them as "missed": the ends of these,
 * and only these, are kept from it. A range is known by its contents, not by
 * its address. If a missed range and one whose start was seen are equal,
 * the first end is taken for the missed one: there is no end without a start,
 * and what the subscription believes to be open is open at least that long.
 * Nothing is allocated in a callback, so the set is bounded; ranges beyond it
 * are only counted, and nobody can join until their number is back to zero.
 * (mmun gives the end of a range for which its own table had no room as the end
 * of everything, if the mm exits in the middle: such an end matches nothing, and
 * a subscription that joined meanwhile sees it too.)
 * No event that was logged is wrong because of it.
 */

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "driver.h"

#define OPEN_MAX	64		/* ranges that an object can name */

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
	unsigned int overflow;		/* the same, beyond what the set holds */
	u32 free_delay_us;		/* the largest of those who left */
};

/* Get objects of all files. */
static atomic64_t objects_allocated = ATOMIC64_INIT(0);
static atomic64_t objects_freed = ATOMIC64_INIT(0);

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
		object->overflow++;
}

static void object_close(struct test_object *object,
			 const struct mmun_notifier_range *range)
{
	lockdep_assert_held(&object->lock);
	if (!range_set_del(&object->open, range) && object->overflow)
		object->overflow--;
}

/* One refusal is enough; only the subscriptions that refuse log it. */
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
			sub_log(sub, &event);
			refused = true;
		}
	}
	return refused;
}

/* Return: how long the slowest subscription wants to sleep, in milliseconds. */
static u32 object_delay_ms(struct test_object *object, bool in_release)
{
	struct test_sub *sub;
	unsigned long flags;
	u32 delay_ms = 0;

	raw_spin_lock_irqsave(&object->lock, flags);
	list_for_each_entry(sub, &object->subs, link)
		delay_ms = max(delay_ms, in_release ?
			       READ_ONCE(sub->release_delay_ms) :
			       READ_ONCE(sub->start_delay_ms));
	raw_spin_unlock_irqrestore(&object->lock, flags);
	return delay_ms;
}

static void object_log_start(struct test_object *object,
			     const struct mmun_notifier_range *range)
{
	struct mmun_test_event event;
	struct test_sub *sub;

	lockdep_assert_held(&object->lock);
	object_open(object, range);
	event_init_range(&event, MMUN_TEST_EV_START, range);
	list_for_each_entry(sub, &object->subs, link)
		sub_log(sub, &event);
}

static int object_start(struct mmun_notifier *mn,
			const struct mmun_notifier_range *range)
{
	struct test_object *object = container_of(mn, struct test_object, mn);
	bool blockable = mmun_notifier_range_blockable(range);
	unsigned long flags;

	raw_spin_lock_irqsave(&object->lock, flags);
	if (!blockable && object_refuses(object, range)) {
		raw_spin_unlock_irqrestore(&object->lock, flags);
		return -EAGAIN;
	}
	object_log_start(object, range);
	raw_spin_unlock_irqrestore(&object->lock, flags);
	if (blockable)
		nap(object_delay_ms(object, false));
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
		if (!range_set_del(sub->missed, range))
			sub_log(sub, &event);
	raw_spin_unlock_irqrestore(&object->lock, flags);
}

/* Events with neither a range nor an answer: every subscription sees them. */
static void object_log(struct mmun_notifier *mn,
		       const struct mmun_test_event *event)
{
	struct test_object *object = container_of(mn, struct test_object, mn);
	struct test_sub *sub;
	unsigned long flags;

	raw_spin_lock_irqsave(&object->lock, flags);
	list_for_each_entry(sub, &object->subs, link)
		sub_log(sub, event);
	raw_spin_unlock_irqrestore(&object->lock, flags);
}

static void object_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct test_object *object = container_of(mn, struct test_object, mn);
	struct mmun_test_event event;
	struct test_sub *sub;
	unsigned long flags;

	event_init_release(&event);
	raw_spin_lock_irqsave(&object->lock, flags);
	list_for_each_entry(sub, &object->subs, link)
		sub_log(sub, &event);
	raw_spin_unlock_irqrestore(&object->lock, flags);
	nap(object_delay_ms(object, true));
}

static bool object_clear_flush_young(struct mmun_notifier *mn,
				     struct mm_struct *mm, unsigned long start,
				     unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 1, start, end);
	object_log(mn, &event);
	return false;
}

static bool object_clear_young(struct mmun_notifier *mn, struct mm_struct *mm,
			       unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 2, start, end);
	object_log(mn, &event);
	return false;
}

static bool object_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			      unsigned long address)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 3, address,
		   address + PAGE_SIZE);
	object_log(mn, &event);
	return false;
}

static void object_tlbs(struct mmun_notifier *mn, struct mm_struct *mm,
			unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_TLB, 0, start, end);
	object_log(mn, &event);
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
	joined = !object->overflow;
	if (joined) {
		*sub->missed = object->open;
		list_add_tail(&sub->link, &object->subs);
	}
	raw_spin_unlock_irqrestore(&object->lock, flags);
	return joined;
}

/*
 * The second half of attaching, without the mmap lock. The caller keeps the
 * address space from its exit: every range in flight will have its end, and the
 * release comes later.
 */
int object_join(struct test_sub *sub)
{
	struct test_object *object = sub->object;

	while (!object_try_join(object, sub)) {
		msleep_interruptible(1);
		if (signal_pending(current)) {
			mmun_notifier_put(&object->mn);
			return -EINTR;
		}
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

void object_detach(struct test_sub *sub)
{
	struct test_object *object = sub->object;

	object_leave(object, sub);
	mmun_notifier_put(&object->mn);
}

void object_count(struct mmun_test_file_stats *stats)
{
	stats->freed = atomic64_read(&objects_freed);
	stats->allocated = atomic64_read(&objects_allocated);
}

static int object_get(struct test_sub *sub, u32 flags)
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

int object_attach(struct test_sub *sub, u32 flags)
{
	INIT_LIST_HEAD(&sub->link);
	sub->missed = kzalloc(sizeof(*sub->missed), GFP_KERNEL_ACCOUNT);
	if (!sub->missed)
		return -ENOMEM;
	return object_get(sub, flags);
}
