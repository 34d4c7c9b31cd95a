/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MMUNCTL_H
#define MMUNCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/mmun_test.h>

#define DEVICE		"/dev/mmun_test"
#define NSEC_PER_SEC	1000000000ull

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(f, a)	__attribute__((format(printf, f, a)))
#define __noreturn	__attribute__((noreturn))

/* Exit codes; --help documents them. */
enum {
	CODE_OK = 0,		/* done, and as expected */
	CODE_FAIL = 1,		/* begun, and then went wrong */
	CODE_NOT_BEGUN = 2,	/* usage, device, process or permission */
};

/* The numbers of enum mmun_notifier_event, which is not a uapi header. */
enum {
	NOTIFY_UNMAP = 0,
	NOTIFY_CLEAR,
	NOTIFY_PROTECTION_VMA,
	NOTIFY_PROTECTION_PAGE,
	NOTIFY_SOFT_DIRTY,
	NOTIFY_RELEASE,
	NOTIFY_MIGRATE,
	NOTIFY_EXCLUSIVE,
};

#define EVENT_BLOCKABLE	(1u << 0)

#define BATCH		128	/* events taken from the device at a time */

/* device.c: what the ioctls and records mean, in C and in words */
int dev_open(void);
int dev_attach(int fd, struct mmun_test_attach *attach);
int dev_detach(int fd, uint32_t id, uint32_t how);
int dev_stats(int fd, uint32_t id, struct mmun_test_stats *stats);
int dev_file_stats(int fd, struct mmun_test_file_stats *stats);
int dev_knobs(int fd, uint32_t id, uint32_t flags);
int dev_read_section(int fd, uint32_t id);
ssize_t dev_events(int fd, struct mmun_test_event *events, size_t nr);
void explain_attach(pid_t pid, int err);
bool is_release(const struct mmun_test_event *event);
const char *what_name(uint32_t what);
const char *event_name(uint32_t event);
const char *query_name(uint32_t query);
const char *size_text(uint64_t size, char *buf, size_t len);
void json_string(const char *s, size_t len);
void plain_string(const char *s, size_t len);
uint64_t now_ns(void);

/* watch.c */
struct watch_options {
	pid_t pid;		/* 0: none was given */
	bool json;
	bool interval;
	uint64_t start, end;	/* of the interval */
	uint32_t flags;		/* MMUN_TEST_ATTACH_* */
	uint64_t limit_ns;	/* 0: no limit */
};

int cmd_watch(const struct watch_options *opt);
int cmd_stats(const struct watch_options *opt);

/* demo.c */
int cmd_demo(bool json);

#endif /* MMUNCTL_H */
