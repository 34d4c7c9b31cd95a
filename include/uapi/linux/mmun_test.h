/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_MMUN_TEST_H
#define _UAPI_LINUX_MMUN_TEST_H

/*
 * /dev/mmun_test: subscriptions to live processes, driven by ioctl.
 *
 * Every argument begins with its own size in bytes. A size smaller than the
 * first version of the struct is EINVAL; a larger one is accepted if the bytes
 * that this kernel does not know are zero, and is E2BIG otherwise. A size between
 * that of two versions is EINVAL. Fields that a smaller version does not have are
 * taken as zero, and not written. Reserved fields and unknown flag bits that are not zero
 * are EINVAL.
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
	/*
	 * An interval with a page table of its own, the mirror: filled by FAULT,
	 * MREAD and MWRITE, emptied by invalidations. start and length are
	 * multiples of the page size. EOPNOTSUPP: the kernel has no HMM_MIRROR.
	 */
	MMUN_TEST_MIRROR = 3,
};

/*
 * attach flags: ops that need a bridge of their own. TLB: list and get only.
 * YOUNG: also a mirror, which then answers the queries from its young bits.
 */
#define MMUN_TEST_ATTACH_YOUNG	(1u << 0)
#define MMUN_TEST_ATTACH_TLB	(1u << 1)
/* attach under the mm's mmap lock, by the _locked / __ variant */
#define MMUN_TEST_ATTACH_LOCKED	(1u << 2)
/* interval, mirror: invalidate_start and invalidate_finish */
#define MMUN_TEST_ATTACH_TWO_PASS (1u << 3)
/*
 * interval: insert while the mmap lock is held for reading. Only to a mm that is
 * ready: it has had a subscription, or PREPARE.
 */
#define MMUN_TEST_ATTACH_READ_LOCKED (1u << 4)

struct mmun_test_attach {
	__u32 size;
	__u32 kind;		/* enum mmun_test_kind */
	__s32 pid;		/* 0: the caller's own mm */
	__u32 flags;		/* MMUN_TEST_ATTACH_* */
	__u64 start;		/* interval, mirror: first byte; otherwise 0 */
	__u64 length;		/* interval, mirror: bytes; otherwise 0 */
	__u32 id;		/* out: the subscription */
	__u32 reserved;
};

enum mmun_test_how {
	MMUN_TEST_UNREGISTER = 0,	/* list: unregister; others but get: remove */
	MMUN_TEST_NO_RELEASE = 1,	/* list: unregister_no_release, call_srcu */
	MMUN_TEST_PUT = 2,		/* get: put */
	/*
	 * list, interval: UNREGISTER, and the same once more. A mistake, made on
	 * purpose: mmun must say so and do nothing.
	 */
	MMUN_TEST_TWICE = 0x10,
};

/* Make a mm ready for intervals: __mmun_notifier_register(NULL, mm). */
struct mmun_test_prepare {
	__u32 size;
	__s32 pid;		/* 0: the caller's own mm */
	__u64 reserved;
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
	__u64 starts;		/* accepted (interval, mirror: invalidations) */
	__u64 ends;		/* list, get; with two passes, second passes */
	__u64 refusals;		/* starts that this subscription refused */
	__u64 releases;
	__u64 youngs;
	__u64 tlbs;
	__u64 reads;		/* MMUN_TEST_READ sections */
	__u64 collisions;	/* ... that ended with retry */
	__u64 retries;		/* ... begun again by MMUN_TEST_READ_LOOP */
	__u64 reserved[2];
	/* mirror */
	__u64 fills;		/* batches of pages looked up to be filled in */
	__u64 fill_retries;	/* ... thrown away, because they had collided */
	__u64 filled;		/* entries made; filled - torn is present */
	__u64 torn;		/* entries taken away by invalidations */
	__u64 present;		/* entries now */
	__u64 tables;		/* tables of 512 entries now */
};

