/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_TEST_H
#define _MMUN_COMPAT_TEST_H

#include_next <kunit/test.h>

/* All of them, and run them. */
#ifdef KERNEL_KUNIT_RUN_SUITES_COUNTED
#define __kunit_test_suites_init(suites, nr, run)			\
	__kunit_test_suites_init(suites, nr)
#endif

#endif /* _MMUN_COMPAT_TEST_H */
