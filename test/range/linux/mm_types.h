/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _RANGE_LINUX_MM_TYPES_H
#define _RANGE_LINUX_MM_TYPES_H

/*
 * In user space: what linux/mmun_notifier.h and mmun_range.h take from the kernel's
 * header of this name, and the kernel's tools/include does not have.
 */

#include <asm/barrier.h>
#include <linux/compiler.h>

#define __percpu

struct mm_struct;
struct rcu_head;
struct task_struct;

#endif /* _RANGE_LINUX_MM_TYPES_H */
