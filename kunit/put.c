// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_put: the last put unlinks, and frees once every callback has
 * returned.
 */

#include <linux/percpu.h>

#include "life.h"

KT_NAMED_PARAM(walk_place, life_walk_places);

KT_NAMED_PARAM(put_place, life_put_places);

/*
 * free_notifier is called once, after the last put and not before, in a context
 * that may not sleep.
 */
static void free_once_after_last_put(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	int i;

	kt_get(test, mm, &life_ops);
	kt_get(test, mm, &life_ops);
	for (i = 0; i < 2; i++) {
		kt_put(sub);
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	}
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
	/* A driver calls release itself, if it wants to. */
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
}

/*
 * A notifier that is put while a callback on it runs is not freed until that
 * has returned.
 */
static void free_waits_for_running_callback(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct kt_actor *sync;
	struct kt_sub *sub;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_get(test, s.mm, &life_ops);
	sub = s.sub;
	life_block(test, &s, param->at);
	kt_put(sub);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).zombies, 1U);
	sync = kt_do(test, NULL, KT_SYNCHRONIZE, &sub->frees);
	kt_assert_sleeps(test, sync);
	life_let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);

	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
			atomic_read(&sub->accepted));
}

/*
 * Of two callbacks that run on a notifier that was put, free waits for the last
 * to return, whichever it is.
 */
static void free_waits_for_last_of_two_callbacks(struct kunit *test)
{
	struct scene s, t;
	struct kt_sub *sub;
	int i;

	life_stage(test, &s);
	for (i = 0; i < 2; i++) {
		t = s;
		sub = kt_get(test, s.mm, &life_ops);
		s.sub = sub;
		t.sub = sub;
		life_block(test, &s, AT_START);
		life_block(test, &t, AT_END);
		kt_put(sub);
		KUNIT_EXPECT_EQ(test, life_go_on(test, i ? &s : &t), 0);
		life_let_others_finish();
		KUNIT_EXPECT_EQ(test, kt_state(s.subs).zombies, 1U);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
		KUNIT_EXPECT_EQ(test, life_go_on(test, i ? &t : &s), 0);
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
}

/*
 * A callback that began after the put, or that runs on another mm, does not
 * delay the free.
 */
static void free_ignores_later_and_foreign_callbacks(struct kunit *test)
{
	struct scene s, later, other;
	struct kt_sub *sub;

	life_stage(test, &s);
	later = s;
	life_stage(test, &other);
	later.sub = kt_register(test, s.mm, &life_list_ops);
	other.sub = kt_register(test, other.mm, &life_list_ops);
	s.sub = kt_get(test, s.mm, &life_ops);
	sub = s.sub;

	life_block(test, &other, AT_START);
	life_block(test, &s, AT_END);
	kt_put(sub);
	life_block(test, &later, AT_QUERY);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	KT_ASSERT_UNTIL(test, atomic_read(&sub->frees));
	KUNIT_EXPECT_TRUE(test, kt_running(later.actor));
	KUNIT_EXPECT_TRUE(test, kt_running(other.actor));
	life_go_on(test, &later);
	life_go_on(test, &other);
}

/*
 * The end of a callback that is newer than the put does not free the notifier
 * while an older callback still runs on it.
 */
static void put_ignores_later_callbacks(struct kunit *test)
{
	/* A callback of a range with a slot, and one of a walk without. */
	static const enum place older[] = { AT_START, AT_QUERY };
	struct scene s, later;
	struct kt_sub *sub;
	int i;

	life_stage(test, &s);
	later = s;
	later.sub = kt_register(test, s.mm, &life_list_ops);
	for (i = 0; i < ARRAY_SIZE(older); i++) {
		s.sub = kt_get(test, s.mm, &life_ops);
		sub = s.sub;
		life_block(test, &s, older[i]);
		kt_put(sub);
		life_block(test, &later, AT_QUERY);
		kt_end(kt_begin(test, s.mm, 0x1000, 0x2000));
		KUNIT_EXPECT_EQ(test, kt_state(s.subs).zombies, 1U);
		life_go_on(test, &later);
		KUNIT_EXPECT_EQ(test, kt_state(s.subs).zombies, 1U);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
		KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	}
}

/*
 * The reference on the mm_struct is held until free_notifier has been called,
 * and then dropped.
 */
static void mm_reference_is_dropped_after_free(struct kunit *test)
{
	struct scene s;
	int before;

	life_stage(test, &s);
	before = life_mm_count(s.mm);
	s.sub = kt_get(test, s.mm, &kt_get_ops);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), before + 1);
	kt_get(test, s.mm, &kt_get_ops);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), before + 1);
	kt_put(s.sub);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), before + 1);
	life_block(test, &s, AT_END);
	kt_put(s.sub);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), before + 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 0);
	life_go_on(test, &s);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 1);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), before);
}

