// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmun_peer: a user of the kernel's own mmu_notifier, driven by ioctl.
 *
 * The promises of mmun about drivers beside it can only be tested with such a
 * driver. This one can be slow in release, can refuse a range that may not
 * sleep, and can hold a range open for as long as a test needs it.
 *
 * Lifetimes: a file owns its peers, the file's mutex guards the list. A peer
 * is taken off the list first and torn down without the mutex, since
 * unregistering sleeps until callbacks are done; an ioctl that waits on a peer
 * holds a reference of its own.
 */

#include <linux/capability.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#include <uapi/linux/mmun_peer.h>

struct peer_file {
	struct mutex lock;		/* guards peers, next_id */
	struct list_head peers;
	u32 next_id;
};

struct peer {
	struct list_head node;
	struct kref ref;
	u32 id;
	u32 kind;
	u32 flags;
	u32 release_delay_ms;

	struct mmu_notifier mn;
	struct mmu_interval_notifier mni;
	spinlock_t lock;		/* the user lock of the interval */
	struct mutex busy;		/* TRYLOCK: what start and release need */

	/* on wq: nobody is held once hold is false, and no release sleeps once awake is */
	wait_queue_head_t wq;
	bool hold;
	bool awake;
	atomic_t held;

	atomic64_t starts;
	atomic64_t ends;
	atomic64_t refusals;
	atomic64_t releases;
	atomic64_t holds;
};

static void peer_free(struct kref *ref)
{
	kfree(container_of(ref, struct peer, ref));
}

static void peer_put(struct peer *peer)
{
	kref_put(&peer->ref, peer_free);
}

static void peer_list_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct peer *peer = container_of(mn, struct peer, mn);

	mutex_lock(&peer->busy);
	atomic64_inc(&peer->releases);
	wait_event_timeout(peer->wq, READ_ONCE(peer->awake),
			   msecs_to_jiffies(peer->release_delay_ms));
	mutex_unlock(&peer->busy);
}

/* whether a range that may not sleep is refused */
static bool peer_refuses(struct peer *peer)
{
	if (peer->flags & MMUN_PEER_REFUSE)
		return true;
	if (!(peer->flags & MMUN_PEER_TRYLOCK))
		return false;
	if (!mutex_trylock(&peer->busy))
		return true;
	mutex_unlock(&peer->busy);
	return false;
}

static int peer_list_start(struct mmu_notifier *mn,
			   const struct mmu_notifier_range *range)
{
	struct peer *peer = container_of(mn, struct peer, mn);

	if (!mmu_notifier_range_blockable(range) && peer_refuses(peer)) {
		atomic64_inc(&peer->refusals);
		return -EAGAIN;
	}
	atomic64_inc(&peer->starts);
	return 0;
}

static void peer_list_end(struct mmu_notifier *mn,
			  const struct mmu_notifier_range *range)
{
	struct peer *peer = container_of(mn, struct peer, mn);

	atomic64_inc(&peer->ends);
}

static const struct mmu_notifier_ops peer_list_ops = {
	.release = peer_list_release,
	.invalidate_range_start = peer_list_start,
	.invalidate_range_end = peer_list_end,
};

/* the kernel warns when a start fails that has an end beside it */
static const struct mmu_notifier_ops peer_refusing_list_ops = {
	.release = peer_list_release,
	.invalidate_range_start = peer_list_start,
};

static void peer_wait_in_hold(struct peer *peer)
{
	if (!READ_ONCE(peer->hold))
		return;

	atomic64_inc(&peer->holds);
	atomic_inc(&peer->held);
	wake_up_all(&peer->wq);
	/* how it ended does not matter: the range goes on in any case */
	if (wait_event_killable_timeout(peer->wq, !READ_ONCE(peer->hold),
					msecs_to_jiffies(MMUN_PEER_HOLD_MAX_MS)) == 0)
		pr_warn("a range was held for too long, going on\n");
	atomic_dec(&peer->held);
}

static bool peer_invalidate(struct mmu_interval_notifier *mni,
			    const struct mmu_notifier_range *range,
			    unsigned long cur_seq)
{
	struct peer *peer = container_of(mni, struct peer, mni);

	if (!mmu_notifier_range_blockable(range) &&
	    (peer->flags & MMUN_PEER_REFUSE)) {
		atomic64_inc(&peer->refusals);
		return false;
	}

	spin_lock(&peer->lock);
	mmu_interval_set_seq(mni, cur_seq);
	spin_unlock(&peer->lock);

	if (range->event == MMU_NOTIFY_RELEASE) {
		atomic64_inc(&peer->releases);
		return true;
	}
	atomic64_inc(&peer->starts);
	if (mmu_notifier_range_blockable(range))
		peer_wait_in_hold(peer);
	return true;
}

