// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_shim: what the kernel raises arrives; the bridge comes and goes.
 *
 * Events are real where a module can raise them: munmap, a mapping replaced, a
 * copy-on-write fault, exit, a file that is cut off. For the last the kernel
 * holds no lock of the mm: such a range can stand still at a gate while the mm
 * lives on. Peers are other drivers, which use the kernel's own
 * notifier; a range that stands at a peer's gate has been heard by mmun, and no
 * callback of mmun's runs.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kmod.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "mmun_kunit.h"

#define PAGES(n)	((unsigned long)(n) << PAGE_SHIFT)
#define GONE		(-1)

/* --- what this suite makes besides kt_*() --- */

struct peer_interval {
	struct mmu_interval_notifier mni;
	struct list_head node;
	bool inserted;
	struct kt_gate gate;
	atomic_t heard;
};

struct peer_list {
	struct mmu_notifier mn;
	struct list_head node;
	struct mm_struct *mm;
	bool registered;
	struct kt_gate gate;
	atomic_t heard;
};

struct shim_file {
	struct list_head node;
	struct file *file;
};

static LIST_HEAD(peer_intervals);
static LIST_HEAD(peer_lists);
static LIST_HEAD(files);
/* Tells the storms to end. */
static bool stop;

static bool peer_invalidate(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range,
			    unsigned long cur_seq)
{
	struct peer_interval *peer = container_of(mni, struct peer_interval,
						  mni);

	mmu_interval_set_seq(mni, cur_seq);
	if (range->event == MMU_NOTIFY_RELEASE)
		return true;
	atomic_inc(&peer->heard);
	if (mmu_notifier_range_blockable(range))
		kt_gate_pass(&peer->gate);
	return true;
}

static const struct mmu_interval_notifier_ops peer_interval_ops = {
	.invalidate = peer_invalidate,
};

/* Its callback comes after mmun's, whose interval begins at zero. */
static struct peer_interval *peer_insert(struct kunit *test,
					 struct mm_struct *mm,
					 unsigned long start,
					 unsigned long length)
{
	struct peer_interval *peer = kunit_kzalloc(test, sizeof(*peer),
						   GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, peer);
	kt_gate_init(test, &peer->gate);
	KUNIT_ASSERT_EQ(test,
			mmu_interval_notifier_insert(&peer->mni, mm, start,
						     length,
						     &peer_interval_ops), 0);
	peer->inserted = true;
	list_add(&peer->node, &peer_intervals);
	return peer;
}

static int peer_start(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
	struct peer_list *peer = container_of(mn, struct peer_list, mn);

	atomic_inc(&peer->heard);
	if (mmu_notifier_range_blockable(range))
		kt_gate_pass(&peer->gate);
	return 0;
}

static const struct mmu_notifier_ops peer_list_ops = {
	.invalidate_range_start = peer_start,
};

static struct peer_list *new_peer_list(struct kunit *test)
{
	struct peer_list *peer = kunit_kzalloc(test, sizeof(*peer), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, peer);
	kt_gate_init(test, &peer->gate);
	peer->mn.ops = &peer_list_ops;
	list_add(&peer->node, &peer_lists);
	return peer;
}

static int peer_register(struct peer_list *peer, struct mm_struct *mm)
{
	int ret = mmu_notifier_register(&peer->mn, mm);

	peer->mm = mm;
	peer->registered = !ret;
	return ret;
}

static void peer_unregister(struct peer_list *peer)
{
	peer->registered = false;
	mmu_notifier_unregister(&peer->mn, peer->mm);
}

static struct file *new_file(struct kunit *test, unsigned long length)
{
	struct shim_file *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->file = shmem_file_setup("mmun", length, EMPTY_VMA_FLAGS);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->file));
	list_add(&f->node, &files);
	return f->file;
}

static int shim_init(struct kunit *test)
{
	INIT_LIST_HEAD(&peer_intervals);
	INIT_LIST_HEAD(&peer_lists);
	INIT_LIST_HEAD(&files);
	WRITE_ONCE(stop, false);
	return kt_init(test);
}

static void shim_exit(struct kunit *test)
{
	struct peer_interval *interval;
	struct peer_list *list;
	struct shim_file *f;

	WRITE_ONCE(stop, true);
	kt_exit(test);
	list_for_each_entry(interval, &peer_intervals, node)
		if (interval->inserted)
			mmu_interval_notifier_remove(&interval->mni);
	list_for_each_entry(list, &peer_lists, node)
		if (list->registered)
			peer_unregister(list);
	list_for_each_entry(f, &files, node)
		fput(f->file);
}

/* --- what a task does beside the case --- */

struct act {
	struct kunit *test;
	struct mm_struct *mm;
	struct file *file;
	unsigned long start;
	unsigned long length;
	struct kt_sub *sub;
	const struct mmun_notifier_ops *ops;
	struct kt_interval *interval;
	struct peer_list *peer;
	struct kt_gate gate;
	unsigned long seq;
	unsigned int attached;
	unsigned int rounds;
	int sig;
	bool same_mask;			/* of blocked signals, after as before */
};

static struct act *new_act(struct kunit *test, struct mm_struct *mm)
{
	struct act *act = kunit_kzalloc(test, sizeof(*act), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, act);
	kt_gate_init(test, &act->gate);
	act->test = test;
	act->mm = mm;
	return act;
}

static int do_munmap_act(void *arg)
{
	struct act *act = arg;

	return kt_munmap(act->mm, act->start, act->length);
}

static struct kt_task *run_munmap(struct kunit *test, struct mm_struct *mm,
				  unsigned long start, unsigned long length)
{
	struct act *act = new_act(test, mm);

	act->start = start;
	act->length = length;
	return kt_run(test, do_munmap_act, act);
}

/*
 * A real range in every mm that maps the file; raised under no lock of
 * theirs.
 */
static void cut_off(struct file *file)
{
	unmap_mapping_range(file->f_mapping, 0, 0, 1);
}

static int do_cut_off(void *arg)
{
	struct act *act = arg;

	cut_off(act->file);
	return 0;
}

static struct kt_task *run_cut_off(struct kunit *test, struct file *file)
{
	struct act *act = new_act(test, NULL);

	act->file = file;
	return kt_run(test, do_cut_off, act);
}

static int do_exit_act(void *arg)
{
	struct act *act = arg;

	kt_mm_exit(act->test, act->mm);
	return 0;
}

static struct kt_task *run_exit(struct kunit *test, struct mm_struct *mm)
{
	return kt_run(test, do_exit_act, new_act(test, mm));
}

static int do_register(void *arg)
{
	struct act *act = arg;
	int ret;

	if (act->sig)
		allow_signal(act->sig);
	ret = mmun_notifier_register(&act->sub->mn, act->mm);
	act->sub->registered = !ret;
	if (act->sig)
		flush_signals(current);
	return ret;
}

static int do_register_signalled(void *arg)
{
	struct act *act = arg;

	allow_signal(act->sig);
	send_sig(act->sig, current, 1);
	return do_register(act);
}

/* With a mask of its own, which is neither empty nor full. */
static int do_register_masked(void *arg)
{
	struct act *act = arg;
	sigset_t before;
	int ret;

	siginitset(&before, sigmask(SIGUSR2));
	sigprocmask(SIG_SETMASK, &before, NULL);
	ret = act->sig ? do_register_signalled(act) : do_register(act);
	act->same_mask = sigequalsets(&current->blocked, &before);
	return ret;
}

/* Registers @sub, which is not yet subscribed, in a task. */
static struct kt_task *run_register(struct kunit *test, struct mm_struct *mm,
				    struct kt_sub *sub)
{
	struct act *act = new_act(test, mm);

	act->sub = sub;
	return kt_run(test, do_register, act);
}

/* The same with a signal: pending, if @pending, or allowed only. */
static struct kt_task *run_register_sig(struct kunit *test,
					struct mm_struct *mm,
					struct kt_sub *sub, int sig,
					bool pending)
{
	struct act *act = new_act(test, mm);

	act->sub = sub;
	act->sig = sig;
	return kt_run(test, pending ? do_register_signalled : do_register, act);
}

static int do_unregister(void *arg)
{
	struct act *act = arg;

	kt_unregister(act->sub);
	return 0;
}

static struct kt_task *run_unregister(struct kunit *test, struct kt_sub *sub)
{
	struct act *act = new_act(test, NULL);

	act->sub = sub;
	return kt_run(test, do_unregister, act);
}

static int do_insert(void *arg)
{
	struct act *act = arg;
	struct kt_interval *interval = act->interval;
	int ret = mmun_interval_notifier_insert(&interval->mni, act->mm,
						act->start, act->length,
						&kt_interval_ops);

	interval->inserted = !ret;
	return ret;
}

