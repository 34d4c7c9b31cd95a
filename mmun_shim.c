// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bridge to the kernel's own notifier. This is the only file that calls it.
 *
 * The parts of the bridge. A mm that is or was subscribed to has
 *
 * - one interval of the kernel's over the whole address space (starts). It is called
 *   for every start and for the release, may refuse, and is called outside the
 *   machine-wide SRCU domain of the kernel's list notifiers: a subscriber that sleeps
 *   in a start, an invalidate or a release delays nobody else.
 * - one list notifier of the kernel's (ends). It is called for every end. Its start is
 *   called when all of the kernel's intervals have agreed, and confirms a range
 *   that may not block.
 * - one list notifier for the young queries and one for secondary TLBs, each
 *   only while a subscriber with such operations exists.
 *
 * Attaching. The interval goes in first, and is waited for: while a range is in
 * flight that another driver's interval overlaps, the kernel puts it into its tree only
 * when the last range ends. Then the list notifier is registered under all locks of
 * the mm, with no range in flight. So the start of a range finds the list notifier
 * linked if, and only if, that notifier will be called for the end (or is put before
 * it, when no subscriber is left), and a start that finds it unlinked is ignored. From
 * then on nothing is missed; only then the state can be found by subscribers. The
 * mmap lock, held for writing, serializes the tasks that attach.
 *
 * The bridge then stays until the mm's exit, or until rmmod. Subscribers come and
 * go without touching it.
 *
 * Refusals. A refusal goes through the interval, because the kernel unwinds only that
 * one. After mmun accepted a range that may not block, another interval can refuse it:
 * then neither the list notifier's start nor an end comes, and the range is an orphan.
 * Such ranges are raised by the OOM reaper and process_mrelease() only, under the mmap
 * lock for reading. Hence the proof that a provisional range is an orphan: to hold
 * the mmap lock for writing. settle() tries for it, soon after each such
 * range; the task that raises its next range from the same place, or the mm's
 * exit, may find out earlier.
 *
 * Exit. The interval is called for the release before the kernel looks whether its
 * list is empty. All list notifiers are put there, so the list usually is, and the
 * kernel does not wait for its machine-wide grace period: a mirrored process
 * does not suffer from slow callbacks of drivers that do not use mmun.
 *
 * Leaving the kernel. To remove the interval sleeps until no range is in flight. If
 * another driver's *list* notifier refused a range that the intervals had agreed to,
 * the kernel believes for ever that this range is in flight: the mm is marked, and the
 * removal would never return. So the interval is removed only if a case of this table
 * proves that the mm is not marked. Facts, in 5.10 to 7.3:
 *
 *   (a) Only a list notifier's refusal leaves a mark; an interval's is unwound.
 *   (b) Only ranges that may not block can be refused. They are raised under the
 *       mmap lock held for reading; in 5.10 also by exit_mmap(), when the release has
 *       emptied the list. MMF_UNSTABLE is set before the first one.
 *   (c) List notifiers are registered under the mmap lock held for writing, at the
 *       head of the list. So during such a range none comes.
 *   (d) The number of a start (cur_seq) stays the same while any range is in flight,
 *       and is another one as soon as none was. A start with another number proves that
 *       every range with an older number is over or was unwound.
 *   (e) From the beginning of the release on, and from rmmod on, mmun refuses every
 *       range that may not block. Then no mark can come any more.
 *
 *   case                                                  what is done, and why
 *   1 no list notifier but mmun's was linked whenever     removed: nobody could refuse
 *     mmun accepted a range that may not block            after the intervals; (a), (c)
 *   2 one was linked, and a later start had another       removed: (d)
 *     number
 *   3 one was linked, no later number yet; the release    not now. The exit's own UNMAP
 *     has been                                            has another number if the mm
 *                                                         is sound: case 2. To let it
 *                                                         have one, the release waits
 *                                                         until the range has ended
 *   4 as 3, and nobody but mmun holds the mm_struct       the exit is through, as it
 *                                                         holds one; no other interval
 *                                                         is in the kernel's tree, as
 *                                                         each holds one, and none can
 *                                                         come: the mm_struct is freed
 *                                                         with the interval in its tree
 *   5 as 3, the exit is through, and another driver       mmun waits for case 4. rmmod
 *     holds the mm_struct                                 does not for long: nothing
 *                                                         calls mmun any more. It loses
 *                                                         the memory that the tree
 *                                                         points to
 *   6 one was linked, no later number; the mm lives       a second interval is inserted
 *     (rmmod only)                                        under the mmap lock, which
 *                                                         keeps such ranges out. If it
 *                                                         is in the tree at once, no
 *                                                         range is in flight: removed.
 *                                                         Else it is deferred, and
 *                                                         leaves without waiting; try
 *                                                         again, until the mm's exit
 *   7 the interval has not been put into the tree         removed, without waiting
 *
 * An mm in which MMF_UNSTABLE is set when a bridge would be made may be marked with an
 * even number already, which a new interval joins: it is refused with -ESRCH.
 *
 * A range is in doubt (doubts) from before its callbacks, so that no moment is left
 * out, and it is taken back if mmun itself refuses.
 */

