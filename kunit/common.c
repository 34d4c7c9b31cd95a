// SPDX-License-Identifier: GPL-2.0-only
/* What the suites share: see mmun_kunit.h. */

#include <linux/cpumask.h>
#include <linux/hw_breakpoint.h>
#include <linux/kmod.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmun_kunit.h"

/* A process whose only purpose is its address space. */
struct kt_process {
	struct list_head node;
	struct task_struct *task;
	struct mm_struct *mm;
	bool has_users;			/* the case holds one of mm_users */
};

/* All that a case has made. */
struct kt_case {
	struct mutex lock;		/* the lists: tasks of the case add, too */
	struct list_head gates, tasks, processes, subs, intervals, ranges;
};

/* Cases run one at a time; alloc_notifier() is not told which one it is for. */
static struct kunit *kt_current;
static struct kt_case *kt_case;

static struct kt_case *case_of(struct kunit *test)
{
	return kt_case;
}

static void *kt_new(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static void kt_add(struct kunit *test, struct list_head *node,
		   struct list_head *list)
{
	mutex_lock(&case_of(test)->lock);
	list_add_tail(node, list);
	mutex_unlock(&case_of(test)->lock);
}

/* --- gates --- */

void kt_gate_init(struct kunit *test, struct kt_gate *gate)
{
	init_completion(&gate->entered);
	init_completion(&gate->go);
	kt_add(test, &gate->node, &case_of(test)->gates);
}

void kt_gate_close(struct kt_gate *gate)
{
	reinit_completion(&gate->entered);
	reinit_completion(&gate->go);
	/* Pairs with xchg() in kt_gate_pass(). */
	smp_store_release(&gate->closed, true);
}

void kt_gate_pass(struct kt_gate *gate)
{
	if (!READ_ONCE(gate->closed) || !xchg(&gate->closed, false))
		return;
	WRITE_ONCE(gate->holding, true);
	complete(&gate->entered);
	wait_for_completion(&gate->go);
	WRITE_ONCE(gate->holding, false);
}

void kt_gate_wait(struct kunit *test, struct kt_gate *gate)
{
	KUNIT_ASSERT_TRUE_MSG(test, wait_for_completion_timeout(&gate->entered,
								KT_TIMEOUT),
			      "nobody came to the gate");
}

void kt_gate_open(struct kt_gate *gate)
{
	WRITE_ONCE(gate->closed, false);
	complete_all(&gate->go);
}

/* --- tasks --- */

static int task_fn(void *data)
{
	struct kt_task *task = data;

	if (task->mm)
		kthread_use_mm(task->mm);
	task->ret = task->fn(task->arg);
	if (task->mm)
		kthread_unuse_mm(task->mm);
	complete_all(&task->done);
	return 0;
}

struct kt_task *kt_run_mm(struct kunit *test, struct mm_struct *mm,
			  int (*fn)(void *arg), void *arg)
{
	struct kt_task *task = kt_new(test, sizeof(*task));
	struct task_struct *kthread;

	task->fn = fn;
	task->arg = arg;
	task->mm = mm;
	init_completion(&task->done);
	kthread = kthread_create(task_fn, task, "mmun_kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(kthread));
	get_task_struct(kthread);
	task->task = kthread;
	kt_add(test, &task->node, &case_of(test)->tasks);
	wake_up_process(kthread);
	return task;
}

struct kt_task *kt_run(struct kunit *test, int (*fn)(void *arg), void *arg)
{
	return kt_run_mm(test, NULL, fn, arg);
}

bool kt_running(struct kt_task *task)
{
	return !completion_done(&task->done);
}

static bool join(struct kt_task *task)
{
	if (!wait_for_completion_timeout(&task->done, KT_TIMEOUT))
		return false;
	if (!task->joined) {
		/* Returned from our text, too: the module may go. */
		kthread_stop(task->task);
		put_task_struct(task->task);
	}
	task->joined = true;
	return true;
}

int kt_join(struct kunit *test, struct kt_task *task)
{
	KUNIT_ASSERT_TRUE_MSG(test, join(task), "%ps does not return",
			      task->fn);
	return task->ret;
}

/* --- watches --- */

/* Elsewhere a breakpoint on data stops before the access. */
#if defined(CONFIG_HAVE_HW_BREAKPOINT) && defined(CONFIG_X86)
static void watch_hit(struct perf_event *event, struct perf_sample_data *data,
		      struct pt_regs *regs)
{
	struct kt_watch *watch = event->overflow_handler_context;

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
	unsigned int here = cpumask_first(cpu_online_mask);

	KUNIT_ASSERT_EQ(test, set_cpus_allowed_ptr(current, cpumask_of(here)), 0);
	return here;
}

bool kt_two_cpus(struct kunit *test, unsigned int *other)
{
	*other = cpumask_last(cpu_online_mask);
	return *other != kt_pin(test);
}

/* --- address spaces --- */

static char *helper = "/bin/sleep";
module_param(helper, charp, 0444);
MODULE_PARM_DESC(helper, "a program that sleeps when called with a number");

/* In the new task, before it becomes the program. */
static int note_task(struct subprocess_info *info, struct cred *new)
{
	struct kt_process *process = info->data;

	process->task = get_task_struct(current);
	return 0;
}

static bool asleep(struct task_struct *task)
{
	return READ_ONCE(task->__state) & TASK_INTERRUPTIBLE;
}

static struct kt_process *start_process(struct kunit *test)
{
	struct kt_process *process = kt_new(test, sizeof(*process));
	char *argv[3] = { helper, "1000000" };
	char *envp[2] = { "PATH=/bin:/usr/bin" };
	struct subprocess_info *info;
	int ret = -ENOMEM;

	info = call_usermodehelper_setup(helper, argv, envp, GFP_KERNEL,
					 note_task, NULL, process);
	if (info)
		ret = call_usermodehelper_exec(info, UMH_WAIT_EXEC);
	KUNIT_ASSERT_EQ_MSG(test, ret, 0, "cannot run %s", helper);
	kt_add(test, &process->node, &case_of(test)->processes);
	/* It sleeps at last: from now on it raises no events of its own. */
	KT_ASSERT_UNTIL(test, asleep(process->task));
	return process;
}

struct mm_struct *kt_mm(struct kunit *test)
{
	struct kt_process *process = start_process(test);

	process->mm = get_task_mm(process->task);
	KUNIT_ASSERT_NOT_NULL(test, process->mm);
	mmgrab(process->mm);
	process->has_users = true;
	return process->mm;
}

static struct mm_struct *loader_mm;

int kt_note_loader(void)
{
	loader_mm = current->mm;
	return loader_mm ? 0 : -EINVAL;
}

struct mm_struct *kt_loader_mm(struct kunit *test)
{
	return loader_mm;
}

static struct kt_process *process_of(struct kunit *test, struct mm_struct *mm)
{
	struct kt_process *process;

	list_for_each_entry(process, &case_of(test)->processes, node)
		if (process->mm == mm)
			return process;
	return NULL;
}

static bool kill_process(struct kt_process *process)
{
	send_sig(SIGKILL, process->task, 1);
	return !process->mm ||
	       kt_until(atomic_read(&process->mm->mm_users) ==
			(process->has_users ? 1 : 0));
}

void kt_mm_kill(struct kunit *test, struct mm_struct *mm)
{
	struct kt_process *process = process_of(test, mm);

	KUNIT_ASSERT_NOT_NULL(test, process);
	KUNIT_ASSERT_TRUE_MSG(test, kill_process(process),
			      "the process does not die");
}

void kt_mm_exit(struct kunit *test, struct mm_struct *mm)
{
	struct kt_process *process = process_of(test, mm);

	process->has_users = false;
	mmput(mm);
}

/* Does @fn with @mm as current->mm, whatever that was. */
static bool use_mm(struct mm_struct *mm)
{
	if (current->mm == mm)
		return false;
	kthread_use_mm(mm);
	return true;
}

static void unuse_mm(struct mm_struct *mm, bool used)
{
	if (used)
		kthread_unuse_mm(mm);
}

unsigned long kt_mmap(struct kunit *test, struct mm_struct *mm,
		      unsigned long length)
{
	bool used = use_mm(mm);
	unsigned long start, at;

	start = vm_mmap(NULL, 0, length, PROT_READ | PROT_WRITE,
			MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (!IS_ERR_VALUE(start))
		for (at = start; at < start + length; at += PAGE_SIZE)
			if (put_user(1, (int __user *)at))
				start = -EFAULT;
	unuse_mm(mm, used);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(start));
	return start;
}

int kt_munmap(struct mm_struct *mm, unsigned long start, unsigned long length)
{
	bool used = use_mm(mm);
	int ret = vm_munmap(start, length);

	unuse_mm(mm, used);
	return ret;
}

/* --- list subscribers --- */

static struct kt_sub *sub_of(struct mmun_notifier *mn)
{
	return container_of(mn, struct kt_sub, mn);
}

static void sub_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct kt_sub *sub = sub_of(mn);

	atomic_inc(&sub->inside);
	kt_gate_pass(&sub->release);
	if (sub->on_release)
		sub->on_release(sub);
	atomic_inc(&sub->releases);
	atomic_dec(&sub->inside);
}

static int sub_start(struct mmun_notifier *mn,
		     const struct mmun_notifier_range *range)
{
	struct kt_sub *sub = sub_of(mn);
	int ret;

	atomic_inc(&sub->inside);
	atomic_inc(&sub->starts);
	/* Who raises several at a time does not look at it. */
	data_race(sub->last_start = *range);
	if (mmun_notifier_range_blockable(range))
		kt_gate_pass(&sub->start);
	if (sub->on_start)
		sub->on_start(sub, range);
	ret = mmun_notifier_range_blockable(range) ? sub->fail : sub->refuse;
	if (!ret)
		atomic_inc(&sub->accepted);
	atomic_dec(&sub->inside);
	return ret;
}

static void sub_end(struct mmun_notifier *mn,
		    const struct mmun_notifier_range *range)
{
	struct kt_sub *sub = sub_of(mn);

	atomic_inc(&sub->inside);
	/* As for last_start. */
	data_race(sub->last_end = *range);
	if (mmun_notifier_range_blockable(range))
		kt_gate_pass(&sub->end);
	if (sub->on_end)
		sub->on_end(sub, range);
	atomic_inc(&sub->ends);
	atomic_dec(&sub->inside);
}

static bool sub_clear_flush_young(struct mmun_notifier *mn,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long end)
{
	struct kt_sub *sub = sub_of(mn);

	atomic_inc(&sub->inside);
	atomic_inc(&sub->clear_flush_youngs);
	kt_gate_pass(&sub->query);
	atomic_dec(&sub->inside);
	return sub->young;
}

static bool sub_clear_young(struct mmun_notifier *mn, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	struct kt_sub *sub = sub_of(mn);

	atomic_inc(&sub->clear_youngs);
	return sub->young;
}

static bool sub_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			   unsigned long address)
{
	struct kt_sub *sub = sub_of(mn);

	atomic_inc(&sub->test_youngs);
	return sub->young;
}

