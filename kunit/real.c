// SPDX-License-Identifier: GPL-2.0-only
/* Real events and other drivers: see real.h. */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/shmem_fs.h>
#include <linux/uaccess.h>

#include "kt_case.h"
#include "real.h"

struct real_file {
	struct list_head node;
	struct file *file;
};

static LIST_HEAD(peer_intervals);
static LIST_HEAD(peer_lists);
static LIST_HEAD(files);
/* The storms are to end. */
static bool stop;

/* --- peers --- */

static bool peer_invalidate(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range,
			    unsigned long cur_seq)
{
	struct peer_interval *peer = container_of(mni, struct peer_interval, mni);

	mmu_interval_set_seq(mni, cur_seq);
	WRITE_ONCE(peer->seq, cur_seq);
	if (range->event == MMU_NOTIFY_RELEASE)
		return true;
	atomic_inc(&peer->calls);
	if (mmu_notifier_range_blockable(range))
		kt_gate_pass(&peer->gate);
	return true;
}

static const struct mmu_interval_notifier_ops peer_interval_ops = {
	.invalidate = peer_invalidate,
};

struct peer_interval *peer_insert(struct kunit *test, struct mm_struct *mm,
				  unsigned long start, unsigned long length)
{
	struct peer_interval *peer = kt_new(test, sizeof(*peer));

	kt_gate_init(test, &peer->gate);
	KUNIT_ASSERT_EQ(test, mmu_interval_notifier_insert(&peer->mni, mm, start, length,
							   &peer_interval_ops), 0);
	peer->inserted = true;
	list_add(&peer->node, &peer_intervals);
	return peer;
}

void peer_remove(struct peer_interval *peer)
{
	peer->inserted = false;
	mmu_interval_notifier_remove(&peer->mni);
}

static int peer_start(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct peer_list *peer = container_of(mn, struct peer_list, mn);

	atomic_inc(&peer->calls);
	if (!mmu_notifier_range_blockable(range))
		return -EAGAIN;
	kt_gate_pass(&peer->gate);
	return 0;
}

static void peer_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	kt_gate_pass(&container_of(mn, struct peer_list, mn)->release);
}

static const struct mmu_notifier_ops peer_list_ops = {
	.invalidate_range_start = peer_start,
	.release = peer_release,
};

struct peer_list *new_peer_list(struct kunit *test)
{
	struct peer_list *peer = kt_new(test, sizeof(*peer));

	kt_gate_init(test, &peer->gate);
	kt_gate_init(test, &peer->release);
	peer->mn.ops = &peer_list_ops;
	list_add(&peer->node, &peer_lists);
	return peer;
}

int peer_register(struct peer_list *peer, struct mm_struct *mm)
{
	int ret = mmu_notifier_register(&peer->mn, mm);

	peer->mm = mm;
	peer->registered = !ret;
	return ret;
}

struct peer_list *peer_join(struct kunit *test, struct mm_struct *mm)
{
	struct peer_list *peer = new_peer_list(test);

	KUNIT_ASSERT_EQ(test, peer_register(peer, mm), 0);
	return peer;
}

void peer_unregister(struct peer_list *peer)
{
	peer->registered = false;
	mmu_notifier_unregister(&peer->mn, peer->mm);
}

unsigned long next_number(struct kunit *test, struct mm_struct *mm)
{
	struct peer_interval *peer = peer_insert(test, mm, 0, PAGE_SIZE);
	/* The kernel made it odd, and not the number of a range to come. */
	unsigned long seq = peer->mni.invalidate_seq;

	peer_remove(peer);
	return seq + 2;
}

/* --- memory --- */

struct file *new_file(struct kunit *test, unsigned long length)
{
	struct real_file *f = kt_new(test, sizeof(*f));

	f->file = shmem_file_setup("mmun", length, EMPTY_VMA_FLAGS);
	KUNIT_ASSERT_FALSE(test, IS_ERR(f->file));
	list_add(&f->node, &files);
	return f->file;
}

