/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_SCHED_H
#define _MMUN_COMPAT_SCHED_H

#include_next <linux/sched.h>

#ifdef KERNEL_TASK_STATE_STATE
#define __state	state
#endif

#endif /* _MMUN_COMPAT_SCHED_H */
