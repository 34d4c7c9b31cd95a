// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.13: the name before 6b49bf6ddbb0 ("mm: rename migrate_pgmap_owner").
 */
#include <linux/mmu_notifier.h>

const void *owner(const struct mmu_notifier_range *range);
const void *owner(const struct mmu_notifier_range *range)
{
	return range->migrate_pgmap_owner;
}
