/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_EXEC_NS_H
#define _MMUN_COMPAT_EXEC_NS_H

#include <linux/capability.h>
#include <linux/mm_types.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#ifdef KERNEL_EXEC_NS_TASK
#include <linux/sched/exec_state.h>
#endif

/*
 * May we do what CAP_SYS_PTRACE allows, in the user namespace in which the task
 * became what it is? @mm: the task's
 */
static inline bool exec_ns_ptraceable(struct task_struct *task,
				      struct mm_struct *mm)
{
	bool may;

#ifdef KERNEL_EXEC_NS_TASK
	rcu_read_lock();
	may = ns_capable(rcu_dereference(task->exec_state)->user_ns,
			 CAP_SYS_PTRACE);
	rcu_read_unlock();
#else
	may = ns_capable(mm->user_ns, CAP_SYS_PTRACE);
#endif
	return may;
}

#endif /* _MMUN_COMPAT_EXEC_NS_H */