static void sub_flush_tlb(struct mmun_notifier *mn, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	atomic_inc(&sub_of(mn)->tlb_flushes);
}

static struct mmun_notifier *sub_alloc(struct mm_struct *mm)
{
	struct kt_sub *sub = kt_sub(kt_current, NULL);

	return &sub->mn;
}

static void sub_free(struct mmun_notifier *mn)
{
	struct kt_sub *sub = sub_of(mn);

	WARN_ON(atomic_read(&sub->inside));
	atomic_inc(&sub->frees);
}

const struct mmun_notifier_ops kt_ops = {
	.release = sub_release,
	.clear_flush_young = sub_clear_flush_young,
	.clear_young = sub_clear_young,
	.test_young = sub_test_young,
	.invalidate_range_start = sub_start,
	.invalidate_range_end = sub_end,
	.arch_invalidate_secondary_tlbs = sub_flush_tlb,
};

const struct mmun_notifier_ops kt_range_ops = {
	.release = sub_release,
	.invalidate_range_start = sub_start,
	.invalidate_range_end = sub_end,
};

const struct mmun_notifier_ops kt_start_only_ops = {
	.invalidate_range_start = sub_start,
};

const struct mmun_notifier_ops kt_end_only_ops = {
	.invalidate_range_end = sub_end,
};

