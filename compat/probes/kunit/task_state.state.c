// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.13: the name before 2f064a59a11f ("sched: Change task_struct::state").
 */
#include <linux/sched.h>

long state(struct task_struct *task);
long state(struct task_struct *task)
{
	return READ_ONCE(task->state);
}