struct mmun_test_file_stats {
	__u32 size;
	__u32 subscriptions;	/* attached now on this file */
	__u64 events;		/* put into the ring */
	__u64 dropped;		/* lost because the ring was full */
	__u64 allocated;	/* get objects allocated by the driver, all files */
	__u64 freed;		/* get objects freed by the driver, all files */
	__u64 reserved[2];
	/* interval, mirror: attached while a callback of the file's was running */
	__u64 joined_busy;
	__u64 left_busy;	/* ... and detached while one of their own was */
};

/* knobs of one subscription; all off when it is attached */
#define MMUN_TEST_KNOB_REFUSE	(1u << 0)	/* refuse non-blockable ranges */
/*
 * mirror: see invalidations and do nothing: to see that CHECK finds it. The
 * entries of such a mirror may show pages of another process by now, so MREAD and
 * MWRITE are EIO on it from then on, also when the knob is off again.
 */
#define MMUN_TEST_KNOB_DEAF	(1u << 1)
#define MMUN_TEST_DELAY_MAX_MS	60000u

struct mmun_test_knobs {
	__u32 size;
	__u32 id;
	__u32 flags;		/* MMUN_TEST_KNOB_* */
	/* A sleep that has begun ends when its knob is turned down. */
	__u32 start_delay_ms;	/* sleep in a blockable start or invalidate */
	__u32 release_delay_ms;	/* sleep in release */
	__u32 free_delay_us;	/* busy wait in free_notifier; at most 100000 */
	__u64 reserved;
	__u32 fill_delay_ms;	/* mirror: between look-up of pages and read_retry */
	/* interval, mirror: after start_delay_ms, before entries are torn down */
	__u32 tear_delay_ms;	/* ... in the second pass, if there are two */
	__u32 fail_after;	/* mirror: EIO after so many more entries; 0: never */
	__u32 reserved2;
};

#define MMUN_TEST_READ_LOOP	(1u << 0)	/* begin again until no retry */

/* one collision-retry section on an interval or mirror, with a pause inside */
struct mmun_test_read {
	__u32 size;
	__u32 id;
	__u32 flags;		/* MMUN_TEST_READ_* */
	__u32 pause_ms;		/* between read_begin and read_retry */
	__u32 collided;		/* out: 1 if read_retry returned true */
	__u32 begins;		/* out: read_begin calls made */
	__u64 reserved;
};

/*
 * The mirror of a mm. An entry is a page: its number, whether it may be written,
 * and whether it was used through the mirror since it was last asked (young).
 *
 * start, length: multiples of the page size, inside the mirror; length is at
 * most MMUN_TEST_SPAN_MAX. All of these can be interrupted by a signal (EINTR)
 * and then have done a part of it, which the out fields count. They fail with
 * ESRCH when a page has to be looked up and nobody uses the address space any
 * more. The entries of one file need at most MMUN_TEST_TABLES_MAX tables of 4 KiB
 * (one for every 512 pages of address space that ever had an entry in a mirror):
 * ENOSPC.
 */
#define MMUN_TEST_SPAN_MAX	(1ull << 40)
#define MMUN_TEST_TABLES_MAX	4096u

#define MMUN_TEST_FAULT_WRITE	(1u << 0)	/* entries that may be written */
/* only what is present: no page is faulted in, holes stay holes; not with WRITE */
#define MMUN_TEST_FAULT_PRESENT	(1u << 1)

/*
 * Fill a part of the mirror. An entry may be written if the process may write to
 * the page without a fault, and with FAULT_WRITE always. EFAULT: there is a page
 * that cannot be accessed so, or is no ordinary memory; EPERM: the mapping may
 * not be written.
 */
struct mmun_test_fault {
	__u32 size;
	__u32 id;
	__u32 flags;		/* MMUN_TEST_FAULT_* */
	__u32 reserved;
	__u64 start;
	__u64 length;
	__u64 entries;		/* out: entries made or found good */
	__u64 retries;		/* out: collisions on the way */
};

/* Do not fault: EFAULT at the first page without a fitting entry. */
#define MMUN_TEST_COPY_NOFAULT	(1u << 0)

