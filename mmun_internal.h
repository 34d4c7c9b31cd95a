/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_INTERNAL_H
#define _MMUN_INTERNAL_H

/*
 * The rules of the house. Each room has a header of its own; this one has what all of
 * them keep to.
 *
 * Rooms. An event goes one way, and no call comes back:
 *
 *   kernel -> mmun_shim.c -> mmun_event.c -> mmun_itree.c -> subscriber
 *                                         -> mmun_walk.c  -> subscriber
 *
 * mmun_shim.c  the bridge: calls, and is called by, the kernel's own notifier
 * mmun_event.c the order of an event: start, confirm, end, settle, release
 * mmun_itree.c interval subscriptions
 * mmun_walk.c  walks of the list of subscribers, and dispatch to them
 * mmun_core.c  list subscriptions: registration, and leaving
 * mmun_get.c   get, put, and deferred destruction
 * mmun_subs.c  the state of a mm: look-up, references, users, sleep and wake-up
 * mmun_range.c the table of ranges in flight; calls nobody
 * mmun_hmm.c   faulting pages in under an interval
 * mmun_trace.c the tracepoints; while callbacks are traced, it calls the subscribers in the
 *              place of mmun_itree.c and mmun_walk.c
 *
 * mmun_subs.c needs the bridge to attach to a mm: it is given struct mmun_bridge_ops.
 * mmun_walk.c hands zombies to mmun_get.c: it is given a function.
 *
 * Glossary. One word for one thing, everywhere:
 *
 * subscription	what a driver registers: a list notifier or an interval
 * subscriber	the driver behind it
 * range	one invalidation, from its start to its end
 * start, end	the two events of a range, and the callbacks for them
 * bridge	the kernel notifiers that mmun attaches to a mm
 * attach	to make the bridge of a mm
 * slot		where a range of the table stands
 * record	what a range gets in place of a slot, when all slots are busy
 * overflow	the number of ranges without slot and record
 * provisional	of a range: another notifier may still refuse it
 * confirm	to learn that no notifier refuses a provisional range any more
 * orphan	a provisional range that was refused: neither confirmation nor end come
 * settle	to deliver the ends of an orphan
 * owed end	an end whose start the subscriber accepted
 * accept	to return 0 (list) or true (interval) from a start
 * refuse	to return -EAGAIN (list) or false (interval) in a non-blockable range
 * walk		a task's way along the list of subscribers; the task is the walker
 * leaver	the task that unregisters or puts a subscription
 * pin		what a leaver holds on a slot that it still reads
 * zombie	a notifier that was put and is not freed yet
 * users	the subscriptions of a mm; or the gets of a notifier without a put
 * number, seq	of a range: odd, a later range has a larger one
 * collide	of a read section: an invalidation came between begin and retry
 * release	the first act of a mm's exit; closed: it is over
 * doubt	a refusal by another driver may have left the kernel's state marked
 * marked	the kernel believes for ever that a range is in flight
 *
 * Locks, outermost first. A lock is taken only while those above it, or none,
 * are held:
 *
 *   mmap_lock, for writing	the first subscription of a mm; get and the _locked calls
 *   sync_mutex (get)		one mmun_notifier_synchronize() at a time
 *   shims_lock (shim)		the list of all bridges
 *   walk			not a lock: a task that may be inside callbacks.
 *				mmun_walk.c has the waits for it
 *   subs->lock			all of struct mmun_subscriptions; raw
 *   free_lock (get)		the notifiers that are ready to be freed; raw
 *   mms_lock (subs)		changes of the table of mms
 *
 * subs->lock and free_lock are raw spinlocks, held for a few steps (a get that is not
 * quick: one for each list subscriber; its put: one for each processor, until a user is
 * found) and never around a callback. They are taken in ranges that may not block,
 * where on PREEMPT_RT a spinlock_t would sleep. For the same reason the sleepers here
 * wait on lists of their own under subs->lock (mmun_sleep()): the lock of a
 * wait_queue_head_t is a spinlock_t. None of them is ever taken in an interrupt.
 *
 * Lifetimes.
 *
 * - struct mmun_subscriptions: counted in refs. The bridge holds one until it has
 *   left the kernel, each queued work one, all subscribers together one while users
 *   is not zero, and each list subscriber one more until it needs the state no
 *   longer. A walk needs none: the bridge cannot go while it calls. Freed after an RCU
 *   grace period, because the look-up by mm walks the table under RCU, and a task that
 *   holds subs->lock is an RCU reader.
 * - The bridge lives from the first subscription of a mm to the mm's exit, or to
 *   rmmod. It costs a range little while nobody subscribes ("make bench" prints it).
 * - mm_struct: one mm_count for each subscriber and one for the state itself;
 *   mm_users is never held past a call.
 * - struct mmun_notifier: the driver's. A driver that unlinked it may free it after
 *   the walks that were running then, and one of get after the gets, too; see
 *   mmun_walk.c and mmun_get.c.
 *
 * Barriers. Pairs of steps order tasks of which one does not hold the lock, or wait
 * for the other. Each end has a name, which stands in brackets in the functions listed here;
 * the drawings at the heads of the files have the same names, and so do the litmus tests
 * in litmus/, which show what each is for. scripts/barriers checks it.
 *
 *   W1 mmun_walk_begin mmun_slot_walk_begin - W4 mmun_unlink: subs->lock
 *   W3 mmun_walk_end mmun_slot_walk_end __mmun_slot_walk_end - W5 wait_until_unseen: subs->lock
 *   P1 walk_reaches - P2 is_past: release, acquire
 *   L1 link_into_list - L2 first_of next_of: RCU
 *   O2 call_starts owe_unslotted - O5 mmun_list_leave: full barriers
 *   O3 call_starts - O4 mmun_list_leave mmun_unlink: the life, ordered by O2 and O5
 *   O7 mmun_list_deliver_owed - O6 mmun_list_leave: the same task
 *   R1 mmun_ranges_count - R4 mmun_interval_read_begin: ordered by R2 and R3
 *   R2 mmun_interval_set_seq - R3 mmun_interval_read_begin read_begin_locked: release, acquire
 *   R7 mmun_ranges_uncount - R4 mmun_interval_read_begin: release, acquire
 *   G1 get_quickly - G7 wait_for_getters: full barriers
 *   G4 get_quickly - G7 wait_for_getters: release, acquire
 *   G9 mmun_finish_joining - G2 get_quickly: RCU
 *   G10 mmun_unlink - G2 get_quickly: RCU, and G1 with G7
 *   M1 mmun_subscriptions_publish - M2 mmun_subscriptions_peek: RCU
 *   M3 free_shim - M2 mmun_subscriptions_peek: a grace period of RCU
 *   M4 mmun_subscriptions_unpublish - M2 mmun_subscriptions_peek: RCU
 *   S1 mmun_notifier_call_srcu - S2 mmun_callbacks_enter: a grace period of SRCU
 *   S3 mmun_notifier_synchronize mmun_get_exit - S1 mmun_notifier_call_srcu: srcu_barrier()
 *   T1 mmun_sleep - T2 __mmun_wake: subs->lock
 *   B1 is_only_holder - mmdrop: full barriers; the other end is the kernel's
 *   B2 mmun_exit - B3 bridge_free: a grace period of RCU
 *
 * closed says that the mm's exit has released it: no range is in flight, none
 * will be, and nothing may wait for one.
 */

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/lockdep.h>
#include <linux/printk.h>
#include <linux/workqueue.h>

