// SPDX-License-Identifier: GPL-2.0-only
/*
 * Get and put: one notifier for each pair of operations and mm, counted by its users;
 * and deferred destruction.
 *
 * A get that finds a notifier takes no lock (get_quickly()). Only if there is none, or
 * none to be relied upon yet, it goes the slow way, and makes one under the mmap lock.
 *
 * The last put unlinks the notifier and does not wait. The last walk that could see
 * the zombie hands it to free_worker(), which also waits for the tasks that are inside
 * get_quickly(), and then calls ->free_notifier.
 */

#include <linux/export.h>
#include <linux/mmap_lock.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/sched/mm.h>
#include <linux/wait.h>

#include "mmun_core.h"
#include "mmun_get.h"
#include "mmun_internal.h"
#include "mmun_trace.h"

/* Odd: this processor is inside get_quickly(), which see. */
static DEFINE_PER_CPU(unsigned int, getters);

/* Separate from the bridge's, whose workers may sleep until a range ends. */
static struct workqueue_struct *free_wq;

/* Notifiers that were put and that no walk sees any more. */
static LIST_HEAD(free_list);
static DEFINE_RAW_SPINLOCK(free_lock);
/*
 * Puts that are not freed yet, in two phases, under free_lock. Synchronize makes new
 * puts count in the other phase and waits for the old one to run empty, so that it
 * cannot be held up by puts that come after it.
 */
static unsigned long frees_pending[2];
static unsigned int free_phase;
static DECLARE_WAIT_QUEUE_HEAD(free_wait);
static DEFINE_MUTEX(sync_mutex);

/* --- users --- */

/*
 * The users of a notifier that get made are counted by processor, so that gets on
 * several of them do not meet in one cache line. A user may be dropped on another
 * processor than that on which it was added; what counts is the sum. users_cpus says
 * how many of the counts are not zero, so it is zero if, and only if, there is no user.
 *
 * From 1 to 0 and back a count changes only under subs->lock, with users_cpus; between
 * other values anywhere, by cmpxchg, which leaves 0 alone. So if users_cpus is zero
 * under the lock, all counts are, and they stay zero.
 */

/* One more, unless there are none, or as many as can be counted. */
static __always_inline bool add_to(unsigned int *count)
{
	unsigned int users = READ_ONCE(*count), seen;

	for (;; users = seen) {
		/* 0 or UINT_MAX */
		if (users - 1 >= UINT_MAX - 1)
			return false;
		seen = cmpxchg(count, users, users + 1);
		if (seen == users)
			return true;
	}
}

/* One less, unless fewer than @least would be left. Returns how many there were, or 0. */
static unsigned int drop_from(unsigned int *count, unsigned int least)
{
	unsigned int users = READ_ONCE(*count), seen;

	for (; users > least; users = seen) {
		seen = cmpxchg(count, users, users - 1);
		if (seen == users)
			return users;
	}
	return 0;
}

/* False if there are UINT_MAX on this processor. */
static bool add_user(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	unsigned int *count = raw_cpu_ptr(mn->priv.users);

	/* A zero count changes only under subs->lock, so a plain store suffices. */
	if (READ_ONCE(*count))
		return add_to(count);
	WRITE_ONCE(*count, 1);
	mn->priv.users_cpus++;
	return true;
}

/* Returns false if there was none. */
static bool drop_user(struct mmun_subscriptions *subs, struct mmun_notifier *mn)
	__must_hold(&subs->lock)
{
	unsigned int had = 0;
	int cpu;

	if (!mn->priv.users_cpus)
		return false;
	/* A registered notifier has exactly one user and no per-CPU counters. */
	if (mn->priv.users) {
		had = drop_from(raw_cpu_ptr(mn->priv.users), 0);
		for_each_possible_cpu(cpu) {
			if (had)
				break;
			had = drop_from(per_cpu_ptr(mn->priv.users, cpu), 0);
		}
	}
	if (had <= 1)
		mn->priv.users_cpus--;
	return true;
}

/*
 * The notifier that get made for @ops, with one more user; or NULL. The caller may
 * rely on it only after mmun_finish_joining(), as the maker of it.
 */
static struct mmun_notifier *find_got(struct mmun_subscriptions *subs,
				      const struct mmun_notifier_ops *ops)
	__must_hold(&subs->lock)
{
	struct mmun_notifier *mn;

	if (subs->closed)
		return NULL;
	hlist_for_each_entry(mn, &subs->list, hlist) {
		if (!mn->priv.got || mn->ops != ops)
			continue;
		if (!add_user(subs, mn))
			return ERR_PTR(-EOVERFLOW);
		return mn;
	}
	return NULL;
}

/* --- get --- */

