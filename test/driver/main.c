// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmun_test: a secondary MMU without hardware, driven by ioctl.
 *
 * The contract with the user is in <linux/mmun_test.h>. The driver uses only
 * the public API of mmun: it counts its events and logs them; a mirror has a
 * page table besides (mirror.c).
 *
 * Objects:
 *
 * - A file (struct test_file), one for each open: a table of subscriptions by
 *   id, and a ring of events. A reference is held by the open file and by each
 *   subscription, for a subscription that was detached without waiting may
 *   still be called after the file was closed. Its events then go nowhere:
 *   "closed" is set, and the ring is gone.
 *
 * - A subscription (struct test_sub). References are held by the table and by
 *   each ioctl that works on it; detaching takes it out of the table (who
 *   finds it there has won, everybody else gets ENOENT), then out of mmun, and
 *   only then drops the table's reference.
 *
 * - An object (struct test_object), what mmun_notifier_get() shares between
 *   all that ask for one (ops, mm) pair: see object.c.
 *
 * Locks. Callbacks come with page table locks held, or in ranges where nobody
 * may sleep, so they allocate nothing and take raw spinlocks only, in this
 * order:
 *
 *	test_object.lock	list of subscriptions, open and missed ranges
 *	  test_sub.lock		counters, the interval's sequence, and the
 *				words of a mirror
 *	    test_file.lock	ring, closed
 *
 * Even a wake-up takes a sleeping lock on PREEMPT_RT, so irq_work does it.
 * Knobs are single words, read and written once each. A callback that was
 * asked to be slow sleeps when it has dropped all of these locks.
 *
 * The rest is taken in system calls only, and not by callbacks:
 *
 *	test_file.read_mutex	one reader at a time moves the ring's tail
 *	test_file.subs		the table, under its own lock
 *	test_sub.reading	held for reading around a read section and
 *				whatever looks at a mirror's words, for
 *				writing when an interval is detached: no
 *				read_begin on an interval that was removed
 *
 * A section is bounded by its pause, and a loop of sections lets go between
 * two of them, so the detacher gets his turn. Closing a file need not wait: it
 * runs when no system call on the file does.
 */

#include <linux/atomic.h>
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <mmun/exec_ns.h>

#include "driver.h"
#include "mirror.h"

#define SUBS_MAX	65536		/* subscriptions of a file */
#define FREE_DELAY_MAX	100000u		/* microseconds */

#define ATTACH_LOCKS	(MMUN_TEST_ATTACH_LOCKED | MMUN_TEST_ATTACH_READ_LOCKED)
#define ATTACH_ALL	(ATTACH_OPS | ATTACH_LOCKS | MMUN_TEST_ATTACH_TWO_PASS)
#define KNOBS_ALL	(MMUN_TEST_KNOB_REFUSE | MMUN_TEST_KNOB_DEAF)

/* The first version of what has grown since. */
#define FILE_FIRST	offsetof(struct mmun_test_file_stats, joined_busy)
#define STATS_FIRST	offsetof(struct mmun_test_stats, fills)
#define KNOBS_FIRST	offsetof(struct mmun_test_knobs, fill_delay_ms)

/* Files and subscriptions */

static void file_free(struct kref *ref)
{
	kfree(container_of(ref, struct test_file, ref));
}

static struct test_sub *sub_alloc(struct test_file *file, u32 kind)
{
	struct test_sub *sub;

	sub = kzalloc(sizeof(*sub), GFP_KERNEL_ACCOUNT);
	if (!sub)
		return NULL;
	kref_init(&sub->ref);
	kref_get(&file->ref);
	sub->file = file;
	sub->kind = kind;
	raw_spin_lock_init(&sub->lock);
	init_rwsem(&sub->reading);
	return sub;
}

/* May not sleep: the last reference may be dropped by call_srcu. */
static void sub_free(struct kref *ref)
{
	struct test_sub *sub = container_of(ref, struct test_sub, ref);

	if (sub->kind == MMUN_TEST_GET)
		kfree(sub->missed);
	if (has_interval(sub))
		kfree(sub->finishes);
	if (sub->kind == MMUN_TEST_MIRROR)
		mirror_free(sub);
	kref_put(&sub->file->ref, file_free);
	kfree(sub);
}