static struct kt_task *run_insert(struct kunit *test, struct mm_struct *mm,
				  struct kt_interval *interval,
				  unsigned long start, unsigned long length)
{
	struct act *act = new_act(test, mm);

	act->interval = interval;
	act->start = start;
	act->length = length;
	return kt_run(test, do_insert, act);
}

static int do_remove(void *arg)
{
	struct act *act = arg;

	kt_remove(act->interval);
	return 0;
}

static struct kt_task *run_remove(struct kunit *test,
				  struct kt_interval *interval)
{
	struct act *act = new_act(test, NULL);

	act->interval = interval;
	return kt_run(test, do_remove, act);
}

static int do_read_begin(void *arg)
{
	struct act *act = arg;

	act->seq = mmun_interval_read_begin(&act->interval->mni);
	return 0;
}

static int do_get(void *arg)
{
	struct act *act = arg;
	struct mmun_notifier *mn = mmun_notifier_get(act->ops, act->mm);

	if (IS_ERR(mn))
		return PTR_ERR(mn);
	act->sub = container_of(mn, struct kt_sub, mn);
	act->sub->got = true;
	return 0;
}

/* A task that holds a lock until the gate is opened. */
static int do_hold_mmap_read(void *arg)
{
	struct act *act = arg;

	mmap_read_lock(act->mm);
	kt_gate_pass(&act->gate);
	mmap_read_unlock(act->mm);
	return 0;
}

static int do_hold_mmap_write(void *arg)
{
	struct act *act = arg;

	mmap_write_lock(act->mm);
	kt_gate_pass(&act->gate);
	mmap_write_unlock(act->mm);
	return 0;
}

/* One of those that registration under all locks takes. */
static int do_hold_i_mmap(void *arg)
{
	struct act *act = arg;

	i_mmap_lock_write(act->file->f_mapping);
	kt_gate_pass(&act->gate);
	i_mmap_unlock_write(act->file->f_mapping);
	return 0;
}

static struct act *run_holder(struct kunit *test, struct mm_struct *mm,
			      struct file *file, int (*fn)(void *arg))
{
	struct act *act = new_act(test, mm);

	act->file = file;
	kt_gate_close(&act->gate);
	kt_run(test, fn, act);
	kt_gate_wait(test, &act->gate);
	return act;
}

/* It sleeps, and no signal wakes it. */
static bool stuck(struct kt_task *task)
{
	return kt_running(task) &&
	       READ_ONCE(task->task->__state) & TASK_UNINTERRUPTIBLE;
}

/* --- memory --- */

static unsigned long map_file(struct kunit *test, struct mm_struct *mm,
			      struct file *file, unsigned long length)
{
	unsigned long start, at;

	kthread_use_mm(mm);
	start = vm_mmap(file, 0, length, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (!IS_ERR_VALUE(start))
		for (at = start; at < start + length; at += PAGE_SIZE)
			if (put_user(1, (int __user *)at))
				start = -EFAULT;
	kthread_unuse_mm(mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(start));
	return start;
}

/* What is mapped at @at now, without faulting anything in; or GONE. */
static int peek(struct mm_struct *mm, unsigned long at)
{
	int value;

	kthread_use_mm(mm);
	pagefault_disable();
	if (copy_from_user(&value, (int __user *)at, sizeof(value)))
		value = GONE;
	pagefault_enable();
	kthread_unuse_mm(mm);
	return value;
}

/* Is there an entry in the page table? What TLBs have may be older. */
static bool mapped(struct mm_struct *mm, unsigned long at)
{
	struct page *page;
	bool found;

	kthread_use_mm(mm);
	found = get_user_page_fast_only(at, 0, &page);
	if (found)
		put_page(page);
	kthread_unuse_mm(mm);
	return found;
}

/* Pages that were only read: the next write to each is copy-on-write. */
static unsigned long map_zero_pages(struct kunit *test, struct mm_struct *mm,
				    unsigned long length)
{
	unsigned long start, at;
	int value;

	kthread_use_mm(mm);
	start = vm_mmap(NULL, 0, length, PROT_READ | PROT_WRITE,
			MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (!IS_ERR_VALUE(start))
		for (at = start; at < start + length; at += PAGE_SIZE)
			if (get_user(value, (int __user *)at) || value)
				start = -EFAULT;
	kthread_unuse_mm(mm);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(start));
	return start;
}

static int poke(struct mm_struct *mm, unsigned long at, int value)
{
	int ret;

	kthread_use_mm(mm);
	ret = put_user(value, (int __user *)at);
	kthread_unuse_mm(mm);
	return ret;
}

static int do_poke(void *arg)
{
	struct act *act = arg;

	return poke(act->mm, act->start, 7);
}

static struct kt_task *run_poke(struct kunit *test, struct mm_struct *mm,
				unsigned long at)
{
	struct act *act = new_act(test, mm);

	act->start = at;
	return kt_run(test, do_poke, act);
}

static unsigned long map_over(struct mm_struct *mm, unsigned long start,
			      unsigned long length)
{
	unsigned long at;

	kthread_use_mm(mm);
	at = vm_mmap(NULL, start, length, PROT_READ | PROT_WRITE,
		     MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);
	kthread_unuse_mm(mm);
	return at;
}

static int do_map_over(void *arg)
{
	struct act *act = arg;

	return map_over(act->mm, act->start, act->length) == act->start ?
	       0 : -ENOMEM;
}

static bool covers(const struct mmun_notifier_range *range,
		   unsigned long start, unsigned long length)
{
	return range->start <= start && range->end >= start + length;
}

static void expect_paired(struct kunit *test, struct kt_sub *sub)
{
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted),
			atomic_read(&sub->ends));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 0);
}

static void look(struct kt_sub *sub, struct mmun_kunit_state *state)
{
	mmun_kunit_look(sub->mn.subs, state);
}

/* --- promise 12: the kernel's events arrive --- */

/*
 * A real munmap is heard at its start and its end, as an UNMAP that may block
 * and covers what was unmapped.
 */
static void p12_munmap(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(4));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(1), PAGES(2)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at + PAGES(1),
				       PAGES(2)));
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at + PAGES(1),
				       PAGES(2)));
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, sub->last_end.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_TRUE(test,
			  mmun_notifier_range_blockable(&sub->last_start));
	KUNIT_EXPECT_TRUE(test, mmun_notifier_range_blockable(&sub->last_end));
	KUNIT_EXPECT_PTR_EQ(test, sub->last_start.mm, mm);
	KUNIT_EXPECT_PTR_EQ(test, sub->last_end.mm, mm);
}

/*
 * An interval hears the real munmap of a page of its own, not of a
 * neighbour.
 */
static void p12_interval_hears_overlap(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(5));
	struct kt_interval *interval = kt_insert(test, mm, at + PAGES(2),
						 PAGES(1));

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(2)), 0);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(3), PAGES(2)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 0);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(2), PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	KUNIT_EXPECT_EQ(test, interval->last.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_TRUE(test, covers(&interval->last, at + PAGES(2),
				       PAGES(1)));
}

/* A copy-on-write fault is heard, by both kinds, as a CLEAR of that page. */
static void p12_copy_on_write(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = map_zero_pages(test, mm, PAGES(3));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at + PAGES(1),
						 PAGES(1));
	struct kt_interval *other = kt_insert(test, mm, at + PAGES(2),
					      PAGES(1));

	KUNIT_ASSERT_EQ(test, poke(mm, at + PAGES(1), 7), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_CLEAR);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at + PAGES(1),
				       PAGES(1)));
	KUNIT_EXPECT_GE(test, atomic_read(&interval->invalidates), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&other->invalidates), 0);
	expect_paired(test, sub);
}

/* A mapping that replaces another by MAP_FIXED is heard as its UNMAP. */
static void p12_mapping_replaced(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));

	KUNIT_ASSERT_EQ(test, map_over(mm, at, PAGES(2)), at);
	KUNIT_EXPECT_GE(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(2)));
	KUNIT_EXPECT_GE(test, atomic_read(&interval->invalidates), 1);
	expect_paired(test, sub);
}

/* A file that is cut off is heard in each mm that maps it, and only there. */
static void p12_file_cut_off(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct mm_struct *bystander = kt_mm(test);
	struct file *file = new_file(test, PAGES(2));
	unsigned long at = map_file(test, mm, file, PAGES(2));
	unsigned long at2 = map_file(test, mm2, file, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm2, &kt_range_ops);
	struct kt_sub *sub3 = kt_register(test, bystander, &kt_range_ops);

	cut_off(file);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub2->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub3->starts), 0);
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_CLEAR);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(2)));
	KUNIT_EXPECT_TRUE(test, covers(&sub2->last_start, at2, PAGES(2)));
	expect_paired(test, sub);
	expect_paired(test, sub2);
}

