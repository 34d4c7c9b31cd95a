// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's ioctls as functions that return 0 or -errno, and the names of
 * what its records hold.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "mmunctl.h"

int dev_open(void)
{
	/* events are polled for; a read must never wait */
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		fprintf(stderr, "%s is not there: load mmun.ko and mmun_test.ko first\n",
			DEVICE);
	else if (errno == EACCES || errno == EPERM)
		fprintf(stderr, "%s may not be opened: run mmunctl as root\n",
			DEVICE);
	else
		fprintf(stderr, "%s cannot be opened: %s\n", DEVICE,
			strerror(errno));
	return -1;
}

int dev_attach(int fd, struct mmun_test_attach *attach)
{
	attach->size = sizeof(*attach);
	return ioctl(fd, MMUN_TEST_IOC_ATTACH, attach) ? -errno : 0;
}

int dev_detach(int fd, uint32_t id, uint32_t how)
{
	struct mmun_test_detach detach = {
		.size = sizeof(detach), .id = id, .how = how,
	};

	return ioctl(fd, MMUN_TEST_IOC_DETACH, &detach) ? -errno : 0;
}

int dev_stats(int fd, uint32_t id, struct mmun_test_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	stats->id = id;
	return ioctl(fd, MMUN_TEST_IOC_STATS, stats) ? -errno : 0;
}

int dev_file_stats(int fd, struct mmun_test_file_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->size = sizeof(*stats);
	return ioctl(fd, MMUN_TEST_IOC_FILE, stats) ? -errno : 0;
}

int dev_knobs(int fd, uint32_t id, uint32_t flags)
{
	struct mmun_test_knobs knobs = {
		.size = sizeof(knobs), .id = id, .flags = flags,
	};

	return ioctl(fd, MMUN_TEST_IOC_KNOBS, &knobs) ? -errno : 0;
}

int dev_read_section(int fd, uint32_t id)
{
	struct mmun_test_read section = { .size = sizeof(section), .id = id };

	return ioctl(fd, MMUN_TEST_IOC_READ, &section) ? -errno : 0;
}

/* Return: how many events were taken, 0 if there is none now, or -errno. */
ssize_t dev_events(int fd, struct mmun_test_event *events, size_t nr)
{
	ssize_t got = read(fd, events, nr * sizeof(*events));

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got % (ssize_t)sizeof(*events))
		return -EPROTO;
	return got / (ssize_t)sizeof(*events);
}

void explain_attach(pid_t pid, int err)
{
	switch (-err) {
	case ESRCH:
		fprintf(stderr, "pid %d cannot be watched: there is no such process, or it has no address space\n",
			pid);
		break;
	case EPERM:
	case EACCES:
		fprintf(stderr, "pid %d cannot be watched: it needs the rights to ptrace it (root with CAP_SYS_PTRACE)\n",
			pid);
		break;
	case EINVAL:
	case E2BIG:
	case ENOTTY:
		fprintf(stderr, "pid %d cannot be watched: the device refused the request (%s); are mmunctl and mmun_test.ko of the same version?\n",
			pid, strerror(-err));
		break;
	case EOVERFLOW:
		fprintf(stderr, "pid %d cannot be watched: the range is empty or ends beyond the address space\n",
			pid);
		break;
	default:
		fprintf(stderr, "pid %d cannot be watched: %s\n", pid,
			strerror(-err));
	}
}

/* An interval gets the exit as a range, with the event RELEASE. */
bool is_release(const struct mmun_test_event *event)
{
	return event->what == MMUN_TEST_EV_RELEASE ||
	       (event->what == MMUN_TEST_EV_START &&
		event->event == NOTIFY_RELEASE);
}

static const char *name_of(const char *const *names, size_t nr, uint32_t i)
{
	return i < nr && names[i] ? names[i] : "unknown";
}

#define NAME_OF(names, i) name_of(names, ARRAY_SIZE(names), i)

const char *what_name(uint32_t what)
{
	static const char *const names[] = {
		[MMUN_TEST_EV_START] = "start",
		[MMUN_TEST_EV_END] = "end",
		[MMUN_TEST_EV_REFUSED] = "refused",
		[MMUN_TEST_EV_RELEASE] = "release",
		[MMUN_TEST_EV_YOUNG] = "young",
		[MMUN_TEST_EV_TLB] = "tlb",
	};

	return NAME_OF(names, what);
}

const char *event_name(uint32_t event)
{
	static const char *const names[] = {
		[NOTIFY_UNMAP] = "UNMAP",
		[NOTIFY_CLEAR] = "CLEAR",
		[NOTIFY_PROTECTION_VMA] = "PROTECTION_VMA",
		[NOTIFY_PROTECTION_PAGE] = "PROTECTION_PAGE",
		[NOTIFY_SOFT_DIRTY] = "SOFT_DIRTY",
		[NOTIFY_RELEASE] = "RELEASE",
		[NOTIFY_MIGRATE] = "MIGRATE",
		[NOTIFY_EXCLUSIVE] = "EXCLUSIVE",
	};

	return NAME_OF(names, event);
}

const char *query_name(uint32_t query)
{
	static const char *const names[] = {
		[1] = "clear_flush", [2] = "clear", [3] = "test",
	};

	return NAME_OF(names, query);
}

/* 4K, 2M, 1.5G: the largest unit that fits, with a digit if it must. */
const char *size_text(uint64_t size, char *buf, size_t len)
{
	static const char units[] = "BKMGTPE";
	unsigned int unit = 0;

	while (unit < 6 && size >> (10 * (unit + 1)))
		unit++;
	if (size & ((1ull << (10 * unit)) - 1))
		snprintf(buf, len, "%.1f%c",
			 (double)size / (double)(1ull << (10 * unit)),
			 units[unit]);
	else
		snprintf(buf, len, "%llu%c",
			 (unsigned long long)(size >> (10 * unit)),
			 units[unit]);
	return buf;
}

/*
 * A process names itself as it likes. Bytes beyond ASCII are escaped one by
 * one: a name that was cut in the middle of a character is still valid JSON.
 */
void json_string(const char *s, size_t len)
{
	putchar('"');
	for (; len && *s; len--, s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

/* ... nor may a name drive the reader's terminal. */
void plain_string(const char *s, size_t len)
{
	for (; len && *s; len--, s++)
		putchar(*s < 0x20 || *s >= 0x7f ? '?' : *s);
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}