/*
 * Driver misuse is reported in the log; misuse that a driver may repeat, once. The
 * suites count the reports.
 */
enum mmun_warning { MMUN_WARNED_ERROR, MMUN_WARNED_CODE, MMUN_WARNED_REFUSAL, MMUN_WARNED_MM };

extern unsigned long mmun_warned;

#ifdef MMUN_KUNIT
extern atomic_t mmun_kunit_warned;
extern bool mmun_kunit_no_counts;
extern bool mmun_kunit_no_records;
#define mmun_count_warning()	atomic_inc(&mmun_kunit_warned)
#else
#define mmun_kunit_no_counts	false
#define mmun_kunit_no_records	false
#define mmun_count_warning()	do { } while (0)
#endif

#define mmun_warn(fmt, ...)						\
	do {								\
		mmun_count_warning();					\
		pr_warn("mmun: " fmt, ##__VA_ARGS__);			\
	} while (0)

#define mmun_warn_once(what, fmt, ...)					\
	do {								\
		if (!test_and_set_bit(what, &mmun_warned))		\
			mmun_warn(fmt, ##__VA_ARGS__);			\
	} while (0)

#ifdef CONFIG_LOCKDEP
extern struct lockdep_map mmun_range_start_map;
#endif

/*
 * For functions that sleep until a callback is done: no lock that a callback takes
 * may be held. Only for kernels that check: might_sleep() also offers other tasks the
 * processor, which costs as much as the rest of a quick call.
 */
static inline void mmun_might_wait(void)
{
	if (!IS_ENABLED(CONFIG_DEBUG_ATOMIC_SLEEP) && !IS_ENABLED(CONFIG_LOCKDEP))
		return;
	might_sleep();
	lock_map_acquire(&mmun_range_start_map);
	lock_map_release(&mmun_range_start_map);
}

#endif /* _MMUN_INTERNAL_H */
