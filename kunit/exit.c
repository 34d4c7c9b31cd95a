// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_exit: the mm exits, and everything can still be taken down, in any
 * order.
 */

#include "life.h"

/*
 * The mm's exit delivers the owed ends after the release, once; the ranges' own
 * ends and a later unregister add nothing.
 */
static void exit_delivers_owed_ends_after_release(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_sub *other = kt_register_logged(test, mm);
	struct kt_range *range = kt_begin(test, mm, FROM, TO);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 1);
	KUNIT_EXPECT_LT(test, kt_place(sub, CB_RELEASE, NULL),
			kt_place(sub, CB_END, range));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), kt_ends(sub));
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0U);
	kt_end(range);
	kt_unregister(sub);
	kt_unregister(other);
	KUNIT_EXPECT_EQ(test, kt_calls(sub, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_calls(other, CB_END, range), 1);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
}

static void unregister_victims(struct kt_sub *sub)
{
	int i;

	kt_log_release(sub);
	for (i = 0; sub->victims[i]; i++)
		kt_unregister(sub->victims[i]);
}

static const struct victim_param {
	const char *name;
	int nth[3];			/* -1: no more */
} victim_params[] = {
	{ "the next one", { 2, -1 } },
	{ "itself", { 1, -1 } },
	{ "the one before", { 0, -1 } },
	{ "the last one", { 3, -1 } },
	{ "the next two", { 2, 3, -1 } },
	{ "the next two, far one first", { 3, 2, -1 } },
	{ "itself and the next one", { 1, 2, -1 } },
	{ "the next one and itself", { 2, 1, -1 } },
	{ "both neighbours", { 0, 2, -1 } },
};

KT_NAMED_PARAM(victim, victim_params);

/*
 * In the mm's exit the release of the second of four unregisters some of them:
 * each is released once all the same, and the walk comes to its end.
 */
static void release_unregisters_others_in_exit(struct kunit *test)
{
	const struct victim_param *param = test->param_value;
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *anchor = kt_insert_logged(test, mm, FROM, TO);
	struct kt_range *range;
	struct kt_sub *sub[4];	/* in the order of the walk */
	int i;

	for (i = 3; i >= 0; i--)
		sub[i] = kt_register_logged(test, mm);
	for (i = 0; i < 3 && param->nth[i] >= 0; i++)
		sub[1]->victims[i] = sub[param->nth[i]];
	sub[1]->on_release = unregister_victims;
	range = kt_begin(test, mm, FROM, TO);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ_MSG(test, kt_releases(sub[i]), 1, "the %dth", i);
		KUNIT_EXPECT_EQ(test, kt_starts(sub[i]), kt_ends(sub[i]));
		KUNIT_EXPECT_EQ(test, kt_calls(sub[i], CB_END, range), 1);
	}
	KUNIT_EXPECT_LT(test, kt_place(sub[0], CB_RELEASE, NULL),
			kt_place(sub[1], CB_RELEASE, NULL));
	KUNIT_EXPECT_EQ(test, atomic_read(&anchor->releases), 1);
	kt_end(range);
	for (i = 0; i < 4; i++) {
		if (sub[i]->registered)
			kt_unregister(sub[i]);
		KUNIT_EXPECT_EQ(test, kt_releases(sub[i]), 1);
		KUNIT_EXPECT_EQ(test, kt_calls(sub[i], CB_END, range), 1);
	}
}

/* The driver uses the memory again, for a new subscriber. */
static void unregister_and_clear(struct kt_sub *sub)
{
	struct kt_sub *victim = sub->victims[0];
	const struct mmun_notifier_ops *ops = victim->mn.ops;

	kt_log_release(sub);
	kt_unregister(victim);
	memset(&victim->mn, 0, sizeof(victim->mn));
	victim->mn.ops = ops;
}

/*
 * In the exit's walk a release unregisters the one after the next, while
 * another task unregisters the next: the walk reaches neither again.
 */