#include <linux/jiffies.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "mmun_event.h"
#include "mmun_get.h"
#include "mmun_internal.h"
#include "mmun_trace.h"
#include "mmun_walk.h"

/* A list notifier of the kernel's; gone after the kernel's grace period. */
struct mmun_bridge {
	struct mmu_notifier mn;
	struct mmun_shim *shim;
};

/*
 * The life of a bridge, which only goes on, under subs.lock. Each state includes those
 * before it. removed is apart: also a bridge that was never released is taken out.
 */
enum shim_life {
	SHIM_SERVING,
	SHIM_REFUSING,			/* every range that may not block */
	SHIM_LEAVING,			/* the worker takes the interval out */
	SHIM_RELEASED,			/* by the mm's exit */
};

/* All that mmun has of a mm; its slots follow. */
struct mmun_shim {
	struct mmu_interval_notifier starts;
	struct mmun_bridge first;	/* attached once, as ends */
	/* under subs.lock; set with the mmap lock held for writing, too */
	struct mmun_bridge *ends;
	struct mmun_bridge *young;
	struct mmun_bridge *tlb;
	struct hlist_head *list;	/* of the kernel's: where ends is linked */

	/* under subs.lock; see the table above */
	unsigned long doubt_seq;	/* the number of the ranges in doubt */
	unsigned int doubts;
	unsigned int starting;		/* of them, those that mmun has not answered yet */
	enum shim_life life;

	bool removed;			/* the worker's own: it is out */
	bool had_exe_file;		/* see exit_is_through() */
	unsigned long throttled;	/* since then tasks pause after each range, or 0 */
	atomic_t pausing;		/* such tasks */
	unsigned long settle_delay;
	unsigned long retry_delay;
	unsigned long through;		/* when rmmod first saw the exit through, or 0 */
	struct list_head node;		/* in shims */

	struct delayed_work work;
	struct rcu_head rcu;
	struct mmun_subscriptions subs;
	struct mmun_slot slots[];
};

#define SETTLE_DELAY	(HZ / 100 ?: 1)
#define RETRY_DELAY	(HZ / 50 ?: 1)
#define LONGEST_DELAY	(10 * HZ)
/* How long a first attach waits for ranges of the kernel's to end. */
#define ATTACH_TIMEOUT	(10 * HZ)
/* How many jiffies a release waits for a range in doubt. */
#define RELEASE_PATIENCE	12
/* How often rmmod says what it waits for. */
#define REPORT_INTERVAL	(10 * HZ)
/* How long a task pauses after a range, at most; and longer for each task that does already. */
#define LONGEST_PAUSE	(HZ / 4UL)
#define LONGER_PAUSE	(HZ / 10UL)
/* How long rmmod waits for case 4 when the exit is through. */
#define LOSE_PATIENCE	(2 * HZ)

/* More ranges than this in flight on one mm have a record: mmun_range.c. */
static unsigned int nr_slots;
static struct workqueue_struct *shim_wq;
/* rmmod is under way. */
static bool unloading;

/* Every bridge, from the attach until its interval has left the kernel. */
static LIST_HEAD(shims);
static DEFINE_SPINLOCK(shims_lock);
/*
 * Callers into our text that may still come: the kernel notifiers that mmun attached,
 * and queued works.
 */
static atomic_t text_users = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(text_unused);
/* The tasks that pause after a range: pause_after_range(). */
static DECLARE_WAIT_QUEUE_HEAD(pauses);

static struct mmun_shim *to_shim(struct mmun_subscriptions *subs)
{
	return container_of(subs, struct mmun_shim, subs);
}

