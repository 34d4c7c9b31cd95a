// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmunctl demo: a program changes its memory, operation by operation, and a
 * list subscriber to it must get each of them.
 *
 * Four processes take part:
 *
 * - the guard prints the last line, whatever happens to the others: an
 *   operation may hang in the kernel, which is one of the faults looked for;
 * - the worker attaches, commands, listens and judges;
 * - a player is mirrored: it does the operation that a byte on a pipe names, and
 *   replies with the range that it touched. When the reply is here, its system
 *   call has returned, so its events are in the device's ring;
 * - a helper makes calls that could hang, so that the worker can go on.
 *
 * Kernels differ in how widely they announce a range: mprotect() by the PMD
 * in 6.1, by the PUD in 6.12. So the ranges of the events must cover the touched
 * range, and may be larger.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "mmunctl.h"

/* Not in every libc's headers; one number on every architecture. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif
#ifndef SYS_process_mrelease
#define SYS_process_mrelease	448
#endif

#define AREA			(64u << 10)
#define MAX_LISTS		3
#define MAX_PRINTED		12	/* events printed for a failed step */

/* Generous: a guest without KVM on a busy machine is slow. */
#define STEP_LIMIT_NS		(10 * NSEC_PER_SEC)
#define SETTLE_LIMIT_NS		(2 * NSEC_PER_SEC)
#define DEMO_LIMIT_NS		(120 * NSEC_PER_SEC)

/* The operations of a player; each but the last has an area. */
enum play {
	PLAY_MUNMAP,
	PLAY_DONTNEED,
	PLAY_MPROTECT,
	PLAY_MREMAP,
	PLAY_FORK,
	PLAY_AREAS,
	PLAY_WRITE = PLAY_AREAS,	/* to the area of PLAY_FORK */
	PLAY_EXIT,
};

struct reply {
	uint64_t start, end;
	int32_t err;
	int32_t reserved;
};

struct player {
	pid_t pid;
	int to, from;
};

struct seen {
	struct mmun_test_event event;
	bool paired;		/* a start with an end, or the reverse */
};

struct demo {
	int fd;
	bool json;
	struct seen *log;
	size_t nr, room;
	uint64_t next_seq, lost;
	uint32_t lists[MAX_LISTS];	/* subscriptions that get ends */
	unsigned int nr_lists;
	uint32_t reaping;		/* the event of process_mrelease() */
	unsigned int ok, missing, skipped;
};

enum verdict { OK, MISSING, SKIP };

/* One line of the table. */
struct row {
	const char *operation;
	size_t from;		/* where in the log the operation begins */
	bool ranged;		/* an event over a range is expected */
	uint32_t event;
	uint64_t start, end;
	char expected[64];
	char seen[96];
	unsigned int starts, ends;
	char note[160];
	enum verdict verdict;
};

static void __printf(2, 3) note(struct row *row, const char *fmt, ...)
{
	va_list args;

	/* the first cause explains the ones that follow from it */
	if (row->note[0])
		return;
	va_start(args, fmt);
	vsnprintf(row->note, sizeof(row->note), fmt, args);
	va_end(args);
}

static void sleep_ms(unsigned int ms)
{
	poll(NULL, 0, ms);
}

/* ---- the players ------------------------------------------------------ */

static void *area(void)
{
	char *p = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		_exit(1);
	memset(p, 1, AREA);
	return p;
}

static void send_reply(int fd, const void *start, size_t len, bool failed)
{
	struct reply reply = {
		.start = (uintptr_t)start,
		.end = (uintptr_t)start + len,
		.err = failed ? errno : 0,
	};

	if (write(fd, &reply, sizeof(reply)) != sizeof(reply))
		_exit(1);
}

/* Keeps every page of its parent shared until it is killed. */
static pid_t fork_sharer(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return pid;
}

