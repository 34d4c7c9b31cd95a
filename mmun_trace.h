/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_TRACE_H
#define _MMUN_TRACE_H

/*
 * How the other rooms raise the tracepoints. Each place has one static branch, and what
 * it jumps to is out of line: see mmun_trace.c.
 */

#include <trace/events/mmun.h>

#include "mmun_subs.h"

struct mmun_began;

/* --- ranges --- */

void __mmun_trace_prepare(struct mmun_subscriptions *subs);
void __mmun_trace_begin(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock);
u64 mmun_trace_range_begins(void);
void __mmun_trace_range_start(struct mmun_subscriptions *subs, unsigned long id,
			      const struct mmun_notifier_range *range);
void mmun_trace_range_end(struct mmun_subscriptions *subs, unsigned int slot,
			  enum mmun_trace_result result);
void mmun_trace_record_end(struct mmun_subscriptions *subs,
			   const struct mmun_record *record,
			   enum mmun_trace_result result);
void mmun_trace_refused(struct mmun_subscriptions *subs, unsigned int slot)
	__must_hold(&subs->lock);
void mmun_trace_closed(struct mmun_subscriptions *subs)
	__must_hold(&subs->lock);
void mmun_trace_overflow_end(struct mmun_subscriptions *subs,
			     const struct mmun_notifier_range *range);
void __mmun_trace_refusal(struct mmun_subscriptions *subs, unsigned long id,
			  const struct mmun_notifier_range *range,
			  const void *subscriber, const void *fn, int ret);

/* Before subs->lock is taken for the start of a range. */
static __always_inline void mmun_trace_prepare(struct mmun_subscriptions *subs,
					       bool blockable)
{
	if (trace_mmun_range_end_enabled() && blockable)
		__mmun_trace_prepare(subs);
}

/* The range in @slot begins now: note the time, for the event of its end. */
static __always_inline void mmun_trace_begin(struct mmun_subscriptions *subs,
					     unsigned int slot)
	__must_hold(&subs->lock)
{
	if (trace_mmun_range_end_enabled())
		__mmun_trace_begin(subs, slot);
}

static __always_inline void
mmun_trace_range_start(struct mmun_subscriptions *subs, unsigned long id,
		       const struct mmun_notifier_range *range)
{
	if (trace_mmun_range_start_enabled())
		__mmun_trace_range_start(subs, id, range);
}

static __always_inline void
mmun_trace_refusal(struct mmun_subscriptions *subs, unsigned long id,
		   const struct mmun_notifier_range *range, const void *subscriber,
		   const void *fn, int ret)
{
	if (trace_mmun_refusal_enabled())
		__mmun_trace_refusal(subs, id, range, subscriber, fn, ret);
}

/* --- callbacks: each calls the subscriber, and reports it --- */

int mmun_traced_start(struct mmun_notifier *mn, const struct mmun_notifier_range *range,
		      unsigned long id);
void mmun_traced_end(struct mmun_notifier *mn, const struct mmun_notifier_range *range,
		     unsigned long id);
void mmun_traced_release(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			 struct mm_struct *mm);
bool mmun_traced_clear_flush_young(struct mmun_subscriptions *subs,
				   struct mmun_notifier *mn, unsigned long start,
				   unsigned long end);
bool mmun_traced_clear_young(struct mmun_subscriptions *subs,
			     struct mmun_notifier *mn, unsigned long start,
			     unsigned long end);
bool mmun_traced_test_young(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			    unsigned long address);
void mmun_traced_flush_tlb(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			   unsigned long start, unsigned long end);
bool mmun_traced_invalidate(struct mmun_interval_notifier *sub,
			    const struct mmun_notifier_range *range,
			    unsigned long cur_seq,
			    struct mmun_interval_notifier_finish **finish);
void mmun_traced_finish(struct mmun_interval_notifier *sub,
			const struct mmun_notifier_range *range, unsigned long id,
			struct mmun_interval_notifier_finish *finish);

static __always_inline void mmun_call_release(struct mmun_subscriptions *subs,
					      struct mmun_notifier *mn,
					      struct mm_struct *mm)
{
	if (trace_mmun_callback_enabled())
		mmun_traced_release(subs, mn, mm);
	else
		mn->ops->release(mn, mm);
}

static __always_inline bool
mmun_call_clear_flush_young(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			    unsigned long start, unsigned long end)
{
	if (trace_mmun_callback_enabled())
		return mmun_traced_clear_flush_young(subs, mn, start, end);
	return mn->ops->clear_flush_young(mn, subs->mm, start, end);
}

static __always_inline bool mmun_call_clear_young(struct mmun_subscriptions *subs,
						  struct mmun_notifier *mn,
						  unsigned long start, unsigned long end)
{
	if (trace_mmun_callback_enabled())
		return mmun_traced_clear_young(subs, mn, start, end);
	return mn->ops->clear_young(mn, subs->mm, start, end);
}

static __always_inline bool mmun_call_test_young(struct mmun_subscriptions *subs,
						 struct mmun_notifier *mn,
						 unsigned long address)
{
	if (trace_mmun_callback_enabled())
		return mmun_traced_test_young(subs, mn, address);
	return mn->ops->test_young(mn, subs->mm, address);
}

static __always_inline void mmun_call_flush_tlb(struct mmun_subscriptions *subs,
						struct mmun_notifier *mn,
						unsigned long start, unsigned long end)
{
	if (trace_mmun_callback_enabled())
		mmun_traced_flush_tlb(subs, mn, start, end);
	else
		mn->ops->arch_invalidate_secondary_tlbs(mn, subs->mm, start, end);
}

/* --- subscriptions --- */

void __mmun_trace_register(struct mmun_notifier *mn);
void __mmun_trace_insert(struct mmun_interval_notifier *sub);
void __mmun_trace_unregister(struct mmun_notifier *mn);
void __mmun_trace_remove(struct mmun_interval_notifier *sub,
			 struct mmun_subscriptions *subs);

/* Under subs->lock, so that it comes before every callback. */
static __always_inline void mmun_trace_register(struct mmun_notifier *mn)
{
	if (trace_mmun_register_enabled())
		__mmun_trace_register(mn);
}

static __always_inline void mmun_trace_insert(struct mmun_interval_notifier *sub)
{
	if (trace_mmun_register_enabled())
		__mmun_trace_insert(sub);
}

static __always_inline void mmun_trace_unregister(struct mmun_notifier *mn)
{
	if (trace_mmun_unregister_enabled())
		__mmun_trace_unregister(mn);
}

/* Under subs->lock, after which the state may be freed. */
static __always_inline void mmun_trace_remove(struct mmun_interval_notifier *sub,
					      struct mmun_subscriptions *subs)
{
	if (trace_mmun_unregister_enabled())
		__mmun_trace_remove(sub, subs);
}

void mmun_trace_attach(struct mmun_subscriptions *subs, int ret);
void mmun_trace_detach(struct mmun_subscriptions *subs);

/* --- readers --- */

u64 mmun_trace_wait_begins(void);
void mmun_trace_waited(struct mmun_interval_notifier *sub, u64 began, bool collides);

#endif /* _MMUN_TRACE_H */
