// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.13, before 6d2426b2f258 ("kunit: Support skipped tests"): the name is free.
 */
#include <kunit/test.h>

#ifdef kunit_skip
#error "a case can be skipped"
#endif
int kunit_skip(struct kunit *test);
