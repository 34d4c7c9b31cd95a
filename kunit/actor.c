// SPDX-License-Identifier: GPL-2.0-only
/* Actors, the tasks beside a case: see mmun_kunit.h. */

#include <linux/cpumask.h>
#include <linux/hw_breakpoint.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "kt_case.h"

static const char * const op_names[] = {
	[KT_START] = "start",
	[KT_END] = "end",
	[KT_START_END] = "start and end",
	[KT_REGISTER] = "register",
	[KT_UNREGISTER] = "unregister",
	[KT_UNREGISTER_NO_RELEASE] = "unregister_no_release",
	[KT_PUT] = "put",
	[KT_GET] = "get",
	[KT_INSERT] = "insert",
	[KT_REMOVE] = "remove",
	[KT_READ_BEGIN] = "read_begin",
	[KT_CLEAR_FLUSH_YOUNG] = "clear_flush_young",
	[KT_FLUSH_TLB] = "a flush of TLBs",
	[KT_EXIT] = "the exit",
	[KT_SYNCHRONIZE] = "synchronize",
	[KT_CALL] = "call",
};

static int start_end(struct kt_range *range)
{
	int ret = kt_start(range);

	if (!ret)
		kt_end(range);
	return ret;
}

static int get(struct kt_actor *actor)
{
	struct mmun_notifier *mn = mmun_notifier_get(actor->ops, actor->mm);

	if (IS_ERR(mn))
		return PTR_ERR(mn);
	actor->sub = kt_to_sub(mn);
	/* kt_exit() puts what the case has not put. */
	actor->sub->got = true;
	return 0;
}

static int read_begin(struct kt_actor *actor)
{
	struct mmun_kunit_state state;

	actor->seq = mmun_interval_read_begin(&actor->interval->mni);
	state = kt_state(actor->interval);
	actor->in_flight = state.invalidating;
	return 0;
}

static int perform(struct kt_actor *actor)
{
	switch (actor->op) {
	case KT_START:
		return kt_start(actor->range);
	case KT_END:
		kt_end(actor->range);
		return 0;
	case KT_START_END:
		return start_end(actor->range);
	case KT_REGISTER:
		return kt_try_register(actor->sub, actor->mm);
	case KT_UNREGISTER:
		kt_unregister(actor->sub);
		return atomic_read(&actor->sub->inside);
	case KT_UNREGISTER_NO_RELEASE:
		kt_unregister_no_release(actor->sub);
		return 0;
	case KT_PUT:
		kt_put(actor->sub);
		return 0;
	case KT_GET:
		return get(actor);
	case KT_INSERT:
		return kt_try_insert(actor->interval, actor->mm,
				     actor->interval->start,
				     actor->interval->length);
	case KT_REMOVE:
		kt_remove(actor->interval);
		return atomic_read(&actor->interval->inside);
	case KT_READ_BEGIN:
		return read_begin(actor);
	case KT_CLEAR_FLUSH_YOUNG:
		return mmun_kunit_clear_flush_young(actor->mm, 0, PAGE_SIZE);
	case KT_FLUSH_TLB:
		mmun_kunit_flush_tlb(actor->mm, 0, PAGE_SIZE);
		return 0;
	case KT_EXIT:
		kt_mm_exit(actor->test, actor->mm);
		return 0;
	case KT_SYNCHRONIZE:
		mmun_notifier_synchronize();
		return atomic_read(actor->counter);
	case KT_CALL:
		return actor->fn(actor->arg);
	}
	return -EINVAL;
}

static int prepare_task(struct kt_actor *actor)
{
	int ret = 0;

	allow_signal(SIGKILL);
	if (actor->cpu >= 0)
		ret = set_cpus_allowed_ptr(current, cpumask_of(actor->cpu));
	if (!ret && actor->first)
		sched_set_fifo(current);
	if (!ret && actor->watch)
		ret = kt_watch(actor->watch, actor->word);
	return ret;
}

static int actor_thread(void *data)
{
	struct kt_actor *actor = data;
	unsigned int i;

	if (actor->use_mm)
		kthread_use_mm(actor->use_mm);
	actor->ret = prepare_task(actor);
	if (!actor->ret) {
		for (i = 0; !actor->ret && i < actor->times; i++) {
			actor->ret = perform(actor);
			cond_resched();
		}
		if (actor->watch)
			kt_unwatch(actor->watch);
	}
	if (actor->use_mm)
		kthread_unuse_mm(actor->use_mm);
	flush_signals(current);
	complete_all(&actor->done);
	return 0;
}

static struct kt_actor *new_actor(struct kunit *test, enum kt_op op)
{
	struct kt_actor *actor = kt_new(test, sizeof(*actor));

	actor->test = test;
	actor->op = op;
	strscpy(actor->name, op_names[op], sizeof(actor->name));
	actor->cpu = -1;
	actor->times = 1;
	init_completion(&actor->done);
	return actor;
}