const struct mmun_notifier_ops kt_release_only_ops = {
	.release = sub_release,
};

const struct mmun_notifier_ops kt_young_ops = {
	.clear_flush_young = sub_clear_flush_young,
	.clear_young = sub_clear_young,
	.test_young = sub_test_young,
};

const struct mmun_notifier_ops kt_tlb_ops = {
	.arch_invalidate_secondary_tlbs = sub_flush_tlb,
};

#define KT_GET_OPS {					\
	.release = sub_release,				\
	.invalidate_range_start = sub_start,		\
	.invalidate_range_end = sub_end,		\
	.alloc_notifier = sub_alloc,			\
	.free_notifier = sub_free,			\
}

const struct mmun_notifier_ops kt_get_ops = KT_GET_OPS;
const struct mmun_notifier_ops kt_get_ops2 = KT_GET_OPS;

struct kt_sub *kt_sub(struct kunit *test, const struct mmun_notifier_ops *ops)
{
	struct kt_sub *sub = kt_new(test, sizeof(*sub));

	sub->test = test;
	sub->mn.ops = ops;
	kt_gate_init(test, &sub->start);
	kt_gate_init(test, &sub->end);
	kt_gate_init(test, &sub->release);
	kt_gate_init(test, &sub->free);
	kt_gate_init(test, &sub->query);
	kt_add(test, &sub->node, &case_of(test)->subs);
	return sub;
}

