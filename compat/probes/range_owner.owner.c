// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.14, 6b49bf6ddbb0 ("mm: rename migrate_pgmap_owner"): a range says on whose
 * behalf it is raised, if it is a migration or makes a page exclusive.
 */
#include <linux/mmu_notifier.h>

const void *owner(const struct mmu_notifier_range *range);
const void *owner(const struct mmu_notifier_range *range)
{
	return range->owner;
}