static void exit_walk_skips_both_unregistered(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_actor *leaver;
	struct kt_sub *last = kt_register_logged(test, mm);
	struct kt_sub *after = kt_register_logged(test, mm);
	struct kt_sub *next = kt_register_logged(test, mm);
	struct kt_sub *sub = kt_register_logged(test, mm);
	struct kt_actor *task;

	sub->on_release = unregister_and_clear;
	sub->victims[0] = after;
	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &sub->release, mm, KT_EXIT, NULL);
	leaver = kt_do(test, NULL, KT_UNREGISTER, next);
	/* It is unlinked, and waits for the exit's walk. */
	KT_ASSERT_UNTIL(test, kt_waiters(sub) == 1);
	KUNIT_EXPECT_EQ(test, kt_releases(next), 1);
	kt_gate_open(&sub->release);
	kt_join(test, task);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_releases(next), 1);
	KUNIT_EXPECT_EQ(test, kt_releases(after), 1);
	KUNIT_EXPECT_EQ(test, kt_releases(last), 1);
}

/* u unregister, n unregister_no_release, p put, r remove */
static const char * const orders[] = {
	"unpr", "unrp", "upnr", "uprn", "urnp", "urpn",
	"nupr", "nurp", "npur", "npru", "nrup", "nrpu",
	"punr", "purn", "pnur", "pnru", "prun", "prnu",
	"runp", "rupn", "rnup", "rnpu", "rpun", "rpnu",
};

static void order_name(const char * const *order, char *name)
{
	strscpy(name, *order, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(order, orders, order_name);

/*
 * After the exit subscribers leave in each order, from any task, and everything
 * is given back.
 */
static void subscribers_leave_after_exit_in_any_order(struct kunit *test)
{
	const char *step = *(const char * const *)test->param_value;
	struct mm_struct *mm = life_mm(test);
	int before = life_mm_count(mm);
	struct kt_sub *u = kt_register(test, mm, &life_list_ops);
	struct kt_sub *n = kt_register(test, mm, &life_list_ops);
	struct kt_sub *p = kt_get(test, mm, &life_ops);
	struct kt_interval *r = kt_insert(test, mm, 0, PAGE_SIZE);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do(test, mm, KT_EXIT, NULL);
	kt_join(test, task);
	mmun_notifier_synchronize();
	for (; *step; step++) {
		if (*step == 'u')
			task = kt_do(test, NULL, KT_UNREGISTER, u);
		else if (*step == 'n')
			task = kt_do(test, NULL, KT_UNREGISTER_NO_RELEASE, n);
		else if (*step == 'p')
			task = kt_do(test, NULL, KT_PUT, p);
		else
			task = kt_do(test, NULL, KT_REMOVE, r);
		KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
		life_call_srcu(test);
	}
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&u->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&r->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 4);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	/* The reference that mm_users held is dropped as well. */
	life_assert_mm_count(test, mm, before - 1);
}

/*
 * While the exit is in one subscriber's release, the others leave in every way.
 */
static void subscribers_leave_during_exit(struct kunit *test)
{
	struct kt_sub *u, *n, *p, *u2;
	struct kt_interval *r;
	struct kt_actor *leaver, *leaver2;
	struct scene s;

	life_stage(test, &s);
	/* The walk goes from the newest to the oldest: u2 has been released. */
	u = kt_register(test, s.mm, &life_list_ops);
	n = kt_register(test, s.mm, &life_list_ops);
	p = kt_get(test, s.mm, &life_ops);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	u2 = kt_register(test, s.mm, &life_list_ops);
	r = kt_insert(test, s.mm, 0, PAGE_SIZE);
	life_block(test, &s, AT_RELEASE);
	KUNIT_EXPECT_EQ(test, atomic_read(&r->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&u2->releases), 1);

	kt_remove(r);
	kt_unregister_no_release(n);
	kt_put(p);
	KUNIT_EXPECT_EQ(test, kt_state(s.subs).zombies, 1U);
	leaver = kt_do(test, NULL, KT_UNREGISTER, u);
	leaver2 = kt_do(test, NULL, KT_UNREGISTER, u2);
	/* The exit is past it. */
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver2), 0);
	kt_assert_waits(test, s.subs, leaver, 1);
	KUNIT_EXPECT_TRUE(test, kt_running(s.actor));
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 0);

	life_go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&p->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&p->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&n->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&u->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&u2->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&r->releases), 1);
}

/*
 * The exit comes while a remove waits for a callback: the exit does not wait,
 * and the remove returns after the callback.
 */
