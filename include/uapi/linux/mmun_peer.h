/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
#ifndef _UAPI_LINUX_MMUN_PEER_H
#define _UAPI_LINUX_MMUN_PEER_H

/*
 * /dev/mmun_peer: an ordinary user of the kernel's own mmu_notifier, so that
 * a test can put one beside mmun on a live process. It uses nothing of mmun.
 *
 * Arguments begin with their size, as in mmun_test.h. Closing the file
 * detaches everything that was attached through it.
 *
 * A list peer that refuses leaves the kernel's interval state of that mm
 * marked for ever: an interval peer on the same mm could then never be
 * detached. Do not have both on one mm.
 */

#include <linux/ioctl.h>
#include <linux/types.h>

enum mmun_peer_kind {
	MMUN_PEER_LIST = 0,		/* mmu_notifier_register() */
	MMUN_PEER_INTERVAL = 1,		/* mmu_interval_notifier_insert() */
};

/*
 * Refuse ranges that are not blockable. A list peer with this flag has no
 * invalidate_range_end: the kernel forbids both together.
 */
#define MMUN_PEER_REFUSE	0x1u
/* interval: keep blockable ranges waiting until RELEASE_HOLD */
#define MMUN_PEER_HOLD		0x2u
/*
 * list: release holds a lock while it sleeps, and a range that is not blockable is
 * refused while that lock is held. Without invalidate_range_end, as above.
 */
#define MMUN_PEER_TRYLOCK	0x4u

#define MMUN_PEER_DELAY_MAX_MS	60000u
#define MMUN_PEER_WAIT_MAX_MS	60000u
/* a held range goes on by itself after this time */
#define MMUN_PEER_HOLD_MAX_MS	30000u

struct mmun_peer_attach {
	__u32 size;
	__u32 kind;		/* enum mmun_peer_kind */
	__s32 pid;		/* 0: the caller's own mm */
	__u32 flags;		/* MMUN_PEER_* */
	__u64 start;		/* interval: first byte; otherwise 0 */
	__u64 length;		/* interval: bytes; otherwise 0 */
	__u32 release_delay_ms;	/* list: sleep in release */
	__u32 id;		/* out: the peer */
	__u64 reserved;
};

struct mmun_peer_detach {
	__u32 size;
	__u32 id;
};

/* RELEASE_HOLD lets held and later ranges go, and ends a sleep in release; it has no timeout */
struct mmun_peer_hold {
	__u32 size;
	__u32 id;
	__u32 timeout_ms;	/* WAIT_HELD: ETIME after this */
	__u32 reserved;
};

struct mmun_peer_stats {
	__u32 size;
	__u32 id;
	__u64 starts;		/* accepted */
	__u64 ends;
	__u64 refusals;
	__u64 releases;
	__u64 holds;		/* ranges that had to wait, so far */
	__u64 held;		/* ranges that wait now */
	__u64 reserved[2];
};

#define MMUN_PEER_MAGIC			0xb7
#define MMUN_PEER_IOC_ATTACH \
	_IOWR(MMUN_PEER_MAGIC, 0, struct mmun_peer_attach)
#define MMUN_PEER_IOC_DETACH \
	_IOW(MMUN_PEER_MAGIC, 1, struct mmun_peer_detach)
#define MMUN_PEER_IOC_WAIT_HELD \
	_IOW(MMUN_PEER_MAGIC, 2, struct mmun_peer_hold)
#define MMUN_PEER_IOC_RELEASE_HOLD \
	_IOW(MMUN_PEER_MAGIC, 3, struct mmun_peer_hold)
#define MMUN_PEER_IOC_STATS \
	_IOWR(MMUN_PEER_MAGIC, 4, struct mmun_peer_stats)

#endif /* _UAPI_LINUX_MMUN_PEER_H */
