// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_deferred: call_srcu and synchronize.
 */

#include <linux/slab.h>

#include "life.h"

KT_NAMED_PARAM(every_place, life_places);

/*
 * kt_until() while one turns in give_back_slowly(): that keeps a CPU's timers
 * from expiring, and ours may be among them.
 */
#define run_until(condition)						\
({									\
	unsigned long run_deadline = jiffies + KT_TIMEOUT;		\
	bool run_true;							\
									\
	while (!(run_true = !!(condition)) &&				\
	       time_before(jiffies, run_deadline))			\
		cond_resched();						\
	run_true;							\
})

/*
 * The function of call_srcu runs after a callback of each kind that runs on any
 * mm, in a context that may not sleep.
 */
static void call_srcu_waits_for_callbacks_of_all_mms(struct kunit *test)
{
	const struct place_param *param = test->param_value;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	s.interval = kt_insert(test, s.mm, 0, 0x10000);
	life_block(test, &s, param->at);
	life_call_srcu(test);
	life_call_srcu(test);
	life_let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(s.actor));
	life_go_on(test, &s);
	KT_ASSERT_UNTIL(test, atomic_read(&life->funcs) == 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
}

/* How a range that finds no slot is kept. */
static const struct unslotted_param {
	const char *name;
	bool record;
} unslotteds[] = {
	{ "record", true },
	{ "overflow", false },
};

KT_NAMED_PARAM(unslotted, unslotteds);

/* The same for the start and the end of a range that finds no slot. */
static void call_srcu_waits_for_callbacks_without_slot(struct kunit *test)
{
	const struct unslotted_param *param = test->param_value;
	static const enum place at[] = { AT_START, AT_END };
	unsigned int i, slots;
	struct scene s;

	mmun_kunit_no_records = !param->record;
	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	slots = kt_state(s.subs).slots;
	for (i = 0; i < slots; i++)
		KUNIT_ASSERT_EQ(test, kt_start(life_range(test, s.mm)), 0);
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		life_block(test, &s, at[i]);
		KUNIT_EXPECT_EQ(test, kt_state(s.subs).records, (unsigned int)param->record);
		KUNIT_EXPECT_EQ(test, kt_state(s.subs).overflow, (unsigned int)!param->record);
		life_call_srcu(test);
		life_let_others_finish();
		KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), (int)i);
		life_go_on(test, &s);
		KT_ASSERT_UNTIL(test, atomic_read(&life->funcs) == (int)i + 1);
	}
}

/* The same for an owed end that runs in the task that leaves. */
static void call_srcu_waits_for_owed_end(struct kunit *test)
{
	struct kt_range *range;
	struct kt_actor *task;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &life_list_ops);
	range = life_range(test, s.mm);
	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	task = kt_do_to_gate(test, &s.sub->end, NULL, KT_UNREGISTER_NO_RELEASE, s.sub);
	life_call_srcu(test);
	life_let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	kt_gate_open(&s.sub->end);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, atomic_read(&life->funcs) == 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->ends), 1);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&s.sub->ends), 1);
}

/* The function is called once, also when no callback runs and none subscribes. */
static void call_srcu_calls_once(struct kunit *test)
{
	life_call_srcu(test);
	KT_ASSERT_UNTIL(test, atomic_read(&life->funcs));
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->sleepable), 0);
}

static void act_pass_gate(struct owned *owned)
{
	kt_gate_pass(&life->stop);
	owned->touched++;
}

/*
 * unregister_no_release and call_srcu while a callback runs: the memory is
 * freed after it.
 */
static void call_srcu_frees_after_no_release(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct owned *owned = owned_register(test, mm);
	struct kt_actor *task;

	owned->act = act_pass_gate;
	owned->act_at = AT_START;
	task = kt_do_to_gate(test, &life->stop, NULL, KT_START_END, life_range(test, mm));
	mmun_notifier_unregister_no_release(&owned->mn, mm);
	mmun_notifier_call_srcu(&owned->rcu, owned_free_rcu);
	life_let_others_finish();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	kt_gate_open(&life->stop);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&life->releases), 0);
}

/*
 * A function of call_srcu that still runs has not finished: synchronize waits
 * for its return.
 */
