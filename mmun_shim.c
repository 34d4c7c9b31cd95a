// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bridge to the kernel's own notifier, and from a mm to its state. This is
 * the only file that calls the kernel's notifier.
 *
 * What carries what. A mm with subscribers has
 *
 * - one interval of the kernel's over the whole address space. It hears every
 *   start and the release, may refuse, and is called outside the machine-wide
 *   SRCU domain of the kernel's list notifiers: a subscriber that sleeps in a
 *   start, an invalidate or a release delays nobody else.
 * - one list notifier of the kernel's (ends). It hears every end. Its start is
 *   called when all of the kernel's intervals have agreed, and confirms a range
 *   that may not block.
 * - one list notifier for the young queries and one for secondary TLBs, each
 *   only while somebody subscribes with such operations.
 *
 * Attaching. The interval goes in first, and is waited for: with a range in
 * flight, the kernel puts it into its tree only when the last one ends. Then the
 * list notifier is registered under all locks of the mm, with no range in
 * flight. So the start of a range finds the list notifier linked if, and only
 * if, that notifier will hear the end (or is put before it, when nobody is left to
 * be told), and a start that finds it unlinked is ignored. From then on nothing is
 * missed; only then the state can be found by subscribers.
 *
 * Later subscribers never come here, except to ask for the young or the TLB
 * notifier. The mmap lock, held for writing, serializes those who attach.
 *
 * Refusals. A refusal goes through the interval. After mmun accepted a range
 * that may not block, another interval can refuse it: then neither the list
 * notifier's start nor an end comes, and the range is an orphan. Such ranges
 * are raised by the OOM reaper and process_mrelease() only, under the mmap lock
 * for reading. Hence the proof that a provisional range is an orphan: to hold
 * the mmap lock for writing. settle() tries for it, soon after each such
 * range; the task that raises its next range from the same place, or the mm's
 * exit, may find out earlier.
 *
 * Exit. The interval hears the release before the kernel looks whether its list
 * is empty. All list notifiers are put there, so the list usually is, and the
 * kernel does not wait for its machine-wide grace period: a mirrored process
 * does not suffer from slow callbacks of drivers that do not use mmun.
 *
 * Detaching is done by a worker as soon as the last subscriber has left: list
 * notifiers are put (the kernel frees them after its grace period), and the
 * interval is removed, which sleeps while ranges are in flight. Nobody waits
 * for the worker but rmmod, and a new subscriber attaches a new bridge.
 *
 * A mm that is spoilt. If another's list notifier refuses a range after the
 * kernel's intervals agreed, the kernel leaves the intervals of that mm marked
 * for ever, and removing one never returns. Only dying processes get such
 * ranges; check_stable_address_space() tells that one may have been raised. The
 * interval then stays until exit_mmap() is through, which raises one range after
 * the release. Where the state is sound the kernel's number moves on between the
 * two. Where it does not, the interval is abandoned: its memory is never given
 * back, but nothing hangs. (A range of another task that lasts from before the
 * release to after it looks the same, and costs the same. And a mm that is spoilt
 * between the look and the end of the removal, which waits for the ranges that
 * are in flight, does hang the worker and then rmmod.)
 */

#include <linux/jiffies.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "mmun_internal.h"

/* A list notifier of the kernel's; gone after the kernel's grace period. */
struct mmun_bridge {
	struct mmu_notifier mn;
	struct mmun_shim *shim;
};

/* All that a mm costs: with its slots, for one CPU, no more than 1 KiB. */
struct mmun_shim {
	struct mmu_interval_notifier starts;
	struct mmun_bridge first;	/* attached once, as ends, and heard from then */
	/* under subs.lock; set with the mmap lock held for writing, too */
	struct mmun_bridge *ends;
	struct mmun_bridge *young;
	struct mmun_bridge *tlb;

	unsigned long release_seq;	/* the kernel's number at the release */
	bool moved_on;			/* it was another one after that */
	bool detached;			/* the worker's own */

