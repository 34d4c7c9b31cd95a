// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints: what the other rooms do while one of them is enabled. While it is not,
 * a place costs the static branch that does not come here.
 *
 * Callbacks. The branch comes before the call: a callback that begins while
 * mmun_callback is enabled is called by a mmun_traced_*() function here, which knows when it
 * began. So one that had begun before has no event, and none has a wrong duration.
 *
 * Ranges. A range that begins while mmun_range_end is enabled notes its number and the
 * time, in a table beside the slots that exists only if that event was enabled before
 * (subs->began), or in its record. A number is never given out twice in a mm, so what an
 * earlier range of the slot has left is not taken for this one's: the end has timed=0
 * then, and no duration. Nothing has to be cleared when the event is disabled.
 *
 * Order. The event of a range's start comes before its callbacks, that of its end after
 * them. The one of a subscriber's registration comes before its first callback, that of
 * its leaving after its last one. A registration, the remove of an interval, and the end
 * of a range that is refused or that the exit ends are raised under subs->lock; all
 * others without it, since a program that is attached to a tracepoint may take long.
 *
 * Context. A tracepoint may be used in all contexts that mmun is called in: the young
 * queries run under page table locks, and ranges that may not block do not sleep here.
 */

#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "mmun_trace.h"

#define CREATE_TRACE_POINTS
#include <trace/events/mmun.h>

#ifdef MMUN_KUNIT
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_range_start);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_range_end);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_callback);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_refusal);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_attach);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_detach);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_register);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_unregister);
EXPORT_TRACEPOINT_SYMBOL_GPL(mmun_wait);
#endif

/* --- ranges --- */

/* When the range with this number began, for each slot. */
struct mmun_began {
	unsigned long seq;
	u64 at;
};

/*
 * Without memory the ends are not timed. Not for a range that may not block, because on
 * PREEMPT_RT the allocator sleeps.
 */
void __mmun_trace_prepare(struct mmun_subscriptions *subs)
{
	struct mmun_began *began;

	if (READ_ONCE(subs->began))
		return;
	/* Reclaim raises ranges, so this must not wait for reclaim. */
	began = kcalloc(subs->ranges.nr_slots, sizeof(*began),
			GFP_NOWAIT | __GFP_NOMEMALLOC | __GFP_NOWARN);
	/* Another range may have been faster. */
	if (began && cmpxchg(&subs->began, NULL, began))
		kfree(began);
}

void __mmun_trace_begin(struct mmun_subscriptions *subs, unsigned int slot)
{
	struct mmun_began *began = READ_ONCE(subs->began);

	if (!began)
		return;
	began[slot].seq = subs->ranges.slots[slot].seq;
	began[slot].at = ktime_get_ns();
}

/* As __mmun_trace_begin(), for a record, which keeps it. */
u64 mmun_trace_range_begins(void)
{
	return trace_mmun_range_end_enabled() ? ktime_get_ns() : 0;
}

void __mmun_trace_range_start(struct mmun_subscriptions *subs, unsigned long id,
			      const struct mmun_notifier_range *range)
{
	trace_mmun_range_start(subs->pid, id, range);
}

/* The range still has its slot. */
void mmun_trace_range_end(struct mmun_subscriptions *subs, unsigned int slot,
			  enum mmun_trace_result result)
{
	struct mmun_began *began = READ_ONCE(subs->began);
	struct mmun_slot *ended = &subs->ranges.slots[slot];
	bool timed;
	u64 ns;

	if (!trace_mmun_range_end_enabled())
		return;
	timed = began && began[slot].seq == ended->seq;
	ns = timed ? ktime_get_ns() - began[slot].at : 0;
	trace_mmun_range_end(subs->pid, ended->seq, &ended->range, result, timed, ns);
}

void mmun_trace_record_end(struct mmun_subscriptions *subs,
			   const struct mmun_record *record,
			   enum mmun_trace_result result)
{
	u64 ns;

	if (!trace_mmun_range_end_enabled())
		return;
	ns = record->began ? ktime_get_ns() - record->began : 0;
	trace_mmun_range_end(subs->pid, record->slot.seq, &record->slot.range, result,
			     record->began, ns);
}

/* A subscriber has refused the range, unless the exit has closed the mm meanwhile. */
void mmun_trace_refused(struct mmun_subscriptions *subs, unsigned int slot)
{
	if (subs->ranges.active & BIT(slot))
		mmun_trace_range_end(subs, slot, MMUN_TRACE_REFUSED);
}