static void exit_passes_a_waiting_remove(struct kunit *test)
{
	struct kt_actor *leaver, *exit;
	struct scene s;

	life_stage(test, &s);
	s.interval = kt_insert(test, s.mm, 0, 0x10000);
	kt_mm_kill(test, s.mm);
	life_block(test, &s, AT_INTERVAL);
	leaver = kt_do(test, NULL, KT_REMOVE, s.interval);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	exit = kt_do(test, s.mm, KT_EXIT, NULL);
	kt_join(test, exit);
	KUNIT_EXPECT_TRUE(test, kt_running(leaver));
	/* The exit wakes it, and it sleeps again. */
	KUNIT_EXPECT_TRUE(test, kt_until(kt_waiters(s.subs) == 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.interval->invalidates), 1);
}

/*
 * The exit comes while an unregister waits for a callback: release stays called
 * once, and the unregister returns.
 */
static void exit_passes_a_waiting_unregister(struct kunit *test)
{
	struct kt_actor *leaver, *exit;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	kt_mm_kill(test, s.mm);
	life_block(test, &s, AT_START);
	leaver = kt_do(test, NULL, KT_UNREGISTER, s.sub);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 1);
	exit = kt_do(test, s.mm, KT_EXIT, NULL);
	kt_join(test, exit);
	KUNIT_EXPECT_TRUE(test, kt_running(leaver));
	/* The exit wakes it, and it sleeps again. */
	KUNIT_EXPECT_TRUE(test, kt_until(kt_waiters(s.subs) == 1));
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
	life_go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->ends),
			atomic_read(&s.sub->accepted));
}

/*
 * The exit comes while a register and a get wait for an older range: they
 * return 0, and have got the release.
 */
static void exit_lets_waiting_register_and_get_succeed(struct kunit *test)
{
	struct kt_actor *reg, *get, *exit;
	struct kt_range *range;
	struct scene s;

	life_stage(test, &s);
	kt_mm_kill(test, s.mm);
	range = life_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	reg = kt_do(test, s.mm, KT_REGISTER, kt_sub(test, &kt_range_ops));
	get = kt_do(test, s.mm, KT_GET, &kt_get_ops);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 2);
	exit = kt_do(test, s.mm, KT_EXIT, NULL);
	KUNIT_EXPECT_EQ(test, kt_join(test, reg), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, get), 0);
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&get->sub->releases), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->ends), 0);

	kt_unregister(reg->sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 1);
	kt_put(get->sub);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&get->sub->frees), 1);
}

/*
 * The exit comes while a register and a get wait for an overflow range: both
 * fail with -ESRCH, and the notifier is given back.
 */
static void exit_fails_register_and_get_behind_overflow(struct kunit *test)
{
	struct kt_actor *reg, *get, *exit;
	struct scene s;

	life_stage(test, &s);
	/* It attaches the bridges that life_ops needs. */
	kt_register(test, s.mm, &life_list_ops);
	kt_mm_kill(test, s.mm);
	kt_fill_slots(test, s.mm, s.subs, 0, 1);
	reg = kt_do(test, s.mm, KT_REGISTER, kt_sub(test, &kt_range_ops));
	get = kt_do(test, s.mm, KT_GET, &life_ops);
	KT_ASSERT_UNTIL(test, kt_waiters(s.subs) == 2);
	exit = kt_do(test, s.mm, KT_EXIT, NULL);
	KUNIT_EXPECT_EQ(test, kt_join(test, reg), -ESRCH);
	KUNIT_EXPECT_EQ(test, kt_join(test, get), -ESRCH);
	kt_join(test, exit);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 1);
}

/*
 * A dead process whose address space still has users can be subscribed to, and
 * its exit calls release.
 */
