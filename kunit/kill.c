// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_kill: a fatal signal ends the waiting in a registration, and leaves
 * nothing behind.
 */

#include <linux/mmap_lock.h>

#include "life.h"

/* The range that is waited for has a slot, or a record. */
static const struct older_param {
	const char *name;
	bool record;
} olders[] = {
	{ "slot", false },
	{ "record", true },
};

KT_NAMED_PARAM(older, olders);

/* A range that is in flight when the case registers, and what has to end with it. */
struct older {
	struct kt_many *many;
	struct kt_range *range;
};

/* All slots busy if the parameter wants a record; the range is not started. */
static struct older prepare_older(struct kunit *test, struct kt_sub *sub)
{
	const struct older_param *param = test->param_value;
	struct older older = {
		.range = kt_blockable(test, sub->mn.mm, FROM, TO),
	};

	if (param->record) {
		older.many = kt_fill_slots(test, sub->mn.mm, kt_subs(sub), 0x900000, 0);
		mmun_kunit_no_records = false;
	}
	return older;
}

static struct older begin_older(struct kunit *test, struct kt_sub *sub)
{
	const struct older_param *param = test->param_value;
	struct older older = prepare_older(test, sub);

	KUNIT_ASSERT_EQ(test, kt_start(older.range), 0);
	KUNIT_ASSERT_EQ(test, kt_state(sub).records, param->record ? 1U : 0U);
	return older;
}

static void end_older(struct older *older)
{
	kt_end(older->range);
	if (older->many)
		kt_end_many(older->many);
}

/* Kill @actor, which has to return -EINTR. */
static void kill_and_join(struct kunit *test, struct kt_actor *actor)
{
	kt_kill(actor);
	KUNIT_EXPECT_EQ(test, kt_join(test, actor), -EINTR);
}

/*
 * A register that is killed behind an older range returns -EINTR. The subscriber gets
 * the ends that it is owed and no release, is not called any more, and can register
 * again.
 */
static void killed_register_behind_an_older_range(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *other = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_logged(kt_sub(test, &kt_range_ops));
	struct kt_range *younger, *over;
	int count = life_mm_count(mm);
	struct kt_actor *joiner;
	struct older older;

	older = begin_older(test, other);
	joiner = kt_do(test, mm, KT_REGISTER, sub);
	kt_assert_waits(test, other, joiner, 1);
	over = kt_begin(test, mm, TO, TO + 1);
	kt_end(over);
	younger = kt_begin(test, mm, TO, TO + 2);
	KUNIT_EXPECT_EQ(test, kt_state(other).users, 2U);
	kill_and_join(test, joiner);
	KUNIT_EXPECT_EQ(test, kt_state(other).users, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(other).waiters, 0U);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, over), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, younger), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, older.range), 0);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 0);
	life_assert_mm_count(test, mm, count);

	/* It has not registered: to unregister it is a mistake. */
	mmun_kunit_warnings();
	mmun_notifier_unregister(&sub->mn, mm);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	life_assert_mm_count(test, mm, count);

	kt_end(younger);
	end_older(&older);
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(other), kt_starts(other));
	KUNIT_ASSERT_EQ(test, kt_try_register(sub, mm), 0);
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 3);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 3);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	kt_expect_quiet(test, other);
}

/*
 * A register and a get that are killed behind an overflow return -EINTR, and were
 * never linked; the notifier of the get is freed once.
 */