static void synchronize_waits_for_running_function(struct kunit *test)
{
	struct kt_actor *sync;

	life->hold = true;
	life_call_srcu(test);
	KUNIT_EXPECT_TRUE(test, run_until(atomic_read(&life->held)));
	sync = kt_do(test, NULL, KT_SYNCHRONIZE, &life->funcs);
	KUNIT_EXPECT_TRUE(test, run_until(kt_settled(sync)));
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	WRITE_ONCE(life->hold, false);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
}

static int call_srcu_there(void *arg)
{
	mmun_notifier_call_srcu(&life->call->rcu, life_func);
	return 0;
}

static int synchronize_past_gate(void *arg)
{
	kt_gate_pass(&life->stop);
	mmun_notifier_synchronize();
	return atomic_read(&life->funcs);
}

static bool marked;

static void mark(struct rcu_head *rcu)
{
	WRITE_ONCE(marked, true);
}

/*
 * The same for a function that runs on another processor, though a whole grace
 * period since the call is over.
 */
static void synchronize_waits_for_function_on_another_cpu(struct kunit *test)
{
	struct kt_actor *sync, *caller;
	static struct rcu_head head;
	unsigned int here, other;
	unsigned long slept;
	bool one_queue;
	int i;

	here = kt_first_cpu();
	other = cpumask_last(cpu_online_mask);
	if (other == here)
		kunit_skip(test, "there is one CPU only");

	life->call = kzalloc(sizeof(*life->call), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, life->call);
	kt_gate_close(&life->stop);
	sync = kt_prepare_call(test, synchronize_past_gate, NULL);
	sync->cpu = here;
	kt_go(sync);
	kt_gate_wait(test, &life->stop);

	life->hold = true;
	caller = kt_prepare_call(test, call_srcu_there, NULL);
	caller->cpu = other;
	KUNIT_EXPECT_EQ(test, kt_join(test, kt_go(caller)), 0);
	KUNIT_EXPECT_TRUE(test, run_until(atomic_read(&life->held)));
	/* A small SRCU domain has one queue, in which no function overtakes. */
	one_queue = life->held_on != other;
	if (!one_queue) {
		kt_pin(test);
		slept = READ_ONCE(sync->task->nvcsw);
		kt_gate_open(&life->stop);
		KUNIT_EXPECT_TRUE(test,
				  run_until(READ_ONCE(sync->task->nvcsw) !=
					    slept && kt_settled(sync)));
		/* A function queued here now runs after those of synchronize. */
		for (i = 0; i < 2; i++) {
			marked = false;
			mmun_notifier_call_srcu(&head, mark);
			KUNIT_EXPECT_TRUE(test, run_until(READ_ONCE(marked)));
		}
		for (i = 0; i < 2; i++) {
			slept = READ_ONCE(sync->task->nvcsw);
			wake_up_process(sync->task);
			KUNIT_EXPECT_TRUE(test,
					  run_until(!kt_running(sync) ||
						    READ_ONCE(sync->task->nvcsw)
						    != slept));
		}
		KUNIT_EXPECT_TRUE(test, kt_running(sync));
		KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	}
	WRITE_ONCE(life->hold, false);
	kt_gate_open(&life->stop);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
	if (one_queue)
		kt_skip_if_good(test, "the SRCU domain has one queue");
}

/*
 * A free_notifier that still runs has not finished: synchronize waits for its
 * return.
 */
static void synchronize_waits_for_running_free(struct kunit *test)
{
	struct kt_sub *sub = kt_get(test, kt_mm(test), &life_ops);
	struct kt_actor *sync;

	life->hold = true;
	kt_put(sub);
	KUNIT_EXPECT_TRUE(test, run_until(atomic_read(&life->held)));
	sync = kt_do(test, NULL, KT_SYNCHRONIZE, &sub->frees);
	KUNIT_EXPECT_TRUE(test, run_until(kt_settled(sync)));
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	WRITE_ONCE(life->hold, false);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
}

/* synchronize waits for a put whose free waits for a callback. */
static void synchronize_waits_for_put_behind_callback(struct kunit *test)
{
	struct kt_actor *sync;
	struct kt_sub *sub;
	struct scene s;

	life_stage(test, &s);
	s.sub = kt_get(test, s.mm, &life_ops);
	sub = s.sub;
	life_block(test, &s, AT_START);
	kt_put(sub);
	sync = kt_do(test, NULL, KT_SYNCHRONIZE, &sub->frees);
	kt_assert_sleeps(test, sync);
	life_let_others_finish();
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->frees), 0);
	KUNIT_EXPECT_EQ(test, life_go_on(test, &s), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, sync), 1);
}

