// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.14, 2f064a59a11f ("sched: Change task_struct::state").
 */
#include <linux/sched.h>

unsigned int state(struct task_struct *task);
unsigned int state(struct task_struct *task)
{
	return READ_ONCE(task->__state);
}