/*
 * The last put works inside start, end and release; the callback goes on, and
 * then the notifier is freed.
 */
static void put_works_in_each_callback(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *next = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	struct kt_sub *last = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = life_range(test, mm);

	if (param->at == AT_START)
		sub->on_start = kt_put_in_start;
	else if (param->at == AT_END)
		sub->on_end = kt_put_in_end;
	else
		sub->on_release = kt_put_in_release;

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	if (param->at == AT_RELEASE) {
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
		kt_mm_kill(test, mm);
		kt_mm_exit(test, mm);
		KUNIT_EXPECT_EQ(test, atomic_read(&next->releases), 1);
		KUNIT_EXPECT_EQ(test, atomic_read(&last->releases), 1);
	}
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->early), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends),
			param->at == AT_START ? 0 : 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases),
			param->at == AT_RELEASE ? 1 : 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->ends), 1);
}

/* The same with memory that is really freed, of two subscribers in one walk. */
static void put_in_a_callback_frees_memory(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *keeper = kt_register(test, mm, &kt_release_only_ops);
	struct owned *owned = owned_get(test, mm);
	struct owned *listed = owned_register(test, mm);
	struct kt_range *range = life_range(test, mm);

	owned->act = act_put;
	owned->act_at = param->at;
	/* It leaves in the same callback. */
	listed->act = act_no_release;
	listed->act_at = param->at;

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->releases),
			param->at == AT_RELEASE ? 2 : 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&keeper->releases), 1);
}

/*
 * A put without a user warns and does nothing: one free, and the other
 * subscribers stay. The counts may be another notifier's by then, and put must
 * not change them.
 */
static void put_without_user_warns_only(struct kunit *test)
{
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_get(test, s.mm, &kt_get_ops);
	life_block(test, &s, AT_END);
	mmun_kunit_warnings();
	kt_put(s.sub);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).users, 1U);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
	mmun_notifier_put(&s.sub->mn);
	mmun_notifier_put(&s.sub->mn);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 2U);
	KUNIT_EXPECT_EQ(test, kt_users(s.sub), 0U);
	KUNIT_EXPECT_EQ(test, s.sub->mn.priv.users_cpus, 0U);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).users, 1U);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).zombies, 1U);
	life_go_on(test, &s);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 1);

	KUNIT_EXPECT_TRUE(test, !s.sub->mn.priv.users);
	mmun_notifier_put(&s.sub->mn);
	KUNIT_EXPECT_EQ(test, s.sub->mn.priv.users_cpus, 0U);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).users, 1U);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->frees), 1);
}

/* A notifier that was registered has one user: it can be put as well. */
static void put_of_a_registered_notifier_frees(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &life_ops);

	sub->registered = false;
	mmun_notifier_put(&sub->mn);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
}

static struct kt_sub *get_on(struct kunit *test, struct mm_struct *mm,
			     unsigned int cpu)
{
	struct kt_actor *getter = kt_prepare(test, mm, KT_GET, &life_ops);

	getter->cpu = cpu;
	KUNIT_ASSERT_EQ(test, kt_join(test, kt_go(getter)), 0);
	return getter->sub;
}

static void put_on(struct kunit *test, struct kt_sub *sub, unsigned int cpu,
		   unsigned int times)
{
	struct kt_actor *putter = kt_prepare(test, NULL, KT_PUT, sub);

	putter->cpu = cpu;
	putter->times = times;
	KUNIT_ASSERT_EQ(test, kt_join(test, kt_go(putter)), 0);
}

/*
 * A user may be put on another processor than it was got on: the sum decides,
 * and the last put frees.
 */
static void put_on_another_cpu_counts(struct kunit *test)
{
	unsigned int here = kt_pin(test), other;
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub;

	if (!kt_two_cpus(test, &other))
		kunit_skip(test, "there is one CPU only");
	sub = kt_get(test, mm, &life_ops);
	KUNIT_EXPECT_PTR_EQ(test, get_on(test, mm, other), sub);
	KUNIT_EXPECT_PTR_EQ(test, get_on(test, mm, other), sub);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 3U);
	KUNIT_EXPECT_EQ(test, sub->mn.priv.users_cpus, 2U);

	/* The user of this processor first, then one of the other's. */
	put_on(test, sub, here, 2);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	KUNIT_EXPECT_EQ(test, sub->mn.priv.users_cpus, 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);

	/* The other way round: this processor has no user now. */
	KUNIT_EXPECT_PTR_EQ(test, get_on(test, mm, here), sub);
	KUNIT_EXPECT_EQ(test, sub->mn.priv.users_cpus, 2U);
	put_on(test, sub, other, 1);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	sub->got = false;
	put_on(test, sub, other, 1);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
}

