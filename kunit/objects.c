// SPDX-License-Identifier: GPL-2.0-only
/* Subscribers, intervals and ranges of the suites: see mmun_kunit.h. */

#include <linux/rwsem.h>
#include <linux/slab.h>

#include "kt_case.h"

/* --- list subscribers --- */

static void sub_release(struct mmun_notifier *mn, struct mm_struct *mm)
{
	struct kt_sub *sub = kt_to_sub(mn);

	atomic_inc(&sub->inside);
	kt_gate_pass(&sub->release);
	if (sub->on_release)
		sub->on_release(sub);
	atomic_inc(&sub->releases);
	atomic_dec(&sub->inside);
}

static int sub_start(struct mmun_notifier *mn,
		     const struct mmun_notifier_range *range)
{
	struct kt_sub *sub = kt_to_sub(mn);
	int ret;

	atomic_inc(&sub->inside);
	atomic_inc(&sub->starts);
	/* Cases that raise several at a time do not read it. */
	data_race(sub->last_start = *range);
	if (mmun_notifier_range_blockable(range))
		kt_gate_pass(&sub->start);
	if (sub->on_start)
		sub->on_start(sub, range);
	ret = mmun_notifier_range_blockable(range) ? sub->fail : sub->refuse;
	if (!ret)
		atomic_inc(&sub->accepted);
	atomic_dec(&sub->inside);
	return ret;
}

static void sub_end(struct mmun_notifier *mn,
		    const struct mmun_notifier_range *range)
{
	struct kt_sub *sub = kt_to_sub(mn);

	atomic_inc(&sub->inside);
	/* As for last_start. */
	data_race(sub->last_end = *range);
	if (mmun_notifier_range_blockable(range))
		kt_gate_pass(&sub->end);
	if (sub->on_end)
		sub->on_end(sub, range);
	atomic_inc(&sub->ends);
	atomic_dec(&sub->inside);
}

static bool sub_clear_flush_young(struct mmun_notifier *mn,
				  struct mm_struct *mm, unsigned long start,
				  unsigned long end)
{
	struct kt_sub *sub = kt_to_sub(mn);

	atomic_inc(&sub->inside);
	atomic_inc(&sub->clear_flush_youngs);
	kt_gate_pass(&sub->query);
	atomic_dec(&sub->inside);
	return sub->young;
}

static bool sub_clear_young(struct mmun_notifier *mn, struct mm_struct *mm,
			    unsigned long start, unsigned long end)
{
	struct kt_sub *sub = kt_to_sub(mn);

	atomic_inc(&sub->clear_youngs);
	return sub->young;
}

static bool sub_test_young(struct mmun_notifier *mn, struct mm_struct *mm,
			   unsigned long address)
{
	struct kt_sub *sub = kt_to_sub(mn);

	atomic_inc(&sub->test_youngs);
	return sub->young;
}

static void sub_flush_tlb(struct mmun_notifier *mn, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	atomic_inc(&kt_to_sub(mn)->tlb_flushes);
}

static struct mmun_notifier *sub_alloc(struct mm_struct *mm)
{
	struct kt_sub *sub = kt_sub(kt_case->test, NULL);

	return &sub->mn;
}

static void sub_free(struct mmun_notifier *mn)
{
	struct kt_sub *sub = kt_to_sub(mn);

	WARN_ON(atomic_read(&sub->inside));
	atomic_inc(&sub->frees);
}

const struct mmun_notifier_ops kt_ops = {
	.release = sub_release,
	.clear_flush_young = sub_clear_flush_young,
	.clear_young = sub_clear_young,
	.test_young = sub_test_young,
	.invalidate_range_start = sub_start,
	.invalidate_range_end = sub_end,
	.arch_invalidate_secondary_tlbs = sub_flush_tlb,
};

const struct mmun_notifier_ops kt_range_ops = {
	.release = sub_release,
	.invalidate_range_start = sub_start,
	.invalidate_range_end = sub_end,
};

const struct mmun_notifier_ops kt_start_only_ops = {
	.invalidate_range_start = sub_start,
};

const struct mmun_notifier_ops kt_end_only_ops = {
	.invalidate_range_end = sub_end,
};

const struct mmun_notifier_ops kt_release_only_ops = {
	.release = sub_release,
};

const struct mmun_notifier_ops kt_young_ops = {
	.clear_flush_young = sub_clear_flush_young,
	.clear_young = sub_clear_young,
	.test_young = sub_test_young,
};

const struct mmun_notifier_ops kt_tlb_ops = {
	.arch_invalidate_secondary_tlbs = sub_flush_tlb,
};

#define KT_GET_OPS {					\
	.release = sub_release,				\
	.invalidate_range_start = sub_start,		\
	.invalidate_range_end = sub_end,		\
	.alloc_notifier = sub_alloc,			\
	.free_notifier = sub_free,			\
}

