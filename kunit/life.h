/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_KUNIT_LIFE_H
#define _MMUN_KUNIT_LIFE_H

/*
 * Objects and scenes of the suites on lifetimes: get, put, unregister, deferred,
 * reference, exit.
 *
 * Objects of kt_sub() live as long as the case, so that their counters can be read
 * after they have left. A case that must see that nothing touches an object any
 * more uses a struct owned, whose memory is really freed: KASAN and kmemleak
 * judge there.
 */

#include "mmun_kunit.h"

struct call {
	struct rcu_head rcu;
};

/* The behaviour of alloc_notifier, free_notifier and functions of call_srcu. */
struct life {
	struct kunit *test;

	struct kt_gate alloc;
	long alloc_ret;			/* an errno; 1 stands for NULL */
	bool nest;			/* the next alloc calls get itself */
	struct mmun_notifier *nested, *loser;
	struct kt_sub *spare;		/* alloc returns it, if there is one */
	bool hold;			/* frees and functions do not return */
	unsigned int held_on;		/* the CPU where one spins */
	struct kt_gate stop;		/* for an owned, or an actor */
	struct call *call;

	atomic_t allocs, frees, funcs, releases;
	atomic_t held;			/* frees and functions that spin */
	atomic_t early;			/* frees with a callback inside */
	atomic_t sleepable;		/* frees where sleeping is allowed */
	struct mm_struct *released_mm;	/* the mm of a release */
};

extern struct life *life;

/* For struct kunit_suite. */
int life_init(struct kunit *test);
void life_exit(struct kunit *test);

/* kt_ops with alloc and free; two, as the address is the key of a get */
extern struct mmun_notifier_ops life_ops, life_ops2;
/* The same without alloc and free, to register. */
extern struct mmun_notifier_ops life_list_ops;

/* [0x1000, 0x2000), may block */
struct kt_range *life_range(struct kunit *test, struct mm_struct *mm);

/* Where a callback runs, or act() of an owned. */
enum place {
	AT_START, AT_END, AT_QUERY, AT_TLB, AT_RELEASE, AT_INTERVAL, AT_LEAVER,
	AT_INTERVAL_RELEASE,
};

struct place_param {
	const char *name;
	enum place at;
};

/* Every place; the first five are those of a walk of the list. */
extern const struct place_param life_places[8];
extern const struct place_param life_walk_places[5];
/* The places where a notifier can be put. */
extern const struct place_param life_put_places[3];

/* --- objects whose memory is really freed --- */

struct owned {
	struct mmun_notifier mn;
	struct rcu_head rcu;
	enum place act_at;		/* calls act there, once */
	void (*act)(struct owned *owned);
	struct owned *other;
	int touched;
};

static inline struct owned *to_owned(struct mmun_notifier *mn)
{
	return container_of(mn, struct owned, mn);
}

extern const struct mmun_notifier_ops owned_ops;

struct owned *owned_register(struct kunit *test, struct mm_struct *mm);
struct owned *owned_get(struct kunit *test, struct mm_struct *mm);
/* For call_srcu. */
void owned_free_rcu(struct rcu_head *rcu);
/* For act. */
void act_put(struct owned *owned);
void act_unregister(struct owned *owned);
void act_unregister_other(struct owned *owned);
void act_no_release(struct owned *owned);

/* --- functions of call_srcu --- */

void life_func(struct rcu_head *rcu);
/* Queues one of them. */
void life_call_srcu(struct kunit *test);
/* Wait until other SRCU domains, and RCU, are past what was queued before. */
void life_let_others_finish(void);

/* --- mm_count --- */

/* A new mm that only its users and the case hold. */
#define FRESH_COUNT	2
struct mm_struct *life_mm(struct kunit *test);
int life_mm_count(struct mm_struct *mm);
/* It comes to that: not all that drop it are waited for. */
void life_assert_mm_count(struct kunit *test, struct mm_struct *mm, int expected);

/* --- scenes: an actor that is blocked in a callback of sub or interval --- */

struct scene {
	struct mm_struct *mm;
	struct mmun_subscriptions *subs;
	struct kt_sub *keeper;		/* keeps subs */
	struct kt_sub *sub;
	struct kt_interval *interval;
	struct kt_gate *gate;
	struct kt_actor *actor;
};

/* A new mm with the keeper on it. */
void life_stage(struct kunit *test, struct scene *scene);
/* Blocks an actor there. */
void life_block(struct kunit *test, struct scene *scene, enum place at);
/* Lets the actor go on, and joins it. */
int life_go_on(struct kunit *test, struct scene *scene);

#endif /* _MMUN_KUNIT_LIFE_H */
