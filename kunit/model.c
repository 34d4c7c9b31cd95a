// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_model: long random runs. One task against a model of one mm that
 * is plain arrays, compared after each step; and several tasks at once against
 * something that cannot be argued with: a page table with version stamps, and
 * the count of starts and ends.
 *
 * Each case prints its seed. The first replays exactly from it; in the others
 * each task does the same again, but not at the same time.
 */

#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/rwsem.h>
#include <linux/slab.h>

#include "mmun_kunit.h"

static void *new(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static unsigned int pick(struct rnd_state *rnd, unsigned int n)
{
	return prandom_u32_state(rnd) % n;
}

static unsigned long take_seed(struct kunit *test, unsigned int steps)
{
	unsigned long seed = mmun_kunit_seed ?: get_random_u32();

	kunit_info(test, "seed %lu, replay with seed=%lu steps=%u\n", seed,
		   seed, steps);
	return seed;
}

static unsigned int take_steps(unsigned int usual)
{
	return mmun_kunit_steps ?: usual;
}

/* --- one task, compared with a model --- */

#define NR_PAGES	64
#define NR_INTERVALS	12
#define NR_SUBS		5
#define NR_SECTIONS	2
/* Beyond the slots, so that some ranges are only counted. */
#define NR_COUNTED	4
#define NR_RANGES	(BITS_PER_LONG + NR_COUNTED)

/* What a step has done, or has found. */
enum kind {
	DID_INSERT,
	DID_INSERT_IN_RANGE,
	DID_REMOVE,
	DID_REMOVE_IN_RANGE,
	DID_START,
	DID_START_COUNTED,
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
	DID_END_COUNTED,
	DID_READ,
	DID_READ_WAITED,
	DID_COLLISION,
	DID_NO_COLLISION,
	DID_REGISTERED,
	DID_REGISTER_WAITED,
	DID_HEARD_WHILE_JOINING,
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
	[DID_START_COUNTED] = "start counted",
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
	[DID_END_COUNTED] = "end counted",
	[DID_READ] = "read",
	[DID_READ_WAITED] = "read waited",
	[DID_COLLISION] = "collision",
	[DID_NO_COLLISION] = "no collision",
	[DID_REGISTERED] = "registered",
	[DID_REGISTER_WAITED] = "register waited",
	[DID_HEARD_WHILE_JOINING] = "heard while joining",
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
	struct kt_task *task;		/* that registers it */
	int starts, accepted, ends, releases;
};

struct model_range {
	struct kt_range *real;
	bool in_flight;
	bool counted;
	unsigned long start, end;
	bool owed[NR_SUBS];		/* told of the start, not of the end */
	bool older[NR_SUBS];		/* its registration waits for this */
};

struct model {
	struct kunit *test;
	struct mm_struct *mm;
	struct rnd_state rnd;
	unsigned long seed;
	unsigned int step;
	bool failed;
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
	return m->subs[0].real->mn.subs;
}

static unsigned int in_flight(struct model *m, bool counted)
{
	unsigned int i, n = 0;

	for (i = 0; i < NR_RANGES; i++)
		n += m->ranges[i].in_flight && m->ranges[i].counted == counted;
	return n;
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
	return in_flight(m, true) || overlapped(m, interval);
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
		same(m, "registration waits", i, kt_running(sub->task), true);
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
	same(m, "overflow", 0, state.overflow, in_flight(m, true));
	same(m, "count for readers", 0, state.invalidating,
	     in_flight(m, false) + in_flight(m, true));
	same(m, "provisional", 0, state.provisional, 0);
	same(m, "walks", 0, state.walks, 0);
	same(m, "zombies", 0, state.zombies, 0);
	/* A registration adds itself again when it is woken for nothing. */
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
	unsigned int n = m->slots + NR_COUNTED, first = pick(&m->rnd, n), i;

	for (i = 0; i < n; i++) {
		struct model_range *range = &m->ranges[(first + i) % n];

		if (range->in_flight == in_flight)
			return range;
	}
	return NULL;
}

static void do_insert(struct model *m)
{
	struct model_interval *interval = pick_interval(m, false);
	unsigned long length;
	int ret;

	if (!interval)
		return;
	interval->first = pick(&m->rnd, NR_PAGES) * PAGE_SIZE;
	length = (1 + pick(&m->rnd, NR_PAGES / 4)) * PAGE_SIZE;
	interval->last = interval->first + length - 1;
	ret = mmun_interval_notifier_insert(&interval->real->mni, m->mm,
					    interval->first, length,
					    &kt_interval_ops);
	interval->real->inserted = !ret;
	same(m, "insert", interval - m->intervals, ret, 0);
	interval->there = true;
	count(m, DID_INSERT);
	if (overlapped(m, interval))
		count(m, DID_INSERT_IN_RANGE);
}

static void do_remove(struct model *m)
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

/* Was it called, as the model has it, and with what? */
static void told_interval(struct model *m, struct model_range *range,
			  struct model_interval *interval)
{
	int s;

	interval->invalidates++;
	for (s = 0; s < NR_SECTIONS; s++)
		interval->sections[s].dirty = true;
	same(m, "start told", interval - m->intervals,
	     interval->real->last.start, range->start);
	same(m, "end told", interval - m->intervals, interval->real->last.end,
	     range->end);
	same(m, "parity told", interval - m->intervals,
	     interval->real->last_seq & 1, 1);
}

/*
 * What a range that has begun has told, in order: the intervals by their start,
 * up to one that refuses; then all list subscribers, if none did. Was it
 * refused?
 */
static bool told(struct model *m, struct model_range *range, bool blockable)
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
		told_interval(m, range, next);
	}
	count(m, done ? DID_HIT : DID_NO_HIT);

	for (i = 0; i < NR_SUBS; i++) {
		struct model_sub *sub = &m->subs[i];

		if (sub->state == OUT)
			continue;
		if (sub->state == JOINING)
			count(m, DID_HEARD_WHILE_JOINING);
		sub->starts++;
		same(m, "start heard", i, sub->real->last_start.start,
		     range->start);
		same(m, "end heard", i, sub->real->last_start.end, range->end);
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

static void told_ends(struct model *m, struct model_range *range)
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
	range->counted = slotted == m->slots;
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

static void do_start(struct model *m)
{
	struct model_range *range;

	if (in_flight(m, true) == NR_COUNTED)
		return;
	range = new_range(m, true);
	if (!range)
		return;
	same(m, "a start", range - m->ranges, kt_start(range->real), 0);
	range->in_flight = true;
	count(m, range->counted ? DID_START_COUNTED : DID_START);
	told(m, range, true);
}

/*
 * The end of a range lets those registrations return that waited for the last.
 */
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
		same(m, "registration", i, kt_join(m->test, m->subs[i].task),
		     0);
		m->subs[i].state = IN;
		count(m, DID_REGISTER_WAITED);
	}
}