	struct delayed_work work;
	struct rcu_head rcu;
	struct mmun_subscriptions subs;	/* its slots follow */
};

#define SETTLE_DELAY	(HZ / 100 ?: 1)
#define DETACH_RETRY	(HZ / 50 ?: 1)
/* How long a first attach waits for ranges of the kernel's to end. */
#define ATTACH_TIMEOUT	(10 * HZ)

/* More ranges than this in flight on one mm are counted, not remembered. */
static unsigned int nr_slots;

struct hlist_head mmun_mms[1 << MMUN_MMS_BITS];
/* Changes of mmun_mms. */
static DEFINE_SPINLOCK(shim_lock);
/*
 * What may still call into our text: the kernel's notifiers that we attached,
 * and queued works.
 */
static atomic_t text_users = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(text_unused);

static struct mmun_shim *to_shim(struct mmun_subscriptions *subs)
{
	return container_of(subs, struct mmun_shim, subs);
}

static void text_get(void)
{
	atomic_inc(&text_users);
}

static void text_put(void)
{
	if (atomic_dec_and_test(&text_users))
		wake_up_all(&text_unused);
}

/* Drop a reference; the last one frees. Does not sleep. */
void mmun_subscriptions_put(struct mmun_subscriptions *subs)
{
	struct mmun_shim *shim = to_shim(subs);

	if (!refcount_dec_and_test(&subs->refs))
		return;
	mmdrop(subs->mm);
	kfree_rcu(shim, rcu);
}

/* A queued work holds a reference, so that it never runs on freed memory. */
static void work_done(struct mmun_shim *shim)
{
	mmun_subscriptions_put(&shim->subs);
	text_put();
}

/* Soon. If it is queued already, then at that time: no delay is long. */
static void queue_shim_work(struct mmun_shim *shim, unsigned long delay)
{
	text_get();
	refcount_inc(&shim->subs.refs);
	if (!queue_delayed_work(mmun_wq, &shim->work, delay))
		work_done(shim);
}

/* --- what the kernel tells us --- */

static enum mmun_notifier_event event_of(const struct mmu_notifier_range *range)
{
	switch (range->event) {
	case MMU_NOTIFY_UNMAP:
		return MMUN_NOTIFY_UNMAP;
	case MMU_NOTIFY_PROTECTION_VMA:
		return MMUN_NOTIFY_PROTECTION_VMA;
	case MMU_NOTIFY_PROTECTION_PAGE:
		return MMUN_NOTIFY_PROTECTION_PAGE;
	case MMU_NOTIFY_SOFT_DIRTY:
		return MMUN_NOTIFY_SOFT_DIRTY;
	case MMU_NOTIFY_RELEASE:
		return MMUN_NOTIFY_RELEASE;
	case MMU_NOTIFY_MIGRATE:
		return MMUN_NOTIFY_MIGRATE;
	case MMU_NOTIFY_EXCLUSIVE:
		return MMUN_NOTIFY_EXCLUSIVE;
	default:
		/* What nobody may ignore. */
		return MMUN_NOTIFY_CLEAR;
	}
}

static struct mmun_bridge *take_bridge(struct mmun_bridge **place)
{
	struct mmun_bridge *bridge = *place;

	*place = NULL;
	return bridge;
}

static void put_bridge(struct mmun_bridge *bridge)
{
	/* bridge_free() follows */
	if (bridge)
		mmu_notifier_put(&bridge->mn);
}

static void put_all_bridges(struct mmun_shim *shim)
{
	struct mmun_bridge *ends, *young, *tlb;

	mmun_lock(&shim->subs);
	ends = take_bridge(&shim->ends);
	young = take_bridge(&shim->young);
	tlb = take_bridge(&shim->tlb);
	mmun_unlock(&shim->subs);

	put_bridge(ends);
	put_bridge(young);
	put_bridge(tlb);
}

