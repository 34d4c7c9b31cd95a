// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 6.9, where 997308f9ae72 ("mmu_notifier: remove the .change_pte() callback")
 * removed it. Its callers (copy on write, KSM, uprobes) call it inside a range that
 * they raise, so a subscriber gets the change without it.
 */
#include <linux/mmu_notifier.h>

static void change(struct mmu_notifier *mn, struct mm_struct *mm,
		   unsigned long address, pte_t pte)
{
}

const struct mmu_notifier_ops ops = { .change_pte = change };
