// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_get: one notifier for each pair of ops and mm, and its users are
 * counted.
 */

#include <linux/rculist.h>

#include "life.h"

/*
 * A second get returns the same notifier and counts it; after the last put the
 * next get makes a new one.
 */
static void second_get_returns_the_same(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *first = kt_get(test, mm, &life_ops);
	struct kt_sub *second = kt_get(test, mm, &life_ops);
	struct kt_sub *third;

	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_EQ(test, kt_users(first), 2U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_PTR_EQ(test, first->mn.mm, mm);
	KUNIT_EXPECT_PTR_EQ(test, first->mn.ops,
			    (const struct mmun_notifier_ops *)&life_ops);

	kt_put(first);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&first->frees), 0);
	kt_put(first);

	third = kt_get(test, mm, &life_ops);
	KUNIT_EXPECT_PTR_NE(test, first, third);
	KUNIT_EXPECT_EQ(test, kt_users(third), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 2);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&first->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&third->frees), 0);
}

/*
 * Other ops or another mm is another notifier; get never returns one that was
 * registered with the same ops.
 */
static void other_ops_or_mm_is_another_notifier(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_sub *listed = kt_register(test, mm, &life_ops);
	struct kt_sub *a = kt_get(test, mm, &life_ops);
	struct kt_sub *b = kt_get(test, mm, &life_ops2);
	struct kt_sub *c = kt_get(test, mm2, &life_ops);
	struct kt_range *range = life_range(test, mm);

	KUNIT_EXPECT_PTR_NE(test, listed, a);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a, c);
	KUNIT_EXPECT_PTR_NE(test, b, c);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 3);
	KUNIT_EXPECT_PTR_EQ(test, c->mn.mm, mm2);

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&a->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&b->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->starts), 0);
}

/*
 * At UINT_MAX users of one processor a get fails with -EOVERFLOW and changes
 * nothing; the one before it succeeds.
 */
static void get_at_uint_max_is_eoverflow(struct kunit *test)
{
	unsigned int here = kt_pin(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	unsigned int *users = per_cpu_ptr(sub->mn.priv.users, here);
	struct mmun_notifier *mn;

	KUNIT_ASSERT_EQ(test, *users, 1U);
	*users = UINT_MAX - 1;
	KUNIT_EXPECT_PTR_EQ(test, mmun_notifier_get(&life_ops, mm), &sub->mn);
	KUNIT_EXPECT_EQ(test, *users, UINT_MAX);

	mn = mmun_notifier_get(&life_ops, mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-EOVERFLOW);
	mmap_write_lock(mm);
	mn = mmun_notifier_get_locked(&life_ops, mm);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, *users, UINT_MAX);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	*users = 1;
}

/*
 * get returns the error of alloc_notifier, and -ENOMEM for NULL; nothing stays
 * behind.
 */
static void alloc_error_passes_through(struct kunit *test)
{
	static const long errors[] = {
		-ENOMEM, -EPERM, -EINTR, -EBUSY, -ESRCH, -MAX_ERRNO, 1,
	};
	struct mm_struct *mm = life_mm(test);
	int before = life_mm_count(mm);
	struct mmun_notifier *mn;
	struct kt_sub *sub;
	int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		life->alloc_ret = errors[i];
		mn = mmun_notifier_get(&life_ops, mm);
		KUNIT_EXPECT_EQ(test, PTR_ERR(mn),
				errors[i] > 0 ? -ENOMEM : errors[i]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), i);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), before);

	life->alloc_ret = 0;
	sub = kt_get(test, mm, &life_ops);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
}

/* A get whose registration fails gives the notifier to free_notifier, once. */
static void failed_get_frees_once(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	int before;
	struct mmun_notifier *mn;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	before = life_mm_count(mm);

	mn = mmun_notifier_get(&life_ops, mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-ESRCH);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);

	mmap_write_lock(mm);
	mn = mmun_notifier_get_locked(&life_ops, mm);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-ESRCH);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 2);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), before);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 2);
}

/*
 * After the exit a get fails also for a notifier that still has users: it could
 * never get the release.
 */
static void get_after_exit_is_refused(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	struct mmun_notifier *mn;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	mn = mmun_notifier_get(&life_ops, mm);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mn), (long)-ESRCH);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
			atomic_read(&life->allocs) - 1);
}

/*
 * A get that comes while another is in alloc_notifier waits for it and shares
 * its notifier.
 */
static void get_during_alloc_shares(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_actor *first, *second;

	first = kt_do_to_gate(test, &life->alloc, mm, KT_GET, &life_ops);
	second = kt_do(test, mm, KT_GET, &life_ops);
	KT_ASSERT_UNTIL(test, mmap_lock_is_contended(mm) || !kt_running(second));
	KUNIT_EXPECT_TRUE(test, kt_running(second));
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);

	kt_gate_open(&life->alloc);
	KUNIT_ASSERT_EQ(test, kt_join(test, first), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, second), 0);
	KUNIT_EXPECT_PTR_EQ(test, first->sub, second->sub);
	KUNIT_EXPECT_EQ(test, kt_users(first->sub), 2U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 0);
}

/*
 * Of two gets that have both allocated, the loser returns the winner's notifier
 * and frees its own.
 */
