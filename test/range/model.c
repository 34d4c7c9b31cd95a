// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of the ranges in flight (mmun_range.[ch]) in user space, with the kernel's
 * own tools/include, beside a naive model: each step does something random to both, and
 * every answer and every mask of the table must be the model's. scripts/range compiles it
 * with the sanitizers, and then with tables that it broke.
 *
 * model SEED STEPS: another run with the same two does the same.
 */
#include <kselftest.h>

#include <stdint.h>
#include <time.h>

#include "mmun_range.h"

#define SLOTS_MAX	((unsigned int)BITS_PER_LONG)
#define RECORDS		8
#define SUBSCRIBERS	6
#define KEYS		256
#define LEAVERS		8
#define EPOCH		20000	/* steps with a table of one size */

/* The subjects of the checks; each has a line of the output. */
enum { TAKE, FIND, MASKS, BEFORE, OVERLAP, PINS, RECORD, OWED, DRAINED, PROMISES };

static const char *const promises[PROMISES] = {
	[TAKE] = "take: a free slot, and none if each is taken",
	[FIND] = "find: the range in flight with this key, in a slot or a record",
	[MASKS] = "masks and count: as the model after each step",
	[BEFORE] = "before: a range that is not younger, also where numbers wrap",
	[OVERLAP] = "overlap: a range that shares a byte, also the last one of all",
	[PINS] = "pins: a slot stays taken for a leaver",
	[RECORD] = "records: in the table until nothing needs them",
	[OWED] = "owed: a subscriber takes each end once",
	[DRAINED] = "drained: an empty table is as it began",
};

static unsigned long checks[PROMISES];
static const char *broken;	/* the check that failed; the run ends with it */
static int broken_promise;

#define CHECK(promise, condition) do {					\
		checks[promise]++;					\
		if (!(condition) && !broken) {				\
			broken = #condition;				\
			broken_promise = promise;			\
		}							\
	} while (0)

/* The model. Of a range it keeps everything in the plainest form. */
struct model {
	bool active, provisional, ending;
	unsigned int pins;
	const void *key;
	unsigned long seq;
	u64 bytes;			/* one bit for each byte of the space below */
	struct mmun_record *record;	/* NULL: the range has a slot, or there is none */
	bool owed[SUBSCRIBERS];
};

static struct mmun_ranges table;
static struct mmun_slot slots[BITS_PER_LONG];
static unsigned int nr_slots, overflow;
static struct model in_slot[BITS_PER_LONG], in_record[RECORDS];
static char keys[KEYS];
static unsigned long leavers[LEAVERS];	/* the slots that each has pinned */
static unsigned long last_seq;
static unsigned long base;		/* of 64 bytes, where all ranges are */
/* The table does not look into a subscriber. */
static struct mmun_notifier subscribers[SUBSCRIBERS];

static unsigned short rnd[3];

static unsigned int pick(unsigned int n)
{
	return nrand48(rnd) % n;
}

static unsigned long random_mask(void)
{
	return (unsigned long)jrand48(rnd) << 32 | (uint32_t)jrand48(rnd);
}

/* A record stays while a subscriber that may leave is still owed the end. */
static bool is_owing(const struct model *m)
{
	unsigned int i;

	for (i = 0; m->record && i < SUBSCRIBERS; i++)
		if (m->owed[i])
			return true;
	return false;
}

static bool is_taken(const struct model *m)
{
	return m->active || m->ending || m->pins || is_owing(m);
}

/* The bytes of [start, end); an end of ULONG_MAX says that the last byte is in, too. */
static u64 bytes_of(unsigned long start, unsigned long end)
{
	u64 bytes = 0;
	unsigned int i;

	if (start >= end)
		return 0;
	for (i = 0; i < 64; i++)
		if (base + i >= start && (base + i < end || end == ULONG_MAX))
			bytes |= 1ull << i;
	return bytes;
}

static unsigned long mask_of(bool (*is)(const struct model *m))
{
	unsigned long mask = 0;
	unsigned int i;

	for (i = 0; i < nr_slots; i++)
		if (is(&in_slot[i]))
			mask |= 1ul << i;
	return mask;
}

static bool is_active(const struct model *m) { return m->active; }
static bool is_provisional(const struct model *m) { return m->provisional; }
static bool is_ending(const struct model *m) { return m->ending; }
static bool is_in_flight(const struct model *m) { return m->active || m->ending; }

static unsigned int count_active(void)
{
	unsigned int n = overflow, i;

	for (i = 0; i < nr_slots; i++)
		n += in_slot[i].active;
	for (i = 0; i < RECORDS; i++)
		n += in_record[i].record && in_record[i].active;
	return n;
}

