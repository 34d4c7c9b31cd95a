// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 7.2, with struct task_exec_state, the user namespace of an execve() belongs to
 * the task, not to its mm.
 */
#include <linux/sched.h>
#include <linux/sched/exec_state.h>

struct user_namespace *ns(struct task_struct *task);
struct user_namespace *ns(struct task_struct *task)
{
	return rcu_dereference(task->exec_state)->user_ns;
}