static void end_range(struct model *m, struct model_range *range)
{
	count(m, range->counted ? DID_END_COUNTED : DID_END);
	kt_end(range->real);
	range->in_flight = false;
	told_ends(m, range);
	memset(range->older, 0, sizeof(range->older));
	finish_joins(m);
}

static void do_end(struct model *m)
{
	struct model_range *range = pick_range(m, true);

	if (range)
		end_range(m, range);
}

/* Somebody who refuses what may not block; or nobody. */
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
		/* The order of intervals with the same start is nobody's. */
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

/* A section in a range that is neither confirmed nor refused. */
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

	/* It is settled when nobody has the mmap lock for reading. */
	for (i = 0; i < NR_RANGES; i++)
		if (m->ranges[i].in_flight && !m->ranges[i].real->blockable)
			return false;
	return true;
}

static void do_start_nonblock(struct model *m)
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
	refused = range->counted || told(m, range, false);
	if (range->counted)
		count(m, DID_REFUSED_NO_SLOT);
	forget_refusers(m);
	same(m, "a start that may not block", range - m->ranges, ret,
	     refused ? -EAGAIN : 0);
	if (ret) {
		up_read_non_owner(sem);
		told_ends(m, range);
		return;
	}

	/* From here on kt_exit() ends it, should the case end. */
	range->real->in_flight = true;
	if (pick(&m->rnd, 2))
		read_provisional(m, range);
	if (may_orphan(m) && !pick(&m->rnd, 4)) {
		range->real->in_flight = false;
		up_read_non_owner(sem);
		same(m, "orphan is settled", range - m->ranges,
		     kt_until((mmun_kunit_look(subs_of(m), &state),
			       state.busy == in_flight(m, false))), true);
		told_ends(m, range);
		count(m, DID_REFUSED_BEHIND);
		return;
	}
	mmun_kunit_confirm(&range->real->kernel);
	range->in_flight = true;
	count(m, DID_CONFIRMED);
}