static void killed_register_and_get_behind_overflow(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *other = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops), *spare;
	int count = life_mm_count(mm);
	struct kt_actor *joiner, *getter;
	struct kt_range *range;
	struct kt_many *many;

	spare = kt_sub(test, &kt_get_ops);
	many = kt_fill_slots(test, mm, kt_subs(other), 0x900000, 1);
	joiner = kt_do(test, mm, KT_REGISTER, sub);
	kt_assert_waits(test, other, joiner, 1);
	life->spare = spare;
	life_ops = kt_range_ops;
	life_ops.alloc_notifier = life_ops2.alloc_notifier;
	life_ops.free_notifier = life_ops2.free_notifier;
	getter = kt_do(test, mm, KT_GET, &life_ops);
	kt_assert_waits(test, other, getter, 2);

	/* Only the overflow is left that they wait for. */
	kt_end_slots(many);
	kill_and_join(test, joiner);
	KUNIT_EXPECT_TRUE(test, kt_running(getter));
	kill_and_join(test, getter);
	/* To unregister one whose registration failed is reported, and does nothing. */
	mmun_kunit_warnings();
	mmun_notifier_unregister(&sub->mn, mm);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);
	KUNIT_EXPECT_EQ(test, kt_state(other).users, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(other).overflow, 1U);
	life_assert_mm_count(test, mm, count);
	kt_end_many(many);
	range = kt_begin(test, mm, FROM, TO);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(spare), 0);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(other), kt_starts(other));
	kt_expect_quiet(test, other);
}

/*
 * A get that made its notifier and is killed behind an older range returns -EINTR; the
 * notifier had no other user, and is freed once, after the ends that it is owed.
 */
static void killed_get_frees_its_notifier_once(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *other = kt_register(test, mm, &life_list_ops);
	struct kt_sub *spare = kt_logged(kt_sub(test, &life_ops));
	int count = life_mm_count(mm);
	struct kt_actor *getter;
	struct kt_range *younger;
	struct kt_sub *sub;
	struct older older;

	older = begin_older(test, other);
	life->spare = spare;
	getter = kt_do(test, mm, KT_GET, &life_ops);
	kt_assert_waits(test, other, getter, 1);
	life->spare = NULL;
	younger = kt_begin(test, mm, TO, TO + 1);
	kill_and_join(test, getter);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);
	KUNIT_EXPECT_EQ(test, kt_frees(spare), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(spare, CB_END, younger), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(spare), 1);
	KUNIT_EXPECT_EQ(test, kt_releases(spare), 0);
	KUNIT_EXPECT_EQ(test, kt_state(other).users, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(other).gettable, 0U);
	life_assert_mm_count(test, mm, count);
	/* The mmap lock is free again. */
	KUNIT_ASSERT_TRUE(test, mmap_read_trylock(mm));
	mmap_read_unlock(mm);

	kt_end(younger);
	end_older(&older);
	sub = kt_get(test, mm, &life_ops);
	KUNIT_EXPECT_PTR_NE(test, sub, spare);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 2);
	kt_expect_quiet(test, other);
}

static const struct getter_param {
	const char *name;
	bool maker;			/* it is killed, and not the second one */
} getters[] = {
	{ "the maker is killed", true },
	{ "the second is killed", false },
};

KT_NAMED_PARAM(getter, getters);

/*
 * Of two gets that wait for a notifier to join, one is killed: the other goes on to
 * wait, completes, and is the only user.
 */
static void other_get_completes_when_one_is_killed(struct kunit *test)
{
	const struct getter_param *param = test->param_value;
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *other = kt_register(test, mm, &life_list_ops);
	struct kt_actor *maker, *second, *killed, *stays;
	struct kt_range *range;

	range = kt_begin(test, mm, FROM, TO);
	maker = kt_do(test, mm, KT_GET, &life_ops);
	kt_assert_waits(test, other, maker, 1);
	second = kt_do(test, mm, KT_GET, &life_ops);
	kt_assert_waits(test, other, second, 2);
	killed = param->maker ? maker : second;
	stays = param->maker ? second : maker;

	kill_and_join(test, killed);
	kt_assert_waits(test, other, stays, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 0);
	kt_end(range);
	KUNIT_ASSERT_EQ(test, kt_join(test, stays), 0);
	KUNIT_EXPECT_EQ(test, kt_users(stays->sub), 1U);
	KUNIT_EXPECT_EQ(test, kt_state(other).gettable, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(other).users, 2U);
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_starts(stays->sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(stays->sub), 1);
	kt_put(stays->sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);
	KUNIT_EXPECT_EQ(test, kt_state(other).users, 1U);
	kt_expect_quiet(test, other);
}