static noinline void hear_release(struct mmun_shim *shim, unsigned long cur_seq)
{
	struct mmun_subscriptions *subs = &shim->subs;
	bool detaching;

	shim->release_seq = cur_seq;
	mmun_range_release(subs);
	put_all_bridges(shim);

	mmun_lock(subs);
	detaching = subs->detaching;
	mmun_unlock(subs);
	if (!detaching)
		queue_shim_work(shim, 0);
}

/*
 * The kernel's number for the interval is not stored by
 * mmu_interval_set_seq(): nobody reads through this interval.
 */
static bool hear_start(struct mmu_interval_notifier *interval_sub,
		       const struct mmu_notifier_range *kernel_range,
		       unsigned long cur_seq)
{
	struct mmun_shim *shim = container_of(interval_sub, struct mmun_shim,
					      starts);
	const bool blockable = mmu_notifier_range_blockable(kernel_range);
	int ret;

	if (kernel_range->event == MMU_NOTIFY_RELEASE) {
		hear_release(shim, cur_seq);
		return true;
	}

	mmun_lock(&shim->subs);
	if (unlikely(shim->subs.closed)) {
		if (cur_seq != shim->release_seq)
			shim->moved_on = true;
		mmun_unlock(&shim->subs);
		return true;
	}
	/* Whether it is attached: see above. */
	if (unlikely(hlist_unhashed_lockless(&shim->first.mn.hlist))) {
		mmun_unlock(&shim->subs);
		return true;
	}
	/* Unlocks. */
	ret = mmun_range_start(&shim->subs, kernel_range, kernel_range->start,
			       kernel_range->end,
			       blockable ? MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
			       event_of(kernel_range), kernel_range->owner);
	if (!blockable && !ret)
		queue_shim_work(shim, SETTLE_DELAY);
	return !ret;
}

static const struct mmu_interval_notifier_ops starts_ops = {
	.invalidate = hear_start,
};

static struct mmun_shim *shim_of(struct mmu_notifier *mn)
{
	return container_of(mn, struct mmun_bridge, mn)->shim;
}

static int hear_agreed(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	if (!mmu_notifier_range_blockable(range))
		mmun_range_confirm(&shim_of(mn)->subs, range);
	return 0;
}

static noinline void hear_counted_end(struct mmun_subscriptions *subs,
				      const struct mmu_notifier_range *kernel_range)
{
	const struct mmun_notifier_range range = {
		.mm = subs->mm,
		.start = kernel_range->start,
		.end = kernel_range->end,
		.flags = MMUN_NOTIFIER_RANGE_BLOCKABLE,
		.event = event_of(kernel_range),
		.owner = kernel_range->owner,
	};

	/* Only one that may block is counted. */
	if (mmu_notifier_range_blockable(kernel_range))
		mmun_range_end_counted(subs, &range);
}

static void hear_end(struct mmu_notifier *mn,
		     const struct mmu_notifier_range *kernel_range)
{
	struct mmun_subscriptions *subs = &shim_of(mn)->subs;

	if (unlikely(!mmun_range_end(subs, kernel_range)))
		hear_counted_end(subs, kernel_range);
}

static mmu_notifier_young_t
hear_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
		       unsigned long start, unsigned long end)
{
	return mmun_list_clear_flush_young(&shim_of(mn)->subs, start, end);
}

static mmu_notifier_young_t
hear_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
		 unsigned long start, unsigned long end)
{
	return mmun_list_clear_young(&shim_of(mn)->subs, start, end);
}

static mmu_notifier_young_t
hear_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
		unsigned long address)
{
	return mmun_list_test_young(&shim_of(mn)->subs, address);
}

static void hear_tlb_flush(struct mmu_notifier *mn, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	mmun_list_flush_tlb(&shim_of(mn)->subs, start, end);
}

static void bridge_free(struct mmu_notifier *mn)
{
	struct mmun_bridge *bridge = container_of(mn, struct mmun_bridge, mn);
	struct mmun_shim *shim = bridge->shim;

	if (bridge != &shim->first)
		kfree(bridge);
	mmun_subscriptions_put(&shim->subs);
	text_put();
}