/* Never back: rmmod and the mm's exit may come in either order. */
static void life_reaches(struct mmun_shim *shim, enum shim_life life)
	__must_hold(&shim->subs.lock)
{
	if (shim->life < life)
		shim->life = life;
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

/* The last reference was dropped. Does not sleep. */
static void free_shim(struct mmun_subscriptions *subs)
{
	struct mmun_shim *shim = to_shim(subs);
	struct mmun_record *record, *next;

	/* Ranges whose end came when the bridge had gone. */
	list_for_each_entry_safe(record, next, &subs->ranges.records, node)
		kfree(record);
	/* After all callbacks: each holds a reference, or one of the bridge's lasts longer. */
	mmun_trace_detach(subs);
	kfree(subs->began);
	mmdrop(subs->mm);
	/* [M3] pairs with [M2] in mmun_subscriptions_peek(). */
	kfree_rcu(shim, rcu);
}

/* A queued work holds a reference, so that it never runs on freed memory. */
static void work_done(struct mmun_shim *shim)
{
	mmun_subscriptions_put(&shim->subs);
	text_put();
}

/* Queue the worker. If it is queued already, its expiry stands, unless @delay is 0. */
static void queue_shim_work(struct mmun_shim *shim, unsigned long delay)
{
	bool queued;

	text_get();
	refcount_inc(&shim->subs.refs);
	if (delay)
		queued = queue_delayed_work(shim_wq, &shim->work, delay);
	else
		queued = !mod_delayed_work(shim_wq, &shim->work, 0);
	if (!queued)
		work_done(shim);
}

/* --- the kernel's calls --- */

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
		/* The event that no subscriber may ignore. */
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
	shim->subs.bridges = 0;
	mmun_unlock(&shim->subs);

	put_bridge(ends);
	put_bridge(young);
	put_bridge(tlb);
}

/* Has a start with @cur_seq proved that the ranges in doubt left no mark? (d) */
static void check_doubt(struct mmun_shim *shim, unsigned long cur_seq)
	__must_hold(&shim->subs.lock)
{
	if (!shim->doubts || cur_seq == shim->doubt_seq)
		return;
	shim->doubts = 0;
	if (shim->life >= SHIM_LEAVING)
		queue_shim_work(shim, 0);
}

static bool is_ours(struct mmun_shim *shim, const struct hlist_node *node)
	__must_hold(&shim->subs.lock)
{
	return (shim->ends && node == &shim->ends->mn.hlist) ||
	       (shim->young && node == &shim->young->mn.hlist) ||
	       (shim->tlb && node == &shim->tlb->mn.hlist);
}

/*
 * Is every list notifier of the mm one of mmun's? Only memory of mmun's is read: a
 * bridge that shim points to is put, and then freed, only after subs->lock was taken
 * to clear the pointer. One that is on its way in or out counts as a stranger.
 */
static bool is_alone(struct mmun_shim *shim)
	__must_hold(&shim->subs.lock)
{
	const struct hlist_node *node = READ_ONCE(shim->list->first);

	while (node && is_ours(shim, node))
		node = READ_ONCE(node->next);
	return !node;
}

static void begin_doubt(struct mmun_shim *shim, unsigned long cur_seq)
	__must_hold(&shim->subs.lock)
{
	shim->doubt_seq = cur_seq;
	shim->doubts++;
	shim->starting++;
}

/* The range has its answer. If mmun refused it itself, the kernel unwinds that. */
static void answer_doubt(struct mmun_shim *shim, unsigned long cur_seq, bool refused)
{
	mmun_lock(&shim->subs);
	shim->starting--;
	if (refused && shim->doubts && shim->doubt_seq == cur_seq)
		shim->doubts--;
	mmun_unlock(&shim->subs);
}

static int start_event(struct mmun_shim *shim,
		       const struct mmu_notifier_range *kernel_range, unsigned int flags)
	__releases(&shim->subs.lock)
{
	return mmun_event_start(&shim->subs, kernel_range, kernel_range->start,
				kernel_range->end, flags, event_of(kernel_range),
				kernel_range->owner);
}

/* mmun itself refuses a range, of which no subscriber learns. */
static noinline void report_refusal(struct mmun_subscriptions *subs,
				    const struct mmu_notifier_range *kernel_range)
{
	const struct mmun_notifier_range range = {
		.mm = subs->mm,
		.start = kernel_range->start,
		.end = kernel_range->end,
		.event = event_of(kernel_range),
		.owner = kernel_range->owner,
	};

	mmun_trace_refusal(subs, 0, &range, NULL, NULL, -EAGAIN);
}

