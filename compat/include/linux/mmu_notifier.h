/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_MMU_NOTIFIER_H
#define _MMUN_COMPAT_MMU_NOTIFIER_H

/*
 * The names of the newest kernel, on every kernel. A field is renamed while the
 * kernel's header is read: the layout is the kernel's.
 */

#ifdef KERNEL_SECONDARY_TLBS_INVALIDATE_RANGE
#define invalidate_range	arch_invalidate_secondary_tlbs
#endif
#ifdef KERNEL_RANGE_OWNER_MIGRATE_PGMAP_OWNER
#define migrate_pgmap_owner	owner
#endif
/* One more enumerator, with the number that it has where it is one. */
#ifdef KERNEL_NOTIFY_EXCLUSIVE_NONE
#define MMU_NOTIFY_UNMAP	MMU_NOTIFY_EXCLUSIVE = 7, MMU_NOTIFY_UNMAP
#endif

#include_next <linux/mmu_notifier.h>

#undef invalidate_range
#undef migrate_pgmap_owner
#undef MMU_NOTIFY_UNMAP

/* The type that the young operations return: a caller reads all of it. */
#ifdef KERNEL_CLEAR_YOUNG_INT
typedef int mmu_notifier_young_t;
#else
typedef bool mmu_notifier_young_t;
#endif

#endif /* _MMUN_COMPAT_MMU_NOTIFIER_H */