static const struct mmu_notifier_ops ends_ops = {
	.invalidate_range_start = hear_agreed,
	.invalidate_range_end = hear_end,
	.free_notifier = bridge_free,
};

static const struct mmu_notifier_ops young_ops = {
	.clear_flush_young = hear_clear_flush_young,
	.clear_young = hear_clear_young,
	.test_young = hear_test_young,
	.free_notifier = bridge_free,
};

static const struct mmu_notifier_ops tlb_ops = {
	.arch_invalidate_secondary_tlbs = hear_tlb_flush,
	.free_notifier = bridge_free,
};

/* --- the worker --- */

static void settle(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	unsigned long orphans;
	bool unclear;

	mmun_lock(subs);
	unclear = subs->provisional && !subs->closed;
	mmun_unlock(subs);

	/*
	 * The bare semaphore: nothing is written, only readers are kept out, so
	 * the VMA locks that mmap_write_lock() looks after do not matter; and
	 * there is no mmap_write_trylock().
	 */
	if (unclear && !down_write_trylock(&subs->mm->mmap_lock)) {
		queue_shim_work(shim, SETTLE_DELAY);
	} else if (unclear) {
		orphans = mmun_range_orphan(subs);
		up_write(&subs->mm->mmap_lock);
		mmun_range_settle(subs, orphans);
	}
}

/* Has exit_mmap() returned, so that no event of the mm can come? */
static bool mm_is_gone(struct mm_struct *mm)
{
	/* exe_file is dropped right after it: __mmput() */
	return !atomic_read(&mm->mm_users) &&
	       !rcu_access_pointer(mm->exe_file);
}

enum removal { REMOVE_NOW, REMOVE_LATER, REMOVE_NEVER };

/* Has the kernel put the interval into its tree? */
static bool interval_joined(struct mmu_interval_notifier *interval_sub)
{
	/* RB_EMPTY_NODE(), read while the kernel may be linking the node */
	return READ_ONCE(interval_sub->interval_tree.rb.__rb_parent_color) !=
	       (unsigned long)&interval_sub->interval_tree.rb;
}

/* May the kernel's interval be removed without the risk of a hang? */
static enum removal may_remove(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	bool closed, moved_on;

	/* Still waiting to get into the tree, it is removed without waiting. */
	if (!interval_joined(&shim->starts) ||
	    !check_stable_address_space(subs->mm))
		return REMOVE_NOW;
	if (!mm_is_gone(subs->mm))
		return REMOVE_LATER;

	mmun_lock(subs);
	closed = subs->closed;
	moved_on = shim->moved_on;
	mmun_unlock(subs);
	/* If it never heard the release it joined after it: that was no mark. */
	return closed && !moved_on ? REMOVE_NEVER : REMOVE_NOW;
}

/* Is nobody left who needs it? Then nobody can come any more. */
static bool begin_detach(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	struct mmun_bridge *young = NULL, *tlb = NULL;
	bool detach;

	mmun_lock(subs);
	if (!subs->users || subs->closed)
		subs->detaching = true;
	detach = subs->detaching;
	if (!detach && !subs->users_young)
		young = take_bridge(&shim->young);
	if (!detach && !subs->users_tlb)
		tlb = take_bridge(&shim->tlb);
	mmun_unlock(subs);

	put_bridge(young);
	put_bridge(tlb);
	return detach;
}

static void detach(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;

	/* It may have been queued again while it ran. */
	if (shim->detached || !begin_detach(shim))
		return;

	spin_lock(&shim_lock);
	hlist_del_init_rcu(&subs->hash);
	spin_unlock(&shim_lock);
	put_all_bridges(shim);

	switch (may_remove(shim)) {
	case REMOVE_LATER:
		queue_shim_work(shim, DETACH_RETRY);
		return;
	case REMOVE_NEVER:
		pr_warn("mmun: another notifier refused a range of a dying process and left the kernel's interval state marked: %zu bytes and a mm_struct are lost\n",
			ksize(shim));
		/* For good: the kernel's tree points to it. */
		refcount_inc(&subs->refs);
		break;
	case REMOVE_NOW:
		mmu_interval_notifier_remove(&shim->starts);
		break;
	}
	shim->detached = true;
	/* What the interval held. */
	mmun_subscriptions_put(subs);
	text_put();
}