/*
 * The start of an older subscriber is slow, and a register that waits for its range
 * is killed: it returns while that start still stands.
 */
static void killed_register_beside_an_older_ones_start(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *slow = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct older older = prepare_older(test, slow);
	struct kt_actor *joiner, *task;

	task = kt_do_to_gate(test, &slow->start, NULL, KT_START, older.range);
	joiner = kt_do(test, mm, KT_REGISTER, sub);
	kt_assert_waits(test, slow, joiner, 1);
	kill_and_join(test, joiner);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&slow->inside), 1);
	KUNIT_EXPECT_EQ(test, kt_state(slow).users, 1U);
	kt_gate_open(&slow->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	end_older(&older);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(slow), kt_starts(slow));
	kt_expect_quiet(test, slow);
}

static const struct inside_param {
	const char *name;
	bool own;
} insides[] = {
	{ "its own", true },
	{ "of a younger one", false },
};

KT_NAMED_PARAM(inside, insides);

/*
 * A start of the subscriber that a killed register leaves again, or of a younger one
 * before it in the same walk, still runs: the register returns only after it, and the
 * end that is owed comes once.
 */
static void killed_register_waits_for_a_start_ahead(struct kunit *test)
{
	const struct inside_param *param = test->param_value;
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *other = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_logged(kt_sub(test, &kt_range_ops));
	struct kt_sub *next = kt_sub(test, &kt_range_ops);
	struct kt_sub *slow = param->own ? sub : next;
	struct kt_range *older = kt_begin(test, mm, FROM, TO), *range;
	struct kt_actor *joiner, *joiner2, *task;

	joiner = kt_do(test, mm, KT_REGISTER, sub);
	kt_assert_waits(test, other, joiner, 1);
	joiner2 = kt_do(test, mm, KT_REGISTER, next);
	kt_assert_waits(test, other, joiner2, 2);
	range = kt_blockable(test, mm, TO, TO + 1);
	task = kt_do_to_gate(test, &slow->start, NULL, KT_START, range);

	kt_kill(joiner);
	KT_ASSERT_UNTIL(test, kt_state(other).users == 2);
	kt_assert_waits(test, other, joiner, 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&slow->inside), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_gate_open(&slow->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), -EINTR);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), param->own ? 1 : 0);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), param->own ? 1 : 0);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 0);

	kt_end(older);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner2), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
	KUNIT_EXPECT_EQ(test, kt_ends(next), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(other), 2);
	kt_expect_quiet(test, other);
}

/* A register that waits for the mmap lock is killed: -EINTR, and nothing is there. */
static void killed_register_behind_the_mmap_lock(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *joiner, *preparer;

	mmap_read_lock(mm);
	joiner = kt_do(test, mm, KT_REGISTER, sub);
	KT_ASSERT_UNTIL(test, mmap_lock_is_contended(mm) || !kt_running(joiner));
	kill_and_join(test, joiner);
	preparer = kt_do(test, mm, KT_GET, &life_ops);
	KT_ASSERT_UNTIL(test, mmap_lock_is_contended(mm) || !kt_running(preparer));
	kill_and_join(test, preparer);
	mmap_read_unlock(mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0U);
	life_assert_mm_count(test, mm, FRESH_COUNT);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(19, killed_register_behind_an_older_range, older_gen_params),
	KT_CASE(19, killed_register_and_get_behind_overflow),
	KT_CASE_PARAM(19, killed_get_frees_its_notifier_once, older_gen_params),
	KT_CASE_PARAM(19, other_get_completes_when_one_is_killed, getter_gen_params),
	KT_CASE_PARAM(19, killed_register_beside_an_older_ones_start, older_gen_params),
	KT_CASE_PARAM(19, killed_register_waits_for_a_start_ahead, inside_gen_params),
	KT_CASE(19, killed_register_behind_the_mmap_lock),
	{}
};

struct kunit_suite mmun_kill_suite = {
	.name = "mmun_kill",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
