// SPDX-License-Identifier: GPL-2.0-only
/*
 * An event's way through mmun, from top to bottom in the order in which it happens:
 * a range starts, is confirmed, ends; or it turns out to be an orphan and is
 * settled; and at last the mm's exit releases it all.
 *
 * A start enters the table of ranges under subs->lock. Then, without the lock, it
 * calls the intervals that it overlaps, and then the list subscribers. If one of them
 * refuses a range that may not block, the range leaves the table, and every
 * subscriber that accepted the start has received the end before the bridge refuses
 * the range in the kernel.
 *
 * An end leaves the table under subs->lock, and then calls the list subscribers that
 * are owed it.
 */

#include <linux/export.h>
#include <linux/slab.h>

#include "mmun_event.h"
#include "mmun_internal.h"
#include "mmun_itree.h"
#include "mmun_trace.h"
#include "mmun_walk.h"

#ifdef MMUN_KUNIT
/* No memory for records: mmun_range.c. */
bool mmun_kunit_no_records;
EXPORT_SYMBOL_GPL(mmun_kunit_no_records);
#endif

/* --- start --- */

/* The range in @slot is over for the intervals, and for the tasks that wait for it. */
static __always_inline void end_slot(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock)
{
	mmun_ranges_end(&subs->ranges, slot);
	mmun_wake_sleepers(&subs->ranges.slots[slot].sleepers);
}

/* As end_slot(), for all in @mask, but list subscribers are still owed the ends. */
static void retire_slots(struct mmun_subscriptions *subs, unsigned long mask)
	__must_hold(&subs->lock)
{
	unsigned int slot;

	subs->ranges.ending |= mask;
	mmun_for_each_slot(slot, mask)
		end_slot(subs, slot);
}

/*
 * A key that is still here: the range was refused behind the bridge, its task went
 * on, and the object's place on the stack is used again.
 */
static noinline void settle_stale(struct mmun_subscriptions *subs,
				  const void *key)
	__must_hold(&subs->lock)
{
	unsigned int slot = mmun_ranges_find(&subs->ranges, subs->ranges.active, key);

	if (slot == MMUN_NO_SLOT)
		return;
	retire_slots(subs, BIT(slot));
	mmun_unlock(subs);
	mmun_event_settle(subs, BIT(slot));
	mmun_lock(subs);
}

/* The first interval that a range overlaps; often there is no interval at all. */
static struct mmun_interval_notifier *
first_interval(struct mmun_subscriptions *subs,
	       const struct mmun_notifier_range *range)
	__must_hold(&subs->lock)
{
	if (RB_EMPTY_ROOT(&subs->itree.rb_root))
		return NULL;
	return mmun_itree_first(subs, range);
}

/*
 * A record with room for all list subscribers; NULL without memory. Drops the lock to
 * allocate, because on PREEMPT_RT the allocator sleeps. A subscriber that joins after
 * the range has its number waits for the range, and is not called: it needs no room.
 */
static struct mmun_record *alloc_record(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	struct mmun_record *record = NULL;
	unsigned int room;

	if (mmun_kunit_no_records)
		return NULL;
	do {
		/* Subscribers may have come meanwhile: some more room. */
		room = subs->listed + 2;
		mmun_unlock(subs);
		kfree(record);
		/* Reclaim raises ranges, so this must not wait for reclaim. */
		record = kmalloc(struct_size(record, owed, room),
				 GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN);
		mmun_lock(subs);
	} while (record && room < subs->listed);
	if (record)
		mmun_record_init(record, room);
	return record;
}

/* mmun_event_start() without a slot, for a range that may block. */
static noinline void start_unslotted(struct mmun_subscriptions *subs, const void *key,
				     unsigned long start, unsigned long end,
				     enum mmun_notifier_event event, void *owner)
	__releases(&subs->lock)
{
	const struct mmun_notifier_range range = {
		.mm = subs->mm,
		.start = start,
		.end = end,
		.flags = MMUN_NOTIFIER_RANGE_BLOCKABLE,
		.event = event,
		.owner = owner,
	};
	struct mmun_interval_notifier *first;
	struct mmun_record *record;
	struct mmun_walk walk;
	unsigned long cur_seq;
	int idx;

	record = alloc_record(subs);
	/* The exit may have released the mm while the lock was dropped. */
	if (subs->closed) {
		mmun_unlock(subs);
		kfree(record);
		return;
	}
	subs->invalidate_seq += 2;
	cur_seq = subs->invalidate_seq;
	if (record) {
		record->slot.range = range;
		mmun_record_add(&subs->ranges, record, key, cur_seq);
		/* The exit may close the mm, and with it the record, during the walk. */
		record->slot.pins++;
		record->began = mmun_trace_range_begins();
	} else {
		subs->ranges.overflow++;
		mmun_ranges_count(&subs->ranges);
	}
	first = first_interval(subs, &range);
	mmun_walk_begin(subs, &walk);
	idx = mmun_callbacks_enter();
	mmun_unlock(subs);
	mmun_trace_range_start(subs, cur_seq, &range);

	lock_map_acquire(&mmun_range_start_map);
	if (first)
		mmun_itree_start(subs, first, &range, cur_seq);
	mmun_list_start_unslotted(subs, &range, record, &walk);
	lock_map_release(&mmun_range_start_map);

	mmun_lock(subs);
	mmun_walk_end(subs, &walk);
	if (record && !mmun_record_unpin(record))
		record = NULL;
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);
	kfree(record);
}

