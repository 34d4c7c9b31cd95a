// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_attach: the first subscription of a mm attaches the bridge, also in a
 * race with ranges, signals and the exit; later ones find it.
 */

#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kmod.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "real.h"

/* --- actors that hold a lock, and that subscribe with a signal --- */

struct holder {
	struct mm_struct *mm;
	struct file *file;
	struct kt_gate gate;		/* held until it is opened */
};

static int do_hold_mmap_read(void *arg)
{
	struct holder *holder = arg;

	mmap_read_lock(holder->mm);
	kt_gate_pass(&holder->gate);
	mmap_read_unlock(holder->mm);
	return 0;
}

static int do_hold_mmap_write(void *arg)
{
	struct holder *holder = arg;

	mmap_write_lock(holder->mm);
	kt_gate_pass(&holder->gate);
	mmap_write_unlock(holder->mm);
	return 0;
}

/* One of those that registration under all locks takes. */
static int do_hold_i_mmap(void *arg)
{
	struct holder *holder = arg;

	i_mmap_lock_write(holder->file->f_mapping);
	kt_gate_pass(&holder->gate);
	i_mmap_unlock_write(holder->file->f_mapping);
	return 0;
}

static struct holder *hold_lock(struct kunit *test, struct mm_struct *mm,
				struct file *file, int (*fn)(void *arg))
{
	struct holder *holder = kt_new(test, sizeof(*holder));

	kt_gate_init(test, &holder->gate);
	holder->mm = mm;
	holder->file = file;
	kt_go_to_gate(kt_prepare_call(test, fn, holder), &holder->gate);
	return holder;
}

struct signalled {
	struct mm_struct *mm;
	struct kt_sub *sub;
	int sig;			/* 0: none */
	bool pending;			/* from the beginning */
	bool same_mask;			/* of blocked signals, after as before */
};

/* With a mask of its own, which is neither empty nor full. */
static int do_register_signalled(void *arg)
{
	struct signalled *act = arg;
	sigset_t before;
	int ret;

	siginitset(&before, sigmask(SIGUSR2));
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (act->sig)
		allow_signal(act->sig);
	if (act->pending)
		send_sig(act->sig, current, 1);
	ret = kt_try_register(act->sub, act->mm);
	act->same_mask = sigequalsets(&current->blocked, &before);
	return ret;
}

/* Registers @sub in an actor with a signal: pending, if @pending, or allowed only. */
static struct kt_actor *register_with_signal(struct kunit *test,
					     struct mm_struct *mm,
					     struct kt_sub *sub, int sig, bool pending)
{
	struct signalled *act = kt_new(test, sizeof(*act));

	act->mm = mm;
	act->sub = sub;
	act->sig = sig;
	act->pending = pending;
	return kt_run(test, do_register_signalled, act);
}

/* --- attached once --- */

/* One interval and one list notifier of the kernel's serve all subscribers. */
static void one_bridge_serves_all_subscribers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_interval *interval;
	struct kt_sub *sub, *got;
	int i;

	sub = kt_register(test, mm, &kt_range_ops);
	KUNIT_ASSERT_EQ(test, mmun_kunit_attached(), 2);
	for (i = 0; i < 5; i++) {
		kt_register(test, mm, &kt_start_only_ops);
		kt_insert(test, mm, PAGES(i), PAGES(1));
	}
	got = kt_get(test, mm, &kt_get_ops);
	interval = kt_insert(test, mm, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.priv.subs, got->mn.priv.subs);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.priv.subs, interval->mni.priv.subs);
}

static void expect_extra(struct kunit *test, struct kt_sub *sub, bool young, bool tlb)
{
	struct mmun_kunit_state state = kt_state(sub);

	KUNIT_EXPECT_EQ(test, state.young, young);
	KUNIT_EXPECT_EQ(test, state.tlb, tlb);
}

/*
 * Bridges for young queries and TLBs are there once, for as long as asked
 * for.
 */
