// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_dropin: a driver in the kernel's names, every one of them, which
 * its last include moves to mmun.
 */

#include <linux/slab.h>

#include "mmun_kunit.h"

#include <linux/mmun_dropin.h>

#define SAME(theirs, ours)						\
	static_assert(__same_type(theirs, ours), #theirs " is " #ours)

SAME(struct mmu_notifier, struct mmun_notifier);
SAME(struct mmu_notifier_ops, struct mmun_notifier_ops);
SAME(struct mmu_notifier_range, struct mmun_notifier_range);
SAME(enum mmu_notifier_event, enum mmun_notifier_event);
SAME(struct mmu_interval_notifier, struct mmun_interval_notifier);
SAME(struct mmu_interval_notifier_ops, struct mmun_interval_notifier_ops);
SAME(struct mmu_interval_notifier_finish, struct mmun_interval_notifier_finish);
SAME(struct hmm_range, struct mmun_hmm_range);

static_assert(MMU_NOTIFY_UNMAP == MMUN_NOTIFY_UNMAP);
static_assert(MMU_NOTIFY_CLEAR == MMUN_NOTIFY_CLEAR);
static_assert(MMU_NOTIFY_PROTECTION_VMA == MMUN_NOTIFY_PROTECTION_VMA);
static_assert(MMU_NOTIFY_PROTECTION_PAGE == MMUN_NOTIFY_PROTECTION_PAGE);
static_assert(MMU_NOTIFY_SOFT_DIRTY == MMUN_NOTIFY_SOFT_DIRTY);
static_assert(MMU_NOTIFY_RELEASE == MMUN_NOTIFY_RELEASE);
static_assert(MMU_NOTIFY_MIGRATE == MMUN_NOTIFY_MIGRATE);
static_assert(MMU_NOTIFY_EXCLUSIVE == MMUN_NOTIFY_EXCLUSIVE);

struct driver {
	struct mmu_notifier mn;
	struct mmu_interval_notifier mni;
	struct mmu_interval_notifier_finish finish;
	struct rcu_head rcu;
	raw_spinlock_t lock;		/* for the sequence of mni */
	unsigned int starts, ends, releases, firsts, seconds, wrong;
	atomic_t frees, called;
};

static struct driver *made;		/* the next alloc_notifier returns it */

static void driver_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	container_of(mn, struct driver, mn)->releases++;
}

static int driver_start(struct mmu_notifier *mn,
			const struct mmu_notifier_range *range)
{
	struct driver *driver = container_of(mn, struct driver, mn);

	driver->starts++;
	driver->wrong += !mmu_notifier_range_blockable(range) ||
			 range->flags != MMU_NOTIFIER_RANGE_BLOCKABLE ||
			 range->event != MMU_NOTIFY_UNMAP;
	return 0;
}

static void driver_end(struct mmu_notifier *mn,
		       const struct mmu_notifier_range *range)
{
	container_of(mn, struct driver, mn)->ends++;
}

static struct mmu_notifier *driver_alloc(struct mm_struct *mm)
{
	return &made->mn;
}

static void driver_free(struct mmu_notifier *mn)
{
	atomic_inc(&container_of(mn, struct driver, mn)->frees);
}

static const struct mmu_notifier_ops driver_ops = {
	.release = driver_release,
	.invalidate_range_start = driver_start,
	.invalidate_range_end = driver_end,
	.alloc_notifier = driver_alloc,
	.free_notifier = driver_free,
};

static bool driver_first(struct mmu_interval_notifier *mni,
			 const struct mmu_notifier_range *range,
			 unsigned long cur_seq,
			 struct mmu_interval_notifier_finish **finish)
{
	struct driver *driver = container_of(mni, struct driver, mni);

	raw_spin_lock(&driver->lock);
	mmu_interval_set_seq(mni, cur_seq);
	raw_spin_unlock(&driver->lock);
	driver->firsts++;
	*finish = &driver->finish;
	return true;
}

static void driver_second(struct mmu_interval_notifier_finish *finish)
{
	struct driver *driver = container_of(finish, struct driver, finish);

	driver->wrong += finish->notifier != &driver->mni;
	driver->seconds++;
}