static void __noreturn play(int in, int out)
{
	char *areas[PLAY_AREAS], *hole, *p;
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned char command;
	pid_t sharer = 0;
	void *moved;
	int i;

	for (i = 0; i < PLAY_AREAS; i++)
		areas[i] = area();
	/* where mremap moves to: known to be free, so nothing is unmapped */
	hole = area();
	munmap(hole, AREA);
	send_reply(out, areas[PLAY_MUNMAP], AREA, false);

	while (read(in, &command, 1) == 1) {
		p = command < PLAY_AREAS ? areas[command] : areas[PLAY_FORK];
		switch (command) {
		case PLAY_MUNMAP:
			send_reply(out, p, AREA, munmap(p, AREA));
			break;
		case PLAY_DONTNEED:
			send_reply(out, p, AREA,
				   madvise(p, AREA, MADV_DONTNEED));
			break;
		case PLAY_MPROTECT:
			send_reply(out, p, AREA, mprotect(p, AREA, PROT_READ));
			break;
		case PLAY_MREMAP:
			moved = mremap(p, AREA, AREA,
				       MREMAP_MAYMOVE | MREMAP_FIXED, hole);
			send_reply(out, p, AREA, moved == MAP_FAILED);
			break;
		case PLAY_FORK:
			sharer = fork_sharer();
			send_reply(out, p, AREA, sharer < 0);
			break;
		case PLAY_WRITE:
			*p = 2;
			send_reply(out, p, page, false);
			if (sharer > 0) {
				kill(sharer, SIGKILL);
				waitpid(sharer, NULL, 0);
			}
			break;
		case PLAY_EXIT:
			_exit(0);
		}
	}
	/* the worker is gone */
	_exit(1);
}

/* Return: whether the player has replied in time. */
static bool read_reply(const struct player *player, struct reply *reply)
{
	struct pollfd pfd = { .fd = player->from, .events = POLLIN };

	return poll(&pfd, 1, STEP_LIMIT_NS / 1000000) == 1 &&
	       read(player->from, reply, sizeof(*reply)) == sizeof(*reply);
}

static bool order(const struct player *player, unsigned char command)
{
	return write(player->to, &command, 1) == 1;
}

/* Return: 0, with the player's first area in @reply. */
static int start_player(struct demo *d, struct player *player,
			struct reply *reply)
{
	int down[2], up[2];

	if (pipe(down) || pipe(up))
		return -1;
	fflush(stdout);
	player->pid = fork();
	if (player->pid < 0)
		return -1;
	if (!player->pid) {
		close(d->fd);
		close(down[1]);
		close(up[0]);
		prctl(PR_SET_NAME, "mmun-player");
		play(down[0], up[1]);
	}
	close(down[0]);
	close(up[1]);
	player->to = down[1];
	player->from = up[0];
	return read_reply(player, reply) ? 0 : -1;
}

/* Return: whether @pid has changed its state in time. */
static bool wait_for(pid_t pid, int *status)
{
	uint64_t until = now_ns() + STEP_LIMIT_NS;

	do {
		if (waitpid(pid, status, WNOHANG | __WALL) == pid)
			return true;
		sleep_ms(5);
	} while (now_ns() < until);
	return false;
}

/* ---- listening -------------------------------------------------------- */

static bool is_list(const struct demo *d, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < d->nr_lists; i++)
		if (d->lists[i] == id)
			return true;
	return false;
}

/* An end belongs to the oldest open start of the same range and event. */
static void pair_end(struct demo *d, struct seen *end)
{
	size_t i;

	for (i = 0; i < d->nr; i++) {
		struct seen *h = &d->log[i];

		if (h->paired || h->event.what != MMUN_TEST_EV_START ||
		    h->event.id != end->event.id ||
		    h->event.event != end->event.event ||
		    h->event.start != end->event.start ||
		    h->event.end != end->event.end)
			continue;
		h->paired = true;
		end->paired = true;
		return;
	}
}