/* In this order: the second one may wait long, but then nobody is left to be told. */
static void shim_worker(struct work_struct *work)
{
	struct mmun_shim *shim = container_of(to_delayed_work(work),
					      struct mmun_shim, work);

	settle(shim);
	detach(shim);
	work_done(shim);
}

/* --- attaching --- */

/*
 * A signal makes the kernel's registration fail, and a timer may send one more
 * often than a registration takes. Only a fatal one may end it. (A task that is
 * being stopped or frozen still fails.)
 */
static void block_signals(sigset_t *old)
{
	sigset_t all_but_kill;

	siginitsetinv(&all_but_kill, sigmask(SIGKILL));
	sigprocmask(SIG_BLOCK, &all_but_kill, old);
}

static void restore_signals(sigset_t *old)
{
	sigprocmask(SIG_SETMASK, old, NULL);
}

/*
 * The kernel has no wake-up for this, and its state may be marked for ever: look
 * again and again, for a bounded time. The ranges that are waited for do not
 * need the mmap lock, which we hold.
 */
static int wait_until_joined(struct mmu_interval_notifier *interval_sub,
			     struct mm_struct *mm)
{
	unsigned long deadline = jiffies + ATTACH_TIMEOUT;

	while (!interval_joined(interval_sub)) {
		if (check_stable_address_space(mm))
			return -ESRCH;
		if (fatal_signal_pending(current))
			return -EINTR;
		if (time_after(jiffies, deadline))
			return -EBUSY;
		schedule_timeout_uninterruptible(1);
	}
	return 0;
}

static int register_bridge(struct mmun_shim *shim, struct mmun_bridge *bridge,
			   const struct mmu_notifier_ops *ops)
{
	int ret;

	bridge->shim = shim;
	bridge->mn.ops = ops;
	refcount_inc(&shim->subs.refs);
	text_get();
	ret = __mmu_notifier_register(&bridge->mn, shim->subs.mm);
	if (ret) {
		text_put();
		mmun_subscriptions_put(&shim->subs);
	}
	return ret;
}

static void publish_bridge(struct mmun_shim *shim, struct mmun_bridge **place,
			   struct mmun_bridge *bridge)
{
	mmun_lock(&shim->subs);
	*place = bridge;
	mmun_unlock(&shim->subs);
}

static int attach_ends(struct mmun_shim *shim)
{
	int ret;

	ret = register_bridge(shim, &shim->first, &ends_ops);
	if (!ret)
		publish_bridge(shim, &shim->ends, &shim->first);
	return ret;
}

static int attach_extra(struct mmun_shim *shim, struct mmun_bridge **place,
			const struct mmu_notifier_ops *ops)
{
	struct mmun_bridge *bridge = kzalloc(sizeof(*bridge), GFP_KERNEL);
	int ret;

	if (!bridge)
		return -ENOMEM;
	ret = register_bridge(shim, bridge, ops);
	if (ret) {
		kfree(bridge);
		return ret;
	}
	/* A subscriber that finds it must be able to rely on it: after. */
	publish_bridge(shim, place, bridge);
	return 0;
}

static struct mmun_shim *create_shim(struct mm_struct *mm)
{
	struct mmun_shim *shim;
	int ret;

	shim = kzalloc(struct_size(shim, subs.slots, nr_slots), GFP_KERNEL);
	if (!shim)
		return ERR_PTR(-ENOMEM);
	mmun_subscriptions_init(&shim->subs, mm, nr_slots);
	INIT_DELAYED_WORK(&shim->work, shim_worker);

