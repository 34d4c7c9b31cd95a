// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.14, 31691914c392 ("kunit: Introduce autorun option"), the suites of a module
 * are counted, and may be kept from running.
 */
#include <kunit/test.h>

int run(struct kunit_suite **suites);
int run(struct kunit_suite **suites)
{
	return __kunit_test_suites_init(suites, 1, true);
}
