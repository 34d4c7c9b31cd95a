// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmun_bench: the kernel's own notifier and mmun, measured in one boot. This file
 * is the device; ops.c is what is measured.
 *
 * Lifetimes: a file owns its groups, the file's mutex guards the list. A group is
 * taken off the list first and detached without the mutex, since that sleeps.
 */

#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <linux/mmun_notifier.h>

#include "bench.h"

#define MEET_TIMEOUT	(30 * HZ)

static const struct bench_core *core_of(u32 core)
{
	return core == MMUN_BENCH_MMUN ? &bench_mmun : &bench_kernel;
}

/*
 * Wait until so many tasks are here; none sleeps, so that they go on together.
 * Return: 0, -EINTR or -ETIME.
 */
int bench_meet(struct bench_file *file, u32 parties)
{
	unsigned long deadline = jiffies + MEET_TIMEOUT;
	u32 meeting;
	int ret = 0;

	if (parties <= 1)
		return 0;

	spin_lock(&file->meet_lock);
	meeting = file->meeting;
	if (++file->here == parties) {
		file->here = 0;
		WRITE_ONCE(file->meeting, meeting + 1);
	}
	spin_unlock(&file->meet_lock);

	while (READ_ONCE(file->meeting) == meeting && !ret) {
		if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (time_after(jiffies, deadline))
			ret = -ETIME;
		cpu_relax();
		cond_resched();
	}
	if (!ret)
		return 0;

	spin_lock(&file->meet_lock);
	if (file->meeting == meeting)
		file->here--;
	else
		ret = 0;
	spin_unlock(&file->meet_lock);
	return ret;
}

/* Interval i is [start + i * stride, + length), and the last one must fit too. */
static int check_place(u64 start, u64 length, u64 stride, u32 n)
{
	u64 last;

	if (!length)
		return -EINVAL;
	if (check_mul_overflow(stride, (u64)n - 1, &last) ||
	    check_add_overflow(last, start, &last) ||
	    check_add_overflow(last, length - 1, &last) || last > ULONG_MAX)
		return -EOVERFLOW;
	return 0;
}

static int check_attach(const struct mmun_bench_attach *arg)
{
	bool slow = arg->start_delay_ms || arg->release_delay_ms;

	if (arg->reserved || arg->id || arg->bytes || !arg->n ||
	    arg->core > MMUN_BENCH_MMUN ||
	    arg->start_delay_ms > MMUN_BENCH_DELAY_MAX_MS ||
	    arg->release_delay_ms > MMUN_BENCH_DELAY_MAX_MS)
		return -EINVAL;

	switch (arg->kind) {
	case MMUN_BENCH_LIST:
		if (arg->start || arg->length || arg->stride ||
		    arg->n > (slow ? 1 : MMUN_BENCH_LISTS_MAX))
			return -EINVAL;
		return 0;
	case MMUN_BENCH_INTERVAL:
		if (slow || arg->n > MMUN_BENCH_INTERVALS_MAX)
			return -EINVAL;
		return check_place(arg->start, arg->length, arg->stride,
				   arg->n);
	default:
		return -EINVAL;
	}
}

static int bench_attach(struct bench_file *file, void __user *uarg, u32 size)
{
	struct mmun_bench_attach arg;
	struct bench_group *group;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;
	ret = check_attach(&arg);
	if (ret)
		return ret;

	group = core_of(arg.core)->attach(&arg);
	if (IS_ERR(group))
		return PTR_ERR(group);

	mutex_lock(&file->lock);
	group->id = ++file->next_id;
	arg.id = group->id;
	mutex_unlock(&file->lock);

	/* Not yet on the list: nobody else can detach it. */
	if (copy_to_user(uarg, &arg, sizeof(arg))) {
		group->core->detach(group);
		return -EFAULT;
	}

	mutex_lock(&file->lock);
	list_add(&group->node, &file->groups);
	mutex_unlock(&file->lock);
	return 0;
}

static struct bench_group *find_group(struct bench_file *file, u32 id)
{
	struct bench_group *group;

	lockdep_assert_held(&file->lock);
	list_for_each_entry(group, &file->groups, node)
		if (group->id == id)
			return group;
	return NULL;
}

static int bench_detach(struct bench_file *file, void __user *uarg, u32 size)
{
	struct mmun_bench_detach arg;
	struct bench_group *group;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;

	mutex_lock(&file->lock);
	group = find_group(file, arg.id);
	if (group)
		list_del(&group->node);
	mutex_unlock(&file->lock);
	if (!group)
		return -ENOENT;

	group->core->detach(group);
	return 0;
}