struct counts {
	unsigned int __percpu *taken[1024];
	unsigned int nr;
};

/*
 * Allocates counts until it gets @users, which a notifier has freed; false if it
 * does not.
 */
static bool takes_over(struct counts *counts, const unsigned int __percpu *users)
{
	bool given = false;

	for (counts->nr = 0; counts->nr < ARRAY_SIZE(counts->taken) && !given;) {
		counts->taken[counts->nr] = alloc_percpu(unsigned int);
		given = counts->taken[counts->nr++] == users;
	}
	return given;
}

static void give_back_counts(struct counts *counts)
{
	while (counts->nr)
		free_percpu(counts->taken[--counts->nr]);
}

/* A get or a put that stops when it has read how many users there are. */
struct between {
	struct kt_watch watch;
	struct kt_sub *sub;
	bool inside;			/* it has read */
	bool changed;			/* and the case has changed the users */
	bool in_time;			/* before it went on */
	bool freed;			/* and the notifier was freed meanwhile */
	bool outside;			/* it went on */
};

static struct kt_actor *watch_users(struct between *b, struct kt_actor *actor,
				    void (*fn)(struct kt_watch *watch),
				    unsigned int cpu, unsigned int users_of)
{
	b->watch.fn = fn;
	b->watch.arg = b;
	actor->cpu = cpu;
	actor->watch = &b->watch;
	actor->word = per_cpu_ptr(b->sub->mn.priv.users, users_of);
	return kt_go(actor);
}

static void wait_for_the_put(struct kt_watch *watch)
{
	struct between *b = watch->arg;

	WRITE_ONCE(b->inside, true);
	b->in_time = kt_spin_until(READ_ONCE(b->changed), 5000);
	b->freed = kt_spin_until(atomic_read(&b->sub->frees), 500);
	WRITE_ONCE(b->outside, true);
}

/*
 * The last put comes when a get on another processor has found the notifier and
 * not counted itself: neither the notifier nor its counts are freed before the
 * get has left it, and the get makes a new one.
 */
static void last_put_inside_a_get(struct kunit *test)
{
	struct between *b = kt_new(test, sizeof(*b));
	struct counts *counts = kt_new(test, sizeof(*counts));
	unsigned int __percpu *users;
	struct kt_actor *getter;
	unsigned int other;
	struct scene s;
	int ret;

	life_stage(test, &s);
	if (!kt_two_cpus(test, &other))
		kunit_skip(test, "there is one CPU only");
	/* The only user on that processor. */
	b->sub = get_on(test, s.mm, other);
	getter = kt_prepare(test, s.mm, KT_GET, &life_ops);
	watch_users(b, getter, wait_for_the_put, other, other);
	while (!READ_ONCE(b->inside) && kt_running(getter))
		cond_resched();
	if (READ_ONCE(b->inside)) {
		users = b->sub->mn.priv.users;
		kt_put(b->sub);
		WRITE_ONCE(b->changed, true);
		while (!READ_ONCE(b->outside) && kt_running(getter)) {
			if (takes_over(counts, users))
				/* But not while the get was inside. */
				KUNIT_EXPECT_TRUE(test, READ_ONCE(b->outside));
			give_back_counts(counts);
		}
	}
	ret = kt_join(test, getter);
	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "no breakpoints on data");
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, b->in_time);
	KUNIT_EXPECT_FALSE(test, b->freed);
	KUNIT_EXPECT_PTR_NE(test, getter->sub, b->sub);
	KUNIT_EXPECT_EQ(test, kt_users(getter->sub), 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&b->sub->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&getter->sub->frees), 0);
}

static void wait_for_the_get(struct kt_watch *watch)
{
	struct between *b = watch->arg;

	WRITE_ONCE(b->inside, true);
	b->in_time = kt_spin_until(READ_ONCE(b->changed), 5000);
}

/* KT_PUT reads the users itself, before mmun does. */
static int put_unseen(void *arg)
{
	struct kt_sub *sub = arg;

	mmun_notifier_put(&sub->mn);
	return 0;
}