/* A range that may not block has found no slot. */
static noinline void refuse_unslotted(struct mmun_subscriptions *subs, unsigned long start,
				      unsigned long end, enum mmun_notifier_event event,
				      void *owner)
{
	const struct mmun_notifier_range range = {
		.mm = subs->mm,
		.start = start,
		.end = end,
		.event = event,
		.owner = owner,
	};

	mmun_trace_refusal(subs, 0, &range, NULL, NULL, -EAGAIN);
}

/**
 * mmun_event_start - a range starts
 * @subs: the mm
 * @key: the same at the range's end, unique while it is in flight
 * @start: of the range that subscribers are given, as the others are
 * @end: exclusive
 * @flags: MMUN_NOTIFIER_RANGE_BLOCKABLE or 0
 * @event: why
 * @owner: the driver that caused it, or NULL
 *
 * (One by one, and not in a struct that would be filled only to be copied.)
 *
 * Context: subs->lock is held, and not any more at the return; the mm is not closed.
 * Sleeps if, and only if, the range is blockable.
 *
 * Return: 0, and a confirmation (if not blockable) and an end will follow, or
 * nothing if another notifier refuses; -EAGAIN if a subscriber refused, or if it may
 * not block and there is no slot: every subscriber that accepted the start has
 * received the end, and the range is not in the table.
 */
int mmun_event_start(struct mmun_subscriptions *subs, const void *key,
		     unsigned long start, unsigned long end, unsigned int flags,
		     enum mmun_notifier_event event, void *owner)
	__releases(&subs->lock)
{
	const bool blockable = flags & MMUN_NOTIFIER_RANGE_BLOCKABLE;
	struct mmun_interval_notifier *first;
	struct mmun_notifier_range *range;
	unsigned long cur_seq;
	unsigned int slot;
	int idx, ret = 0;
	bool listed;

	if (unlikely(subs->ranges.active)) {
		settle_stale(subs, key);
		if (subs->closed) {
			mmun_unlock(subs);
			return blockable ? 0 : -EAGAIN;
		}
	}

	/* Even numbers are never given out: see mmun_interval_read_begin(). */
	cur_seq = subs->invalidate_seq + 2;
	slot = mmun_ranges_take(&subs->ranges, key, cur_seq, !blockable);
	if (unlikely(slot == MMUN_NO_SLOT)) {
		if (blockable) {
			start_unslotted(subs, key, start, end, event, owner);
			return 0;
		}
		mmun_unlock(subs);
		refuse_unslotted(subs, start, end, event, owner);
		return -EAGAIN;
	}
	subs->invalidate_seq = cur_seq;
	range = &subs->ranges.slots[slot].range;
	range->mm = subs->mm;
	range->start = start;
	range->end = end;
	range->flags = flags;
	range->event = event;
	range->owner = owner;
	mmun_trace_begin(subs, slot);

	first = first_interval(subs, range);
	/*
	 * If the list is empty, a subscriber that registers from here on waits for
	 * this range and need not be called.
	 */
	listed = !hlist_empty(&subs->list);
	if (!first && !listed) {
		mmun_unlock(subs);
		mmun_trace_range_start(subs, cur_seq, range);
		return 0;
	}
	if (listed)
		mmun_slot_walk_begin(subs, slot);
	/*
	 * Enter SRCU before reading the list, so that call_srcu() after an unlink
	 * waits for this walk.
	 */
	idx = mmun_callbacks_enter();
	mmun_unlock(subs);
	mmun_trace_range_start(subs, cur_seq, range);

	lock_map_acquire(&mmun_range_start_map);
	if (first)
		ret = mmun_itree_start(subs, first, range, cur_seq);
	if (!ret && listed)
		ret = mmun_list_start(subs, range, slot);
	lock_map_release(&mmun_range_start_map);

	if (ret || listed) {
		mmun_lock(subs);
		if (listed)
			mmun_slot_walk_end(subs, slot);
		if (ret)
			mmun_trace_refused(subs, slot);
		/* If the mm was closed meanwhile, the range is over already. */
		if (ret && (subs->ranges.active & BIT(slot)))
			end_slot(subs, slot);
		if (ret)
			mmun_ranges_free(&subs->ranges, slot);
		mmun_unlock(subs);
	}
	mmun_callbacks_leave(idx);
	return ret;
}

