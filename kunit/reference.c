// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_reference: what a subscriber holds, and that nothing stays when it
 * has left.
 */

#include <linux/mmap_lock.h>
#include <linux/oom.h>

#include "life.h"

/* Each subscriber holds mm_count once, and none holds mm_users. */
static void subscriber_holds_mm_count_only(struct kunit *test)
{
	struct kt_interval *interval;
	struct kt_sub *sub, *got;
	struct scene s;
	int users, count;

	s.mm = life_mm(test);
	users = atomic_read(&s.mm->mm_users);
	s.keeper = kt_register(test, s.mm, &life_list_ops);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.mm->mm_users), users);
	count = life_mm_count(s.mm);

	sub = kt_register(test, s.mm, &kt_range_ops);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), count + 1);
	got = kt_get(test, s.mm, &life_ops);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), count + 2);
	interval = kt_insert(test, s.mm, 0, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), count + 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.mm->mm_users), users);

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), count + 2);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), count + 1);
	kt_put(got);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), count);
	sub = kt_register(test, s.mm, &kt_range_ops);
	kt_unregister_no_release(sub);
	KUNIT_EXPECT_EQ(test, life_mm_count(s.mm), count);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.mm->mm_users), users);
}

static void release_notes_mm(struct mmun_notifier *mn, struct mm_struct *mm)
{
	life->released_mm = mm;
}

static const struct mmun_notifier_ops notes_mm_ops = { .release = release_notes_mm };

/*
 * A subscriber that leaves with another mm than it registered with, as a driver
 * does that takes current->mm in the last close of an inherited file, drops its
 * own reference and no other.
 */
static void unregister_with_wrong_mm_drops_its_own(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test), *other = life_mm(test);
	struct kt_sub *keeper = kt_register(test, mm, &life_list_ops);
	struct kt_sub *sub = kt_register(test, mm, &notes_mm_ops);
	int count = life_mm_count(mm);

	mmun_kunit_warnings();
	sub->registered = false;
	mmun_notifier_unregister(&sub->mn, other);
	KUNIT_EXPECT_PTR_EQ(test, life->released_mm, mm);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count - 1);
	KUNIT_EXPECT_EQ(test, life_mm_count(other), FRESH_COUNT);

	sub = kt_register(test, mm, &notes_mm_ops);
	sub->registered = false;
	mmun_notifier_unregister_no_release(&sub->mn, other);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count - 1);
	KUNIT_EXPECT_EQ(test, life_mm_count(other), FRESH_COUNT);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 1U);

	kt_unregister(keeper);
	KUNIT_EXPECT_EQ(test, mmun_kunit_warnings(), 0U);
}

/*
 * The exit comes with subscribers there; the mm_struct stays until each of them
 * has left.
 */
static void mm_struct_outlives_the_exit(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *got = kt_get(test, mm, &kt_get_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGE_SIZE);
	const int count = 4 + 1 + 1;

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	/*
	 * Four subscribers, their common state, and the case. The kernel drops
	 * those of the bridges after a grace period.
	 */
	life_assert_mm_count(test, mm, count);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.mm, mm);

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count - 1);
	kt_unregister_no_release(sub2);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count - 2);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count - 3);
	kt_put(got);
	mmun_notifier_synchronize();
	/* The last of them frees the state, too. */
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count - 5);
}

static void expect_all_refused(struct kunit *test, struct mm_struct *mm)
{
	struct kt_sub *sub = kt_sub(test, &life_list_ops);
	struct kt_interval *interval = kt_interval(test);
	int allocs = atomic_read(&life->allocs);
	int frees = atomic_read(&life->frees);
	int count = life_mm_count(mm);

	KUNIT_EXPECT_EQ(test, mmun_notifier_register(&sub->mn, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR_OR_ZERO(mmun_notifier_get(&life_ops, mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm, 0,
						      PAGE_SIZE,
						      &kt_interval_ops),
			-ESRCH);
	mmap_write_lock(mm);
	KUNIT_EXPECT_EQ(test, __mmun_notifier_register(&sub->mn, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR_OR_ZERO(mmun_notifier_get_locked(&life_ops,
								 mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert_locked(&interval->mni, mm,
							     0, PAGE_SIZE,
							     &kt_interval_ops),
			-ESRCH);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), allocs + 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), frees + 2);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count);
}

/*
 * On a mm without users every way to subscribe fails with -ESRCH and leaves
 * nothing.
 */
static void dead_mm_refuses_every_subscription(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	expect_all_refused(test, mm);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0U);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
}

