// SPDX-License-Identifier: GPL-2.0-only
/*
 * An example: a device that reads a process's memory through a mirror.
 *
 * The device is made of software. Its page table is pages[], one pointer for each
 * page of the range, NULL where nothing is mirrored. A read that finds NULL takes
 * a page fault: page_fault(). An invalidation takes pages out: invalidate(). The device
 * reads under the mirror's lock. For a real device, invalidate() would end by asking
 * it to drop its TLB entry and waiting until it has.
 *
 * The mirror holds no reference on the pages. It need not: as long as a pointer is
 * in pages[], no invalidation of that page has returned, so the page still belongs
 * to the process. A page that is not pinned can be swapped out, moved to another
 * node, merged and split as if nobody mirrored it.
 *
 * Lock order: mmap_lock, then mirror->lock. The lock is never held over anything
 * that can fault or that waits for memory, since both may invalidate, and the
 * invalidation takes the lock.
 */

#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmun_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "mmun_example.h"

#define MAX_LENGTH	SZ_1G

struct mirror {
	struct mmun_interval_notifier interval;
	unsigned long start;
	unsigned long nr;

	/* pages[], the counters, and the interval's sequence */
	struct mutex lock;
	struct page **pages;
	struct mmun_example_stats stats;
};

struct example_file {
	struct mutex setup;	/* one MAP at a time; mirror is set once */
	struct mirror *mirror;
};

/* --- the process changes --- */

static void drop(struct mirror *mirror, unsigned long first, unsigned long last)
{
	unsigned long i;

	for (i = first; i <= last; i++) {
		if (!mirror->pages[i])
			continue;
		mirror->pages[i] = NULL;
		mirror->stats.dropped++;
	}
}

/*
 * Called before the page tables change. When it returns, no page of the range is
 * in the mirror. A page fault that runs meanwhile collides, because of set_seq.
 */
static bool invalidate(struct mmun_interval_notifier *interval,
		       const struct mmun_notifier_range *range,
		       unsigned long cur_seq)
{
	struct mirror *mirror = container_of(interval, struct mirror, interval);
	unsigned long end = mirror->start + mirror->nr * PAGE_SIZE;
	unsigned long first, last;

	/* The OOM reaper cannot wait for the lock: refuse the range. */
	if (mmun_notifier_range_blockable(range))
		mutex_lock(&mirror->lock);
	else if (!mutex_trylock(&mirror->lock))
		return false;
	mmun_interval_set_seq(interval, cur_seq);

	/*
	 * The range overlaps the mirror, and may be larger. It need not end at a
	 * page: a page that has one byte of it is stale.
	 */
	first = (max(range->start, mirror->start) - mirror->start) / PAGE_SIZE;
	last = (min(range->end, end) - 1 - mirror->start) / PAGE_SIZE;
	drop(mirror, first, last);
	mutex_unlock(&mirror->lock);
	return true;
}

static const struct mmun_interval_notifier_ops mirror_ops = {
	.invalidate = invalidate,
};

/* --- the device reads --- */

/*
 * The device has page i at hand: copy it to buf. mmun has no 32-bit kernels. The pages
 * of memfd_secret() are out of the kernel's reach: -EFAULT.
 */
static int access_page(struct mirror *mirror, unsigned long i, void *buf)
{
	return copy_from_kernel_nofault(buf, page_address(mirror->pages[i]), PAGE_SIZE);
}

/* The device has no page i: bring it in, and let the device use it. */
static int page_fault(struct mirror *mirror, unsigned long i, void *buf)
{
	struct mm_struct *mm = mirror->interval.mm;
	unsigned long pfn;
	struct mmun_hmm_range range = {
		.notifier = &mirror->interval,
		.start = mirror->start + i * PAGE_SIZE,
		.end = mirror->start + (i + 1) * PAGE_SIZE,
		.hmm_pfns = &pfn,
		.default_flags = HMM_PFN_REQ_FAULT,
	};
	int ret;

	while (!fatal_signal_pending(current)) {
		/* Before the mmap lock, and a new one for each attempt. */
		range.notifier_seq = mmun_interval_read_begin(&mirror->interval);

		mmap_read_lock(mm);
		ret = mmun_hmm_range_fault(&range);
		mmap_read_unlock(mm);
		if (ret && ret != -EBUSY)
			return ret;

		/* The page may be used only if read_retry() returns false. */
		mutex_lock(&mirror->lock);
		if (!ret && !mmun_interval_read_retry(&mirror->interval,
						      range.notifier_seq)) {
			/* Another reader may have been faster. */
			mirror->stats.filled += !mirror->pages[i];
			mirror->pages[i] = hmm_pfn_to_page(pfn);
			ret = access_page(mirror, i, buf);
			mutex_unlock(&mirror->lock);
			return ret;
		}
		mirror->stats.collided++;
		mutex_unlock(&mirror->lock);
	}
	return -EINTR;
}

