/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_KUNIT_RANDOM_H
#define _MMUN_KUNIT_RANDOM_H

/* For the random suites. */

#include <linux/prandom.h>
#include <linux/random.h>

#include "mmun_kunit.h"

static inline unsigned int pick(struct rnd_state *rnd, unsigned int n)
{
	return prandom_u32_state(rnd) % n;
}

static inline unsigned long take_seed(struct kunit *test, unsigned int steps)
{
	unsigned long seed = mmun_kunit_seed ?: get_random_u32();

	kunit_info(test, "seed %lu, replay with seed=%lu steps=%u\n", seed,
		   seed, steps);
	return seed;
}

static inline unsigned int take_steps(unsigned int usual)
{
	return mmun_kunit_steps ?: usual;
}

#endif /* _MMUN_KUNIT_RANDOM_H */