void sub_put(struct test_sub *sub)
{
	kref_put(&sub->ref, sub_free);
}

struct test_sub *sub_find(struct test_file *file, u32 id)
{
	struct test_sub *sub;

	xa_lock(&file->subs);
	sub = xa_load(&file->subs, id);
	if (sub)
		kref_get(&sub->ref);
	xa_unlock(&file->subs);
	return sub;
}

/* The task that takes it out of the table detaches it. */
static bool sub_claim(struct test_sub *sub)
{
	struct xarray *subs = &sub->file->subs;
	bool won;

	xa_lock(subs);
	won = xa_load(subs, sub->id) == sub;
	if (won)
		__xa_erase(subs, sub->id);
	xa_unlock(subs);
	return won;
}

void sub_log(struct test_sub *sub, const struct mmun_test_event *event)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	sub->events[event->what]++;
	ring_push(sub->file, sub->id, event);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

bool sub_refuses(struct test_sub *sub)
{
	return READ_ONCE(sub->knobs) & MMUN_TEST_KNOB_REFUSE;
}

/* Attach and detach */

static int attach_kind(struct test_sub *sub, const struct mmun_test_attach *arg)
{
	switch (sub->kind) {
	case MMUN_TEST_LIST:
		return list_attach(sub, arg->flags);
	case MMUN_TEST_GET:
		return object_attach(sub, arg->flags);
	case MMUN_TEST_MIRROR:
		return mirror_attach(sub, arg);
	default:
		return interval_attach(sub, arg);
	}
}

static int attach_lock(struct mm_struct *mm, u32 flags)
{
	switch (flags & ATTACH_LOCKS) {
	case MMUN_TEST_ATTACH_LOCKED:
		return mmap_write_lock_killable(mm);
	case MMUN_TEST_ATTACH_READ_LOCKED:
		return mmap_read_lock_killable(mm);
	default:
		return 0;
	}
}

static void attach_unlock(struct mm_struct *mm, u32 flags)
{
	switch (flags & ATTACH_LOCKS) {
	case MMUN_TEST_ATTACH_LOCKED:
		mmap_write_unlock(mm);
		break;
	case MMUN_TEST_ATTACH_READ_LOCKED:
		mmap_read_unlock(mm);
		break;
	}
}

/* The caller has a user of the mm. */
static int sub_attach(struct test_sub *sub, const struct mmun_test_attach *arg)
{
	int err;

	if (attach_lock(sub->mm, arg->flags))
		return -EINTR;
	err = attach_kind(sub, arg);
	attach_unlock(sub->mm, arg->flags);
	if (!err && sub->kind == MMUN_TEST_GET)
		err = object_join(sub);
	if (err && sub->kind == MMUN_TEST_MIRROR)
		mirror_detach(sub);
	return err;
}

/* Misuse, while the memory of the subscription and the mm is there. */
static void sub_detach_twice(struct test_sub *sub)
{
	struct mm_struct *mm = sub->mm;

	mmgrab(mm);
	if (sub->kind == MMUN_TEST_LIST) {
		mmun_notifier_unregister(&sub->mn, mm);
		mmun_notifier_unregister(&sub->mn, mm);
	} else {
		interval_detach(sub);
		mmun_interval_notifier_remove(&sub->interval);
	}
	mmdrop(mm);
	sub_put(sub);
}

/* Out of mmun, and the table's reference with it. */
static void sub_detach(struct test_sub *sub, u32 how)
{
	if (how == MMUN_TEST_TWICE) {
		sub_detach_twice(sub);
		return;
	}
	switch (sub->kind) {
	case MMUN_TEST_LIST:
		list_detach(sub, how);
		return;
	case MMUN_TEST_GET:
		object_detach(sub);
		break;
	case MMUN_TEST_MIRROR:
		mirror_detach(sub);
		break;
	default:
		interval_detach(sub);
		break;
	}
	sub_put(sub);
}

static u32 how_at_close(const struct test_sub *sub)
{
	return sub->kind == MMUN_TEST_GET ? MMUN_TEST_PUT :
		MMUN_TEST_UNREGISTER;
}

