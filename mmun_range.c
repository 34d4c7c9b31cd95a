// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of the ranges in flight.
 *
 * A mm has many ranges in flight at once: nested in one task, and in parallel
 * in several. Each takes a slot from its start to its end. It is found again by
 * its key (the address of the kernel's range object, which is the same at both).
 * The table answers every question about the present:
 *
 * - Which subscriber is owed an end? A list subscriber has one word with the bit of
 *   each slot whose start it accepted. It is owed the end while the bit is set. So
 *   it can be linked at any moment, with ranges in flight.
 * - When may a new subscriber use what it reads? When no range that is older
 *   than its joining is in flight, because it was not called for those. Ranges have
 *   numbers, so a registration waits for the older ones only. Younger ones call it,
 *   so a process that raises ranges without end cannot make it wait for ever.
 * - Is an interval being invalidated? If a range of the table overlaps it. No
 *   interval is marked, so none must be unmarked: a range that ends or is refused
 *   leaves the table, and with it goes the mark.
 *
 * A range that may not block is provisional until the bridge confirms it: another
 * notifier behind the bridge may still refuse it, and then neither a confirmation nor
 * an end comes. Readers of an interval collide with a provisional range but do
 * not wait for it. One that turns out to be an orphan is settled: its slot is freed,
 * and the subscribers that accepted its start get their end.
 *
 * Records. There are as many slots as a mask has bits, or fewer. A range that finds
 * all of them busy and may block gets a record, which is allocated. It has what a
 * slot has, and in place of a bit in each subscriber an array of the subscribers that
 * are owed the end. So a thousand tasks in slow invalidations delay only the tasks
 * whose pages they invalidate.
 *
 * Overflow. Without memory for a record the range only adds to overflow. While that
 * is not zero every interval counts as being invalidated, and no list subscriber
 * joins (it waits, until a fatal signal), so that all of those present were called
 * for all starts of the overflow: a plain count in each subscriber is then enough to
 * pair them. For the same reason a start that fails in an overflow range, which is a
 * mistake of its driver, gets its end.
 *
 * Slots. busy is a slot that is taken, active one whose range is in flight. It
 * stays busy after that while its ends are being delivered (ending), and while a
 * subscriber that left is still to be given its end (pins).
 */

#include <linux/kernel.h>

#include "mmun_range.h"

void mmun_ranges_init(struct mmun_ranges *ranges, struct mmun_slot *slots,
		      unsigned int nr_slots)
{
	unsigned int slot;

	ranges->slots = slots;
	ranges->nr_slots = nr_slots;
	INIT_LIST_HEAD(&ranges->records);
	for (slot = 0; slot < nr_slots; slot++)
		INIT_LIST_HEAD(&slots[slot].sleepers);
	/* Slots beyond nr_slots are busy, so that ffz() never returns one. */
	if (nr_slots < BITS_PER_LONG)
		ranges->busy = ~0UL << nr_slots;
}

void mmun_ranges_pin(struct mmun_ranges *ranges, unsigned long mask)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask)
		ranges->slots[slot].pins++;
}

void mmun_ranges_unpin(struct mmun_ranges *ranges, unsigned long mask)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask) {
		ranges->slots[slot].pins--;
		if (!((ranges->active | ranges->ending) & BIT(slot)))
			mmun_ranges_free(ranges, slot);
	}
}

/*
 * A range of the slots in @mask, or with a record, that is not younger than number
 * @seq; NULL if there is none.
 */
struct mmun_slot *mmun_ranges_before(struct mmun_ranges *ranges, unsigned long mask,
				     unsigned long seq)
{
	struct mmun_record *record;
	unsigned int slot;

	mmun_for_each_slot(slot, mask)
		if ((long)(ranges->slots[slot].seq - seq) <= 0)
			return &ranges->slots[slot];
	list_for_each_entry(record, &ranges->records, node)
		if (record->state == MMUN_RECORD_ACTIVE &&
		    (long)(record->slot.seq - seq) <= 0)
			return &record->slot;
	return NULL;
}

