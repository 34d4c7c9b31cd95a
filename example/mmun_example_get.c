// SPDX-License-Identifier: GPL-2.0-only
/*
 * An example: a device that shares the whole address space of a process, by get and put.
 *
 * The device is made of software. All open files of a process share one space: the
 * list subscription of get, and the TLB of the device, whose entries are pointers to
 * pages. A read that finds no entry raises a page fault of the device, which a worker
 * takes: fault_work(). An invalidation takes entries out.
 *
 * An interval has a read section, and a list subscription has none. The space has its own:
 *
 *   page fault                              invalidation
 *   ----------                              ------------
 *   no change in progress? notes seq        start, under the lock: one more change in
 *   looks the page up                       progress, another seq, drops the entries
 *   under the lock: is seq the same?        the process changes
 *   yes: fills the entry in                 end: one change less; the last one lets
 *   no: begins again                        the page faults begin that wait
 *
 * It begins again as often as it must. A process that changes all the time would use up any
 * number of attempts, and an error would look like a bad address. It gives up when its
 * reader has been killed, or when the process has gone.
 *
 * An entry holds no reference on its page. As long as it is in the TLB, no start for its
 * address has returned, so the page still belongs to the process.
 *
 * Lifetimes. A page fault holds its file, and a file is a user of its space: the put comes
 * after the last page fault. A page fault holds the address space (mm_users) only while
 * it looks up and fills in, so nothing is filled in after release. Its mmput() may be the
 * last: then the exit runs in the worker and calls release there, so a release that
 * waited for the worker would never return.
 *
 * Lock order: mmap_lock, space->lock, space->changes_lock. No lock is held over anything
 * that can fault, allocate, or drop the last user of the address space.
 */

#include <linux/completion.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmun_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "mmun_example.h"

#define ENTRIES		512

struct entry {
	unsigned long number;	/* of the page: its address / PAGE_SIZE */
	struct page *page;	/* NULL: the entry is free */
};

struct space {
	struct mmun_notifier mn;

	/* tlb[], the counters; seq is written under both locks */
	struct mutex lock;
	struct entry tlb[ENTRIES];
	struct mmun_example_get_stats stats;

	/* Raw: in a range that may not block an end may not sleep, on PREEMPT_RT too. */
	raw_spinlock_t changes_lock;
	unsigned long changes;		/* in progress: starts without their end */
	unsigned long seq;		/* another one after each start */
	unsigned long waited;
	struct list_head waiting;	/* page faults */
};

struct fault {
	struct work_struct work;
	struct list_head waiting;
	struct kref users;		/* the reader and the worker */
	struct file *file;
	unsigned long number;
	struct completion done;
	int ret;
};

static struct workqueue_struct *faults;

/* --- the process changes --- */

static void drop(struct space *space, unsigned long first, unsigned long last)
{
	struct entry *entry;

	for (entry = space->tlb; entry < space->tlb + ENTRIES; entry++) {
		if (!entry->page || entry->number < first || entry->number > last)
			continue;
		entry->page = NULL;
		space->stats.dropped++;
	}
	/* A real device is asked to drop its entries here, and waited for. */
}

static int space_start(struct mmun_notifier *mn, const struct mmun_notifier_range *range)
{
	struct space *space = container_of(mn, struct space, mn);

	/* Refuse before anything is counted: a start that refused gets no end. */
	if (mmun_notifier_range_blockable(range))
		mutex_lock(&space->lock);
	else if (!mutex_trylock(&space->lock))
		return -EAGAIN;

	raw_spin_lock(&space->changes_lock);
	space->changes++;
	space->seq++;
	raw_spin_unlock(&space->changes_lock);

	/* The range need not end at a page: a page that has one byte of it is stale. */
	drop(space, range->start >> PAGE_SHIFT, (range->end - 1) >> PAGE_SHIFT);
	mutex_unlock(&space->lock);
	return 0;
}