struct model_reader {
	struct kt_interval *interval;
	unsigned long seq;
};

static int read_task(void *arg)
{
	struct model_reader *reader = arg;

	reader->seq = mmun_interval_read_begin(&reader->interval->mni);
	return 0;
}

/* read_begin() has to wait: end, one after the other, what it waits for. */
static unsigned long read_waiting(struct model *m,
				  struct model_interval *interval)
{
	struct model_reader *reader = new(m->test, sizeof(*reader));
	unsigned int sleepers = joining(m) + 1;
	struct model_range *range;
	struct kt_task *task;

	reader->interval = interval->real;
	task = kt_run(m->test, read_task, reader);
	same(m, "read_begin sleeps", interval - m->intervals,
	     kt_until(!kt_running(task) ||
		      kt_waiters(subs_of(m)) == sleepers), true);
	do {
		same(m, "read_begin waits", interval - m->intervals,
		     kt_running(task), true);
		range = pick_range(m, true);
		if (!range->counted && !overlaps(range, interval) &&
		    pick(&m->rnd, 4))
			continue;
		end_range(m, range);
	} while (must_wait(m, interval));
	kt_join(m->test, task);
	count(m, DID_READ_WAITED);
	return reader->seq;
}

static void do_read(struct model *m)
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

static void do_retry(struct model *m)
{
	struct model_interval *interval = pick_interval(m, true);
	unsigned int s = pick(&m->rnd, NR_SECTIONS);

	if (!interval || !interval->sections[s].open)
		return;
	/* compare() has looked at it, and does so after every step. */
	count(m, interval->sections[s].dirty ? DID_COLLISION :
					       DID_NO_COLLISION);
	interval->sections[s].open = false;
}

static int register_task(void *arg)
{
	struct kt_sub *sub = arg;
	int ret = mmun_notifier_register(&sub->mn, sub->mn.mm);

	sub->registered = !ret;
	return ret;
}

static void do_register(struct model *m)
{
	unsigned int i = pick(&m->rnd, NR_SUBS), r, sleepers = joining(m) + 1;
	struct model_sub *sub = &m->subs[i];

	/* Not linked before the counted ranges are over: no step of its own. */
	if (sub->state != OUT || in_flight(m, true))
		return;
	sub->real->mn.mm = m->mm;
	sub->task = kt_run(m->test, register_task, sub->real);
	if (!in_flight(m, false)) {
		same(m, "registration", i, kt_join(m->test, sub->task), 0);
		sub->state = IN;
		count(m, DID_REGISTERED);
		return;
	}
	sub->state = JOINING;
	for (r = 0; r < NR_RANGES; r++)
		m->ranges[r].older[i] = m->ranges[r].in_flight;
	same(m, "registration sleeps", i,
	     kt_until(!kt_running(sub->task) ||
		      kt_waiters(subs_of(m)) == sleepers), true);
}

static void do_unregister(struct model *m)
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

static void do_step(struct model *m)
{
	/* Many ranges in flight, fewer again, and few for a while. */
	unsigned int phase = (m->step / 64) % 4;

	switch (pick(&m->rnd, 20)) {
	case 0 ... 1:
		return do_insert(m);
	case 2:
		return do_remove(m);
	case 3 ... 4:
		return do_start(m);
	case 5 ... 6:
		return do_start_nonblock(m);
	case 7 ... 8:
		return do_end(m);
	case 9 ... 12:
		if (phase == 0)
			return do_start(m);
		do_end(m);
		if (phase == 1)
			do_end(m);
		return;
	case 13 ... 15:
		return do_read(m);
	case 16 ... 17:
		return do_retry(m);
	case 18:
		return do_register(m);
	case 19:
		return do_unregister(m);
	}
}