/* The process that loaded the module is a mm as any other. */
static void p12_loader(struct kunit *test)
{
	struct mm_struct *mm = kt_loader_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(2));

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(2)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(2)));
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	expect_paired(test, sub);
}

static int do_all_by_itself(void *arg)
{
	struct act *act = arg;
	int ret;

	ret = mmun_notifier_register(&act->sub->mn, current->mm);
	if (ret)
		return ret;
	ret = vm_munmap(act->start, act->length);
	mmun_notifier_unregister(&act->sub->mn, current->mm);
	return ret;
}

/* A task that subscribes to its own mm hears what it does itself. */
static void p12_own_mm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct act *act = new_act(test, mm);

	act->start = kt_mmap(test, mm, PAGES(1));
	act->length = PAGES(1);
	act->sub = kt_sub(test, &kt_range_ops);
	KUNIT_ASSERT_EQ(test, kt_join(test, kt_run_mm(test, mm,
						      do_all_by_itself, act)),
			0);
	KUNIT_EXPECT_EQ(test, atomic_read(&act->sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&act->sub->releases), 1);
	expect_paired(test, act->sub);
}

/*
 * Two tasks' ranges at once, and a third of the same mm: each has its own
 * end.
 */
static void p12_two_tasks_at_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct file *file2 = new_file(test, PAGES(2));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	unsigned long at2 = map_file(test, mm, file2, PAGES(2));
	unsigned long at3 = kt_mmap(test, mm, PAGES(3));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *first, *second, *third;

	kt_gate_close(&sub->start);
	first = run_cut_off(test, file);
	kt_gate_wait(test, &sub->start);

	second = run_cut_off(test, file2);
	kt_join(test, second);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at2, PAGES(2)));

	third = run_munmap(test, mm, at3, PAGES(3));
	KUNIT_EXPECT_EQ(test, kt_join(test, third), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 2);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at3, PAGES(3)));

	KUNIT_EXPECT_TRUE(test, kt_running(first));
	kt_gate_open(&sub->start);
	kt_join(test, first);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 3);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at, PAGES(1)));
}

/* A munmap's start comes while the page is there, its end when it has gone. */
static void p12_munmap_order(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *task;

	kt_gate_close(&sub->start);
	kt_gate_close(&sub->end);
	task = run_munmap(test, mm, at, PAGES(1));
	kt_gate_wait(test, &sub->start);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	KUNIT_EXPECT_TRUE(test, mapped(mm, at));
	kt_gate_open(&sub->start);
	kt_gate_wait(test, &sub->end);
	KUNIT_EXPECT_FALSE(test, mapped(mm, at));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&sub->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at), GONE);
}

/* An interval, too, is told while the page is there. */
static void p12_interval_order(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct kt_task *task;

	kt_gate_close(&interval->gate);
	task = run_munmap(test, mm, at, PAGES(1));
	kt_gate_wait(test, &interval->gate);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at), GONE);
}

/* A copy-on-write's start comes before the new page, its end after it. */
static void p12_copy_on_write_order(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = map_zero_pages(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *task;

	kt_gate_close(&sub->start);
	kt_gate_close(&sub->end);
	task = run_poke(test, mm, at + PAGES(1));
	kt_gate_wait(test, &sub->start);
	/* The zero page is not one that mapped() finds. */
	KUNIT_EXPECT_EQ(test, peek(mm, at + PAGES(1)), 0);
	KUNIT_EXPECT_FALSE(test, mapped(mm, at + PAGES(1)));
	kt_gate_open(&sub->start);
	kt_gate_wait(test, &sub->end);
	KUNIT_EXPECT_TRUE(test, mapped(mm, at + PAGES(1)));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&sub->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at + PAGES(1)), 7);
	expect_paired(test, sub);
}

/* A replaced mapping's start comes while the old page is there. */
static void p12_replaced_order(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct act *act = new_act(test, mm);
	struct kt_task *task;

	act->start = at;
	act->length = PAGES(1);
	kt_gate_close(&sub->start);
	task = kt_run(test, do_map_over, act);
	kt_gate_wait(test, &sub->start);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at), GONE);
	expect_paired(test, sub);
}

/* Release is heard while the pages are there; then the mm is closed. */
static void p12_exit_order(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_kunit_state state;
	struct kt_task *task;

	kt_mm_kill(test, mm);
	kt_gate_close(&sub->release);
	task = run_exit(test, mm);
	kt_gate_wait(test, &sub->release);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	look(sub, &state);
	KUNIT_EXPECT_FALSE(test, state.closed);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&sub->release);
	kt_join(test, task);

	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	look(sub, &state);
	KUNIT_EXPECT_TRUE(test, state.closed);
	KUNIT_EXPECT_EQ(test, state.busy, 0);
}

/* A range of another task that comes while release runs is still heard. */
static void p12_event_in_release(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *task;

	kt_mm_kill(test, mm);
	kt_gate_close(&sub->release);
	task = run_exit(test, mm);
	kt_gate_wait(test, &sub->release);
	kt_join(test, run_cut_off(test, file));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(1)));
	kt_gate_open(&sub->release);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	expect_paired(test, sub);
}

/* The flush of the TLBs after a munmap reaches who subscribed to it. */
static void p12_secondary_tlbs(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *tlb = kt_register(test, mm, &kt_tlb_ops);
	struct kt_sub *all = kt_register(test, mm, &kt_ops);

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(2)), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&tlb->tlb_flushes), 1);
	KUNIT_EXPECT_GE(test, atomic_read(&all->tlb_flushes), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->starts), 1);
	expect_paired(test, all);
}

/* Each of the kernel's events has its own here; an unknown one is a CLEAR. */
static void p12_events_by_name(struct kunit *test)
{
	static const struct {
		enum mmu_notifier_event kernel;
		enum mmun_notifier_event event;
	} names[] = {
		{ MMU_NOTIFY_UNMAP, MMUN_NOTIFY_UNMAP },
		{ MMU_NOTIFY_CLEAR, MMUN_NOTIFY_CLEAR },
		{ MMU_NOTIFY_PROTECTION_VMA, MMUN_NOTIFY_PROTECTION_VMA },
		{ MMU_NOTIFY_PROTECTION_PAGE, MMUN_NOTIFY_PROTECTION_PAGE },
		{ MMU_NOTIFY_SOFT_DIRTY, MMUN_NOTIFY_SOFT_DIRTY },
		{ MMU_NOTIFY_MIGRATE, MMUN_NOTIFY_MIGRATE },
		{ MMU_NOTIFY_EXCLUSIVE, MMUN_NOTIFY_EXCLUSIVE },
		{ (enum mmu_notifier_event)99, MMUN_NOTIFY_CLEAR },
	};
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		range = kt_range(test, mm, PAGES(1), PAGES(2), true,
				 MMUN_NOTIFY_CLEAR);
		range->kernel.event = names[i].kernel;
		range->kernel.owner = range;
		kt_start(range);
		KUNIT_EXPECT_EQ(test, sub->last_start.event, names[i].event);
		KUNIT_EXPECT_PTR_EQ(test, sub->last_start.owner, (void *)range);
		kt_end(range);
		KUNIT_EXPECT_EQ(test, sub->last_end.event, names[i].event);
	}
}

/* --- the other promises about ranges, with real ones --- */

/* A read section collides with a real munmap, and with nothing else. */
static void p13_real_collision(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(4));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	unsigned long seq;

	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(1), PAGES(3)), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
}

/* A reader sleeps while a real range that overlaps is in flight, no longer. */
static void p14_reader_waits_for_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(2));
	unsigned long at = map_file(test, mm, file, PAGES(2));
	unsigned long elsewhere = kt_mmap(test, mm, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(2));
	struct kt_interval *other = kt_insert(test, mm, elsewhere, PAGES(1));
	struct act *act = new_act(test, mm), *act2 = new_act(test, mm);
	struct kt_task *range, *reader;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);

	act->interval = interval;
	reader = kt_run(test, do_read_begin, act);
	kt_assert_waits(test, interval->mni.subs, reader, 1);
	act2->interval = other;
	kt_join(test, kt_run(test, do_read_begin, act2));
	KUNIT_EXPECT_FALSE(test, kt_retry(other, act2->seq));
	KUNIT_EXPECT_TRUE(test, kt_running(reader));
	KUNIT_EXPECT_EQ(test, kt_waiters(interval->mni.subs), 1);

	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, act->seq));
}

/*
 * Insert and remove come back though a real range that overlaps is in
 * flight.
 */