/*
 * MREAD: from the memory that the mirror shows to the caller's buffer; MWRITE:
 * the other way round. Any byte address and length (at most MMUN_TEST_SPAN_MAX).
 * Each page is copied in one piece while its entry is valid. After an error the
 * out field has the number of bytes copied before it.
 */
struct mmun_test_copy {
	__u32 size;
	__u32 id;
	__u32 flags;		/* MMUN_TEST_COPY_* */
	__u32 reserved;
	__u64 start;		/* first byte in the mirrored mm */
	__u64 length;		/* bytes */
	__u64 buffer;		/* the caller's */
	__u64 copied;		/* out: bytes */
	__u64 faults;		/* out: entries that had to be faulted in */
};

#define MMUN_TEST_PAGE_VALID	(1ull << 63)
#define MMUN_TEST_PAGE_WRITE	(1ull << 62)
#define MMUN_TEST_PAGE_YOUNG	(1ull << 61)
#define MMUN_TEST_PAGE_ERROR	(1ull << 60)	/* CHECK: a page without access */
#define MMUN_TEST_PAGE_PFN	((1ull << 52) - 1)

/* The entries as they are, one word for each page, MMUN_TEST_PAGE_*. */
struct mmun_test_snapshot {
	__u32 size;
	__u32 id;
	__u64 reserved;
	__u64 start;
	__u64 length;
	__u64 buffer;		/* the caller's: length / page size words */
	__u64 present;		/* out: valid ones among them */
};

#define MMUN_TEST_ROOM_MAX	512u

/* An entry that the process's page tables do not back. */
struct mmun_test_difference {
	__u64 address;
	__u64 mirror;		/* MMUN_TEST_PAGE_* */
	__u64 process;		/* the same, read off the process; 0: nothing */
};

/*
 * Compare every entry with the process's page tables, at an instant when nothing
 * of it is being invalidated; one that is filled in meanwhile is left out. An entry
 * is good if the process has the same page there, writable if the entry is. When it
 * returns 0, no entry was stale if differences is 0. When nobody uses the address
 * space any more, its release is waited for, and every entry that is left counts as
 * a difference.
 */
struct mmun_test_check {
	__u32 size;
	__u32 id;
	__u32 room;		/* records in buffer; at most MMUN_TEST_ROOM_MAX */
	__u32 reserved;
	__u64 start;
	__u64 length;
	__u64 buffer;		/* the caller's: struct mmun_test_difference[room] */
	__u64 checked;		/* out: entries looked at */
	__u64 differences;	/* out: all of them, also those beyond room */
};

/* Take the young bits of a part of the mirror. */
struct mmun_test_age {
	__u32 size;
	__u32 id;
	__u64 reserved;
	__u64 start;
	__u64 length;
	__u64 young;		/* out: how many entries were young */
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

#define MMUN_TEST_IOC_FAULT	_IOWR(MMUN_TEST_MAGIC, 7, struct mmun_test_fault)
#define MMUN_TEST_IOC_MREAD	_IOWR(MMUN_TEST_MAGIC, 8, struct mmun_test_copy)
#define MMUN_TEST_IOC_MWRITE	_IOWR(MMUN_TEST_MAGIC, 9, struct mmun_test_copy)
#define MMUN_TEST_IOC_SNAPSHOT	_IOWR(MMUN_TEST_MAGIC, 10, struct mmun_test_snapshot)
#define MMUN_TEST_IOC_CHECK	_IOWR(MMUN_TEST_MAGIC, 11, struct mmun_test_check)
#define MMUN_TEST_IOC_AGE	_IOWR(MMUN_TEST_MAGIC, 12, struct mmun_test_age)
#define MMUN_TEST_IOC_PREPARE	_IOW(MMUN_TEST_MAGIC, 13, struct mmun_test_prepare)

enum mmun_test_what {
	MMUN_TEST_EV_START = 0,		/* list start or interval invalidate */
	MMUN_TEST_EV_END = 1,		/* or interval invalidate_finish */
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