static int read_page(struct mirror *mirror, unsigned long i, void *buf)
{
	bool there;
	int ret = 0;

	mutex_lock(&mirror->lock);
	there = mirror->pages[i];
	if (there)
		ret = access_page(mirror, i, buf);
	mutex_unlock(&mirror->lock);
	if (there)
		return ret;

	/*
	 * The interval holds the mm_struct; a page fault needs the address space.
	 * Drop it without our lock: if we are its last user, mmput() runs the
	 * exit, which calls invalidate().
	 */
	if (!mmget_not_zero(mirror->interval.mm))
		return -ESRCH;
	ret = page_fault(mirror, i, buf);
	mmput(mirror->interval.mm);
	return ret;
}

/* --- the file --- */

static ssize_t example_read(struct file *filp, char __user *to, size_t count,
			    loff_t *pos)
{
	struct example_file *file = filp->private_data;
	/* pairs with smp_store_release() in example_map() */
	struct mirror *mirror = smp_load_acquire(&file->mirror);
	size_t done = 0;
	void *buf;
	int ret = 0;

	if (!mirror)
		return -ENXIO;
	if (*pos < 0)
		return -EINVAL;
	buf = (void *)__get_free_page(GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	while (done < count && *pos < mirror->nr * PAGE_SIZE) {
		unsigned long offset = offset_in_page(*pos);
		size_t n = min(count - done, PAGE_SIZE - offset);

		ret = read_page(mirror, *pos >> PAGE_SHIFT, buf);
		if (ret)
			break;
		/* By way of buf: to may itself be mirrored, and not be there. */
		if (copy_to_user(to + done, buf + offset, n)) {
			ret = -EFAULT;
			break;
		}
		done += n;
		*pos += n;
	}
	free_page((unsigned long)buf);
	return done ?: ret;
}

static int example_map(struct example_file *file, struct mmun_example_map *map)
{
	struct mirror *mirror;
	int ret;

	if ((map->start | map->length) & ~PAGE_MASK || !map->length ||
	    map->length > MAX_LENGTH || map->start > TASK_SIZE - map->length)
		return -EINVAL;
	if (file->mirror)
		return -EBUSY;

	mirror = kzalloc(sizeof(*mirror), GFP_KERNEL);
	if (!mirror)
		return -ENOMEM;
	mutex_init(&mirror->lock);
	mirror->start = map->start;
	mirror->nr = map->length / PAGE_SIZE;
	mirror->pages = kvcalloc(mirror->nr, sizeof(*mirror->pages), GFP_KERNEL);
	ret = mirror->pages ? 0 : -ENOMEM;

	/* The last step, since it may be called back from here on. */
	if (!ret)
		ret = mmun_interval_notifier_insert(&mirror->interval,
						    current->mm, map->start,
						    map->length, &mirror_ops);
	if (ret) {
		kvfree(mirror->pages);
		kfree(mirror);
		return ret;
	}
	/* pairs with the smp_load_acquire() in example_read() and _ioctl() */
	smp_store_release(&file->mirror, mirror);
	return 0;
}

static long example_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct example_file *file = filp->private_data;
	/* pairs with smp_store_release() in example_map() */
	struct mirror *mirror = smp_load_acquire(&file->mirror);
	void __user *user = (void __user *)arg;
	struct mmun_example_stats stats;
	struct mmun_example_map map;
	int ret;

	switch (cmd) {
	case MMUN_EXAMPLE_MAP:
		if (copy_from_user(&map, user, sizeof(map)))
			return -EFAULT;
		mutex_lock(&file->setup);
		ret = example_map(file, &map);
		mutex_unlock(&file->setup);
		return ret;
	case MMUN_EXAMPLE_STATS:
		if (!mirror)
			return -ENXIO;
		mutex_lock(&mirror->lock);
		stats = mirror->stats;
		mutex_unlock(&mirror->lock);
		return copy_to_user(user, &stats, sizeof(stats)) ? -EFAULT : 0;
	default:
		return -ENOTTY;
	}
}

static int example_open(struct inode *inode, struct file *filp)
{
	struct example_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->setup);
	filp->private_data = file;
	return 0;
}

/* The file has no users any more, so no page fault fills the mirror. */
static int example_release(struct inode *inode, struct file *filp)
{
	struct example_file *file = filp->private_data;
	struct mirror *mirror = file->mirror;

	if (mirror) {
		/* Empty it first: remove may cut off invalidations. */
		mutex_lock(&mirror->lock);
		drop(mirror, 0, mirror->nr - 1);
		mutex_unlock(&mirror->lock);
		/* It waits for callbacks, so the lock is not held. */
		mmun_interval_notifier_remove(&mirror->interval);
		kvfree(mirror->pages);
		kfree(mirror);
	}
	kfree(file);
	return 0;
}

static const struct file_operations example_fops = {
	.owner = THIS_MODULE,
	.open = example_open,
	.release = example_release,
	.read = example_read,
	.llseek = default_llseek,
	.unlocked_ioctl = example_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice example_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = KBUILD_MODNAME,
	.mode = 0600,
	.fops = &example_fops,
};

/*
 * Loading and unloading only register and deregister the device. A driver that uses
 * put or call_srcu also calls mmun_notifier_synchronize() in its module's exit.
 */
module_misc_device(example_device);

MODULE_AUTHOR("mmun developers");
MODULE_DESCRIPTION("An example of a driver that mirrors memory through mmun");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1");