static void p15_insert_and_remove_in_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_interval *old = kt_insert(test, mm, at, PAGES(1));
	struct kt_interval *new = kt_interval(test);
	struct act *act = new_act(test, mm);
	struct kt_task *range, *reader;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	KUNIT_EXPECT_EQ(test, atomic_read(&old->invalidates), 1);

	KUNIT_EXPECT_EQ(test, kt_join(test, run_insert(test, mm, new, at,
						       PAGES(1))), 0);
	kt_join(test, run_remove(test, old));
	act->interval = new;
	reader = kt_run(test, do_read_begin, act);
	kt_assert_waits(test, new->mni.subs, reader, 1);

	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(new, act->seq));
	KUNIT_EXPECT_EQ(test, atomic_read(&old->invalidates), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->invalidates), 0);
	cut_off(file);
	KUNIT_EXPECT_TRUE(test, kt_retry(new, act->seq));
}

/* Unregister waits for a start that a real range has called, and pairs it. */
static void p03_unregister_in_real_start(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *stays = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *range, *leaver;

	kt_gate_close(&sub->start);
	range = run_munmap(test, mm, at, PAGES(1));
	kt_gate_wait(test, &sub->start);
	leaver = run_unregister(test, sub);
	kt_assert_waits(test, stays->mn.subs, leaver, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	kt_gate_open(&sub->start);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, range), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&stays->ends), 1);
}

/* Who leaves with a real range in flight is told its end then, and once. */
static void p09_leave_in_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *stays = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *range;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	kt_join(test, run_unregister(test, sub));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&stays->ends), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&stays->ends), 1);
}

/* Who joins with a real range in flight waits for it, and is not told of it. */
static void p09_join_in_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *first = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *second = kt_sub(test, &kt_range_ops);
	struct kt_task *range, *joiner;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	joiner = run_register(test, mm, second);
	kt_assert_waits(test, first->mn.subs, joiner, 1);
	kt_gate_open(&peer->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, atomic_read(&first->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->ends), 0);
	cut_off(file);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->ends), 1);
}

/* A range of the hook's and a real one at the same time have their own ends. */
static void p09_hook_and_real(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_range(test, mm, at, at + PAGES(2), true,
					  MMUN_NOTIFY_SOFT_DIRTY);

	kt_start(range);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.event, MMUN_NOTIFY_UNMAP);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.event, MMUN_NOTIFY_SOFT_DIRTY);
}

/* An end whose start nobody heard is not told, and the next range is. */
static void p09_end_without_start(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_range(test, mm, at, at + PAGES(1), true,
					  MMUN_NOTIFY_CLEAR);
	struct mmun_kunit_state state;

	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.overflow, 0);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/* At a real exit each interval hears one RELEASE, and no other event. */
static void p18_each_interval_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *mapped = kt_insert(test, mm, at, PAGES(1));
	struct kt_interval *nowhere = kt_insert(test, mm, 0, PAGES(1));
	struct kt_interval *all = kt_insert(test, mm, 0, ULONG_MAX);
	struct kt_interval *left = kt_insert(test, mm, at, PAGES(1));

	kt_remove(left);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&mapped->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&nowhere->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&left->releases), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mapped->invalidates), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&nowhere->invalidates), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->invalidates), 0);
}

/*
 * An interval's RELEASE runs while the pages are there, and exit waits for
 * it.
 */
static void p18_release_before_pages_go(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct kt_task *task;

	kt_mm_kill(test, mm);
	kt_gate_close(&interval->gate);
	task = run_exit(test, mm);
	kt_gate_wait(test, &interval->gate);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&interval->gate);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/*
 * At an exit with another task's range in flight, release comes and then the
 * end.
 */
static void p08_exit_in_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct mmun_kunit_state state;
	struct kt_task *range, *task;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	kt_mm_kill(test, mm);
	task = run_exit(test, mm);
	KT_ASSERT_UNTIL(test, (look(sub, &state), state.closed));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KUNIT_EXPECT_EQ(test, state.active, 0);
	/* Nothing may wait for the range, though its end is to come. */
	mmun_interval_read_begin(&interval->mni);
	kt_join(test, run_remove(test, interval));
	kt_join(test, run_unregister(test, sub));
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/* After a real exit all kinds leave, in another order than they came. */
static void p08_leave_after_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *all = kt_register(test, mm, &kt_ops);
	struct kt_sub *got = kt_get(test, mm, &kt_get_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, ULONG_MAX);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	kt_join(test, run_unregister(test, sub));
	kt_put(got);
	kt_join(test, run_remove(test, interval));
	kt_join(test, run_unregister(test, all));
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->frees), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/* --- promise 19: attached once --- */

/* One interval and one list notifier of the kernel's serve all subscribers. */
static void p19_one_bridge_for_all(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval;
	struct kt_sub *sub, *got;
	int i;

	sub = kt_register(test, mm, &kt_range_ops);
	KUNIT_ASSERT_EQ(test, mmun_kunit_attached(), 2);
	for (i = 0; i < 5; i++) {
		kt_register(test, mm, &kt_start_only_ops);
		kt_insert(test, mm, PAGES(i), PAGES(1));
	}
	got = kt_get(test, mm, &kt_get_ops);
	interval = kt_insert(test, mm, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.subs, got->mn.subs);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.subs, interval->mni.subs);
}

/*
 * Bridges for young queries and TLBs are there once, for as long as asked
 * for.
 */
static void p19_extra_bridges_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *young, *young2, *tlb, *tlb2, *sub;
	struct mmun_kunit_state state;

	sub = kt_register(test, mm, &kt_range_ops);
	look(sub, &state);
	KUNIT_EXPECT_FALSE(test, state.young);
	KUNIT_EXPECT_FALSE(test, state.tlb);

	young = kt_register(test, mm, &kt_young_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	young2 = kt_register(test, mm, &kt_young_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	look(sub, &state);
	KUNIT_EXPECT_TRUE(test, state.young);
	KUNIT_EXPECT_FALSE(test, state.tlb);

	tlb = kt_register(test, mm, &kt_tlb_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	tlb2 = kt_register(test, mm, &kt_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	kt_unregister(tlb2);
	kt_unregister(young);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	look(sub, &state);
	KUNIT_EXPECT_TRUE(test, state.young);
	KUNIT_EXPECT_TRUE(test, state.tlb);

	kt_unregister(young2);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	look(sub, &state);
	KUNIT_EXPECT_FALSE(test, state.young);
	KUNIT_EXPECT_TRUE(test, state.tlb);
	kt_unregister(tlb);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	look(sub, &state);
	KUNIT_EXPECT_FALSE(test, state.tlb);

	/* And again, after it had gone. */
	young = kt_register(test, mm, &kt_young_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	mmun_kunit_test_young(mm, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&young->test_youngs), 1);
}

/*
 * Registers, inserts and gets what exists, with a lock held that attaching
 * takes.
 */
static void join_in_tasks(struct kunit *test, struct mm_struct *mm)
{
	struct act *get = new_act(test, mm);
	struct kt_interval *interval = kt_interval(test);
	struct kt_task *task;

	task = run_register(test, mm, kt_sub(test, &kt_range_ops));
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	task = run_register(test, mm, kt_sub(test, &kt_ops));
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	task = run_insert(test, mm, interval, PAGES(1), PAGES(1));
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	get->ops = &kt_get_ops;
	task = kt_run(test, do_get, get);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/*
 * Later subscribers of all kinds come in while another task writes to the
 * mm.
 */
static void p19_no_mmap_lock(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct act *holder;

	kt_register(test, mm, &kt_ops);
	kt_get(test, mm, &kt_get_ops);
	holder = run_holder(test, mm, NULL, do_hold_mmap_write);
	join_in_tasks(test, mm);
	kt_gate_open(&holder->gate);
}

/*
 * They do not take the VMAs' locks, either; nor does a get that makes a new
 * one.
 */
static void p19_no_vma_locks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct act *get = new_act(test, mm), *holder;

	map_file(test, mm, file, PAGES(1));
	kt_register(test, mm, &kt_ops);
	kt_get(test, mm, &kt_get_ops);
	holder = run_holder(test, mm, file, do_hold_i_mmap);
	join_in_tasks(test, mm);
	get->ops = &kt_get_ops2;
	KUNIT_EXPECT_EQ(test, kt_join(test, kt_run(test, do_get, get)), 0);
	kt_gate_open(&holder->gate);
}

/*
 * The first one does take both: what the two cases above hold is what
 * counts.
 */
static void p19_first_takes_all_locks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct kt_task *task, *task2;
	struct act *holder, *holder2;

	map_file(test, mm2, file, PAGES(1));
	holder = run_holder(test, mm, NULL, do_hold_mmap_read);
	holder2 = run_holder(test, mm2, file, do_hold_i_mmap);
	task = run_register(test, mm, kt_sub(test, &kt_range_ops));
	task2 = run_register(test, mm2, kt_sub(test, &kt_range_ops));
	KT_ASSERT_UNTIL(test, stuck(task) && stuck(task2));
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm2));
	/* Both: all attaching takes one mutex of the kernel's, too. */
	kt_gate_open(&holder->gate);
	kt_gate_open(&holder2->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, task2), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 4);
}