struct kt_actor *kt_prepare_typed(struct kunit *test, struct mm_struct *mm,
				  enum kt_op op, unsigned long allowed,
				  const void *object)
{
	const unsigned long with_mm = BIT(KT_REGISTER) | BIT(KT_GET) |
				      BIT(KT_INSERT) | BIT(KT_FLUSH_TLB) |
				      BIT(KT_CLEAR_FLUSH_YOUNG) | BIT(KT_EXIT);
	struct kt_actor *actor = new_actor(test, op);

	KUNIT_ASSERT_TRUE_MSG(test, allowed & BIT(op),
			      "%s of an object of another type", op_names[op]);
	KUNIT_ASSERT_TRUE_MSG(test, mm || !(with_mm & BIT(op)),
			      "%s without an mm", op_names[op]);
	actor->mm = mm;
	/* The members of the union are pointers, and @allowed names the one. */
	if (op == KT_GET)
		actor->ops = object;
	else
		actor->range = (void *)object;
	return actor;
}

struct kt_actor *kt_prepare_call(struct kunit *test, int (*fn)(void *arg),
				 void *arg)
{
	struct kt_actor *actor = new_actor(test, KT_CALL);

	actor->fn = fn;
	actor->arg = arg;
	snprintf(actor->name, sizeof(actor->name), "%ps", fn);
	return actor;
}

struct kt_actor *kt_go(struct kt_actor *actor)
{
	struct kunit *test = actor->test;
	struct task_struct *task;

	task = kthread_create(actor_thread, actor, "mmun_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	actor->task = task;
	kt_keep(test, &actor->node, &kt_case->actors);
	wake_up_process(task);
	return actor;
}

struct kt_actor *kt_go_to_gate(struct kt_actor *actor, struct kt_gate *gate)
{
	kt_gate_close(gate);
	kt_go(actor);
	kt_gate_wait(actor->test, gate);
	return actor;
}

int kt_go_and_join(struct kt_actor *actor)
{
	return kt_join(actor->test, kt_go(actor));
}

struct kt_actor *kt_run_mm(struct kunit *test, struct mm_struct *mm,
			   int (*fn)(void *arg), void *arg)
{
	struct kt_actor *actor = kt_prepare_call(test, fn, arg);

	actor->use_mm = mm;
	return kt_go(actor);
}

struct kt_actor *kt_run(struct kunit *test, int (*fn)(void *arg), void *arg)
{
	return kt_go(kt_prepare_call(test, fn, arg));
}

void kt_kill(struct kt_actor *actor)
{
	send_sig(SIGKILL, actor->task, 1);
}

bool kt_running(struct kt_actor *actor)
{
	return !completion_done(&actor->done);
}

static bool join(struct kt_actor *actor)
{
	if (!wait_for_completion_timeout(&actor->done, KT_TIMEOUT))
		return false;
	if (!actor->joined) {
		/* It must have left our text, too: the module may be unloaded. */
		kthread_stop(actor->task);
		put_task_struct(actor->task);
	}
	actor->joined = true;
	return true;
}

int kt_join(struct kunit *test, struct kt_actor *actor)
{
	KUNIT_ASSERT_TRUE_MSG(test, join(actor), "%s does not return",
			      actor->name);
	return actor->ret;
}

void kt_join_all(struct kunit *test)
{
	struct kt_actor *actor;

	list_for_each_entry(actor, &kt_case->actors, node) {
		if (join(actor))
			continue;
		/* It uses memory of the case: rather hang here than free that. */
		KUNIT_FAIL(test, "%s does not return", actor->name);
		wait_for_completion(&actor->done);
		join(actor);
	}
}

/* --- where an actor sleeps --- */

void kt_nudge(struct kunit *test, struct kt_actor *actor)
{
	unsigned long slept;
	int i;

	/* Twice: the first time it may only be on its way to sleep. */
	for (i = 0; i < 2; i++) {
		slept = READ_ONCE(actor->task->nvcsw);
		wake_up_process(actor->task);
		KT_ASSERT_UNTIL(test, !kt_running(actor) ||
				READ_ONCE(actor->task->nvcsw) != slept);
	}
}

void kt_assert_waits_in(struct kunit *test, struct mmun_subscriptions *subs,
			struct kt_actor *actor, unsigned int n)
{
	KT_ASSERT_UNTIL(test, !kt_running(actor) || kt_waiters(subs) == n);
	KUNIT_ASSERT_TRUE_MSG(test, kt_running(actor), "%s has not waited",
			      actor->name);
	kt_nudge(test, actor);
	KUNIT_ASSERT_TRUE_MSG(test, kt_running(actor), "%s does not wait",
			      actor->name);
}

bool kt_settled(struct kt_actor *actor)
{
	return !kt_running(actor) ||
	       (READ_ONCE(actor->task->__state) & TASK_UNINTERRUPTIBLE);
}

void kt_assert_sleeps(struct kunit *test, struct kt_actor *actor)
{
	KT_ASSERT_UNTIL(test, kt_settled(actor));
	KUNIT_ASSERT_TRUE_MSG(test, kt_running(actor), "%s does not sleep",
			      actor->name);
}

/* --- short forms --- */

struct kt_actor *kt_register_beside(struct kunit *test, struct mm_struct *mm)
{
	struct kt_sub *sub = kt_logged(kt_sub(test, &kt_range_ops));