/* It cannot refuse, so it takes no lock that sleeps. */
static void space_end(struct mmun_notifier *mn, const struct mmun_notifier_range *range)
{
	struct space *space = container_of(mn, struct space, mn);
	struct fault *fault, *next;

	raw_spin_lock(&space->changes_lock);
	if (!--space->changes)
		list_for_each_entry_safe(fault, next, &space->waiting, waiting) {
			list_del(&fault->waiting);
			queue_work(faults, &fault->work);
		}
	raw_spin_unlock(&space->changes_lock);
}

/* It waits for no page fault: see the head of the file. */
static void space_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct space *space = container_of(mn, struct space, mn);

	mutex_lock(&space->lock);
	drop(space, 0, ULONG_MAX);
	mutex_unlock(&space->lock);
}

static struct mmun_notifier *space_alloc(struct mm_struct *mm)
{
	struct space *space = kzalloc(sizeof(*space), GFP_KERNEL);

	if (!space)
		return ERR_PTR(-ENOMEM);
	mutex_init(&space->lock);
	raw_spin_lock_init(&space->changes_lock);
	INIT_LIST_HEAD(&space->waiting);
	return &space->mn;
}

static void space_free(struct mmun_notifier *mn)
{
	kfree(container_of(mn, struct space, mn));
}

static const struct mmun_notifier_ops space_ops = {
	.invalidate_range_start = space_start,
	.invalidate_range_end = space_end,
	.release = space_release,
	.alloc_notifier = space_alloc,
	.free_notifier = space_free,
};

/* --- the device faults --- */

/* False: the page fault waits, and the end of the last change queues it again. */
static bool fault_begin(struct space *space, struct fault *fault, unsigned long *seq)
{
	bool idle;

	raw_spin_lock(&space->changes_lock);
	idle = !space->changes;
	*seq = space->seq;
	if (!idle) {
		list_add_tail(&fault->waiting, &space->waiting);
		space->waited++;
	}
	raw_spin_unlock(&space->changes_lock);
	return idle;
}

/*
 * get_user_pages_unlocked() waits where a userfaultfd has to be asked for the page;
 * hmm_range_fault() would return -EFAULT there.
 */
static int fault_fill(struct space *space, unsigned long number, unsigned long seq)
{
	struct entry *entry = &space->tlb[number % ENTRIES];
	struct mm_struct *mm = space->mn.mm;
	struct page *page;
	long ret;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	kthread_use_mm(mm);
	ret = get_user_pages_unlocked(number << PAGE_SHIFT, 1, &page, 0);
	kthread_unuse_mm(mm);
	if (ret == 1) {
		mutex_lock(&space->lock);
		if (space->seq == seq) {
			entry->number = number;
			entry->page = page;
			space->stats.filled++;
			ret = 0;
		} else {
			space->stats.collided++;
			ret = -EBUSY;
		}
		mutex_unlock(&space->lock);
		put_page(page);
	}
	/* Without a lock: the exit may run here. */
	mmput(mm);
	return ret;
}

static void fault_free(struct kref *users)
{
	kfree(container_of(users, struct fault, users));
}

static void fault_work(struct work_struct *work)
{
	struct fault *fault = container_of(work, struct fault, work);
	struct space *space = fault->file->private_data;
	unsigned long seq;
	int ret = -EINTR;

	/* Only if the reader still waits. */
	if (kref_read(&fault->users) > 1) {
		if (!fault_begin(space, fault, &seq))
			return;
		ret = fault_fill(space, fault->number, seq);
		if (ret == -EBUSY) {
			queue_work(faults, &fault->work);
			return;
		}
	}
	fault->ret = ret;
	complete(&fault->done);
	fput(fault->file);
	kref_put(&fault->users, fault_free);
}

/*
 * A reader that is killed does not wait any more: the page fault may wait for a
 * userfaultfd that nobody serves.
 */