/* Several who are first at once share what one of them attaches. */
static void p19_first_at_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_sub(test, &kt_ops);
	struct kt_sub *sub2 = kt_sub(test, &kt_ops);
	struct kt_interval *interval = kt_interval(test);
	struct act *holder = run_holder(test, mm, NULL, do_hold_mmap_write);
	struct kt_task *task, *task2, *task3;

	task = run_register(test, mm, sub);
	task2 = run_register(test, mm, sub2);
	task3 = run_insert(test, mm, interval, 0, PAGES(1));
	KT_ASSERT_UNTIL(test, stuck(task) && stuck(task2) && stuck(task3));
	kt_gate_open(&holder->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, task2), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, task3), 0);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.subs, sub2->mn.subs);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.subs, interval->mni.subs);
}

static int do_join_locked(void *arg)
{
	struct act *act = arg;
	struct kt_interval *interval = act->interval;
	struct mmun_notifier *mn;
	int ret;

	mmap_write_lock(act->mm);
	ret = __mmun_notifier_register(&act->sub->mn, act->mm);
	act->sub->registered = !ret;
	if (ret)
		goto out;
	ret = mmun_interval_notifier_insert_locked(&interval->mni, act->mm,
						   act->start, act->length,
						   &kt_interval_ops);
	interval->inserted = !ret;
	if (ret)
		goto out;
	mn = mmun_notifier_get_locked(&kt_get_ops, act->mm);
	ret = PTR_ERR_OR_ZERO(mn);
	if (!ret)
		container_of(mn, struct kt_sub, mn)->got = true;
out:
	mmap_write_unlock(act->mm);
	return ret;
}

/* Under the caller's mmap lock, too, the first attaches and the others join. */
static void p19_under_mmap_lock(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct act *act = new_act(test, mm);

	act->start = kt_mmap(test, mm, PAGES(1));
	act->length = PAGES(1);
	act->sub = kt_sub(test, &kt_range_ops);
	act->interval = kt_interval(test);
	KUNIT_ASSERT_EQ(test, kt_join(test, kt_run(test, do_join_locked, act)),
			0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, act->start, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&act->sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&act->interval->invalidates), 1);
	expect_paired(test, act->sub);
}

/* --- promise 7: the bridge stays until the exit --- */

/*
 * The bridge stays when the last subscriber leaves, and nobody hears through it; the
 * next subscriber finds it, and hears.
 */
static void p07_bridge_stays_with_the_last(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, ULONG_MAX);
	struct kt_sub *got = kt_get(test, mm, &kt_get_ops);
	struct mmun_subscriptions *subs = sub->mn.subs;

	kt_remove(interval);
	kt_unregister(sub);
	kt_put(got);
	/* The notifiers for young queries and TLBs go. */
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 0);

	sub = kt_register(test, mm, &kt_range_ops);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.subs, subs);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(1), PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	expect_paired(test, sub);
}

/* The bridge that nobody needs any more goes with the mm's exit. */
static void p07_idle_bridge_goes_with_the_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
}

/* The last one leaves in the middle of a real range without waiting for it. */
static void p07_last_leaves_in_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *range;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	kt_join(test, run_unregister(test, sub));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/*
 * Removing the bridge of a living mm waits for a real range that is held open, and
 * then comes to its end. Until then a new subscriber waits, too.
 */
static void p07_removal_waits_for_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *old = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *new = kt_sub(test, &kt_range_ops);
	struct kt_task *range, *task;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	kt_join(test, run_unregister(test, old));
	mmun_kunit_cut_off(mm);
	/* Both notifiers and the worker, which is in the removal of the interval. */
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	KT_ASSERT_UNTIL(test, !mmun_kunit_found(mm));
	task = run_register(test, mm, new);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	KUNIT_EXPECT_TRUE(test, kt_running(task));

	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->ends), 0);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);

	cut_off(file);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&new->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&old->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&old->ends), 1);
}

/* An exit while the removal waits for a range: the bridge goes once, after both. */
static void p08_exit_while_removal_waits(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *range, *task;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	kt_join(test, run_unregister(test, sub));
	mmun_kunit_cut_off(mm);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	kt_mm_kill(test, mm);
	task = run_exit(test, mm);
	/* At the file's lock, which is past the release. */
	KT_ASSERT_UNTIL(test, stuck(task));
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	expect_paired(test, sub);
}

static int do_storm_of_cuts(void *arg)
{
	struct act *act = arg;

	while (!READ_ONCE(stop)) {
		cut_off(act->file);
		act->rounds++;
		cond_resched();
	}
	return 0;
}

static int do_storm_of_munmaps(void *arg)
{
	struct act *act = arg;
	unsigned long at;

	while (!READ_ONCE(stop)) {
		at = vm_mmap(NULL, 0, PAGES(1), PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
		if (IS_ERR_VALUE(at) || put_user(1, (int __user *)at) ||
		    vm_munmap(at, PAGES(1)))
			return -ENOMEM;
		act->rounds++;
		cond_resched();
	}
	return 0;
}

/*
 * First and last subscribers come and go in a storm of real ranges: each has an
 * end for each start, and hears the ranges that begin after it came.
 */
static void p09_attach_in_a_storm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct act *cuts = new_act(test, mm), *munmaps = new_act(test, mm);
	struct kt_interval *interval;
	struct kt_task *a, *b;
	struct kt_sub *sub;
	int i;

	map_file(test, mm, file, PAGES(1));
	cuts->file = file;
	a = kt_run(test, do_storm_of_cuts, cuts);
	b = kt_run_mm(test, mm, do_storm_of_munmaps, munmaps);
	KT_ASSERT_UNTIL(test, READ_ONCE(cuts->rounds) &&
			READ_ONCE(munmaps->rounds));

	for (i = 0; i < 12; i++) {
		interval = i & 1 ? kt_insert(test, mm, 0, ULONG_MAX) : NULL;
		sub = kt_register(test, mm, i & 2 ? &kt_ops : &kt_range_ops);
		KT_ASSERT_UNTIL(test, atomic_read(&sub->ends) >= 2);
		if (interval) {
			KT_ASSERT_UNTIL(test,
					atomic_read(&interval->invalidates));
			kt_remove(interval);
		}
		kt_unregister(sub);
		expect_paired(test, sub);
		/* To the same bridge, or to a new one when all has gone. */
		if (i & 4) {
			mmun_kunit_cut_off(mm);
			KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
		}
	}
	WRITE_ONCE(stop, true);
	kt_join(test, a);
	KUNIT_EXPECT_EQ(test, kt_join(test, b), 0);
}

/* --- the first subscription of a mm --- */

/*
 * With a range in flight that it will not be told of, the first registration
 * waits, and hears neither start nor end of it.
 */
static void p09_first_waits_for_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_task *range, *task;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	task = run_register(test, mm, sub);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	kt_gate_open(&peer->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	cut_off(file);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/*
 * A range whose start comes between the two steps of attaching, so that its end
 * will not be heard, is not counted: nobody waits for it for ever.
 */
static void p09_range_between_the_steps(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct file *file2 = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	unsigned long at2 = map_file(test, mm, file2, PAGES(1));
	struct file *lower = at < at2 ? file : file2;
	struct file *upper = at < at2 ? file2 : file;
	struct peer_interval *peer = peer_insert(test, mm, max(at, at2),
						 PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct mmun_kunit_state state;
	struct kt_task *task, *range;
	struct act *holder;

	/* All locks are taken by address: it stops at the lower one. */
	holder = run_holder(test, mm, lower, do_hold_i_mmap);
	task = run_register(test, mm, sub);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2 && stuck(task));
	kt_join(test, run_cut_off(test, upper));
	KUNIT_EXPECT_EQ(test, atomic_read(&peer->heard), 1);
	kt_gate_close(&peer->gate);
	range = run_cut_off(test, upper);
	kt_gate_wait(test, &peer->gate);
	kt_gate_open(&holder->gate);
	KT_ASSERT_UNTIL(test, stuck(task));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);

	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.busy, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	cut_off(upper);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/*
 * A first interval, too, waits for a range, also if no interval was told of
 * it.
 */
static void p15_first_interval_waits(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_list *peer = new_peer_list(test);
	struct kt_interval *interval = kt_interval(test);
	struct kt_task *range, *task;
	unsigned long seq;

	KUNIT_ASSERT_EQ(test, peer_register(peer, mm), 0);
	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	task = run_insert(test, mm, interval, at, PAGES(1));
	KT_ASSERT_UNTIL(test, stuck(task));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	kt_gate_open(&peer->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	kt_join(test, range);
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	cut_off(file);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
}

/* A fault in flight, under the lock of its VMA, is waited for as well. */
static void p09_first_waits_for_fault(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = map_zero_pages(test, mm, PAGES(2));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_task *fault, *task;
	struct peer_interval *peer;

	/* Only with an anon_vma is the VMA's lock enough for a fault. */
	KUNIT_ASSERT_EQ(test, poke(mm, at, 7), 0);
	peer = peer_insert(test, mm, at, PAGES(2));
	kt_gate_close(&peer->gate);
	fault = run_poke(test, mm, at + PAGES(1));
	kt_gate_wait(test, &peer->gate);
	task = run_register(test, mm, sub);
	KT_ASSERT_UNTIL(test, stuck(task));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	kt_gate_open(&peer->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, fault), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
}

/* A fatal signal ends the wait: nothing is left attached, later it works. */
static void x_killed_while_attaching(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_task *range, *task;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	task = run_register_sig(test, mm, sub, SIGKILL, false);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	send_sig(SIGKILL, task->task, 1);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);

	sub = kt_register(test, mm, &kt_range_ops);
	cut_off(file);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	expect_paired(test, sub);
}

/* Another signal does not end the wait. */
static void x_signalled_while_attaching(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_task *range, *task;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	task = run_register_sig(test, mm, sub, SIGUSR1, false);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	send_sig(SIGUSR1, task->task, 1);
	KUNIT_EXPECT_TRUE(test, sigismember(&task->task->pending.signal,
					    SIGUSR1));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&peer->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, range);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
}