const struct mmun_notifier_ops kt_get_ops = KT_GET_OPS;
const struct mmun_notifier_ops kt_get_ops2 = KT_GET_OPS;

struct kt_sub *kt_sub(struct kunit *test, const struct mmun_notifier_ops *ops)
{
	struct kt_sub *sub = kt_new(test, sizeof(*sub));

	sub->test = test;
	sub->mn.ops = ops;
	kt_gate_init(test, &sub->start);
	kt_gate_init(test, &sub->end);
	kt_gate_init(test, &sub->release);
	kt_gate_init(test, &sub->free);
	kt_gate_init(test, &sub->query);
	kt_keep(test, &sub->node, &kt_case->subs);
	return sub;
}

struct kt_sub *kt_register(struct kunit *test, struct mm_struct *mm,
			   const struct mmun_notifier_ops *ops)
{
	struct kt_sub *sub = kt_sub(test, ops);

	KUNIT_ASSERT_EQ(test, kt_try_register(sub, mm), 0);
	return sub;
}

int kt_try_register(struct kt_sub *sub, struct mm_struct *mm)
{
	int ret = mmun_notifier_register(&sub->mn, mm);

	sub->registered = !ret;
	return ret;
}

void kt_unregister(struct kt_sub *sub)
{
	sub->registered = false;
	mmun_notifier_unregister(&sub->mn, sub->mn.mm);
}

void kt_unregister_no_release(struct kt_sub *sub)
{
	sub->registered = false;
	mmun_notifier_unregister_no_release(&sub->mn, sub->mn.mm);
}

struct kt_sub *kt_get(struct kunit *test, struct mm_struct *mm,
		      const struct mmun_notifier_ops *ops)
{
	struct mmun_notifier *mn = mmun_notifier_get(ops, mm);

	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(mn), "get: %ld", PTR_ERR(mn));
	kt_to_sub(mn)->got = true;
	return kt_to_sub(mn);
}

unsigned int kt_users(struct kt_sub *sub)
{
	unsigned int sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(sub->mn.priv.users, cpu));
	return sum;
}

void kt_put(struct kt_sub *sub)
{
	if (kt_users(sub) == 1)
		sub->got = false;
	mmun_notifier_put(&sub->mn);
}

void kt_put_in_start(struct kt_sub *sub, const struct mmun_notifier_range *range)
{
	sub->on_start = NULL;
	kt_put(sub);
}

void kt_put_in_end(struct kt_sub *sub, const struct mmun_notifier_range *range)
{
	sub->on_end = NULL;
	kt_put(sub);
}

void kt_put_in_release(struct kt_sub *sub)
{
	kt_put(sub);
}

/* --- intervals --- */

static bool interval_invalidate(struct mmun_interval_notifier *mni,
				const struct mmun_notifier_range *range,
				unsigned long cur_seq)
{
	struct kt_interval *interval = container_of(mni, struct kt_interval,
						    mni);
	bool agreed = true;

	atomic_inc(&interval->inside);
	if (mmun_notifier_range_blockable(range))
		kt_gate_pass(&interval->gate);
	else if (interval->refuse)
		agreed = false;

	if (agreed) {
		raw_spin_lock(&interval->lock);
		mmun_interval_set_seq(mni, cur_seq);
		interval->last = *range;
		interval->last_seq = cur_seq;
		raw_spin_unlock(&interval->lock);
		atomic_inc(range->event == MMUN_NOTIFY_RELEASE ?
			   &interval->releases : &interval->invalidates);
	} else {
		atomic_inc(&interval->refusals);
	}
	atomic_dec(&interval->inside);
	return agreed;
}

const struct mmun_interval_notifier_ops kt_interval_ops = {
	.invalidate = interval_invalidate,
};

void *kt_interval_sized(struct kunit *test, size_t size)
{
	struct kt_interval *interval = kt_new(test, size);

	interval->test = test;
	interval->ops = &kt_interval_ops;
	raw_spin_lock_init(&interval->lock);
	kt_gate_init(test, &interval->gate);
	kt_keep(test, &interval->node, &kt_case->intervals);
	return interval;
}

struct kt_interval *kt_interval(struct kunit *test)
{
	return kt_interval_sized(test, sizeof(struct kt_interval));
}

struct kt_interval *kt_insert(struct kunit *test, struct mm_struct *mm,
			      unsigned long start, unsigned long length)
{
	struct kt_interval *interval = kt_interval(test);

	KUNIT_ASSERT_EQ(test, kt_try_insert(interval, mm, start, length), 0);
	return interval;
}

int kt_try_insert(struct kt_interval *interval, struct mm_struct *mm,
		  unsigned long start, unsigned long length)
{
	int ret = mmun_interval_notifier_insert(&interval->mni, mm, start,
						length, interval->ops);

	interval->inserted = !ret;
	return ret;
}

void kt_remove(struct kt_interval *interval)
{
	interval->inserted = false;
	mmun_interval_notifier_remove(&interval->mni);
}

