// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.15, before 7b230db3b8d3 ("mm: Introduce struct folio"), a page is a page, and
 * its head is found by compound_head().
 */
#include <linux/mm.h>

struct folio {
	struct page page;
};

struct folio *page_folio(struct page *page);
struct folio *page_folio(struct page *page)
{
	return (struct folio *)compound_head(page);
}