/*
 * With a fatal signal pending a first registration fails and attaches
 * nothing.
 */
static void x_killed_before_attaching(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_task *task;

	task = run_register_sig(test, mm, sub, SIGKILL, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));

	/* Where a peer was first, only the second of the two steps can fail. */
	peer_insert(test, mm2, 0, ULONG_MAX);
	task = run_register_sig(test, mm2, sub, SIGKILL, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm2));

	kt_register(test, mm, &kt_range_ops);
	kt_register(test, mm2, &kt_range_ops);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 4);
}

/* A fatal signal also keeps the extra bridges out, and the others stay. */
static void x_killed_before_extra_bridge(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct mmun_kunit_state state;
	struct kt_task *task;

	task = run_register_sig(test, mm, kt_sub(test, &kt_ops), SIGKILL, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.users, 1);
	KUNIT_EXPECT_FALSE(test, state.young);
	KUNIT_EXPECT_FALSE(test, state.tlb);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
}

/* Who needs no new bridge is let in with a fatal signal pending. */
static void p19_killed_and_later(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_task *task;

	kt_register(test, mm, &kt_range_ops);
	task = run_register_sig(test, mm, kt_sub(test, &kt_range_ops), SIGKILL,
				true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/* Any other signal that is pending does not keep a first registration out. */
static void x_signalled_before_attaching(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_task *task;

	task = run_register_sig(test, mm, kt_sub(test, &kt_ops), SIGUSR1, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 4);
}

/*
 * A first registration leaves the task's mask of signals as it was, also if it
 * fails.
 */
static void x_mask_of_signals_is_kept(struct kunit *test)
{
	struct act *act;
	int i;

	for (i = 0; i < 2; i++) {
		act = new_act(test, kt_mm(test));
		act->sub = kt_sub(test, &kt_range_ops);
		act->sig = i ? SIGKILL : 0;
		KUNIT_EXPECT_EQ(test,
				kt_join(test, kt_run(test, do_register_masked,
						     act)),
				i ? -EINTR : 0);
		KUNIT_EXPECT_TRUE(test, act->same_mask);
	}
}

/*
 * A range of the kernel's that does not end in ten seconds makes a first
 * registration fail; nothing is left attached, and later it works.
 */
static void x_busy(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_task *range, *task;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	task = run_register(test, mm, sub);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EBUSY);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_register(test, mm, &kt_range_ops);
}

/* mm_has_mmun_notifiers() says so from the first to the last, of any kind. */
static void x_mm_has_mmun_notifiers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *other = kt_mm(test);
	struct kt_interval *interval;
	struct kt_sub *sub;

	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	sub = kt_register(test, mm, &kt_range_ops);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(other));
	interval = kt_insert(test, mm, 0, PAGES(1));
	kt_unregister(sub);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
	kt_remove(interval);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	/* While the bridge may still be going. */
	interval = kt_insert(test, mm, 0, PAGES(1));
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	kt_remove(interval);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
}

/* --- promise 6 and exit --- */

/* After the exit every way to subscribe returns -ESRCH and attaches nothing. */
static void p06_after_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_interval *interval = kt_interval(test);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);

	/* One that was never subscribed to, and one that still is. */
	kt_register(test, mm2, &kt_range_ops);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	kt_mm_kill(test, mm2);
	kt_mm_exit(test, mm2);
	KUNIT_EXPECT_EQ(test, mmun_notifier_register(&sub->mn, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test, mmun_notifier_register(&sub->mn, mm2), -ESRCH);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mmun_notifier_get(&kt_get_ops, mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mmun_notifier_get(&kt_get_ops, mm2)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm, 0,
						      PAGES(1),
						      &kt_interval_ops),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm2, 0,
						      PAGES(1),
						      &kt_interval_ops),
			-ESRCH);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/*
 * A registration that outlives its process succeeds, and then hears the
 * release; or it fails with -ESRCH and hears nothing, if the exit is faster than its
 * last steps.
 */
static void p06_process_dies_while_attaching(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_task *range, *task;
	int ret;

	kt_gate_close(&peer->gate);
	range = run_cut_off(test, file);
	kt_gate_wait(test, &peer->gate);
	kt_mm_kill(test, mm);
	task = run_register(test, mm, sub);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&peer->gate);
	ret = kt_join(test, task);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
	/* The exit is a worker's. */
	if (ret) {
		KUNIT_EXPECT_EQ(test, ret, -ESRCH);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 0);
		return;
	}
	KT_ASSERT_UNTIL(test, atomic_read(&sub->releases) == 1);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
}

/* A registration that races with the exit succeeds or returns -ESRCH. */
static void p06_race_with_exit(struct kunit *test)
{
	struct mm_struct *mm;
	struct kt_task *task;
	struct kt_sub *sub;
	int i, ret;

	for (i = 0; i < 6; i++) {
		mm = kt_mm(test);
		sub = kt_sub(test, i & 1 ? &kt_ops : &kt_range_ops);
		kt_mm_kill(test, mm);
		task = run_register(test, mm, sub);
		if (i & 2)
			KT_ASSERT_UNTIL(test,
					atomic_read(&mm->mm_users) != 1 ||
					!kt_running(task));
		kt_mm_exit(test, mm);
		ret = kt_join(test, task);
		if (ret) {
			KUNIT_EXPECT_EQ(test, ret, -ESRCH);
		} else {
			KT_ASSERT_UNTIL(test, atomic_read(&sub->releases));
			kt_unregister(sub);
			KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
		}
		expect_paired(test, sub);
		KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	}
}

static int note_task(struct subprocess_info *info, struct cred *new)
{
	*(struct task_struct **)info->data = get_task_struct(current);
	return 0;
}

/*
 * A process of which only mmun holds the mm_struct: its address may be that of
 * the next one. Subscribes, exits, leaves. Returns the address; 0 on failure.
 */
static unsigned long short_life(struct kunit *test)
{
	char *argv[3] = { "/bin/sleep", "1000000", NULL };
	char *envp[1] = { NULL };
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct task_struct *task = NULL;
	struct subprocess_info *info;
	unsigned long address = 0;
	struct mm_struct *mm;

	info = call_usermodehelper_setup(argv[0], argv, envp, GFP_KERNEL,
					 note_task, NULL, &task);
	if (!info || call_usermodehelper_exec(info, UMH_WAIT_EXEC))
		return 0;
	mm = get_task_mm(task);
	if (mm) {
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		if (!mmun_notifier_register(&sub->mn, mm)) {
			sub->registered = true;
			address = (unsigned long)mm;
		}
	}
	send_sig(SIGKILL, task, 1);
	if (mm)
		mmput(mm);
	put_task_struct(task);
	/* The mm_struct lives as long as it is subscribed to. */
	if (sub->registered) {
		KUNIT_EXPECT_TRUE(test, kt_until(atomic_read(&sub->releases)));
		kt_unregister(sub);
		KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
		expect_paired(test, sub);
	}
	return address;
}