/*
 * The same while a subscriber from before the exit is still there, and inside
 * its release.
 */
static void exiting_mm_refuses_every_subscription(struct kunit *test)
{
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	life_block(test, &s, AT_RELEASE);
	expect_all_refused(test, s.mm);
	life_go_on(test, &s);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	/* Two subscribers, their common state, and the case. */
	life_assert_mm_count(test, s.mm, 4);
	expect_all_refused(test, s.mm);
	kt_unregister(s.sub);
	kt_unregister(s.keeper);
	expect_all_refused(test, s.mm);
}

/*
 * While the exit is in a release a get does not find the notifier of an earlier
 * get either.
 */
static void get_during_exit_is_refused(struct kunit *test)
{
	struct kt_sub *got;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	got = kt_get(test, s.mm, &kt_get_ops);
	life_block(test, &s, AT_RELEASE);
	KUNIT_EXPECT_EQ(test,
			PTR_ERR_OR_ZERO(mmun_notifier_get(&kt_get_ops, s.mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test, kt_users(got), 1U);
	life_go_on(test, &s);
	kt_put(got);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&got->frees), 1);
}

struct kind_param {
	const char *name;
	const struct mmun_notifier_ops *ops;	/* NULL: an interval */
	bool get;
	bool no_release;
};

static const struct kind_param kinds[] = {
	{ "register", &kt_range_ops },
	{ "no release", &kt_range_ops, .no_release = true },
	{ "young", &kt_young_ops },
	{ "TLB", &kt_tlb_ops },
	{ "all ops", &life_list_ops },
	{ "get", &life_ops, .get = true },
	{ "interval", NULL },
};

KT_NAMED_PARAM(kind, kinds);

/*
 * When the last subscriber of any kind has left, the bridge stays and the next one
 * finds it; what rmmod does then leaves nothing, though the process lives.
 */
static void bridge_stays_until_it_is_cut_off(struct kunit *test)
{
	const struct kind_param *param = test->param_value;
	struct mmun_subscriptions *subs = NULL, *found;
	struct mm_struct *mm = life_mm(test);
	struct kt_interval *interval = NULL;
	int before = life_mm_count(mm);
	struct kt_sub *sub = NULL;
	int round;

	for (round = 0; round < 3; round++) {
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		if (!param->ops) {
			interval = kt_insert(test, mm, 0, PAGE_SIZE);
			found = interval->mni.priv.subs;
		} else if (param->get) {
			sub = kt_get(test, mm, param->ops);
			kt_get(test, mm, param->ops);
			found = sub->mn.priv.subs;
		} else {
			sub = kt_register(test, mm, param->ops);
			found = sub->mn.priv.subs;
		}
		if (round)
			KUNIT_EXPECT_PTR_EQ(test, found, subs);
		subs = found;
		KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
		KUNIT_EXPECT_GE(test, mmun_kunit_attached(), 2U);
		KUNIT_EXPECT_GT(test, life_mm_count(mm), before);

		if (!param->ops) {
			kt_remove(interval);
		} else if (param->get) {
			kt_put(sub);
			KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
			kt_put(sub);
		} else if (param->no_release) {
			kt_unregister_no_release(sub);
		} else {
			kt_unregister(sub);
		}
		mmun_notifier_synchronize();
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		/* Of the bridge, the parts that all subscribers need. */
		KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	}
	kt_cut_off(test, mm);
	life_assert_mm_count(test, mm, before);
	KUNIT_EXPECT_GT(test, atomic_read(&mm->mm_users), 1);
}

/* The bridge that stayed leaves with the exit, and holds the mm_struct no longer. */
static void exit_takes_the_bridge_without_subscribers(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);

	kt_unregister(kt_register(test, mm, &life_list_ops));
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	life_assert_mm_count(test, mm, FRESH_COUNT - 1);
}

/*
 * While one of several subscribers is left the bridge stays, and real events
 * come through it.
 */
static void bridge_stays_while_one_is_left(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, ULONG_MAX);
	unsigned long at = kt_mmap(test, mm, PAGE_SIZE);
	int before;

	kt_unregister(sub);
	kt_unregister(sub2);
	mmun_notifier_synchronize();
	before = atomic_read(&interval->invalidates);
	KUNIT_EXPECT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&interval->invalidates), before);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
}

/*
 * Subscriptions of any kind that come after all others have left find the same
 * bridge, and it works.
 */
