/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_TEST_H
#define _MMUN_COMPAT_TEST_H

/*
 * 5.10 has no parameters and no skipping. There a suite of ours is turned into one of
 * the kernel's, with a case for each parameter, when it is run. A test has one pointer
 * for its own use: here the parameter is in it.
 */
#ifdef KERNEL_KUNIT_PARAMS_NONE
#include <kunit/assert.h>
#include <kunit/try-catch.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#define kunit_case	kernel_kunit_case
#define kunit_suite	kernel_kunit_suite
#define priv		param_value
#define success		status
#endif

#include_next <kunit/test.h>

#ifdef KERNEL_KUNIT_PARAMS_NONE
#undef kunit_case
#undef kunit_suite
#undef priv
#undef success
#undef KUNIT_CASE
/* A comparison of an int with a long is not a mistake any more. */
#undef __typecheck
#define __typecheck(x, y)	1

#define KUNIT_FAILURE		false
#define KUNIT_PARAM_DESC_SIZE	128
#define KUNIT_CASE(fn)		{ .run_case = fn, .name = #fn }
#define KUNIT_CASE_PARAM(fn, gen) \
	{ .run_case = fn, .name = #fn, .generate_params = gen }
#define KUNIT_ARRAY_PARAM(prefix, array, get_desc)			\
static const void *prefix##_gen_params(struct kunit *test,		\
				       const void *prev, char *desc)	\
{									\
	typeof((array)[0]) *next = prev ? (typeof(next))prev + 1 : (array); \
									\
	if (next == (array) + ARRAY_SIZE(array))			\
		return NULL;						\
	get_desc(next, desc);						\
	return next;							\
}
#define KUNIT_ASSERT_NOT_NULL(test, p)					\
	KUNIT_ASSERT_PTR_NE(test, (const void *)(p), (const void *)NULL)
/* The kernel prints the name last: it becomes a directive. */
#define kunit_skip(test, reason)					\
do {									\
	strlcat((char *)(test)->name, " # SKIP " reason,		\
		COMPAT_KUNIT_NAME);					\
	kunit_try_catch_throw(&(test)->try_catch);			\
} while (0)

#define COMPAT_KUNIT_NAME		256

struct kunit_case {
	void (*run_case)(struct kunit *test);
	const char *name;
	const void *(*generate_params)(struct kunit *test, const void *prev,
				       char *desc);
};

struct kunit_suite {
	const char *name;
	int (*init)(struct kunit *test);
	void (*exit)(struct kunit *test);
	struct kunit_case *test_cases;
};

/* One case of the kernel's; test->name is this one's name. */
struct compat_kunit_run {
	const void *param;
	char name[COMPAT_KUNIT_NAME];
};

static int (*compat_kunit_suite_init)(struct kunit *test) __maybe_unused;

static inline int compat_kunit_init(struct kunit *test)
{
	test->param_value =
		(void *)container_of((char (*)[COMPAT_KUNIT_NAME])test->name,
				     struct compat_kunit_run, name)->param;
	return compat_kunit_suite_init(test);
}

/* How many cases it becomes; they are written to @cases, unless that is NULL. */
static inline unsigned int
compat_kunit_expand(const struct kunit_case *from,
		    struct kernel_kunit_case *cases,
		    struct compat_kunit_run *runs)
{
	char desc[KUNIT_PARAM_DESC_SIZE] = "";
	const void *param = NULL;
	unsigned int n = 0;

	for (; from->run_case; from++) {
		do {
			if (from->generate_params)
				param = from->generate_params(NULL, param,
							      desc);
			if (from->generate_params && !param)
				break;
			if (cases) {
				runs[n].param = param;
				snprintf(runs[n].name, COMPAT_KUNIT_NAME,
					 param ? "%s: %s" : "%s", from->name,
					 desc);
				cases[n].run_case = from->run_case;
				cases[n].name = runs[n].name;
			}
			n++;
		} while (param);
	}
	return n;
}

static inline int compat_kunit_run_suite(const struct kunit_suite *suite)
{
	unsigned int n = compat_kunit_expand(suite->test_cases, NULL, NULL);
	struct kernel_kunit_case *cases = kvcalloc(n + 1, sizeof(*cases),
						   GFP_KERNEL);
	struct compat_kunit_run *runs = kvcalloc(n, sizeof(*runs), GFP_KERNEL);
	struct kernel_kunit_suite *to = kzalloc(sizeof(*to), GFP_KERNEL);
	int ret = -ENOMEM;

	if (cases && runs && to) {
		compat_kunit_expand(suite->test_cases, cases, runs);
		strscpy((char *)to->name, suite->name, sizeof(to->name));
		to->init = compat_kunit_init;
		to->exit = suite->exit;
		to->test_cases = cases;
		compat_kunit_suite_init = suite->init;
		ret = kunit_run_tests(to);
	}
	kfree(to);
	kvfree(runs);
	kvfree(cases);
	return ret;
}

static inline int compat_kunit_run_suites(struct kunit_suite **suites, int nr)
{
	int i, ret = 0;

	for (i = 0; i < nr && !ret; i++)
		ret = compat_kunit_run_suite(suites[i]);
	return ret;
}

#define __kunit_test_suites_init(suites, nr, run) \
	compat_kunit_run_suites(suites, nr)
#define __kunit_test_suites_exit(suites, nr)	do { } while (0)

#elif defined(KERNEL_KUNIT_RUN_SUITES_COUNTED)
/* All of them, and run them. */
#define __kunit_test_suites_init(suites, nr, run) \
	__kunit_test_suites_init(suites, nr)
#endif

#endif /* _MMUN_COMPAT_TEST_H */