static void query_and_tlb_notifiers_exist_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *young, *young2, *tlb, *tlb2, *sub;

	sub = kt_register(test, mm, &kt_range_ops);
	expect_extra(test, sub, false, false);

	young = kt_register(test, mm, &kt_young_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	young2 = kt_register(test, mm, &kt_young_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	expect_extra(test, sub, true, false);

	tlb = kt_register(test, mm, &kt_tlb_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	tlb2 = kt_register(test, mm, &kt_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	kt_unregister(tlb2);
	kt_unregister(young);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	expect_extra(test, sub, true, true);

	kt_unregister(young2);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	expect_extra(test, sub, false, true);
	kt_unregister(tlb);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	expect_extra(test, sub, false, false);

	/* And again, after it had gone. */
	young = kt_register(test, mm, &kt_young_ops);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 3);
	mmun_kunit_test_young(mm, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&young->test_youngs), 1);
}

/* Subscribes in all ways, while another task holds a lock that attaching takes. */
static void join_beside(struct kunit *test, struct mm_struct *mm)
{
	struct kt_sub *sub = kt_sub(test, &kt_range_ops), *all = kt_sub(test, &kt_ops);

	KUNIT_EXPECT_EQ(test, kt_do_now(test, mm, KT_REGISTER, sub), 0);
	KUNIT_EXPECT_EQ(test, kt_do_now(test, mm, KT_REGISTER, all), 0);
	kt_insert_now(test, mm, kt_interval(test), PAGES(1), PAGES(1));
	KUNIT_EXPECT_EQ(test, kt_do_now(test, mm, KT_GET, &kt_get_ops), 0);
}

/*
 * Later subscribers of all kinds come in while another task writes to the
 * mm.
 */
static void later_subscription_takes_no_mmap_lock(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct holder *holder;

	kt_register(test, mm, &kt_ops);
	kt_get(test, mm, &kt_get_ops);
	holder = hold_lock(test, mm, NULL, do_hold_mmap_write);
	join_beside(test, mm);
	kt_gate_open(&holder->gate);
}

/*
 * An insert takes no mmap lock when all subscribers have left, and none after a
 * register(NULL), which subscribes nobody.
 */
static void later_insert_takes_no_mmap_lock(struct kunit *test)
{
	struct mm_struct *mm[2] = { kt_mm(test), kt_mm(test) };
	struct kt_interval *interval;
	struct holder *holder;
	int i;

	kt_unregister(kt_register(test, mm[0], &kt_range_ops));
	KUNIT_ASSERT_EQ(test, mmun_notifier_register(NULL, mm[1]), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm[1]));
	for (i = 0; i < 2; i++) {
		holder = hold_lock(test, mm[i], NULL, do_hold_mmap_write);
		interval = kt_interval(test);
		kt_insert_now(test, mm[i], interval, 0, PAGES(1));
		kt_remove_now(test, interval);
		kt_insert_now(test, mm[i], interval, 0, PAGES(1));
		kt_gate_open(&holder->gate);
	}
}

/*
 * Later subscribers do not take the locks of the VMAs, either; nor does a get that
 * makes a new notifier.
 */
static void later_subscription_takes_no_vma_locks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct holder *holder;

	map_file(test, mm, file, PAGES(1));
	kt_register(test, mm, &kt_ops);
	kt_get(test, mm, &kt_get_ops);
	holder = hold_lock(test, mm, file, do_hold_i_mmap);
	join_beside(test, mm);
	KUNIT_EXPECT_EQ(test, kt_do_now(test, mm, KT_GET, &kt_get_ops2), 0);
	kt_gate_open(&holder->gate);
}

/* The first one takes both: so the two cases above hold the right locks. */
static void first_subscription_takes_all_locks(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct kt_actor *task, *task2;
	struct holder *holder, *holder2;

	map_file(test, mm2, file, PAGES(1));
	holder = hold_lock(test, mm, NULL, do_hold_mmap_read);
	holder2 = hold_lock(test, mm2, file, do_hold_i_mmap);
	task = kt_do(test, mm, KT_REGISTER, kt_sub(test, &kt_range_ops));
	task2 = kt_do(test, mm2, KT_REGISTER, kt_sub(test, &kt_range_ops));
	kt_assert_sleeps(test, task);
	kt_assert_sleeps(test, task2);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm2));
	/* Both: all attaching takes one mutex of the kernel's, too. */
	kt_gate_open(&holder->gate);
	kt_gate_open(&holder2->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, task2), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 4);
}