static void see(struct demo *d, const struct mmun_test_event *event)
{
	struct seen *h;

	if (event->seq > d->next_seq)
		d->lost += event->seq - d->next_seq;
	d->next_seq = event->seq + 1;
	if (d->nr == d->room) {
		size_t room = d->room ? 2 * d->room : 256;
		struct seen *log = realloc(d->log, room * sizeof(*log));

		if (!log) {
			d->lost++;
			return;
		}
		d->log = log;
		d->room = room;
	}
	h = &d->log[d->nr];
	h->event = *event;
	h->paired = false;
	if (event->what == MMUN_TEST_EV_END)
		pair_end(d, h);
	d->nr++;
}

static void listen(struct demo *d)
{
	struct mmun_test_event events[BATCH];
	ssize_t i, nr;

	while ((nr = dev_events(d->fd, events, BATCH)) > 0)
		for (i = 0; i < nr; i++)
			see(d, &events[i]);
}

/* Starts and ends of list subscriptions since @from that have no partner. */
static unsigned int unpaired(const struct demo *d, size_t from)
{
	unsigned int count = 0;

	for (; from < d->nr; from++) {
		const struct seen *h = &d->log[from];

		if (!h->paired && is_list(d, h->event.id) &&
		    (h->event.what == MMUN_TEST_EV_START ||
		     h->event.what == MMUN_TEST_EV_END))
			count++;
	}
	return count;
}

/* The end of a refused range may come a moment later; then it must come. */
static void settle(struct demo *d, size_t from)
{
	uint64_t until = now_ns() + SETTLE_LIMIT_NS;

	listen(d);
	while (unpaired(d, from) && now_ns() < until) {
		sleep_ms(5);
		listen(d);
	}
}

static unsigned int count(const struct demo *d, size_t from, uint32_t id,
			  uint32_t what)
{
	unsigned int n = 0;

	for (; from < d->nr; from++)
		if (d->log[from].event.id == id &&
		    d->log[from].event.what == what)
			n++;
	return n;
}

/*
 * The record of subscription @id that says that @event happens to the byte at
 * @at, blockable or not as asked.
 */
static const struct mmun_test_event *find(const struct demo *d, size_t from,
					  uint32_t id, uint32_t what,
					  uint32_t event, bool blockable,
					  uint64_t at)
{
	for (; from < d->nr; from++) {
		const struct mmun_test_event *e = &d->log[from].event;

		if (e->id == id && e->what == what && e->event == event &&
		    !!(e->flags & EVENT_BLOCKABLE) == blockable &&
		    e->start <= at && at < e->end)
			return e;
	}
	return NULL;
}

/*
 * Do events cover the row's range, one or several together? Return: the record
 * that covers its first byte, NULL if no record covers some byte.
 */
static const struct mmun_test_event *
find_cover(const struct demo *d, const struct row *row, uint32_t id,
	   uint32_t what, bool blockable)
{
	const struct mmun_test_event *first = NULL, *e;
	uint64_t at = row->start;

	while (at < row->end) {
		e = find(d, row->from, id, what, row->event, blockable, at);
		if (!e)
			return NULL;
		if (!first)
			first = e;
		at = e->end;
	}
	return first;
}

/* ---- the table -------------------------------------------------------- */

static const char *range_text(uint64_t start, uint64_t end, char *buf,
			      size_t len)
{
	char size[16];

	snprintf(buf, len, "%llx+%s", (unsigned long long)start,
		 size_text(end - start, size, sizeof(size)));
	return buf;
}

static struct row begin_row(struct demo *d, const char *operation)
{
	listen(d);
	return (struct row){ .operation = operation, .from = d->nr };
}

static void expect(struct row *row, const char *text)
{
	snprintf(row->expected, sizeof(row->expected), "%s", text);
}

static void expect_range(struct row *row, uint32_t event, uint64_t start,
			 uint64_t end)
{
	char range[40];

	row->ranged = true;
	row->event = event;
	row->start = start;
	row->end = end;
	snprintf(row->expected, sizeof(row->expected), "%s %s",
		 event_name(event), range_text(start, end, range,
					       sizeof(range)));
}