/**
 * mmun_event_confirm - this range cannot be refused any more
 * @subs: the mm
 * @key: the key that mmun_event_start() was given
 *
 * Context: any, does not sleep.
 */
void mmun_event_confirm(struct mmun_subscriptions *subs, const void *key)
{
	unsigned int slot;

	mmun_lock(subs);
	slot = mmun_ranges_find(&subs->ranges, subs->ranges.provisional, key);
	if (slot != MMUN_NO_SLOT)
		subs->ranges.provisional &= ~BIT(slot);
	mmun_unlock(subs);
}

/* --- end --- */

/* Deliver the ends of the range in @slot, which is ending; free the slot. */
static __always_inline void deliver_ends(struct mmun_subscriptions *subs, unsigned int slot,
					 enum mmun_trace_result result)
	__must_hold(&subs->lock)
{
	int idx;

	mmun_slot_walk_begin(subs, slot);
	idx = mmun_callbacks_enter();
	mmun_unlock(subs);
	lock_map_acquire(&mmun_range_start_map);
	mmun_list_end(subs, &subs->ranges.slots[slot].range, slot);
	lock_map_release(&mmun_range_start_map);
	if (trace_mmun_range_end_enabled())
		mmun_trace_range_end(subs, slot, result);
	mmun_lock(subs);
	mmun_callbacks_leave(idx);
	mmun_slot_walk_end(subs, slot);
	subs->ranges.ending &= ~BIT(slot);
	mmun_ranges_free(&subs->ranges, slot);
}

/**
 * mmun_event_end - a range is over
 * @subs: the mm
 * @key: the key that mmun_event_start() was given
 *
 * Context: calls ends; does not sleep itself.
 *
 * Return: false if the range has no slot: the caller then calls
 * mmun_event_end_unslotted().
 */
bool mmun_event_end(struct mmun_subscriptions *subs, const void *key)
{
	unsigned int slot;

	mmun_lock(subs);
	slot = mmun_ranges_find(&subs->ranges, subs->ranges.active, key);
	if (unlikely(slot == MMUN_NO_SLOT)) {
		mmun_unlock(subs);
		return false;
	}
	end_slot(subs, slot);
	/* deliver_ends() also reports the end, without the lock. */
	if (hlist_empty(&subs->list) && !trace_mmun_range_end_enabled()) {
		mmun_ranges_free(&subs->ranges, slot);
	} else {
		subs->ranges.ending |= BIT(slot);
		deliver_ends(subs, slot, MMUN_TRACE_DONE);
	}
	mmun_unlock(subs);
	return true;
}

/* A range with a record is over for the intervals, and for tasks that wait for it. */
static void end_record(struct mmun_subscriptions *subs, struct mmun_record *record)
	__must_hold(&subs->lock)
{
	mmun_record_end(&subs->ranges, record);
	mmun_wake_sleepers(&record->slot.sleepers);
}

/* After the ends: until then no list subscriber may join. */
static void end_overflow(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock)
{
	/* Zero: the exit has closed the mm meanwhile. */
	if (!subs->ranges.overflow)
		return;
	subs->ranges.overflow--;
	mmun_ranges_uncount(&subs->ranges, 1);
	mmun_wake(subs);
}

/**
 * mmun_event_end_unslotted - a range that had found no slot is over
 * @subs: the mm
 * @key: the key that mmun_event_start() was given
 * @range: the range
 *
 * An end whose start never came is ignored: some kernels raised starts
 * without a lock that attaching excludes.
 *
 * Context: as mmun_event_end().
 */
