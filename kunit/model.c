// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_model: a long random run of one task on one mm, compared after
 * each step with a model of the mm that consists of plain arrays. The printed
 * seed replays the run exactly. Ranges beyond the slots have records in one run, and
 * are only counted in the other.
 */

#include <linux/prandom.h>
#include <linux/rwsem.h>

#include "random.h"

#define NR_PAGES	64
#define NR_INTERVALS	12
#define NR_SUBS		5
#define NR_SECTIONS	2
/* More than there are slots: so many find none. */
#define NR_UNSLOTTED	4
#define NR_RANGES	(BITS_PER_LONG + NR_UNSLOTTED)

/* The effects of a step. */
enum kind {
	DID_INSERT,
	DID_INSERT_IN_RANGE,
	DID_REMOVE,
	DID_REMOVE_IN_RANGE,
	DID_START,
	DID_START_UNSLOTTED,
	DID_START_EMPTY,
	DID_HIT,
	DID_NO_HIT,
	DID_CONFIRMED,
	DID_REFUSED_BY_INTERVAL,
	DID_REFUSED_BY_SUB,
	DID_REFUSED_NO_SLOT,
	DID_REFUSED_BEHIND,
	DID_PROVISIONAL_READ,
	DID_END,
	DID_END_UNSLOTTED,
	DID_READ,
	DID_READ_WAITED,
	DID_COLLISION,
	DID_NO_COLLISION,
	DID_REGISTERED,
	DID_REGISTER_WAITED,
	DID_START_WHILE_JOINING,
	DID_UNREGISTERED,
	DID_UNREGISTERED_IN_RANGE,
	NR_KINDS
};

static const char * const kind_names[] = {
	[DID_INSERT] = "insert",
	[DID_INSERT_IN_RANGE] = "insert in range",
	[DID_REMOVE] = "remove",
	[DID_REMOVE_IN_RANGE] = "remove in range",
	[DID_START] = "start",
	[DID_START_UNSLOTTED] = "start without slot",
	[DID_START_EMPTY] = "start empty",
	[DID_HIT] = "hit",
	[DID_NO_HIT] = "no hit",
	[DID_CONFIRMED] = "confirmed",
	[DID_REFUSED_BY_INTERVAL] = "refused by interval",
	[DID_REFUSED_BY_SUB] = "refused by sub",
	[DID_REFUSED_NO_SLOT] = "refused no slot",
	[DID_REFUSED_BEHIND] = "refused behind",
	[DID_PROVISIONAL_READ] = "provisional read",
	[DID_END] = "end",
	[DID_END_UNSLOTTED] = "end without slot",
	[DID_READ] = "read",
	[DID_READ_WAITED] = "read waited",
	[DID_COLLISION] = "collision",
	[DID_NO_COLLISION] = "no collision",
	[DID_REGISTERED] = "registered",
	[DID_REGISTER_WAITED] = "register waited",
	[DID_START_WHILE_JOINING] = "start while joining",
	[DID_UNREGISTERED] = "unregistered",
	[DID_UNREGISTERED_IN_RANGE] = "unregistered in range",
};

struct model_interval {
	struct kt_interval *real;
	bool there;
	unsigned long first, last;
	int invalidates, refusals;
	struct {
		bool open;
		bool dirty;		/* invalidated since */
		unsigned long seq;
	} sections[NR_SECTIONS];
};

struct model_sub {
	struct kt_sub *real;
	enum { OUT, JOINING, IN } state;
	struct kt_actor *actor;		/* registers it */
	int starts, accepted, ends, releases;
};

struct model_range {
	struct kt_range *real;
	bool in_flight;
	bool unslotted;
	unsigned long start, end;
	bool owed[NR_SUBS];		/* got the start and not the end */
	bool older[NR_SUBS];		/* its register waits for this range */
};

struct model {
	struct kunit *test;
	struct mm_struct *mm;
	struct rnd_state rnd;
	unsigned long seed;
	unsigned int step;
	bool failed;
	bool records;			/* for the ranges without a slot */
	unsigned int slots;
	unsigned int counts[NR_KINDS];
	/* [0] never leaves: the mm stays attached */
	struct model_sub subs[NR_SUBS];
	struct model_interval intervals[NR_INTERVALS];
	struct model_range ranges[NR_RANGES];
};

static void count(struct model *m, enum kind kind)
{
	m->counts[kind]++;
}

