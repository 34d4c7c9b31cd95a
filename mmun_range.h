/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_RANGE_H
#define _MMUN_RANGE_H

/*
 * The table of the ranges of one mm that are in flight. The caller holds the lock of
 * the mm for every function here. The table calls nobody back, so it also compiles in
 * user space.
 */

#include <linux/bitops.h>
#include <linux/list.h>
#include <linux/mmun_notifier.h>

/* A range in flight; its callbacks are given range. */
struct mmun_slot {
	const void *key;		/* NULL: over, or an orphan */
	unsigned long seq;		/* the range's number */
	unsigned int pins;		/* leavers that still read range */
	unsigned long at;		/* how far its walk is: see "Progress" in mmun_walk.c */
	struct list_head sleepers;	/* tasks that wait for this range's end */
	struct mmun_notifier_range range;
};

enum mmun_record_state {
	MMUN_RECORD_ACTIVE,		/* its range is being invalidated */
	MMUN_RECORD_ENDING,		/* not any more, its ends are being delivered */
	MMUN_RECORD_OVER,
};

/* A range that found every slot busy. */
struct mmun_record {
	struct mmun_slot slot;
	struct list_head node;		/* in mmun_ranges.records */
	enum mmun_record_state state;
	unsigned int room;		/* how many owed has place for */
	unsigned int nr_owed;
	unsigned int nr_due;		/* of them, those that are still owed it */
	unsigned long long began;	/* in nanoseconds, for its trace event; or 0 */
	/* the list subscribers that are owed the end; NULL: has it, or left */
	struct mmun_notifier *owed[];
};

/* One bit for each slot in the four masks. */
struct mmun_ranges {
	unsigned long busy;		/* the slot is taken, or does not exist */
	unsigned long active;		/* its range is being invalidated */
	unsigned long provisional;	/* active, and may still be refused */
	unsigned long ending;		/* not active, its ends are being delivered */
	struct list_head records;
	unsigned int overflow;		/* active ranges without slot and record */
	/* all active ranges; read without the lock, see mmun_itree.c */
	unsigned int invalidating;
	unsigned int nr_slots;
	struct mmun_slot *slots;
};

#define MMUN_NO_SLOT	UINT_MAX

/*
 * The last byte of a range that is not empty. An exclusive end cannot say that
 * the very last byte is part of it, so ULONG_MAX is taken to say so.
 */
static inline unsigned long
mmun_range_last(const struct mmun_notifier_range *range)
{
	return range->end == ULONG_MAX ? ULONG_MAX : range->end - 1;
}

static inline bool mmun_take_bit(unsigned int *slot, unsigned long *mask)
{
	if (!*mask)
		return false;
	*slot = __ffs(*mask);
	*mask &= *mask - 1;
	return true;
}

/* The slots of a mask, which it uses up. */
#define mmun_for_each_slot(slot, mask) \
	for (; mmun_take_bit(&(slot), &(mask)); )

/* Which of the slots in @mask has this key? */
static __always_inline unsigned int
mmun_ranges_find(const struct mmun_ranges *ranges, unsigned long mask,
		 const void *key)
{
	unsigned int slot;

	mmun_for_each_slot(slot, mask)
		if (ranges->slots[slot].key == key)
			return slot;
	return MMUN_NO_SLOT;
}

/* One more range is being invalidated. */
static inline void mmun_ranges_count(struct mmun_ranges *ranges)
{
	/* [R1] in mmun_itree.c: the later release [R2] in mmun_interval_set_seq() orders it. */
	WRITE_ONCE(ranges->invalidating, ranges->invalidating + 1);
}

/* @n ranges are over. */
static inline void mmun_ranges_uncount(struct mmun_ranges *ranges, unsigned int n)
{
	/* [R7] pairs with [R4] in mmun_interval_read_begin(). */
	smp_store_release(&ranges->invalidating, ranges->invalidating - n);
}

/* A free slot for a new range, or MMUN_NO_SLOT. The caller fills in slots[].range. */
static __always_inline unsigned int
mmun_ranges_take(struct mmun_ranges *ranges, const void *key, unsigned long seq,
		 bool provisional)
{
	unsigned int slot;

	if (unlikely(ranges->busy == ULONG_MAX))
		return MMUN_NO_SLOT;
	slot = ffz(ranges->busy);
	ranges->busy |= BIT(slot);
	ranges->active |= BIT(slot);
	if (unlikely(provisional))
		ranges->provisional |= BIT(slot);
	ranges->slots[slot].key = key;
	ranges->slots[slot].seq = seq;
	mmun_ranges_count(ranges);
	return slot;
}

/*
 * The range in @slot is over for the intervals; list subscribers may still be owed
 * the end. The caller wakes the sleepers of the slot.
 */
static __always_inline void mmun_ranges_end(struct mmun_ranges *ranges, unsigned int slot)
{
	ranges->slots[slot].key = NULL;
	ranges->active &= ~BIT(slot);
	ranges->provisional &= ~BIT(slot);
	mmun_ranges_uncount(ranges, 1);
}

/* Every end is delivered. A leaver that still reads the slot frees it later. */
static __always_inline void mmun_ranges_free(struct mmun_ranges *ranges, unsigned int slot)
{
	if (!ranges->slots[slot].pins)
		ranges->busy &= ~BIT(slot);
}

void mmun_ranges_init(struct mmun_ranges *ranges, struct mmun_slot *slots,
		      unsigned int nr_slots);
void mmun_ranges_pin(struct mmun_ranges *ranges, unsigned long mask);
void mmun_ranges_unpin(struct mmun_ranges *ranges, unsigned long mask);
struct mmun_slot *mmun_ranges_before(struct mmun_ranges *ranges, unsigned long mask,
				     unsigned long seq);
struct mmun_slot *mmun_ranges_overlap(struct mmun_ranges *ranges, unsigned long mask,
				      unsigned long first, unsigned long last);

void mmun_record_init(struct mmun_record *record, unsigned int room);
void mmun_record_add(struct mmun_ranges *ranges, struct mmun_record *record,
		     const void *key, unsigned long seq);
struct mmun_record *mmun_record_find(struct mmun_ranges *ranges, const void *key);
void mmun_record_end(struct mmun_ranges *ranges, struct mmun_record *record);
void mmun_record_owe(struct mmun_record *record, struct mmun_notifier *mn);
bool mmun_record_take(struct mmun_record *record, struct mmun_notifier *mn);
struct mmun_record *mmun_record_owing(struct mmun_ranges *ranges,
				      struct mmun_notifier *mn);
bool mmun_record_unlink(struct mmun_record *record);
bool mmun_record_unpin(struct mmun_record *record);

#endif /* _MMUN_RANGE_H */