static struct model *new_model(struct kunit *test)
{
	struct model *m = new(test, sizeof(*m));
	struct mmun_kunit_state state;
	int i;

	m->test = test;
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
 * Thousands of random steps on one mm, intervals and list subscribers, do what
 * a plain model of it does, step by step.
 */
static void p13_as_the_model(struct kunit *test)
{
	unsigned int steps = take_steps(4000);
	struct model *m = new_model(test);
	unsigned int i;

	m->seed = take_seed(test, steps);
	prandom_seed_state(&m->rnd, m->seed);
	for (m->step = 0; m->step < steps && !m->failed; m->step++) {
		do_step(m);
		compare(m);
	}
	/* What is in flight ends, so that all is paired. */
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
		/* A short run, asked for, may miss something. */
		if (!m->failed && steps >= 4000)
			KUNIT_EXPECT_GT_MSG(test, m->counts[i], 0U,
					    "no %s in %u steps of seed %lu",
					    kind_names[i], steps, m->seed);
	}
}

/* --- several tasks, against a page table --- */

#define PT_PAGES	16
#define NO_ENTRY	(-1L)
#define NR_INVALIDATORS	3
#define NR_CHURNERS	2
#define NR_READERS	2

/*
 * Each page has a number that is new whenever a range has changed it. Lock
 * order: mirror->lock, pt_lock.
 */
struct world {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned long seed;
	unsigned int steps;
	bool stop;

	raw_spinlock_t pt_lock;
	long version;
	long pt[PT_PAGES];

	/* what happened */
	atomic_t ranges, refused, churns, fills, collisions;
	/* what must not */
	atomic_t stale_fills, stale_entries, late_calls, errors;
};

/* What a driver has: entries that are as in the page table, or none. */
struct mirror {
	struct mmun_interval_notifier mni;
	struct world *world;
	raw_spinlock_t lock;
	bool there;			/* inserted, as its owner knows */
	unsigned int calls;
	unsigned int first, last;	/* pages, inclusive */
	long entries[PT_PAGES];
};

/* A task, with numbers of its own. */
struct actor {
	struct world *world;
	struct mirror *mirror;
	struct kt_range *range;
	struct rnd_state rnd;
	struct kt_task *task;
};

/* Let others run here. */
static void dawdle(struct rnd_state *rnd)
{
	unsigned int n = pick(rnd, 4);

	while (n--)
		schedule();
}

static long read_pt(struct world *w, unsigned int page)
{
	long version;

	raw_spin_lock(&w->pt_lock);
	version = w->pt[page];
	raw_spin_unlock(&w->pt_lock);
	return version;
}

/* Under mirror->lock every entry is what the page table says. */
static void check_mirror(struct mirror *mirror)
{
	unsigned int page;

	for (page = mirror->first; page <= mirror->last; page++)
		if (mirror->entries[page] != NO_ENTRY &&
		    mirror->entries[page] != read_pt(mirror->world, page))
			atomic_inc(&mirror->world->stale_entries);
}

static bool mirror_invalidate(struct mmun_interval_notifier *mni,
			      const struct mmun_notifier_range *range,
			      unsigned long cur_seq)
{
	struct mirror *mirror = container_of(mni, struct mirror, mni);
	bool agreed = true;
	unsigned int page;

	raw_spin_lock(&mirror->lock);
	if (!mirror->there)
		atomic_inc(&mirror->world->late_calls);
	check_mirror(mirror);
	if (!mmun_notifier_range_blockable(range) && !(++mirror->calls % 3)) {
		agreed = false;
	} else {
		mmun_interval_set_seq(mni, cur_seq);
		for (page = mirror->first; page <= mirror->last; page++)
			if (range->start < (page + 1) * PAGE_SIZE &&
			    range->end > page * PAGE_SIZE)
				mirror->entries[page] = NO_ENTRY;
	}
	raw_spin_unlock(&mirror->lock);
	return agreed;
}