	return kt_do(test, mm, KT_REGISTER, sub);
}

void kt_insert_now(struct kunit *test, struct mm_struct *mm,
		   struct kt_interval *interval, unsigned long start,
		   unsigned long length)
{
	interval->start = start;
	interval->length = length;
	KUNIT_ASSERT_EQ(test, kt_do_now(test, mm, KT_INSERT, interval), 0);
}

void kt_remove_now(struct kunit *test, struct kt_interval *interval)
{
	KUNIT_EXPECT_EQ(test, kt_do_now(test, NULL, KT_REMOVE, interval), 0);
}

unsigned long kt_read_now(struct kunit *test, struct kt_interval *interval)
{
	struct kt_actor *reader = kt_do(test, NULL, KT_READ_BEGIN, interval);

	kt_join(test, reader);
	return reader->seq;
}

bool kt_read_collides(struct kunit *test, struct kt_interval *interval)
{
	return kt_retry(interval, kt_read_now(test, interval));
}

const struct kt_way kt_ways[3] = {
	{ "unregister", KT_UNREGISTER },
	{ "unregister_no_release", KT_UNREGISTER_NO_RELEASE },
	{ "put", KT_PUT },
};

enum kt_op kt_way_of(struct kunit *test)
{
	return ((const struct kt_way *)test->param_value)->op;
}

struct kt_sub *kt_join_for_way(struct kunit *test, struct mm_struct *mm)
{
	if (kt_way_of(test) == KT_PUT)
		return kt_logged(kt_get(test, mm, &kt_get_ops));
	return kt_register_logged(test, mm);
}

void kt_leave(struct kunit *test, struct kt_sub *sub, enum kt_op way)
{
	struct kt_actor here = { .op = way, .sub = sub };

	KUNIT_EXPECT_EQ(test, perform(&here), 0);
}

void kt_assert_way_waits(struct kunit *test, struct mmun_subscriptions *subs,
			 struct kt_actor *leaver)
{
	if (kt_way_of(test) == KT_UNREGISTER)
		kt_assert_waits(test, subs, leaver, 1);
	else
		kt_join(test, leaver);
}

void kt_await_way_frees(struct kunit *test, struct kt_sub *sub)
{
	if (kt_way_of(test) == KT_PUT)
		KT_ASSERT_UNTIL(test, kt_frees(sub));
}

const struct kt_block kt_blocks[2] = {
	{ "blockable", true },
	{ "not blockable", false },
};

bool kt_block_of(struct kunit *test)
{
	return ((const struct kt_block *)test->param_value)->blockable;
}

/* --- watches --- */

/* Elsewhere a breakpoint on data stops before the access. */
#if defined(CONFIG_HAVE_HW_BREAKPOINT) && defined(CONFIG_X86)
static void watch_hit(struct perf_event *event, struct perf_sample_data *data,
		      struct pt_regs *regs)
{
	struct kt_watch *watch = event->overflow_handler_context;

	if (watch->since && !READ_ONCE(*watch->since))
		return;
	if (!watch->hits++)
		watch->fn(watch);
}

int kt_watch(struct kt_watch *watch, const void *word)
{
	struct perf_event_attr attr;
	struct perf_event *event;

	hw_breakpoint_init(&attr);
	attr.bp_addr = (unsigned long)word;
	attr.bp_len = HW_BREAKPOINT_LEN_4;
	attr.bp_type = HW_BREAKPOINT_RW;
	event = register_user_hw_breakpoint(&attr, watch_hit, watch, current);
	if (IS_ERR_OR_NULL(event))
		return -EOPNOTSUPP;
	watch->event = event;
	return 0;
}

void kt_unwatch(struct kt_watch *watch)
{
	unregister_hw_breakpoint(watch->event);
}
#else
int kt_watch(struct kt_watch *watch, const void *word)
{
	return -EOPNOTSUPP;
}

void kt_unwatch(struct kt_watch *watch)
{
}
#endif

unsigned int kt_pin(struct kunit *test)
{
	unsigned int here = kt_first_cpu();

	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(here)), 0);
	return here;
}

bool kt_two_cpus(struct kunit *test, unsigned int *other)
{
	*other = cpumask_last(cpu_online_mask);
	return *other != kt_pin(test);
}
