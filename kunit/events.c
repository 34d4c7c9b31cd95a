// SPDX-License-Identifier: GPL-2.0-only
/* Suite mmun_events: the events that the kernel raises arrive. */

#include <linux/mm.h>

#include "real.h"

/*
 * A real munmap arrives with its start and its end, as an UNMAP that may block
 * and covers the pages.
 */
static void munmap_start_and_end_arrive(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(4));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(1), PAGES(2)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at + PAGES(1),
				       PAGES(2)));
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at + PAGES(1),
				       PAGES(2)));
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_EQ(test, sub->last_end.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_TRUE(test,
			  mmun_notifier_range_blockable(&sub->last_start));
	KUNIT_EXPECT_TRUE(test, mmun_notifier_range_blockable(&sub->last_end));
	KUNIT_EXPECT_PTR_EQ(test, sub->last_start.mm, mm);
	KUNIT_EXPECT_PTR_EQ(test, sub->last_end.mm, mm);
}

/*
 * An interval is called for the real munmap of a page of its own, not of a
 * neighbour.
 */
static void interval_is_called_for_munmap_of_its_page(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(5));
	struct kt_interval *interval = kt_insert(test, mm, at + PAGES(2),
						 PAGES(1));

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(2)), 0);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(3), PAGES(2)), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 0);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(2), PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, interval->last.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_TRUE(test, covers(&interval->last, at + PAGES(2),
				       PAGES(1)));
}

/* A copy-on-write fault reaches both kinds, as a CLEAR of that page. */
static void copy_on_write_arrives(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = map_zero_pages(test, mm, PAGES(3));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at + PAGES(1),
						 PAGES(1));
	struct kt_interval *other = kt_insert(test, mm, at + PAGES(2),
					      PAGES(1));

	KUNIT_ASSERT_EQ(test, poke(mm, at + PAGES(1), 7), 0);
	KUNIT_EXPECT_GE(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_CLEAR);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at + PAGES(1),
				       PAGES(1)));
	KUNIT_EXPECT_GE(test, kt_invalidates(interval), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(other), 0);
	expect_paired(test, sub);
}

/* A mapping that replaces another by MAP_FIXED arrives as an UNMAP of that. */
static void replaced_mapping_arrives(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));

	KUNIT_ASSERT_EQ(test, map_over(mm, at, PAGES(2)), at);
	KUNIT_EXPECT_GE(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_UNMAP);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(2)));
	KUNIT_EXPECT_GE(test, kt_invalidates(interval), 1);
	expect_paired(test, sub);
}

/* A file that is cut off reaches each mm that maps it, and no other. */
static void cut_off_file_arrives_where_mapped(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test), *mm2 = kt_mm(test);
	struct mm_struct *bystander = kt_mm(test);
	struct file *file = new_file(test, PAGES(2));
	unsigned long at = map_file(test, mm, file, PAGES(2));
	unsigned long at2 = map_file(test, mm2, file, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub2 = kt_register(test, mm2, &kt_range_ops);
	struct kt_sub *sub3 = kt_register(test, bystander, &kt_range_ops);

	cut_off(file);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(sub2), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(sub3), 0);
	KUNIT_EXPECT_EQ(test, sub->last_start.event, MMUN_NOTIFY_CLEAR);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(2)));
	KUNIT_EXPECT_TRUE(test, covers(&sub2->last_start, at2, PAGES(2)));
	expect_paired(test, sub);
	expect_paired(test, sub2);
}

/* The process that loaded the module is a mm as any other. */
static void events_of_loader_arrive(struct kunit *test)
{
	struct mm_struct *mm = kt_loader_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(2));

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(2)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(2)));
	KUNIT_EXPECT_EQ(test, kt_invalidates(interval), 1);
	expect_paired(test, sub);
}

struct own_act {
	struct kt_sub *sub;
	unsigned long start, length;
};

static int do_all_by_itself(void *arg)
{
	struct own_act *act = arg;
	int ret;

	ret = kt_try_register(act->sub, current->mm);
	if (ret)
		return ret;
	ret = vm_munmap(act->start, act->length);
	kt_unregister(act->sub);
	return ret;
}

