/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_MM_H
#define _MMUN_COMPAT_MM_H

#include_next <linux/mm.h>

#ifdef KERNEL_MM_FLAGS_WORD
#include <linux/sched/coredump.h>

static inline void mm_flags_set(int flag, struct mm_struct *mm)
{
	set_bit(flag, &mm->flags);
}
#endif

/* The head of what may be a compound page. */
#ifdef KERNEL_FOLIO_NONE
struct folio {
	struct page page;
};

static inline struct folio *page_folio(struct page *page)
{
	return container_of(compound_head(page), struct folio, page);
}

static inline bool folio_test_anon(struct folio *folio)
{
	return PageAnon(&folio->page);
}

static inline bool folio_test_swapbacked(struct folio *folio)
{
	return PageSwapBacked(&folio->page);
}

static inline void folio_set_dirty(struct folio *folio)
{
	SetPageDirty(&folio->page);
}
#endif

#endif /* _MMUN_COMPAT_MM_H */