static void fail(struct model *m, const char *what, int i, long is, long want)
{
	KUNIT_FAIL(m->test, "seed %lu, step %u: %s of %d is %ld, not %ld",
		   m->seed, m->step, what, i, is, want);
	m->failed = true;
}

static void same(struct model *m, const char *what, int i, long is, long want)
{
	if (is != want && !m->failed)
		fail(m, what, i, is, want);
}

static struct mmun_subscriptions *subs_of(struct model *m)
{
	return m->subs[0].real->mn.priv.subs;
}

static unsigned int in_flight(struct model *m, bool unslotted)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_RANGES; i++)
		n += m->ranges[i].in_flight && m->ranges[i].unslotted == unslotted;
	return n;
}

/* The ranges in overflow. */
static unsigned int overflow(struct model *m)
{
	return m->records ? 0 : in_flight(m, true);
}

static unsigned int joining(struct model *m)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_SUBS; i++)
		n += m->subs[i].state == JOINING;
	return n;
}

static bool overlaps(const struct model_range *range,
		     const struct model_interval *interval)
{
	return interval->there && range->start < range->end &&
	       range->start <= interval->last && range->end > interval->first;
}

static bool overlapped(struct model *m, struct model_interval *interval)
{
	unsigned int i;

	for (i = 0; i < NR_RANGES; i++)
		if (m->ranges[i].in_flight && overlaps(&m->ranges[i], interval))
			return true;
	return false;
}

static bool must_wait(struct model *m, struct model_interval *interval)
{
	return overflow(m) || overlapped(m, interval);
}

static void compare_interval(struct model *m, int i)
{
	struct model_interval *interval = &m->intervals[i];
	struct kt_interval *real = interval->real;
	int s;

	same(m, "invalidates", i, atomic_read(&real->invalidates),
	     interval->invalidates);
	same(m, "refusals", i, atomic_read(&real->refusals),
	     interval->refusals);
	same(m, "releases", i, atomic_read(&real->releases), 0);
	for (s = 0; s < NR_SECTIONS; s++) {
		if (!interval->sections[s].open)
			continue;
		same(m, "retry", i, kt_retry(real, interval->sections[s].seq),
		     interval->sections[s].dirty);
		same(m, "check_retry", i,
		     mmun_interval_check_retry(&real->mni,
					       interval->sections[s].seq),
		     interval->sections[s].dirty);
	}
}

static void compare_sub(struct model *m, int i)
{
	struct model_sub *sub = &m->subs[i];

	same(m, "starts", i, atomic_read(&sub->real->starts), sub->starts);
	same(m, "accepted", i, atomic_read(&sub->real->accepted),
	     sub->accepted);
	same(m, "ends", i, atomic_read(&sub->real->ends), sub->ends);
	same(m, "sub's releases", i, atomic_read(&sub->real->releases),
	     sub->releases);
	if (sub->state == OUT)
		same(m, "pairs", i, sub->ends, sub->accepted);
	if (sub->state == JOINING)
		same(m, "registration waits", i, kt_running(sub->actor), true);
}

static void compare(struct model *m)
{
	struct mmun_kunit_state state;
	unsigned int users = 0;
	int i;

	for (i = 0; i < NR_INTERVALS; i++) {
		compare_interval(m, i);
		users += m->intervals[i].there;
	}
	for (i = 0; i < NR_SUBS; i++) {
		compare_sub(m, i);
		users += m->subs[i].state != OUT;
	}
	mmun_kunit_look(subs_of(m), &state);
	same(m, "users", 0, state.users, users);
	same(m, "active", 0, state.active, in_flight(m, false));
	same(m, "busy", 0, state.busy, in_flight(m, false));
	same(m, "overflow", 0, state.overflow, overflow(m));
	same(m, "records", 0, state.records, in_flight(m, true) - overflow(m));
	same(m, "count for readers", 0, state.invalidating,
	     in_flight(m, false) + in_flight(m, true));
	same(m, "provisional", 0, state.provisional, 0);
	same(m, "walks", 0, state.walks, 0);
	same(m, "zombies", 0, state.zombies, 0);
	/* A register adds itself again when it is woken for nothing. */
	same(m, "waiters", 0,
	     kt_until(kt_waiters(subs_of(m)) == joining(m)), true);
	same(m, "parity of the number", 0, state.seq & 1, 1);
}