/* Several first subscribers at once share the bridge that one of them attaches. */
static void concurrent_first_subscriptions_share_bridge(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_sub(test, &kt_ops);
	struct kt_sub *sub2 = kt_sub(test, &kt_ops);
	struct kt_interval *interval = kt_interval(test);
	struct holder *holder = hold_lock(test, mm, NULL, do_hold_mmap_write);
	struct kt_actor *task, *task2, *task3;

	task = kt_do(test, mm, KT_REGISTER, sub);
	task2 = kt_do(test, mm, KT_REGISTER, sub2);
	task3 = insert_beside(test, mm, interval, 0, PAGES(1));
	kt_assert_sleeps(test, task);
	kt_assert_sleeps(test, task2);
	kt_assert_sleeps(test, task3);
	kt_gate_open(&holder->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, task2), 0);
	KUNIT_ASSERT_EQ(test, kt_join(test, task3), 0);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 4);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.priv.subs, sub2->mn.priv.subs);
	KUNIT_EXPECT_PTR_EQ(test, sub->mn.priv.subs, interval->mni.priv.subs);
}

struct locked_act {
	struct mm_struct *mm;
	struct kt_sub *sub;
	struct kt_interval *interval;
	unsigned long start, length;
};

static int do_join_locked(void *arg)
{
	struct locked_act *act = arg;
	struct kt_interval *interval = act->interval;
	struct mmun_notifier *mn;
	int ret;

	mmap_write_lock(act->mm);
	ret = __mmun_notifier_register(&act->sub->mn, act->mm);
	act->sub->registered = !ret;
	if (ret)
		goto out;
	ret = mmun_interval_notifier_insert_locked(&interval->mni, act->mm,
						   act->start, act->length,
						   &kt_interval_ops);
	interval->inserted = !ret;
	if (ret)
		goto out;
	mn = mmun_notifier_get_locked(&kt_get_ops, act->mm);
	ret = PTR_ERR_OR_ZERO(mn);
	if (!ret)
		container_of(mn, struct kt_sub, mn)->got = true;
out:
	mmap_write_unlock(act->mm);
	return ret;
}

/* Under the caller's mmap lock, too, the first attaches and the others join. */
static void subscription_works_under_mmap_lock(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct locked_act *act = kt_new(test, sizeof(*act));

	act->mm = mm;
	act->start = kt_mmap(test, mm, PAGES(1));
	act->length = PAGES(1);
	act->sub = kt_sub(test, &kt_range_ops);
	act->interval = kt_interval(test);
	KUNIT_ASSERT_EQ(test, kt_join(test, kt_run(test, do_join_locked, act)), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, act->start, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(act->sub), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(act->interval), 1);
	expect_paired(test, act->sub);
}

/*
 * With a range in flight that started before it, the first registration waits, and
 * gets neither start nor end of that.
 */
static void first_register_waits_for_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *range, *task;

	range = cut_off_to_gate(test, &peer->gate, file);
	task = kt_do(test, mm, KT_REGISTER, sub);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	kt_gate_open(&peer->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 2);
	cut_off(file);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
}

/*
 * A range whose start comes between the two steps of attaching, so that its end
 * does not arrive, is ignored: nobody waits for it for ever.
 */
static void range_between_attach_steps_is_ignored(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct file *file2 = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	unsigned long at2 = map_file(test, mm, file2, PAGES(1));
	struct file *lower = at < at2 ? file : file2;
	struct file *upper = at < at2 ? file2 : file;
	struct peer_interval *peer = peer_insert(test, mm, max(at, at2),
						 PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *task, *range;
	struct holder *holder;

	/* All locks are taken by address: it stops at the lower one. */
	holder = hold_lock(test, mm, lower, do_hold_i_mmap);
	task = kt_do(test, mm, KT_REGISTER, sub);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	kt_assert_sleeps(test, task);
	/* Nobody subscribes to a bridge that does not receive all ranges yet. */
	KUNIT_EXPECT_FALSE(test, mmun_kunit_found(mm));
	kt_join(test, cut_off_beside(test, upper));
	KUNIT_EXPECT_EQ(test, atomic_read(&peer->calls), 1);
	range = cut_off_to_gate(test, &peer->gate, upper);
	kt_gate_open(&holder->gate);
	kt_assert_sleeps(test, task);
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);

	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	cut_off(upper);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
}

/*
 * A first interval, too, waits for a range, also if no interval was called for
 * it.
 */