static void losing_get_frees_its_own(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub;

	/* Only alloc itself can come between alloc and linking. */
	life->nest = true;
	sub = kt_get(test, mm, &life_ops);
	KUNIT_ASSERT_NOT_NULL(test, life->loser);
	KUNIT_EXPECT_PTR_EQ(test, &sub->mn, life->nested);
	KUNIT_EXPECT_PTR_NE(test, &sub->mn, life->loser);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 2U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&kt_to_sub(life->loser)->frees), 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub->mn.priv.subs).users, 1U);
	kt_put(sub);
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 2);
	kt_cut_off(test, mm);
}

/* get_locked makes the notifier, finds it, and shares it with get. */
static void get_locked_is_the_same_as_get(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct mmun_notifier *first, *second;

	mmap_write_lock(mm);
	first = mmun_notifier_get_locked(&life_ops, mm);
	second = mmun_notifier_get_locked(&life_ops, mm);
	mmap_write_unlock(mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR(first));
	kt_to_sub(first)->got = true;
	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_PTR_EQ(test, mmun_notifier_get(&life_ops, mm), first);
	KUNIT_EXPECT_EQ(test, kt_users(kt_to_sub(first)), 3U);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
}

/*
 * A get that finds a notifier whose first get still waits for an older range
 * waits for that range as well.
 */
static void second_get_waits_with_the_first(struct kunit *test)
{
	struct kt_actor *first, *second;
	struct kt_range *range;
	struct scene s;

	life_stage(test, &s);
	range = life_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	first = kt_do(test, s.mm, KT_GET, &kt_get_ops);
	kt_assert_waits(test, s.subs, first, 1);
	second = kt_do(test, s.mm, KT_GET, &kt_get_ops);
	kt_assert_waits(test, s.subs, second, 2);
	KUNIT_EXPECT_TRUE(test, kt_running(first));

	kt_end(range);
	KUNIT_ASSERT_EQ(test, kt_join(test, first), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, second), 0);
	KUNIT_EXPECT_PTR_EQ(test, first->sub, second->sub);
	KUNIT_EXPECT_EQ(test, kt_users(first->sub), 2U);
}

/*
 * A get that waits holds the notifier, though the first user, on the same
 * processor, puts it meanwhile.
 */
static void waiting_get_keeps_the_notifier(struct kunit *test)
{
	unsigned int here = kt_pin(test);
	struct kt_range *range;
	struct kt_actor *second;
	struct kt_sub *sub;
	struct scene s;

	life_stage(test, &s);
	sub = kt_get(test, s.mm, &life_ops);
	range = life_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	/* As if the get that made sub had come after the range, and not returned yet. */
	sub->mn.priv.joining = true;
	sub->mn.priv.joined_seq = kt_state(s.subs).seq;
	hlist_del_init_rcu(&sub->mn.priv.got_node);
	second = kt_prepare(test, s.mm, KT_GET, &life_ops);
	second->cpu = here;
	kt_go(second);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 2U);
	kt_put(sub);
	sub->mn.priv.joining = false;
	kt_end(range);
	KUNIT_ASSERT_EQ(test, kt_join(test, second), 0);
	KUNIT_EXPECT_PTR_EQ(test, sub, second->sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
}

/*
 * While a callback still holds a notifier after its last put, a get makes a new
 * one, and only the old one is freed.
 */
static void get_makes_new_one_beside_a_zombie(struct kunit *test)
{
	struct kt_sub *old, *new;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_get(test, s.mm, &life_ops);
	old = s.sub;
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).gettable, 1U);
	life_block(test, &s, AT_END);
	kt_put(old);
	KUNIT_ASSERT_EQ(test, kt_state(s.subs).zombies, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).gettable, 0U);

	new = kt_get(test, s.mm, &life_ops);
	KUNIT_EXPECT_PTR_NE(test, old, new);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).gettable, 1U);
	KUNIT_EXPECT_EQ(test, kt_users(old), 0U);
	KUNIT_EXPECT_EQ(test, kt_users(new), 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 0);

	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->ends), 0);
}

/*
 * The same with the old notifier's start running: the new get waits for that
 * range, the old notifier for its callback.
 */
static void get_beside_a_zombie_waits_for_its_range(struct kunit *test)
{
	struct kt_actor *getter;
	struct kt_sub *old;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_get(test, s.mm, &life_ops);
	old = s.sub;
	life_block(test, &s, AT_START);
	kt_put(old);
	getter = kt_do(test, s.mm, KT_GET, &life_ops);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 0);

	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, getter), 0);
	KUNIT_EXPECT_PTR_NE(test, getter->sub, old);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&old->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&getter->sub->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
}

static struct kunit_case cases[] = {
	KT_CASE(01, second_get_returns_the_same),
	KT_CASE(01, other_ops_or_mm_is_another_notifier),
	KT_CASE(01, get_at_uint_max_is_eoverflow),
	KT_CASE(01, alloc_error_passes_through),
	KT_CASE(01, failed_get_frees_once),
	KT_CASE(01, get_after_exit_is_refused),
	KT_CASE(01, get_during_alloc_shares),
	KT_CASE(01, losing_get_frees_its_own),
	KT_CASE(01, get_locked_is_the_same_as_get),
	KT_CASE(01, second_get_waits_with_the_first),
	KT_CASE(01, waiting_get_keeps_the_notifier),
	KT_CASE(01, get_makes_new_one_beside_a_zombie),
	KT_CASE(01, get_beside_a_zombie_waits_for_its_range),
	{}
};

struct kunit_suite mmun_get_suite = {
	.name = "mmun_get",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