/* --- its steps --- */

static struct model_interval *pick_interval(struct model *m, bool there)
{
	unsigned int first = pick(&m->rnd, NR_INTERVALS), i;

	for (i = 0; i < NR_INTERVALS; i++) {
		struct model_interval *interval =
			&m->intervals[(first + i) % NR_INTERVALS];

		if (interval->there == there)
			return interval;
	}
	return NULL;
}

static struct model_range *pick_range(struct model *m, bool in_flight)
{
	unsigned int n = m->slots + NR_UNSLOTTED, first = pick(&m->rnd, n), i;

	for (i = 0; i < n; i++) {
		struct model_range *range = &m->ranges[(first + i) % n];

		if (range->in_flight == in_flight)
			return range;
	}
	return NULL;
}

static void step_insert(struct model *m)
{
	struct model_interval *interval = pick_interval(m, false);
	unsigned long length;
	int ret;

	if (!interval)
		return;
	interval->first = pick(&m->rnd, NR_PAGES) * PAGE_SIZE;
	length = (1 + pick(&m->rnd, NR_PAGES / 4)) * PAGE_SIZE;
	interval->last = interval->first + length - 1;
	ret = kt_try_insert(interval->real, m->mm, interval->first, length);
	same(m, "insert", interval - m->intervals, ret, 0);
	interval->there = true;
	count(m, DID_INSERT);
	if (overlapped(m, interval))
		count(m, DID_INSERT_IN_RANGE);
}

static void step_remove(struct model *m)
{
	struct model_interval *interval = pick_interval(m, true);
	int s;

	if (!interval)
		return;
	count(m, DID_REMOVE);
	if (overlapped(m, interval))
		count(m, DID_REMOVE_IN_RANGE);
	kt_remove(interval->real);
	interval->there = false;
	for (s = 0; s < NR_SECTIONS; s++)
		interval->sections[s].open = false;
}

/* The model says that it was called: compare the arguments. */
static void interval_called(struct model *m, struct model_range *range,
			    struct model_interval *interval)
{
	int s;

	interval->invalidates++;
	for (s = 0; s < NR_SECTIONS; s++)
		interval->sections[s].dirty = true;
	same(m, "start in invalidate", interval - m->intervals,
	     interval->real->last.start, range->start);
	same(m, "end in invalidate", interval - m->intervals, interval->real->last.end,
	     range->end);
	same(m, "parity in invalidate", interval - m->intervals,
	     interval->real->last_seq & 1, 1);
}

/*
 * A range has begun: it called the intervals by their start, up to one that
 * refused; then all list subscribers, if none did. Returns whether it was refused.
 */
static bool start_called(struct model *m, struct model_range *range, bool blockable)
{
	struct model_interval *interval, *next;
	unsigned long done = 0;
	bool refused = false;
	int i;

	for (;;) {
		next = NULL;
		for (i = 0; i < NR_INTERVALS; i++) {
			interval = &m->intervals[i];
			if (!(done & BIT(i)) && overlaps(range, interval) &&
			    (!next || interval->first < next->first))
				next = interval;
		}
		if (!next)
			break;
		done |= BIT(next - m->intervals);
		if (!blockable && next->real->refuse) {
			next->refusals++;
			count(m, DID_REFUSED_BY_INTERVAL);
			return true;
		}
		interval_called(m, range, next);
	}
	count(m, done ? DID_HIT : DID_NO_HIT);

	for (i = 0; i < NR_SUBS; i++) {
		struct model_sub *sub = &m->subs[i];

		if (sub->state == OUT)
			continue;
		if (sub->state == JOINING)
			count(m, DID_START_WHILE_JOINING);
		sub->starts++;
		same(m, "start in start", i, sub->real->last_start.start,
		     range->start);
		same(m, "end in start", i, sub->real->last_start.end, range->end);
		if (!blockable && sub->real->refuse) {
			refused = true;
			continue;
		}
		sub->accepted++;
		range->owed[i] = true;
	}
	if (refused)
		count(m, DID_REFUSED_BY_SUB);
	return refused;
}

static void ends_called(struct model *m, struct model_range *range)
{
	int i;

	for (i = 0; i < NR_SUBS; i++) {
		m->subs[i].ends += range->owed[i];
		range->owed[i] = false;
	}
}