/* The exit ends what is in flight. */
void mmun_trace_closed(struct mmun_subscriptions *subs)
{
	unsigned long left = subs->ranges.active;
	struct mmun_record *record;
	unsigned int slot;

	if (!trace_mmun_range_end_enabled())
		return;
	mmun_for_each_slot(slot, left)
		mmun_trace_range_end(subs, slot, MMUN_TRACE_CLOSED);
	list_for_each_entry(record, &subs->ranges.records, node)
		if (record->state == MMUN_RECORD_ACTIVE)
			mmun_trace_record_end(subs, record, MMUN_TRACE_CLOSED);
}

/* Nothing is known of a range in overflow but its bounds. */
void mmun_trace_overflow_end(struct mmun_subscriptions *subs,
			     const struct mmun_notifier_range *range)
{
	trace_mmun_range_end(subs->pid, 0, range, MMUN_TRACE_DONE, false, 0);
}

void __mmun_trace_refusal(struct mmun_subscriptions *subs, unsigned long id,
			  const struct mmun_notifier_range *range,
			  const void *subscriber, const void *fn, int ret)
{
	trace_mmun_refusal(subs->pid, id, range, subscriber, fn, ret);
}

/* --- callbacks --- */

/* All of these are read before the call: after it the subscriber may be freed memory. */
struct call {
	pid_t pid;
	enum mmun_trace_callback callback;
	const void *subscriber;
	const void *fn;
	u64 began;
};

static struct call begin_call(struct mmun_subscriptions *subs,
			      enum mmun_trace_callback callback,
			      const void *subscriber, const void *fn)
{
	return (struct call) {
		.pid = subs->pid,
		.callback = callback,
		.subscriber = subscriber,
		.fn = fn,
		.began = ktime_get_ns(),
	};
}

static void end_call(const struct call *call, unsigned long id,
		     const struct mmun_notifier_range *range, int ret)
{
	u64 ns = ktime_get_ns() - call->began;

	trace_mmun_callback(call->pid, id, range, call->callback, call->subscriber,
			    call->fn, ret, ns);
}

int mmun_traced_start(struct mmun_notifier *mn, const struct mmun_notifier_range *range,
		      unsigned long id)
{
	struct call call = begin_call(mn->priv.subs, MMUN_TRACE_START, mn,
				      mn->ops->invalidate_range_start);
	int ret = mn->ops->invalidate_range_start(mn, range);

	end_call(&call, id, range, ret);
	return ret;
}

void mmun_traced_end(struct mmun_notifier *mn, const struct mmun_notifier_range *range,
		     unsigned long id)
{
	struct call call = begin_call(mn->priv.subs, MMUN_TRACE_END, mn,
				      mn->ops->invalidate_range_end);

	mn->ops->invalidate_range_end(mn, range);
	end_call(&call, id, range, 0);
}

/* A callback that is not of a range: the release, and those that must not sleep. */
static void end_other(const struct call *call, struct mm_struct *mm, unsigned long start,
		      unsigned long end, int ret)
{
	const bool release = call->callback == MMUN_TRACE_RELEASE;
	const struct mmun_notifier_range range = {
		.mm = mm,
		.start = start,
		.end = end,
		.flags = release ? MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
		.event = release ? MMUN_NOTIFY_RELEASE : MMUN_TRACE_NO_EVENT,
	};

	end_call(call, 0, &range, ret);
}

void mmun_traced_release(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			 struct mm_struct *mm)
{
	struct call call = begin_call(subs, MMUN_TRACE_RELEASE, mn, mn->ops->release);

	mn->ops->release(mn, mm);
	end_other(&call, mm, 0, ULONG_MAX, 0);
}

bool mmun_traced_clear_flush_young(struct mmun_subscriptions *subs,
				   struct mmun_notifier *mn, unsigned long start,
				   unsigned long end)
{
	struct call call = begin_call(subs, MMUN_TRACE_CLEAR_FLUSH_YOUNG, mn,
				      mn->ops->clear_flush_young);
	bool young = mn->ops->clear_flush_young(mn, subs->mm, start, end);

	end_other(&call, subs->mm, start, end, young);
	return young;
}

bool mmun_traced_clear_young(struct mmun_subscriptions *subs,
			     struct mmun_notifier *mn, unsigned long start,
			     unsigned long end)
{
	struct call call = begin_call(subs, MMUN_TRACE_CLEAR_YOUNG, mn,
				      mn->ops->clear_young);
	bool young = mn->ops->clear_young(mn, subs->mm, start, end);

	end_other(&call, subs->mm, start, end, young);
	return young;
}