static bool how_fits(const struct test_sub *sub, u32 how)
{
	switch (how) {
	case MMUN_TEST_UNREGISTER:
		return sub->kind != MMUN_TEST_GET;
	case MMUN_TEST_NO_RELEASE:
		return sub->kind == MMUN_TEST_LIST;
	case MMUN_TEST_PUT:
		return sub->kind == MMUN_TEST_GET;
	case MMUN_TEST_TWICE:
		return sub->kind == MMUN_TEST_LIST ||
			sub->kind == MMUN_TEST_INTERVAL;
	default:
		return false;
	}
}

static bool may_mirror(struct task_struct *task, struct mm_struct *mm)
{
	return mm == current->mm || exec_ns_ptraceable(task, mm);
}

/*
 * A process lives on when its first thread has exited, which then has no mm: any
 * other thread's is the same.
 */
static struct mm_struct *mm_of_process(struct task_struct *first)
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

/* Return: the mm with a user, for mmput(). */
static struct mm_struct *mm_of_pid(s32 nr)
{
	struct task_struct *task;
	struct mm_struct *mm;
	struct pid *pid;

	if (!nr) {
		mm = get_task_mm(current);
		return mm ?: ERR_PTR(-ESRCH);
	}
	pid = find_get_pid(nr);
	if (!pid)
		return ERR_PTR(-ESRCH);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	if (!task)
		return ERR_PTR(-ESRCH);
	mm = mm_of_process(task);
	if (!mm) {
		mm = ERR_PTR(-ESRCH);
	} else if (!may_mirror(task, mm)) {
		mmput(mm);
		mm = ERR_PTR(-EPERM);
	}
	put_task_struct(task);
	return mm;
}

static bool attach_valid(const struct mmun_test_attach *arg)
{
	if (arg->flags & ~ATTACH_ALL || arg->reserved || arg->pid < 0)
		return false;
	if (arg->flags & MMUN_TEST_ATTACH_READ_LOCKED &&
	    (arg->flags & MMUN_TEST_ATTACH_LOCKED ||
	     arg->kind != MMUN_TEST_INTERVAL))
		return false;
	switch (arg->kind) {
	case MMUN_TEST_LIST:
	case MMUN_TEST_GET:
		return !arg->start && !arg->length &&
			!(arg->flags & MMUN_TEST_ATTACH_TWO_PASS);
	case MMUN_TEST_INTERVAL:
		return !(arg->flags & ATTACH_OPS);
	case MMUN_TEST_MIRROR:
		return !(arg->flags & MMUN_TEST_ATTACH_TLB) &&
			!((arg->start | arg->length) & ~PAGE_MASK);
	default:
		return false;
	}
}

/*
 * The id is reserved first, for events may come before the attach returns. The
 * table shows the subscription when nothing can fail any more, so nobody else
 * can have detached what has to be undone here.
 */
static long attach_mm(struct test_file *file, struct mm_struct *mm,
		      const struct mmun_test_attach *arg,
		      struct mmun_test_attach __user *uarg)
{
	struct test_sub *sub;
	u32 id;
	int err;

	sub = sub_alloc(file, arg->kind);
	if (!sub)
		return -ENOMEM;
	sub->mm = mm;

	err = xa_alloc_cyclic(&file->subs, &sub->id, NULL, xa_limit_32b,
			      &file->next_id, GFP_KERNEL_ACCOUNT);
	if (err < 0)
		goto err_sub;
	id = sub->id;
	err = sub_attach(sub, arg);
	if (err)
		goto err_id;
	if (put_user(id, &uarg->id)) {
		sub_detach(sub, how_at_close(sub));
		xa_erase(&file->subs, id);
		return -EFAULT;
	}
	/* The slot is there: this allocates nothing, and cannot fail. */
	xa_store(&file->subs, id, sub, GFP_KERNEL_ACCOUNT);
	return 0;

err_id:
	xa_erase(&file->subs, id);
err_sub:
	sub_put(sub);
	return err;
}

/*
 * Arguments: what is longer than we know must be zero there, and what is missing
 * from the first version is zero here. The size that was looked at is the one
 * that counts, whatever the second copy says.
 */
