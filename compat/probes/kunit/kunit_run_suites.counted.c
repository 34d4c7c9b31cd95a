// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.0, e5857d396f35 ("kunit: flatten kunit_suite*** to kunit_suite** in
 * .kunit_test_suites"), until 6.13 the suites of a module are counted.
 */
#include <kunit/test.h>

int run(struct kunit_suite **suites);
int run(struct kunit_suite **suites)
{
	return __kunit_test_suites_init(suites, 1);
}
