/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MMUN_BENCH_H
#define MMUN_BENCH_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include <uapi/linux/mmun_bench.h>

struct bench_core;

/* The subscriptions of one ATTACH. */
struct bench_group {
	struct list_head node;		/* in the file's groups */
	const struct bench_core *core;
	u32 id;
	atomic_t asleep;
};

struct bench_file {
	struct mutex lock;		/* guards groups, next_id */
	struct list_head groups;
	u32 next_id;

	spinlock_t meet_lock;		/* guards here, meeting */
	u32 here;
	u32 meeting;
};

/* ops.c, once for each core */
struct bench_core {
	u32 list_bytes;
	u32 interval_bytes;
	struct bench_group *(*attach)(struct mmun_bench_attach *arg);
	void (*detach)(struct bench_group *group);
	int (*run)(struct bench_file *file, const struct mmun_bench_run *arg,
		   struct mmun_bench_time *times);
};

extern const struct bench_core bench_kernel;
extern const struct bench_core bench_mmun;

int bench_meet(struct bench_file *file, u32 parties);

#endif /* MMUN_BENCH_H */
