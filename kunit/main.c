// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module of the KUnit suites. Loading it runs them and succeeds in any case:
 * the results are in the kernel's log, as KTAP.
 *
 * The module runs the suites itself. KUnit's module notifier would do so before
 * the module's parameters are set, on some kernels.
 */

#include <linux/glob.h>
#include <linux/module.h>

#include "mmun_kunit.h"

static char *suite = "*";
module_param(suite, charp, 0444);
MODULE_PARM_DESC(suite, "run the suites that match this glob");

static char *only_case = "*";
module_param_named(case, only_case, charp, 0444);
MODULE_PARM_DESC(case, "run the cases whose name, or pNN_name, matches this glob");

unsigned long mmun_kunit_seed;
module_param_named(seed, mmun_kunit_seed, ulong, 0444);
MODULE_PARM_DESC(seed, "replay a run; 0 takes a new one");

unsigned int mmun_kunit_steps;
module_param_named(steps, mmun_kunit_steps, uint, 0444);
MODULE_PARM_DESC(steps, "how long the random cases are; 0 takes their own");

static struct kunit_suite *suites[] = {
	&mmun_dispatch_suite,
	&mmun_register_suite,
	&mmun_kill_suite,
	&mmun_leave_suite,
	&mmun_overflow_suite,
	&mmun_record_suite,
	&mmun_refusal_suite,
	&mmun_orphan_suite,
	&mmun_query_suite,
	&mmun_read_suite,
	&mmun_interval_suite,
	&mmun_passes_suite,
	&mmun_dropin_suite,
#ifdef CONFIG_HMM_MIRROR
	&mmun_hmm_suite,
#endif
	&mmun_model_suite,
	&mmun_storm_suite,
	&mmun_get_suite,
	&mmun_put_suite,
	&mmun_unregister_suite,
	&mmun_deferred_suite,
	&mmun_reference_suite,
	&mmun_exit_suite,
	&mmun_events_suite,
	&mmun_attach_suite,
	&mmun_bridge_suite,
	&mmun_removal_suite,
	&mmun_behind_suite,
	&mmun_isolation_suite,
#ifdef CONFIG_TRACEPOINTS
	&mmun_trace_suite,
#endif
};

static unsigned int nr_suites;

static bool selected(const char *name)
{
	return glob_match(only_case, name) ||
	       glob_match(only_case, name - (sizeof(KT_TAG) - 1));
}

/* Keeps the selected cases of a suite, and returns how many there are. */
static unsigned int select_cases(struct kunit_case *cases)
{
	struct kunit_case *from, *to = cases;

	for (from = cases; from->run_case; from++)
		if (selected(from->name))
			*to++ = *from;
	*to = (struct kunit_case){};
	return to - cases;
}

static int __init mmun_kunit_load(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(suites); i++)
		if (glob_match(suite, suites[i]->name) &&
		    select_cases(suites[i]->test_cases))
			suites[nr_suites++] = suites[i];
	if (!nr_suites) {
		pr_err("mmun_kunit: no case matches suite=%s case=%s\n", suite,
		       only_case);
		return -ENOENT;
	}

	ret = kt_note_loader();
	if (ret)
		return ret;
	pr_info("KTAP version 1\n");
	pr_info("1..%u\n", nr_suites);
	return __kunit_test_suites_init(suites, nr_suites, true);
}

static void __exit mmun_kunit_unload(void)
{
	__kunit_test_suites_exit(suites, nr_suites);
}

module_init(mmun_kunit_load);
module_exit(mmun_kunit_unload);

MODULE_DESCRIPTION("KUnit suites of mmun");
MODULE_AUTHOR("mmun developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(MMUN_VERSION);