/* A range that may not block. False: refused. */
static noinline bool
bridge_start_nonblockable(struct mmun_shim *shim,
			  const struct mmu_notifier_range *kernel_range,
			  unsigned long cur_seq)
	__releases(&shim->subs.lock)
{
	bool alone, refused;

	if (shim->life >= SHIM_REFUSING ||
	    hlist_unhashed_lockless(&shim->first.mn.hlist)) {
		mmun_unlock(&shim->subs);
		report_refusal(&shim->subs, kernel_range);
		return false;
	}
	alone = is_alone(shim);
	if (!alone)
		begin_doubt(shim, cur_seq);
	/* Unlocks. */
	refused = start_event(shim, kernel_range, 0);
	if (!alone)
		answer_doubt(shim, cur_seq, refused);
	if (!refused)
		queue_shim_work(shim, SETTLE_DELAY);
	return !refused;
}

static bool nonblockable_in_flight(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	unsigned long active;
	unsigned int slot;
	bool found;

	mmun_lock(subs);
	found = shim->starting;
	active = subs->ranges.active;
	mmun_for_each_slot(slot, active)
		found |= !mmun_notifier_range_blockable(&subs->ranges.slots[slot].range);
	mmun_unlock(subs);
	return found;
}

static noinline void bridge_release(struct mmun_shim *shim, unsigned long cur_seq)
{
	struct mmun_subscriptions *subs = &shim->subs;
	unsigned int patience = RELEASE_PATIENCE;

	mmun_lock(subs);
	life_reaches(shim, SHIM_REFUSING);
	check_doubt(shim, cur_seq);
	if (!shim->doubts)
		patience = 0;
	mmun_unlock(subs);
	/*
	 * Case 3: a range in doubt that lasted until the exit's own UNMAP would give
	 * that the same number, and the doubt would stay.
	 */
	while (patience-- && nonblockable_in_flight(shim))
		schedule_timeout_uninterruptible(1);

	mmun_event_release(subs);
	put_all_bridges(shim);

	mmun_lock(subs);
	life_reaches(shim, SHIM_RELEASED);
	/* rmmod may have looked in vain for long: from now on look often again. */
	shim->retry_delay = 0;
	mmun_unlock(subs);
	queue_shim_work(shim, 0);
}

/*
 * The kernel's number for the interval is not stored by
 * mmu_interval_set_seq(): nobody reads through this interval.
 */
static bool bridge_start(struct mmu_interval_notifier *interval_sub,
			 const struct mmu_notifier_range *kernel_range,
			 unsigned long cur_seq)
{
	struct mmun_shim *shim = container_of(interval_sub, struct mmun_shim,
					      starts);

	if (kernel_range->event == MMU_NOTIFY_RELEASE) {
		bridge_release(shim, cur_seq);
		return true;
	}

	mmun_trace_prepare(&shim->subs, mmu_notifier_range_blockable(kernel_range));
	mmun_lock(&shim->subs);
	if (unlikely(shim->doubts))
		check_doubt(shim, cur_seq);
	if (unlikely(!mmu_notifier_range_blockable(kernel_range)))
		return bridge_start_nonblockable(shim, kernel_range, cur_seq);
	/* Unlinked: the end will not be delivered, see "Attaching". */
	if (unlikely(shim->subs.closed || shim->life >= SHIM_LEAVING ||
		     hlist_unhashed_lockless(&shim->first.mn.hlist))) {
		mmun_unlock(&shim->subs);
		return true;
	}
	start_event(shim, kernel_range, MMUN_NOTIFIER_RANGE_BLOCKABLE);
	return true;
}

static const struct mmu_interval_notifier_ops starts_ops = {
	.invalidate = bridge_start,
};

static struct mmun_shim *shim_of(struct mmu_notifier *mn)
{
	return container_of(mn, struct mmun_bridge, mn)->shim;
}

static int bridge_confirm(struct mmu_notifier *mn,
			  const struct mmu_notifier_range *range)
{
	if (!mmu_notifier_range_blockable(range))
		mmun_event_confirm(&shim_of(mn)->subs, range);
	return 0;
}

static noinline void end_unslotted(struct mmun_subscriptions *subs,
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

	/* A range that may not block has a slot, or was refused. */
	if (mmu_notifier_range_blockable(kernel_range))
		mmun_event_end_unslotted(subs, kernel_range, &range);
}

/*
 * A task whose range ends when the removal has waited for a time T sleeps until that
 * has waited for 2T, or is done. So at 2T every task sleeps whose range has ended since
 * T, and it sleeps outside of any range. Once T is long enough for each task to end one
 * range, none is in flight at 2T, however many tasks raise them without end.
 *
 * The pause is in the kernel's machine-wide SRCU domain, so it has a bound. That grows
 * with the tasks that pause: they wait for the processors, too, and a thousand of them
 * stretch each other's ranges to a thousand times their length. So a moment without a
 * range comes as long as the machine can do a range in LONGER_PAUSE.
 *
 * A fatal signal ends the pause. A task without an address space is one of the few
 * threads of the kernel, as kswapd, which others wait for: its bound does not grow.
 */