static const struct mmu_interval_notifier_ops driver_interval_ops = {
	.invalidate_start = driver_first,
	.invalidate_finish = driver_second,
};

static void driver_called(struct rcu_head *rcu)
{
	atomic_inc(&container_of(rcu, struct driver, rcu)->called);
}

static struct driver *new_driver(struct kunit *test)
{
	struct driver *driver = kt_new(test, sizeof(*driver));

	raw_spin_lock_init(&driver->lock);
	driver->mn.ops = &driver_ops;
	return driver;
}

/*
 * A driver in upstream names gets an unmap by list and by interval, and its
 * section collides.
 */
static void upstream_names_get_events_and_collide(struct kunit *test)
{
	struct driver *driver = new_driver(test);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGE_SIZE), seq;
	bool checked, retry;

	KUNIT_ASSERT_EQ(test, mmu_notifier_register(&driver->mn, mm), 0);
	KUNIT_EXPECT_TRUE(test, mm_has_notifiers(mm));
	KUNIT_EXPECT_EQ(test, mmu_interval_notifier_insert(&driver->mni, mm, at,
							   PAGE_SIZE,
							   &driver_interval_ops),
			0);
	seq = mmu_interval_read_begin(&driver->mni);
	KUNIT_EXPECT_EQ(test, kt_munmap(mm, at, PAGE_SIZE), 0);
	checked = mmu_interval_check_retry(&driver->mni, seq);
	raw_spin_lock(&driver->lock);
	retry = mmu_interval_read_retry(&driver->mni, seq);
	raw_spin_unlock(&driver->lock);
	KUNIT_EXPECT_TRUE(test, checked);
	KUNIT_EXPECT_TRUE(test, retry);
	mmu_interval_notifier_remove(&driver->mni);
	mmu_notifier_unregister(&driver->mn, mm);

	KUNIT_EXPECT_EQ(test, driver->starts, 1U);
	KUNIT_EXPECT_EQ(test, driver->ends, 1U);
	KUNIT_EXPECT_EQ(test, driver->releases, 1U);
	KUNIT_EXPECT_EQ(test, driver->firsts, 1U);
	KUNIT_EXPECT_EQ(test, driver->seconds, 1U);
	KUNIT_EXPECT_EQ(test, driver->wrong, 0U);
}

/*
 * The rest of the names: get and put, the locked variants, deferred
 * destruction.
 */
static void upstream_names_get_put_and_defer(struct kunit *test)
{
	struct driver *driver = new_driver(test);
	struct mm_struct *mm = kt_mm(test);
	struct mmu_notifier *mn, *mn2;
	int registered, inserted;

	made = driver;
	mn = mmu_notifier_get(&driver_ops, mm);
	KUNIT_ASSERT_PTR_EQ(test, mn, &driver->mn);
	mmap_write_lock(mm);
	mn2 = mmu_notifier_get_locked(&driver_ops, mm);
	inserted = mmu_interval_notifier_insert_locked(&driver->mni, mm, 0,
						       PAGE_SIZE,
						       &driver_interval_ops);
	mmap_write_unlock(mm);
	KUNIT_EXPECT_PTR_EQ(test, mn2, mn);
	KUNIT_EXPECT_EQ(test, inserted, 0);
	if (!inserted)
		mmu_interval_notifier_remove(&driver->mni);
	mmu_notifier_put(mn);
	mmu_notifier_put(mn2);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&driver->frees), 1);

	driver = new_driver(test);
	mmap_write_lock(mm);
	registered = __mmu_notifier_register(&driver->mn, mm);
	mmap_write_unlock(mm);
	KUNIT_ASSERT_EQ(test, registered, 0);
	mmu_notifier_unregister_no_release(&driver->mn, mm);
	mmu_notifier_call_srcu(&driver->rcu, driver_called);
	mmu_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, atomic_read(&driver->called), 1);
	KUNIT_EXPECT_EQ(test, driver->releases, 0U);
}

static struct kunit_case cases[] = {
	KT_CASE(00, upstream_names_get_events_and_collide),
	KT_CASE(00, upstream_names_get_put_and_defer),
	{}
};

struct kunit_suite mmun_dropin_suite = {
	.name = "mmun_dropin",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