/* A task that subscribes to its own mm is called for its own munmap. */
static void task_gets_events_of_its_own_mm(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct own_act *act = kt_new(test, sizeof(*act));

	act->start = kt_mmap(test, mm, PAGES(1));
	act->length = PAGES(1);
	act->sub = kt_sub(test, &kt_range_ops);
	KUNIT_ASSERT_EQ(test, kt_join(test, kt_run_mm(test, mm, do_all_by_itself, act)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(act->sub), 1);
	KUNIT_EXPECT_EQ(test, kt_releases(act->sub), 1);
	expect_paired(test, act->sub);
}

/*
 * Two tasks' ranges at once, and a third of the same mm: each has its own
 * end.
 */
static void ranges_of_tasks_end_separately(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	struct file *file2 = new_file(test, PAGES(2));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	unsigned long at2 = map_file(test, mm, file2, PAGES(2));
	unsigned long at3 = kt_mmap(test, mm, PAGES(3));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *first, *second, *third;

	first = cut_off_to_gate(test, &sub->start, file);

	second = cut_off_beside(test, file2);
	kt_join(test, second);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at2, PAGES(2)));

	third = munmap_beside(test, mm, at3, PAGES(3));
	KUNIT_EXPECT_EQ(test, kt_join(test, third), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at3, PAGES(3)));

	KUNIT_EXPECT_TRUE(test, kt_running(first));
	kt_gate_open(&sub->start);
	kt_join(test, first);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 3);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 3);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_end, at, PAGES(1)));
}

/* A munmap's start comes while the page is there, its end when it has gone. */
static void munmap_start_precedes_and_end_follows(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	kt_gate_close(&sub->start);
	kt_gate_close(&sub->end);
	task = munmap_beside(test, mm, at, PAGES(1));
	kt_gate_wait(test, &sub->start);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	KUNIT_EXPECT_TRUE(test, mapped(mm, at));
	kt_gate_open(&sub->start);
	kt_gate_wait(test, &sub->end);
	KUNIT_EXPECT_FALSE(test, mapped(mm, at));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&sub->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at), GONE);
}

/* An interval, too, is called while the page is there. */
static void interval_is_called_before_unmapping(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct kt_actor *task;

	task = munmap_to_gate(test, &interval->gate, mm, at, PAGES(1));
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	kt_gate_open(&interval->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at), GONE);
}

/* A copy-on-write's start comes before the new page, its end after it. */
static void copy_on_write_start_precedes_and_end_follows(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = map_zero_pages(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	kt_gate_close(&sub->start);
	kt_gate_close(&sub->end);
	task = poke_beside(test, mm, at + PAGES(1));
	kt_gate_wait(test, &sub->start);
	/* The zero page is not one that mapped() finds. */
	KUNIT_EXPECT_EQ(test, peek(mm, at + PAGES(1)), 0);
	KUNIT_EXPECT_FALSE(test, mapped(mm, at + PAGES(1)));
	kt_gate_open(&sub->start);
	kt_gate_wait(test, &sub->end);
	KUNIT_EXPECT_TRUE(test, mapped(mm, at + PAGES(1)));
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&sub->end);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at + PAGES(1)), 7);
	expect_paired(test, sub);
}

/* A replaced mapping's start comes while the old page is there. */
static void replacement_start_precedes_unmapping(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	task = map_over_to_gate(test, &sub->start, mm, at, PAGES(1));
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	kt_gate_open(&sub->start);
	KUNIT_EXPECT_EQ(test, kt_join(test, task), 0);
	KUNIT_EXPECT_EQ(test, peek(mm, at), GONE);
	expect_paired(test, sub);
}

/* The release comes while the pages are there; then the mm is closed. */
static void release_precedes_freeing(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &sub->release, mm, KT_EXIT, NULL);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	KUNIT_EXPECT_FALSE(test, kt_state(sub).closed);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&sub->release);
	kt_join(test, task);

	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_TRUE(test, kt_state(sub).closed);
	KUNIT_EXPECT_EQ(test, kt_state(sub).busy, 0);
}