void mmun_event_end_unslotted(struct mmun_subscriptions *subs, const void *key,
			      const struct mmun_notifier_range *range)
{
	struct mmun_record *record, *unneeded = NULL;
	struct mmun_walk walk;
	int idx;

	idx = mmun_callbacks_enter();
	mmun_lock(subs);
	record = mmun_record_find(&subs->ranges, key);
	if (record)
		end_record(subs, record);
	if (record || subs->ranges.overflow) {
		mmun_walk_begin(subs, &walk);
		mmun_unlock(subs);
		lock_map_acquire(&mmun_range_start_map);
		mmun_list_end_unslotted(subs, range, record, &walk);
		lock_map_release(&mmun_range_start_map);
		if (record)
			mmun_trace_record_end(subs, record, MMUN_TRACE_DONE);
		else
			mmun_trace_overflow_end(subs, range);
		mmun_lock(subs);
		mmun_walk_end(subs, &walk);
		if (!record) {
			end_overflow(subs);
		} else {
			record->state = MMUN_RECORD_OVER;
			if (mmun_record_unlink(record))
				unneeded = record;
		}
	}
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);
	kfree(unneeded);
}

/* --- orphans --- */

/**
 * mmun_event_orphan - give up all provisional ranges
 * @subs: the mm
 *
 * Context: the caller knows that no provisional range is really in flight.
 *
 * Return: their slots, for mmun_event_settle(); 0 if there are none.
 */
unsigned long mmun_event_orphan(struct mmun_subscriptions *subs)
{
	unsigned long orphans;

	mmun_lock(subs);
	orphans = subs->ranges.provisional;
	if (orphans)
		retire_slots(subs, orphans);
	mmun_unlock(subs);
	return orphans;
}

/**
 * mmun_event_settle - deliver the owed ends of orphans
 * @subs: the mm
 * @orphans: their slots, retired by mmun_event_orphan()
 *
 * Context: calls ends; does not sleep itself.
 */
void mmun_event_settle(struct mmun_subscriptions *subs, unsigned long orphans)
{
	unsigned int slot;

	mmun_for_each_slot(slot, orphans) {
		mmun_lock(subs);
		deliver_ends(subs, slot, MMUN_TRACE_ORPHAN);
		mmun_unlock(subs);
	}
}

/* --- release --- */

/* Every range that is still in flight in another task is over here. */
static void end_all(struct mmun_subscriptions *subs, struct list_head *unneeded)
	__must_hold(&subs->lock)
{
	struct mmun_ranges *ranges = &subs->ranges;
	struct mmun_record *record, *next;
	unsigned long left = ranges->active;
	unsigned int slot;

	mmun_for_each_slot(slot, left)
		end_slot(subs, slot);
	list_for_each_entry_safe(record, next, &ranges->records, node) {
		if (record->state != MMUN_RECORD_ACTIVE)
			continue;
		end_record(subs, record);
		record->state = MMUN_RECORD_OVER;
		if (mmun_record_unlink(record))
			list_add(&record->node, unneeded);
	}
	mmun_ranges_uncount(ranges, ranges->overflow);
	ranges->overflow = 0;
	/* The tasks that wait for overflow, too. */
	mmun_wake(subs);
}

/**
 * mmun_event_release - the mm's exit releases it
 * @subs: the mm
 *
 * Calls every interval and every list subscriber, delivers the ends that they are
 * owed, and then closes the mm: ranges in flight in other tasks lose their ends here.
 * That is safe, because mm_users is zero and nobody can fault pages in again.
 * Until then the pages are there, other tasks may unmap them, and a subscriber
 * whose turn has not come is called for that.
 *
 * Context: sleeps.
 */
void mmun_event_release(struct mmun_subscriptions *subs)
{
	const struct mmun_notifier_range range = {
		.mm = subs->mm,
		.start = 0,
		.end = ULONG_MAX,
		.flags = MMUN_NOTIFIER_RANGE_BLOCKABLE,
		.event = MMUN_NOTIFY_RELEASE,
	};
	struct mmun_interval_notifier *first;
	struct mmun_record *record, *next;
	LIST_HEAD(unneeded);
	unsigned long cur_seq;
	int idx;

	idx = mmun_callbacks_enter();
	mmun_lock(subs);
	subs->invalidate_seq += 2;
	cur_seq = subs->invalidate_seq;
	first = mmun_itree_first(subs, &range);
	mmun_unlock(subs);

	lock_map_acquire(&mmun_range_start_map);
	if (first)
		mmun_itree_start(subs, first, &range, cur_seq);
	lock_map_release(&mmun_range_start_map);
	/* Not under it: a release may unregister, which waits for callbacks. */
	mmun_list_release(subs);

	mmun_lock(subs);
	/*
	 * An unregister that took it upon itself to call ->release must have
	 * returned from it before exit_mmap() frees the pages.
	 */
	mmun_wait(subs, !subs->releasing);
	WRITE_ONCE(subs->closed, true);
	mmun_trace_closed(subs);
	end_all(subs, &unneeded);
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);
	list_for_each_entry_safe(record, next, &unneeded, node)
		kfree(record);
}
