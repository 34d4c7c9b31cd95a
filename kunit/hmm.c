// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_hmm: the kernel's hmm_range_fault() sees our sequence.
 */

#include <linux/hmm.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/rwsem.h>

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
	struct scene *s = kunit_kzalloc(test, sizeof(*s), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, s);
	s->mm = kt_mm(test);
	s->start = kt_mmap(test, s->mm, PAGES * PAGE_SIZE);
	s->interval = kt_insert(test, s->mm, s->start, PAGES * PAGE_SIZE);
	s->range.notifier = &s->interval->mni;
	s->range.start = s->start;
	s->range.end = s->start + PAGES * PAGE_SIZE;
	s->range.hmm_pfns = s->pfns;
	/* To be written: else they are all the one page of zeroes. */
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

/* The page that the process has at @at; 0 if there is none. */
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

static unsigned int provisional(struct scene *s)
{
	struct mmun_kunit_state state;

	mmun_kunit_look(s->interval->mni.subs, &state);
	return state.provisional;
}

/* Without a collision it gives the pages that the process has. */
static void p13_hmm_gives_the_pages(struct kunit *test)
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

/* A real invalidation after read_begin: -EBUSY, and the pages are not touched. */
static void p13_hmm_sees_our_collision(struct kunit *test)
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

/* A section against a range that may still be refused is -EBUSY at once. */
static void p13_hmm_collides_with_a_provisional_range(struct kunit *test)
{
	struct scene *s = stage(test);
	struct kt_range *range;
	unsigned long seq;

	/* Of a process that is dying, under the mmap lock for reading. */
	range = kt_range(test, s->mm, s->start, s->range.end, false,
			 MMUN_NOTIFY_UNMAP);
	down_read_non_owner(&s->mm->mmap_lock);
	range->in_flight = true;
	KUNIT_ASSERT_EQ(test, mmun_kunit_accept(&range->kernel), 0);

	seq = read_begin(s);
	KUNIT_EXPECT_TRUE(test, kt_retry(s->interval, seq));
	KUNIT_EXPECT_EQ(test, fault(s), -EBUSY);

	/* It is refused behind mmun: nothing more comes. */
	range->in_flight = false;
	up_read_non_owner(&s->mm->mmap_lock);
	KT_ASSERT_UNTIL(test, !provisional(s));
	read_begin(s);
	KUNIT_EXPECT_EQ(test, fault(s), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p13_hmm_gives_the_pages),
	KUNIT_CASE(p13_hmm_sees_our_collision),
	KUNIT_CASE(p13_hmm_collides_with_a_provisional_range),
	{}
};

struct kunit_suite mmun_hmm_suite = {
	.name = "mmun_hmm",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