static void first_insert_waits_for_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_list *peer = new_peer_list(test);
	struct kt_interval *interval = kt_interval(test);
	struct kt_actor *range, *task;
	unsigned long seq;

	KUNIT_ASSERT_EQ(test, peer_register(peer, mm), 0);
	range = cut_off_to_gate(test, &peer->gate, file);
	task = insert_beside(test, mm, interval, at, PAGES(1));
	kt_assert_sleeps(test, task);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	kt_gate_open(&peer->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	kt_join(test, range);
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	cut_off(file);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
}

/* A fault in flight, under the lock of its VMA, is waited for as well. */
static void first_register_waits_for_fault(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = map_zero_pages(test, mm, PAGES(2));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *fault, *task;
	struct peer_interval *peer;

	/* Only with an anon_vma is the VMA's lock enough for a fault. */
	KUNIT_ASSERT_EQ(test, poke(mm, at, 7), 0);
	peer = peer_insert(test, mm, at, PAGES(2));
	kt_gate_close(&peer->gate);
	fault = poke_beside(test, mm, at + PAGES(1));
	kt_gate_wait(test, &peer->gate);
	task = kt_do(test, mm, KT_REGISTER, sub);
	kt_assert_sleeps(test, task);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	kt_gate_open(&peer->gate);
	KUNIT_ASSERT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, fault), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
}

/* A fatal signal ends the wait: nothing is left attached, later it works. */
static void kill_ends_attach(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *range, *task;

	range = cut_off_to_gate(test, &peer->gate, file);
	task = register_with_signal(test, mm, sub, SIGKILL, false);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	send_sig(SIGKILL, task->task, 1);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);

	sub = kt_register(test, mm, &kt_range_ops);
	cut_off(file);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	expect_paired(test, sub);
}

/* Another signal does not end the wait. */
static void other_signal_does_not_end_attach(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *range, *task;

	range = cut_off_to_gate(test, &peer->gate, file);
	task = register_with_signal(test, mm, sub, SIGUSR1, false);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	send_sig(SIGUSR1, task->task, 1);
	KUNIT_EXPECT_TRUE(test, sigismember(&task->task->pending.signal,
					    SIGUSR1));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&peer->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	kt_join(test, range);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
}

/*
 * With a fatal signal pending a first registration fails and attaches
 * nothing.
 */
static void pending_kill_prevents_attach(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *task;

	task = register_with_signal(test, mm, sub, SIGKILL, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 0);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));

	/* Where a peer was first, only the second of the two steps can fail. */
	peer_insert(test, mm2, 0, ULONG_MAX);
	task = register_with_signal(test, mm2, sub, SIGKILL, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm2));

	kt_register(test, mm, &kt_range_ops);
	kt_register(test, mm2, &kt_range_ops);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 4);
}

/* A fatal signal also keeps the extra bridges out, and the others stay. */
static void pending_kill_prevents_extra_notifiers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	task = register_with_signal(test, mm, kt_sub(test, &kt_ops), SIGKILL, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EINTR);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 2);
	KUNIT_EXPECT_EQ(test, kt_state(sub).users, 1);
	KUNIT_EXPECT_FALSE(test, kt_state(sub).young);
	KUNIT_EXPECT_FALSE(test, kt_state(sub).tlb);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
}

/* A subscription that needs no new notifier succeeds with a fatal signal pending. */
static void pending_kill_allows_later_register(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_actor *task;

	kt_register(test, mm, &kt_range_ops);
	task = register_with_signal(test, mm, kt_sub(test, &kt_range_ops), SIGKILL, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
}

/* Any other signal that is pending does not keep a first registration out. */
static void pending_signal_allows_attach(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_actor *task;

	task = register_with_signal(test, mm, kt_sub(test, &kt_ops), SIGUSR1, true);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, mmun_kunit_attached(), 4);
}

/*
 * A first registration leaves the task's mask of signals as it was, also if it
 * fails.
 */
static void attach_keeps_signal_mask(struct kunit *test)
{
	struct signalled *act;
	struct kt_actor *task;
	int i;

	for (i = 0; i < 2; i++) {
		act = kt_new(test, sizeof(*act));
		act->mm = kt_mm(test);
		act->sub = kt_sub(test, &kt_range_ops);
		act->sig = i ? SIGKILL : 0;
		act->pending = i;
		task = kt_run(test, do_register_signalled, act);
		KUNIT_EXPECT_EQ(test, kt_join(test, task), i ? -EINTR : 0);
		KUNIT_EXPECT_TRUE(test, act->same_mask);
	}
}

