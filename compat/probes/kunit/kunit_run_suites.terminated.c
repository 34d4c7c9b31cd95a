// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.18 the suites of a module end in a NULL.
 */
#include <kunit/test.h>

int run(struct kunit_suite **suites);
int run(struct kunit_suite **suites)
{
	return __kunit_test_suites_init(suites);
}