static noinline void pause_after_range(struct mmun_shim *shim)
{
	unsigned long since = READ_ONCE(shim->throttled), longest = LONGEST_PAUSE;

	if (!since)
		return;
	if (current->mm)
		longest += LONGER_PAUSE * atomic_read(&shim->pausing);
	atomic_inc(&shim->pausing);
	wait_event_killable_timeout(pauses, READ_ONCE(shim->throttled) != since,
				    clamp(jiffies - since, 1UL, longest));
	atomic_dec(&shim->pausing);
}

static void bridge_end(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *kernel_range)
{
	struct mmun_shim *shim = shim_of(mn);

	if (unlikely(!mmun_event_end(&shim->subs, kernel_range)))
		end_unslotted(&shim->subs, kernel_range);
	/*
	 * The range is over for the kernel's intervals. While the interval is being
	 * removed, a pause here lets the moment come when no range is in flight.
	 */
	if (unlikely(READ_ONCE(shim->throttled)) &&
	    mmu_notifier_range_blockable(kernel_range))
		pause_after_range(shim);
}

static mmu_notifier_young_t
bridge_clear_flush_young(struct mmu_notifier *mn, struct mm_struct *mm,
			 unsigned long start, unsigned long end)
{
	return mmun_list_clear_flush_young(&shim_of(mn)->subs, start, end);
}

static mmu_notifier_young_t
bridge_clear_young(struct mmu_notifier *mn, struct mm_struct *mm,
		   unsigned long start, unsigned long end)
{
	return mmun_list_clear_young(&shim_of(mn)->subs, start, end);
}

static mmu_notifier_young_t
bridge_test_young(struct mmu_notifier *mn, struct mm_struct *mm,
		  unsigned long address)
{
	return mmun_list_test_young(&shim_of(mn)->subs, address);
}

static void bridge_flush_tlb(struct mmu_notifier *mn, struct mm_struct *mm,
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
	/* [B3] pairs with [B2] in mmun_exit(). */
	text_put();
}

static const struct mmu_notifier_ops ends_ops = {
	.invalidate_range_start = bridge_confirm,
	.invalidate_range_end = bridge_end,
	.free_notifier = bridge_free,
};

static const struct mmu_notifier_ops young_ops = {
	.clear_flush_young = bridge_clear_flush_young,
	.clear_young = bridge_clear_young,
	.test_young = bridge_test_young,
	.free_notifier = bridge_free,
};

static const struct mmu_notifier_ops tlb_ops = {
	.arch_invalidate_secondary_tlbs = bridge_flush_tlb,
	.free_notifier = bridge_free,
};

/* --- the worker --- */

static unsigned long longer(unsigned long *delay, unsigned long shortest,
			    unsigned long longest)
{
	*delay = clamp(2 * *delay, shortest, longest);
	return *delay;
}

static void settle(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	unsigned long orphans;
	bool unclear;

	mmun_lock(subs);
	unclear = subs->ranges.provisional && !subs->closed;
	mmun_unlock(subs);
	if (!unclear) {
		shim->settle_delay = 0;
		return;
	}

	/*
	 * The bare semaphore: nothing is written, only readers are kept out, so
	 * the VMA locks that mmap_write_lock() looks after do not matter.
	 */
	if (!down_write_trylock(&subs->mm->mmap_lock)) {
		queue_shim_work(shim, longer(&shim->settle_delay, SETTLE_DELAY, HZ));
		return;
	}
	orphans = mmun_event_orphan(subs);
	up_write(&subs->mm->mmap_lock);
	mmun_event_settle(subs, orphans);
	shim->settle_delay = 0;
}

/* Put the list notifiers that no subscriber needs any more. */
static void put_unneeded(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	struct mmun_bridge *young = NULL, *tlb = NULL;

	mmun_lock(subs);
	if (!subs->users_young) {
		young = take_bridge(&shim->young);
		subs->bridges &= ~MMUN_NEED_YOUNG;
	}
	if (!subs->users_tlb) {
		tlb = take_bridge(&shim->tlb);
		subs->bridges &= ~MMUN_NEED_TLB;
	}
	mmun_unlock(subs);

	put_bridge(young);
	put_bridge(tlb);
}

/*
 * Has exit_mmap() returned, so that no event of the mm can come? __mmput() drops the
 * exe_file right after it, and nothing else does. A mm that never had one gives no
 * sign.
 */