	/* [0, ULONG_MAX - 1]: all that a range with an exclusive end can have */
	ret = mmu_interval_notifier_insert_locked(&shim->starts, mm, 0,
						  ULONG_MAX, &starts_ops);
	if (ret) {
		kfree(shim);
		return ERR_PTR(ret);
	}
	text_get();
	mmgrab(mm);

	ret = wait_until_joined(&shim->starts, mm);
	if (!ret)
		ret = attach_ends(shim);
	if (ret) {
		/* Removing the interval may sleep long: not under this lock. */
		queue_shim_work(shim, 0);
		return ERR_PTR(ret);
	}

	spin_lock(&shim_lock);
	hlist_add_head_rcu(&shim->subs.hash,
			   &mmun_mms[hash_ptr(mm, MMUN_MMS_BITS)]);
	spin_unlock(&shim_lock);
	return shim;
}

/* With a reference, or NULL. */
struct mmun_subscriptions *mmun_subscriptions_find(struct mm_struct *mm)
{
	struct mmun_subscriptions *subs;

	preempt_disable();
	subs = mmun_subscriptions_peek(mm);
	if (subs && !refcount_inc_not_zero(&subs->refs))
		subs = NULL;
	preempt_enable();
	return subs;
}

/*
 * Count one more subscriber. NULL if the mm has no bridge, or one that is going.
 * *missing: the needs for which a list notifier has to be attached.
 */
static struct mmun_subscriptions *join_existing(struct mm_struct *mm,
						unsigned int needs,
						unsigned int *missing)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(mm);
	bool joined;

	if (!subs)
		return NULL;
	*missing = 0;
	mmun_lock(subs);
	joined = mmun_subscriptions_add_user(subs);
	if (joined) {
		subs->users_young += !!(needs & MMUN_NEED_YOUNG);
		subs->users_tlb += !!(needs & MMUN_NEED_TLB);
		if (!to_shim(subs)->young)
			*missing |= needs & MMUN_NEED_YOUNG;
		if (!to_shim(subs)->tlb)
			*missing |= needs & MMUN_NEED_TLB;
	}
	mmun_unlock(subs);
	if (joined)
		return subs;
	mmun_subscriptions_put(subs);
	return NULL;
}

/* mmun_subscriptions_leave(), if somebody may be the last one of some kind. */
bool __mmun_subscriptions_leave(struct mmun_subscriptions *subs,
				unsigned int needs)
{
	struct mmun_shim *shim = to_shim(subs);
	bool idle;

	subs->users--;
	subs->users_young -= !!(needs & MMUN_NEED_YOUNG);
	subs->users_tlb -= !!(needs & MMUN_NEED_TLB);
	idle = !subs->users ||
	       ((needs & MMUN_NEED_YOUNG) && !subs->users_young) ||
	       ((needs & MMUN_NEED_TLB) && !subs->users_tlb);
	if (idle && !subs->detaching && !subs->closed)
		queue_shim_work(shim, 0);
	return !subs->users;
}

static void leave_and_put(struct mmun_subscriptions *subs, unsigned int needs)
{
	bool last;

	mmun_lock(subs);
	last = mmun_subscriptions_leave(subs, needs);
	mmun_unlock(subs);
	if (last)
		mmun_subscriptions_put(subs);
	mmun_subscriptions_put(subs);
}

static int attach_missing(struct mmun_shim *shim, unsigned int missing)
{
	int ret = 0;

	if (missing & MMUN_NEED_YOUNG)
		ret = attach_extra(shim, &shim->young, &young_ops);
	if (!ret && (missing & MMUN_NEED_TLB))
		ret = attach_extra(shim, &shim->tlb, &tlb_ops);
	return ret;
}

/* Under the mmap lock, so that nobody else attaches. */
static struct mmun_subscriptions *join_attach(struct mm_struct *mm,
					      unsigned int needs)
{
	struct mmun_subscriptions *subs;
	struct mmun_shim *shim;
	unsigned int missing;
	sigset_t old;
	int ret = 0;

	block_signals(&old);
	while (!(subs = join_existing(mm, needs, &missing))) {
		/* A bridge without users may go before we have joined it. */
		shim = create_shim(mm);
		if (IS_ERR(shim)) {
			ret = PTR_ERR(shim);
			goto out;
		}
	}
	ret = attach_missing(to_shim(subs), missing);
	if (ret)
		leave_and_put(subs, needs);
out:
	restore_signals(&old);
	return ret ? ERR_PTR(ret) : subs;
}