/* A range of another task that comes while a release runs still arrives. */
static void range_during_release_arrives(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &sub->release, mm, KT_EXIT, NULL);
	kt_join(test, cut_off_beside(test, file));
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_TRUE(test, covers(&sub->last_start, at, PAGES(1)));
	kt_gate_open(&sub->release);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	expect_paired(test, sub);
}

/* The flush of the TLBs after a munmap reaches who subscribed to it. */
static void tlb_flush_reaches_subscribers(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *tlb = kt_register(test, mm, &kt_tlb_ops);
	struct kt_sub *all = kt_register(test, mm, &kt_ops);

	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(2)), 0);
	KUNIT_EXPECT_GE(test, atomic_read(&tlb->tlb_flushes), 1);
	KUNIT_EXPECT_GE(test, atomic_read(&all->tlb_flushes), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(all), 1);
	expect_paired(test, all);
}

/* Each of the kernel's events has its own here; an unknown one is a CLEAR. */
static void events_are_translated(struct kunit *test)
{
	static const struct {
		enum mmu_notifier_event kernel;
		enum mmun_notifier_event event;
	} names[] = {
		{ MMU_NOTIFY_UNMAP, MMUN_NOTIFY_UNMAP },
		{ MMU_NOTIFY_CLEAR, MMUN_NOTIFY_CLEAR },
		{ MMU_NOTIFY_PROTECTION_VMA, MMUN_NOTIFY_PROTECTION_VMA },
		{ MMU_NOTIFY_PROTECTION_PAGE, MMUN_NOTIFY_PROTECTION_PAGE },
		{ MMU_NOTIFY_SOFT_DIRTY, MMUN_NOTIFY_SOFT_DIRTY },
		{ MMU_NOTIFY_MIGRATE, MMUN_NOTIFY_MIGRATE },
		{ MMU_NOTIFY_EXCLUSIVE, MMUN_NOTIFY_EXCLUSIVE },
		{ (enum mmu_notifier_event)99, MMUN_NOTIFY_CLEAR },
	};
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		range = kt_range(test, mm, PAGES(1), PAGES(2), true,
				 MMUN_NOTIFY_CLEAR);
		range->kernel.event = names[i].kernel;
		range->kernel.owner = range;
		kt_start(range);
		KUNIT_EXPECT_EQ(test, sub->last_start.event, names[i].event);
		KUNIT_EXPECT_PTR_EQ(test, sub->last_start.owner, (void *)range);
		kt_end(range);
		KUNIT_EXPECT_EQ(test, sub->last_end.event, names[i].event);
	}
}

/* --- the other promises about ranges, with real ones --- */

/* A read section collides with a real munmap, and with nothing else. */
static void read_collides_with_overlapping_munmap_only(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(4));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	unsigned long seq;

	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at + PAGES(1), PAGES(3)), 0);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_TRUE(test, kt_retry(interval, seq));
	seq = mmun_interval_read_begin(&interval->mni);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, seq));
}

/* A reader sleeps while a real range that overlaps is in flight, no longer. */
static void reader_waits_for_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(2));
	unsigned long at = map_file(test, mm, file, PAGES(2));
	unsigned long elsewhere = kt_mmap(test, mm, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(2));
	struct kt_interval *other = kt_insert(test, mm, elsewhere, PAGES(1));
	struct kt_actor *range, *reader;

	range = cut_off_to_gate(test, &peer->gate, file);

	reader = kt_do(test, NULL, KT_READ_BEGIN, interval);
	kt_assert_waits(test, interval->mni.priv.subs, reader, 1);
	KUNIT_EXPECT_FALSE(test, kt_read_collides(test, other));
	KUNIT_EXPECT_TRUE(test, kt_running(reader));
	KUNIT_EXPECT_EQ(test, kt_waiters(interval->mni.priv.subs), 1);

	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(interval, reader->seq));
}

/*
 * Insert and remove come back though a real range that overlaps is in
 * flight.
 */
