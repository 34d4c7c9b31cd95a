// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.10, before fadb08e7c750 ("kunit: Support for Parameterized Testing"): the
 * name is free.
 */
#include <kunit/test.h>

#ifdef KUNIT_CASE_PARAM
#error "there are parameters"
#endif
struct with_it {
	struct kunit_case;
	int generate_params;
};