/* A process whose mm_struct is where another's was is a new mm. */
static void x_address_used_again(struct kunit *test)
{
	unsigned long seen[6];
	int i, j, again = 0;

	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		seen[i] = short_life(test);
		KUNIT_ASSERT_NE(test, seen[i], 0UL);
		KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
		/* What the kernel frees after a grace period, too. */
		synchronize_rcu();
		for (j = 0; j < i; j++)
			again += seen[j] == seen[i];
	}
	kunit_info(test, "used again: %d times\n", again);
	/* KASAN keeps what was freed from being used again. */
	if (!again)
		kt_skip_if_good(test, "no address was used again");
}

/* --- promise 10: ranges that another driver refuses behind us --- */

/*
 * What is raised here may not block. The kernel's intervals are asked, mmun's
 * agrees, and nothing more comes: neither a confirmation nor an end. Who raises
 * such a range has the mmap lock for reading.
 */
static struct kt_range *new_refused(struct kunit *test, struct mm_struct *mm,
				    unsigned long start, unsigned long length)
{
	return kt_range(test, mm, start, start + length, false,
			MMUN_NOTIFY_UNMAP);
}

static int accept_range(struct kt_range *range)
{
	int ret;

	down_read_non_owner(&range->kernel.mm->mmap_lock);
	ret = mmun_kunit_accept(&range->kernel);
	range->in_flight = true;
	return ret;
}

/* It has heard the refusal, and goes on. */
static void raiser_leaves(struct kt_range *range)
{
	range->in_flight = false;
	up_read_non_owner(&range->kernel.mm->mmap_lock);
}

/* An orphan's owed end is told when the mmap lock is free, and not before. */
static void p10_orphan_is_settled(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	struct kt_range *range = new_refused(test, mm, PAGES(1), PAGES(1));
	struct mmun_kunit_state state;
	unsigned long seq;
	int i;

	KUNIT_EXPECT_EQ(test, accept_range(range), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	for (i = 0; i < 3; i++) {
		mmun_kunit_flush_worker(sub->mn.subs);
		seq = mmun_interval_read_begin(&interval->mni);
		KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 0);
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.provisional, 1);
	raiser_leaves(range);

	KT_ASSERT_UNTIL(test, atomic_read(&sub->ends) == 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(1));
	KUNIT_EXPECT_EQ(test, sub->last_end.end, PAGES(2));
	KUNIT_EXPECT_FALSE(test, mmun_notifier_range_blockable(&sub->last_end));
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.busy, 0);
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/* A range that was confirmed is no orphan, whoever has the mmap lock. */
static void p10_confirmed_is_kept(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = new_refused(test, mm, PAGES(1), PAGES(1));
	struct kt_range *orphan = new_refused(test, mm, PAGES(4), PAGES(1));
	struct mmun_kunit_state state;

	KUNIT_EXPECT_EQ(test, accept_range(range), 0);
	mmun_kunit_confirm(&range->kernel);
	KUNIT_EXPECT_EQ(test, accept_range(orphan), 0);
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.active, 2);
	KUNIT_EXPECT_EQ(test, state.provisional, 1);
	raiser_leaves(orphan);
	raiser_leaves(range);

	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(4));
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.active, 1);
	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(1));
}

/* Several orphans of several tasks are settled, each with its own bounds. */
static void p10_orphans(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range[3];
	struct mmun_kunit_state state;
	int i;

	for (i = 0; i < ARRAY_SIZE(range); i++) {
		range[i] = new_refused(test, mm, PAGES(i), PAGES(1));
		KUNIT_EXPECT_EQ(test, accept_range(range[i]), 0);
	}
	for (i = 0; i < ARRAY_SIZE(range); i++)
		raiser_leaves(range[i]);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub2->accepted), 3);
	expect_paired(test, sub);
	expect_paired(test, sub2);
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.busy, 0);
}

/*
 * The next range from the same object shows that the last one was an orphan:
 * its end comes before the new start is told.
 */
static void p10_object_used_again(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = new_refused(test, mm, PAGES(1), PAGES(1));
	struct mmun_kunit_state state;

	KUNIT_EXPECT_EQ(test, accept_range(range), 0);
	range->kernel.start = PAGES(8);
	range->kernel.end = PAGES(9);
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept(&range->kernel), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(1));
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.busy, 1);
	KUNIT_EXPECT_EQ(test, state.provisional, 1);

	mmun_kunit_confirm(&range->kernel);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.start, PAGES(8));
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.busy, 0);
}

/* The same when the next range is one that may block. */
static void p10_object_used_again_blockable(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = new_refused(test, mm, PAGES(1), PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	struct mmun_kunit_state state;
	unsigned long seq;

	KUNIT_EXPECT_EQ(test, accept_range(range), 0);
	range->kernel.start = PAGES(8);
	range->kernel.end = PAGES(9);
	range->kernel.flags = MMU_NOTIFIER_RANGE_BLOCKABLE;
	KUNIT_EXPECT_EQ(test, mmun_kunit_accept(&range->kernel), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	look(sub, &state);
	KUNIT_EXPECT_EQ(test, state.active, 1);
	KUNIT_EXPECT_EQ(test, state.provisional, 0);
	/* The orphan's mark is gone from its interval. */
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	kt_end(range);
	expect_paired(test, sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 2);
}

/* The exit settles an orphan even if the mmap lock never becomes free. */
static void p10_orphan_at_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	struct kt_range *range = new_refused(test, mm, PAGES(1), PAGES(1));
	struct mmun_kunit_state state;
	struct kt_task *task;

	KUNIT_EXPECT_EQ(test, accept_range(range), 0);
	kt_mm_kill(test, mm);
	task = run_exit(test, mm);
	KT_ASSERT_UNTIL(test, (look(sub, &state), state.closed));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, state.active, 0);
	KUNIT_EXPECT_EQ(test, state.provisional, 0);
	mmun_interval_read_begin(&interval->mni);
	raiser_leaves(range);
	kt_join(test, task);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
}

/* The last subscriber leaves with an orphan: it has its end, and later ones come. */
static void p10_orphan_and_the_last_leaves(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	struct kt_range *range = new_refused(test, mm, PAGES(1), PAGES(1));

	KUNIT_EXPECT_EQ(test, accept_range(range), 0);
	kt_join(test, run_remove(test, interval));
	kt_join(test, run_unregister(test, sub));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	raiser_leaves(range);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);

	sub = kt_register(test, mm, &kt_range_ops);
	interval = kt_insert(test, mm, PAGES(1), PAGES(1));
	KUNIT_EXPECT_FALSE(test,
			   kt_retry(interval,
				    mmun_interval_read_begin(&interval->mni)));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 0);
}

/* Who joins with an orphan about waits until it is settled. */
static void p10_join_with_orphan(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = new_refused(test, mm, PAGES(1), PAGES(1));
	struct kt_sub *second = kt_sub(test, &kt_range_ops);
	struct kt_task *task;

	KUNIT_EXPECT_EQ(test, accept_range(range), 0);
	task = run_register(test, mm, second);
	kt_assert_waits(test, sub->mn.subs, task, 1);
	raiser_leaves(range);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KT_ASSERT_UNTIL(test, atomic_read(&sub->ends) == 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->starts), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&second->ends), 0);
}

/* --- promise 20: one mm's slow callback delays nobody else --- */

static atomic_t called = ATOMIC_INIT(0);

static void count_call(struct rcu_head *rcu)
{
	atomic_inc(&called);
}

DEFINE_STATIC_SRCU(own_srcu);

/*
 * All that a mm's subscribers do, up to its exit. Its process has been killed.
 * With a peer, also what users of the kernel's own notifier do, and everything
 * is detached in the end but what was attached before.
 */
static int do_whole_life(void *arg)
{
	struct act *act = arg;
	struct kt_sub *sub = act->sub, *got;
	struct kt_interval *interval = act->interval;
	struct kunit *test = act->test;
	int ret;

	act->ops = &kt_get_ops;
	ret = do_register(act) ?: do_insert(act) ?: do_get(act);
	if (ret)
		return ret;
	got = act->sub;
	act->sub = sub;

	KUNIT_EXPECT_EQ(test, kt_munmap(act->mm, act->start, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->starts), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&got->ends), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->invalidates), 1);
	act->seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, act->seq));

	kt_remove(interval);
	kt_put(got);
	KUNIT_EXPECT_TRUE(test, kt_until(atomic_read(&got->frees)));
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 1);
	if (act->peer) {
		mmun_kunit_cut_off(act->mm);
		KUNIT_EXPECT_TRUE(test, kt_until(mmun_kunit_attached() ==
						 act->attached));
		KUNIT_EXPECT_EQ(test, peer_register(act->peer, act->mm), 0);
		peer_unregister(act->peer);
	}

	sub->mn = (struct mmun_notifier){ .ops = sub->mn.ops };
	ret = do_register(act) ?: do_insert(act);
	if (ret)
		return ret;
	kt_mm_exit(test, act->mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->releases), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	kt_unregister(sub);
	kt_remove(interval);
	if (act->peer)
		KUNIT_EXPECT_TRUE(test, kt_until(mmun_kunit_attached() ==
						 act->attached));
	return 0;
}