static struct model_range *new_range(struct model *m, bool blockable)
{
	struct model_range *range = pick_range(m, false);
	unsigned int slotted = in_flight(m, false);
	struct mmun_notifier_range what = {
		.mm = m->mm,
		.flags = blockable ? MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
		.event = MMUN_NOTIFY_CLEAR,
	};

	if (!range)
		return NULL;
	range->unslotted = slotted == m->slots;
	range->start = pick(&m->rnd, NR_PAGES) * PAGE_SIZE;
	range->end = range->start +
		     (1 + pick(&m->rnd, NR_PAGES / 8)) * PAGE_SIZE;
	switch (pick(&m->rnd, 24)) {
	case 0:
		range->end = range->start;
		count(m, DID_START_EMPTY);
		break;
	case 1:
		range->start = 0;
		range->end = ULONG_MAX;
		break;
	}
	what.start = range->start;
	what.end = range->end;
	mmun_kunit_init(&range->real->kernel, &what);
	range->real->blockable = blockable;
	return range;
}

static void step_start(struct model *m)
{
	struct model_range *range;

	if (in_flight(m, true) == NR_UNSLOTTED)
		return;
	range = new_range(m, true);
	if (!range)
		return;
	same(m, "a start", range - m->ranges, kt_start(range->real), 0);
	range->in_flight = true;
	count(m, range->unslotted ? DID_START_UNSLOTTED : DID_START);
	start_called(m, range, true);
}

/* The end of a range lets the registers return that waited for no other. */
static void finish_joins(struct model *m)
{
	bool waits;
	int i, r;

	for (i = 0; i < NR_SUBS; i++) {
		if (m->subs[i].state != JOINING)
			continue;
		waits = false;
		for (r = 0; r < NR_RANGES; r++)
			waits |= m->ranges[r].older[i];
		if (waits)
			continue;
		same(m, "registration", i, kt_join(m->test, m->subs[i].actor),
		     0);
		m->subs[i].state = IN;
		count(m, DID_REGISTER_WAITED);
	}
}

static void end_range(struct model *m, struct model_range *range)
{
	count(m, range->unslotted ? DID_END_UNSLOTTED : DID_END);
	kt_end(range->real);
	range->in_flight = false;
	ends_called(m, range);
	memset(range->older, 0, sizeof(range->older));
	finish_joins(m);
}

static void step_end(struct model *m)
{
	struct model_range *range = pick_range(m, true);

	if (range)
		end_range(m, range);
}

/* Chooses an interval or a subscriber that will refuse the range; or none. */
static void choose_refuser(struct model *m, struct model_range *range)
{
	struct model_interval *interval;
	int i;

	switch (pick(&m->rnd, 6)) {
	case 0:
		m->subs[pick(&m->rnd, NR_SUBS)].real->refuse = -EAGAIN;
		break;
	case 1:
	case 2:
		interval = pick_interval(m, true);
		if (!interval)
			break;
		/* The order of intervals with the same start is not defined. */
		for (i = 0; i < NR_INTERVALS; i++)
			if (&m->intervals[i] != interval &&
			    m->intervals[i].first == interval->first &&
			    overlaps(range, &m->intervals[i]))
				return;
		interval->real->refuse = true;
		break;
	}
}

static void forget_refusers(struct model *m)
{
	int i;

	for (i = 0; i < NR_SUBS; i++)
		m->subs[i].real->refuse = 0;
	for (i = 0; i < NR_INTERVALS; i++)
		m->intervals[i].real->refuse = false;
}

/* A section inside a provisional range. */
static void read_provisional(struct model *m, struct model_range *range)
{
	struct model_interval *interval = pick_interval(m, true);
	unsigned long seq;
	bool retry;

	if (!interval || must_wait(m, interval))
		return;
	seq = mmun_interval_read_begin(&interval->real->mni);
	retry = overlaps(range, interval);
	same(m, "provisional retry", interval - m->intervals,
	     kt_retry(interval->real, seq), retry);
	same(m, "provisional parity", interval - m->intervals, seq & 1, !retry);
	if (retry)
		count(m, DID_PROVISIONAL_READ);
}

static bool may_orphan(struct model *m)
{
	int i;

	/* The worker settles it when it gets the mmap lock for write. */
	for (i = 0; i < NR_RANGES; i++)
		if (m->ranges[i].in_flight && !m->ranges[i].real->blockable)
			return false;
	return true;
}

