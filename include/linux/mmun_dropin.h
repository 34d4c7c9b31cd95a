/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_MMUN_DROPIN_H
#define _LINUX_MMUN_DROPIN_H

/*
 * Move a driver from the kernel's notifier core to mmun by one line:
 *
 *	#include <linux/mmun_dropin.h>
 *
 * after the last header of the kernel's and before the first one of the driver's
 * own, in every source that sees a struct with one of these types in it (or the
 * struct has another layout in each). The upstream names then mean mmun's.
 *
 * The headers of the kernel's that use these types come first, so that they never
 * see the new meaning. To hand what they declare with them (struct ib_umem_odp, a
 * struct kvm) to mmun is then a type error, and not an oops. The general ones come with
 * this header. Those of a subsystem come before the line if the driver uses them: after
 * it their structs would have another layout than in the kernel, and the compiler stops
 * at "poisoned", with the name that the header is guarded by.
 *
 * It cannot rename these, and the compiler will say so:
 *
 * - the young operations return bool, as since Linux 7.1;
 * - invalidate_range is called arch_invalidate_secondary_tlbs, as since 6.6, and
 *   change_pte is not there, as since 6.10;
 * - struct mmu_notifier_range has neither vma nor migrate_pgmap_owner: the latter
 *   is called owner, as since 5.14;
 * - what raises an event (mmu_notifier_range_init(), mmu_notifier_invalidate_*())
 *   is the kernel's, with the kernel's types.
 */

#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/migrate.h>
#include <linux/mmu_notifier.h>
#include <linux/rmap.h>

#include <linux/mmun_notifier.h>

/* From here on no driver can include one of these that has not yet. */
#ifndef __KVM_HOST_H
#pragma GCC poison __KVM_HOST_H		/* <linux/kvm_host.h> */
#endif
#ifndef IB_UMEM_ODP_H
#pragma GCC poison IB_UMEM_ODP_H	/* <rdma/ib_umem_odp.h> */
#endif
#ifndef __DRM_GPUSVM_H__
#pragma GCC poison __DRM_GPUSVM_H__	/* <drm/drm_gpusvm.h> */
#endif

/* types */
#define mmu_notifier			mmun_notifier
#define mmu_notifier_ops		mmun_notifier_ops
#define mmu_notifier_range		mmun_notifier_range
#define mmu_notifier_event		mmun_notifier_event
#define mmu_interval_notifier		mmun_interval_notifier
#define mmu_interval_notifier_ops	mmun_interval_notifier_ops
#define mmu_interval_notifier_finish	mmun_interval_notifier_finish
#define hmm_range			mmun_hmm_range

/* events and flags */
#define MMU_NOTIFY_UNMAP		MMUN_NOTIFY_UNMAP
#define MMU_NOTIFY_CLEAR		MMUN_NOTIFY_CLEAR
#define MMU_NOTIFY_PROTECTION_VMA	MMUN_NOTIFY_PROTECTION_VMA
#define MMU_NOTIFY_PROTECTION_PAGE	MMUN_NOTIFY_PROTECTION_PAGE
#define MMU_NOTIFY_SOFT_DIRTY		MMUN_NOTIFY_SOFT_DIRTY
#define MMU_NOTIFY_RELEASE		MMUN_NOTIFY_RELEASE
#define MMU_NOTIFY_MIGRATE		MMUN_NOTIFY_MIGRATE
#define MMU_NOTIFY_EXCLUSIVE		MMUN_NOTIFY_EXCLUSIVE
/* The kernel's is a macro. */
#undef MMU_NOTIFIER_RANGE_BLOCKABLE
#define MMU_NOTIFIER_RANGE_BLOCKABLE	MMUN_NOTIFIER_RANGE_BLOCKABLE

/* list subscriptions */
#define mmu_notifier_register		mmun_notifier_register
#define __mmu_notifier_register		__mmun_notifier_register
#define mmu_notifier_unregister		mmun_notifier_unregister
#define mmu_notifier_unregister_no_release mmun_notifier_unregister_no_release
#define mmu_notifier_get		mmun_notifier_get
#define mmu_notifier_get_locked		mmun_notifier_get_locked
#define mmu_notifier_put		mmun_notifier_put
#define mmu_notifier_call_srcu		mmun_notifier_call_srcu
#define mmu_notifier_synchronize	mmun_notifier_synchronize
#define mmu_notifier_range_blockable	mmun_notifier_range_blockable
#define mm_has_notifiers		mm_has_mmun_notifiers

/* interval subscriptions */
#define mmu_interval_notifier_insert	mmun_interval_notifier_insert
#define mmu_interval_notifier_insert_locked mmun_interval_notifier_insert_locked
#define mmu_interval_notifier_remove	mmun_interval_notifier_remove
#define mmu_interval_read_begin		mmun_interval_read_begin
#define mmu_interval_read_retry		mmun_interval_read_retry
#define mmu_interval_check_retry	mmun_interval_check_retry
#define mmu_interval_set_seq		mmun_interval_set_seq
#define hmm_range_fault			mmun_hmm_range_fault

#endif /* _LINUX_MMUN_DROPIN_H */
