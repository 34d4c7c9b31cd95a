// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of one mm: look-up, references, users, sleep and wake-up.
 *
 * The first subscription of a mm makes the state, together with the bridge to the
 * kernel, under the mmap lock held for writing. Both stay until the mm's exit, also
 * when nobody subscribes any more. So all later subscriptions find the state without
 * the mmap lock, and a driver that subscribes and leaves in a loop attaches once.
 */

#include <linux/export.h>
#include <linux/mmap_lock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "mmun_subs.h"

struct hlist_head mmun_mms[1 << MMUN_MMS_BITS];
/* Changes of mmun_mms. */
static DEFINE_SPINLOCK(mms_lock);
static const struct mmun_bridge_ops *bridge_ops;

void mmun_subscriptions_setup(const struct mmun_bridge_ops *ops)
{
	bridge_ops = ops;
}

void mmun_subscriptions_init(struct mmun_subscriptions *subs,
			     struct mm_struct *mm, struct mmun_slot *slots,
			     unsigned int nr_slots)
{
	subs->mm = mm;
	refcount_set(&subs->refs, 1);
	raw_spin_lock_init(&subs->lock);
	INIT_HLIST_NODE(&subs->hash);
	INIT_HLIST_HEAD(&subs->list);
	INIT_HLIST_HEAD(&subs->got);
	INIT_LIST_HEAD(&subs->walks);
	INIT_LIST_HEAD(&subs->leaving);
	INIT_LIST_HEAD(&subs->waiters);
	mmun_ranges_init(&subs->ranges, slots, nr_slots);
	subs->itree = RB_ROOT_CACHED;
	subs->invalidate_seq = 1;
}

/* From now on subscribers find it. */
void mmun_subscriptions_publish(struct mmun_subscriptions *subs)
{
	spin_lock(&mms_lock);
	/* [M1] pairs with [M2] in mmun_subscriptions_peek(). */
	hlist_add_head_rcu(&subs->hash,
			   &mmun_mms[hash_ptr(subs->mm, MMUN_MMS_BITS)]);
	spin_unlock(&mms_lock);
}

/* Does nothing if it is not published. */
void mmun_subscriptions_unpublish(struct mmun_subscriptions *subs)
{
	spin_lock(&mms_lock);
	/* [M4] pairs with [M2] in mmun_subscriptions_peek(). */
	hlist_del_init_rcu(&subs->hash);
	spin_unlock(&mms_lock);
}

/* Drop a reference; the last one frees. Does not sleep. */
void mmun_subscriptions_put(struct mmun_subscriptions *subs)
{
	if (refcount_dec_and_test(&subs->refs))
		bridge_ops->free(subs);
}

/* --- sleeping --- */

/*
 * Sleep with subs->lock dropped until woken, or until a signal that @state allows.
 * Returns how many jiffies of @timeout are left.
 */
long mmun_sleep(struct mmun_subscriptions *subs, struct list_head *sleepers,
		unsigned int state, long timeout)
{
	struct mmun_waiter waiter = { .task = current };

	list_add_tail(&waiter.node, sleepers);
	/*
	 * [T1] pairs with [T2] in __mmun_wake(): before the unlock, so that a waker sees it.
	 * The lock orders the two; the barrier of set_current_state() adds nothing to that.
	 */
	set_current_state(state);
	mmun_unlock(subs);
	timeout = schedule_timeout(timeout);
	mmun_lock(subs);
	/* The waker may have taken it out: *sleepers may be gone by now. */
	list_del_init(&waiter.node);
	return timeout;
}

void __mmun_wake(struct list_head *sleepers)
{
	struct mmun_waiter *waiter, *next;

	/* A waiter lives on its task's stack until that task has the lock again. */
	list_for_each_entry_safe(waiter, next, sleepers, node) {
		list_del_init(&waiter->node);
		/* [T2] pairs with [T1] in mmun_sleep(). */
		wake_up_process(waiter->task);
	}
}

/* --- subscribing --- */

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
 * Count one more subscriber. NULL if the mm has no state, or its exit has released
 * it. *missing: the needs for which a list notifier has to be attached.
 */
static struct mmun_subscriptions *join_existing(struct mm_struct *mm,
						unsigned int needs,
						unsigned int *missing)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(mm);
	bool joined;

	if (!subs)
		return NULL;
	mmun_lock(subs);
	joined = mmun_subscriptions_add_user(subs);
	if (joined) {
		subs->users_young += !!(needs & MMUN_NEED_YOUNG);
		subs->users_tlb += !!(needs & MMUN_NEED_TLB);
		*missing = needs & ~subs->bridges;
	}
	mmun_unlock(subs);
	if (joined)
		return subs;
	mmun_subscriptions_put(subs);
	return NULL;
}

