// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_hmm: the kernel's hmm_range_fault() collides with mmun's ranges.
 */

#include <linux/hmm.h>
#include <linux/kthread.h>
#include <linux/mm.h>

#include "mmun_kunit.h"

#define PAGES	4

struct scene {
	struct mm_struct *mm;
	struct kt_interval *interval;
	unsigned long start;
	unsigned long pfns[PAGES];
	struct mmun_hmm_range range;
};

static struct scene *stage(struct kunit *test)
{
	struct scene *s = kt_new(test, sizeof(*s));

	s->mm = kt_mm(test);
	s->start = kt_mmap(test, s->mm, PAGES * PAGE_SIZE);
	s->interval = kt_insert(test, s->mm, s->start, PAGES * PAGE_SIZE);
	s->range.notifier = &s->interval->mni;
	s->range.start = s->start;
	s->range.end = s->start + PAGES * PAGE_SIZE;
	s->range.hmm_pfns = s->pfns;
	/* For write: a read would map the page of zeroes everywhere. */
	s->range.default_flags = HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE;
	return s;
}

static int fault(struct scene *s)
{
	int ret;

	mmap_read_lock(s->mm);
	ret = mmun_hmm_range_fault(&s->range);
	mmap_read_unlock(s->mm);
	return ret;
}

static unsigned long read_begin(struct scene *s)
{
	s->range.notifier_seq = mmun_interval_read_begin(&s->interval->mni);
	return s->range.notifier_seq;
}

/* The page frame that the process has at @at; 0 if there is none. */
static unsigned long pfn_of(struct scene *s, unsigned long at)
{
	struct page *page;
	unsigned long pfn = 0;

	kthread_use_mm(s->mm);
	if (get_user_pages_fast(at, 1, 0, &page) == 1) {
		pfn = page_to_pfn(page);
		put_page(page);
	}
	kthread_unuse_mm(s->mm);
	return pfn;
}

/*
 * Without a collision hmm_range_fault() gives the pages that the process has.
 */
static void hmm_finds_the_pages_of_the_process(struct kunit *test)
{
	struct scene *s = stage(test);
	unsigned long seq = read_begin(s);
	unsigned int i;

	KUNIT_ASSERT_EQ(test, fault(s), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(s->interval, seq));
	for (i = 0; i < PAGES; i++) {
		KUNIT_EXPECT_TRUE(test, s->pfns[i] & HMM_PFN_VALID);
		KUNIT_EXPECT_EQ(test, s->pfns[i] & ~HMM_PFN_FLAGS,
				pfn_of(s, s->start + i * PAGE_SIZE));
	}
}

/*
 * After a real invalidation since read_begin it returns -EBUSY and touches no
 * page.
 */
static void hmm_returns_ebusy_on_collision(struct kunit *test)
{
	struct scene *s = stage(test);

	read_begin(s);
	KUNIT_ASSERT_EQ(test, kt_munmap(s->mm, s->start, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, atomic_read(&s->interval->invalidates), 1);
	KUNIT_EXPECT_EQ(test, fault(s), -EBUSY);
	KUNIT_EXPECT_EQ(test, s->pfns[1], 0UL);

	/* The next section finds the hole. */
	read_begin(s);
	KUNIT_EXPECT_EQ(test, fault(s), -EFAULT);
	s->range.start += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, fault(s), 0);
}

/* A section inside a provisional range returns -EBUSY at once. */
static void hmm_returns_ebusy_in_a_provisional_range(struct kunit *test)
{
	struct scene *s = stage(test);
	struct kt_range *range;
	unsigned long seq;

	range = kt_accept(test, s->mm, s->start, s->range.end);
	seq = read_begin(s);
	KUNIT_EXPECT_TRUE(test, kt_retry(s->interval, seq));
	KUNIT_EXPECT_EQ(test, fault(s), -EBUSY);

	kt_refuse_behind(range);
	KT_ASSERT_UNTIL(test, !kt_state(s->interval).provisional);
	read_begin(s);
	KUNIT_EXPECT_EQ(test, fault(s), 0);
}

static struct kunit_case cases[] = {
	KT_CASE(13, hmm_finds_the_pages_of_the_process),
	KT_CASE(13, hmm_returns_ebusy_on_collision),
	KT_CASE(13, hmm_returns_ebusy_in_a_provisional_range),
	{}
};

struct kunit_suite mmun_hmm_suite = {
	.name = "mmun_hmm",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
