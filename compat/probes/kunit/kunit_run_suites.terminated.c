// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.19, before e5857d396f35 ("kunit: flatten kunit_suite*** to kunit_suite** in
 * .kunit_test_suites"), the suites of a module end in a NULL.
 */
#include <kunit/test.h>

int run(struct kunit_suite **suites);
int run(struct kunit_suite **suites)
{
	return __kunit_test_suites_init(suites);
}