static const struct mmu_interval_notifier_ops peer_interval_ops = {
	.invalidate = peer_invalidate,
};

/* a first thread that has exited has no mm, and the others still do */
static struct mm_struct *peer_mm_of_process(struct task_struct *first)
{
	struct mm_struct *mm = NULL;
	struct task_struct *task;

	rcu_read_lock();
	list_for_each_entry_rcu(task, &first->signal->thread_head, thread_node) {
		mm = get_task_mm(task);
		if (mm)
			break;
	}
	rcu_read_unlock();
	return mm;
}

static struct mm_struct *peer_get_mm(pid_t nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (nr < 0)
		return ERR_PTR(-EINVAL);
	if (!nr) {
		mm = get_task_mm(current);
		return mm ? mm : ERR_PTR(-ESRCH);
	}

	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = peer_mm_of_process(task);
	put_task_struct(task);
	return mm ? mm : ERR_PTR(-ESRCH);
}

static int peer_link(struct peer *peer, struct mm_struct *mm,
		     const struct mmun_peer_attach *arg)
{
	if (peer->kind == MMUN_PEER_INTERVAL)
		return mmu_interval_notifier_insert(&peer->mni, mm, arg->start,
						    arg->length,
						    &peer_interval_ops);

	if (peer->flags & (MMUN_PEER_REFUSE | MMUN_PEER_TRYLOCK))
		peer->mn.ops = &peer_refusing_list_ops;
	else
		peer->mn.ops = &peer_list_ops;
	return mmu_notifier_register(&peer->mn, mm);
}

static void peer_let_go(struct peer *peer)
{
	WRITE_ONCE(peer->hold, false);
	WRITE_ONCE(peer->awake, true);
	wake_up_all(&peer->wq);
}

/* the caller has taken the peer off its file's list */
static void peer_unlink(struct peer *peer)
{
	peer_let_go(peer);
	if (peer->kind == MMUN_PEER_INTERVAL)
		mmu_interval_notifier_remove(&peer->mni);
	else
		mmu_notifier_unregister(&peer->mn, peer->mn.mm);
	peer_put(peer);
}

#define PEER_FLAGS	(MMUN_PEER_REFUSE | MMUN_PEER_HOLD | MMUN_PEER_TRYLOCK)

static int peer_check_attach(const struct mmun_peer_attach *arg)
{
	if (arg->reserved ||
	    arg->flags & ~PEER_FLAGS ||
	    arg->release_delay_ms > MMUN_PEER_DELAY_MAX_MS)
		return -EINVAL;

	switch (arg->kind) {
	case MMUN_PEER_LIST:
		if (arg->start || arg->length || arg->flags & MMUN_PEER_HOLD)
			return -EINVAL;
		return 0;
	case MMUN_PEER_INTERVAL:
		if (arg->release_delay_ms || arg->flags & MMUN_PEER_TRYLOCK)
			return -EINVAL;
		return 0;
	default:
		return -EINVAL;
	}
}

static int peer_attach(struct peer_file *file, void __user *uarg, u32 size)
{
	struct mmun_peer_attach arg;
	struct mm_struct *mm;
	struct peer *peer;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;
	ret = peer_check_attach(&arg);
	if (ret)
		return ret;

	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return -ENOMEM;
	kref_init(&peer->ref);
	spin_lock_init(&peer->lock);
	mutex_init(&peer->busy);
	init_waitqueue_head(&peer->wq);
	peer->kind = arg.kind;
	peer->flags = arg.flags;
	peer->release_delay_ms = arg.release_delay_ms;
	peer->hold = arg.flags & MMUN_PEER_HOLD;

	mm = peer_get_mm(arg.pid);
	if (IS_ERR(mm)) {
		ret = PTR_ERR(mm);
		goto err_put;
	}
	ret = peer_link(peer, mm, &arg);
	mmput(mm);
	if (ret)
		goto err_put;

	mutex_lock(&file->lock);
	peer->id = ++file->next_id;
	arg.id = peer->id;
	mutex_unlock(&file->lock);

	/* not yet on the list: nobody else can detach it */
	if (copy_to_user(uarg, &arg, sizeof(arg))) {
		peer_unlink(peer);
		return -EFAULT;
	}

	mutex_lock(&file->lock);
	list_add(&peer->node, &file->peers);
	mutex_unlock(&file->lock);
	return 0;

err_put:
	peer_put(peer);
	return ret;
}

static struct peer *peer_find(struct peer_file *file, u32 id)
{
	struct peer *peer;

