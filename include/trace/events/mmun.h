/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mmun

#if !defined(_TRACE_MMUN_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_MMUN_H

/*
 * The tracepoints of mmun; Documentation/tracing.rst has the meaning of each field.
 * mmun_trace.c raises them.
 */

#include <linux/mmun_notifier.h>
#include <linux/tracepoint.h>

#ifndef _TRACE_MMUN_TYPES_H
#define _TRACE_MMUN_TYPES_H

/* The event of a callback that has none: the young queries, and the secondary TLB's. */
#define MMUN_TRACE_NO_EVENT	((enum mmun_notifier_event)(MMUN_NOTIFY_EXCLUSIVE + 1))

enum mmun_trace_callback {
	MMUN_TRACE_START,		/* of a list subscriber, as those up to TLBS */
	MMUN_TRACE_END,
	MMUN_TRACE_RELEASE,
	MMUN_TRACE_CLEAR_FLUSH_YOUNG,
	MMUN_TRACE_CLEAR_YOUNG,
	MMUN_TRACE_TEST_YOUNG,
	MMUN_TRACE_TLBS,
	MMUN_TRACE_INVALIDATE,		/* of an interval, as those below */
	MMUN_TRACE_FIRST_PASS,
	MMUN_TRACE_SECOND_PASS,
};

enum mmun_trace_result {
	MMUN_TRACE_DONE,		/* the kernel has ended it */
	MMUN_TRACE_REFUSED,		/* a subscriber has refused it */
	MMUN_TRACE_ORPHAN,		/* another notifier has refused it */
	MMUN_TRACE_CLOSED,		/* the mm's exit came first */
};

enum mmun_trace_kind {
	MMUN_TRACE_LIST,
	MMUN_TRACE_GOT,
	MMUN_TRACE_INTERVAL,
};

/* 0 for the whole address space, whose size would spoil every sum. */
static inline unsigned long mmun_trace_bytes(unsigned long start, unsigned long end)
{
	if (end <= start || (!start && end == ULONG_MAX))
		return 0;
	return end - start;
}

#endif /* _TRACE_MMUN_TYPES_H */

#define mmun_trace_event_names						\
	{ 0, "UNMAP" }, { 1, "CLEAR" }, { 2, "PROTECTION_VMA" },	\
	{ 3, "PROTECTION_PAGE" }, { 4, "SOFT_DIRTY" }, { 5, "RELEASE" }, \
	{ 6, "MIGRATE" }, { 7, "EXCLUSIVE" }, { 8, "NONE" }

#define mmun_trace_callback_names					\
	{ 0, "start" }, { 1, "end" }, { 2, "release" },			\
	{ 3, "clear_flush_young" }, { 4, "clear_young" },		\
	{ 5, "test_young" }, { 6, "secondary_tlbs" },			\
	{ 7, "invalidate" }, { 8, "invalidate_start" },			\
	{ 9, "invalidate_finish" }

#define mmun_trace_result_names						\
	{ 0, "done" }, { 1, "refused" }, { 2, "orphan" }, { 3, "closed" }

#define mmun_trace_kind_names						\
	{ 0, "list" }, { 1, "get" }, { 2, "interval" }

TRACE_EVENT(mmun_range_start,
	TP_PROTO(pid_t pid, unsigned long id, const struct mmun_notifier_range *range),

	TP_ARGS(pid, id, range),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, id)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned long, bytes)
		__field(const void *, owner)
		__field(pid_t, pid)
		__field(unsigned int, event)
		__field(unsigned int, blockable)
	),

	TP_fast_assign(
		__entry->mm = range->mm;
		__entry->id = id;
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->bytes = mmun_trace_bytes(range->start, range->end);
		__entry->owner = range->owner;
		__entry->pid = pid;
		__entry->event = range->event;
		__entry->blockable = mmun_notifier_range_blockable(range);
	),

	TP_printk("mm=%p pid=%d id=%lu event=%s start=0x%lx end=0x%lx bytes=%lu blockable=%u owner=%p",
		  __entry->mm, __entry->pid, __entry->id,
		  __print_symbolic(__entry->event, mmun_trace_event_names),
		  __entry->start, __entry->end, __entry->bytes, __entry->blockable,
		  __entry->owner)
);