static void dying_mm_with_users_accepts_subscribers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval;
	struct kt_sub *sub, *got;
	struct kt_range *range;

	kt_mm_kill(test, mm);
	sub = kt_register(test, mm, &life_list_ops);
	got = kt_get(test, mm, &life_ops);
	interval = kt_insert(test, mm, 0, 0x10000);
	range = life_range(test, mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/* An overflow range is in flight, and no other. */
static void overflow_only(struct kunit *test, struct mmun_subscriptions *subs,
			  struct mm_struct *mm)
{
	kt_end_slots(kt_fill_slots(test, mm, subs, 0x900000, 1));
	KUNIT_ASSERT_EQ(test, kt_state(subs).overflow, 1U);
	KUNIT_ASSERT_EQ(test, kt_state(subs).active, 0U);
}

/*
 * The exit comes while a register waits for an overflow range and all others
 * have left: everything is given back.
 */
static void exit_frees_all_when_only_a_register_waits(struct kunit *test)
{
	struct kt_actor *reg;
	struct scene s;

	life_stage(test, &s);
	kt_mm_kill(test, s.mm);
	overflow_only(test, s.subs, s.mm);
	reg = kt_do(test, s.mm, KT_REGISTER, kt_sub(test, &kt_range_ops));
	kt_assert_waits(test, s.subs, reg, 1);
	kt_unregister(s.keeper);
	kt_mm_exit(test, s.mm);
	KUNIT_EXPECT_EQ(test, kt_join(test, reg), -ESRCH);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	life_assert_mm_count(test, s.mm, FRESH_COUNT - 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/*
 * The exit itself wakes a register that waits for an overflow range: whatever
 * happened before the exit gave that range up has woken it already, and it
 * sleeps again.
 */
static void exit_wakes_blocked_register(struct kunit *test)
{
	struct kt_actor *reg, *leaver, *exit;
	unsigned int cpu = kt_pin(test);
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	kt_mm_kill(test, s.mm);
	/* The end of a range with a slot would wake the register as well. */
	overflow_only(test, s.subs, s.mm);
	/* Woken together with others of its processor, it runs before them. */
	reg = kt_prepare(test, s.mm, KT_REGISTER, kt_sub(test, &kt_range_ops));
	reg->cpu = cpu;
	reg->first = true;
	kt_go(reg);
	kt_assert_waits(test, s.subs, reg, 1);

	/* The exit waits for this release, when its own walk is over. */
	kt_gate_close(&s.sub->release);
	leaver = kt_prepare(test, NULL, KT_UNREGISTER, s.sub);
	leaver->cpu = cpu;
	kt_go(leaver);
	kt_gate_wait(test, &s.sub->release);
	exit = kt_prepare(test, s.mm, KT_EXIT, NULL);
	exit->cpu = cpu;
	kt_go(exit);
	kt_assert_waits(test, s.subs, exit, 2);
	kt_assert_waits(test, s.subs, reg, 2);
	kt_gate_open(&s.sub->release);

	KUNIT_EXPECT_EQ(test, kt_join(test, reg), -ESRCH);
	KUNIT_EXPECT_EQ(test, kt_join(test, leaver), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, exit), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&reg->sub->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.keeper->releases), 1);
}

/*
 * A range still in flight at the exit blocks no leaver: its own end is ignored,
 * and all can leave.
 */
static void range_in_flight_at_exit_blocks_no_leaver(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *got = kt_get(test, mm, &life_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, 0x10000);
	struct kt_range *range = life_range(test, mm);

	kt_mm_kill(test, mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	kt_mm_exit(test, mm);
	/* The exit delivered the owed ends. */
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->ends), 1);
	kt_remove(interval);
	kt_put(got);
	kt_unregister(sub);
	mmun_notifier_synchronize();
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->frees), 1);
}

/*
 * At the exit each interval still inserted gets one RELEASE over everything, a
 * removed one none, and sections collide.
 */
static void exit_calls_one_release_per_interval(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *intervals[3];
	unsigned long seq[2];
	int i;

	intervals[0] = kt_insert(test, mm, FROM, TO - FROM);
	intervals[1] = kt_insert(test, mm, 0, ULONG_MAX);
	intervals[2] = kt_insert(test, mm, FROM, TO - FROM);
	kt_remove(intervals[2]);
	kt_mm_kill(test, mm);
	for (i = 0; i < 2; i++)
		seq[i] = kt_read_now(test, intervals[i]);
	kt_mm_exit(test, mm);

	for (i = 0; i < 2; i++) {
		struct mmun_notifier_range *last = &intervals[i]->last;

		KUNIT_EXPECT_EQ(test, atomic_read(&intervals[i]->releases), 1);
		KUNIT_EXPECT_EQ(test, (int)last->event,
				(int)MMUN_NOTIFY_RELEASE);
		KUNIT_EXPECT_PTR_EQ(test, last->mm, mm);
		KUNIT_EXPECT_EQ(test, last->start, 0UL);
		KUNIT_EXPECT_EQ(test, last->end, ULONG_MAX);
		KUNIT_EXPECT_TRUE(test, mmun_notifier_range_blockable(last));
		KUNIT_EXPECT_TRUE(test, intervals[i]->last_seq & 1);
		KUNIT_EXPECT_TRUE(test, kt_retry(intervals[i], seq[i]));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&intervals[2]->releases), 0);
	for (i = 0; i < 2; i++) {
		kt_remove_now(test, intervals[i]);
		KUNIT_EXPECT_EQ(test, atomic_read(&intervals[i]->releases), 1);
	}
}