/*
 * A range of the kernel's that does not end in ten seconds makes a first
 * registration fail; nothing is left attached, and later it works.
 */
static void attach_fails_busy_after_ten_seconds(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *range, *task;

	range = cut_off_to_gate(test, &peer->gate, file);
	task = kt_do(test, mm, KT_REGISTER, sub);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), -EBUSY);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_register(test, mm, &kt_range_ops);
}

/* mm_has_mmun_notifiers() says so from the first to the last, of any kind. */
static void mm_has_notifiers_while_subscribed(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *other = kt_mm(test);
	struct kt_interval *interval;
	struct kt_sub *sub;

	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	sub = kt_register(test, mm, &kt_range_ops);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(other));
	interval = kt_insert(test, mm, 0, PAGES(1));
	kt_unregister(sub);
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
	kt_remove(interval);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
	/* While the bridge may still be going. */
	interval = kt_insert(test, mm, 0, PAGES(1));
	KUNIT_EXPECT_TRUE(test, mm_has_mmun_notifiers(mm));
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	kt_remove(interval);
	KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
}

/* After the exit every way to subscribe returns -ESRCH and attaches nothing. */
static void subscribe_after_exit_fails(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct kt_interval *interval = kt_interval(test);
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct mmun_subscriptions *subs;

	/* One that was never subscribed to, and one that still is. */
	kt_register(test, mm2, &kt_range_ops);
	subs = mmun_kunit_hold(mm2);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	kt_mm_kill(test, mm2);
	kt_mm_exit(test, mm2);
	KUNIT_EXPECT_EQ(test, mmun_notifier_register(&sub->mn, mm), -ESRCH);
	KUNIT_EXPECT_EQ(test, mmun_notifier_register(&sub->mn, mm2), -ESRCH);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mmun_notifier_get(&kt_get_ops, mm)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mmun_notifier_get(&kt_get_ops, mm2)),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm, 0,
						      PAGES(1),
						      &kt_interval_ops),
			-ESRCH);
	KUNIT_EXPECT_EQ(test,
			mmun_interval_notifier_insert(&interval->mni, mm2, 0,
						      PAGES(1),
						      &kt_interval_ops),
			-ESRCH);
	/* Nor does one succeed that found the state before the exit. */
	KUNIT_EXPECT_FALSE(test, mmun_kunit_let_in(subs));
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
}

/*
 * A registration that outlives its process succeeds, and then gets the
 * release; or it fails with -ESRCH and gets nothing, if the exit is faster than its
 * last steps.
 */
static void process_dies_during_attach(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct kt_actor *range, *task;
	int ret;

	range = cut_off_to_gate(test, &peer->gate, file);
	kt_mm_kill(test, mm);
	task = kt_do(test, mm, KT_REGISTER, sub);
	KT_ASSERT_UNTIL(test, mmun_kunit_attached() == 1);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&mm->mm_users), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&peer->gate);
	ret = kt_join(test, task);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	/* The exit is a worker's. */
	if (ret) {
		KUNIT_EXPECT_EQ(test, ret, -ESRCH);
		KUNIT_EXPECT_EQ(test, kt_releases(sub), 0);
		return;
	}
	KT_ASSERT_UNTIL(test, kt_releases(sub) == 1);
	kt_unregister(sub);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
}

/* A registration that races with the exit succeeds or returns -ESRCH. */
static void register_races_with_exit(struct kunit *test)
{
	struct mm_struct *mm;
	struct kt_actor *task;
	struct kt_sub *sub;
	int i, ret;

	for (i = 0; i < 6; i++) {
		mm = kt_mm(test);
		sub = kt_sub(test, i & 1 ? &kt_ops : &kt_range_ops);
		kt_mm_kill(test, mm);
		task = kt_do(test, mm, KT_REGISTER, sub);
		if (i & 2)
			KT_ASSERT_UNTIL(test,
					atomic_read(&mm->mm_users) != 1 ||
					!kt_running(task));
		kt_mm_exit(test, mm);
		ret = kt_join(test, task);
		if (ret) {
			KUNIT_EXPECT_EQ(test, ret, -ESRCH);
		} else {
			KT_ASSERT_UNTIL(test, kt_releases(sub));
			kt_unregister(sub);
			KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
		}
		expect_paired(test, sub);
		KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	}
}