static void print_json_row(const struct row *row, const char *verdict)
{
	fputs("{\"type\":\"step\",\"operation\":", stdout);
	json_string(row->operation, strlen(row->operation));
	fputs(",\"expected\":", stdout);
	json_string(row->expected, sizeof(row->expected));
	if (row->ranged)
		printf(",\"event\":\"%s\",\"start\":\"0x%llx\",\"end\":\"0x%llx\"",
		       event_name(row->event), (unsigned long long)row->start,
		       (unsigned long long)row->end);
	fputs(",\"seen\":", stdout);
	json_string(row->seen, sizeof(row->seen));
	printf(",\"starts\":%u,\"ends\":%u,\"verdict\":\"%s\",\"note\":",
	       row->starts, row->ends, verdict);
	json_string(row->note, sizeof(row->note));
	puts("}");
}

static void print_table_line(const char *operation, const char *expected,
			     const char *seen, const char *verdict)
{
	printf("%-23s | %-34s | %-38s | %s\n", operation, expected, seen,
	       verdict);
}

/* The events that came instead, for the person who looks for the cause. */
static void print_events(const struct demo *d, const struct row *row)
{
	unsigned int printed = 0;
	size_t from = row->from;
	char range[40];

	for (; from < d->nr && printed < MAX_PRINTED; from++, printed++) {
		const struct mmun_test_event *e = &d->log[from].event;

		printf("    seen by %u: %s %s %s%s\n", e->id,
		       what_name(e->what), event_name(e->event),
		       range_text(e->start, e->end, range, sizeof(range)),
		       e->flags & EVENT_BLOCKABLE ? "" : " nonblock");
	}
	if (from < d->nr)
		printf("    ... and %zu more\n", d->nr - from);
	else if (!printed && row->ranged)
		puts("    nothing was seen");
}

static void end_row(struct demo *d, struct row *row)
{
	static const char *const names[] = {
		[OK] = "ok", [MISSING] = "MISSING", [SKIP] = "SKIP",
	};

	if (row->verdict == OK)
		d->ok++;
	else if (row->verdict == MISSING)
		d->missing++;
	else
		d->skipped++;
	if (!row->seen[0])
		snprintf(row->seen, sizeof(row->seen), "-");
	if (d->json) {
		print_json_row(row, names[row->verdict]);
		return;
	}
	print_table_line(row->operation, row->expected, row->seen,
			 names[row->verdict]);
	if (row->note[0])
		printf("    %s\n", row->note);
	if (row->verdict == MISSING)
		print_events(d, row);
}

/*
 * The rule for a range: subscription @id has got starts that cover it, and
 * ends that cover it, and no subscription has a start or end left over.
 */
static void judge_range(struct demo *d, struct row *row, uint32_t id,
			bool blockable)
{
	const struct mmun_test_event *start, *end;
	char range[40];

	settle(d, row->from);
	row->starts = count(d, row->from, id, MMUN_TEST_EV_START);
	row->ends = count(d, row->from, id, MMUN_TEST_EV_END);
	start = find_cover(d, row, id, MMUN_TEST_EV_START, blockable);
	end = find_cover(d, row, id, MMUN_TEST_EV_END, blockable);
	if (!start)
		note(row, "the range was not announced");
	else if (!end)
		note(row, "the start of the range has no end");
	else if (unpaired(d, row->from))
		note(row, "%u starts or ends have no partner",
		     unpaired(d, row->from));
	if (row->note[0])
		row->verdict = MISSING;
	if (start)
		snprintf(row->seen, sizeof(row->seen), "%s %s %u/%u",
			 event_name(start->event),
			 range_text(start->start, start->end, range,
				    sizeof(range)),
			 row->starts, row->ends);
	else
		snprintf(row->seen, sizeof(row->seen), "- %u/%u",
			 row->starts, row->ends);
}

/* ---- first part: a player that lives ----------------------------------- */

struct operation {
	const char *name;
	unsigned char command;
	uint32_t event;
};

