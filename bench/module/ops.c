// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operations that are timed, written for the kernel's own notifier. kernel.c
 * compiles them as they are, and mmun.c on mmun, by its drop-in header: what is
 * compared is the same code.
 *
 * Only the calls in question are inside the time. Their preparation and undoing,
 * the checks for signals and the offers to reschedule are outside, between rounds.
 */

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>

#ifdef BENCH_ON_MMUN
#include <linux/mmun_dropin.h>
#endif

#include "bench.h"

/* The time begins for a profiler, too. */
#ifdef BENCH_ON_MMUN
#define MARK_BEGIN()	MMUN_BENCH_MARK(MMUN)
#else
#define MARK_BEGIN()	MMUN_BENCH_MARK(KERNEL)
#endif

struct interval {
	struct mmu_interval_notifier mni;
	spinlock_t lock;		/* the user lock */
};

struct slow {
	struct mmu_notifier mn;
	struct bench_group *group;
	u32 start_delay_ms;
	u32 release_delay_ms;
};

struct group {
	struct bench_group base;
	u32 kind;
	u32 n;				/* how many are attached */
	struct slow slow;		/* the one if it has a delay */
	bool is_slow;
	struct mmu_notifier *lists;
	struct interval *intervals;
};

/* --- the subscribers --- */

static int list_start(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
	return 0;
}

static void list_end(struct mmu_notifier *mn,
		     const struct mmu_notifier_range *range)
{
}

static const struct mmu_notifier_ops list_ops = {
	.invalidate_range_start = list_start,
	.invalidate_range_end = list_end,
};

static void sleep_in_callback(struct slow *slow, u32 ms)
{
	if (!ms)
		return;
	atomic_inc(&slow->group->asleep);
	msleep(ms);
	atomic_dec(&slow->group->asleep);
}

static int slow_start(struct mmu_notifier *mn,
		      const struct mmu_notifier_range *range)
{
	struct slow *slow = container_of(mn, struct slow, mn);

	if (mmu_notifier_range_blockable(range))
		sleep_in_callback(slow, slow->start_delay_ms);
	return 0;
}

static void slow_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct slow *slow = container_of(mn, struct slow, mn);

	sleep_in_callback(slow, slow->release_delay_ms);
}

static const struct mmu_notifier_ops slow_ops = {
	.release = slow_release,
	.invalidate_range_start = slow_start,
	.invalidate_range_end = list_end,
};

static bool interval_invalidate(struct mmu_interval_notifier *mni,
				const struct mmu_notifier_range *range,
				unsigned long cur_seq)
{
	struct interval *interval = container_of(mni, struct interval, mni);

	spin_lock(&interval->lock);
	mmu_interval_set_seq(mni, cur_seq);
	spin_unlock(&interval->lock);
	return true;
}

static const struct mmu_interval_notifier_ops interval_ops = {
	.invalidate = interval_invalidate,
};

/* The number of live objects of get, and the queue of those that wait for none. */
static atomic_t got_live = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(got_wait);

static struct mmu_notifier *got_alloc(struct mm_struct *mm)
{
	struct mmu_notifier *mn = kzalloc(sizeof(*mn), GFP_KERNEL);

	if (!mn)
		return ERR_PTR(-ENOMEM);
	atomic_inc(&got_live);
	return mn;
}

static void got_free(struct mmu_notifier *mn)
{
	kfree(mn);
	if (atomic_dec_and_test(&got_live))
		wake_up(&got_wait);
}

static const struct mmu_notifier_ops got_ops = {
	.invalidate_range_start = list_start,
	.invalidate_range_end = list_end,
	.alloc_notifier = got_alloc,
	.free_notifier = got_free,
};

/* --- what is attached --- */

static int insert_one(struct interval *interval, u64 start, u64 length)
{
	return mmu_interval_notifier_insert(&interval->mni, current->mm, start,
					    length, &interval_ops);
}

static int attach_one(struct group *group, u32 i,
		      const struct mmun_bench_attach *arg)
{
	if (group->is_slow)
		return mmu_notifier_register(&group->slow.mn, current->mm);
	if (group->kind == MMUN_BENCH_LIST)
		return mmu_notifier_register(&group->lists[i], current->mm);
	return insert_one(&group->intervals[i], arg->start + i * arg->stride,
			  arg->length);
}