/* Before the slow callback: what do_whole_life() needs. */
static struct act *new_life(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct act *act = new_act(test, mm);

	act->start = kt_mmap(test, mm, PAGES(1));
	act->length = PAGES(1);
	act->sub = kt_sub(test, &kt_ops);
	act->interval = kt_interval(test);
	act->peer = new_peer_list(test);
	kt_mm_kill(test, mm);
	return act;
}

static void expect_life(struct kunit *test, struct act *act)
{
	act->attached = mmun_kunit_attached();
	KUNIT_EXPECT_EQ(test, kt_join(test, kt_run(test, do_whole_life, act)),
			0);
}

/* A start that sleeps in one mm delays nothing in another. */
static void p20_start(struct kunit *test)
{
	struct act *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *task;

	kt_gate_close(&sub->start);
	task = run_munmap(test, mm, at, PAGES(1));
	kt_gate_wait(test, &sub->start);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/* An interval's invalidate that sleeps in one mm delays nothing in another. */
static void p20_invalidate(struct kunit *test)
{
	struct act *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct kt_task *task;

	kt_gate_close(&interval->gate);
	task = run_munmap(test, mm, at, PAGES(1));
	kt_gate_wait(test, &interval->gate);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/* A release that sleeps in one mm's exit delays nothing in another. */
static void p20_release(struct kunit *test)
{
	struct act *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *task;

	kt_mm_kill(test, mm);
	kt_gate_close(&sub->release);
	task = run_exit(test, mm);
	kt_gate_wait(test, &sub->release);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	kt_gate_open(&sub->release);
	kt_join(test, task);
}

/* The same for an interval's. */
static void p20_release_of_interval(struct kunit *test)
{
	struct act *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval = kt_insert(test, mm, 0, PAGES(1));
	struct kt_task *task;

	kt_mm_kill(test, mm);
	kt_gate_close(&interval->gate);
	task = run_exit(test, mm);
	kt_gate_wait(test, &interval->gate);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->inside), 1);
	kt_gate_open(&interval->gate);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/* So does a release that unregister calls. */
static void p20_release_in_unregister(struct kunit *test)
{
	struct act *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_task *task;

	kt_gate_close(&sub->release);
	task = run_unregister(test, sub);
	kt_gate_wait(test, &sub->release);
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 1);
	kt_gate_open(&sub->release);
	kt_join(test, task);
}

/*
 * Nor does another driver's callback that sleeps in the kernel's own
 * notifier.
 */
static void p20_slow_peer(struct kunit *test)
{
	struct act *life = new_life(test);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct peer_list *peer = new_peer_list(test);
	struct kt_task *task;

	KUNIT_ASSERT_EQ(test, peer_register(peer, mm), 0);
	kt_gate_close(&peer->gate);
	task = run_munmap(test, mm, at, PAGES(1));
	kt_gate_wait(test, &peer->gate);
	/* What is for the kernel to free, and other peers, do wait for it. */
	life->peer = NULL;
	expect_life(test, life);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&peer->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

static int do_synchronize(void *arg)
{
	mmun_notifier_synchronize();
	return 0;
}

/* What waits for callbacks anywhere does: call_srcu, and synchronize for it. */
static void p20_but_call_srcu_waits(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct rcu_head *head = kunit_kzalloc(test, 2 * sizeof(*head),
					      GFP_KERNEL);
	struct kt_task *task, *sync;

	KUNIT_ASSERT_NOT_NULL(test, head);
	atomic_set(&called, 0);
	kt_gate_close(&sub->start);
	task = run_munmap(test, mm, at, PAGES(1));
	kt_gate_wait(test, &sub->start);
	mmun_notifier_call_srcu(&head[0], count_call);
	sync = kt_run(test, do_synchronize, NULL);
	/* In this time it would have been called, without readers. */
	call_srcu(&own_srcu, &head[1], count_call);
	srcu_barrier(&own_srcu);
	KT_ASSERT_UNTIL(test, stuck(sync));
	KUNIT_EXPECT_EQ(test, atomic_read(&called), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(sync));
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, sync);
	KUNIT_EXPECT_EQ(test, atomic_read(&called), 2);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p12_munmap),
	KUNIT_CASE(p12_interval_hears_overlap),
	KUNIT_CASE(p12_copy_on_write),
	KUNIT_CASE(p12_mapping_replaced),
	KUNIT_CASE(p12_file_cut_off),
	KUNIT_CASE(p12_loader),
	KUNIT_CASE(p12_own_mm),
	KUNIT_CASE(p12_two_tasks_at_once),
	KUNIT_CASE(p12_munmap_order),
	KUNIT_CASE(p12_interval_order),
	KUNIT_CASE(p12_copy_on_write_order),
	KUNIT_CASE(p12_replaced_order),
	KUNIT_CASE(p12_exit_order),
	KUNIT_CASE(p12_event_in_release),
	KUNIT_CASE(p12_secondary_tlbs),
	KUNIT_CASE(p12_events_by_name),
	KUNIT_CASE(p13_real_collision),
	KUNIT_CASE(p14_reader_waits_for_real_range),
	KUNIT_CASE(p15_insert_and_remove_in_real_range),
	KUNIT_CASE(p03_unregister_in_real_start),
	KUNIT_CASE(p09_leave_in_real_range),
	KUNIT_CASE(p09_join_in_real_range),
	KUNIT_CASE(p09_hook_and_real),
	KUNIT_CASE(p09_end_without_start),
	KUNIT_CASE(p18_each_interval_once),
	KUNIT_CASE(p18_release_before_pages_go),
	KUNIT_CASE(p08_exit_in_real_range),
	KUNIT_CASE(p08_leave_after_exit),
	KUNIT_CASE(p19_one_bridge_for_all),
	KUNIT_CASE(p19_extra_bridges_once),
	KUNIT_CASE(p19_no_mmap_lock),
	KUNIT_CASE(p19_no_vma_locks),
	KUNIT_CASE(p19_first_takes_all_locks),
	KUNIT_CASE(p19_first_at_once),
	KUNIT_CASE(p19_under_mmap_lock),
	KUNIT_CASE(p07_bridge_stays_with_the_last),
	KUNIT_CASE(p07_idle_bridge_goes_with_the_exit),
	KUNIT_CASE(p07_last_leaves_in_real_range),
	KUNIT_CASE(p07_removal_waits_for_real_range),
	KUNIT_CASE(p08_exit_while_removal_waits),
	KUNIT_CASE(p09_attach_in_a_storm),
	KUNIT_CASE(p09_first_waits_for_real_range),
	KUNIT_CASE(p09_range_between_the_steps),
	KUNIT_CASE(p15_first_interval_waits),
	KUNIT_CASE(p09_first_waits_for_fault),
	KUNIT_CASE(x_killed_while_attaching),
	KUNIT_CASE(x_signalled_while_attaching),
	KUNIT_CASE(x_killed_before_attaching),
	KUNIT_CASE(x_killed_before_extra_bridge),
	KUNIT_CASE(p19_killed_and_later),
	KUNIT_CASE(x_signalled_before_attaching),
	KUNIT_CASE(x_mask_of_signals_is_kept),
	KUNIT_CASE(x_busy),
	KUNIT_CASE(x_mm_has_mmun_notifiers),
	KUNIT_CASE(p06_after_exit),
	KUNIT_CASE(p06_process_dies_while_attaching),
	KUNIT_CASE(p06_race_with_exit),
	KUNIT_CASE(x_address_used_again),
	KUNIT_CASE(p10_orphan_is_settled),
	KUNIT_CASE(p10_confirmed_is_kept),
	KUNIT_CASE(p10_orphans),
	KUNIT_CASE(p10_object_used_again),
	KUNIT_CASE(p10_object_used_again_blockable),
	KUNIT_CASE(p10_orphan_at_exit),
	KUNIT_CASE(p10_orphan_and_the_last_leaves),
	KUNIT_CASE(p10_join_with_orphan),
	KUNIT_CASE(p20_start),
	KUNIT_CASE(p20_invalidate),
	KUNIT_CASE(p20_release),
	KUNIT_CASE(p20_release_of_interval),
	KUNIT_CASE(p20_release_in_unregister),
	KUNIT_CASE(p20_slow_peer),
	KUNIT_CASE(p20_but_call_srcu_waits),
	{}
};

struct kunit_suite mmun_shim_suite = {
	.name = "mmun_shim",
	.init = shim_init,
	.exit = shim_exit,
	.test_cases = cases,
};
