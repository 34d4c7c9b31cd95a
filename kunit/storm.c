// SPDX-License-Identifier: GPL-2.0-only
/*
 * Suite mmun_storm: several tasks at once on one mm, compared with a page table
 * with version stamps, and with the count of starts and ends. From the printed
 * seed each task does the same again, but not at the same time.
 */

#include <linux/slab.h>

#include "random.h"

#define NR_PAGES	64

/* --- against a page table --- */

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

/* The mirror of a driver: its entries equal those of the page table, or are none. */
struct mirror {
	struct mmun_interval_notifier mni;
	struct world *world;
	raw_spinlock_t lock;
	bool there;			/* inserted, as far as its owner knows */
	unsigned int calls;
	unsigned int first, last;	/* pages, inclusive */
	long entries[PT_PAGES];
};

/* A task with random numbers of its own. */
struct worker {
	struct world *world;
	struct mirror *mirror;
	struct kt_range *range;
	struct rnd_state rnd;
	struct kt_actor *actor;
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

/* Under mirror->lock every entry equals that of the page table. */
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

	/* First: a range that begins from here on may not call the mirror. */
	raw_spin_lock(&mirror->lock);
	for (page = mirror->first; page <= mirror->last; page++)
		mirror->entries[page] = NO_ENTRY;
	raw_spin_unlock(&mirror->lock);
	mmun_interval_notifier_remove(&mirror->mni);
	raw_spin_lock(&mirror->lock);
	mirror->there = false;
	raw_spin_unlock(&mirror->lock);
}

/* One read section: fill the mirror if it has not collided. */
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

static void invalidate_once(struct worker *worker)
{
	unsigned int first = pick(&worker->rnd, PT_PAGES);
	unsigned int last = min(first + pick(&worker->rnd, 4), PT_PAGES - 1U);
	struct world *w = worker->world;
	const struct mmun_notifier_range what = {
		.mm = w->mm,
		.start = first * PAGE_SIZE,
		.end = (last + 1) * PAGE_SIZE,
		.flags = pick(&worker->rnd, 4) ?
			 MMUN_NOTIFIER_RANGE_BLOCKABLE : 0,
	};
	unsigned int page;

	mmun_kunit_init(&worker->range->kernel, &what);
	worker->range->blockable = mmun_notifier_range_blockable(&what);
	if (kt_start(worker->range)) {
		atomic_inc(&w->refused);
		return;
	}
	dawdle(&worker->rnd);
	raw_spin_lock(&w->pt_lock);
	for (page = first; page <= last; page++)
		w->pt[page] = ++w->version;
	raw_spin_unlock(&w->pt_lock);
	dawdle(&worker->rnd);
	kt_end(worker->range);
	atomic_inc(&w->ranges);
}

static int invalidate_work(void *arg)
{
	struct worker *worker = arg;
	unsigned int i;

	for (i = 0; i < worker->world->steps; i++) {
		invalidate_once(worker);
		dawdle(&worker->rnd);
	}
	return 0;
}

/* They come to an end also if the case fails. */
static bool goes_on(struct world *w, unsigned int *steps)
{
	return !READ_ONCE(w->stop) && ++*steps < 100 * w->steps;
}

static int fill_work(void *arg)
{
	struct worker *worker = arg;
	unsigned int steps = 0;

	while (goes_on(worker->world, &steps)) {
		mirror_fill(worker->mirror, &worker->rnd);
		dawdle(&worker->rnd);
	}
	return 0;
}

static int churn_work(void *arg)
{
	struct worker *worker = arg;
	struct world *w = worker->world;
	unsigned int steps = 0, first, fills;
	struct mirror *mirror;

	while (goes_on(w, &steps)) {
		/* By turns in memory that is freed and in memory that stays. */
		if (steps & 1) {
			mirror = kmalloc(sizeof(*mirror), GFP_KERNEL);
			if (!mirror)
				return -ENOMEM;
			mirror_init(mirror, w);
		} else {
			mirror = worker->mirror;
		}
		first = pick(&worker->rnd, PT_PAGES);
		if (mirror_insert(mirror, first,
				  first + pick(&worker->rnd, PT_PAGES - first)))
			atomic_inc(&w->errors);
		for (fills = pick(&worker->rnd, 4); fills; fills--)
			mirror_fill(mirror, &worker->rnd);
		mirror_remove(mirror);
		if (steps & 1)
			kfree(mirror);
		atomic_inc(&w->churns);
		dawdle(&worker->rnd);
	}
	return 0;
}

static struct worker *act(struct world *w, int (*fn)(void *arg),
			  struct mirror *mirror)
{
	struct worker *worker = kt_new(w->test, sizeof(*worker));