static void compare(void)
{
	unsigned long outside = nr_slots < SLOTS_MAX ? ~0ul << nr_slots : 0;

	CHECK(MASKS, table.busy == (mask_of(is_taken) | outside));
	CHECK(MASKS, table.active == mask_of(is_active));
	CHECK(MASKS, table.provisional == mask_of(is_provisional));
	CHECK(MASKS, table.ending == mask_of(is_ending));
	CHECK(MASKS, table.invalidating == count_active());
}

/* A slot of the mask, or SLOTS_MAX. */
static unsigned int any_of(unsigned long mask)
{
	unsigned int i, skip = pick(SLOTS_MAX);

	for (i = 0; i < SLOTS_MAX; i++)
		if (mask & 1ul << (i + skip) % SLOTS_MAX)
			return (i + skip) % SLOTS_MAX;
	return SLOTS_MAX;
}

static struct model *model_by_key(const void *key)
{
	unsigned int i;

	for (i = 0; i < nr_slots; i++)
		if (in_slot[i].active && in_slot[i].key == key)
			return &in_slot[i];
	for (i = 0; i < RECORDS; i++)
		if (in_record[i].record && in_record[i].active && in_record[i].key == key)
			return &in_record[i];
	return NULL;
}

/* Which range is this slot of the table? */
static struct model *model_of(const struct mmun_slot *slot)
{
	unsigned int i;

	for (i = 0; i < RECORDS; i++)
		if (in_record[i].record && slot == &in_record[i].record->slot)
			return &in_record[i];
	return slot >= slots && slot < slots + nr_slots ? &in_slot[slot - slots] : NULL;
}

/* --- ranges in slots --- */

static void start(void)
{
	const void *key = &keys[pick(KEYS)];
	bool provisional = !pick(4);
	struct mmun_notifier_range range = { .start = base + pick(64) };
	unsigned int slot, i;
	struct model *m;

	if (model_by_key(key))
		return;
	/* A few bytes, sometimes none, sometimes up to the end of the space. */
	range.end = range.start + pick(6);
	if (range.end - base > 63 || range.end < range.start)
		range.end = base + 63;
	slot = mmun_ranges_take(&table, key, ++last_seq, provisional);
	if (slot != MMUN_NO_SLOT) {
		CHECK(TAKE, slot < nr_slots && !is_taken(&in_slot[slot]));
		if (broken)
			return;
		slots[slot].range = range;
		m = &in_slot[slot];
		*m = (struct model){ .provisional = provisional };
	} else {
		CHECK(TAKE, mask_of(is_taken) == ~0ul >> (SLOTS_MAX - nr_slots));
		for (i = 0; i < RECORDS && in_record[i].record; i++)
			;
		if (i == RECORDS) {
			table.overflow++;
			mmun_ranges_count(&table);
			overflow++;
			return;
		}
		m = &in_record[i];
		*m = (struct model){
			.record = malloc(sizeof(*m->record) +
					 SUBSCRIBERS * sizeof(m->record->owed[0])),
		};
		if (!m->record)
			ksft_exit_fail_msg("no memory\n");
		mmun_record_init(m->record, SUBSCRIBERS);
		CHECK(RECORD, list_empty(&m->record->slot.sleepers) && !m->record->slot.pins);
		m->record->slot.range = range;
		mmun_record_add(&table, m->record, key, last_seq);
	}
	m->active = true;
	m->key = key;
	m->seq = last_seq;
	m->bytes = bytes_of(range.start, range.end);
}

static void confirm(void)
{
	unsigned int slot = any_of(mask_of(is_provisional));

	if (slot == SLOTS_MAX)
		return;
	CHECK(FIND, mmun_ranges_find(&table, table.provisional, in_slot[slot].key) == slot);
	table.provisional &= ~(1ul << slot);
	in_slot[slot].provisional = false;
}

static void end(void)
{
	const void *key = &keys[pick(KEYS)];
	struct model *m = model_by_key(key);
	unsigned int slot = mmun_ranges_find(&table, table.active, key);
	struct mmun_record *record = mmun_record_find(&table, key);

	CHECK(FIND, m && !m->record ? slot == m - in_slot : slot == MMUN_NO_SLOT);
	CHECK(FIND, record == (m ? m->record : NULL));
	if (!m || broken)
		return;
	m->active = false;
	m->provisional = false;
	if (record) {
		mmun_record_end(&table, record);
		m->ending = true;
		return;
	}
	mmun_ranges_end(&table, slot);
	/* Ends may be due, or not. */
	m->ending = pick(2);
	if (m->ending)
		table.ending |= 1ul << slot;
	else
		mmun_ranges_free(&table, slot);
}