static void insert_and_remove_return_in_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_interval *old = kt_insert(test, mm, at, PAGES(1));
	struct kt_interval *new = kt_interval(test);
	struct kt_actor *range, *reader;

	range = cut_off_to_gate(test, &peer->gate, file);
	KUNIT_EXPECT_EQ(test, kt_invalidates(old), 1);

	kt_insert_now(test, mm, new, at, PAGES(1));
	kt_remove_now(test, old);
	reader = kt_do(test, NULL, KT_READ_BEGIN, new);
	kt_assert_waits(test, new->mni.priv.subs, reader, 1);

	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, reader);
	KUNIT_EXPECT_FALSE(test, kt_retry(new, reader->seq));
	KUNIT_EXPECT_EQ(test, kt_invalidates(old), 1);
	KUNIT_EXPECT_EQ(test, kt_invalidates(new), 0);
	cut_off(file);
	KUNIT_EXPECT_TRUE(test, kt_retry(new, reader->seq));
}

/* Unregister waits for a start that a real range has called, and pairs it. */
static void unregister_waits_for_start_of_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *stays = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *range, *leaver;

	range = munmap_to_gate(test, &sub->start, mm, at, PAGES(1));
	leaver = kt_do(test, NULL, KT_UNREGISTER, sub);
	kt_assert_waits(test, stays->mn.priv.subs, leaver, 1);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	kt_gate_open(&sub->start);
	kt_join(test, leaver);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->inside), 0);
	KUNIT_EXPECT_EQ(test, kt_join(test, range), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(stays), 1);
}

/* A leaver gets the end of a real range in flight when it leaves, and once. */
static void leaver_gets_end_of_real_range_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *stays = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_actor *range;

	range = cut_off_to_gate(test, &peer->gate, file);
	KUNIT_EXPECT_EQ(test, atomic_read(&sub->accepted), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	kt_do_now(test, NULL, KT_UNREGISTER, sub);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(stays), 0);
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(stays), 1);
}

/* A register waits for a real range in flight, and is not called for it. */
static void register_waits_for_real_range(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *first = kt_register(test, mm, &kt_range_ops);
	struct kt_sub *second = kt_sub(test, &kt_range_ops);
	struct kt_actor *range, *joiner;

	range = cut_off_to_gate(test, &peer->gate, file);
	joiner = kt_do(test, mm, KT_REGISTER, second);
	kt_assert_waits(test, first->mn.priv.subs, joiner, 1);
	kt_gate_open(&peer->gate);
	KUNIT_EXPECT_EQ(test, kt_join(test, joiner), 0);
	kt_join(test, range);
	KUNIT_EXPECT_EQ(test, kt_ends(first), 1);
	KUNIT_EXPECT_EQ(test, kt_starts(second), 0);
	KUNIT_EXPECT_EQ(test, kt_ends(second), 0);
	cut_off(file);
	KUNIT_EXPECT_EQ(test, kt_starts(second), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(second), 1);
}

/* A range of the hook's and a real one at the same time have their own ends. */
static void simulated_and_real_range_end_separately(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(2));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_range(test, mm, at, at + PAGES(2), true,
					  MMUN_NOTIFY_SOFT_DIRTY);

	kt_start(range);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 2);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, sub->last_end.event, MMUN_NOTIFY_UNMAP);
	kt_end(range);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 2);
	KUNIT_EXPECT_EQ(test, sub->last_end.event, MMUN_NOTIFY_SOFT_DIRTY);
}

/* An end without a start reaches no subscriber, and the next range does. */
static void end_without_start_reaches_no_subscriber(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_range *range = kt_range(test, mm, at, at + PAGES(1), true,
					  MMUN_NOTIFY_CLEAR);

	mmun_kunit_end(&range->kernel);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 0);
	KUNIT_EXPECT_EQ(test, kt_state(sub).overflow, 0);
	KUNIT_ASSERT_EQ(test, kt_munmap(mm, at, PAGES(1)), 0);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
}

