// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's hmm_range_fault() under an interval of mmun.
 *
 * It is given a kernel interval for two things: the mm to walk, and the number
 * that it compares with the reader's while it walks, to give up a range that
 * has collided. Nothing of it is ever in the kernel's tree. So our interval has
 * both where the kernel's has them, and is shown to it as one: the comparison
 * is with the number that mmun_interval_set_seq() stores. A copy of the number
 * would need a second store in every callback.
 *
 * This is for hmm_range_fault() only. A function that takes the number by itself,
 * with mmu_interval_read_begin(), would take the kernel's.
 *
 * The even number that mmun_interval_read_begin() returns while a range may
 * still be refused never compares equal, so that section is -EBUSY at once.
 */

#include <linux/build_bug.h>
#include <linux/export.h>
#include <linux/hmm.h>
#include <linux/mmu_notifier.h>

#include <linux/mmun_notifier.h>

static_assert(offsetof(struct mmun_interval_notifier, mm) ==
	      offsetof(struct mmu_interval_notifier, mm));
static_assert(offsetof(struct mmun_interval_notifier, invalidate_seq) ==
	      offsetof(struct mmu_interval_notifier, invalidate_seq));
static_assert(sizeof(struct mmun_interval_notifier) >=
	      sizeof(struct mmu_interval_notifier));

/**
 * mmun_hmm_range_fault - fault pages in and report where they are
 * @range: what to fault in, and the interval to do it under
 *
 * The kernel's hmm_range_fault() with its collision check against the
 * interval's own sequence. The words in range->hmm_pfns may be used after a
 * success only if mmun_interval_read_retry() then says, under the driver's lock,
 * that nothing collided. After an error a part of it has been written: input flags
 * in it have to be set again.
 *
 * Context: process context, may sleep. The caller holds mm_users and the mmap
 * lock (for reading is enough) of range->notifier->mm, and took
 * range->notifier_seq from mmun_interval_read_begin() before it took that lock.
 *
 * Return:
 * * 0
 * * -EBUSY: the section has collided; begin again with
 *   mmun_interval_read_begin()
 * * -EINVAL: the range is empty
 * * -EFAULT: a page was asked for that is not there and cannot come: no mapping,
 *   one of a device, no memory, a damaged page. A page in such a mapping that was
 *   not asked for is no error; its word has HMM_PFN_ERROR
 * * -EPERM: write access was asked for in a mapping that is read-only
 */
int mmun_hmm_range_fault(struct mmun_hmm_range *range)
{
	struct hmm_range kernel = {
		.notifier = (struct mmu_interval_notifier *)range->notifier,
		.notifier_seq = range->notifier_seq,
		.start = range->start,
		.end = range->end,
		.hmm_pfns = range->hmm_pfns,
		.default_flags = range->default_flags,
		.pfn_flags_mask = range->pfn_flags_mask,
		.dev_private_owner = range->dev_private_owner,
	};

	return hmm_range_fault(&kernel);
}
EXPORT_SYMBOL_GPL(mmun_hmm_range_fault);