static void detach_one(struct group *group, u32 i)
{
	struct mmu_notifier *mn;

	if (group->kind == MMUN_BENCH_INTERVAL) {
		mmu_interval_notifier_remove(&group->intervals[i].mni);
		return;
	}
	mn = group->is_slow ? &group->slow.mn : &group->lists[i];
	mmu_notifier_unregister(mn, mn->mm);
}

static void free_group(struct group *group)
{
	kvfree(group->lists);
	kvfree(group->intervals);
	kfree(group);
}

static void detach(struct bench_group *base)
{
	struct group *group = container_of(base, struct group, base);

	while (group->n) {
		detach_one(group, --group->n);
		cond_resched();
	}
	free_group(group);
}

static int alloc_subscribers(struct group *group,
			     const struct mmun_bench_attach *arg)
{
	u32 i;

	if (group->is_slow) {
		group->slow.mn.ops = &slow_ops;
		group->slow.group = &group->base;
		group->slow.start_delay_ms = arg->start_delay_ms;
		group->slow.release_delay_ms = arg->release_delay_ms;
		return 0;
	}
	if (group->kind == MMUN_BENCH_LIST) {
		group->lists = kvcalloc(arg->n, sizeof(*group->lists),
					GFP_KERNEL);
		if (!group->lists)
			return -ENOMEM;
		for (i = 0; i < arg->n; i++)
			group->lists[i].ops = &list_ops;
		return 0;
	}
	group->intervals = kvcalloc(arg->n, sizeof(*group->intervals),
				    GFP_KERNEL);
	if (!group->intervals)
		return -ENOMEM;
	for (i = 0; i < arg->n; i++)
		spin_lock_init(&group->intervals[i].lock);
	return 0;
}

static u64 slab_bytes(const void *p)
{
	return p && !is_vmalloc_addr(p) ? ksize(p) : 0;
}

static struct bench_group *attach(struct mmun_bench_attach *arg)
{
	struct group *group = kzalloc(sizeof(*group), GFP_KERNEL);
	int ret;

