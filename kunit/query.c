// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_query: young queries and flushes of secondary TLBs.
 */

#include "mmun_kunit.h"

/* The arguments of the last query, and how many there were. */
static struct {
	struct mm_struct *mm;
	unsigned long start, end;
	int n;
} asked;

static bool note_asked(struct mm_struct *mm, unsigned long start,
		       unsigned long end)
{
	asked.mm = mm;
	asked.start = start;
	asked.end = end;
	asked.n++;
	return true;
}

static bool note_clear_flush_young(struct mmun_notifier *mn,
				   struct mm_struct *mm, unsigned long start,
				   unsigned long end)
{
	return note_asked(mm, start, end);
}

static bool note_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			    unsigned long address)
{
	return note_asked(mm, address, 0);
}

static void note_flush_tlb(struct mmun_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	note_asked(mm, start, end);
}

static const struct mmun_notifier_ops clear_flush_young_ops = {
	.clear_flush_young = note_clear_flush_young,
};

static const struct mmun_notifier_ops clear_young_ops = {
	.clear_young = note_clear_flush_young,
};

static const struct mmun_notifier_ops test_young_ops = {
	.test_young = note_test_young,
};

static const struct mmun_notifier_ops flush_tlb_ops = {
	.arch_invalidate_secondary_tlbs = note_flush_tlb,
};

static const struct query_param {
	const char *name;
	const struct mmun_notifier_ops *ops;
} queries[] = {
	{ "clear_flush_young", &clear_flush_young_ops },
	{ "clear_young", &clear_young_ops },
	{ "test_young", &test_young_ops },
	{ "arch_invalidate_secondary_tlbs", &flush_tlb_ops },
};

KT_NAMED_PARAM(query, queries);

/* Raises each query and a flush of TLBs; a bit for each query that was true. */
static unsigned int ask_all(struct mm_struct *mm)
{
	unsigned int yes = 0;

	if (mmun_kunit_clear_flush_young(mm, FROM, TO))
		yes |= BIT(0);
	if (mmun_kunit_clear_young(mm, FROM, TO))
		yes |= BIT(1);
	if (mmun_kunit_test_young(mm, FROM))
		yes |= BIT(2);
	mmun_kunit_flush_tlb(mm, FROM, TO);
	return yes;
}

/*
 * A subscriber with one of the queries gets that one only, with the mm and the
 * bounds, and none after it has left.
 */
static void query_calls_only_its_operation(struct kunit *test)
{
	const struct query_param *param = test->param_value;
	const unsigned int nth = param - queries;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_sub *all = kt_register(test, mm, &kt_ops);
	struct kt_sub *sub;

	/* Every bridge is there, and no subscriber answers yes. */
	KUNIT_EXPECT_EQ(test, ask_all(mm), 0U);
	sub = kt_register(test, mm, param->ops);
	asked.n = 0;
	KUNIT_EXPECT_EQ(test, ask_all(mm), nth < 3 ? BIT(nth) : 0);
	KUNIT_EXPECT_EQ(test, asked.n, 1);
	KUNIT_EXPECT_PTR_EQ(test, asked.mm, mm);
	KUNIT_EXPECT_EQ(test, asked.start, FROM);
	KUNIT_EXPECT_EQ(test, asked.end, nth == 2 ? 0 : TO);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, ask_all(mm), 0U);
	KUNIT_EXPECT_EQ(test, asked.n, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->clear_flush_youngs), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->clear_youngs), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->tlb_flushes), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->test_youngs),
			nth == 2 ? 2 : 3);
	KUNIT_EXPECT_EQ(test, kt_starts(other) + kt_ends(other), 0);
}

/*
 * clear_flush_young and clear_young call every subscriber, and one yes is
 * enough.
 */
static void young_answers_are_ored(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub[3];
	unsigned int mask;
	int i;

	for (i = 0; i < 3; i++)
		sub[i] = kt_register(test, mm, &kt_young_ops);
	for (mask = 0; mask < 8; mask++) {
		for (i = 0; i < 3; i++)
			sub[i]->young = mask & BIT(i);
		KUNIT_EXPECT_EQ(test, mmun_kunit_clear_flush_young(mm, FROM,
								   TO),
				!!mask);
		KUNIT_EXPECT_EQ(test, mmun_kunit_clear_young(mm, FROM, TO),
				!!mask);
		KUNIT_EXPECT_EQ(test, mmun_kunit_test_young(mm, FROM), !!mask);
	}
	for (i = 0; i < 3; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&sub[i]->clear_flush_youngs),
				8);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub[i]->clear_youngs), 8);
	}
}

/* test_young calls no subscriber after the first yes. */
static void test_young_stops_at_first_yes(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *second = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *first = kt_register(test, mm, &kt_young_ops);

	second->young = true;
	last->young = true;
	KUNIT_EXPECT_TRUE(test, mmun_kunit_test_young(mm, FROM));
	KUNIT_EXPECT_EQ(test, atomic_read(&first->test_youngs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->test_youngs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->test_youngs), 0);
	second->young = false;
	last->young = false;
	KUNIT_EXPECT_FALSE(test, mmun_kunit_test_young(mm, FROM));
	KUNIT_EXPECT_EQ(test, atomic_read(&last->test_youngs), 1);
}