	lockdep_assert_held(&file->lock);
	list_for_each_entry(peer, &file->peers, node)
		if (peer->id == id)
			return peer;
	return NULL;
}

static struct peer *peer_get(struct peer_file *file, u32 id)
{
	struct peer *peer;

	mutex_lock(&file->lock);
	peer = peer_find(file, id);
	if (peer)
		kref_get(&peer->ref);
	mutex_unlock(&file->lock);
	return peer;
}

static int peer_detach(struct peer_file *file, void __user *uarg, u32 size)
{
	struct mmun_peer_detach arg;
	struct peer *peer;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;

	mutex_lock(&file->lock);
	peer = peer_find(file, arg.id);
	if (peer)
		list_del(&peer->node);
	mutex_unlock(&file->lock);
	if (!peer)
		return -ENOENT;

	peer_unlink(peer);
	return 0;
}

static int peer_hold(struct peer_file *file, void __user *uarg, u32 size,
		     bool wait)
{
	struct mmun_peer_hold arg;
	struct peer *peer;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;
	if (arg.reserved || arg.timeout_ms > MMUN_PEER_WAIT_MAX_MS)
		return -EINVAL;

	peer = peer_get(file, arg.id);
	if (!peer)
		return -ENOENT;

	if (!wait) {
		peer_let_go(peer);
	} else {
		long left;

		left = wait_event_interruptible_timeout(peer->wq,
							atomic_read(&peer->held),
							msecs_to_jiffies(arg.timeout_ms));
		if (left < 0)
			ret = -EINTR;
		else if (!left)
			ret = -ETIME;
	}
	peer_put(peer);
	return ret;
}

static int peer_stats(struct peer_file *file, void __user *uarg, u32 size)
{
	struct mmun_peer_stats arg;
	struct peer *peer;
	int ret;

	ret = copy_struct_from_user(&arg, sizeof(arg), uarg, size);
	if (ret)
		return ret;

	peer = peer_get(file, arg.id);
	if (!peer)
		return -ENOENT;
	arg.starts = atomic64_read(&peer->starts);
	arg.ends = atomic64_read(&peer->ends);
	arg.refusals = atomic64_read(&peer->refusals);
	arg.releases = atomic64_read(&peer->releases);
	arg.holds = atomic64_read(&peer->holds);
	arg.held = atomic_read(&peer->held);
	peer_put(peer);

	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static long peer_ioctl(struct file *filp, unsigned int cmd, unsigned long uarg)
{
	struct peer_file *file = filp->private_data;
	void __user *ptr = (void __user *)uarg;
	u32 size;

	if (_IOC_TYPE(cmd) != MMUN_PEER_MAGIC)
		return -ENOTTY;
	if (get_user(size, (u32 __user *)ptr))
		return -EFAULT;
	/* every struct is still in its first version */
	if (size < _IOC_SIZE(cmd))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;

	switch (cmd) {
	case MMUN_PEER_IOC_ATTACH:
		return peer_attach(file, ptr, size);
	case MMUN_PEER_IOC_DETACH:
		return peer_detach(file, ptr, size);
	case MMUN_PEER_IOC_WAIT_HELD:
		return peer_hold(file, ptr, size, true);
	case MMUN_PEER_IOC_RELEASE_HOLD:
		return peer_hold(file, ptr, size, false);
	case MMUN_PEER_IOC_STATS:
		return peer_stats(file, ptr, size);
	default:
		return -ENOTTY;
	}
}

static int peer_open(struct inode *inode, struct file *filp)
{
	struct peer_file *file;

	/* a peer may name any process by its pid */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;

	file = kzalloc(sizeof(*file), GFP_KERNEL);
	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	INIT_LIST_HEAD(&file->peers);
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

static int peer_release(struct inode *inode, struct file *filp)
{
	struct peer_file *file = filp->private_data;
	struct peer *peer, *next;

	list_for_each_entry(peer, &file->peers, node)
		peer_let_go(peer);
	list_for_each_entry_safe(peer, next, &file->peers, node) {
		list_del(&peer->node);
		peer_unlink(peer);
	}
	mutex_destroy(&file->lock);
	kfree(file);
	return 0;
}

static const struct file_operations peer_fops = {
	.owner = THIS_MODULE,
	.open = peer_open,
	.release = peer_release,
	.unlocked_ioctl = peer_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice peer_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmun_peer",
	.fops = &peer_fops,
	.mode = 0600,
};
module_misc_device(peer_misc);

MODULE_DESCRIPTION("A user of the kernel's own mmu_notifier, to test mmun");
MODULE_LICENSE("GPL");
MODULE_VERSION(MMUN_VERSION);