static void ends_delivered(unsigned long mask)
{
	unsigned int slot = any_of(mask);

	if (slot == SLOTS_MAX)
		return;
	in_slot[slot].ending = false;
	table.ending &= ~(1ul << slot);
	mmun_ranges_free(&table, slot);
}

static void pin(void)
{
	unsigned long mask = random_mask() & mask_of(is_in_flight);
	unsigned int which = pick(LEAVERS), i;

	if (leavers[which])
		return;
	leavers[which] = mask;
	mmun_ranges_pin(&table, mask);
	for (i = 0; i < nr_slots; i++)
		in_slot[i].pins += mask >> i & 1;
}

static void unpin(unsigned int which)
{
	unsigned int i;

	mmun_ranges_unpin(&table, leavers[which]);
	for (i = 0; i < nr_slots; i++)
		in_slot[i].pins -= leavers[which] >> i & 1;
	leavers[which] = 0;
	for (i = 0; i < nr_slots; i++)
		CHECK(PINS, slots[i].pins == in_slot[i].pins);
}

static void end_overflow(void)
{
	if (!overflow)
		return;
	table.overflow--;
	mmun_ranges_uncount(&table, 1);
	overflow--;
}

/* --- questions --- */

/* Is there such a range? The table may name any of them. */
static bool agrees(const struct mmun_slot *answer, unsigned long mask,
		   bool (*fits)(const struct model *m, u64 value), u64 value)
{
	const struct model *m;
	unsigned int i;

	if (answer) {
		m = model_of(answer);
		return m && m->active && fits(m, value) && (m->record || mask >> (m - in_slot) & 1);
	}
	for (i = 0; i < nr_slots; i++)
		if (mask >> i & 1 && fits(&in_slot[i], value))
			return false;
	for (i = 0; i < RECORDS; i++)
		if (in_record[i].record && in_record[i].active && fits(&in_record[i], value))
			return false;
	return true;
}

/* Counted from the newest one, so that numbers wrap without a difference. */
static bool is_not_younger(const struct model *m, u64 seq)
{
	return last_seq - m->seq >= last_seq - seq;
}

static bool shares_bytes(const struct model *m, u64 bytes)
{
	return m->bytes & bytes;
}

static void ask_before(void)
{
	unsigned long mask = mask_of(is_active) & random_mask();
	unsigned long seq = last_seq - pick(pick(2) ? 100 : 10000);
	struct model *m = &in_record[pick(RECORDS)];

	/* The number of a record itself is the border. */
	if (m->record && pick(2)) {
		mask = 0;
		seq = m->seq;
	}
	CHECK(BEFORE, agrees(mmun_ranges_before(&table, mask, seq), mask, is_not_younger, seq));
}

static void ask_overlap(void)
{
	unsigned long mask = mask_of(is_active) & random_mask();
	unsigned long first = base + pick(64), last = first + pick(3);
	u64 bytes = 0;
	unsigned int i;

	if (last - base > 63)
		last = base + 63;
	for (i = first - base; i <= last - base; i++)
		bytes |= 1ull << i;
	CHECK(OVERLAP, agrees(mmun_ranges_overlap(&table, mask, first, last), mask,
			      shares_bytes, bytes));
}

/* --- records --- */

static void owe(void)
{
	struct model *m = &in_record[pick(RECORDS)];
	unsigned int who = pick(SUBSCRIBERS);

	/* A start calls each subscriber once. */
	if (!m->record || !m->active || m->record->nr_owed == m->record->room)
		return;
	if (m->owed[who])
		return;
	mmun_record_owe(m->record, &subscribers[who]);
	m->owed[who] = true;
}

static void take_owed(void)
{
	struct model *m = &in_record[pick(RECORDS)];
	unsigned int who = pick(SUBSCRIBERS);

	if (!m->record || !(m->active || m->ending))
		return;
	CHECK(OWED, mmun_record_take(m->record, &subscribers[who]) == m->owed[who]);
	m->owed[who] = false;
}

/* A subscriber leaves: of one record at a time it takes what it is owed, and pins it. */
static void leave_one(unsigned int who)
{
	unsigned int owing = 0, i;
	struct mmun_record *record = mmun_record_owing(&table, &subscribers[who]);

	for (i = 0; i < RECORDS; i++) {
		if (!in_record[i].record)
			continue;
		if (record == in_record[i].record) {
			CHECK(OWED, in_record[i].owed[who]);
			in_record[i].owed[who] = false;
			in_record[i].pins++;
			record->slot.pins++;
			return;
		}
		owing += in_record[i].owed[who];
	}
	CHECK(OWED, !record && !owing);
}

static void leave(void)
{
	leave_one(pick(SUBSCRIBERS));
}