static const struct mmun_interval_notifier_ops mirror_ops = {
	.invalidate = mirror_invalidate,
};

static void mirror_init(struct mirror *mirror, struct world *world)
{
	memset(mirror, 0, sizeof(*mirror));
	raw_spin_lock_init(&mirror->lock);
	mirror->world = world;
}

static int mirror_insert(struct mirror *mirror, unsigned int first,
			 unsigned int last)
{
	unsigned int page;

	mirror->first = first;
	mirror->last = last;
	for (page = 0; page < PT_PAGES; page++)
		mirror->entries[page] = NO_ENTRY;
	mirror->there = true;
	return mmun_interval_notifier_insert(&mirror->mni, mirror->world->mm,
					     first * PAGE_SIZE,
					     (last + 1 - first) * PAGE_SIZE,
					     &mirror_ops);
}

static void mirror_remove(struct mirror *mirror)
{
	unsigned int page;

	/* Before: from here on it is not told of ranges that begin. */
	raw_spin_lock(&mirror->lock);
	for (page = mirror->first; page <= mirror->last; page++)
		mirror->entries[page] = NO_ENTRY;
	raw_spin_unlock(&mirror->lock);
	mmun_interval_notifier_remove(&mirror->mni);
	raw_spin_lock(&mirror->lock);
	mirror->there = false;
	raw_spin_unlock(&mirror->lock);
}

/* One read section: fill the mirror with what was read, if it is good. */
static void mirror_fill(struct mirror *mirror, struct rnd_state *rnd)
{
	struct world *w = mirror->world;
	long found[PT_PAGES];
	unsigned int page;
	unsigned long seq;

	seq = mmun_interval_read_begin(&mirror->mni);
	for (page = mirror->first; page <= mirror->last; page++)
		found[page] = read_pt(w, page);
	dawdle(rnd);

	raw_spin_lock(&mirror->lock);
	if (mmun_interval_read_retry(&mirror->mni, seq)) {
		atomic_inc(&w->collisions);
	} else {
		for (page = mirror->first; page <= mirror->last; page++) {
			if (found[page] != read_pt(w, page))
				atomic_inc(&w->stale_fills);
			mirror->entries[page] = found[page];
		}
		atomic_inc(&w->fills);
	}
	check_mirror(mirror);
	raw_spin_unlock(&mirror->lock);
}

static void invalidate_once(struct actor *actor)
{
	unsigned int first = pick(&actor->rnd, PT_PAGES);
	unsigned int last = min(first + pick(&actor->rnd, 4), PT_PAGES - 1U);
	struct world *w = actor->world;
	const struct mmun_notifier_range what = {
		.mm = w->mm,
		.start = first * PAGE_SIZE,
		.end = (last + 1) * PAGE_SIZE,
		.flags = pick(&actor->rnd, 4) ?
			 MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
	};
	unsigned int page;

	mmun_kunit_init(&actor->range->kernel, &what);
	actor->range->blockable = mmun_notifier_range_blockable(&what);
	if (kt_start(actor->range)) {
		atomic_inc(&w->refused);
		return;
	}
	dawdle(&actor->rnd);
	raw_spin_lock(&w->pt_lock);
	for (page = first; page <= last; page++)
		w->pt[page] = ++w->version;
	raw_spin_unlock(&w->pt_lock);
	dawdle(&actor->rnd);
	kt_end(actor->range);
	atomic_inc(&w->ranges);
}

static int invalidate_task(void *arg)
{
	struct actor *actor = arg;
	unsigned int i;

	for (i = 0; i < actor->world->steps; i++) {
		invalidate_once(actor);
		dawdle(&actor->rnd);
	}
	return 0;
}

/* Whatever happens to the case, they end. */
static bool goes_on(struct world *w, unsigned int *steps)
{
	return !READ_ONCE(w->stop) && ++*steps < 100 * w->steps;
}

static int fill_task(void *arg)
{
	struct actor *actor = arg;
	unsigned int steps = 0;

	while (goes_on(actor->world, &steps)) {
		mirror_fill(actor->mirror, &actor->rnd);
		dawdle(&actor->rnd);
	}
	return 0;
}