/* mmun_subscriptions_leave() of a subscriber that may be the last with such needs. */
void __mmun_subscriptions_leave(struct mmun_subscriptions *subs,
				unsigned int needs)
{
	unsigned int unneeded = 0;

	subs->users_young -= !!(needs & MMUN_NEED_YOUNG);
	subs->users_tlb -= !!(needs & MMUN_NEED_TLB);
	if (!subs->users_young)
		unneeded |= needs & MMUN_NEED_YOUNG;
	if (!subs->users_tlb)
		unneeded |= needs & MMUN_NEED_TLB;
	if (unneeded && !subs->closed)
		bridge_ops->detach_extra(subs, unneeded);
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

/* Under the mmap lock, so that nobody else attaches; mm_users is held. */
static int prepare_locked(struct mm_struct *mm)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(mm);

	if (!subs)
		return bridge_ops->attach(mm);
	mmun_subscriptions_put(subs);
	return 0;
}

static struct mmun_subscriptions *join_locked(struct mm_struct *mm,
					      unsigned int needs)
{
	struct mmun_subscriptions *subs;
	unsigned int missing = 0;
	int ret;

	ret = prepare_locked(mm);
	if (ret)
		return ERR_PTR(ret);
	subs = join_existing(mm, needs, &missing);
	/* Only if the caller let mm_users go to zero before. */
	if (!subs)
		return ERR_PTR(-ESRCH);
	if (missing) {
		ret = bridge_ops->attach_extra(subs, missing);
		if (ret) {
			leave_and_put(subs, needs);
			return ERR_PTR(ret);
		}
	}
	return subs;
}

static int lock_mmap(struct mm_struct *mm, bool mmap_locked, sigset_t *old)
{
	if (!mmap_locked && mmap_write_lock_killable(mm))
		return -EINTR;
	block_signals(old);
	return 0;
}

static void unlock_mmap(struct mm_struct *mm, bool mmap_locked, sigset_t *old)
{
	restore_signals(old);
	if (!mmap_locked)
		mmap_write_unlock(mm);
}

/**
 * mmun_subscriptions_prepare - make a mm ready for subscriptions
 * @mm: the address space
 * @mmap_locked: the caller holds the mmap lock for writing
 *
 * Context: process context, may sleep; a fatal signal ends that.
 *
 * Return: 0, -ESRCH, -ENOMEM, -EINTR or -EBUSY.
 */
int mmun_subscriptions_prepare(struct mm_struct *mm, bool mmap_locked)
{
	sigset_t old;
	int ret;

	if (!mmget_not_zero(mm))
		return -ESRCH;
	ret = lock_mmap(mm, mmap_locked, &old);
	if (!ret) {
		ret = prepare_locked(mm);
		unlock_mmap(mm, mmap_locked, &old);
	}
	mmput_async(mm);
	return ret;
}

/**
 * mmun_subscriptions_join - one more subscriber for a mm
 * @mm: the address space
 * @needs: MMUN_NEED_*
 * @mmap_locked: the caller holds the mmap lock for writing
 *
 * Takes the mmap lock only if the mm has no state, or a list notifier is missing.
 *
 * Context: process context, may sleep; a fatal signal ends that. Pairs with
 * mmun_subscriptions_leave().
 *
 * Return: the mm's state, with a reference besides that of users, or ERR_PTR() of
 * -ESRCH, -ENOMEM, -EINTR, -EBUSY.
 */
struct mmun_subscriptions *mmun_subscriptions_join(struct mm_struct *mm,
						   unsigned int needs,
						   bool mmap_locked)
{
	struct mmun_subscriptions *subs;
	unsigned int missing = 0;
	sigset_t old;
	int ret;

	/* The kernel's registration is a BUG_ON() away from a mm without users. */
	if (!mmget_not_zero(mm))
		return ERR_PTR(-ESRCH);

	subs = join_existing(mm, needs, &missing);
	if (subs && missing) {
		leave_and_put(subs, needs);
		subs = NULL;
	}
	if (!subs) {
		ret = lock_mmap(mm, mmap_locked, &old);
		if (ret) {
			subs = ERR_PTR(ret);
		} else {
			subs = join_locked(mm, needs);
			unlock_mmap(mm, mmap_locked, &old);
		}
	}

	/* If it is the last user: not in the middle of the caller's locks. */
	mmput_async(mm);
	return subs;
}

/**
 * mm_has_mmun_notifiers - does a subscription of this mm exist?
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
