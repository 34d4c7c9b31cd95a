// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hook of the KUnit suites: part of mmun_shim.c, whose functions it calls as
 * the kernel's notifier would.
 */

#include "mmun_hook.h"

void mmun_kunit_init(struct mmu_notifier_range *range,
		     const struct mmun_notifier_range *what)
{
	*range = (struct mmu_notifier_range) {
		.mm = what->mm,
		.start = what->start,
		.end = what->end,
		.flags = mmun_notifier_range_blockable(what) ?
			 MMU_NOTIFIER_RANGE_BLOCKABLE : 0,
		/* The names have the same order in both. */
		.event = (enum mmu_notifier_event)what->event,
		.owner = what->owner,
	};
}
EXPORT_SYMBOL_GPL(mmun_kunit_init);

unsigned long mmun_kunit_seq;
EXPORT_SYMBOL_GPL(mmun_kunit_seq);

int mmun_kunit_accept_on(struct mmun_subscriptions *subs,
			 struct mmu_notifier_range *range)
{
	bool agreed = bridge_start(&to_shim(subs)->starts, range,
				   mmun_kunit_seq ?: to_shim(subs)->doubt_seq);

	return agreed ? 0 : -EAGAIN;
}
EXPORT_SYMBOL_GPL(mmun_kunit_accept_on);

int mmun_kunit_accept(struct mmu_notifier_range *range)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(range->mm);
	int ret;

	if (!subs)
		return 0;
	ret = mmun_kunit_accept_on(subs, range);
	mmun_subscriptions_put(subs);
	return ret;
}
EXPORT_SYMBOL_GPL(mmun_kunit_accept);

void mmun_kunit_confirm(struct mmu_notifier_range *range)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(range->mm);
	struct mmun_bridge bridge;

	if (!subs)
		return;
	bridge.shim = to_shim(subs);
	bridge_confirm(&bridge.mn, range);
	mmun_subscriptions_put(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_confirm);

int mmun_kunit_start(struct mmu_notifier_range *range)
{
	int ret = mmun_kunit_accept(range);

	if (!ret)
		mmun_kunit_confirm(range);
	return ret;
}
EXPORT_SYMBOL_GPL(mmun_kunit_start);

void mmun_kunit_end_on(struct mmun_subscriptions *subs, struct mmu_notifier_range *range)
{
	struct mmun_bridge bridge = { .shim = to_shim(subs) };

	bridge_end(&bridge.mn, range);
}
EXPORT_SYMBOL_GPL(mmun_kunit_end_on);

void mmun_kunit_end(struct mmu_notifier_range *range)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(range->mm);

	if (!subs)
		return;
	mmun_kunit_end_on(subs, range);
	mmun_subscriptions_put(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_end);

/* The state of a mm that has the bridge @need, or NULL. */
static struct mmun_subscriptions *find_with(struct mm_struct *mm,
					    unsigned int need)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(mm);
	bool there;

	if (!subs)
		return NULL;
	mmun_lock(subs);
	there = need == MMUN_NEED_TLB ? to_shim(subs)->tlb :
					to_shim(subs)->young;
	mmun_unlock(subs);
	if (there)
		return subs;
	mmun_subscriptions_put(subs);
	return NULL;
}

bool mmun_kunit_clear_flush_young(struct mm_struct *mm, unsigned long start,
				  unsigned long end)
{
	struct mmun_subscriptions *subs = find_with(mm, MMUN_NEED_YOUNG);
	struct mmun_bridge bridge;
	bool young;

	if (!subs)
		return false;
	bridge.shim = to_shim(subs);
	young = young_ops.clear_flush_young(&bridge.mn, mm, start, end);
	mmun_subscriptions_put(subs);
	return young;
}
EXPORT_SYMBOL_GPL(mmun_kunit_clear_flush_young);

bool mmun_kunit_clear_young(struct mm_struct *mm, unsigned long start,
			    unsigned long end)
{
	struct mmun_subscriptions *subs = find_with(mm, MMUN_NEED_YOUNG);
	struct mmun_bridge bridge;
	bool young;

	if (!subs)
		return false;
	bridge.shim = to_shim(subs);
	young = young_ops.clear_young(&bridge.mn, mm, start, end);
	mmun_subscriptions_put(subs);
	return young;
}
EXPORT_SYMBOL_GPL(mmun_kunit_clear_young);

bool mmun_kunit_test_young(struct mm_struct *mm, unsigned long address)
{
	struct mmun_subscriptions *subs = find_with(mm, MMUN_NEED_YOUNG);
	struct mmun_bridge bridge;
	bool young;

	if (!subs)
		return false;
	bridge.shim = to_shim(subs);
	young = young_ops.test_young(&bridge.mn, mm, address);
	mmun_subscriptions_put(subs);
	return young;
}
EXPORT_SYMBOL_GPL(mmun_kunit_test_young);