static const struct operation operations[] = {
	{ "munmap", PLAY_MUNMAP, NOTIFY_UNMAP },
	{ "madvise MADV_DONTNEED", PLAY_DONTNEED, NOTIFY_CLEAR },
	{ "mprotect PROT_READ", PLAY_MPROTECT, NOTIFY_PROTECTION_VMA },
	{ "mremap, moved from", PLAY_MREMAP, NOTIFY_UNMAP },
	{ "fork", PLAY_FORK, NOTIFY_PROTECTION_PAGE },
	{ "copy-on-write", PLAY_WRITE, NOTIFY_CLEAR },
};

/* Return: whether the player can go on. */
static bool do_operation(struct demo *d, const struct player *player,
			 uint32_t id, const struct operation *op)
{
	struct row row = begin_row(d, op->name);
	struct reply reply;
	bool replied;

	replied = order(player, op->command) && read_reply(player, &reply);
	if (!replied) {
		listen(d);
		expect(&row, event_name(op->event));
		note(&row, "the program did not come back from the call");
		row.verdict = MISSING;
	} else {
		expect_range(&row, op->event, reply.start, reply.end);
		if (reply.err)
			note(&row, "the program's call failed: %s",
			     strerror(reply.err));
		judge_range(d, &row, id, true);
	}
	end_row(d, &row);
	return replied;
}

/*
 * A process that has been waited for may give up its address space a moment
 * later, if something else holds it.
 */
static void judge_release(struct demo *d, struct row *row,
			  const uint32_t *ids, unsigned int nr)
{
	uint64_t until = now_ns() + STEP_LIMIT_NS;
	unsigned int i, seen, twice;

	expect(row, nr > 1 ? "RELEASE, once each" : "RELEASE, once");
	do {
		listen(d);
		seen = 0;
		twice = 0;
		for (i = 0; i < nr; i++) {
			unsigned int n = count(d, row->from, ids[i],
					       MMUN_TEST_EV_RELEASE);

			seen += n > 0;
			twice += n > 1;
		}
		if (seen == nr)
			break;
		sleep_ms(5);
	} while (now_ns() < until);
	settle(d, row->from);
	for (i = 0; i < nr; i++) {
		row->starts += count(d, row->from, ids[i], MMUN_TEST_EV_START);
		row->ends += count(d, row->from, ids[i], MMUN_TEST_EV_END);
	}
	if (seen < nr)
		note(row, "%u of %u subscribers saw no release", nr - seen,
		     nr);
	else if (twice)
		note(row, "a subscriber saw the release twice");
	else if (unpaired(d, row->from))
		note(row, "%u starts or ends have no partner",
		     unpaired(d, row->from));
	if (row->note[0])
		row->verdict = MISSING;
	if (seen)
		snprintf(row->seen, sizeof(row->seen), "RELEASE, by %u of %u",
			 seen, nr);
}

/* A list subscription, or an interval if there is a length. */
static bool attach(struct demo *d, pid_t pid, uint32_t *id,
		   uint64_t start, uint64_t length)
{
	struct mmun_test_attach attach = {
		.kind = length ? MMUN_TEST_INTERVAL : MMUN_TEST_LIST,
		.pid = pid,
		.start = start,
		.length = length,
	};
	int err = dev_attach(d->fd, &attach);

	if (err) {
		explain_attach(pid, err);
		return false;
	}
	*id = attach.id;
	if (!length)
		d->lists[d->nr_lists++] = attach.id;
	return true;
}

static void first_part(struct demo *d, struct player *player, uint32_t id)
{
	struct row row;
	size_t i;
	int status;

	for (i = 0; i < ARRAY_SIZE(operations); i++)
		if (!do_operation(d, player, id, &operations[i]))
			return;

	row = begin_row(d, "exit");
	if (!order(player, PLAY_EXIT) || !wait_for(player->pid, &status)) {
		note(&row, "the program did not exit");
		row.verdict = MISSING;
	}
	judge_release(d, &row, &id, 1);
	end_row(d, &row);
}

/* ---- second part: a player that is killed and reaped ------------------- */

/*
 * process_mrelease() wants a process that is dying but has its memory still.
 * A tracer can hold one there: a killed tracee stops once more, at its exit,
 * before it gives the address space up.
 */