bool mmun_traced_test_young(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			    unsigned long address)
{
	struct call call = begin_call(subs, MMUN_TRACE_TEST_YOUNG, mn, mn->ops->test_young);
	bool young = mn->ops->test_young(mn, subs->mm, address);

	end_other(&call, subs->mm, address, address + 1, young);
	return young;
}

void mmun_traced_flush_tlb(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			   unsigned long start, unsigned long end)
{
	struct call call = begin_call(subs, MMUN_TRACE_TLBS, mn,
				      mn->ops->arch_invalidate_secondary_tlbs);

	mn->ops->arch_invalidate_secondary_tlbs(mn, subs->mm, start, end);
	end_other(&call, subs->mm, start, end, 0);
}

/* ret is that of a list subscriber: -EAGAIN if the interval refuses. */
bool mmun_traced_invalidate(struct mmun_interval_notifier *sub,
			    const struct mmun_notifier_range *range,
			    unsigned long cur_seq,
			    struct mmun_interval_notifier_finish **finish)
{
	const struct mmun_interval_notifier_ops *ops = sub->ops;
	struct call call;
	bool agreed;

	if (ops->invalidate_start) {
		call = begin_call(sub->priv.subs, MMUN_TRACE_FIRST_PASS, sub,
				  ops->invalidate_start);
		agreed = ops->invalidate_start(sub, range, cur_seq, finish);
	} else {
		call = begin_call(sub->priv.subs, MMUN_TRACE_INVALIDATE, sub,
				  ops->invalidate);
		agreed = ops->invalidate(sub, range, cur_seq);
	}
	end_call(&call, cur_seq, range, agreed ? 0 : -EAGAIN);
	return agreed;
}

void mmun_traced_finish(struct mmun_interval_notifier *sub,
			const struct mmun_notifier_range *range, unsigned long id,
			struct mmun_interval_notifier_finish *finish)
{
	struct call call = begin_call(sub->priv.subs, MMUN_TRACE_SECOND_PASS, sub,
				      sub->ops->invalidate_finish);

	sub->ops->invalidate_finish(finish);
	end_call(&call, id, range, 0);
}

/* --- subscriptions --- */

static enum mmun_trace_kind kind_of(struct mmun_notifier *mn)
{
	return mn->priv.got ? MMUN_TRACE_GOT : MMUN_TRACE_LIST;
}

void __mmun_trace_register(struct mmun_notifier *mn)
{
	trace_mmun_register(mn->mm, mn->priv.subs->pid, kind_of(mn), mn, mn->ops, 0,
			    ULONG_MAX);
}

/* Before the last reference of @mn on the state of its mm is dropped. */
void __mmun_trace_unregister(struct mmun_notifier *mn)
{
	trace_mmun_unregister(mn->mm, mn->priv.subs->pid, kind_of(mn), mn, mn->ops, 0,
			      ULONG_MAX);
}

/* Exclusive; an interval up to the last byte has ULONG_MAX, as ranges do. */
static unsigned long end_of(struct mmun_interval_notifier *sub)
{
	return sub->interval_tree.last == ULONG_MAX ? ULONG_MAX :
						      sub->interval_tree.last + 1;
}

void __mmun_trace_insert(struct mmun_interval_notifier *sub)
{
	trace_mmun_register(sub->mm, sub->priv.subs->pid, MMUN_TRACE_INTERVAL, sub,
			    sub->ops, sub->interval_tree.start, end_of(sub));
}

void __mmun_trace_remove(struct mmun_interval_notifier *sub,
			 struct mmun_subscriptions *subs)
{
	trace_mmun_unregister(sub->mm, subs->pid, MMUN_TRACE_INTERVAL, sub, sub->ops,
			      sub->interval_tree.start, end_of(sub));
}

void mmun_trace_attach(struct mmun_subscriptions *subs, int ret)
{
	trace_mmun_attach(subs->mm, subs->pid, ret);
}

void mmun_trace_detach(struct mmun_subscriptions *subs)
{
	trace_mmun_detach(subs->mm, subs->pid);
}

/* --- readers --- */

/* 0 if nobody asks. A wait that began before somebody did has no event. */
u64 mmun_trace_wait_begins(void)
{
	return trace_mmun_wait_enabled() ? ktime_get_ns() : 0;
}

void mmun_trace_waited(struct mmun_interval_notifier *sub, u64 began, bool collides)
{
	if (!began || !trace_mmun_wait_enabled())
		return;
	trace_mmun_wait(sub->mm, sub->priv.subs->pid, sub, sub->interval_tree.start,
			end_of(sub), collides, ktime_get_ns() - began);
}