int arg_copy(void *arg, size_t size, size_t first, void __user *uarg)
{
	u32 usize;
	int err;

	if (get_user(usize, (u32 __user *)uarg))
		return -EFAULT;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	if (usize < size && usize != first)
		return -EINVAL;
	err = copy_struct_from_user(arg, size, uarg, usize);
	if (err)
		return err;
	*(u32 *)arg = usize;
	return 0;
}

static long ioctl_attach(struct test_file *file, void __user *uarg)
{
	struct mmun_test_attach arg;
	struct mm_struct *mm;
	long err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (!attach_valid(&arg))
		return -EINVAL;
	mm = mm_of_pid(arg.pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);

	err = -ENOSPC;
	if (atomic_inc_return(&file->attached) <= SUBS_MAX)
		err = attach_mm(file, mm, &arg, uarg);
	if (err)
		atomic_dec(&file->attached);
	mmput(mm);
	return err;
}

static long ioctl_prepare(void __user *uarg)
{
	struct mmun_test_prepare arg;
	struct mm_struct *mm;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.reserved || arg.pid < 0)
		return -EINVAL;
	mm = mm_of_pid(arg.pid);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	err = -EINTR;
	if (!mmap_write_lock_killable(mm)) {
		err = __mmun_notifier_register(NULL, mm);
		mmap_write_unlock(mm);
	}
	mmput(mm);
	return err;
}

/*
 * The sections in progress are waited for before anything is decided, so a
 * signal can still turn back.
 */
static int detach_claim(struct test_sub *sub)
{
	bool interval = has_interval(sub);
	bool won;

	if (interval && down_write_killable(&sub->reading))
		return -EINTR;
	won = sub_claim(sub);
	if (interval) {
		sub->detached = true;
		up_write(&sub->reading);
	}
	return won ? 0 : -ENOENT;
}

static long ioctl_detach(struct test_file *file, void __user *uarg)
{
	struct mmun_test_detach arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.reserved ||
	    (arg.how > MMUN_TEST_PUT && arg.how != MMUN_TEST_TWICE))
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	err = how_fits(sub, arg.how) ? detach_claim(sub) : -EINVAL;
	if (!err) {
		sub_detach(sub, arg.how);
		atomic_dec(&file->attached);
	}
	sub_put(sub);
	return err;
}

static void stats_of_sub(struct mmun_test_stats *stats, struct test_sub *sub)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&sub->lock, flags);
	stats->starts = sub->events[MMUN_TEST_EV_START];
	stats->ends = sub->events[MMUN_TEST_EV_END];
	stats->refusals = sub->events[MMUN_TEST_EV_REFUSED];
	stats->releases = sub->events[MMUN_TEST_EV_RELEASE];
	stats->youngs = sub->events[MMUN_TEST_EV_YOUNG];
	stats->tlbs = sub->events[MMUN_TEST_EV_TLB];
	stats->reads = sub->reads;
	stats->collisions = sub->collisions;
	stats->retries = sub->retries;
	if (sub->kind == MMUN_TEST_MIRROR)
		mirror_count(sub, stats);
	raw_spin_unlock_irqrestore(&sub->lock, flags);
}

static long ioctl_stats(struct test_file *file, void __user *uarg)
{
	struct mmun_test_stats arg;
	struct test_sub *sub;
	size_t size;
	int err;

	err = arg_copy(&arg, sizeof(arg), STATS_FIRST, uarg);
	if (err)
		return err;
	if (arg.reserved[0] || arg.reserved[1])
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	stats_of_sub(&arg, sub);
	sub_put(sub);
	size = min_t(size_t, arg.size, sizeof(arg));
	return copy_to_user(uarg, &arg, size) ? -EFAULT : 0;
}

static bool knobs_valid(const struct mmun_test_knobs *arg)
{
	return !(arg->flags & ~KNOBS_ALL) && !arg->reserved &&
		!arg->reserved2 &&
		arg->start_delay_ms <= MMUN_TEST_DELAY_MAX_MS &&
		arg->release_delay_ms <= MMUN_TEST_DELAY_MAX_MS &&
		arg->fill_delay_ms <= MMUN_TEST_DELAY_MAX_MS &&
		arg->tear_delay_ms <= MMUN_TEST_DELAY_MAX_MS &&
		arg->free_delay_us <= FREE_DELAY_MAX;
}