static int bench_state(struct bench_file *file, void __user *uarg, u32 size)
{
	struct mmun_bench_state arg;
	struct bench_group *group;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;
	if (arg.reserved)
		return -EINVAL;

	mutex_lock(&file->lock);
	group = find_group(file, arg.id);
	if (group)
		arg.asleep = atomic_read(&group->asleep);
	mutex_unlock(&file->lock);
	if (!group)
		return -ENOENT;

	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static u32 most_calls(u32 op)
{
	switch (op) {
	case MMUN_BENCH_READ:
		return MMUN_BENCH_COUNT_MAX;
	case MMUN_BENCH_GET:
	case MMUN_BENCH_GET_LOCKED:
	case MMUN_BENCH_INSERT:
	case MMUN_BENCH_REMOVE:
		return MMUN_BENCH_BATCH_MAX;
	default:
		return MMUN_BENCH_SLOW_MAX;
	}
}

static int check_run(const struct mmun_bench_run *arg)
{
	if (arg->reserved || arg->core > MMUN_BENCH_MMUN ||
	    arg->op > MMUN_BENCH_SYNC || !arg->rounds ||
	    arg->rounds > MMUN_BENCH_ROUNDS_MAX || !arg->count ||
	    arg->count > most_calls(arg->op) ||
	    arg->parties > MMUN_BENCH_PARTIES_MAX)
		return -EINVAL;

	/* It holds the mmap lock; or makes and frees the one notifier of the mm. */
	if (arg->parties > 1 && (arg->op == MMUN_BENCH_GET_LOCKED ||
				 arg->op == MMUN_BENCH_PUT))
		return -EINVAL;

	switch (arg->op) {
	case MMUN_BENCH_INSERT:
	case MMUN_BENCH_REMOVE:
		return check_place(arg->start, arg->length, arg->stride,
				   arg->count);
	case MMUN_BENCH_READ:
		if (arg->stride)
			return -EINVAL;
		return check_place(arg->start, arg->length, 0, 1);
	default:
		return arg->start || arg->length || arg->stride ? -EINVAL : 0;
	}
}

static int bench_run(struct bench_file *file, void __user *uarg, u32 size)
{
	struct mmun_bench_time *times;
	struct mmun_bench_run arg;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;
	ret = check_run(&arg);
	if (ret)
		return ret;

	times = kcalloc(arg.rounds, sizeof(*times), GFP_KERNEL);
	if (!times)
		return -ENOMEM;
	ret = core_of(arg.core)->run(file, &arg, times);
	if (!ret && copy_to_user(u64_to_user_ptr(arg.buffer), times,
				 arg.rounds * sizeof(*times)))
		ret = -EFAULT;
	kfree(times);
	return ret;
}

static int bench_facts(void __user *uarg, u32 size)
{
	struct mmun_bench_facts arg;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;
	if (arg.reserved || arg.core > MMUN_BENCH_MMUN)
		return -EINVAL;
	arg.list = core_of(arg.core)->list_bytes;
	arg.interval = core_of(arg.core)->interval_bytes;
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static long bench_ioctl(struct file *filp, unsigned int cmd, unsigned long uarg)
{
	struct bench_file *file = filp->private_data;
	void __user *ptr = (void __user *)uarg;
	u32 size;

	if (_IOC_TYPE(cmd) != MMUN_BENCH_MAGIC)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)ptr))
		return -EFAULT;
	/* Every struct is still in its first version. */
	if (size < _IOC_SIZE(cmd))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;

	switch (cmd) {
	case MMUN_BENCH_IOC_ATTACH:
		return bench_attach(file, ptr, size);
	case MMUN_BENCH_IOC_DETACH:
		return bench_detach(file, ptr, size);
	case MMUN_BENCH_IOC_STATE:
		return bench_state(file, ptr, size);
	case MMUN_BENCH_IOC_RUN:
		return bench_run(file, ptr, size);
	case MMUN_BENCH_IOC_FACTS:
		return bench_facts(ptr, size);
	default:
		return -ENOTTY;
	}
}

static int bench_open(struct inode *inode, struct file *filp)
{
	struct bench_file *file;

	/* It can take much memory, and hold up others: that is what it measures. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	spin_lock_init(&file->meet_lock);
	INIT_LIST_HEAD(&file->groups);
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

static int bench_release(struct inode *inode, struct file *filp)
{
	struct bench_file *file = filp->private_data;
	struct bench_group *group, *next;

	list_for_each_entry_safe(group, next, &file->groups, node) {
		list_del(&group->node);
		group->core->detach(group);
	}
	mutex_destroy(&file->lock);
	kfree(file);
	return 0;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.open = bench_open,
	.release = bench_release,
	.unlocked_ioctl = bench_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice bench_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmun_bench",
	.fops = &bench_fops,
	.mode = 0600,
};

static int __init bench_init(void)
{
	return misc_register(&bench_misc);
}

static void __exit bench_exit(void)
{
	misc_deregister(&bench_misc);
	/*
	 * No run is left, so every free_notifier has been called; in a context that
	 * is an RCU read section, which may not have returned from our text.
	 */
	mmun_notifier_synchronize();
	synchronize_rcu();
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("The kernel's own notifier and mmun, measured side by side");
MODULE_LICENSE("GPL");
MODULE_VERSION(MMUN_VERSION);
