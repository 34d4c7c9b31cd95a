// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.14, 6d2426b2f258 ("kunit: Support skipped tests").
 */
#include <kunit/test.h>

void skip(struct kunit *test);
void skip(struct kunit *test)
{
	kunit_skip(test, "not here");
}