static bool exit_is_through(struct mmun_shim *shim)
{
	struct mm_struct *mm = shim->subs.mm;

	return shim->had_exe_file && !atomic_read(&mm->mm_users) &&
	       !rcu_access_pointer(mm->exe_file);
}

/* Case 4: one reference is the interval's, one that of the state. */
static bool is_only_holder(struct mmun_shim *shim)
{
	if (atomic_read(&shim->subs.mm->mm_count) != 2)
		return false;
	/*
	 * [B1] pairs with the kernel's mmdrop(): the others' last accesses come before
	 * their drops, and ours come after.
	 */
	smp_mb();
	return true;
}

/* Has the kernel put the interval into its tree? */
static bool interval_joined(struct mmu_interval_notifier *interval_sub)
{
	/* RB_EMPTY_NODE(), read while the kernel may be linking the node */
	return READ_ONCE(interval_sub->interval_tree.rb.__rb_parent_color) !=
	       (unsigned long)&interval_sub->interval_tree.rb;
}

static bool probe_start(struct mmu_interval_notifier *interval_sub,
			const struct mmu_notifier_range *range,
			unsigned long cur_seq)
{
	return true;
}

static const struct mmu_interval_notifier_ops probe_ops = {
	.invalidate = probe_start,
};

/*
 * The kernel sleeps here until no range is in flight. Tasks that raise ranges without
 * end pause after each meanwhile: bridge_end().
 */
static void remove_interval(struct mmun_shim *shim,
			    struct mmu_interval_notifier *interval_sub)
{
	WRITE_ONCE(shim->throttled, jiffies ?: 1);
	mmu_interval_notifier_remove(interval_sub);
	WRITE_ONCE(shim->throttled, 0);
	/* put_bridge() comes later: the kernel waits for the tasks that pause in our text. */
	wake_up_all(&pauses);
}

/* Case 6. True if no range was in flight, and so the mm is not marked. */
static bool is_idle(struct mmun_shim *shim)
{
	struct mm_struct *mm = shim->subs.mm;
	struct mmu_interval_notifier probe = {};
	bool idle = false;

	if (!mmget_not_zero(mm))
		return false;
	/* The bare semaphore, as in settle(). */
	if (down_write_trylock(&mm->mmap_lock)) {
		int ret = mmu_interval_notifier_insert_locked(&probe, mm, 0, PAGE_SIZE,
							      &probe_ops);

		idle = !ret && interval_joined(&probe);
		up_write(&mm->mmap_lock);
		/* Before the removal, which may sleep: it must not keep the process's memory. */
		mmput_async(mm);
		if (!ret)
			remove_interval(shim, &probe);
	} else {
		mmput_async(mm);
	}
	return idle;
}

/* Case 5. The exiting task and the kernel's grace period may hold the mm a little longer. */
static bool lose(struct mmun_shim *shim)
{
	if (!READ_ONCE(unloading) || !exit_is_through(shim))
		return false;
	if (!shim->through)
		shim->through = jiffies ?: 1;
	return time_after(jiffies, shim->through + LOSE_PATIENCE);
}

enum removal { REMOVE_NOW, REMOVE_WITH_MM, REMOVE_LATER, REMOVE_NEVER };

/* The table at the head of this file. */
static enum removal may_remove(struct mmun_shim *shim)
{
	bool doubt, released;

	mmun_lock(&shim->subs);
	doubt = shim->doubts;
	released = shim->life >= SHIM_RELEASED;
	mmun_unlock(&shim->subs);

	if (!doubt)
		return REMOVE_NOW;
	if (!released) {
		if (!is_idle(shim))
			return REMOVE_LATER;
		mmun_lock(&shim->subs);
		shim->doubts = 0;
		mmun_unlock(&shim->subs);
		return REMOVE_NOW;
	}
	if (is_only_holder(shim))
		return REMOVE_WITH_MM;
	return lose(shim) ? REMOVE_NEVER : REMOVE_LATER;
}

static void leave_kernel(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	bool leaving;

	mmun_lock(subs);
	leaving = shim->life >= SHIM_LEAVING;
	mmun_unlock(subs);
	/* It may have been queued again while it ran. */
	if (!leaving || shim->removed)
		return;

	mmun_subscriptions_unpublish(subs);
	switch (may_remove(shim)) {
	case REMOVE_LATER:
		queue_shim_work(shim, longer(&shim->retry_delay, RETRY_DELAY,
					     READ_ONCE(unloading) ? HZ / 10 : LONGEST_DELAY));
		return;
	case REMOVE_NEVER:
		pr_warn_ratelimited("mmun: %zu bytes and a mm_struct of process %d stay allocated: another driver's notifier may have refused a range of it, and something else still holds the mm_struct\n",
				    ksize(shim), subs->pid);
		/* For good: the kernel's tree points to it. */
		refcount_inc(&subs->refs);
		break;
	case REMOVE_WITH_MM:
		mmdrop(subs->mm);
		break;
	case REMOVE_NOW:
		remove_interval(shim, &shim->starts);
		break;
	}
	put_all_bridges(shim);
	shim->removed = true;
	spin_lock(&shims_lock);
	list_del(&shim->node);
	spin_unlock(&shims_lock);
	/* The reference of the interval. */
	mmun_subscriptions_put(subs);
	text_put();
}

