// SPDX-License-Identifier: GPL-2.0-only
/*
 * List subscriptions: registration, and leaving.
 *
 * A new subscriber is linked at once, with ranges in flight. From then on it is called
 * for younger ranges; it waits for the older ones, for which it is not called, and
 * only then may its driver rely on it (promise 9). The wait cannot starve, because
 * every range that is waited for was in flight when it began.
 *
 * A leaver unlinks the notifier, delivers the ends that it is owed, and, unless the
 * notifier is freed later, waits for the walks that may still call it. mmun_walk.c has
 * the order of these steps beside that of a walk.
 */

#include <linux/export.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "mmun_core.h"
#include "mmun_internal.h"
#include "mmun_trace.h"

static unsigned int mmun_needs_of(const struct mmun_notifier_ops *ops)
{
	unsigned int needs = 0;

	if (ops->clear_flush_young || ops->clear_young || ops->test_young)
		needs |= MMUN_NEED_YOUNG;
	if (ops->arch_invalidate_secondary_tlbs)
		needs |= MMUN_NEED_TLB;
	return needs;
}

/* --- leaving --- */

void mmun_unlink(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
{
	struct mmun_walk *walk;

	hlist_del_rcu(&mn->hlist);	/* [W4] in mmun_walk.c */
	subs->listed--;
	/* [G10] pairs with [G2] in get_quickly(). */
	if (mn->priv.got)
		hlist_del_init_rcu(&mn->priv.got_node);
	/* [O4] in mmun_walk.c: before the barrier [O5] of mmun_list_leave(). */
	mmun_life_reaches(mn, MMUN_UNLINKED);
	mn->priv.seen_by = mmun_walks_to(subs, mn);
	mn->priv.walks_until = subs->walk_gen;

	list_for_each_entry(walk, &subs->walks, node) {
		if (walk->task != current)
			continue;
		/* We are inside a callback of this walk, and mend it. */
		if (walk->cur == mn)
			walk->cur = NULL;
		while (walk->next && hlist_entry(walk->next,
						 struct mmun_notifier,
						 hlist)->priv.life >= MMUN_UNLINKED)
			walk->next = walk->next->next;
	}
	/* Not the last reference: mn has its own. */
	if (mmun_subscriptions_leave(subs, mmun_needs_of(mn->ops)))
		refcount_dec(&subs->refs);
}

/*
 * The mm that @mn references. Do not trust @passed: an inherited file may be closed by
 * another process.
 */
static struct mm_struct *held_mm(struct mmun_notifier *mn, struct mm_struct *passed)
{
	if (passed != mn->mm)
		mmun_warn_once(MMUN_WARNED_MM, "%ps unregisters from another mm than it registered with\n",
			       mn->ops);
	return mn->mm;
}

/* A second unregister is a driver's mistake: report it, and do nothing. */
static bool is_registered(struct mmun_notifier *mn)
{
	if (mn->priv.subs && READ_ONCE(mn->priv.life) < MMUN_UNLINKED)
		return true;
	mmun_warn("unregister of a notifier that is not registered, ignored (%ps)\n",
		  mn->ops);
	return false;
}

/* Unlink @mn for a leaver that waits. Returns what mmun_list_leave() does. */
static unsigned long unlink_and_note(struct mmun_subscriptions *subs,
				     struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	mmun_unlink(subs, mn);
	/* The walkers that end take their bits back from the notifiers in this list. */
	if (mn->priv.seen_by)
		list_add_tail(&mn->priv.leaving, &subs->leaving);
	else
		INIT_LIST_HEAD(&mn->priv.leaving);
	return mmun_list_leave(subs, mn);
}

/* The rest of leaving, without the lock: when this returns, nothing refers to @mn. */
static void wait_until_unseen(struct mmun_subscriptions *subs,
			      struct mmun_notifier *mn, unsigned long owed)
{
	struct mm_struct *mm = mn->mm;
	long delay = 1;

	mmun_list_deliver_owed(subs, mn, owed);

	mmun_lock(subs);
	/* [W5] Nothing wakes us when a walk goes past mn, so look now and then. */
	while ((mn->priv.seen_by &= mmun_walks_to(subs, mn)) ||
	       mmun_walked_by_others(subs, mn)) {
		mmun_sleep(subs, &subs->waiters, TASK_UNINTERRUPTIBLE, delay);
		delay = min(2 * delay, HZ / 10L);
	}
	list_del_init(&mn->priv.leaving);
	mmun_unlock(subs);
	mmun_trace_unregister(mn);

	mmun_subscriptions_put(subs);
	mmdrop(mm);
}

/* A fatal signal ended the registration of @mn, which is linked. No release. */
static void withdraw(struct mmun_notifier *mn)
{
	struct mmun_subscriptions *subs = mn->priv.subs;
	unsigned long owed;

	mmun_lock(subs);
	mmun_claim_release(mn);
	owed = unlink_and_note(subs, mn);
	mmun_unlock(subs);
	wait_until_unseen(subs, mn, owed);
}

/* --- joining --- */

/*
 * A range in flight that is older than the joining of @mn, which is not called for
 * it; NULL if there is none. Under the mmap lock a provisional range is an orphan,
 * and nobody can find that out before the lock is dropped.
 */
static struct mmun_slot *range_before(struct mmun_subscriptions *subs,
				      struct mmun_notifier *mn, bool mmap_locked)
	__must_hold(&subs->lock)
{
	unsigned long mask = subs->ranges.active;

	if (mmap_locked)
		mask &= ~subs->ranges.provisional;
	return mmun_ranges_before(&subs->ranges, mask, mn->priv.joined_seq);
}

/* Sleep in a registration. Return: 0, or -EINTR after a fatal signal. */
static int sleep_killable(struct mmun_subscriptions *subs, struct list_head *sleepers)
	__must_hold(&subs->lock)
{
	mmun_sleep(subs, sleepers, TASK_KILLABLE, MAX_SCHEDULE_TIMEOUT);
	return fatal_signal_pending(current) ? -EINTR : 0;
}

/*
 * Wait for the ranges that are older than the joining of @mn. It cannot starve: each
 * of them ends, and younger ones are not waited for. A getter of a notifier that
 * is still joining waits here too, so the maker of it may be killed.
 *
 * Return: 0, or -EINTR after a fatal signal.
 */
int mmun_finish_joining(struct mmun_subscriptions *subs, struct mmun_notifier *mn,
			bool mmap_locked)
{
	struct mmun_slot *slot;

	while (mn->priv.joining && (slot = range_before(subs, mn, mmap_locked)))
		if (sleep_killable(subs, &slot->sleepers))
			return -EINTR;
	if (mn->priv.joining) {
		mn->priv.joining = false;
		/* After all that was waited for. [G9] pairs with [G2] in get_quickly(). */
		if (mn->priv.got)
			hlist_add_head_rcu(&mn->priv.got_node, &subs->got);
	}
	return 0;
}

static void init_notifier(struct mmun_notifier *mn, struct mm_struct *mm,
			  struct mmun_subscriptions *subs)
{
	mn->mm = mm;
	mn->priv.subs = subs;
	mn->priv.accepted = 0;
	mn->priv.accepted_overflow = 0;
	mn->priv.life = MMUN_LISTED;
	mn->priv.leaver = NULL;
	mn->priv.released = false;
	mn->priv.joining = true;
	INIT_HLIST_NODE(&mn->priv.got_node);
}

static void link_into_list(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	mmgrab(mn->mm);
	mn->priv.users_cpus = 1;
	if (mn->priv.got)
		*raw_cpu_ptr(mn->priv.users) = 1;
	/*
	 * It is called for younger ranges from here on. It may also be called for an
	 * older one that has not reached the list yet; harmless.
	 */
	mn->priv.joined_seq = subs->invalidate_seq;
	mn->priv.linked = ++subs->link_gen;
	/* [L1] pairs with [L2] in first_of() and next_of(). */
	hlist_add_head_rcu(&mn->hlist, &subs->list);
	subs->listed++;
	mmun_trace_register(mn);
}

/*
 * Link @mn; or find the notifier of the same operations that another get was faster
 * to link, with @faster (NULL: do not look), which may return NULL or ERR_PTR(), too.
 * *linked: the one of them that is linked now, or NULL.
 *
 * Return: 0; -EINTR with *linked: a fatal signal came, and the caller has to leave
 * again; or another errno.
 */
int mmun_link(struct mmun_notifier *mn, struct mm_struct *mm, bool mmap_locked,
	      struct mmun_notifier *(*faster)(struct mmun_subscriptions *subs,
					      const struct mmun_notifier_ops *ops),
	      struct mmun_notifier **linked)
{
	unsigned int needs = mmun_needs_of(mn->ops);
	struct mmun_subscriptions *subs;
	struct mmun_notifier *other = NULL;
	bool left = false;
	int ret = 0;

	*linked = NULL;
	mn->priv.subs = NULL;
	subs = mmun_subscriptions_join(mm, needs, mmap_locked);
	if (IS_ERR(subs))
		return PTR_ERR(subs);
	init_notifier(mn, mm, subs);

	mmun_lock(subs);
	/* The count of owed ends pairs only if all starts of an overflow were called. */
	while (!ret && subs->ranges.overflow && !subs->closed)
		ret = sleep_killable(subs, &subs->waiters);
	if (!ret && faster)
		other = faster(subs, mn->ops);
	if (IS_ERR(other)) {
		ret = PTR_ERR(other);
		other = NULL;
	}
	if (!ret && !other && subs->closed)
		ret = -ESRCH;
	if (ret || other) {
		left = mmun_subscriptions_leave(subs, needs);
		*linked = other;
	} else {
		link_into_list(subs, mn);
		*linked = mn;
	}
	if (!ret)
		ret = mmun_finish_joining(subs, *linked, mmap_locked);
	mmun_unlock(subs);

	if (left)
		mmun_subscriptions_put(subs);
	if (*linked != mn) {
		mn->priv.subs = NULL;
		mmun_subscriptions_put(subs);
	}
	return ret;
}

static int register_notifier(struct mmun_notifier *mn, struct mm_struct *mm,
			     bool mmap_locked)
{
	struct mmun_notifier *linked;
	int ret;

	mmun_might_wait();
	if (!mn)
		return mmun_subscriptions_prepare(mm, mmap_locked);
	mn->priv.got = false;
	mn->priv.users = NULL;
	ret = mmun_link(mn, mm, mmap_locked, NULL, &linked);
	if (ret && linked)
		withdraw(mn);
	return ret;
}

/**
 * mmun_notifier_register - subscribe to an address space
 * @mn: the subscription: zeroed driver memory with ops set; or NULL
 * @mm: the address space
 *
 * With @mn NULL nothing is subscribed: the mm is only made ready, so that later
 * subscriptions and intervals never take the mmap lock.
 *
 * @mn is called for every range that begins after the return. No range for which it
 * was not called is in flight then: this waits for the older ones.
 *
 * The first subscription of a mm attaches an interval and a list notifier of the
 * kernel's, each under all locks of the mm. They stay until the mm's exit. The other
 * subscriptions do not depend on the number of VMAs (but the first with young
 * operations, and the first with arch_invalidate_secondary_tlbs, attach one more each).
 *
 * Context: process context, may sleep; a fatal signal ends that (if a callback of @mn
 * runs, or a younger subscription's, once that has returned: no signal ends this
 * wait). The caller holds mm_users (it is
 * current->mm, or got by get_task_mm()), not the mmap lock, and no lock that a
 * callback takes. Takes a reference on the mm_struct (mm_count). Pairs with
 * mmun_notifier_unregister() or mmun_notifier_unregister_no_release().
 *
 * Return:
 * * 0
 * * -ESRCH: nobody uses the address space any more; or the first subscription of
 *   the mm, and its pages are being reaped (it was killed)
 * * -ENOMEM: no memory
 * * -EINTR: a fatal signal is pending, or the task is being stopped or frozen or
 *   has task work (io_uring) to do; other signals do not interrupt
 * * -EBUSY: the first subscription of the mm, and a range of the kernel's, or another
 *   driver's callback in it, did not end within ten seconds; try again, or fail
 */
int mmun_notifier_register(struct mmun_notifier *mn, struct mm_struct *mm)
{
	might_lock(&mm->mmap_lock);
	return register_notifier(mn, mm, false);
}
EXPORT_SYMBOL_GPL(mmun_notifier_register);

/**
 * __mmun_notifier_register - mmun_notifier_register() under the mmap lock
 * @mn: the subscription
 * @mm: the address space
 *
 * Context: as mmun_notifier_register(), but the caller holds the mmap lock for
 * writing.
 *
 * Return: as mmun_notifier_register().
 */
int __mmun_notifier_register(struct mmun_notifier *mn, struct mm_struct *mm)
{
	lockdep_assert_held_write(&mm->mmap_lock);
	return register_notifier(mn, mm, true);
}
EXPORT_SYMBOL_GPL(__mmun_notifier_register);

/**
 * mmun_notifier_unregister - end a subscription
 * @mn: the subscription
 * @mm: the address space it was registered with; another one is reported, and not
 *	touched
 *
 * Calls ops->release, unless the mm's exit has done so, and then the ends that
 * are still due. When it returns no callback runs and none ever will, and the
 * reference on the mm_struct is dropped. It waits for callbacks of this mm
 * only, and not at all if there are none.
 *
 * Works before, during and after the mm's exit, from any task, and from inside
 * ops->release (where it does not wait for its own caller). The unregister of a
 * notifier that is not registered is reported and does nothing.
 *
 * Context: process context, may sleep; no signal ends that. No lock may be held that
 * a callback takes; lockdep reports it. Of the callbacks, only from ops->release.
 * Pairs with mmun_notifier_register().
 */
void mmun_notifier_unregister(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct mmun_subscriptions *subs = mn->priv.subs;
	unsigned long owed;
	int idx;

	mmun_might_wait();
	if (!is_registered(mn))
		return;
	mm = held_mm(mn, mm);

	idx = mmun_callbacks_enter();
	mmun_lock(subs);
	if (mmun_claim_release(mn) && mn->ops->release) {
		/*
		 * The mm's exit waits for this: mmun_event_release(). It is not
		 * a walk: two tasks here whose releases unregister others would
		 * wait for each other.
		 */
		subs->releasing++;
		mmun_unlock(subs);
		mmun_call_release(subs, mn, mm);
		mmun_lock(subs);
		subs->releasing--;
		mmun_wake(subs);
	}
	owed = unlink_and_note(subs, mn);
	mmun_unlock(subs);
	mmun_callbacks_leave(idx);

	wait_until_unseen(subs, mn, owed);
}
EXPORT_SYMBOL_GPL(mmun_notifier_unregister);

/**
 * mmun_notifier_unregister_no_release - end a subscription without waiting
 * @mn: the subscription
 * @mm: the address space it was registered with; another one is reported, and not
 *	touched
 *
 * Tasks that walk the list at this moment may still call it, later ones do not:
 * free @mn by mmun_notifier_call_srcu(). ops->release is not called. The ends
 * that are due are delivered before the return, or by the task whose start is still
 * running.
 *
 * Context: any in which ops->invalidate_range_end may be called; does not wait.
 * Pairs with mmun_notifier_register().
 */
void mmun_notifier_unregister_no_release(struct mmun_notifier *mn,
					 struct mm_struct *mm)
{
	struct mmun_subscriptions *subs = mn->priv.subs;
	unsigned long owed;

	if (!is_registered(mn))
		return;
	mm = held_mm(mn, mm);
	mmun_lock(subs);
	mmun_claim_release(mn);
	mmun_unlink(subs, mn);
	owed = mmun_list_leave(subs, mn);
	mmun_unlock(subs);

	mmun_list_deliver_owed(subs, mn, owed);
	mmun_trace_unregister(mn);
	mmun_subscriptions_put(subs);
	mmdrop(mm);
}
EXPORT_SYMBOL_GPL(mmun_notifier_unregister_no_release);
