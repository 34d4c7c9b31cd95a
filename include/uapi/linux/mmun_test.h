/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_MMUN_TEST_H
#define _UAPI_LINUX_MMUN_TEST_H

/*
 * /dev/mmun_test: subscriptions to live processes, driven by ioctl.
 *
 * Every argument begins with its own size in bytes. A size smaller than the
 * first version of the struct is EINVAL; a larger one is accepted if the bytes
 * that this kernel does not know are zero, and is E2BIG otherwise. Reserved
 * fields and unknown flag bits that are not zero are EINVAL.
 *
 * read() gives whole struct mmun_test_event records (a buffer smaller than one
 * is EINVAL), poll() says when there are some. A file's ring that is full
 * drops the newest event and counts it; the sequence number counts dropped
 * events too, so a reader sees the gap.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

enum mmun_test_kind {
	MMUN_TEST_LIST = 0,		/* mmun_notifier_register() */
	MMUN_TEST_GET = 1,		/* mmun_notifier_get() */
	MMUN_TEST_INTERVAL = 2,		/* mmun_interval_notifier_insert() */
};

/* attach flags: ops that need a bridge of their own; list and get only */
#define MMUN_TEST_ATTACH_YOUNG	(1u << 0)
#define MMUN_TEST_ATTACH_TLB	(1u << 1)
/* attach under the caller's mmap lock, by the _locked / __ variant */
#define MMUN_TEST_ATTACH_LOCKED	(1u << 2)

struct mmun_test_attach {
	__u32 size;
	__u32 kind;		/* enum mmun_test_kind */
	__s32 pid;		/* 0: the caller's own mm */
	__u32 flags;		/* MMUN_TEST_ATTACH_* */
	__u64 start;		/* interval: first byte; otherwise 0 */
	__u64 length;		/* interval: bytes; otherwise 0 */
	__u32 id;		/* out: the subscription */
	__u32 reserved;
};

enum mmun_test_how {
	MMUN_TEST_UNREGISTER = 0,	/* list: unregister; interval: remove */
	MMUN_TEST_NO_RELEASE = 1,	/* list: unregister_no_release, call_srcu */
	MMUN_TEST_PUT = 2,		/* get: put */
};

struct mmun_test_detach {
	__u32 size;
	__u32 id;
	__u32 how;		/* enum mmun_test_how; must fit the kind */
	__u32 reserved;
};

struct mmun_test_stats {
	__u32 size;
	__u32 id;
	__u64 starts;		/* starts that were accepted (interval: hits) */
	__u64 ends;
	__u64 refusals;		/* starts that this subscription refused */
	__u64 releases;
	__u64 youngs;
	__u64 tlbs;
	__u64 reads;		/* MMUN_TEST_READ sections */
	__u64 collisions;	/* ... that ended with retry */
	__u64 retries;		/* ... begun again by MMUN_TEST_READ_LOOP */
	__u64 reserved[2];
};

struct mmun_test_file_stats {
	__u32 size;
	__u32 subscriptions;	/* attached now on this file */
	__u64 events;		/* put into the ring */
	__u64 dropped;		/* lost because the ring was full */
	__u64 allocated;	/* get objects allocated by the driver, all files */
	__u64 freed;		/* get objects freed by the driver, all files */
	__u64 reserved[2];
};

/* knobs of one subscription; all off when it is attached */
#define MMUN_TEST_KNOB_REFUSE	(1u << 0)	/* refuse non-blockable ranges */
#define MMUN_TEST_DELAY_MAX_MS	60000u

struct mmun_test_knobs {
	__u32 size;
	__u32 id;
	__u32 flags;		/* MMUN_TEST_KNOB_* */
	__u32 start_delay_ms;	/* sleep in a blockable start or invalidate */
	__u32 release_delay_ms;	/* sleep in release */
	__u32 free_delay_us;	/* busy wait in free_notifier; at most 100000 */
	__u64 reserved;
};

#define MMUN_TEST_READ_LOOP	(1u << 0)	/* begin again until no retry */

/* one collision-retry section on an interval, with a pause inside */
struct mmun_test_read {
	__u32 size;
	__u32 id;
	__u32 flags;		/* MMUN_TEST_READ_* */
	__u32 pause_ms;		/* between read_begin and read_retry */
	__u32 collided;		/* out: 1 if read_retry said so */
	__u32 begins;		/* out: read_begin calls made */
	__u64 reserved;
};

#define MMUN_TEST_MAGIC		0xb6
#define MMUN_TEST_IOC_ATTACH	_IOWR(MMUN_TEST_MAGIC, 0, struct mmun_test_attach)
#define MMUN_TEST_IOC_DETACH	_IOW(MMUN_TEST_MAGIC, 1, struct mmun_test_detach)
#define MMUN_TEST_IOC_STATS	_IOWR(MMUN_TEST_MAGIC, 2, struct mmun_test_stats)
#define MMUN_TEST_IOC_KNOBS	_IOW(MMUN_TEST_MAGIC, 3, struct mmun_test_knobs)
#define MMUN_TEST_IOC_READ	_IOWR(MMUN_TEST_MAGIC, 4, struct mmun_test_read)
#define MMUN_TEST_IOC_FILE	_IOWR(MMUN_TEST_MAGIC, 5, struct mmun_test_file_stats)
/* mmun_notifier_synchronize(); no argument (must be 0) */
#define MMUN_TEST_IOC_SYNC	_IO(MMUN_TEST_MAGIC, 6)

enum mmun_test_what {
	MMUN_TEST_EV_START = 0,		/* list start or interval invalidate */
	MMUN_TEST_EV_END = 1,
	MMUN_TEST_EV_REFUSED = 2,	/* a start that the subscription refused */
	MMUN_TEST_EV_RELEASE = 3,
	MMUN_TEST_EV_YOUNG = 4,		/* flags: 1 clear_flush, 2 clear, 3 test */
	MMUN_TEST_EV_TLB = 5,
};

/* events as in enum mmun_notifier_event */
struct mmun_test_event {
	__u64 seq;		/* from 0 on each file, dropped ones counted */
	__u64 time_ns;		/* CLOCK_MONOTONIC */
	__u32 id;		/* the subscription */
	__u32 what;		/* enum mmun_test_what */
	__u32 event;		/* enum mmun_notifier_event; starts and ends */
	__u32 flags;		/* bit 0: blockable; young: which query */
	__u64 start;		/* first byte */
	__u64 end;		/* the byte after the last one */
	__s32 pid;		/* task that raised it, in the initial namespace */
	__s32 tgid;
	char comm[16];
};

#endif /* _UAPI_LINUX_MMUN_TEST_H */