/*
 * find_got() without a lock, if there is nothing to wait for, so that gets on several
 * processors do not wait for each other.
 *
 *   getter                               putter, and its free_worker()
 *   ------                               -----------------------------
 *   [G1] getters of this processor: odd  [G5] this processor's users become 0
 *        full barrier                    [G6] unlinks mn (G10)
 *   [G2] finds mn in subs->got                full barrier
 *   [G3] this processor's users, if      [G7] until no processor is in the odd
 *        not 0, become one more               section in which it was found: waits
 *   [G4] getters: even (release)         [G8] frees mn
 *
 * subs->got has those that may be relied on: what they waited for is over, and the
 * store that links them is a release, because the joiner fills in the fields without the
 * lock (it looks under the lock whether the ranges are over, which orders that); what the
 * getter reads after G3, which is a full barrier, is not older. G3 and G5 are atomic
 * operations on one word: either G3 finds 0, or G5 finds the user that G3 has added, and
 * the put is not the last.
 * With 0 on this processor there may be users on others: that is for find_got().
 *
 * If G1 comes before G7, G7 waits for G4. If G7 comes before G1, then G6 comes before G2, by
 * the two barriers, and G2 does not find mn. G1 to G4 run with preemption off, for as
 * many steps as there are subscriptions of get: G7 spins. The section is also an RCU
 * reader, for subs. G7's loads are acquires, because nothing in the language makes the
 * free depend on a loop that is over.
 */
static __always_inline struct mmun_notifier *
get_quickly(const struct mmun_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmun_notifier *mn, *found = NULL;
	struct mmun_subscriptions *subs;
	unsigned int *getting, odd;

	/* The exit may have begun. Before that the mm is not closed. */
	if (!atomic_read(&mm->mm_users))
		return NULL;
	preempt_disable();
	getting = this_cpu_ptr(&getters);
	odd = *getting + 1;
	WRITE_ONCE(*getting, odd);
	/* [G1] pairs with [G7] in wait_for_getters(). */
	smp_mb();
	subs = mmun_subscriptions_peek(mm);
	if (!subs)
		goto out;
	/* [G2] pairs with [G9] in mmun_finish_joining(). */
	hlist_for_each_entry_rcu(mn, &subs->got, priv.got_node) {
		if (mn->ops != ops)
			continue;
		if (add_to(this_cpu_ptr(mn->priv.users)))
			found = mn;
		break;
	}
out:
	/* [G4] pairs with [G7] in wait_for_getters(). */
	smp_store_release(getting, odd + 1);
	preempt_enable();
	return found;
}

static void wait_for_getters(void)
{
	unsigned int *getting, seen;
	int cpu;

	/* [G7] pairs with [G1] in get_quickly(): between the unlink and the loads. */
	smp_mb();
	for_each_possible_cpu(cpu) {
		getting = per_cpu_ptr(&getters, cpu);
		/* [G7] pairs with [G4] in get_quickly(). */
		seen = smp_load_acquire(getting);
		/* [G7] pairs with [G4] in get_quickly(). */
		while ((seen & 1) && smp_load_acquire(getting) == seen)
			cpu_relax();
	}
}

static struct mmun_notifier *get_slowly(const struct mmun_notifier_ops *ops,
					struct mm_struct *mm, bool mmap_locked)
{
	struct mmun_notifier *mn, *killed = NULL;
	struct mmun_subscriptions *subs;

	if (!atomic_read(&mm->mm_users))
		return NULL;
	subs = mmun_subscriptions_find(mm);
	if (!subs)
		return NULL;
	mmun_lock(subs);
	mn = find_got(subs, ops);
	if (!IS_ERR_OR_NULL(mn) && mmun_finish_joining(subs, mn, mmap_locked))
		killed = mn;
	mmun_unlock(subs);
	mmun_subscriptions_put(subs);
	if (!killed)
		return mn;
	mmun_notifier_put(killed);
	return ERR_PTR(-EINTR);
}

#ifdef MMUN_KUNIT
/* The kernel's fault injection does not reach what is allocated for each processor. */
bool mmun_kunit_no_counts;
EXPORT_SYMBOL_GPL(mmun_kunit_no_counts);
#endif

static unsigned int __percpu *alloc_counts(void)
{
	return mmun_kunit_no_counts ? NULL : alloc_percpu(unsigned int);
}

