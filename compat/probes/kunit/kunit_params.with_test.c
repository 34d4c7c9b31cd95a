// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 6.18, b9a214b5f6aa ("kunit: Pass parameterized test context to
 * generate_params()"), the generator of a case's parameters gets the test as an argument.
 */
#include <kunit/test.h>

static const void *next(struct kunit *test, const void *prev, char *desc)
{
	return NULL;
}

static void run(struct kunit *test)
{
}

const struct kunit_case cases[] = { KUNIT_CASE_PARAM(run, next) };
