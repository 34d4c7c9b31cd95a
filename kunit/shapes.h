/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_KUNIT_SHAPES_H
#define _MMUN_KUNIT_SHAPES_H

#include "mmun_kunit.h"

/* Ranges against an interval over [FROM, TO). */
static const struct shape {
	const char *name;
	unsigned long start, end;
	bool hit;
} shapes[] = {
	{ "empty at the first byte", FROM, FROM, false },
	{ "empty inside", FROM + 5, FROM + 5, false },
	{ "empty after the last byte", TO, TO, false },
	{ "the first byte", FROM, FROM + 1, true },
	{ "the last byte", TO - 1, TO, true },
	{ "the byte before", FROM - 1, FROM, false },
	{ "the byte after", TO, TO + 1, false },
	{ "all up to the first byte", 0, FROM + 1, true },
	{ "all before", 0, FROM, false },
	{ "all from the last byte on", TO - 1, ULONG_MAX, true },
	{ "all after", TO, ULONG_MAX, false },
	{ "everything", 0, ULONG_MAX, true },
	{ "exactly it", FROM, TO, true },
	{ "inside", FROM + 1, TO - 1, true },
	{ "one more byte at both ends", FROM - 1, TO + 1, true },
	{ "far away", 0x900000, 0x901000, false },
};

/* Does it overlap the interval? */
static inline bool hits(const struct shape *shape, const struct kt_interval *interval)
{
	return shape->start < shape->end &&
	       shape->start <= interval->mni.interval_tree.last &&
	       shape->end > interval->mni.interval_tree.start;
}

#endif /* _MMUN_KUNIT_SHAPES_H */