static noinline struct mmun_notifier *
get_or_make(const struct mmun_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmun_notifier *mn, *linked = NULL;
	int ret = -ENOMEM;

	mn = get_slowly(ops, mm, true);
	if (mn)
		return mn;

	mn = ops->alloc_notifier(mm);
	if (!mn)
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(mn))
		return mn;
	mn->ops = ops;
	mn->priv.got = true;
	mn->priv.users = alloc_counts();
	if (mn->priv.users)
		ret = mmun_link(mn, mm, true, find_got, &linked);
	if (linked != mn) {
		free_percpu(mn->priv.users);
		ops->free_notifier(mn);
	}
	/* A fatal signal, and linked has a user for us. If it is mn, that frees it. */
	if (ret && linked)
		mmun_notifier_put(linked);
	return ret ? ERR_PTR(ret) : linked;
}

static noinline struct mmun_notifier *
get_unlocked(const struct mmun_notifier_ops *ops, struct mm_struct *mm)
{
	struct mmun_notifier *mn;

	mn = get_slowly(ops, mm, false);
	if (mn)
		return mn;

	if (mmap_write_lock_killable(mm))
		return ERR_PTR(-EINTR);
	mn = get_or_make(ops, mm);
	mmap_write_unlock(mm);
	return mn;
}

/**
 * mmun_notifier_get_locked - the one subscription of an (ops, mm) pair
 * @ops: the operations; their address is the key
 * @mm: the address space
 *
 * Returns the subscription that an earlier get made, with one more user, or
 * makes one with ops->alloc_notifier(). While the caller has it, its mm field
 * is valid and may be tried with mmget_not_zero().
 *
 * Context: process context, may sleep. The caller holds mm_users, the mmap lock
 * for writing, and no lock that a callback takes. Pairs with
 * mmun_notifier_put().
 *
 * Return:
 * * the subscription, or ERR_PTR() of one of these
 * * what ops->alloc_notifier() returned (-ENOMEM if that is NULL)
 * * -EOVERFLOW: UINT_MAX users were added on this processor
 * * as mmun_notifier_register(); ops->free_notifier() has the object back then
 */
struct mmun_notifier *
mmun_notifier_get_locked(const struct mmun_notifier_ops *ops,
			 struct mm_struct *mm)
{
	struct mmun_notifier *mn;

	lockdep_assert_held_write(&mm->mmap_lock);
	mmun_might_wait();

	mn = get_quickly(ops, mm);
	if (likely(mn))
		return mn;
	return get_or_make(ops, mm);
}
EXPORT_SYMBOL_GPL(mmun_notifier_get_locked);

/**
 * mmun_notifier_get - the one subscription of an (ops, mm) pair
 * @ops: the operations; their address is the key
 * @mm: the address space
 *
 * One that exists is found without the mmap lock.
 *
 * Context: as mmun_notifier_get_locked(), but the mmap lock is not held.
 *
 * Return: as mmun_notifier_get_locked().
 */
struct mmun_notifier *mmun_notifier_get(const struct mmun_notifier_ops *ops,
					struct mm_struct *mm)
{
	struct mmun_notifier *mn;

	might_lock(&mm->mmap_lock);
	mmun_might_wait();

	mn = get_quickly(ops, mm);
	if (likely(mn))
		return mn;
	return get_unlocked(ops, mm);
}
EXPORT_SYMBOL_GPL(mmun_notifier_get);

/* --- put --- */

static void free_worker(struct work_struct *work)
{
	struct mmun_subscriptions *subs;
	struct mmun_notifier *mn;
	struct mm_struct *mm;
	unsigned int phase;

	raw_spin_lock(&free_lock);
	while ((mn = list_first_entry_or_null(&free_list, struct mmun_notifier,
					      priv.leaving))) {
		list_del(&mn->priv.leaving);
		raw_spin_unlock(&free_lock);

		subs = mn->priv.subs;
		mm = mn->mm;
		phase = mn->priv.phase;
		mmun_list_deliver_owed(subs, mn, mn->priv.owed);
		wait_for_getters();
		mmun_trace_unregister(mn);
		free_percpu(mn->priv.users);
		/* Lets an excess put be detected if the driver has not freed mn. */
		mn->priv.users = NULL;

		/* As in the kernel's core: a softirq-like context. */
		local_bh_disable();
		if (mn->ops->free_notifier)
			mn->ops->free_notifier(mn);
		local_bh_enable();
		mmun_subscriptions_put(subs);
		mmdrop(mm);

		raw_spin_lock(&free_lock);
		frees_pending[phase]--;
		raw_spin_unlock(&free_lock);
		wake_up_all(&free_wait);
		cond_resched();

		raw_spin_lock(&free_lock);
	}
	raw_spin_unlock(&free_lock);
}

