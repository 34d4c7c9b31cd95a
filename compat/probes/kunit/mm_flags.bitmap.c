// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.18, bb6525f2f8c4 ("mm: add bitmap mm->flags field"), the flags of a mm have
 * accessors.
 */
#include <linux/mm.h>

void mark(struct mm_struct *mm);
void mark(struct mm_struct *mm)
{
	mm_flags_set(MMF_UNSTABLE, mm);
}