/*
 * Two synchronize at once wait for a function that cannot run yet because a
 * callback runs.
 */
static void synchronize_waits_for_queued_function(struct kunit *test)
{
	struct kt_actor *syncs[2];
	struct scene s;
	int i;

	life_stage(test, &s);
	s.sub = kt_register(test, s.mm, &kt_range_ops);
	life_block(test, &s, AT_START);
	life_call_srcu(test);
	for (i = 0; i < ARRAY_SIZE(syncs); i++)
		syncs[i] = kt_do(test, NULL, KT_SYNCHRONIZE, &life->funcs);
	for (i = 0; i < ARRAY_SIZE(syncs); i++)
		kt_assert_sleeps(test, syncs[i]);
	life_let_others_finish();
	KUNIT_EXPECT_TRUE(test, kt_running(syncs[0]));
	KUNIT_EXPECT_TRUE(test, kt_running(syncs[1]));
	KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 0);
	life_go_on(test, &s);
	for (i = 0; i < ARRAY_SIZE(syncs); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, syncs[i]), 1);
}

/*
 * Everything that was queued before it, on several mms and of both kinds, is
 * done when synchronize returns; each time.
 */
static void synchronize_finishes_all_that_was_queued(struct kunit *test)
{
	struct mm_struct *mms[] = { kt_mm(test), kt_mm(test) };
	struct kt_sub *sub;
	int round, i;

	for (round = 1; round <= 5; round++) {
		for (i = 0; i < 6; i++) {
			sub = kt_get(test, mms[i & 1],
				     i & 2 ? &life_ops : &life_ops2);
			if (i >= 2)
				kt_put(sub);
			life_call_srcu(test);
		}
		/* Those of i == 0, 1 are the same notifiers as those of 4, 5. */
		for (i = 0; i < 2; i++) {
			sub = kt_get(test, mms[i], &life_ops2);
			kt_put(sub);
			kt_put(sub);
		}
		mmun_notifier_synchronize();
		KUNIT_EXPECT_EQ(test, atomic_read(&life->frees), 4 * round);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->allocs), 4 * round);
		KUNIT_EXPECT_EQ(test, atomic_read(&life->funcs), 6 * round);
	}
}

/*
 * synchronize does not wait for a put that comes while it waits; the next
 * synchronize does.
 */
static void synchronize_ignores_later_put(struct kunit *test)
{
	struct kt_actor *first, *second;
	struct scene s, t;

	life_stage(test, &s);
	life_stage(test, &t);
	s.sub = kt_get(test, s.mm, &life_ops);
	t.sub = kt_get(test, t.mm, &life_ops);
	life_block(test, &s, AT_END);
	life_block(test, &t, AT_END);
	kt_put(s.sub);
	first = kt_do(test, NULL, KT_SYNCHRONIZE, &s.sub->frees);
	kt_assert_sleeps(test, first);
	kt_put(t.sub);
	life_go_on(test, &s);
	KUNIT_EXPECT_EQ(test, kt_join(test, first), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&t.sub->frees), 0);

	second = kt_do(test, NULL, KT_SYNCHRONIZE, &t.sub->frees);
	kt_assert_sleeps(test, second);
	life_let_others_finish();
	KUNIT_EXPECT_TRUE(test, kt_running(second));
	life_go_on(test, &t);
	KUNIT_EXPECT_EQ(test, kt_join(test, second), 1);
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(04, call_srcu_waits_for_callbacks_of_all_mms, every_place_gen_params),
	KT_CASE_PARAM(04, call_srcu_waits_for_callbacks_without_slot, unslotted_gen_params),
	KT_CASE(04, call_srcu_waits_for_owed_end),
	KT_CASE(04, call_srcu_calls_once),
	KT_CASE(04, call_srcu_frees_after_no_release),
	KT_CASE(05, synchronize_waits_for_running_function),
	KT_CASE(05, synchronize_waits_for_function_on_another_cpu),
	KT_CASE(05, synchronize_waits_for_running_free),
	KT_CASE(05, synchronize_waits_for_put_behind_callback),
	KT_CASE(05, synchronize_waits_for_queued_function),
	KT_CASE(05, synchronize_finishes_all_that_was_queued),
	KT_CASE(05, synchronize_ignores_later_put),
	{}
};

struct kunit_suite mmun_deferred_suite = {
	.name = "mmun_deferred",
	.init = life_init,
	.exit = life_exit,
	.test_cases = cases,
};
