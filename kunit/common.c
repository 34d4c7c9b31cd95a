// SPDX-License-Identifier: GPL-2.0-only
/* Cases, gates and address spaces of the suites: see mmun_kunit.h. */

#include <linux/kmod.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "kt_case.h"

/* A process that lends a case its address space. */
struct kt_process {
	struct list_head node;
	struct task_struct *task;
	struct mm_struct *mm;
	bool has_users;			/* the case holds one of mm_users */
};

struct kt_case *kt_case;

void *kt_new(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

void kt_keep(struct kunit *test, struct list_head *node, struct list_head *list)
{
	mutex_lock(&kt_case->lock);
	list_add_tail(node, list);
	mutex_unlock(&kt_case->lock);
}

/* --- gates --- */

void kt_gate_init(struct kunit *test, struct kt_gate *gate)
{
	init_completion(&gate->entered);
	init_completion(&gate->go);
	kt_keep(test, &gate->node, &kt_case->gates);
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
			      "no task came to the gate");
}

void kt_gate_open(struct kt_gate *gate)
{
	WRITE_ONCE(gate->closed, false);
	complete_all(&gate->go);
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
	kt_keep(test, &process->node, &kt_case->processes);
	/* Once it sleeps it raises no events of its own. */
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

	list_for_each_entry(process, &kt_case->processes, node)
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
			      "the process does not exit");
}

void kt_mm_exit(struct kunit *test, struct mm_struct *mm)
{
	struct kt_process *process = process_of(test, mm);

	process->has_users = false;
	mmput(mm);
}

static void use_loader_mm(struct work_struct *work)
{
	kthread_use_mm(loader_mm);
	kthread_unuse_mm(loader_mm);
}

/*
 * Twice, because a process that is about to sleep may move from a CPU that is still to
 * come to one that is done.
 */
void kt_forget_mms(void)
{
	struct work_struct work;
	int round, cpu;

	for (round = 0; round < 2; round++) {
		for_each_online_cpu(cpu) {
			INIT_WORK_ONSTACK(&work, use_loader_mm);
			queue_work_on(cpu, system_wq, &work);
			flush_work(&work);
			destroy_work_on_stack(&work);
		}
	}
}

void kt_cut_off(struct kunit *test, struct mm_struct *mm)
{
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	mmun_kunit_cut_off(mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/* Makes @mm current->mm; false if it is that already. */
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

/* --- before and after each case --- */

static bool stop_at_failure;
module_param_named(stop, stop_at_failure, bool, 0444);
MODULE_PARM_DESC(stop, "after a case that fails, fail all others at once");
static bool failed;

int kt_init(struct kunit *test)
{
	struct kt_case *c;

	mmun_kunit_no_records = false;
	mmun_kunit_seq = 0;
	if (stop_at_failure && failed)
		return -ECANCELED;
	c = kunit_kzalloc(test, sizeof(*c), GFP_KERNEL);
	if (!c)
		return -ENOMEM;
	c->test = test;
	mutex_init(&c->lock);
	INIT_LIST_HEAD(&c->gates);
	INIT_LIST_HEAD(&c->actors);
	INIT_LIST_HEAD(&c->processes);
	INIT_LIST_HEAD(&c->subs);
	INIT_LIST_HEAD(&c->intervals);
	INIT_LIST_HEAD(&c->ranges);
	kt_case = c;
	kt_log_reset();
	return 0;
}

void kt_exit(struct kunit *test)
{
	struct kt_case *c = kt_case;
	struct kt_interval *interval;
	struct kt_process *process;
	struct kt_range *range;
	struct kt_gate *gate;
	struct kt_sub *sub;

	if (!c)
		return;
	list_for_each_entry(gate, &c->gates, node)
		kt_gate_open(gate);
	/* Ranges first: an actor may wait for one. */
	list_for_each_entry(range, &c->ranges, node)
		if (range->in_flight)
			kt_end(range);
	kt_join_all(test);
	/* An actor may have been in the middle of a start. */
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
				      "the process does not exit");
		if (process->mm)
			mmdrop(process->mm);
		put_task_struct(process->task);
	}
	mmun_kunit_set_unloading(false);
	/* The loader's mm lives on: its bridge leaves as at rmmod. */
	mmun_kunit_cut_off(loader_mm);
	KUNIT_EXPECT_TRUE_MSG(test, kt_until(!mmun_kunit_attached()),
			      "%u bridges and works are left",
			      mmun_kunit_attached());
	/* A lost entry would pass for a callback that never came. */
	KUNIT_EXPECT_EQ(test, kt_log_lost(), 0U);
	kt_case = NULL;
	if (test->status == KUNIT_FAILURE)
		failed = true;
}
