/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef MMUN_EXAMPLE_H
#define MMUN_EXAMPLE_H

/*
 * /dev/mmun_example: a mirror of a part of the caller's address space. pread()
 * reads through it; offset 0 is the first byte of what is mirrored.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

struct mmun_example_map {
	__u64 start;		/* multiples of the page size */
	__u64 length;
};

struct mmun_example_stats {
	__u64 filled;		/* pages that came into the mirror */
	__u64 dropped;		/* pages that invalidations took out of it */
	__u64 collided;		/* pages that were stale before they were used */
};

/* Once for each open file. EBUSY: this file has a mirror already. */
#define MMUN_EXAMPLE_MAP	_IOW('x', 0x60, struct mmun_example_map)
#define MMUN_EXAMPLE_STATS	_IOR('x', 0x61, struct mmun_example_stats)

/*
 * /dev/mmun_example_get: the address space of the process that opened it. pread() reads
 * through the device; the offset is the address.
 */
struct mmun_example_get_stats {
	__u64 filled;		/* entries that page faults have filled in */
	__u64 dropped;		/* entries that invalidations took out */
	__u64 collided;		/* pages that were stale before they were filled in */
	__u64 waited;		/* page faults that waited for the end of a change */
};

/* Of all files of that process. */
#define MMUN_EXAMPLE_GET_STATS	_IOR('x', 0x62, struct mmun_example_get_stats)

#endif