static void later_subscriptions_find_the_same_bridge(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_subscriptions *subs = sub->mn.priv.subs;
	struct kt_interval *interval;
	unsigned long at;
	int i;

	kt_unregister(sub);
	for (i = 0; i < 5; i++) {
		KUNIT_ASSERT_EQ(test, kt_try_register(sub, mm), 0);
		KUNIT_EXPECT_PTR_EQ(test, sub->mn.priv.subs, subs);
		at = kt_mmap(test, mm, PAGE_SIZE);
		atomic_set(&sub->starts, 0);
		atomic_set(&sub->ends, 0);
		KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
		KUNIT_EXPECT_GT(test, kt_starts(sub), 0);
		KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
		kt_unregister(sub);
	}

	sub = kt_get(test, mm, &kt_get_ops);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.priv.subs, subs);
	at = kt_mmap(test, mm, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	KUNIT_EXPECT_GT(test, kt_starts(sub), 0);
	kt_put(sub);
	mmun_notifier_synchronize();

	interval = kt_insert(test, mm, 0, ULONG_MAX);
	KUNIT_EXPECT_PTR_EQ(test, interval->mni.priv.subs, subs);
	at = kt_mmap(test, mm, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	KUNIT_EXPECT_GT(test, kt_invalidates(interval), 0);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2U);
}

/* A task that holds the mmap lock for reading. */
struct reader_of_mmap {
	struct mm_struct *mm;
	struct kt_gate gate;
};

static int hold_mmap_lock(void *arg)
{
	struct reader_of_mmap *reader = arg;

	mmap_read_lock(reader->mm);
	kt_gate_pass(&reader->gate);
	mmap_read_unlock(reader->mm);
	return 0;
}

static int insert_under_mmap_lock(void *arg)
{
	struct kt_interval *interval = arg;
	struct mm_struct *mm = interval->mni.mm;
	int ret;

	mmap_read_lock(mm);
	ret = kt_try_insert(interval, mm, FROM, TO - FROM);
	mmap_read_unlock(mm);
	return ret;
}

/* The step that has succeeded on the mm before the insert. */
static const struct prepare_param {
	const char *name;
	bool subscribe;
	bool locked;
} prepares[] = {
	{ "all have left", true, false },
	{ "register of NULL", false, false },
	{ "register of NULL, locked", false, true },
};

KT_NAMED_PARAM(prepare, prepares);

static int prepare_mm(struct mm_struct *mm, bool locked)
{
	int ret;

	if (!locked)
		return mmun_notifier_register(NULL, mm);
	mmap_write_lock(mm);
	ret = __mmun_notifier_register(NULL, mm);
	mmap_write_unlock(mm);
	return ret;
}

/*
 * Once the mm was subscribed to, or prepared, an insert never takes the mmap lock:
 * it works when another task holds that for reading, and under it, held for reading
 * by the task that inserts.
 */
static void insert_works_under_the_mmap_lock(struct kunit *test)
{
	const struct prepare_param *param = test->param_value;
	struct reader_of_mmap *reader = kt_new(test, sizeof(*reader));
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_interval(test);
	struct kt_interval *under = kt_interval(test);
	struct kt_actor *task, *inserter;

	if (param->subscribe)
		kt_unregister(kt_register(test, mm, &kt_range_ops));
	else
		KUNIT_ASSERT_EQ(test, prepare_mm(mm, param->locked), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));

	reader->mm = mm;
	kt_gate_init(test, &reader->gate);
	task = kt_go_to_gate(kt_prepare_call(test, hold_mmap_lock, reader), &reader->gate);
	kt_insert_now(test, mm, interval, FROM, TO - FROM);
	/* insert sets it again. */
	under->mni.mm = mm;
	inserter = kt_run(test, insert_under_mmap_lock, under);
	KUNIT_EXPECT_EQ(test, kt_join(test, inserter), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_end(kt_begin(test, mm, FROM, TO));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(under), 1);
	kt_gate_open(&reader->gate);
	kt_join(test, task);
}

/*
 * register(NULL) makes the mm ready and subscribes nobody: it holds no mm_users, a
 * second one changes nothing, and subscriptions find what it made.
 */