static void shim_worker(struct work_struct *work)
{
	struct mmun_shim *shim = container_of(to_delayed_work(work),
					      struct mmun_shim, work);

	settle(shim);
	put_unneeded(shim);
	leave_kernel(shim);
	work_done(shim);
}

/* --- attaching --- */

/* Is a bridge of @mm, from an attach that failed, still on its way out? */
static bool has_shim(struct mm_struct *mm)
{
	struct mmun_shim *shim;
	bool found = false;

	spin_lock(&shims_lock);
	list_for_each_entry(shim, &shims, node)
		found |= shim->subs.mm == mm;
	spin_unlock(&shims_lock);
	return found;
}

/*
 * The kernel has no wake-up for these, and another driver may have left the mm
 * marked: look again and again, for a bounded time. The ranges that are waited for do
 * not need the mmap lock, which the caller holds.
 */
#define wait_for(condition, timeout)					\
({									\
	unsigned long deadline = jiffies + (timeout);			\
	int waited = 0;							\
									\
	while (!waited && !(condition)) {				\
		if (fatal_signal_pending(current))			\
			waited = -EINTR;				\
		else if (time_after(jiffies, deadline))			\
			waited = -EBUSY;				\
		else							\
			schedule_timeout_uninterruptible(1);		\
	}								\
	waited;								\
})

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

static int attach_ends(struct mmun_shim *shim)
{
	int ret = register_bridge(shim, &shim->first, &ends_ops);

	if (ret)
		return ret;
	mmun_lock(&shim->subs);
	shim->ends = &shim->first;
	/* It is at the head: whoever registers holds the mmap lock for writing. */
	shim->list = container_of(shim->first.mn.hlist.pprev, struct hlist_head, first);
	mmun_unlock(&shim->subs);
	return 0;
}

static int attach_one(struct mmun_shim *shim, struct mmun_bridge **place,
		      const struct mmu_notifier_ops *ops, unsigned int need)
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
	mmun_lock(&shim->subs);
	*place = bridge;
	shim->subs.bridges |= need;
	mmun_unlock(&shim->subs);
	return 0;
}

/* mmun_bridge_ops: the mmap lock is held for writing. */
static int attach_extra(struct mmun_subscriptions *subs, unsigned int missing)
{
	struct mmun_shim *shim = to_shim(subs);
	int ret = 0;

	if (missing & MMUN_NEED_YOUNG & ~subs->bridges)
		ret = attach_one(shim, &shim->young, &young_ops, MMUN_NEED_YOUNG);
	if (!ret && (missing & MMUN_NEED_TLB & ~subs->bridges))
		ret = attach_one(shim, &shim->tlb, &tlb_ops, MMUN_NEED_TLB);
	return ret;
}

static void detach_extra(struct mmun_subscriptions *subs, unsigned int unneeded)
{
	queue_shim_work(to_shim(subs), 0);
}

/* The pid for messages. Not every kernel knows which process owns a mm. */
static pid_t pid_of(struct mm_struct *mm)
{
	pid_t pid = current->tgid;
#ifdef CONFIG_MEMCG
	struct task_struct *owner;

	rcu_read_lock();
	owner = rcu_dereference(mm->owner);
	if (owner)
		pid = owner->tgid;
	rcu_read_unlock();
#endif
	return pid;
}

/* Nobody found it yet; its interval may be in the kernel's tree. */
static void abandon_attach(struct mmun_shim *shim)
{
	/* Before the mmap lock is dropped, so that no range comes into doubt: (e). */
	mmun_lock(&shim->subs);
	life_reaches(shim, SHIM_LEAVING);
	mmun_unlock(&shim->subs);
	/* Removing the interval may sleep long: not under this lock. */
	queue_shim_work(shim, 0);
}

