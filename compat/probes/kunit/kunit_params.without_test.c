// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.11, fadb08e7c750 ("kunit: Support for Parameterized Testing"), until 6.17:
 * before b9a214b5f6aa ("kunit: Pass parameterized test context to generate_params()").
 */
#include <kunit/test.h>

static const void *next(const void *prev, char *desc)
{
	return NULL;
}

static void run(struct kunit *test)
{
}

const struct kunit_case cases[] = { KUNIT_CASE_PARAM(run, next) };