unsigned long map_file(struct kunit *test, struct mm_struct *mm,
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

unsigned long map_zero_pages(struct kunit *test, struct mm_struct *mm,
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

int poke(struct mm_struct *mm, unsigned long at, int value)
{
	int ret;

	kthread_use_mm(mm);
	ret = put_user(value, (int __user *)at);
	kthread_unuse_mm(mm);
	return ret;
}

int peek(struct mm_struct *mm, unsigned long at)
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

bool mapped(struct mm_struct *mm, unsigned long at)
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

unsigned long map_over(struct mm_struct *mm, unsigned long start,
		       unsigned long length)
{
	unsigned long at;

	kthread_use_mm(mm);
	at = vm_mmap(NULL, start, length, PROT_READ | PROT_WRITE,
		     MAP_ANONYMOUS | MAP_PRIVATE | MAP_FIXED, 0);
	kthread_unuse_mm(mm);
	return at;
}

void cut_off(struct file *file)
{
	unmap_mapping_range(file->f_mapping, 0, 0, 1);
}

/* --- actors --- */

struct act {
	struct mm_struct *mm;
	struct file *file;
	unsigned long start, length;
};

static struct kt_actor *prepare(struct kunit *test, int (*fn)(void *arg),
				const struct act *act)
{
	struct act *copy = kt_new(test, sizeof(*copy));

	*copy = *act;
	return kt_prepare_call(test, fn, copy);
}

static int do_cut_off(void *arg)
{
	struct act *act = arg;

	cut_off(act->file);
	return 0;
}

struct kt_actor *cut_off_beside(struct kunit *test, struct file *file)
{
	return kt_go(prepare(test, do_cut_off, &(struct act){ .file = file }));
}

struct kt_actor *cut_off_to_gate(struct kunit *test, struct kt_gate *gate,
				 struct file *file)
{
	return kt_go_to_gate(prepare(test, do_cut_off, &(struct act){ .file = file }),
			     gate);
}

static int do_munmap_act(void *arg)
{
	struct act *act = arg;

	return kt_munmap(act->mm, act->start, act->length);
}

static struct kt_actor *prepare_munmap(struct kunit *test, struct mm_struct *mm,
				       unsigned long start, unsigned long length)
{
	const struct act act = { .mm = mm, .start = start, .length = length };

	return prepare(test, do_munmap_act, &act);
}

struct kt_actor *munmap_beside(struct kunit *test, struct mm_struct *mm,
			       unsigned long start, unsigned long length)
{
	return kt_go(prepare_munmap(test, mm, start, length));
}

struct kt_actor *munmap_to_gate(struct kunit *test, struct kt_gate *gate,
				struct mm_struct *mm, unsigned long start,
				unsigned long length)
{
	return kt_go_to_gate(prepare_munmap(test, mm, start, length), gate);
}

static int do_poke(void *arg)
{
	struct act *act = arg;

	return poke(act->mm, act->start, 7);
}

struct kt_actor *poke_beside(struct kunit *test, struct mm_struct *mm,
			     unsigned long at)
{
	const struct act act = { .mm = mm, .start = at };

	return kt_go(prepare(test, do_poke, &act));
}

static int do_map_over(void *arg)
{
	struct act *act = arg;

	return map_over(act->mm, act->start, act->length) == act->start ? 0 : -ENOMEM;
}

struct kt_actor *map_over_to_gate(struct kunit *test, struct kt_gate *gate,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long length)
{
	const struct act act = { .mm = mm, .start = start, .length = length };

	return kt_go_to_gate(prepare(test, do_map_over, &act), gate);
}

struct kt_actor *insert_beside(struct kunit *test, struct mm_struct *mm,
			       struct kt_interval *interval,
			       unsigned long start, unsigned long length)
{
	interval->start = start;
	interval->length = length;
	return kt_do(test, mm, KT_INSERT, interval);
}

struct storm {
	struct file *file;
	unsigned long rounds;
};

static struct kt_actor *start_storm(struct kunit *test, struct mm_struct *mm,
				    struct file *file, int (*fn)(void *arg))
{
	struct storm *storm = kt_new(test, sizeof(*storm));
	struct kt_actor *actor;

	storm->file = file;
	actor = kt_prepare_call(test, fn, storm);
	actor->use_mm = mm;
	kt_go(actor);
	KT_ASSERT_UNTIL(test, READ_ONCE(storm->rounds));
	return actor;
}

static int do_storm_of_cuts(void *arg)
{
	struct storm *storm = arg;

	while (!READ_ONCE(stop)) {
		cut_off(storm->file);
		WRITE_ONCE(storm->rounds, storm->rounds + 1);
		cond_resched();
	}
	return 0;
}

struct kt_actor *storm_of_cuts(struct kunit *test, struct file *file)
{
	return start_storm(test, NULL, file, do_storm_of_cuts);
}

static int do_storm_of_munmaps(void *arg)
{
	struct storm *storm = arg;
	unsigned long at;

	while (!READ_ONCE(stop)) {
		at = vm_mmap(NULL, 0, PAGES(1), PROT_READ | PROT_WRITE,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
		if (IS_ERR_VALUE(at) || put_user(1, (int __user *)at) ||
		    vm_munmap(at, PAGES(1)))
			return -ENOMEM;
		WRITE_ONCE(storm->rounds, storm->rounds + 1);
		cond_resched();
	}
	return 0;
}

struct kt_actor *storm_of_munmaps(struct kunit *test, struct mm_struct *mm)
{
	return start_storm(test, mm, NULL, do_storm_of_munmaps);
}

void real_stop(void)
{
	WRITE_ONCE(stop, true);
}

/* --- before and after each case --- */

int real_init(struct kunit *test)
{
	INIT_LIST_HEAD(&peer_intervals);
	INIT_LIST_HEAD(&peer_lists);
	INIT_LIST_HEAD(&files);
	WRITE_ONCE(stop, false);
	return kt_init(test);
}

/* A peer holds the mm_struct, and to remove one waits for ranges in flight. */
static void remove_peers(struct kunit *test)
{
	struct peer_interval *interval;
	struct peer_list *list;
	struct kt_range *range;
	struct kt_gate *gate;

	list_for_each_entry(gate, &kt_case->gates, node)
		kt_gate_open(gate);
	list_for_each_entry(range, &kt_case->ranges, node)
		if (range->in_flight)
			kt_end(range);
	kt_join_all(test);
	list_for_each_entry(interval, &peer_intervals, node)
		if (interval->inserted)
			peer_remove(interval);
	list_for_each_entry(list, &peer_lists, node)
		if (list->registered)
			peer_unregister(list);
}

void real_exit(struct kunit *test)
{
	struct real_file *f;

	real_stop();
	if (kt_case)
		remove_peers(test);
	kt_exit(test);
	list_for_each_entry(f, &files, node)
		fput(f->file);
}
