// SPDX-License-Identifier: GPL-2.0-only
/* A list subscription: counts its events and logs them. */

#include "driver.h"

static struct test_sub *list_sub(struct mmun_notifier *mn)
{
	return container_of(mn, struct test_sub, mn);
}

static int list_start(struct mmun_notifier *mn,
		      const struct mmun_notifier_range *range)
{
	bool blockable = mmun_notifier_range_blockable(range);
	struct test_sub *sub = list_sub(mn);
	struct mmun_test_event event;

	if (!blockable && sub_refuses(sub)) {
		event_init_range(&event, MMUN_TEST_EV_REFUSED, range);
		sub_log(sub, &event);
		return -EAGAIN;
	}
	event_init_range(&event, MMUN_TEST_EV_START, range);
	sub_log(sub, &event);
	if (blockable)
		nap(READ_ONCE(sub->start_delay_ms));
	return 0;
}

static void list_end(struct mmun_notifier *mn,
		     const struct mmun_notifier_range *range)
{
	struct mmun_test_event event;

	event_init_range(&event, MMUN_TEST_EV_END, range);
	sub_log(list_sub(mn), &event);
}

static void list_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct test_sub *sub = list_sub(mn);
	struct mmun_test_event event;

	event_init_release(&event);
	sub_log(sub, &event);
	nap(READ_ONCE(sub->release_delay_ms));
}

static bool list_clear_flush_young(struct mmun_notifier *mn,
				   struct mm_struct *mm, unsigned long start,
				   unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 1, start, end);
	sub_log(list_sub(mn), &event);
	return false;
}

static bool list_clear_young(struct mmun_notifier *mn, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 2, start, end);
	sub_log(list_sub(mn), &event);
	return false;
}

static bool list_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			    unsigned long address)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_YOUNG, 3, address,
		   address + PAGE_SIZE);
	sub_log(list_sub(mn), &event);
	return false;
}

static void list_tlbs(struct mmun_notifier *mn, struct mm_struct *mm,
		      unsigned long start, unsigned long end)
{
	struct mmun_test_event event;

	event_init(&event, MMUN_TEST_EV_TLB, 0, start, end);
	sub_log(list_sub(mn), &event);
}

/* By the flags in ATTACH_OPS. */
static const struct mmun_notifier_ops list_ops[] = {
	[0] = {
		.release = list_release,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
	},
	[MMUN_TEST_ATTACH_YOUNG] = {
		.release = list_release,
		.clear_flush_young = list_clear_flush_young,
		.clear_young = list_clear_young,
		.test_young = list_test_young,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
	},
	[MMUN_TEST_ATTACH_TLB] = {
		.release = list_release,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
		.arch_invalidate_secondary_tlbs = list_tlbs,
	},
	[MMUN_TEST_ATTACH_YOUNG | MMUN_TEST_ATTACH_TLB] = {
		.release = list_release,
		.clear_flush_young = list_clear_flush_young,
		.clear_young = list_clear_young,
		.test_young = list_test_young,
		.invalidate_range_start = list_start,
		.invalidate_range_end = list_end,
		.arch_invalidate_secondary_tlbs = list_tlbs,
	},
};

int list_attach(struct test_sub *sub, u32 flags)
{
	sub->mn.ops = &list_ops[flags & ATTACH_OPS];
	if (flags & MMUN_TEST_ATTACH_LOCKED)
		return __mmun_notifier_register(&sub->mn, sub->mm);
	return mmun_notifier_register(&sub->mn, sub->mm);
}

static void list_put_rcu(struct rcu_head *rcu)
{
	sub_put(container_of(rcu, struct test_sub, rcu));
}

/* The table's reference goes with it, now or when nobody calls it any more. */
void list_detach(struct test_sub *sub, u32 how)
{
	if (how == MMUN_TEST_NO_RELEASE) {
		mmun_notifier_unregister_no_release(&sub->mn, sub->mm);
		mmun_notifier_call_srcu(&sub->rcu, list_put_rcu);
		return;
	}
	mmun_notifier_unregister(&sub->mn, sub->mm);
	sub_put(sub);
}