struct kt_sub *kt_register(struct kunit *test, struct mm_struct *mm,
			   const struct mmun_notifier_ops *ops)
{
	struct kt_sub *sub = kt_sub(test, ops);

	KUNIT_ASSERT_EQ(test, mmun_notifier_register(&sub->mn, mm), 0);
	sub->registered = true;
	return sub;
}

void kt_unregister(struct kt_sub *sub)
{
	sub->registered = false;
	mmun_notifier_unregister(&sub->mn, sub->mn.mm);
}

struct kt_sub *kt_get(struct kunit *test, struct mm_struct *mm,
		      const struct mmun_notifier_ops *ops)
{
	struct mmun_notifier *mn = mmun_notifier_get(ops, mm);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(mn), "get: %ld", PTR_ERR(mn));
	sub_of(mn)->got = true;
	return sub_of(mn);
}

unsigned int kt_users(struct kt_sub *sub)
{
	unsigned int sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(sub->mn.users, cpu));
	return sum;
}

void kt_put(struct kt_sub *sub)
{
	if (kt_users(sub) == 1)
		sub->got = false;
	mmun_notifier_put(&sub->mn);
}

/* --- intervals --- */

static bool interval_invalidate(struct mmun_interval_notifier *mni,
				const struct mmun_notifier_range *range,
				unsigned long cur_seq)
{
	struct kt_interval *interval = container_of(mni, struct kt_interval,
						    mni);
	bool agreed = true;

	atomic_inc(&interval->inside);
	if (mmun_notifier_range_blockable(range))
		kt_gate_pass(&interval->gate);
	else if (interval->refuse)
		agreed = false;

	if (agreed) {
		raw_spin_lock(&interval->lock);
		mmun_interval_set_seq(mni, cur_seq);
		interval->last = *range;
		interval->last_seq = cur_seq;
		raw_spin_unlock(&interval->lock);
		atomic_inc(range->event == MMUN_NOTIFY_RELEASE ?
			   &interval->releases : &interval->invalidates);
	} else {
		atomic_inc(&interval->refusals);
	}
	atomic_dec(&interval->inside);
	return agreed;
}

const struct mmun_interval_notifier_ops kt_interval_ops = {
	.invalidate = interval_invalidate,
};

void *kt_interval_sized(struct kunit *test, size_t size)
{
	struct kt_interval *interval = kt_new(test, size);

	interval->test = test;
	raw_spin_lock_init(&interval->lock);
	kt_gate_init(test, &interval->gate);
	kt_add(test, &interval->node, &case_of(test)->intervals);
	return interval;
}

struct kt_interval *kt_interval(struct kunit *test)
{
	return kt_interval_sized(test, sizeof(struct kt_interval));
}

struct kt_interval *kt_insert(struct kunit *test, struct mm_struct *mm,
			      unsigned long start, unsigned long length)
{
	struct kt_interval *interval = kt_interval(test);

	KUNIT_ASSERT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm, start,
						      length, &kt_interval_ops),
			0);
	interval->inserted = true;
	return interval;
}

void kt_remove(struct kt_interval *interval)
{
	interval->inserted = false;
	mmun_interval_notifier_remove(&interval->mni);
}

bool kt_retry(struct kt_interval *interval, unsigned long seq)
{
	bool retry;

	raw_spin_lock(&interval->lock);
	retry = mmun_interval_read_retry(&interval->mni, seq);
	raw_spin_unlock(&interval->lock);
	return retry;
}

/* --- ranges --- */

struct kt_range *kt_range(struct kunit *test, struct mm_struct *mm,
			  unsigned long start, unsigned long end, bool blockable,
			  enum mmun_notifier_event event)
{
	struct kt_range *range = kt_new(test, sizeof(*range));
	const struct mmun_notifier_range what = {
		.mm = mm,
		.start = start,
		.end = end,
		.flags = blockable ? MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
		.event = event,
	};

	mmun_kunit_init(&range->kernel, &what);
	range->blockable = blockable;
	kt_add(test, &range->node, &case_of(test)->ranges);
	return range;
}

int kt_start(struct kt_range *range)
{
	int ret;

	/* Not the task's own for lockdep: another may have to end the range. */
	if (!range->blockable)
		down_read_non_owner(&range->kernel.mm->mmap_lock);
	ret = mmun_kunit_start(&range->kernel);
	range->in_flight = !ret;
	if (ret && !range->blockable)
		up_read_non_owner(&range->kernel.mm->mmap_lock);
	return ret;
}

