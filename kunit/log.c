// SPDX-License-Identifier: GPL-2.0-only
/* The log of callbacks, in the order in which they came: see mmun_kunit.h. */

#include <linux/spinlock.h>

#include "kt_case.h"

struct entry {
	const void *object;
	enum kt_callback callback;
	struct mmun_notifier_range range;
	int non_block;
};

static struct entry entries[512];
static unsigned int nr, lost;
static DEFINE_RAW_SPINLOCK(lock);

static void log_call(const void *object, enum kt_callback callback,
		     const struct mmun_notifier_range *range)
{
	struct entry *entry;

	raw_spin_lock(&lock);
	if (nr < ARRAY_SIZE(entries)) {
		entry = &entries[nr++];
		entry->object = object;
		entry->callback = callback;
		entry->range = *range;
		entry->non_block = kt_non_block();
	} else {
		lost++;
	}
	raw_spin_unlock(&lock);
}

static void log_start(struct kt_sub *sub, const struct mmun_notifier_range *range)
{
	log_call(sub, CB_START, range);
}

void kt_log_end(struct kt_sub *sub, const struct mmun_notifier_range *range)
{
	log_call(sub, CB_END, range);
}

void kt_log_release(struct kt_sub *sub)
{
	const struct mmun_notifier_range none = {};

	log_call(sub, CB_RELEASE, &none);
}

struct kt_sub *kt_logged(struct kt_sub *sub)
{
	sub->on_start = log_start;
	sub->on_end = kt_log_end;
	sub->on_release = kt_log_release;
	return sub;
}

struct kt_sub *kt_register_logged(struct kunit *test, struct mm_struct *mm)
{
	return kt_logged(kt_register(test, mm, &kt_range_ops));
}

static bool log_invalidate(struct mmun_interval_notifier *mni,
			   const struct mmun_notifier_range *range,
			   unsigned long cur_seq)
{
	struct kt_interval *interval = container_of(mni, struct kt_interval,
						    mni);

	log_call(interval, CB_INVALIDATE, range);
	return kt_interval_ops.invalidate(mni, range, cur_seq);
}

static const struct mmun_interval_notifier_ops logged_interval_ops = {
	.invalidate = log_invalidate,
};

struct kt_interval *kt_insert_logged(struct kunit *test, struct mm_struct *mm,
				     unsigned long start, unsigned long end)
{
	struct kt_interval *interval = kt_interval(test);

	interval->ops = &logged_interval_ops;
	KUNIT_ASSERT_EQ(test, kt_try_insert(interval, mm, start, end - start), 0);
	return interval;
}

static bool matches(const struct entry *entry, const void *object,
		    enum kt_callback callback, const struct kt_range *range)
{
	return entry->object == object && entry->callback == callback &&
	       (!range || (entry->range.start == range->kernel.start &&
			   entry->range.end == range->kernel.end));
}

int kt_calls(const void *object, enum kt_callback callback,
	     const struct kt_range *range)
{
	unsigned int i;
	int n = 0;

	raw_spin_lock(&lock);
	for (i = 0; i < nr; i++)
		n += matches(&entries[i], object, callback, range);
	raw_spin_unlock(&lock);
	return n;
}

int kt_place(const void *object, enum kt_callback callback,
	     const struct kt_range *range)
{
	int i, at = -1;

	raw_spin_lock(&lock);
	for (i = 0; i < (int)nr && at < 0; i++)
		if (matches(&entries[i], object, callback, range))
			at = i;
	raw_spin_unlock(&lock);
	return at;
}

int kt_non_block_in(const void *object, enum kt_callback callback)
{
	int at = kt_place(object, callback, NULL);

	return at < 0 ? -1 : entries[at].non_block;
}

void kt_log_reset(void)
{
	nr = 0;
	lost = 0;
}

unsigned int kt_log_lost(void)
{
	return lost;
}