	worker->world = w;
	worker->mirror = mirror;
	worker->range = kt_range(w->test, w->mm, 0, 0, true, MMUN_NOTIFY_CLEAR);
	/* Each task has its own. */
	prandom_seed_state(&worker->rnd, w->seed++);
	worker->actor = kt_run(w->test, fn, worker);
	return worker;
}

/*
 * Tasks invalidate, fill mirrors, insert and remove at once: no mirror ever has
 * an entry that the page table does not have.
 */
static void mirrors_are_never_stale(struct kunit *test)
{
	struct world *w = kt_new(test, sizeof(*w));
	struct mirror *mirror = kt_new(test, sizeof(*mirror));
	struct mirror *own[NR_CHURNERS];
	struct worker *invalidators[NR_INVALIDATORS];
	struct worker *others[NR_CHURNERS + NR_READERS];
	unsigned int i;

	w->test = test;
	w->mm = kt_mm(test);
	w->steps = take_steps(150);
	w->seed = take_seed(test, w->steps);
	raw_spin_lock_init(&w->pt_lock);
	mirror_init(mirror, w);
	KUNIT_ASSERT_EQ(test, mirror_insert(mirror, 2, PT_PAGES - 3), 0);

	for (i = 0; i < NR_CHURNERS; i++) {
		own[i] = kt_new(test, sizeof(*own[i]));
		mirror_init(own[i], w);
		others[i] = act(w, churn_work, own[i]);
	}
	for (; i < NR_CHURNERS + NR_READERS; i++)
		others[i] = act(w, fill_work, mirror);
	for (i = 0; i < NR_INVALIDATORS; i++)
		invalidators[i] = act(w, invalidate_work, NULL);
	for (i = 0; i < NR_INVALIDATORS; i++)
		kt_join(test, invalidators[i]->actor);
	WRITE_ONCE(w->stop, true);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		KUNIT_EXPECT_EQ(test, kt_join(test, others[i]->actor), 0);
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

/* --- starts and ends --- */

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
	struct kt_actor *actor;
	struct kt_range *ranges[2];	/* of a member that raises them */
	struct kt_sub **subs;		/* of a member that registers them */
	int *starts;			/* of each when it had left; or -1 */
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

static int range_work(void *arg)
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

	mmun_kunit_look(sub->mn.priv.subs, &state);
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
		/* A walk that still runs delivers the owed ends later. */
		mmun_notifier_unregister_no_release(&sub->mn, c->mm);
		return;
	}
	mmun_notifier_unregister(&sub->mn, c->mm);
	member->starts[i] = atomic_read(&sub->starts);
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

static int join_work(void *arg)
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
	struct member *member = kt_new(c->test, sizeof(*member));

	member->crowd = c;
	prandom_seed_state(&member->rnd, seed);
	return member;
}

static void add_subs(struct member *member, unsigned int n)
{
	struct kunit *test = member->crowd->test;
	unsigned int i;

	member->nr_subs = n;
	member->subs = kt_new(test, n * sizeof(*member->subs));
	member->starts = kt_new(test, n * sizeof(*member->starts));
	for (i = 0; i < n; i++) {
		member->subs[i] = kt_sub(test, &kt_range_ops);
		member->starts[i] = -1;
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
		if (member->starts[i] >= 0 &&
		    member->starts[i] != atomic_read(&sub->starts))
			atomic_inc(&c->late);
		/* Several members may have got the same. */
		if (sub->mn.ops == &kt_get_ops && atomic_read(&sub->frees) != 1)
			atomic_inc(&c->errors);
	}
}

/*
 * List subscribers come and leave in several tasks while others raise ranges:
 * each gets an end for every start it accepted.
 */
static void subscribers_among_ranges_are_paired(struct kunit *test)
{
	struct crowd *c = kt_new(test, sizeof(*c));
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
		rangers[i]->actor = kt_run(test, range_work, rangers[i]);
	}
	for (i = 0; i < NR_JOINERS; i++) {
		joiners[i] = new_member(c, seed++);
		add_subs(joiners[i], c->steps);
		joiners[i]->actor = kt_run(test, join_work, joiners[i]);
	}
	for (i = 0; i < NR_JOINERS; i++)
		kt_join(test, joiners[i]->actor);
	WRITE_ONCE(c->stop, true);
	for (i = 0; i < NR_RANGERS; i++)
		kt_join(test, rangers[i]->actor);
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
	KT_CASE(13, mirrors_are_never_stale),
	KT_CASE(09, subscribers_among_ranges_are_paired),
	{}
};

struct kunit_suite mmun_storm_suite = {
	.name = "mmun_storm",
	.init = kt_init,
	.exit = kt_exit,
	.test_cases = cases,
};
