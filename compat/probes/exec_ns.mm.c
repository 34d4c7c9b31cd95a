// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 7.1 the user namespace of an execve() belongs to the mm: before there was
 * struct task_exec_state.
 */
#include <linux/mm_types.h>

struct user_namespace *ns(struct mm_struct *mm);
struct user_namespace *ns(struct mm_struct *mm)
{
	return mm->user_ns;
}
