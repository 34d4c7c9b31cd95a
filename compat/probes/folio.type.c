// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.16, 7b230db3b8d3 ("mm: Introduce struct folio").
 */
#include <linux/mm.h>

void dirty(struct page *page);
void dirty(struct page *page)
{
	folio_mark_dirty(page_folio(page));
}
