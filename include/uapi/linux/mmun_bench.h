/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_MMUN_BENCH_H
#define _UAPI_LINUX_MMUN_BENCH_H

/*
 * /dev/mmun_bench: the same operations on the kernel's own mmu_notifier and on
 * mmun, timed in the kernel. Everything is done to the caller's own mm.
 *
 * Every argument begins with its size, as in mmun_test.h. Reserved fields, and
 * fields that an operation does not use, are zero (EINVAL). Closing the file
 * detaches everything that was attached through it.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

enum mmun_bench_core {
	MMUN_BENCH_KERNEL = 0,		/* the kernel's own mmu_notifier */
	MMUN_BENCH_MMUN = 1,
};

enum mmun_bench_kind {
	MMUN_BENCH_LIST = 0,		/* mmu_notifier_register() */
	MMUN_BENCH_INTERVAL = 1,	/* mmu_interval_notifier_insert() */
};

#define MMUN_BENCH_LISTS_MAX		1024u
#define MMUN_BENCH_INTERVALS_MAX	2000000u
#define MMUN_BENCH_DELAY_MAX_MS		10000u

/*
 * n subscriptions that do nothing when they are called. Interval i is at
 * start + i * stride. With a delay there is one list subscription, which sleeps.
 */
struct mmun_bench_attach {
	__u32 size;
	__u32 core;		/* enum mmun_bench_core */
	__u32 kind;		/* enum mmun_bench_kind */
	__u32 n;
	__u64 start;		/* interval: first byte; otherwise 0 */
	__u64 length;		/* interval: bytes; otherwise 0 */
	__u64 stride;		/* interval: bytes; otherwise 0 */
	__u32 start_delay_ms;	/* sleep in a blockable start */
	__u32 release_delay_ms;	/* sleep in release */
	__u32 id;		/* out */
	__u32 reserved;
	__u64 bytes;		/* out: slab memory of the driver's own */
};

struct mmun_bench_detach {
	__u32 size;
	__u32 id;
};

struct mmun_bench_state {
	__u32 size;
	__u32 id;
	__u32 asleep;		/* out: callbacks that sleep now */
	__u32 reserved;
};

/* The work that is timed; in brackets the work outside the time. */
enum mmun_bench_op {
	MMUN_BENCH_REGISTER = 0,	/* [unregister] */
	MMUN_BENCH_UNREGISTER = 1,	/* [register] */
	MMUN_BENCH_PUT = 2,		/* [get] last put to free_notifier done */
	MMUN_BENCH_GET_LOCKED = 3,	/* [mmap lock] of one that exists [put] */
	MMUN_BENCH_GET = 4,		/* of one that exists [put] */
	MMUN_BENCH_INSERT = 5,		/* at start + i * stride [remove] */
	MMUN_BENCH_REMOVE = 6,		/* [insert] */
	MMUN_BENCH_READ = 7,		/* [insert] read_begin, read_retry */
	MMUN_BENCH_SYNC = 8,		/* call_srcu, if there is one; synchronize */
};

#define MMUN_BENCH_ROUNDS_MAX		64u
/* for each round */
#define MMUN_BENCH_COUNT_MAX		1000000u	/* READ */
#define MMUN_BENCH_BATCH_MAX		10000u		/* get, insert, remove */
#define MMUN_BENCH_SLOW_MAX		256u		/* the others */
#define MMUN_BENCH_PARTIES_MAX		64u

struct mmun_bench_time {
	__u64 begin_ns;		/* CLOCK_MONOTONIC */
	__u64 ns;		/* for all calls of the round */
};

/*
 * With parties, so many calls through one file, each in a thread of its own,
 * begin every round together; ETIME if they do not come.
 */
struct mmun_bench_run {
	__u32 size;
	__u32 core;		/* enum mmun_bench_core */
	__u32 op;		/* enum mmun_bench_op */
	__u32 rounds;
	__u32 count;		/* calls in a round */
	__u32 parties;		/* 0 or 1: alone */
	__u64 start;		/* INSERT, REMOVE, READ; otherwise 0 */
	__u64 length;		/* the same */
	__u64 stride;		/* INSERT, REMOVE; otherwise 0 */
	__u64 buffer;		/* struct mmun_bench_time[rounds] */
	__u64 reserved;
};

/* The structs that a driver embeds, in bytes. */
struct mmun_bench_facts {
	__u32 size;
	__u32 core;		/* enum mmun_bench_core */
	__u32 list;		/* out: of a list subscription */
	__u32 interval;		/* out: of an interval */
	__u64 reserved;
};

/*
 * Marks for a profiler that sees the instructions from outside, in a virtual machine:
 * instructions that do nothing, with a number in them. The timed work stands between
 * KERNEL or MMUN and END. KEEP says that all windows since then are figures, each of so
 * many operations as there were OPERATIONs before it; FORGET that they are none.
 */
#define MMUN_BENCH_MARK_LINE		0	/* another line of the table */
#define MMUN_BENCH_MARK_KERNEL		1
#define MMUN_BENCH_MARK_MMUN		2
#define MMUN_BENCH_MARK_END		3
#define MMUN_BENCH_MARK_OPERATION	4
#define MMUN_BENCH_MARK_KEEP		5
#define MMUN_BENCH_MARK_FORGET		6
#define MMUN_BENCH_MARKS		7

/* The code of that instruction: this, and MAGIC + number. */
#define MMUN_BENCH_MARK_NOP		0x00841f0f
#define MMUN_BENCH_MARK_MAGIC		0x6d6d7500
#define MMUN_BENCH_MARK(what)						\
	({ __asm__ __volatile__("nopl %c0(%%rax,%%rax,1)"		\
				: : "i" (MMUN_BENCH_MARK_MAGIC +	\
					 MMUN_BENCH_MARK_##what) : "memory"); })

#define MMUN_BENCH_MAGIC	0xb8
#define MMUN_BENCH_IOC_ATTACH	_IOWR(MMUN_BENCH_MAGIC, 0, struct mmun_bench_attach)
#define MMUN_BENCH_IOC_DETACH	_IOW(MMUN_BENCH_MAGIC, 1, struct mmun_bench_detach)
#define MMUN_BENCH_IOC_STATE	_IOWR(MMUN_BENCH_MAGIC, 2, struct mmun_bench_state)
#define MMUN_BENCH_IOC_RUN	_IOW(MMUN_BENCH_MAGIC, 3, struct mmun_bench_run)
#define MMUN_BENCH_IOC_FACTS	_IOWR(MMUN_BENCH_MAGIC, 4, struct mmun_bench_facts)

#endif /* _UAPI_LINUX_MMUN_BENCH_H */