static void register_of_null_prepares_only(struct kunit *test)
{
	struct mm_struct *mm = life_mm(test);
	int users = atomic_read(&mm->mm_users), count;
	struct mmun_subscriptions *subs;
	struct kt_interval *interval;
	int i;

	KUNIT_ASSERT_EQ(test, prepare_mm(mm, false), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2U);
	count = life_mm_count(mm);
	for (i = 0; i < 4; i++) {
		KUNIT_EXPECT_EQ(test, prepare_mm(mm, i & 1), 0);
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), users);
		KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2U);
		KUNIT_EXPECT_EQ(test, life_mm_count(mm), count);
	}

	interval = kt_insert(test, mm, 0, PAGE_SIZE);
	subs = interval->mni.priv.subs;
	KUNIT_EXPECT_EQ(test, kt_state(subs).users, 1U);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, life_mm_count(mm), count);
	kt_cut_off(test, mm);
	life_assert_mm_count(test, mm, FRESH_COUNT);

	/* After the exit it fails as a subscription does. */
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, prepare_mm(mm, false), -ESRCH);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0U);
}

/* When the bridge was cut off while the mm lives, the next subscription makes one. */
static void subscription_after_cut_off_attaches_again(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	unsigned long at;

	kt_unregister(sub);
	kt_cut_off(test, mm);
	KUNIT_ASSERT_EQ(test, kt_try_register(sub, mm), 0);
	at = kt_mmap(test, mm, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	KUNIT_EXPECT_GT(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), kt_starts(sub));
}

/*
 * After the exit everything is detached, though subscribers have not left yet.
 */
static void exit_detaches_before_all_have_left(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &life_list_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGE_SIZE);

	KUNIT_EXPECT_GE(test, mmun_kunit_attached(), 4U);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_TRUE(test, kt_state(sub->mn.priv.subs).closed);
	KUNIT_EXPECT_EQ(test, kt_state(sub->mn.priv.subs).users, 2U);
	kt_unregister(sub);
	kt_remove(interval);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0U);
}

static void marked_mm(struct kunit *test, bool leave_first)
{
	struct mm_struct *mm = life_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &life_list_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGE_SIZE);

	mm_flags_set(MMF_UNSTABLE, mm);
	if (leave_first) {
		kt_unregister(sub);
		kt_remove(interval);
		/* The list notifiers go; what is left waits for the exit. */
		KT_ASSERT_UNTIL(test, mmun_kunit_attached() <= 2);
	}
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	if (!leave_first) {
		kt_unregister(sub);
		kt_remove(interval);
	}
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	life_assert_mm_count(test, mm, FRESH_COUNT - 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), !leave_first);
}

/*
 * In a process that the OOM killer has marked, other notifiers may have refused
 * ranges. If none did, the exit gives everything back, whether the subscribers
 * leave before it or after.
 */
static void unstable_mm_without_refusal_is_detached(struct kunit *test)
{
	marked_mm(test, true);
	marked_mm(test, false);
}

struct sweep_param {
	const char *name;
	enum kt_op how;
	const struct mmun_notifier_ops *ops;
	bool bridged;			/* the mm has a subscriber already */
	int least;			/* so many allocations are mmun's own */
};

static const struct sweep_param sweeps[] = {
	{ "register", KT_REGISTER, &kt_range_ops, false, 2 },
	{ "get", KT_GET, &life_ops, false, 5 },
	{ "insert", KT_INSERT, NULL, false, 2 },
	{ "young", KT_REGISTER, &kt_young_ops, false, 3 },
	{ "TLB", KT_REGISTER, &kt_tlb_ops, false, 3 },
	{ "young on a bridge", KT_REGISTER, &kt_young_ops, true, 1 },
	{ "TLB on a bridge", KT_REGISTER, &kt_tlb_ops, true, 1 },
	{ "get on a bridge", KT_GET, &life_ops, true, 3 },
};

KT_NAMED_PARAM(sweep, sweeps);

/* Returns the count that was left. */
static unsigned int set_fail_nth(unsigned int nth)
{
	unsigned int left = 0;

#ifdef CONFIG_FAULT_INJECTION
	left = current->fail_nth;
	current->fail_nth = nth;
#endif
	return left;
}

static int sweep_join(const struct sweep_param *param, struct mm_struct *mm,
		      struct kt_sub *sub, struct kt_interval *interval)
{
	int ret;

	switch (param->how) {
	case KT_REGISTER:
		return kt_try_register(sub, mm);
	case KT_GET:
		life->spare = sub;
		ret = PTR_ERR_OR_ZERO(mmun_notifier_get(param->ops, mm));
		sub->got = !ret;
		return ret;
	default:
		return kt_try_insert(interval, mm, 0, PAGE_SIZE);
	}
}