	if (!group)
		return ERR_PTR(-ENOMEM);
	group->base.core = &BENCH_CORE;
	group->kind = arg->kind;
	group->is_slow = arg->start_delay_ms || arg->release_delay_ms;
	ret = alloc_subscribers(group, arg);
	while (!ret && group->n < arg->n) {
		ret = attach_one(group, group->n, arg);
		if (!ret)
			group->n++;
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	if (ret) {
		detach(&group->base);
		return ERR_PTR(ret);
	}
	arg->bytes = slab_bytes(group) + slab_bytes(group->lists) +
		     slab_bytes(group->intervals);
	return &group->base;
}

/* --- what is timed --- */

/* One run; who does not use a field leaves it NULL. */
struct run {
	const struct mmun_bench_run *arg;
	struct bench_file *file;
	struct mmu_notifier *lists;
	struct interval *intervals;
	struct mmun_bench_time *time;	/* of this round */
	u64 clock_ns;			/* what reading the clock costs */
};

static u64 clock_cost(void)
{
	u64 begin, cost = U64_MAX;
	int i;

	for (i = 0; i < 16; i++) {
		begin = ktime_get_ns();
		cost = min(cost, ktime_get_ns() - begin);
	}
	return cost;
}

/* The time since @begin, without the cost of the clock. */
static u64 elapsed(const struct run *run, u64 begin)
{
	u64 ns;

	MMUN_BENCH_MARK(END);
	ns = ktime_get_ns() - begin;
	return ns - min(ns, run->clock_ns);
}

static int run_begin(struct run *run)
{
	int ret = bench_meet(run->file, run->arg->parties);

	run->time->begin_ns = ktime_get_ns();
	MARK_BEGIN();
	return ret;
}

static int run_end(struct run *run)
{
	run->time->ns = elapsed(run, run->time->begin_ns);
	return bench_meet(run->file, run->arg->parties);
}

static void unregister_all(struct run *run, u32 n)
{
	while (n--)
		mmu_notifier_unregister(&run->lists[n], current->mm);
}

/* Return: how many are registered, or an error, and then none is. */
static int register_all(struct run *run)
{
	int ret;
	u32 i;

	for (i = 0; i < run->arg->count; i++) {
		ret = mmu_notifier_register(&run->lists[i], current->mm);
		if (ret) {
			unregister_all(run, i);
			return ret;
		}
	}
	return 0;
}

static void prepare_lists(struct run *run)
{
	u32 i;

	memset(run->lists, 0, run->arg->count * sizeof(*run->lists));
	for (i = 0; i < run->arg->count; i++)
		run->lists[i].ops = &list_ops;
}

static int round_register(struct run *run)
{
	int ret, err;

	prepare_lists(run);
	ret = run_begin(run);
	if (ret)
		return ret;
	ret = register_all(run);
	err = run_end(run);
	if (!ret)
		unregister_all(run, run->arg->count);
	return ret ? ret : err;
}

static int round_unregister(struct run *run)
{
	int ret, err;

	prepare_lists(run);
	ret = register_all(run);
	if (ret)
		return ret;
	ret = run_begin(run);
	unregister_all(run, run->arg->count);
	err = run_end(run);
	return ret ? ret : err;
}

/*
 * Runs that get. One at a time, or several of one file that begin together; so
 * that "there is none" is about one's own, and none is left when a run is over.
 */
static DEFINE_MUTEX(got_lock);
static struct bench_file *got_file;	/* NULL: alone */
static u32 got_runs;

static int got_claim(const struct run *run)
{
	struct bench_file *file = run->arg->parties > 1 ? run->file : NULL;
	int ret = 0;

	mutex_lock(&got_lock);
	if (!got_runs)
		got_file = file;
	else if (!file || file != got_file)
		ret = -EBUSY;
	if (!ret)
		got_runs++;
	mutex_unlock(&got_lock);
	return ret;
}

static void got_unclaim(void)
{
	mutex_lock(&got_lock);
	if (got_runs == 1)
		wait_event(got_wait, !atomic_read(&got_live));
	got_runs--;
	mutex_unlock(&got_lock);
}

static int round_put(struct run *run)
{
	struct mmu_notifier *mn;
	u64 begin, ns = 0;
	int ret;
	u32 i;

	ret = run_begin(run);
	if (ret)
		return ret;
	for (i = 0; i < run->arg->count; i++) {
		mn = mmu_notifier_get(&got_ops, current->mm);
		if (IS_ERR(mn))
			return PTR_ERR(mn);
		begin = ktime_get_ns();
		MARK_BEGIN();
		mmu_notifier_put(mn);
		wait_event(got_wait, !atomic_read(&got_live));
		ns += elapsed(run, begin);
	}
	ret = run_end(run);
	run->time->ns = ns;
	return ret;
}

static int get_all(struct mmu_notifier *mn, u32 count, bool locked, u32 *gets)
{
	struct mmu_notifier *again;

	for (*gets = 0; *gets < count; ++*gets) {
		if (locked)
			again = mmu_notifier_get_locked(&got_ops, current->mm);
		else
			again = mmu_notifier_get(&got_ops, current->mm);
		if (again != mn)
			return IS_ERR(again) ? PTR_ERR(again) : -ENOTUNIQ;
	}
	return 0;
}

static int round_get(struct run *run, bool locked)
{
	struct mmu_notifier *mn = mmu_notifier_get(&got_ops, current->mm);
	int ret, err;
	u32 gets = 0;

	if (IS_ERR(mn))
		return PTR_ERR(mn);
	if (locked)
		mmap_write_lock(current->mm);
	ret = run_begin(run);
	if (!ret) {
		ret = get_all(mn, run->arg->count, locked, &gets);
		err = run_end(run);
		ret = ret ? ret : err;
	}
	if (locked)
		mmap_write_unlock(current->mm);
	while (gets--)
		mmu_notifier_put(mn);
	mmu_notifier_put(mn);
	return ret;
}

static void remove_all(struct run *run, u32 n)
{
	while (n--)
		mmu_interval_notifier_remove(&run->intervals[n].mni);
}

static int insert_all(struct run *run, u32 n)
{
	int ret;
	u32 i;

	for (i = 0; i < n; i++) {
		ret = insert_one(&run->intervals[i],
				 run->arg->start + i * run->arg->stride,
				 run->arg->length);
		if (ret) {
			remove_all(run, i);
			return ret;
		}
	}
	return 0;
}

static int round_insert(struct run *run)
{
	int ret, err;

	ret = run_begin(run);
	if (ret)
		return ret;
	ret = insert_all(run, run->arg->count);
	err = run_end(run);
	if (!ret)
		remove_all(run, run->arg->count);
	return ret ? ret : err;
}

static int round_remove(struct run *run)
{
	int ret, err;

	ret = insert_all(run, run->arg->count);
	if (ret)
		return ret;
	ret = run_begin(run);
	remove_all(run, run->arg->count);
	err = run_end(run);
	return ret ? ret : err;
}

static int round_read(struct run *run)
{
	struct mmu_interval_notifier *mni = &run->intervals[0].mni;
	unsigned long seq;
	u32 collided = 0, i;
	int ret, err;

	ret = insert_all(run, 1);
	if (ret)
		return ret;
	ret = run_begin(run);
	for (i = 0; !ret && i < run->arg->count; i++) {
		seq = mmu_interval_read_begin(mni);
		collided += mmu_interval_read_retry(mni, seq);
	}
	err = run_end(run);
	remove_all(run, 1);
	if (collided)
		return -EBUSY;
	return ret ? ret : err;
}

#ifdef BENCH_ON_MMUN
struct called {
	struct rcu_head rcu;
	bool done;
};

static void call_me(struct rcu_head *rcu)
{
	WRITE_ONCE(container_of(rcu, struct called, rcu)->done, true);
}

/* Return: 0; -EPROTO if synchronize did not wait for what was queued. */
static int synchronize(void)
{
	struct called called = { .done = false };
	bool done;

	init_rcu_head_on_stack(&called.rcu);
	mmun_notifier_call_srcu(&called.rcu, call_me);
	mmun_notifier_synchronize();
	done = READ_ONCE(called.done);
	/* It is on our stack: whatever synchronize did, it must be over. */
	while (!READ_ONCE(called.done))
		msleep(20);
	destroy_rcu_head_on_stack(&called.rcu);
	return done ? 0 : -EPROTO;
}
#else
static int synchronize(void)
{
	mmu_notifier_synchronize();
	return 0;
}
#endif

static int round_sync(struct run *run)
{
	int ret, err;
	u32 i;

	ret = run_begin(run);
	for (i = 0; !ret && i < run->arg->count; i++)
		ret = synchronize();
	err = run_end(run);
	return ret ? ret : err;
}

static int run_round(struct run *run)
{
	switch (run->arg->op) {
	case MMUN_BENCH_REGISTER:
		return round_register(run);
	case MMUN_BENCH_UNREGISTER:
		return round_unregister(run);
	case MMUN_BENCH_PUT:
		return round_put(run);
	case MMUN_BENCH_GET_LOCKED:
		return round_get(run, true);
	case MMUN_BENCH_GET:
		return round_get(run, false);
	case MMUN_BENCH_INSERT:
		return round_insert(run);
	case MMUN_BENCH_REMOVE:
		return round_remove(run);
	case MMUN_BENCH_READ:
		return round_read(run);
	case MMUN_BENCH_SYNC:
		return round_sync(run);
	default:
		return -EINVAL;
	}
}

static bool gets(const struct mmun_bench_run *arg)
{
	return arg->op == MMUN_BENCH_PUT || arg->op == MMUN_BENCH_GET ||
	       arg->op == MMUN_BENCH_GET_LOCKED;
}

static int alloc_run(struct run *run)
{
	u32 n = run->arg->op == MMUN_BENCH_READ ? 1 : run->arg->count;
	u32 i;

	switch (run->arg->op) {
	case MMUN_BENCH_REGISTER:
	case MMUN_BENCH_UNREGISTER:
		run->lists = kvcalloc(n, sizeof(*run->lists), GFP_KERNEL);
		return run->lists ? 0 : -ENOMEM;
	case MMUN_BENCH_INSERT:
	case MMUN_BENCH_REMOVE:
	case MMUN_BENCH_READ:
		run->intervals = kvcalloc(n, sizeof(*run->intervals),
					  GFP_KERNEL);
		if (!run->intervals)
			return -ENOMEM;
		for (i = 0; i < n; i++)
			spin_lock_init(&run->intervals[i].lock);
		return 0;
	default:
		return 0;
	}
}

static int run(struct bench_file *file, const struct mmun_bench_run *arg,
	       struct mmun_bench_time *times)
{
	struct run run = {
		.arg = arg, .file = file, .clock_ns = clock_cost(),
	};
	int ret;
	u32 i;

	ret = alloc_run(&run);
	if (!ret && gets(arg))
		ret = got_claim(&run);
	if (ret)
		goto out;
	for (i = 0; !ret && i < arg->rounds; i++) {
		run.time = &times[i];
		ret = run_round(&run);
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	if (gets(arg))
		got_unclaim();
out:
	kvfree(run.lists);
	kvfree(run.intervals);
	return ret;
}

const struct bench_core BENCH_CORE = {
	.list_bytes = sizeof(struct mmu_notifier),
	.interval_bytes = sizeof(struct mmu_interval_notifier),
	.attach = attach,
	.detach = detach,
	.run = run,
};