TRACE_EVENT(mmun_range_end,
	TP_PROTO(pid_t pid, unsigned long id, const struct mmun_notifier_range *range,
		 enum mmun_trace_result result, bool timed, u64 ns),

	TP_ARGS(pid, id, range, result, timed, ns),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, id)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned long, bytes)
		__field(u64, ns)
		__field(pid_t, pid)
		__field(unsigned int, event)
		__field(unsigned int, blockable)
		__field(unsigned int, result)
		__field(unsigned int, timed)
	),

	TP_fast_assign(
		__entry->mm = range->mm;
		__entry->id = id;
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->bytes = mmun_trace_bytes(range->start, range->end);
		__entry->ns = ns;
		__entry->pid = pid;
		__entry->event = range->event;
		__entry->blockable = mmun_notifier_range_blockable(range);
		__entry->result = result;
		__entry->timed = timed;
	),

	TP_printk("mm=%p pid=%d id=%lu event=%s start=0x%lx end=0x%lx bytes=%lu blockable=%u result=%s timed=%u ns=%llu",
		  __entry->mm, __entry->pid, __entry->id,
		  __print_symbolic(__entry->event, mmun_trace_event_names),
		  __entry->start, __entry->end, __entry->bytes, __entry->blockable,
		  __print_symbolic(__entry->result, mmun_trace_result_names),
		  __entry->timed, __entry->ns)
);

TRACE_EVENT(mmun_callback,
	TP_PROTO(pid_t pid, unsigned long id, const struct mmun_notifier_range *range,
		 enum mmun_trace_callback callback, const void *subscriber,
		 const void *fn, int ret, u64 ns),

	TP_ARGS(pid, id, range, callback, subscriber, fn, ret, ns),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, id)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned long, bytes)
		__field(const void *, subscriber)
		__field(const void *, fn)
		__field(u64, ns)
		__field(pid_t, pid)
		__field(unsigned int, event)
		__field(unsigned int, blockable)
		__field(unsigned int, callback)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->mm = range->mm;
		__entry->id = id;
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->bytes = mmun_trace_bytes(range->start, range->end);
		__entry->subscriber = subscriber;
		__entry->fn = fn;
		__entry->ns = ns;
		__entry->pid = pid;
		__entry->event = range->event;
		__entry->blockable = mmun_notifier_range_blockable(range);
		__entry->callback = callback;
		__entry->ret = ret;
	),

	TP_printk("mm=%p pid=%d id=%lu event=%s start=0x%lx end=0x%lx bytes=%lu blockable=%u callback=%s subscriber=%p fn=%ps ret=%d ns=%llu",
		  __entry->mm, __entry->pid, __entry->id,
		  __print_symbolic(__entry->event, mmun_trace_event_names),
		  __entry->start, __entry->end, __entry->bytes, __entry->blockable,
		  __print_symbolic(__entry->callback, mmun_trace_callback_names),
		  __entry->subscriber, __entry->fn, __entry->ret, __entry->ns)
);

TRACE_EVENT(mmun_refusal,
	TP_PROTO(pid_t pid, unsigned long id, const struct mmun_notifier_range *range,
		 const void *subscriber, const void *fn, int ret),

	TP_ARGS(pid, id, range, subscriber, fn, ret),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, id)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned long, bytes)
		__field(const void *, subscriber)
		__field(const void *, fn)
		__field(pid_t, pid)
		__field(unsigned int, event)
		__field(unsigned int, blockable)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->mm = range->mm;
		__entry->id = id;
		__entry->start = range->start;
		__entry->end = range->end;
		__entry->bytes = mmun_trace_bytes(range->start, range->end);
		__entry->subscriber = subscriber;
		__entry->fn = fn;
		__entry->pid = pid;
		__entry->event = range->event;
		__entry->blockable = mmun_notifier_range_blockable(range);
		__entry->ret = ret;
	),

	TP_printk("mm=%p pid=%d id=%lu event=%s start=0x%lx end=0x%lx bytes=%lu blockable=%u subscriber=%p fn=%ps ret=%d",
		  __entry->mm, __entry->pid, __entry->id,
		  __print_symbolic(__entry->event, mmun_trace_event_names),
		  __entry->start, __entry->end, __entry->bytes, __entry->blockable,
		  __entry->subscriber, __entry->fn, __entry->ret)
);