void kt_end(struct kt_range *range)
{
	/* Once, also if a failed case is taken down while its task gets here. */
	if (!xchg(&range->in_flight, false))
		return;
	mmun_kunit_end(&range->kernel);
	if (!range->blockable)
		up_read_non_owner(&range->kernel.mm->mmap_lock);
}

unsigned int kt_waiters(struct mmun_subscriptions *subs)
{
	struct mmun_kunit_state state;

	mmun_kunit_look(subs, &state);
	return state.waiters;
}

/*
 * Wake a task that sleeps inside mmun for no reason. Returns when it has looked
 * again at what it waits for, and sleeps, or has returned.
 */
static void nudge(struct kunit *test, struct kt_task *task)
{
	unsigned long slept;
	int i;

	/* Twice: the first time it may only be on its way to sleep. */
	for (i = 0; i < 2; i++) {
		slept = READ_ONCE(task->task->nvcsw);
		wake_up_process(task->task);
		KT_ASSERT_UNTIL(test, !kt_running(task) ||
				READ_ONCE(task->task->nvcsw) != slept);
	}
}

void kt_assert_waits(struct kunit *test, struct mmun_subscriptions *subs,
		     struct kt_task *task, unsigned int n)
{
	KT_ASSERT_UNTIL(test, !kt_running(task) || kt_waiters(subs) == n);
	KUNIT_ASSERT_TRUE_MSG(test, kt_running(task), "it has not waited");
	nudge(test, task);
	KUNIT_ASSERT_TRUE_MSG(test, kt_running(task), "it does not wait");
}

/* --- before and after each case --- */

static bool stop_at_failure;
module_param_named(stop, stop_at_failure, bool, 0444);
MODULE_PARM_DESC(stop, "after a case that fails, fail all others at once");
static bool failed;

int kt_init(struct kunit *test)
{
	struct kt_case *c;

	if (stop_at_failure && failed)
		return -ECANCELED;
	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	mutex_init(&c->lock);
	INIT_LIST_HEAD(&c->gates);
	INIT_LIST_HEAD(&c->tasks);
	INIT_LIST_HEAD(&c->processes);
	INIT_LIST_HEAD(&c->subs);
	INIT_LIST_HEAD(&c->intervals);
	INIT_LIST_HEAD(&c->ranges);
	kt_case = c;
	kt_current = test;
	return 0;
}

void kt_exit(struct kunit *test)
{
	struct kt_case *c = case_of(test);
	struct kt_interval *interval;
	struct kt_process *process;
	struct kt_range *range;
	struct kt_gate *gate;
	struct kt_task *task;
	struct kt_sub *sub;

	if (!c)
		return;
	list_for_each_entry(gate, &c->gates, node)
		kt_gate_open(gate);
	/* Ranges first: a task may wait for one. */
	list_for_each_entry(range, &c->ranges, node)
		if (range->in_flight)
			kt_end(range);
	list_for_each_entry(task, &c->tasks, node) {
		if (join(task))
			continue;
		/* What it uses is ours: rather hang here than go on without it. */
		KUNIT_FAIL(test, "%ps does not return", task->fn);
		wait_for_completion(&task->done);
		join(task);
	}
	/* A task may have been in the middle of a start. */
	list_for_each_entry(range, &c->ranges, node)
		if (range->in_flight)
			kt_end(range);
	list_for_each_entry(sub, &c->subs, node) {
		if (sub->registered)
			kt_unregister(sub);
		while (sub->got && kt_users(sub))
			kt_put(sub);
	}
	list_for_each_entry(interval, &c->intervals, node)
		if (interval->inserted)
			kt_remove(interval);
	mmun_notifier_synchronize();

	list_for_each_entry(process, &c->processes, node) {
		send_sig(SIGKILL, process->task, 1);
		if (process->has_users)
			mmput(process->mm);
		process->has_users = false;
		KUNIT_EXPECT_TRUE_MSG(test, kill_process(process),
				      "the process does not die");
		if (process->mm)
			mmdrop(process->mm);
		put_task_struct(process->task);
	}
	KUNIT_EXPECT_TRUE_MSG(test, kt_until(!mmun_kunit_attached()),
			      "%u bridges and works are left",
			      mmun_kunit_attached());
	kt_current = NULL;
	kt_case = NULL;
	if (test->status == KUNIT_FAILURE)
		failed = true;
}