static bool hold_at_exit(struct row *row, pid_t pid)
{
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL,
		   (void *)(PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL))) {
		note(row, "the program cannot be traced: %s", strerror(errno));
		/* a lockdown of ptrace says nothing about mmun */
		row->verdict = errno == EPERM ? SKIP : MISSING;
		return false;
	}
	kill(pid, SIGKILL);
	if (!wait_for(pid, &status) || !WIFSTOPPED(status) ||
	    status >> 8 != (SIGTRAP | (PTRACE_EVENT_EXIT << 8))) {
		note(row, "the killed program did not stop at its exit");
		row->verdict = MISSING;
		return false;
	}
	return true;
}

/* Return: 0 or -errno. */
static int mrelease(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0), err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_process_mrelease, fd, 0) ? -errno : 0;
	close(fd);
	return err;
}

static const char *result_text(int err)
{
	switch (err) {
	case 0:
		return "done";
	case -EAGAIN:
		return "EAGAIN";
	default:
		return strerror(-err);
	}
}

/* Return: whether the kernel has process_mrelease at all. */
static bool refused_step(struct demo *d, struct row *row, pid_t pid,
			 uint32_t bystander, uint32_t refuser)
{
	struct mmun_test_stats stats;
	unsigned int refused;
	int err;

	expect(row, "EAGAIN; all starts get an end");
	err = dev_knobs(d->fd, refuser, MMUN_TEST_KNOB_REFUSE);
	if (err) {
		note(row, "the refusal cannot be switched on: %s",
		     strerror(-err));
		row->verdict = MISSING;
		return true;
	}
	err = mrelease(pid);
	if (err == -ENOSYS) {
		note(row, "this kernel has no process_mrelease");
		row->verdict = SKIP;
		return false;
	}
	settle(d, row->from);
	row->starts = count(d, row->from, bystander, MMUN_TEST_EV_START);
	row->ends = count(d, row->from, bystander, MMUN_TEST_EV_END);
	refused = count(d, row->from, refuser, MMUN_TEST_EV_REFUSED);
	/* An UNMAP, on newer kernels a CLEAR. */
	if (find(d, row->from, refuser, MMUN_TEST_EV_REFUSED, NOTIFY_CLEAR,
		 false, row->start))
		d->reaping = NOTIFY_CLEAR;
	row->event = d->reaping;
	if (err != -EAGAIN)
		note(row, "process_mrelease did not fail with EAGAIN");
	else if (!find_cover(d, row, refuser, MMUN_TEST_EV_REFUSED, false))
		note(row, "the refuser was not asked about the range");
	else if (dev_stats(d->fd, refuser, &stats) || !stats.refusals)
		note(row, "the refuser's counter shows no refusal");
	else if (unpaired(d, row->from))
		note(row, "%u starts or ends have no partner",
		     unpaired(d, row->from));
	if (row->note[0])
		row->verdict = MISSING;
	snprintf(row->seen, sizeof(row->seen),
		 "%s; %u refused; the others %u/%u", result_text(err), refused,
		 row->starts, row->ends);
	return true;
}

struct helper_state {
	int stage;	/* 0: read section, 1: remove, 2: done */
	int err;
};

/*
 * The fault looked for here is a call that never returns, in a sleep that no
 * signal ends. Only a process of its own can be left behind in it.
 */