static int note_task(struct subprocess_info *info, struct cred *new)
{
	*(struct task_struct **)info->data = get_task_struct(current);
	return 0;
}

/*
 * A process of which only mmun holds the mm_struct: its address may be that of
 * the next one. Subscribes, exits, leaves. Returns the address; 0 on failure.
 */
static unsigned long short_life(struct kunit *test)
{
	char *argv[3] = { "/bin/sleep", "1000000", NULL };
	char *envp[1] = { NULL };
	struct kt_sub *sub = kt_sub(test, &kt_range_ops);
	struct task_struct *task = NULL;
	struct subprocess_info *info;
	unsigned long address = 0;
	struct mm_struct *mm;

	info = call_usermodehelper_setup(argv[0], argv, envp, GFP_KERNEL,
					 note_task, NULL, &task);
	if (!info || call_usermodehelper_exec(info, UMH_WAIT_EXEC))
		return 0;
	mm = get_task_mm(task);
	if (mm) {
		KUNIT_EXPECT_FALSE(test, mm_has_mmun_notifiers(mm));
		if (!mmun_notifier_register(&sub->mn, mm)) {
			sub->registered = true;
			address = (unsigned long)mm;
		}
	}
	send_sig(SIGKILL, task, 1);
	if (mm)
		mmput(mm);
	put_task_struct(task);
	/* The mm_struct lives as long as it is subscribed to. */
	if (sub->registered) {
		KUNIT_EXPECT_TRUE(test, kt_until(kt_releases(sub)));
		kt_unregister(sub);
		KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
		expect_paired(test, sub);
	}
	return address;
}

/* A process whose mm_struct is where another's was is a new mm. */
static void reused_mm_address_is_new_mm(struct kunit *test)
{
	unsigned long seen[6];
	int i, j, again = 0;

	for (i = 0; i < ARRAY_SIZE(seen); i++) {
		seen[i] = short_life(test);
		KUNIT_ASSERT_NE(test, seen[i], 0UL);
		KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
		/* The kernel frees some of it after a grace period. */
		synchronize_rcu();
		for (j = 0; j < i; j++)
			again += seen[j] == seen[i];
	}
	kunit_info(test, "used again: %d times\n", again);
	/* KASAN keeps what was freed from being used again. */
	if (!again)
		kt_skip_if_good(test, "no address was used again");
}

static struct kunit_case cases[] = {
	KT_CASE(19, one_bridge_serves_all_subscribers),
	KT_CASE(19, query_and_tlb_notifiers_exist_once),
	KT_CASE(19, later_subscription_takes_no_mmap_lock),
	KT_CASE(21, later_insert_takes_no_mmap_lock),
	KT_CASE(19, later_subscription_takes_no_vma_locks),
	KT_CASE(19, first_subscription_takes_all_locks),
	KT_CASE(19, concurrent_first_subscriptions_share_bridge),
	KT_CASE(19, subscription_works_under_mmap_lock),
	KT_CASE(09, first_register_waits_for_real_range),
	KT_CASE(09, range_between_attach_steps_is_ignored),
	KT_CASE(15, first_insert_waits_for_range),
	KT_CASE(09, first_register_waits_for_fault),
	KT_CASE(00, kill_ends_attach),
	KT_CASE(00, other_signal_does_not_end_attach),
	KT_CASE(00, pending_kill_prevents_attach),
	KT_CASE(00, pending_kill_prevents_extra_notifiers),
	KT_CASE(19, pending_kill_allows_later_register),
	KT_CASE(00, pending_signal_allows_attach),
	KT_CASE(00, attach_keeps_signal_mask),
	KT_CASE(00, attach_fails_busy_after_ten_seconds),
	KT_CASE(00, mm_has_notifiers_while_subscribed),
	KT_CASE(06, subscribe_after_exit_fails),
	KT_CASE(06, process_dies_during_attach),
	KT_CASE(06, register_races_with_exit),
	KT_CASE(00, reused_mm_address_is_new_mm),
	{}
};

struct kunit_suite mmun_attach_suite = {
	.name = "mmun_attach",
	.init = real_init,
	.exit = real_exit,
	.test_cases = cases,
};