/**
 * mmun_notifier_put - give back what get returned
 * @mn: the subscription
 *
 * With the last user it is unlinked; ops->free_notifier() is called later, once
 * every callback on it has returned, and then the reference on the mm_struct is
 * dropped. ops->release is not called for it; the driver has dropped all its
 * mirror entries, and lets none come, before it puts. Ends that are still due
 * are delivered before ops->free_notifier().
 *
 * A put without a user is reported and does nothing.
 *
 * Context: any but interrupts; does not sleep. Works in ops->release. A module
 * calls mmun_notifier_synchronize() before it is unloaded. Pairs with
 * mmun_notifier_get().
 */
void mmun_notifier_put(struct mmun_notifier *mn)
{
	struct mmun_subscriptions *subs = mn->priv.subs;
	const struct mmun_notifier_ops *ops = mn->ops;
	bool dropped;

	/* One remains, so it is not the last, and mn is not gone meanwhile. */
	if (mn->priv.users && drop_from(raw_cpu_ptr(mn->priv.users), 1))
		return;

	mmun_lock(subs);
	dropped = drop_user(subs, mn);
	if (!dropped || mn->priv.users_cpus) {
		mmun_unlock(subs);
		if (!dropped)
			mmun_warn("put of a notifier without a user, ignored (%ps)\n", ops);
		return;
	}

	mmun_claim_release(mn);
	mmun_unlink(subs, mn);
	mn->priv.owed = mmun_list_leave(subs, mn);
	mmun_life_reaches(mn, MMUN_ZOMBIE);
	list_add_tail(&mn->priv.leaving, &subs->leaving);
	raw_spin_lock(&free_lock);
	mn->priv.phase = free_phase;
	frees_pending[free_phase]++;
	raw_spin_unlock(&free_lock);
	/*
	 * The worker may drop the last reference before we unlock: subs is
	 * freed after an RCU grace period, and a raw lock held is a read
	 * section.
	 */
	mmun_walks_hand_over(subs);
	mmun_unlock(subs);
}
EXPORT_SYMBOL_GPL(mmun_notifier_put);

/**
 * mmun_notifier_call_srcu - call a function after all callbacks that run now
 * @rcu: the head, in the object to free; the driver's until @func is called
 * @func: called once, in a context that may not sleep, when every callback that
 *	is running now, on whatever mm, has returned
 *
 * Context: any; does not sleep. A module calls mmun_notifier_synchronize()
 * before it is unloaded. Pairs with mmun_notifier_unregister_no_release().
 */
void mmun_notifier_call_srcu(struct rcu_head *rcu,
			     void (*func)(struct rcu_head *rcu))
{
	/* [S1] pairs with [S2] in mmun_callbacks_enter(). */
	call_srcu(&mmun_srcu, rcu, func);
}
EXPORT_SYMBOL_GPL(mmun_notifier_call_srcu);

static bool frees_done(unsigned int phase)
{
	bool done;

	raw_spin_lock(&free_lock);
	done = !frees_pending[phase];
	raw_spin_unlock(&free_lock);
	return done;
}

/**
 * mmun_notifier_synchronize - wait for everything that is queued
 *
 * When it returns every function given to mmun_notifier_call_srcu() and every
 * ops->free_notifier due to a mmun_notifier_put(), before the call, has
 * *finished*. This and mmun_notifier_call_srcu() wait for all callbacks of all
 * mms; nothing else in the API does.
 *
 * Context: process context, sleeps; no signal ends that. Not from a callback. Call it in
 * the exit function of a module that uses put or call_srcu.
 */
void mmun_notifier_synchronize(void)
{
	unsigned int phase;

	might_sleep();

	mutex_lock(&sync_mutex);
	raw_spin_lock(&free_lock);
	phase = free_phase;
	free_phase ^= 1;
	raw_spin_unlock(&free_lock);
	wait_event(free_wait, frees_done(phase));
	mutex_unlock(&sync_mutex);

	/* [S3] pairs with [S1] in mmun_notifier_call_srcu(). */
	srcu_barrier(&mmun_srcu);
}
EXPORT_SYMBOL_GPL(mmun_notifier_synchronize);

static DECLARE_WORK(free_work, free_worker);

/* subs->lock of its mm is held. */
static void zombie_unseen(struct mmun_notifier *mn)
{
	raw_spin_lock(&free_lock);
	list_add_tail(&mn->priv.leaving, &free_list);
	queue_work(free_wq, &free_work);
	raw_spin_unlock(&free_lock);
}

int mmun_get_init(void)
{
	free_wq = alloc_workqueue("mmun_free", WQ_UNBOUND, 0);
	if (!free_wq)
		return -ENOMEM;
	mmun_walks_setup(zombie_unseen);
	return 0;
}

void mmun_get_exit(void)
{
	/* [S3] pairs with [S1] in mmun_notifier_call_srcu(). */
	srcu_barrier(&mmun_srcu);
	destroy_workqueue(free_wq);
}