static void interval_step(struct demo *d, struct row *row, uint32_t interval)
{
	struct helper_state *state;
	int status;
	pid_t pid;

	expect(row, "both return");
	state = mmap(NULL, sizeof(*state), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fflush(stdout);
	pid = state == MAP_FAILED ? -1 : fork();
	if (pid < 0) {
		note(row, "no helper process: %s", strerror(errno));
		row->verdict = MISSING;
		return;
	}
	if (!pid) {
		/* whoever reads our output must not wait for this one */
		close(STDOUT_FILENO);
		close(STDERR_FILENO);
		state->err = dev_read_section(d->fd, interval);
		if (state->err)
			_exit(1);
		state->stage = 1;
		state->err = dev_detach(d->fd, interval, MMUN_TEST_UNREGISTER);
		if (state->err)
			_exit(1);
		state->stage = 2;
		_exit(0);
	}
	if (!wait_for(pid, &status)) {
		note(row, "%s has not returned: the refused range left the interval marked",
		     state->stage ? "remove" : "read_begin");
		row->verdict = MISSING;
		kill(pid, SIGKILL);
	} else if (state->stage != 2) {
		note(row, "%s failed: %s", state->stage ? "remove" :
		     "read_begin", strerror(-state->err));
		row->verdict = MISSING;
	}
	listen(d);
	if (row->verdict == OK)
		snprintf(row->seen, sizeof(row->seen), "both returned");
}

static void agreed_step(struct demo *d, struct row *row, pid_t pid,
			uint32_t bystander, uint32_t refuser,
			const struct reply *area)
{
	int err;

	expect_range(row, d->reaping, area->start, area->end);
	err = dev_knobs(d->fd, refuser, 0);
	if (err)
		note(row, "the refusal cannot be switched off: %s",
		     strerror(-err));
	err = mrelease(pid);
	if (err)
		note(row, "process_mrelease failed: %s", strerror(-err));
	settle(d, row->from);
	if (!find_cover(d, row, refuser, MMUN_TEST_EV_START, false))
		note(row, "the second subscriber did not see the range");
	judge_range(d, row, bystander, false);
}

static void second_part(struct demo *d, const struct player *player,
			const struct reply *area, uint32_t bystander,
			uint32_t refuser, uint32_t interval)
{
	uint32_t both[] = { bystander, refuser };
	struct row row = begin_row(d, "mrelease, refused");
	bool held, able;
	int status;

	held = hold_at_exit(&row, player->pid);
	if (held) {
		d->reaping = NOTIFY_UNMAP;
		row.start = area->start;
		row.end = area->end;
		able = refused_step(d, &row, player->pid, bystander, refuser);
	} else {
		expect(&row, "EAGAIN; all starts get an end");
		kill(player->pid, SIGKILL);
		able = false;
	}
	end_row(d, &row);

	row = begin_row(d, "then read_begin, remove");
	interval_step(d, &row, interval);
	end_row(d, &row);

	if (able) {
		row = begin_row(d, "mrelease, agreed");
		agreed_step(d, &row, player->pid, bystander, refuser, area);
		end_row(d, &row);
	}

	row = begin_row(d, "the killed one exits");
	if (held)
		ptrace(PTRACE_CONT, player->pid, NULL, NULL);
	if (!wait_for(player->pid, &status)) {
		note(&row, "the program did not exit");
		row.verdict = MISSING;
	} else if (!WIFSIGNALED(status) && !WIFEXITED(status)) {
		note(&row, "the program did not exit, its status is %x",
		     status);
		row.verdict = MISSING;
	}
	/* without the stop it may have gone as soon as it was killed */
	if (!held)
		row.from = 0;
	judge_release(d, &row, both, 2);
	end_row(d, &row);
}

/* ---- the whole --------------------------------------------------------- */

static void judge_counters(struct demo *d)
{
	struct row row = begin_row(d, "all of it");
	struct mmun_test_file_stats file;
	uint64_t starts = 0, ends = 0;
	unsigned int i;
	int err;

	expect(&row, "starts = ends, none dropped");
	for (i = 0; i < d->nr_lists; i++) {
		struct mmun_test_stats stats;

		err = dev_stats(d->fd, d->lists[i], &stats);
		if (err)
			note(&row, "no counters of subscription %u: %s",
			     d->lists[i], strerror(-err));
		else if (stats.starts != stats.ends)
			note(&row, "subscription %u counts %llu starts and %llu ends",
			     d->lists[i], (unsigned long long)stats.starts,
			     (unsigned long long)stats.ends);
		else if (stats.releases != 1)
			note(&row, "subscription %u counts %llu releases",
			     d->lists[i], (unsigned long long)stats.releases);
		starts += stats.starts;
		ends += stats.ends;
	}
	err = dev_file_stats(d->fd, &file);
	if (err)
		note(&row, "no counters of the file: %s", strerror(-err));
	else if (file.dropped || d->lost)
		note(&row, "events were dropped: %llu counted, %llu missed",
		     (unsigned long long)file.dropped,
		     (unsigned long long)d->lost);
	if (unpaired(d, 0))
		note(&row, "%u starts or ends have no partner",
		     unpaired(d, 0));
	row.starts = starts;
	row.ends = ends;
	snprintf(row.seen, sizeof(row.seen), "%llu starts, %llu ends",
		 (unsigned long long)starts, (unsigned long long)ends);
	/* the rows above have printed the events */
	row.from = d->nr;
	if (row.note[0])
		row.verdict = MISSING;
	end_row(d, &row);
}

static void print_head(const struct demo *d)
{
	if (d->json)
		return;
	puts("A program changes its memory; a mirror listens through mmun, as a driver would.");
	puts("Each line: an operation, what the mirror must see, what it seen, the verdict.");
	puts("A range is address+size, and may be wider than expected; N/M: starts/ends.");
	putchar('\n');
	print_table_line("operation", "expected", "seen", "verdict");
	fflush(stdout);
}

static int work(struct demo *d)
{
	uint32_t id, bystander, refuser, interval;
	struct player lives, dies;
	struct reply area;

	/* a player that has died is seen by its silence */
	signal(SIGPIPE, SIG_IGN);
	print_head(d);

	if (start_player(d, &lives, &area)) {
		fprintf(stderr, "the program cannot be started: %s\n",
			strerror(errno));
		return CODE_FAIL;
	}
	if (!attach(d, lives.pid, &id, 0, 0))
		return CODE_FAIL;
	first_part(d, &lives, id);

	if (start_player(d, &dies, &area)) {
		fprintf(stderr, "the second program cannot be started: %s\n",
			strerror(errno));
		return CODE_FAIL;
	}
	/* the refuser after the bystander: there is somebody to be undone */
	if (!attach(d, dies.pid, &bystander, 0, 0) ||
	    !attach(d, dies.pid, &refuser, 0, 0) ||
	    !attach(d, dies.pid, &interval, area.start, area.end - area.start))
		return CODE_FAIL;
	second_part(d, &dies, &area, bystander, refuser, interval);
	judge_counters(d);

	if (!d->json)
		printf("\n%u ok, %u missing, %u skipped\n", d->ok, d->missing,
		       d->skipped);
	fflush(stdout);
	if (ferror(stdout))
		return CODE_FAIL;
	return d->missing ? CODE_FAIL : CODE_OK;
}

int cmd_demo(bool json)
{
	struct demo d = { .json = json };
	uint64_t until = now_ns() + DEMO_LIMIT_NS;
	int status, code = CODE_FAIL;
	pid_t worker;

	d.fd = dev_open();
	if (d.fd < 0)
		return CODE_NOT_BEGUN;
	fflush(stdout);
	worker = fork();
	if (!worker)
		_exit(work(&d));
	/* the worker alone keeps the device open: its end detaches all */
	close(d.fd);
	if (worker < 0) {
		fprintf(stderr, "no process for the demo: %s\n",
			strerror(errno));
		return CODE_NOT_BEGUN;
	}
	for (;;) {
		if (waitpid(worker, &status, WNOHANG) == worker) {
			if (WIFEXITED(status))
				code = WEXITSTATUS(status);
			else
				fprintf(stderr, "the demo was killed by signal %d\n",
					WTERMSIG(status));
			break;
		}
		if (now_ns() > until) {
			fprintf(stderr, "the demo hangs: given up after %llu s\n",
				DEMO_LIMIT_NS / NSEC_PER_SEC);
			kill(worker, SIGKILL);
			break;
		}
		sleep_ms(10);
	}
	if (json)
		printf("{\"type\":\"result\",\"demo\":\"%s\"}\n",
		       code == CODE_OK ? "PASS" : "FAIL");
	else
		printf("demo: %s\n", code == CODE_OK ? "PASS" : "FAIL");
	return code;
}