static int churn_task(void *arg)
{
	struct actor *actor = arg;
	struct world *w = actor->world;
	unsigned int steps = 0, first, fills;
	struct mirror *mirror;

	while (goes_on(w, &steps)) {
		/* By turns in memory that is freed and in one that stays. */
		if (steps & 1) {
			mirror = kmalloc(sizeof(*mirror), GFP_KERNEL);
			if (!mirror)
				return -ENOMEM;
			mirror_init(mirror, w);
		} else {
			mirror = actor->mirror;
		}
		first = pick(&actor->rnd, PT_PAGES);
		if (mirror_insert(mirror, first,
				  first + pick(&actor->rnd, PT_PAGES - first)))
			atomic_inc(&w->errors);
		for (fills = pick(&actor->rnd, 4); fills; fills--)
			mirror_fill(mirror, &actor->rnd);
		mirror_remove(mirror);
		if (steps & 1)
			kfree(mirror);
		atomic_inc(&w->churns);
		dawdle(&actor->rnd);
	}
	return 0;
}

static struct actor *act(struct world *w, int (*fn)(void *arg),
			 struct mirror *mirror)
{
	struct actor *actor = new(w->test, sizeof(*actor));

	actor->world = w;
	actor->mirror = mirror;
	actor->range = kt_range(w->test, w->mm, 0, 0, true, MMUN_NOTIFY_CLEAR);
	/* Each task has its own. */
	prandom_seed_state(&actor->rnd, w->seed++);
	actor->task = kt_run(w->test, fn, actor);
	return actor;
}

/*
 * Tasks invalidate, fill mirrors, insert and remove at once: no mirror ever has
 * an entry that the page table does not have.
 */
static void p13_mirrors_are_never_stale(struct kunit *test)
{
	struct world *w = new(test, sizeof(*w));
	struct mirror *mirror = new(test, sizeof(*mirror));
	struct mirror *own[NR_CHURNERS];
	struct actor *invalidators[NR_INVALIDATORS];
	struct actor *others[NR_CHURNERS + NR_READERS];
	unsigned int i;

	w->test = test;
	w->mm = kt_mm(test);
	w->steps = take_steps(150);
	w->seed = take_seed(test, w->steps);
	raw_spin_lock_init(&w->pt_lock);
	mirror_init(mirror, w);
	KUNIT_ASSERT_EQ(test, mirror_insert(mirror, 2, PT_PAGES - 3), 0);

	for (i = 0; i < NR_CHURNERS; i++) {
		own[i] = new(test, sizeof(*own[i]));
		mirror_init(own[i], w);
		others[i] = act(w, churn_task, own[i]);
	}
	for (; i < NR_CHURNERS + NR_READERS; i++)
		others[i] = act(w, fill_task, mirror);
	for (i = 0; i < NR_INVALIDATORS; i++)
		invalidators[i] = act(w, invalidate_task, NULL);
	for (i = 0; i < NR_INVALIDATORS; i++)
		kt_join(test, invalidators[i]->task);
	WRITE_ONCE(w->stop, true);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, others[i]->task), 0);
	/* With nothing in flight a section is good. */
	i = atomic_read(&w->fills);
	mirror_fill(mirror, &invalidators[0]->rnd);
	KUNIT_EXPECT_EQ(test, atomic_read(&w->fills), (int)i + 1);
	mirror_remove(mirror);

	kunit_info(test, "%d ranges, %d refused, %d churns, %d fills, %d collisions\n",
		   atomic_read(&w->ranges), atomic_read(&w->refused),
		   atomic_read(&w->churns), atomic_read(&w->fills),
		   atomic_read(&w->collisions));
	KUNIT_EXPECT_EQ(test, atomic_read(&w->stale_fills), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&w->stale_entries), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&w->late_calls), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&w->errors), 0);
	if (w->steps < 150)
		return;
	KUNIT_EXPECT_GT(test, atomic_read(&w->refused), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&w->churns), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&w->fills), 1);
	KUNIT_EXPECT_GT(test, atomic_read(&w->collisions), 0);
}

/* --- several tasks, starts and ends --- */

#define NR_JOINERS	3
#define NR_RANGERS	3

