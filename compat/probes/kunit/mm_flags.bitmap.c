// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.18 the flags of a mm are a bitmap with accessors.
 */
#include <linux/mm.h>

void mark(struct mm_struct *mm);
void mark(struct mm_struct *mm)
{
	mm_flags_set(MMF_UNSTABLE, mm);
}