bool kt_retry(struct kt_interval *interval, unsigned long seq)
{
	bool retry;

	raw_spin_lock(&interval->lock);
	retry = mmun_interval_read_retry(&interval->mni, seq);
	raw_spin_unlock(&interval->lock);
	return retry;
}

/* --- ranges --- */

struct kt_range *kt_range(struct kunit *test, struct mm_struct *mm,
			  unsigned long start, unsigned long end, bool blockable,
			  enum mmun_notifier_event event)
{
	struct kt_range *range = kt_new(test, sizeof(*range));
	const struct mmun_notifier_range what = {
		.mm = mm,
		.start = start,
		.end = end,
		.flags = blockable ? MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
		.event = event,
	};

	mmun_kunit_init(&range->kernel, &what);
	range->blockable = blockable;
	kt_keep(test, &range->node, &kt_case->ranges);
	return range;
}

int kt_start(struct kt_range *range)
{
	int ret;

	/* _non_owner: kt_exit() may have to end the range, in another task. */
	if (!range->blockable)
		down_read_non_owner(&range->kernel.mm->mmap_lock);
	ret = mmun_kunit_start(&range->kernel);
	range->in_flight = !ret;
	if (ret && !range->blockable)
		up_read_non_owner(&range->kernel.mm->mmap_lock);
	return ret;
}

void kt_end(struct kt_range *range)
{
	/* Once, also if kt_exit() ends it while an actor of a failed case does. */
	if (!xchg(&range->in_flight, false))
		return;
	mmun_kunit_end(&range->kernel);
	if (!range->blockable)
		up_read_non_owner(&range->kernel.mm->mmap_lock);
}

struct kt_range *kt_blockable(struct kunit *test, struct mm_struct *mm,
			      unsigned long start, unsigned long end)
{
	return kt_range(test, mm, start, end, true, MMUN_NOTIFY_CLEAR);
}

struct kt_range *kt_nonblock(struct kunit *test, struct mm_struct *mm,
			     unsigned long start, unsigned long end)
{
	return kt_range(test, mm, start, end, false, MMUN_NOTIFY_UNMAP);
}

struct kt_range *kt_begin(struct kunit *test, struct mm_struct *mm,
			  unsigned long start, unsigned long end)
{
	struct kt_range *range = kt_blockable(test, mm, start, end);

	KUNIT_ASSERT_EQ(test, kt_start(range), 0);
	return range;
}

struct kt_range *kt_accept(struct kunit *test, struct mm_struct *mm,
			   unsigned long start, unsigned long end)
{
	struct kt_range *range = kt_nonblock(test, mm, start, end);

	down_read_non_owner(&mm->mmap_lock);
	range->in_flight = true;
	KUNIT_ASSERT_EQ(test, mmun_kunit_accept(&range->kernel), 0);
	return range;
}

void kt_refuse_behind(struct kt_range *range)
{
	range->in_flight = false;
	up_read_non_owner(&range->kernel.mm->mmap_lock);
}

struct kt_many *kt_fill_slots(struct kunit *test, struct mm_struct *mm,
			      struct mmun_subscriptions *subs,
			      unsigned long start, unsigned int overflow)
{
	struct kt_many *many = kt_new(test, sizeof(*many));
	unsigned int i;

	many->slots = kt_state(subs).slots;
	many->nr = many->slots + overflow;
	KUNIT_ASSERT_LE(test, many->nr, (unsigned int)ARRAY_SIZE(many->range));
	mmun_kunit_no_records = true;
	for (i = 0; i < many->nr; i++)
		many->range[i] = kt_begin(test, mm, start + i * PAGE_SIZE,
					  start + (i + 1) * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, kt_state(subs).overflow, overflow);
	return many;
}

void kt_end_slots(struct kt_many *many)
{
	unsigned int i;

	for (i = 0; i < many->slots; i++)
		kt_end(many->range[i]);
}

void kt_end_many(struct kt_many *many)
{
	unsigned int i;

	for (i = 0; i < many->nr; i++)
		kt_end(many->range[i]);
}

/* --- the state of a mm --- */

struct mmun_kunit_state kt_state_of(struct mmun_subscriptions *subs)
{
	struct mmun_kunit_state state;

	mmun_kunit_look(subs, &state);
	return state;
}

void kt_expect_quiet_of(struct kunit *test, struct mmun_subscriptions *subs)
{
	struct mmun_kunit_state state;

	/* A leaver or a worker may still be on its way out. */
	KT_ASSERT_UNTIL(test, !kt_state(subs).busy);
	state = kt_state(subs);
	KUNIT_EXPECT_EQ(test, state.active, 0U);
	KUNIT_EXPECT_EQ(test, state.provisional, 0U);
	KUNIT_EXPECT_EQ(test, state.overflow, 0U);
	KUNIT_EXPECT_EQ(test, state.invalidating, 0U);
	KUNIT_EXPECT_EQ(test, state.waiters, 0U);
}