struct crowd {
	struct kunit *test;
	struct mm_struct *mm;
	unsigned int steps;
	bool stop;
	/* what happened */
	atomic_t ranges, refused, joins, gets, left_in_range;
	/* what must not */
	atomic_t errors, unpaired, inside, late;
};

struct member {
	struct crowd *crowd;
	struct rnd_state rnd;
	struct kt_task *task;
	struct kt_range *ranges[2];	/* of one who raises them */
	struct kt_sub **subs;		/* of one who joins */
	int *heard;			/* starts, when it had left; or -1 */
	unsigned int nr_subs;
};

static void init_range(struct member *member, struct kt_range *range,
		       bool blockable)
{
	const struct mmun_notifier_range what = {
		.mm = member->crowd->mm,
		.start = pick(&member->rnd, NR_PAGES) * PAGE_SIZE,
		.end = (NR_PAGES + pick(&member->rnd, NR_PAGES)) * PAGE_SIZE,
		.flags = blockable ? MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
	};

	mmun_kunit_init(&range->kernel, &what);
	range->blockable = blockable;
}

static int range_task(void *arg)
{
	struct member *member = arg;
	struct crowd *c = member->crowd;
	struct kt_range **ranges = member->ranges;
	unsigned int i = 0;
	bool nest;

	while (!READ_ONCE(c->stop) && i++ < 100 * c->steps) {
		init_range(member, ranges[0], pick(&member->rnd, 4));
		if (kt_start(ranges[0])) {
			atomic_inc(&c->refused);
			continue;
		}
		dawdle(&member->rnd);
		/* As in the kernel, no mmap lock is taken inside a range. */
		nest = pick(&member->rnd, 2);
		if (nest) {
			init_range(member, ranges[1], true);
			kt_start(ranges[1]);
			dawdle(&member->rnd);
			kt_end(ranges[1]);
		}
		dawdle(&member->rnd);
		kt_end(ranges[0]);
		atomic_inc(&c->ranges);
		dawdle(&member->rnd);
	}
	return 0;
}

static bool paired(struct kt_sub *sub)
{
	return atomic_read(&sub->accepted) == atomic_read(&sub->ends);
}

static void note_leaving(struct crowd *c, struct kt_sub *sub)
{
	struct mmun_kunit_state state;

	mmun_kunit_look(sub->mn.subs, &state);
	if (state.active)
		atomic_inc(&c->left_in_range);
}

static void join_and_leave(struct member *member, unsigned int i)
{
	struct kt_sub *sub = member->subs[i];
	struct crowd *c = member->crowd;

	sub->refuse = pick(&member->rnd, 4) ? 0 : -EAGAIN;
	if (mmun_notifier_register(&sub->mn, c->mm)) {
		atomic_inc(&c->errors);
		return;
	}
	atomic_inc(&c->joins);
	dawdle(&member->rnd);
	dawdle(&member->rnd);
	note_leaving(c, sub);
	if (pick(&member->rnd, 2)) {
		/* The ends that are due come later, from whoever runs. */
		mmun_notifier_unregister_no_release(&sub->mn, c->mm);
		return;
	}
	mmun_notifier_unregister(&sub->mn, c->mm);
	member->heard[i] = atomic_read(&sub->starts);
	if (!paired(sub))
		atomic_inc(&c->unpaired);
	if (atomic_read(&sub->inside))
		atomic_inc(&c->inside);
}

static struct kt_sub *get_and_put(struct member *member)
{
	struct crowd *c = member->crowd;
	struct mmun_notifier *mn;
	struct kt_sub *sub;

	mn = mmun_notifier_get(&kt_get_ops, c->mm);
	if (IS_ERR(mn)) {
		atomic_inc(&c->errors);
		return NULL;
	}
	sub = container_of(mn, struct kt_sub, mn);
	atomic_inc(&c->gets);
	dawdle(&member->rnd);
	note_leaving(c, sub);
	mmun_notifier_put(mn);
	return sub;
}

static int join_task(void *arg)
{
	struct member *member = arg;
	unsigned int i;

	for (i = 0; i < member->nr_subs; i++) {
		if (pick(&member->rnd, 3))
			join_and_leave(member, i);
		else
			member->subs[i] = get_and_put(member);
		dawdle(&member->rnd);
	}
	return 0;
}

