/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KT_CASE_H
#define _KT_CASE_H

/* The case that runs: shared by the files behind mmun_kunit.h. */

#include <linux/list.h>

#include "mmun_kunit.h"

/* Everything that it has made. */
struct kt_case {
	struct kunit *test;
	struct mutex lock;		/* the lists: actors add, too */
	struct list_head gates, actors, processes, subs, intervals, ranges;
};

/* One case runs at a time. */
extern struct kt_case *kt_case;

/* Adds @node to one of its lists. */
void kt_keep(struct kunit *test, struct list_head *node, struct list_head *list);
/* Joins all actors; for kt_exit(). */
void kt_join_all(struct kunit *test);

#endif /* _KT_CASE_H */