static void step_start_nonblock(struct model *m)
{
	struct model_range *range = new_range(m, false);
	struct rw_semaphore *sem = &m->mm->mmap_lock;
	struct mmun_kunit_state state;
	bool refused;
	int ret;

	if (!range)
		return;
	choose_refuser(m, range);
	down_read_non_owner(sem);
	ret = mmun_kunit_accept(&range->real->kernel);
	refused = range->unslotted || start_called(m, range, false);
	if (range->unslotted)
		count(m, DID_REFUSED_NO_SLOT);
	forget_refusers(m);
	same(m, "a start that may not block", range - m->ranges, ret,
	     refused ? -EAGAIN : 0);
	if (ret) {
		up_read_non_owner(sem);
		ends_called(m, range);
		return;
	}

	/* From here on kt_exit() ends it if the case fails. */
	range->real->in_flight = true;
	if (pick(&m->rnd, 2))
		read_provisional(m, range);
	if (may_orphan(m) && !pick(&m->rnd, 4)) {
		range->real->in_flight = false;
		up_read_non_owner(sem);
		same(m, "orphan is settled", range - m->ranges,
		     kt_until((mmun_kunit_look(subs_of(m), &state),
			       state.busy == in_flight(m, false))), true);
		ends_called(m, range);
		count(m, DID_REFUSED_BEHIND);
		return;
	}
	mmun_kunit_confirm(&range->real->kernel);
	range->in_flight = true;
	count(m, DID_CONFIRMED);
}

/* read_begin() must wait: end one range after the other until it returns. */
static unsigned long read_waiting(struct model *m,
				  struct model_interval *interval)
{
	unsigned int sleepers = joining(m) + 1;
	struct model_range *range;
	struct kt_actor *reader;

	reader = kt_do(m->test, NULL, KT_READ_BEGIN, interval->real);
	same(m, "read_begin sleeps", interval - m->intervals,
	     kt_until(!kt_running(reader) ||
		      kt_waiters(subs_of(m)) == sleepers), true);
	do {
		same(m, "read_begin waits", interval - m->intervals,
		     kt_running(reader), true);
		range = pick_range(m, true);
		if ((m->records || !range->unslotted) &&
		    !overlaps(range, interval) && pick(&m->rnd, 4))
			continue;
		end_range(m, range);
	} while (must_wait(m, interval));
	kt_join(m->test, reader);
	count(m, DID_READ_WAITED);
	return reader->seq;
}

static void step_read(struct model *m)
{
	struct model_interval *interval = pick_interval(m, true);
	unsigned int s = pick(&m->rnd, NR_SECTIONS);
	unsigned long seq;

	if (!interval)
		return;
	if (!must_wait(m, interval))
		seq = mmun_interval_read_begin(&interval->real->mni);
	else if (!pick(&m->rnd, 16))
		seq = read_waiting(m, interval);
	else
		return;
	same(m, "parity read", interval - m->intervals, seq & 1, 1);
	interval->sections[s].open = true;
	interval->sections[s].dirty = false;
	interval->sections[s].seq = seq;
	count(m, DID_READ);
}

static void step_retry(struct model *m)
{
	struct model_interval *interval = pick_interval(m, true);
	unsigned int s = pick(&m->rnd, NR_SECTIONS);

	if (!interval || !interval->sections[s].open)
		return;
	/* compare() has checked it, as after every step. */
	count(m, interval->sections[s].dirty ? DID_COLLISION :
					       DID_NO_COLLISION);
	interval->sections[s].open = false;
}

static void step_register(struct model *m)
{
	unsigned int i = pick(&m->rnd, NR_SUBS), r, sleepers = joining(m) + 1;
	struct model_sub *sub = &m->subs[i];

	/* It would not be on the list before the overflow ranges end. */
	if (sub->state != OUT || overflow(m))
		return;
	sub->actor = kt_do(m->test, m->mm, KT_REGISTER, sub->real);
	if (!in_flight(m, false) && !in_flight(m, true)) {
		same(m, "registration", i, kt_join(m->test, sub->actor), 0);
		sub->state = IN;
		count(m, DID_REGISTERED);
		return;
	}
	sub->state = JOINING;
	for (r = 0; r < NR_RANGES; r++)
		m->ranges[r].older[i] = m->ranges[r].in_flight;
	same(m, "registration sleeps", i,
	     kt_until(!kt_running(sub->actor) ||
		      kt_waiters(subs_of(m)) == sleepers), true);
}

