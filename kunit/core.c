// SPDX-License-Identifier: GPL-2.0-only
/* Suite mmun_core: list subscriptions hear what they are owed, and no more. */

#include "mmun_kunit.h"

/* A range is heard at its start and at its end, with its bounds and its event. */
static void p09_start_and_end(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_range(test, mm, 0x1000, 0x3000, true,
					  MMUN_NOTIFY_CLEAR);

	KUNIT_EXPECT_EQ(test, kt_start(range), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, sub->last_start.start, 0x1000UL);
	KUNIT_EXPECT_EQ(test, sub->last_start.end, 0x3000UL);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p09_start_and_end),
	{}
};

struct kunit_suite mmun_core_suite = {
	.name = "mmun_core",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