TRACE_EVENT(mmun_attach,
	TP_PROTO(const struct mm_struct *mm, pid_t pid, int ret),

	TP_ARGS(mm, pid, ret),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(pid_t, pid)
		__field(int, ret)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->pid = pid;
		__entry->ret = ret;
	),

	TP_printk("mm=%p pid=%d ret=%d", __entry->mm, __entry->pid, __entry->ret)
);

TRACE_EVENT(mmun_detach,
	TP_PROTO(const struct mm_struct *mm, pid_t pid),

	TP_ARGS(mm, pid),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(pid_t, pid)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->pid = pid;
	),

	TP_printk("mm=%p pid=%d", __entry->mm, __entry->pid)
);

DECLARE_EVENT_CLASS(mmun_subscription,
	TP_PROTO(const struct mm_struct *mm, pid_t pid, enum mmun_trace_kind kind,
		 const void *subscriber, const void *ops, unsigned long start,
		 unsigned long end),

	TP_ARGS(mm, pid, kind, subscriber, ops, start, end),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned long, bytes)
		__field(const void *, subscriber)
		__field(const void *, ops)
		__field(pid_t, pid)
		__field(unsigned int, kind)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->start = start;
		__entry->end = end;
		__entry->bytes = mmun_trace_bytes(start, end);
		__entry->subscriber = subscriber;
		__entry->ops = ops;
		__entry->pid = pid;
		__entry->kind = kind;
	),

	TP_printk("mm=%p pid=%d kind=%s subscriber=%p ops=%ps start=0x%lx end=0x%lx bytes=%lu",
		  __entry->mm, __entry->pid,
		  __print_symbolic(__entry->kind, mmun_trace_kind_names),
		  __entry->subscriber, __entry->ops, __entry->start, __entry->end,
		  __entry->bytes)
);

DEFINE_EVENT(mmun_subscription, mmun_register,
	TP_PROTO(const struct mm_struct *mm, pid_t pid, enum mmun_trace_kind kind,
		 const void *subscriber, const void *ops, unsigned long start,
		 unsigned long end),

	TP_ARGS(mm, pid, kind, subscriber, ops, start, end)
);

DEFINE_EVENT(mmun_subscription, mmun_unregister,
	TP_PROTO(const struct mm_struct *mm, pid_t pid, enum mmun_trace_kind kind,
		 const void *subscriber, const void *ops, unsigned long start,
		 unsigned long end),

	TP_ARGS(mm, pid, kind, subscriber, ops, start, end)
);

TRACE_EVENT(mmun_wait,
	TP_PROTO(const struct mm_struct *mm, pid_t pid, const void *subscriber,
		 unsigned long start, unsigned long end, bool collides, u64 ns),

	TP_ARGS(mm, pid, subscriber, start, end, collides, ns),

	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned long, bytes)
		__field(const void *, subscriber)
		__field(u64, ns)
		__field(pid_t, pid)
		__field(unsigned int, collides)
	),

	TP_fast_assign(
		__entry->mm = mm;
		__entry->start = start;
		__entry->end = end;
		__entry->bytes = mmun_trace_bytes(start, end);
		__entry->subscriber = subscriber;
		__entry->ns = ns;
		__entry->pid = pid;
		__entry->collides = collides;
	),

	TP_printk("mm=%p pid=%d subscriber=%p start=0x%lx end=0x%lx bytes=%lu collides=%u ns=%llu",
		  __entry->mm, __entry->pid, __entry->subscriber, __entry->start,
		  __entry->end, __entry->bytes, __entry->collides, __entry->ns)
);

#endif /* _TRACE_MMUN_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