/* At a real exit each interval gets one RELEASE, and no other event. */
static void each_interval_is_released_once(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *mapped = kt_insert(test, mm, at, PAGES(1));
	struct kt_interval *nowhere = kt_insert(test, mm, 0, PAGES(1));
	struct kt_interval *all = kt_insert(test, mm, 0, ULONG_MAX);
	struct kt_interval *left = kt_insert(test, mm, at, PAGES(1));

	kt_remove(left);
	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KUNIT_EXPECT_EQ(test, atomic_read(&mapped->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&nowhere->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->releases), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&left->releases), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(mapped), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(nowhere), 0);
	KUNIT_EXPECT_EQ(test, kt_invalidates(all), 0);
}

/*
 * An interval's RELEASE runs while the pages are there, and exit waits for
 * it.
 */
static void interval_release_precedes_freeing(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct kt_actor *task;

	kt_mm_kill(test, mm);
	task = kt_do_to_gate(test, &interval->gate, mm, KT_EXIT, NULL);
	KUNIT_EXPECT_EQ(test, peek(mm, at), 1);
	KUNIT_EXPECT_TRUE(test, kt_running(task));
	kt_gate_open(&interval->gate);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/*
 * At an exit with another task's range in flight, release comes and then the
 * end.
 */
static void exit_ends_real_range_of_other_task(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct file *file = new_file(test, PAGES(1));
	unsigned long at = map_file(test, mm, file, PAGES(1));
	struct peer_interval *peer = peer_insert(test, mm, at, PAGES(1));
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);
	struct kt_interval *interval = kt_insert(test, mm, at, PAGES(1));
	struct kt_actor *range, *task;

	range = cut_off_to_gate(test, &peer->gate, file);
	kt_mm_kill(test, mm);
	task = kt_do(test, mm, KT_EXIT, NULL);
	KT_ASSERT_UNTIL(test, kt_state(sub).closed);
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
	KUNIT_EXPECT_EQ(test, kt_state(sub).active, 0);
	/* Nothing may wait for the range, though its end is to come. */
	mmun_interval_read_begin(&interval->mni);
	kt_remove_now(test, interval);
	kt_do_now(test, NULL, KT_UNREGISTER, sub);
	KUNIT_EXPECT_TRUE(test, kt_running(range));
	kt_gate_open(&peer->gate);
	kt_join(test, range);
	kt_join(test, task);
	KUNIT_EXPECT_EQ(test, kt_starts(sub), 1);
	KUNIT_EXPECT_EQ(test, kt_ends(sub), 1);
}

/* After a real exit all kinds leave, in another order than they came. */
static void all_kinds_leave_after_exit(struct kunit *test)
{
	struct mm_struct *mm = kt_mm(test);
	struct kt_sub *all = kt_register(test, mm, &kt_ops);
	struct kt_sub *got = kt_get(test, mm, &kt_get_ops);
	struct kt_interval *interval = kt_insert(test, mm, 0, ULONG_MAX);
	struct kt_sub *sub = kt_register(test, mm, &kt_range_ops);

	kt_mm_kill(test, mm);
	kt_mm_exit(test, mm);
	KT_ASSERT_UNTIL(test, !mmun_kunit_attached());
	kt_do_now(test, NULL, KT_UNREGISTER, sub);
	kt_put(got);
	kt_remove_now(test, interval);
	kt_do_now(test, NULL, KT_UNREGISTER, all);
	mmun_notifier_synchronize();
	KUNIT_EXPECT_EQ(test, kt_releases(sub), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&all->releases), 1);
	KUNIT_EXPECT_EQ(test, kt_releases(got), 1);
	KUNIT_EXPECT_EQ(test, kt_frees(got), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&interval->releases), 1);
}

/* How many of lockdep's maps did the callbacks hold? */
struct under {
	struct mmun_notifier mn;
	struct mmun_interval_notifier interval;
	int start, end, invalidate;
};

/* How many of the two maps, mmun's and the kernel's, does this task hold? */
static int maps_held(void)
{
	int held = 0;
#ifdef CONFIG_LOCKDEP
	const char *name;
	int i;

	for (i = 0; i < current->lockdep_depth; i++) {
		name = current->held_locks[i].instance->name;
		held += !strcmp(name, "mmun_notifier_invalidate_range_start") ||
			!strcmp(name, "mmu_notifier_invalidate_range_start");
	}
#endif
	return held;
}