static struct member *new_member(struct crowd *c, unsigned long seed)
{
	struct member *member = new(c->test, sizeof(*member));

	member->crowd = c;
	prandom_seed_state(&member->rnd, seed);
	return member;
}

static void add_subs(struct member *member, unsigned int n)
{
	struct kunit *test = member->crowd->test;
	unsigned int i;

	member->nr_subs = n;
	member->subs = new(test, n * sizeof(*member->subs));
	member->heard = new(test, n * sizeof(*member->heard));
	for (i = 0; i < n; i++) {
		member->subs[i] = kt_sub(test, &kt_range_ops);
		member->heard[i] = -1;
	}
}

static void check_members(struct crowd *c, struct member *member)
{
	struct kt_sub *sub;
	unsigned int i;

	for (i = 0; i < member->nr_subs; i++) {
		sub = member->subs[i];
		if (!sub)
			continue;
		if (!paired(sub))
			atomic_inc(&c->unpaired);
		if (atomic_read(&sub->inside))
			atomic_inc(&c->inside);
		if (member->heard[i] >= 0 &&
		    member->heard[i] != atomic_read(&sub->starts))
			atomic_inc(&c->late);
		/* Some were got by several. */
		if (sub->mn.ops == &kt_get_ops && atomic_read(&sub->frees) != 1)
			atomic_inc(&c->errors);
	}
}

/*
 * List subscribers come and go in several tasks while others raise ranges: each
 * hears an end for every start it accepted.
 */
static void p09_crowd_is_paired(struct kunit *test)
{
	struct crowd *c = new(test, sizeof(*c));
	struct member *joiners[NR_JOINERS], *rangers[NR_RANGERS];
	struct kt_sub *anchor;
	unsigned long seed;
	unsigned int i, j;

	c->test = test;
	c->mm = kt_mm(test);
	c->steps = take_steps(40);
	seed = take_seed(test, c->steps);
	anchor = kt_register(test, c->mm, &kt_range_ops);

	for (i = 0; i < NR_RANGERS; i++) {
		rangers[i] = new_member(c, seed++);
		for (j = 0; j < 2; j++)
			rangers[i]->ranges[j] = kt_range(test, c->mm, 0, 0,
							 true,
							 MMUN_NOTIFY_CLEAR);
		rangers[i]->task = kt_run(test, range_task, rangers[i]);
	}
	for (i = 0; i < NR_JOINERS; i++) {
		joiners[i] = new_member(c, seed++);
		add_subs(joiners[i], c->steps);
		joiners[i]->task = kt_run(test, join_task, joiners[i]);
	}
	for (i = 0; i < NR_JOINERS; i++)
		kt_join(test, joiners[i]->task);
	WRITE_ONCE(c->stop, true);
	for (i = 0; i < NR_RANGERS; i++)
		kt_join(test, rangers[i]->task);
	mmun_notifier_synchronize();

	for (i = 0; i < NR_JOINERS; i++)
		check_members(c, joiners[i]);
	kunit_info(test, "%d ranges, %d refused, %d joins, %d gets, %d left in a range\n",
		   atomic_read(&c->ranges), atomic_read(&c->refused),
		   atomic_read(&c->joins), atomic_read(&c->gets),
		   atomic_read(&c->left_in_range));
	KUNIT_EXPECT_EQ(test, atomic_read(&c->unpaired), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->inside), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->late), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&c->errors), 0);
	KUNIT_EXPECT_TRUE(test, paired(anchor));
	KUNIT_EXPECT_GT(test, atomic_read(&anchor->accepted), 0);
	if (c->steps < 40)
		return;
	KUNIT_EXPECT_GT(test, atomic_read(&c->refused), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&c->gets), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&c->left_in_range), 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(p13_as_the_model),
	KUNIT_CASE(p13_mirrors_are_never_stale),
	KUNIT_CASE(p09_crowd_is_paired),
	{}
};

struct kunit_suite mmun_model_suite = {
	.name = "mmun_model",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
