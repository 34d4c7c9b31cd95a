// SPDX-License-Identifier: GPL-2.0-only
#include "mmun_kunit.h"

static void p00_empty(struct kunit *test)
{
	struct mm_struct *mm = kt_loader_mm(test);

	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p00_empty),
	{}
};

struct kunit_suite mmun_model_suite = {
	.name = "mmun_model",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
