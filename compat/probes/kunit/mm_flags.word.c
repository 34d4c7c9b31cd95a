// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 6.17 the flags of a mm are one word: before bb6525f2f8c4 ("mm: add bitmap
 * mm->flags field").
 */
#include <linux/mm.h>
#include <linux/sched/coredump.h>

void mark(struct mm_struct *mm);
void mark(struct mm_struct *mm)
{
	set_bit(MMF_UNSTABLE, &mm->flags);
}