static bool has_extra_bridges(struct mmun_subscriptions *subs)
{
	struct mmun_kunit_state state = kt_state(subs);

	return state.young || state.tlb;
}

/* Nothing is left of the subscription that failed, but perhaps the bridge. */
static void swept_clean(struct kunit *test, const struct sweep_param *param,
			struct mm_struct *mm, struct kt_sub *keeper)
{
	if (param->bridged) {
		KT_ASSERT_UNTIL(test, !has_extra_bridges(keeper->mn.priv.subs));
		KUNIT_EXPECT_EQ(test, kt_state(keeper->mn.priv.subs).users, 1U);
	} else {
		kt_cut_off(test, mm);
	}
}

/*
 * Each allocation of a subscription fails in turn: -ENOMEM, nothing stays, get
 * gives the notifier back, and the next try works.
 */
static void each_failed_allocation_leaves_nothing(struct kunit *test)
{
	const struct sweep_param *param = test->param_value;
	struct kt_sub *sub, *keeper = NULL;
	struct kt_interval *interval;
	struct mm_struct *mm = NULL;
	unsigned int nth, left;
	int ret, before, failed = 0;
	bool no_counts;

	if (!IS_ENABLED(CONFIG_FAILSLAB))
		kunit_skip(test, "the kernel has no CONFIG_FAILSLAB");

	if (param->bridged) {
		mm = life_mm(test);
		keeper = kt_register(test, mm, &kt_range_ops);
	}
	/* First the allocation that fault injection does not reach. */
	for (nth = param->how == KT_GET ? 0 : 1, left = 0; !left; nth++) {
		KUNIT_ASSERT_LT(test, nth, 100U);
		no_counts = !nth;
		/* A new mm, for which the kernel's notifier must allocate, too. */
		if (!param->bridged)
			mm = life_mm(test);
		sub = kt_sub(test, param->ops);
		interval = kt_interval(test);
		before = life_mm_count(mm);

		mmun_kunit_no_counts = no_counts;
		set_fail_nth(nth);
		ret = sweep_join(param, mm, sub, interval);
		left = set_fail_nth(0);
		mmun_kunit_no_counts = false;
		KUNIT_EXPECT_FALSE(test, no_counts && !ret);

		if (ret) {
			failed++;
			KUNIT_EXPECT_EQ(test, ret, -ENOMEM);
			KUNIT_EXPECT_EQ(test, left, 0U);
			KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
					atomic_read(&life->allocs));
			swept_clean(test, param, mm, keeper);
			life_assert_mm_count(test, mm, before);
			ret = sweep_join(param, mm, sub, interval);
		}
		KUNIT_ASSERT_EQ_MSG(test, ret, 0, "the %uth failed", nth);

		if (param->how == KT_REGISTER)
			kt_unregister(sub);
		else if (param->how == KT_GET)
			kt_put(sub);
		else
			kt_remove(interval);
		mmun_notifier_synchronize();
		swept_clean(test, param, mm, keeper);
		life_assert_mm_count(test, mm, before);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->frees),
				atomic_read(&life->allocs));
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases),
				param->ops == &kt_range_ops ? 1 : 0);
	}
	KUNIT_EXPECT_GE(test, failed, param->least);
}

static struct kunit_case cases[] = {
	KT_CASE(06, subscriber_holds_mm_count_only),
	KT_CASE(06, unregister_with_wrong_mm_drops_its_own),
	KT_CASE(06, mm_struct_outlives_the_exit),
	KT_CASE(06, dead_mm_refuses_every_subscription),
	KT_CASE(06, exiting_mm_refuses_every_subscription),
	KT_CASE(06, get_during_exit_is_refused),
	KT_CASE_PARAM(07, bridge_stays_until_it_is_cut_off, kind_gen_params),
	KT_CASE(07, exit_takes_the_bridge_without_subscribers),
	KT_CASE(07, bridge_stays_while_one_is_left),
	KT_CASE(19, later_subscriptions_find_the_same_bridge),
	KT_CASE_PARAM(21, insert_works_under_the_mmap_lock, prepare_gen_params),
	KT_CASE(21, register_of_null_prepares_only),
	KT_CASE(07, subscription_after_cut_off_attaches_again),
	KT_CASE(07, exit_detaches_before_all_have_left),
	KT_CASE(07, unstable_mm_without_refusal_is_detached),
	KT_CASE_PARAM(00, each_failed_allocation_leaves_nothing, sweep_gen_params),
	{}
};

struct kunit_suite mmun_reference_suite = {
	.name = "mmun_reference",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