static void forget_record(struct model *m, bool unlinked)
{
	CHECK(RECORD, unlinked == !is_taken(m));
	if (!unlinked)
		return;
	free(m->record);
	m->record = NULL;
}

static void record_delivered(struct model *m)
{
	if (!m->record || !m->ending)
		return;
	m->ending = false;
	m->record->state = MMUN_RECORD_OVER;
	forget_record(m, mmun_record_unlink(m->record));
}

static void record_unpin(struct model *m)
{
	if (!m->record || !m->pins)
		return;
	m->pins--;
	forget_record(m, mmun_record_unpin(m->record));
}

/* --- the run --- */

static void begin_epoch(void)
{
	static const unsigned int sizes[] = { 1, 2, 8, 63, 64 };

	nr_slots = sizes[pick(ARRAY_SIZE(sizes))];
	memset(&table, 0, sizeof(table));
	memset(slots, 0, sizeof(slots));
	memset(in_slot, 0, sizeof(in_slot));
	mmun_ranges_init(&table, slots, nr_slots);
	/* The end of the space is the last byte of all, or it is not. */
	base = pick(2) ? ULONG_MAX - 63 : 4096;
	/* Numbers wrap soon, or change their sign, or neither. */
	last_seq = pick(3) * (ULONG_MAX / 2) - pick(EPOCH / 8);
	compare();
}

/* Everything ends. */
static void drain(void)
{
	unsigned int i;

	for (i = 0; i < nr_slots; i++) {
		if (!in_slot[i].active)
			continue;
		in_slot[i].active = false;
		in_slot[i].provisional = false;
		mmun_ranges_end(&table, i);
		mmun_ranges_free(&table, i);
	}
	while (mask_of(is_ending))
		ends_delivered(mask_of(is_ending));
	for (i = 0; i < LEAVERS; i++)
		unpin(i);
	for (i = 0; i < RECORDS && !broken; i++) {
		if (in_record[i].record && in_record[i].active) {
			mmun_record_end(&table, in_record[i].record);
			in_record[i].active = false;
			in_record[i].ending = true;
		}
		record_delivered(&in_record[i]);
	}
	/* Every subscriber leaves, and takes the ends that it is still owed. */
	for (i = 0; i < SUBSCRIBERS * RECORDS && !broken; i++)
		leave_one(i % SUBSCRIBERS);
	for (i = 0; i < RECORDS && !broken; i++) {
		while (in_record[i].record && in_record[i].pins && !broken)
			record_unpin(&in_record[i]);
		CHECK(RECORD, !in_record[i].record);
	}
	while (overflow)
		end_overflow();
	compare();
	CHECK(DRAINED, list_empty(&table.records) && !table.invalidating && !table.overflow);
	CHECK(DRAINED, table.busy == (nr_slots < SLOTS_MAX ? ~0ul << nr_slots : 0));
}

static void one_step(void)
{
	switch (pick(16)) {
	case 0 ... 2:
		return start();
	case 3:
		return confirm();
	case 4 ... 5:
		return end();
	case 6:
		return ends_delivered(mask_of(is_ending));
	case 7:
		return pin();
	case 8:
		return unpin(pick(LEAVERS));
	case 9:
		return ask_before();
	case 10:
		return ask_overlap();
	case 11:
		return owe();
	case 12:
		return take_owed();
	case 13:
		return leave();
	case 14:
		record_delivered(&in_record[pick(RECORDS)]);
		return end_overflow();
	case 15:
		return record_unpin(&in_record[pick(RECORDS)]);
	}
}

int main(int argc, char **argv)
{
	unsigned long seed = argc > 1 ? strtoul(argv[1], NULL, 0) : (unsigned long)time(NULL);
	unsigned long steps = argc > 2 ? strtoul(argv[2], NULL, 0) : 1000000;
	unsigned long step;
	int i;

	ksft_print_header();
	ksft_set_plan(PROMISES);
	ksft_print_msg("seed %lu, replay with SEED=%lu STEPS=%lu make test-range\n",
		       seed, seed, steps);
	memcpy(rnd, &seed, sizeof(rnd));
	for (step = 0; step < steps && !broken; step++) {
		if (step % EPOCH == 0) {
			if (step)
				drain();
			begin_epoch();
		}
		one_step();
		compare();
	}
	if (!broken)
		drain();
	if (broken)
		ksft_print_msg("step %lu, with %u slots: not %s\n", step, nr_slots, broken);
	for (i = 0; i < PROMISES; i++) {
		if (!broken)
			ksft_test_result(checks[i], "%s\n", promises[i]);
		else if (i == broken_promise)
			ksft_test_result_fail("%s\n", promises[i]);
		else
			ksft_test_result_skip("%s: the run ended at a failed check\n", promises[i]);
	}
	ksft_finished();
}