static void step_unregister(struct model *m)
{
	unsigned int i = pick(&m->rnd, NR_SUBS), r, owed = 0;
	struct model_sub *sub = &m->subs[i];

	if (!i || sub->state != IN)
		return;
	for (r = 0; r < NR_RANGES; r++) {
		owed += m->ranges[r].owed[i];
		m->ranges[r].owed[i] = false;
	}
	kt_unregister(sub->real);
	sub->state = OUT;
	sub->ends += owed;
	sub->releases++;
	count(m, owed ? DID_UNREGISTERED_IN_RANGE : DID_UNREGISTERED);
}

static void take_step(struct model *m)
{
	/* Many ranges in flight, fewer again, and few for a while. */
	unsigned int phase = (m->step / 64) % 4;

	switch (pick(&m->rnd, 20)) {
	case 0 ... 1:
		return step_insert(m);
	case 2:
		return step_remove(m);
	case 3 ... 4:
		return step_start(m);
	case 5 ... 6:
		return step_start_nonblock(m);
	case 7 ... 8:
		return step_end(m);
	case 9 ... 12:
		if (phase == 0)
			return step_start(m);
		step_end(m);
		if (phase == 1)
			step_end(m);
		return;
	case 13 ... 15:
		return step_read(m);
	case 16 ... 17:
		return step_retry(m);
	case 18:
		return step_register(m);
	case 19:
		return step_unregister(m);
	}
}

static const struct mode {
	const char *name;
	bool records;
} modes[] = {
	{ "records", true },
	{ "counted", false },
};

KT_NAMED_PARAM(mode, modes);

static struct model *new_model(struct kunit *test)
{
	const struct mode *mode = test->param_value;
	struct model *m = kt_new(test, sizeof(*m));
	struct mmun_kunit_state state;
	int i;

	m->test = test;
	m->records = mode->records;
	mmun_kunit_no_records = !m->records;
	m->mm = kt_mm(test);
	for (i = 0; i < NR_SUBS; i++)
		m->subs[i].real = i ? kt_sub(test, &kt_range_ops) :
				      kt_register(test, m->mm, &kt_range_ops);
	m->subs[0].state = IN;
	for (i = 0; i < NR_INTERVALS; i++)
		m->intervals[i].real = kt_interval(test);
	for (i = 0; i < NR_RANGES; i++)
		m->ranges[i].real = kt_range(test, m->mm, 0, 0, true,
					     MMUN_NOTIFY_CLEAR);
	mmun_kunit_look(subs_of(m), &state);
	m->slots = state.slots;
	KUNIT_ASSERT_LE(test, m->slots, (unsigned int)BITS_PER_LONG);
	return m;
}

/*
 * Thousands of random steps on one mm, with intervals and list subscribers, do
 * what a plain model of it does, step by step.
 */
static void random_ops_match_model(struct kunit *test)
{
	unsigned int steps = take_steps(4000);
	struct model *m = new_model(test);
	unsigned int i;

	m->seed = take_seed(test, steps);
	prandom_seed_state(&m->rnd, m->seed);
	for (m->step = 0; m->step < steps && !m->failed; m->step++) {
		take_step(m);
		compare(m);
	}
	/* End the ranges in flight, so that all is paired. */
	for (i = 0; i < NR_RANGES && !m->failed; i++)
		if (m->ranges[i].in_flight)
			end_range(m, &m->ranges[i]);
	for (i = 0; i < NR_SUBS; i++)
		same(m, "pairs", i, atomic_read(&m->subs[i].real->ends),
		     m->subs[i].accepted);
	if (!m->failed)
		compare(m);

	for (i = 0; i < NR_KINDS; i++) {
		kunit_info(test, "%s: %u\n", kind_names[i], m->counts[i]);
		/* A short run may miss some. */
		if (!m->failed && steps >= 4000)
			KUNIT_EXPECT_GT_MSG(test, m->counts[i], 0U,
					    "no %s in %u steps of seed %lu",
					    kind_names[i], steps, m->seed);
	}
}

static struct kunit_case cases[] = {
	KT_CASE_PARAM(13, random_ops_match_model, mode_gen_params),
	{}
};

struct kunit_suite mmun_model_suite = {
	.name = "mmun_model",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