/* An interval over the very last byte gets its RELEASE as any other. */
static void release_reaches_the_last_byte(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *last = kt_insert(test, mm, ULONG_MAX, 1);
	struct kt_interval *page = kt_insert(test, mm, ULONG_MAX - 0xfff,
					     0x1000);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&last->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&page->releases), 1);
}

/*
 * After the exit insert returns -ESRCH, read_begin does not sleep, ranges do
 * not call the interval, and remove works.
 */
static void intervals_work_after_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *late = kt_interval(test);
	struct kt_range *range;
	int ret;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);

	ret = mmun_interval_notifier_insert(&late->mni, mm, FROM, TO - FROM,
					    &kt_interval_ops);
	KUNIT_EXPECT_EQ(test, ret, -ESRCH);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, kt_read_now(test, interval)));

	range = kt_begin(test, mm, FROM, TO);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, kt_read_now(test, interval)));
	kt_end(range);
	kt_remove_now(test, interval);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&late->releases), 0);
}

/*
 * During the exit a remove waits for its own RELEASE callback; the remove of
 * another interval and an insert do not.
 */
static void remove_waits_for_its_own_release(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_interval *next = kt_insert(test, mm, TO, 0x1000);
	struct kt_interval *keep = kt_insert(test, mm, TO + 0x1000, 0x1000);
	struct kt_interval *late = kt_interval(test);
	struct kt_actor *remover, *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &interval->gate, mm, KT_EXIT, NULL);

	KUNIT_EXPECT_EQ(test, kt_try_insert(late, mm, 0, 1), -ESRCH);
	kt_remove_now(test, next);
	remover = kt_do(test, NULL, KT_REMOVE, interval);
	kt_assert_waits(test, keep, remover, 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, remover), 0);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&next->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&keep->releases), 1);
}

/*
 * The exit wakes a reader that waits for a range, though that range loses its
 * end.
 */
static void exit_wakes_readers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct mmun_kunit_state state;
	struct kt_range *range;
	struct kt_actor *reader;

	kt_mm_kill(test, mm);
	range = kt_begin(test, mm, FROM, TO);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);
	kt_mm_exit(test, mm);
	kt_join(test, reader);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	state = kt_state(interval);
	KUNIT_EXPECT_TRUE(test, state.closed);
	KUNIT_EXPECT_EQ(test, state.active, 0U);
	/* An end that comes after the exit is ignored. */
	kt_end(range);
	kt_remove_now(test, interval);
}

/* The same for an overflow range, when those with a slot are over. */
static void exit_wakes_readers_behind_overflow(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, FROM, TO - FROM);
	struct kt_actor *reader;

	kt_mm_kill(test, mm);
	overflow_only(test, kt_subs(interval), mm);
	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval, reader, 1);
	kt_mm_exit(test, mm);
	kt_join(test, reader);
	kt_remove_now(test, interval);
}

static struct kunit_case cases[] = {
	KT_CASE(09, exit_delivers_owed_ends_after_release),
	KT_CASE_PARAM(08, release_unregisters_others_in_exit, victim_gen_params),
	KT_CASE(08, exit_walk_skips_both_unregistered),
	KT_CASE_PARAM(08, subscribers_leave_after_exit_in_any_order, order_gen_params),
	KT_CASE(08, subscribers_leave_during_exit),
	KT_CASE(08, exit_passes_a_waiting_remove),
	KT_CASE(08, exit_passes_a_waiting_unregister),
	KT_CASE(08, exit_lets_waiting_register_and_get_succeed),
	KT_CASE(08, exit_fails_register_and_get_behind_overflow),
	KT_CASE(08, exit_frees_all_when_only_a_register_waits),
	KT_CASE(08, exit_wakes_blocked_register),
	KT_CASE(08, dying_mm_with_users_accepts_subscribers),
	KT_CASE(08, range_in_flight_at_exit_blocks_no_leaver),
	KT_CASE(18, exit_calls_one_release_per_interval),
	KT_CASE(18, release_reaches_the_last_byte),
	KT_CASE(18, intervals_work_after_exit),
	KT_CASE(18, remove_waits_for_its_own_release),
	KT_CASE(18, exit_wakes_readers),
	KT_CASE(18, exit_wakes_readers_behind_overflow),
	{}
};

struct kunit_suite mmun_exit_suite = {
	.name = "mmun_exit",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