void mmun_kunit_flush_tlb(struct mm_struct *mm, unsigned long start,
			  unsigned long end)
{
	struct mmun_subscriptions *subs = find_with(mm, MMUN_NEED_TLB);
	struct mmun_bridge bridge;

	if (!subs)
		return;
	bridge.shim = to_shim(subs);
	bridge_flush_tlb(&bridge.mn, mm, start, end);
	mmun_subscriptions_put(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_flush_tlb);

void mmun_kunit_look(struct mmun_subscriptions *subs,
		     struct mmun_kunit_state *state)
{
	struct mmun_record *record;
	struct mmun_notifier *mn;
	struct list_head *node;
	unsigned int slot;

	*state = (struct mmun_kunit_state) {};
	mmun_lock(subs);
	state->closed = subs->closed;
	state->leaving = to_shim(subs)->life >= SHIM_LEAVING;
	state->released = to_shim(subs)->life >= SHIM_RELEASED;
	state->doubts = to_shim(subs)->doubts;
	state->young = to_shim(subs)->young;
	state->tlb = to_shim(subs)->tlb;
	state->users = subs->users;
	state->slots = subs->ranges.nr_slots;
	state->busy = hweight_long(subs->ranges.busy) - (BITS_PER_LONG - subs->ranges.nr_slots);
	state->active = hweight_long(subs->ranges.active);
	state->provisional = hweight_long(subs->ranges.provisional);
	state->overflow = subs->ranges.overflow;
	state->invalidating = subs->ranges.invalidating;
	list_for_each(node, &subs->waiters)
		state->waiters++;
	for (slot = 0; slot < subs->ranges.nr_slots; slot++)
		list_for_each(node, &subs->ranges.slots[slot].sleepers)
			state->waiters++;
	list_for_each_entry(record, &subs->ranges.records, node) {
		state->records++;
		list_for_each(node, &record->slot.sleepers)
			state->waiters++;
	}
	state->walks = hweight_long(subs->walking);
	list_for_each(node, &subs->walks)
		state->walks++;
	list_for_each_entry(mn, &subs->leaving, priv.leaving)
		state->zombies += mn->priv.life == MMUN_ZOMBIE;
	hlist_for_each_entry(mn, &subs->got, priv.got_node)
		state->gettable++;
	state->settle_delay = to_shim(subs)->settle_delay;
	state->retry_delay = to_shim(subs)->retry_delay;
	state->throttled = READ_ONCE(to_shim(subs)->throttled);
	state->pausing = atomic_read(&to_shim(subs)->pausing);
	state->worker_pauses = timer_pending(&to_shim(subs)->work.timer);
	state->seq = subs->invalidate_seq;
	mmun_unlock(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_look);

const void *mmun_kunit_invalidating(struct mmun_subscriptions *subs)
{
	return &subs->ranges.invalidating;
}
EXPORT_SYMBOL_GPL(mmun_kunit_invalidating);

void mmun_kunit_set_seq(struct mmun_subscriptions *subs, unsigned long seq)
{
	mmun_lock(subs);
	subs->invalidate_seq = seq;
	mmun_unlock(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_set_seq);

void mmun_kunit_flush_worker(struct mmun_subscriptions *subs)
{
	flush_delayed_work(&to_shim(subs)->work);
}
EXPORT_SYMBOL_GPL(mmun_kunit_flush_worker);

struct mmun_subscriptions *mmun_kunit_hold(struct mm_struct *mm)
{
	return mmun_subscriptions_find(mm);
}
EXPORT_SYMBOL_GPL(mmun_kunit_hold);

void mmun_kunit_let_go(struct mmun_subscriptions *subs)
{
	mmun_subscriptions_put(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_let_go);

bool mmun_kunit_found(struct mm_struct *mm)
{
	bool found;

	preempt_disable();
	found = mmun_subscriptions_peek(mm);
	preempt_enable();
	return found;
}
EXPORT_SYMBOL_GPL(mmun_kunit_found);

bool mmun_kunit_let_in(struct mmun_subscriptions *subs)
{
	bool in;

	mmun_lock(subs);
	in = mmun_subscriptions_add_user(subs);
	mmun_unlock(subs);
	mmun_subscriptions_put(subs);
	return in;
}
EXPORT_SYMBOL_GPL(mmun_kunit_let_in);

atomic_t mmun_kunit_warned;

unsigned int mmun_kunit_warnings(void)
{
	mmun_warned = 0;
	return atomic_xchg(&mmun_kunit_warned, 0);
}
EXPORT_SYMBOL_GPL(mmun_kunit_warnings);

unsigned int mmun_kunit_attached(void)
{
	return atomic_read(&text_users);
}
EXPORT_SYMBOL_GPL(mmun_kunit_attached);

void mmun_kunit_cut_off(struct mm_struct *mm)
{
	struct mmun_subscriptions *subs = mmun_subscriptions_find(mm);

	if (!subs)
		return;
	cut_off(to_shim(subs));
	mmun_subscriptions_put(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_cut_off);

void mmun_kunit_set_unloading(bool now)
{
	WRITE_ONCE(unloading, now);
}
EXPORT_SYMBOL_GPL(mmun_kunit_set_unloading);

void mmun_kunit_use_up_patience(struct mmun_subscriptions *subs)
{
	/* 0 stands for never. */
	to_shim(subs)->through = (jiffies - LOSE_PATIENCE - 1) ?: 1;
}
EXPORT_SYMBOL_GPL(mmun_kunit_use_up_patience);

void mmun_kunit_throttle(struct mmun_subscriptions *subs, unsigned long since, int pausing)
{
	atomic_add(pausing, &to_shim(subs)->pausing);
	WRITE_ONCE(to_shim(subs)->throttled, since ?: 1);
}
EXPORT_SYMBOL_GPL(mmun_kunit_throttle);

void mmun_kunit_recover(struct mmun_subscriptions *subs)
{
	remove_interval(to_shim(subs), &to_shim(subs)->starts);
	mmun_subscriptions_put(subs);
}
EXPORT_SYMBOL_GPL(mmun_kunit_recover);

void mmun_kunit_abandon(struct mmun_subscriptions *subs)
{
	abandon_attach(to_shim(subs));
}
EXPORT_SYMBOL_GPL(mmun_kunit_abandon);