/*
 * A get on another processor comes when the last put has seen that it is the
 * last one: it is not any more, and nothing is freed.
 */
static void get_inside_the_last_put(struct kunit *test)
{
	struct between *b = kt_new(test, sizeof(*b));
	struct kt_actor *putter;
	unsigned int other;
	struct scene s;
	int ret;

	life_stage(test, &s);
	if (!kt_two_cpus(test, &other))
		kunit_skip(test, "there is one CPU only");
	b->sub = kt_get(test, s.mm, &life_ops);
	putter = kt_prepare_call(test, put_unseen, b->sub);
	watch_users(b, putter, wait_for_the_get, other, kt_first_cpu());
	while (!READ_ONCE(b->inside) && kt_running(putter))
		cond_resched();
	if (READ_ONCE(b->inside)) {
		KUNIT_EXPECT_PTR_EQ(test, kt_get(test, s.mm, &life_ops), b->sub);
		WRITE_ONCE(b->changed, true);
	}
	ret = kt_join(test, putter);
	if (ret == -EOPNOTSUPP)
		kunit_skip(test, "no breakpoints on data");
	KUNIT_ASSERT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, b->in_time);
	KUNIT_EXPECT_EQ(test, kt_users(b->sub), 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&b->sub->frees), 0);
	kt_put(b->sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&b->sub->frees), 1);
}

#define PUTTERS	4
#define PUTS	50

/* Puts of many tasks all count: the last one of them frees. */
static void puts_of_many_tasks_all_count(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_get(test, mm, &life_ops);
	struct kt_actor *putters[PUTTERS];
	int i;

	for (i = 0; i < PUTTERS * PUTS; i++)
		KUNIT_ASSERT_PTR_EQ(test, mmun_notifier_get(&life_ops, mm),
				    &sub->mn);
	for (i = 0; i < PUTTERS; i++) {
		putters[i] = kt_prepare(test, NULL, KT_PUT, sub);
		putters[i]->times = PUTS;
		kt_go(putters[i]);
	}
	for (i = 0; i < PUTTERS; i++)
		kt_join(test, putters[i]);
	KUNIT_EXPECT_EQ(test, kt_users(sub), 1U);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	kt_put(sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 1);
}

#define ROUNDS	40

static int get_and_put(void *arg)
{
	struct mmun_notifier *mn;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		mn = mmun_notifier_get(&owned_ops, arg);
		if (IS_ERR(mn))
			return PTR_ERR(mn);
		if (mn->mm != arg)
			return -EINVAL;
		to_owned(mn)->touched++;
		mmun_notifier_put(mn);
	}
	return 0;
}

/*
 * Gets, puts and ranges of several tasks at once: every notifier that was made
 * is freed, and none is touched after.
 */
static void gets_and_puts_among_ranges(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_actor *tasks[5];
	int i;

	for (i = 0; i < 3; i++)
		tasks[i] = kt_run(test, get_and_put, mm);
	for (; i < ARRAY_SIZE(tasks); i++) {
		tasks[i] = kt_prepare(test, NULL, KT_START_END,
				      life_range(test, mm));
		tasks[i]->times = ROUNDS;
		kt_go(tasks[i]);
	}
	for (i = 0; i < ARRAY_SIZE(tasks); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, tasks[i]), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_GT(test, atomic_read(&life->allocs), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
			atomic_read(&life->allocs));
	kt_cut_off(test, mm);
}

static struct kunit_case cases[] = {
	KT_CASE(02, free_once_after_last_put),
	KT_CASE_PARAM(02, free_waits_for_running_callback, walk_place_gen_params),
	KT_CASE(02, free_waits_for_last_of_two_callbacks),
	KT_CASE(02, free_ignores_later_and_foreign_callbacks),
	KT_CASE(02, put_ignores_later_callbacks),
	KT_CASE(02, mm_reference_is_dropped_after_free),
	KT_CASE_PARAM(02, put_works_in_each_callback, put_place_gen_params),
	KT_CASE_PARAM(02, put_in_a_callback_frees_memory, put_place_gen_params),
	KT_CASE(02, put_without_user_warns_only),
	KT_CASE(02, put_of_a_registered_notifier_frees),
	KT_CASE(02, put_on_another_cpu_counts),
	KT_CASE(02, last_put_inside_a_get),
	KT_CASE(02, get_inside_the_last_put),
	KT_CASE(02, puts_of_many_tasks_all_count),
	KT_CASE(02, gets_and_puts_among_ranges),
	{}
};

struct kunit_suite mmun_put_suite = {
	.name = "mmun_put",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