/**
 * mmun_subscriptions_join - one more subscriber for a mm
 * @mm: the address space
 * @needs: MMUN_NEED_*
 * @mmap_locked: the caller holds the mmap lock for writing
 *
 * Context: process context, may sleep. Pairs with mmun_subscriptions_leave().
 *
 * Return: the mm's state, with a reference besides that of users, or ERR_PTR() of
 * -ESRCH, -ENOMEM, -EINTR, -EBUSY.
 */
struct mmun_subscriptions *mmun_subscriptions_join(struct mm_struct *mm,
						   unsigned int needs,
						   bool mmap_locked)
{
	struct mmun_subscriptions *subs;
	unsigned int missing;

	/* The kernel's registration is a BUG_ON() away from a mm without users. */
	if (!mmget_not_zero(mm))
		return ERR_PTR(-ESRCH);

	subs = join_existing(mm, needs, &missing);
	if (subs && missing) {
		leave_and_put(subs, needs);
		subs = NULL;
	}
	if (!subs) {
		if (!mmap_locked)
			mmap_write_lock(mm);
		subs = join_attach(mm, needs);
		if (!mmap_locked)
			mmap_write_unlock(mm);
	}

	/* If it is the last user: not in the middle of the caller's locks. */
	mmput_async(mm);
	return subs;
}

/**
 * mm_has_mmun_notifiers - does anybody subscribe to this mm?
 * @mm: the address space
 *
 * Context: any but interrupts. A hint: it may have changed at the return.
 *
 * Return: true if so.
 */
bool mm_has_mmun_notifiers(struct mm_struct *mm)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(mm);
	bool has;

	if (!subs)
		return false;
	mmun_lock(subs);
	has = subs->users;
	mmun_unlock(subs);
	mmun_subscriptions_put(subs);
	return has;
}
EXPORT_SYMBOL_GPL(mm_has_mmun_notifiers);

#ifdef MMUN_KUNIT
#include "kunit/hook.c"
#endif

static int __init mmun_init(void)
{
	nr_slots = min(8 * num_possible_cpus(), (unsigned int)BITS_PER_LONG);
	return mmun_core_init();
}

/*
 * No module that subscribes is loaded any more, so nobody subscribes, unless
 * one was unloaded with a subscription left. Its callbacks are gone, so the only
 * thing that can be done for the machine is to cut the mm off. The state is lost:
 * nobody puts the reference of its users.
 */
static void cut_off_leaked(struct hlist_head *bucket)
{
	struct mmun_subscriptions *subs;
	unsigned int users;

	rcu_read_lock();
	hlist_for_each_entry_rcu(subs, bucket, hash) {
		mmun_lock(subs);
		users = subs->users;
		subs->users = 0;
		mmun_unlock(subs);
		if (!users)
			continue;
		pr_err("mmun: leaked: %u subscriptions of modules that are gone\n",
		       users);
		queue_shim_work(to_shim(subs), 0);
	}
	rcu_read_unlock();
}

static void __exit mmun_exit(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mmun_mms); i++)
		cut_off_leaked(&mmun_mms[i]);
	wait_event(text_unused, !atomic_read(&text_users));
	/*
	 * The kernel calls bridge_free() with softirqs off, which is an RCU
	 * read section: now the last one has returned from our text. For the
	 * workers, destroying their queue does the same.
	 */
	synchronize_rcu();
	mmun_core_exit();
}

module_init(mmun_init);
module_exit(mmun_exit);

MODULE_DESCRIPTION("Memory-management notifiers as a module");
MODULE_AUTHOR("mmun developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(MMUN_VERSION);