/*
 * A subscriber that leaves while a query calls another one is not called any
 * more.
 */
static void query_skips_a_leaver(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_young_ops);
	struct kt_sub *first = kt_register(test, mm, &kt_young_ops);
	struct kt_actor *task;

	sub->young = true;
	task = kt_do_to_gate(test, &first->query, mm, KT_CLEAR_FLUSH_YOUNG, NULL);
	kt_leave(test, sub, KT_UNREGISTER_NO_RELEASE);
	kt_gate_open(&first->query);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->clear_flush_youngs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->clear_flush_youngs), 1);
}

/*
 * After its release in the mm's exit a subscriber gets neither queries nor
 * ranges.
 */
static void released_subscriber_gets_nothing(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *last = kt_register(test, mm, &kt_ops);
	struct kt_sub *gone = kt_register(test, mm, &kt_ops);
	struct kt_range *range;
	struct kt_actor *task;
	int n, before[2];

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &last->release, mm, KT_EXIT, NULL);
	KUNIT_EXPECT_EQ(test, kt_releases(gone), 1);
	gone->young = true;
	n = atomic_read(&last->clear_flush_youngs);
	KUNIT_EXPECT_EQ(test, ask_all(mm), 0U);
	KUNIT_EXPECT_EQ(test, atomic_read(&gone->clear_flush_youngs), n);
	KUNIT_EXPECT_EQ(test, atomic_read(&gone->tlb_flushes), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->clear_flush_youngs), n + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->tlb_flushes), 1);
	before[0] = kt_starts(gone);
	before[1] = kt_starts(last);
	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_starts(gone), before[0]);
	KUNIT_EXPECT_EQ(test, kt_starts(last), before[1] + 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(gone), before[0]);
	KUNIT_EXPECT_EQ(test, kt_ends(last), before[1] + 1);
	kt_gate_open(&last->release);
	kt_join(test, task);
	n = atomic_read(&last->clear_flush_youngs);
	ask_all(mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->clear_flush_youngs), n);
	KUNIT_EXPECT_EQ(test, kt_ends(last), before[1] + 1);
}

/* noinline: each would have a struct of its own in the frame of the case. */
static noinline bool has_young(struct kt_sub *sub)
{
	return kt_state(sub).young;
}

static noinline bool has_tlb(struct kt_sub *sub)
{
	return kt_state(sub).tlb;
}

/*
 * The bridges for young queries and for TLBs are there while a subscriber needs
 * them, and no longer.
 */
static void extra_bridges_come_and_go(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *young, *young2, *tlb, *both;

	KUNIT_EXPECT_FALSE(test, has_young(sub));
	KUNIT_EXPECT_FALSE(test, has_tlb(sub));
	young = kt_register(test, mm, &kt_young_ops);
	KUNIT_EXPECT_TRUE(test, has_young(sub));
	KUNIT_EXPECT_FALSE(test, has_tlb(sub));
	young2 = kt_register(test, mm, &test_young_ops);
	tlb = kt_register(test, mm, &kt_tlb_ops);
	KUNIT_EXPECT_TRUE(test, has_tlb(sub));

	kt_unregister(tlb);
	KT_ASSERT_UNTIL(test, !has_tlb(sub));
	KUNIT_EXPECT_TRUE(test, has_young(sub));
	kt_unregister(young);
	KUNIT_EXPECT_TRUE(test, mmun_kunit_test_young(mm, FROM));
	kt_unregister(young2);
	KT_ASSERT_UNTIL(test, !has_young(sub));
	KUNIT_EXPECT_FALSE(test, mmun_kunit_test_young(mm, FROM));

	both = kt_register(test, mm, &kt_ops);
	KUNIT_EXPECT_TRUE(test, has_young(sub));
	KUNIT_EXPECT_TRUE(test, has_tlb(sub));
	kt_leave(test, both, KT_UNREGISTER_NO_RELEASE);
	KT_ASSERT_UNTIL(test, !has_young(sub) && !has_tlb(sub));
	KUNIT_EXPECT_EQ(test, kt_state(sub).users, 1U);
	KUNIT_EXPECT_FALSE(test, kt_state(sub).leaving);
}

/* A flush of secondary TLBs calls all that have the operation. */
static void tlb_flush_reaches_all(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *a = kt_register(test, mm, &kt_tlb_ops);
	struct kt_sub *b = kt_register(test, mm, &kt_ops);
	struct kt_sub *c = kt_register(test, mm, &kt_tlb_ops);

	mmun_kunit_flush_tlb(mm, FROM, TO);
	kt_unregister(b);
	mmun_kunit_flush_tlb(mm, FROM, TO);
	kt_unregister(c);
	mmun_kunit_flush_tlb(mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->tlb_flushes), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->tlb_flushes), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->tlb_flushes), 2);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(12, query_calls_only_its_operation, query_gen_params),
	KT_CASE(12, young_answers_are_ored),
	KT_CASE(12, test_young_stops_at_first_yes),
	KT_CASE(12, query_skips_a_leaver),
	KT_CASE(12, released_subscriber_gets_nothing),
	KT_CASE(12, extra_bridges_come_and_go),
	KT_CASE(12, tlb_flush_reaches_all),
	{}
};

struct kunit_suite mmun_query_suite = {
	.name = "mmun_query",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
