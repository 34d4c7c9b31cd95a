/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MMUN_TEST_MIRROR_H
#define MMUN_TEST_MIRROR_H

/* The kind MMUN_TEST_MIRROR: see the head of mirror.c. */

#include "driver.h"

#ifdef CONFIG_HMM_MIRROR

/* mirror_ioctl.c */
long mirror_ioctl(struct test_file *file, unsigned int cmd, void __user *uarg);

/* mirror.c, for the rest of the driver */
int mirror_attach(struct test_sub *sub, const struct mmun_test_attach *arg);
void mirror_detach(struct test_sub *sub);
void mirror_free(struct test_sub *sub);
void mirror_tear(struct test_sub *sub,
		 const struct mmun_notifier_range *range);
void mirror_release(struct test_sub *sub,
		    const struct mmun_notifier_range *range, bool deaf);
void mirror_set_knobs(struct test_sub *sub, const struct mmun_test_knobs *arg);
void mirror_count(struct test_sub *sub, struct mmun_test_stats *stats);

/* ... for mirror_ioctl.c: the arguments are valid, and their out fields zero */
bool mirror_covers(struct test_sub *sub, u64 start, u64 length);
int mirror_fault(struct test_sub *sub, struct mmun_test_fault *arg);
int mirror_copy(struct test_sub *sub, struct mmun_test_copy *arg, bool write);
int mirror_snapshot(struct test_sub *sub, struct mmun_test_snapshot *arg);
int mirror_check(struct test_sub *sub, struct mmun_test_check *arg);
int mirror_age(struct test_sub *sub, struct mmun_test_age *arg);

#else

/* No mirror is ever attached. */

static inline long mirror_ioctl(struct test_file *file, unsigned int cmd,
				void __user *uarg)
{
	return -EOPNOTSUPP;
}

static inline int mirror_attach(struct test_sub *sub,
				const struct mmun_test_attach *arg)
{
	return -EOPNOTSUPP;
}

static inline void mirror_detach(struct test_sub *sub) {}
static inline void mirror_free(struct test_sub *sub) {}

static inline void mirror_tear(struct test_sub *sub,
			       const struct mmun_notifier_range *range) {}

static inline void mirror_release(struct test_sub *sub,
				  const struct mmun_notifier_range *range,
				  bool deaf) {}

static inline void mirror_set_knobs(struct test_sub *sub,
				    const struct mmun_test_knobs *arg) {}

static inline void mirror_count(struct test_sub *sub,
				struct mmun_test_stats *stats) {}

#endif

#endif /* MMUN_TEST_MIRROR_H */