/* mmun_bridge_ops: the mmap lock is held for writing, and mm_users. */
static int attach(struct mm_struct *mm)
{
	struct mmun_shim *shim;
	int ret;

	/* It may be marked already. */
	if (check_stable_address_space(mm))
		return -ESRCH;
	/* One at a time, or a task that fails again and again would make many. */
	ret = wait_for(!has_shim(mm), HZ);
	if (ret)
		return ret;
	shim = kzalloc(struct_size(shim, slots, nr_slots), GFP_KERNEL);
	if (!shim)
		return -ENOMEM;
	mmun_subscriptions_init(&shim->subs, mm, shim->slots, nr_slots);
	INIT_DELAYED_WORK(&shim->work, shim_worker);
	shim->had_exe_file = rcu_access_pointer(mm->exe_file);
	shim->subs.pid = pid_of(mm);

	/* [0, ULONG_MAX - 1]: all that a range with an exclusive end can have */
	ret = mmu_interval_notifier_insert_locked(&shim->starts, mm, 0,
						  ULONG_MAX, &starts_ops);
	if (ret) {
		kfree(shim);
		return ret;
	}
	text_get();
	mmgrab(mm);
	spin_lock(&shims_lock);
	list_add(&shim->node, &shims);
	spin_unlock(&shims_lock);

	ret = wait_for(interval_joined(&shim->starts), ATTACH_TIMEOUT);
	if (!ret)
		ret = attach_ends(shim);
	mmun_trace_attach(&shim->subs, ret);
	if (ret) {
		abandon_attach(shim);
		return ret;
	}
	mmun_subscriptions_publish(&shim->subs);
	return 0;
}

static const struct mmun_bridge_ops bridge_ops = {
	.attach = attach,
	.attach_extra = attach_extra,
	.detach_extra = detach_extra,
	.free = free_shim,
};

static int __init mmun_init(void)
{
	int ret;

	nr_slots = min(8 * num_possible_cpus(), (unsigned int)BITS_PER_LONG);
	shim_wq = alloc_workqueue("mmun", WQ_UNBOUND, 0);
	if (!shim_wq)
		return -ENOMEM;
	ret = mmun_get_init();
	if (ret) {
		destroy_workqueue(shim_wq);
		return ret;
	}
	mmun_subscriptions_setup(&bridge_ops);
	return 0;
}

/* --- rmmod --- */

/*
 * No module that subscribes is loaded any more, so no subscription is left, unless
 * a module was unloaded with one. Its callbacks are gone, so the only thing that can be
 * done for the machine is to cut the mm off. The state is lost: nobody puts the
 * reference of its users.
 */
static void cut_off(struct mmun_shim *shim)
{
	struct mmun_subscriptions *subs = &shim->subs;
	unsigned int users;

	mmun_lock(subs);
	users = subs->users;
	subs->users = 0;
	life_reaches(shim, SHIM_LEAVING);
	mmun_unlock(subs);
	if (users)
		pr_err("mmun: leaked: %u subscriptions of modules that are gone\n",
		       users);
	queue_shim_work(shim, 0);
}

#ifdef MMUN_KUNIT
#include "kunit/hook.c"
#endif

static void report_waiting(void)
{
	struct mmun_shim *shim;
	bool doubt;

	spin_lock(&shims_lock);
	list_for_each_entry(shim, &shims, node) {
		mmun_lock(&shim->subs);
		doubt = shim->doubts;
		mmun_unlock(&shim->subs);
		if (doubt)
			pr_warn_ratelimited("mmun: rmmod waits for the exit of process %d: another driver's notifier may have refused a range of it\n",
					    shim->subs.pid);
		else
			pr_warn_ratelimited("mmun: rmmod waits for a range of process %d that is in flight\n",
					    shim->subs.pid);
	}
	spin_unlock(&shims_lock);
}

static void __exit mmun_exit(void)
{
	struct mmun_shim *shim;

	WRITE_ONCE(unloading, true);
	spin_lock(&shims_lock);
	list_for_each_entry(shim, &shims, node)
		cut_off(shim);
	spin_unlock(&shims_lock);
	while (!wait_event_timeout(text_unused, !atomic_read(&text_users),
				   REPORT_INTERVAL))
		report_waiting();
	/*
	 * [B2] pairs with [B3] in bridge_free(). The kernel calls that with softirqs off,
	 * which is an RCU read section: now the last one has returned from our text. For
	 * the workers, destroying their queue does the same.
	 */
	synchronize_rcu();
	destroy_workqueue(shim_wq);
	mmun_get_exit();
}

module_init(mmun_init);
module_exit(mmun_exit);

MODULE_DESCRIPTION("Memory-management notifiers as a module");
MODULE_AUTHOR("mmun developers");
MODULE_LICENSE("GPL");
MODULE_VERSION(MMUN_VERSION);