/* Some knobs are for some kinds only; those that were there first, for all. */
static bool knobs_fit(const struct mmun_test_knobs *arg, u32 kind)
{
	bool interval = kind == MMUN_TEST_INTERVAL || kind == MMUN_TEST_MIRROR;

	if (arg->tear_delay_ms && !interval)
		return false;
	return kind == MMUN_TEST_MIRROR ||
		!(arg->flags & MMUN_TEST_KNOB_DEAF || arg->fill_delay_ms ||
		  arg->fail_after);
}

/* Before it is deaf, a mirror must know that it will be. */
static void sub_set_knobs(struct test_sub *sub,
			  const struct mmun_test_knobs *arg)
{
	if (sub->kind == MMUN_TEST_MIRROR)
		mirror_set_knobs(sub, arg);
	WRITE_ONCE(sub->knobs, arg->flags);
	WRITE_ONCE(sub->start_delay_ms, arg->start_delay_ms);
	WRITE_ONCE(sub->release_delay_ms, arg->release_delay_ms);
	WRITE_ONCE(sub->free_delay_us, arg->free_delay_us);
	WRITE_ONCE(sub->fill_delay_ms, arg->fill_delay_ms);
	WRITE_ONCE(sub->tear_delay_ms, arg->tear_delay_ms);
}

static long ioctl_knobs(struct test_file *file, void __user *uarg)
{
	struct mmun_test_knobs arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), KNOBS_FIRST, uarg);
	if (err)
		return err;
	if (!knobs_valid(&arg))
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	if (knobs_fit(&arg, sub->kind))
		sub_set_knobs(sub, &arg);
	else
		err = -EINVAL;
	sub_put(sub);
	return err;
}

static long ioctl_read(struct test_file *file, void __user *uarg)
{
	struct mmun_test_read arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.flags & ~MMUN_TEST_READ_LOOP || arg.reserved ||
	    arg.pause_ms > MMUN_TEST_DELAY_MAX_MS)
		return -EINVAL;
	sub = sub_find(file, arg.id);
	if (!sub)
		return -ENOENT;
	err = -EINVAL;
	if (has_interval(sub))
		err = read_sections(sub, &arg);
	sub_put(sub);
	if (err)
		return err;
	return copy_to_user(uarg, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static long ioctl_file(struct test_file *file, void __user *uarg)
{
	struct mmun_test_file_stats arg;
	unsigned long flags;
	size_t size;
	int err;

	err = arg_copy(&arg, sizeof(arg), FILE_FIRST, uarg);
	if (err)
		return err;
	if (arg.reserved[0] || arg.reserved[1])
		return -EINVAL;
	raw_spin_lock_irqsave(&file->lock, flags);
	arg.events = file->events;
	arg.dropped = file->dropped;
	raw_spin_unlock_irqrestore(&file->lock, flags);
	arg.subscriptions = atomic_read(&file->attached);
	object_count(&arg);
	arg.joined_busy = atomic64_read(&file->joined_busy);
	arg.left_busy = atomic64_read(&file->left_busy);
	size = min_t(size_t, arg.size, sizeof(arg));
	return copy_to_user(uarg, &arg, size) ? -EFAULT : 0;
}

/*
 * The size in the ioctl's number is that of the caller's header, which may be
 * newer than ours: the struct says its own size, so that one is not looked at.
 */
#define IOC(cmd)	((cmd) & ~(unsigned int)IOCSIZE_MASK)

static long test_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct test_file *file = filp->private_data;
	void __user *uarg = (void __user *)arg;

	switch (IOC(cmd)) {
	case IOC(MMUN_TEST_IOC_ATTACH):
		return ioctl_attach(file, uarg);
	case IOC(MMUN_TEST_IOC_DETACH):
		return ioctl_detach(file, uarg);
	case IOC(MMUN_TEST_IOC_STATS):
		return ioctl_stats(file, uarg);
	case IOC(MMUN_TEST_IOC_KNOBS):
		return ioctl_knobs(file, uarg);
	case IOC(MMUN_TEST_IOC_READ):
		return ioctl_read(file, uarg);
	case IOC(MMUN_TEST_IOC_FILE):
		return ioctl_file(file, uarg);
	case IOC(MMUN_TEST_IOC_SYNC):
		if (arg)
			return -EINVAL;
		mmun_notifier_synchronize();
		return 0;
	case IOC(MMUN_TEST_IOC_PREPARE):
		return ioctl_prepare(uarg);
	case IOC(MMUN_TEST_IOC_FAULT):
	case IOC(MMUN_TEST_IOC_MREAD):
	case IOC(MMUN_TEST_IOC_MWRITE):
	case IOC(MMUN_TEST_IOC_SNAPSHOT):
	case IOC(MMUN_TEST_IOC_CHECK):
	case IOC(MMUN_TEST_IOC_AGE):
		return mirror_ioctl(file, cmd, uarg);
	default:
		return -ENOTTY;
	}
}