static int under_start(struct mmun_notifier *mn, const struct mmun_notifier_range *range)
{
	container_of(mn, struct under, mn)->start = maps_held();
	return 0;
}

static void under_end(struct mmun_notifier *mn, const struct mmun_notifier_range *range)
{
	container_of(mn, struct under, mn)->end = maps_held();
}

static bool under_invalidate(struct mmun_interval_notifier *interval,
			     const struct mmun_notifier_range *range, unsigned long seq)
{
	mmun_interval_set_seq(interval, seq);
	container_of(interval, struct under, interval)->invalidate = maps_held();
	return true;
}

static const struct mmun_notifier_ops under_ops = {
	.invalidate_range_start = under_start,
	.invalidate_range_end = under_end,
};

static const struct mmun_interval_notifier_ops under_interval_ops = {
	.invalidate = under_invalidate,
};

/* The callbacks of a range hold lockdep's maps, mmun's and the kernel's. */
static void callbacks_of_range_hold_lockdeps_maps(struct kunit *test)
{
	struct under *under = kunit_kzalloc(test, sizeof(*under), GFP_KERNEL);
	struct mm_struct *mm = kt_mm(test);
	unsigned long at = kt_mmap(test, mm, PAGES(1));
	int ret;

	if (!IS_ENABLED(CONFIG_LOCKDEP))
		kunit_skip(test, "the kernel has no lockdep");
	KUNIT_ASSERT_NOT_NULL(test, under);
	under->mn.ops = &under_ops;
	KUNIT_ASSERT_EQ(test, mmun_notifier_register(&under->mn, mm), 0);
	ret = mmun_interval_notifier_insert(&under->interval, mm, at, PAGES(1),
					    &under_interval_ops);
	if (!ret) {
		ret = kt_munmap(mm, at, PAGES(1));
		mmun_interval_notifier_remove(&under->interval);
	}
	mmun_notifier_unregister(&under->mn, mm);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, under->start, 2);
	KUNIT_EXPECT_EQ(test, under->end, 2);
	KUNIT_EXPECT_EQ(test, under->invalidate, 2);
}

static struct kunit_case cases[] = {
	KT_CASE(12, munmap_start_and_end_arrive),
	KT_CASE(12, interval_is_called_for_munmap_of_its_page),
	KT_CASE(12, copy_on_write_arrives),
	KT_CASE(12, replaced_mapping_arrives),
	KT_CASE(12, cut_off_file_arrives_where_mapped),
	KT_CASE(12, events_of_loader_arrive),
	KT_CASE(12, task_gets_events_of_its_own_mm),
	KT_CASE(12, ranges_of_tasks_end_separately),
	KT_CASE(12, munmap_start_precedes_and_end_follows),
	KT_CASE(12, interval_is_called_before_unmapping),
	KT_CASE(12, copy_on_write_start_precedes_and_end_follows),
	KT_CASE(12, replacement_start_precedes_unmapping),
	KT_CASE(12, release_precedes_freeing),
	KT_CASE(12, range_during_release_arrives),
	KT_CASE(12, tlb_flush_reaches_subscribers),
	KT_CASE(12, events_are_translated),
	KT_CASE(11, callbacks_of_range_hold_lockdeps_maps),
	KT_CASE(13, read_collides_with_overlapping_munmap_only),
	KT_CASE(14, reader_waits_for_real_range),
	KT_CASE(15, insert_and_remove_return_in_real_range),
	KT_CASE(03, unregister_waits_for_start_of_real_range),
	KT_CASE(09, leaver_gets_end_of_real_range_once),
	KT_CASE(09, register_waits_for_real_range),
	KT_CASE(09, simulated_and_real_range_end_separately),
	KT_CASE(09, end_without_start_reaches_no_subscriber),
	KT_CASE(18, each_interval_is_released_once),
	KT_CASE(18, interval_release_precedes_freeing),
	KT_CASE(08, exit_ends_real_range_of_other_task),
	KT_CASE(08, all_kinds_leave_after_exit),
	{}
};

struct kunit_suite mmun_events_suite = {
	.name = "mmun_events",
	.init = real_init,
	.exit = real_exit,
	.test_cases = cases,
};