static int fault_take(struct file *file, unsigned long number)
{
	struct fault *fault = kzalloc(sizeof(*fault), GFP_KERNEL);
	int ret = -EINTR;

	if (!fault)
		return -ENOMEM;
	INIT_WORK(&fault->work, fault_work);
	init_completion(&fault->done);
	kref_init(&fault->users);
	kref_get(&fault->users);
	fault->file = get_file(file);
	fault->number = number;
	queue_work(faults, &fault->work);
	if (!wait_for_completion_killable(&fault->done))
		ret = fault->ret;
	kref_put(&fault->users, fault_free);
	return ret;
}

/* --- the device reads --- */

static int read_page(struct file *file, unsigned long number, void *buf)
{
	struct space *space = file->private_data;
	struct entry *entry = &space->tlb[number % ENTRIES];
	bool there;
	int ret;

	do {
		mutex_lock(&space->lock);
		there = entry->page && entry->number == number;
		if (there)
			memcpy(buf, page_address(entry->page), PAGE_SIZE);
		mutex_unlock(&space->lock);
		if (there)
			return 0;
		/* The entry may be gone again before it is used. */
		ret = fault_take(file, number);
	} while (!ret);
	return ret;
}

/* --- the file --- */

/* The position is the address in the process. A read ends at the end of the page. */
static ssize_t example_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	size_t offset = offset_in_page(*pos), n = min(count, PAGE_SIZE - offset);
	void *buf = (void *)__get_free_page(GFP_KERNEL);
	ssize_t ret;

	if (!buf)
		return -ENOMEM;
	ret = read_page(file, *pos >> PAGE_SHIFT, buf);
	/* By way of buf: the copy may fault, and invalidate. */
	if (!ret)
		ret = copy_to_user(to, buf + offset, n) ? -EFAULT : n;
	if (ret > 0)
		*pos += ret;
	free_page((unsigned long)buf);
	return ret;
}

static long example_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct space *space = file->private_data;
	struct mmun_example_get_stats stats;

	if (cmd != MMUN_EXAMPLE_GET_STATS)
		return -ENOTTY;
	mutex_lock(&space->lock);
	stats = space->stats;
	mutex_unlock(&space->lock);
	stats.waited = READ_ONCE(space->waited);
	return copy_to_user((void __user *)arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static int example_open(struct inode *inode, struct file *file)
{
	struct mmun_notifier *mn = mmun_notifier_get(&space_ops, current->mm);

	if (!IS_ERR(mn))
		file->private_data = container_of(mn, struct space, mn);
	return PTR_ERR_OR_ZERO(mn);
}

/* No reader and no page fault is left. A device that reads by itself is stopped first. */
static int example_release(struct inode *inode, struct file *file)
{
	struct space *space = file->private_data;

	mmun_notifier_put(&space->mn);
	return 0;
}

static const struct file_operations example_fops = {
	.owner = THIS_MODULE,
	.open = example_open,
	.release = example_release,
	.read = example_read,
	.llseek = default_llseek,
	.unlocked_ioctl = example_ioctl,
};

static struct miscdevice example_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.mode = 0600,
	.fops = &example_fops,
};

static int __init example_init(void)
{
	int ret;

	faults = alloc_workqueue(KBUILD_MODNAME, WQ_UNBOUND, 0);
	if (!faults)
		return -ENOMEM;
	ret = misc_register(&example_device);
	if (ret)
		destroy_workqueue(faults);
	return ret;
}

/* No file is open. The last worker may not have returned yet, nor the last free(). */
static void __exit example_exit(void)
{
	misc_deregister(&example_device);
	destroy_workqueue(faults);
	mmun_notifier_synchronize();
}

module_init(example_init);
module_exit(example_exit);

MODULE_AUTHOR("mmun developers");
MODULE_DESCRIPTION("An example of a driver that shares address spaces through mmun");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