/* The other file operations */

static int reader_wait(struct test_file *file, bool nonblock)
{
	if (nonblock)
		return ring_filled(file) ? 0 : -EAGAIN;
	return wait_event_interruptible(file->wait, ring_filled(file));
}

static int reader_lock(struct test_file *file, bool nonblock)
{
	if (nonblock)
		return mutex_trylock(&file->read_mutex) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(&file->read_mutex);
}

/* Nobody waits for events with the mutex held. */
static ssize_t test_read(struct file *filp, char __user *buf, size_t size,
			 loff_t *pos)
{
	struct test_file *file = filp->private_data;
	bool nonblock = filp->f_flags & O_NONBLOCK;
	size_t room = size / sizeof(*file->ring);
	ssize_t ret;

	if (!room)
		return -EINVAL;
	room = min_t(size_t, room, RING_SIZE);
	do {
		ret = reader_wait(file, nonblock);
		if (ret)
			return ret;
		ret = reader_lock(file, nonblock);
		if (ret)
			return ret;
		ret = ring_copy(file, buf, room);
		mutex_unlock(&file->read_mutex);
	} while (!ret);
	return ret;
}

static __poll_t test_poll(struct file *filp, poll_table *wait)
{
	struct test_file *file = filp->private_data;

	poll_wait(filp, &file->wait, wait);
	return ring_filled(file) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int test_open(struct inode *inode, struct file *filp)
{
	struct test_file *file;

	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	if (ring_open(file)) {
		kfree(file);
		return -ENOMEM;
	}
	kref_init(&file->ref);
	xa_init_flags(&file->subs, XA_FLAGS_ALLOC1);
	filp->private_data = file;
	return stream_open(inode, filp);
}

/* No system call on the file runs. The slow knobs have no more use. */
static int test_release(struct inode *inode, struct file *filp)
{
	struct test_file *file = filp->private_data;
	struct test_sub *sub;
	unsigned long id;

	ring_close(file);
	xa_for_each(&file->subs, id, sub) {
		WRITE_ONCE(sub->start_delay_ms, 0);
		WRITE_ONCE(sub->release_delay_ms, 0);
		WRITE_ONCE(sub->tear_delay_ms, 0);
	}
	xa_for_each(&file->subs, id, sub) {
		xa_erase(&file->subs, id);
		sub_detach(sub, how_at_close(sub));
		cond_resched();
	}
	xa_destroy(&file->subs);
	kref_put(&file->ref, file_free);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.read = test_read,
	.poll = test_poll,
	.unlocked_ioctl = test_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmun_test",
	.mode = 0600,
	.fops = &test_fops,
};

static int __init test_init(void)
{
	return misc_register(&test_device);
}

/* No file is open, but what was put or left to call_srcu may not be done. */
static void __exit test_exit(void)
{
	misc_deregister(&test_device);
	mmun_notifier_synchronize();
}

module_init(test_init);
module_exit(test_exit);

MODULE_AUTHOR("mmun developers");
MODULE_DESCRIPTION("A secondary MMU without hardware, to test mmun");
MODULE_LICENSE("GPL");
MODULE_VERSION(MMUN_VERSION);