static bool overlaps(const struct mmun_notifier_range *range, unsigned long first,
		     unsigned long last)
{
	return range->start < range->end && range->start <= last &&
	       mmun_range_last(range) >= first;
}

/*
 * A range of the slots in @mask, or with a record, that overlaps [@first, @last]
 * (bounds inclusive); NULL if there is none. The ranges in overflow are not in the
 * table: the caller looks after them.
 */
struct mmun_slot *mmun_ranges_overlap(struct mmun_ranges *ranges, unsigned long mask,
				      unsigned long first, unsigned long last)
{
	struct mmun_record *record;
	unsigned int slot;

	mmun_for_each_slot(slot, mask)
		if (overlaps(&ranges->slots[slot].range, first, last))
			return &ranges->slots[slot];
	list_for_each_entry(record, &ranges->records, node)
		if (record->state == MMUN_RECORD_ACTIVE &&
		    overlaps(&record->slot.range, first, last))
			return &record->slot;
	return NULL;
}

/* --- records --- */

void mmun_record_init(struct mmun_record *record, unsigned int room)
{
	record->slot.pins = 0;
	INIT_LIST_HEAD(&record->slot.sleepers);
	record->room = room;
	record->nr_owed = 0;
	record->nr_due = 0;
	record->began = 0;
}

/* The caller has filled in slot.range. */
void mmun_record_add(struct mmun_ranges *ranges, struct mmun_record *record,
		     const void *key, unsigned long seq)
{
	record->slot.key = key;
	record->slot.seq = seq;
	record->state = MMUN_RECORD_ACTIVE;
	/* Nested ranges end first: look there first. */
	list_add(&record->node, &ranges->records);
	mmun_ranges_count(ranges);
}

struct mmun_record *mmun_record_find(struct mmun_ranges *ranges, const void *key)
{
	struct mmun_record *record;

	list_for_each_entry(record, &ranges->records, node)
		if (record->state == MMUN_RECORD_ACTIVE && record->slot.key == key)
			return record;
	return NULL;
}

/* As mmun_ranges_end(). The record stays linked while its ends are delivered. */
void mmun_record_end(struct mmun_ranges *ranges, struct mmun_record *record)
{
	record->state = MMUN_RECORD_ENDING;
	mmun_ranges_uncount(ranges, 1);
}

void mmun_record_owe(struct mmun_record *record, struct mmun_notifier *mn)
{
	record->owed[record->nr_owed++] = mn;
	record->nr_due++;
}

/* Is @mn owed the end? From now on it is not. */
bool mmun_record_take(struct mmun_record *record, struct mmun_notifier *mn)
{
	unsigned int i;

	for (i = 0; i < record->nr_owed; i++) {
		if (record->owed[i] != mn)
			continue;
		record->owed[i] = NULL;
		record->nr_due--;
		return true;
	}
	return false;
}

/* A record that owes @mn its end. The caller takes it and pins the slot. */
struct mmun_record *mmun_record_owing(struct mmun_ranges *ranges,
				      struct mmun_notifier *mn)
{
	struct mmun_record *record;

	list_for_each_entry(record, &ranges->records, node)
		if (mmun_record_take(record, mn))
			return record;
	return NULL;
}

/*
 * True if nothing needs the record any more: the caller frees it, without the lock. A
 * leaver that is still owed the end comes for it, and unpins the record then.
 */
bool mmun_record_unlink(struct mmun_record *record)
{
	if (record->state != MMUN_RECORD_OVER || record->slot.pins || record->nr_due)
		return false;
	list_del(&record->node);
	return true;
}

/* One reader of the record less. Returns as mmun_record_unlink(). */
bool mmun_record_unpin(struct mmun_record *record)
{
	record->slot.pins--;
	return mmun_record_unlink(record);
}
