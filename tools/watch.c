// SPDX-License-Identifier: GPL-2.0-only
/*
 * mmunctl watch and mmunctl stats: one subscription to a live process, printed
 * as lines or as counters.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "mmunctl.h"

/*
 * The record of the release may be among those that a full ring dropped. The
 * counters know of it all the same; they are asked this often.
 */
#define ASK_NS		(NSEC_PER_SEC / 5)

struct watcher {
	const struct watch_options *opt;
	int fd;
	uint32_t id;
	bool quiet;		/* stats: take the events, print none */
	bool released;
	uint64_t began;
	uint64_t next_seq;
	uint64_t lost;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* Blocked but while ppoll() waits: a signal just before it is not missed. */
static void catch_signals(sigset_t *while_waiting)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t block;

	sigemptyset(&block);
	sigaddset(&block, SIGINT);
	sigaddset(&block, SIGTERM);
	sigprocmask(SIG_BLOCK, &block, while_waiting);
	sigdelset(while_waiting, SIGINT);
	sigdelset(while_waiting, SIGTERM);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void print_gap(struct watcher *w, uint64_t dropped)
{
	w->lost += dropped;
	if (w->quiet)
		return;
	if (w->opt->json)
		printf("{\"type\":\"gap\",\"dropped\":%llu}\n",
		       (unsigned long long)dropped);
	else
		printf("    %llu events dropped: the device's ring was full\n",
		       (unsigned long long)dropped);
}

static bool has_event(const struct mmun_test_event *e)
{
	return e->what == MMUN_TEST_EV_START || e->what == MMUN_TEST_EV_END ||
	       e->what == MMUN_TEST_EV_REFUSED;
}

static void print_json(const struct mmun_test_event *e, uint64_t ns)
{
	printf("{\"type\":\"event\",\"time\":%llu.%06llu,\"seq\":%llu,\"id\":%u,\"what\":\"%s\",",
	       (unsigned long long)(ns / NSEC_PER_SEC),
	       (unsigned long long)(ns % NSEC_PER_SEC / 1000),
	       (unsigned long long)e->seq, e->id, what_name(e->what));
	if (has_event(e))
		printf("\"event\":\"%s\",\"blockable\":%s,",
		       event_name(e->event),
		       e->flags & EVENT_BLOCKABLE ? "true" : "false");
	else if (e->what == MMUN_TEST_EV_YOUNG)
		printf("\"query\":\"%s\",", query_name(e->flags));
	/* addresses are strings: JSON readers round numbers beyond 2^53 */
	if (e->what != MMUN_TEST_EV_RELEASE)
		printf("\"start\":\"0x%llx\",\"end\":\"0x%llx\",\"size\":%llu,",
		       (unsigned long long)e->start, (unsigned long long)e->end,
		       (unsigned long long)(e->end - e->start));
	printf("\"pid\":%d,\"tgid\":%d,\"comm\":", e->pid, e->tgid);
	json_string(e->comm, sizeof(e->comm));
	puts("}");
}

static void print_text(const struct mmun_test_event *e, uint64_t ns)
{
	const char *name = "-", *block = "-";
	char range[40] = "-", size[16] = "-";

	if (has_event(e)) {
		name = event_name(e->event);
		block = e->flags & EVENT_BLOCKABLE ? "blockable" : "nonblock";
	} else if (e->what == MMUN_TEST_EV_YOUNG) {
		name = query_name(e->flags);
	} else if (e->what == MMUN_TEST_EV_RELEASE) {
		name = event_name(NOTIFY_RELEASE);
	}
	if (e->what != MMUN_TEST_EV_RELEASE) {
		snprintf(range, sizeof(range), "%012llx-%012llx",
			 (unsigned long long)e->start,
			 (unsigned long long)e->end);
		size_text(e->end - e->start, size, sizeof(size));
	}
	printf("%5llu.%06llu %-7s %-15s %-25s %6s %-9s ",
	       (unsigned long long)(ns / NSEC_PER_SEC),
	       (unsigned long long)(ns % NSEC_PER_SEC / 1000),
	       what_name(e->what), name, range, size, block);
	plain_string(e->comm, sizeof(e->comm));
	printf("[%d]\n", e->pid);
}

static void take_event(struct watcher *w, const struct mmun_test_event *e)
{
	uint64_t ns = e->time_ns > w->began ? e->time_ns - w->began : 0;

	/* the sequence counts dropped events too */
	if (e->seq > w->next_seq)
		print_gap(w, e->seq - w->next_seq);
	w->next_seq = e->seq + 1;
	if (is_release(e))
		w->released = true;
	if (w->quiet)
		return;
	if (w->opt->json)
		print_json(e, ns);
	else
		print_text(e, ns);
}

/* Return: 1 if there may be more, 0 if there was none, or -errno. */
static int take_batch(struct watcher *w)
{
	struct mmun_test_event events[BATCH];
	ssize_t i, nr = dev_events(w->fd, events, BATCH);

	for (i = 0; i < nr; i++)
		take_event(w, &events[i]);
	return nr > 0 ? 1 : (int)nr;
}

/*
 * Return: why it ended, or NULL if it failed.
 *
 * A process that changes its mappings faster than we print must not keep us
 * for ever: the limit and the signal are looked at after every batch.
 */
static const char *follow(struct watcher *w, const sigset_t *while_waiting)
{
	uint64_t until = w->opt->limit_ns ? w->began + w->opt->limit_ns : 0;
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	struct mmun_test_stats stats;
	int err;

	for (;;) {
		uint64_t wait = ASK_NS, now;
		struct timespec ts = { 0 };

		err = take_batch(w);
		if (err < 0)
			goto broken;
		if (!err) {
			fflush(stdout);
			/* main() says so */
			if (ferror(stdout))
				return NULL;
		}
		if (w->released)
			return "release";
		if (interrupted)
			return "signal";
		now = now_ns();
		if (until && now >= until)
			return "time";
		if (until && until - now < wait)
			wait = until - now;
		ts.tv_sec = wait / NSEC_PER_SEC;
		ts.tv_nsec = wait % NSEC_PER_SEC;
		err = ppoll(&pfd, 1, &ts, while_waiting);
		if (err < 0 && errno != EINTR) {
			err = -errno;
			goto broken;
		}
		if (err)
			continue;
		err = dev_stats(w->fd, w->id, &stats);
		if (err)
			goto broken;
		if (stats.releases)
			w->released = true;
	}

broken:
	fprintf(stderr, "reading from %s failed: %s\n", DEVICE, strerror(-err));
	return NULL;
}

/* Read the rest of the ring, but not for ever in front of a storm. */
static void take_rest(struct watcher *w)
{
	uint64_t until = now_ns() + NSEC_PER_SEC / 2;

	while (now_ns() < until && take_batch(w) > 0)
		;
}

static int begin(struct watcher *w)
{
	const struct watch_options *opt = w->opt;
	struct mmun_test_attach attach = {
		.kind = opt->interval ? MMUN_TEST_INTERVAL : MMUN_TEST_LIST,
		.pid = opt->pid,
		.flags = opt->flags,
		.start = opt->interval ? opt->start : 0,
		.length = opt->interval ? opt->end - opt->start : 0,
	};
	int err;

	w->fd = dev_open();
	if (w->fd < 0)
		return -1;
	w->began = now_ns();
	err = dev_attach(w->fd, &attach);
	if (err) {
		explain_attach(opt->pid, err);
		close(w->fd);
		return -1;
	}
	w->id = attach.id;
	return 0;
}

static const char *ending(const char *why)
{
	if (!strcmp(why, "release"))
		return "the address space was released";
	if (!strcmp(why, "signal"))
		return "interrupted";
	return "the time is over";
}

int cmd_watch(const struct watch_options *opt)
{
	struct watcher w = { .opt = opt };
	struct mmun_test_file_stats file;
	struct mmun_test_stats stats;
	sigset_t while_waiting;
	const char *why;
	uint64_t ns;

	catch_signals(&while_waiting);
	if (begin(&w))
		return CODE_NOT_BEGUN;
	if (opt->json)
		printf("{\"type\":\"begin\",\"pid\":%d,\"id\":%u,\"kind\":\"%s\"}\n",
		       opt->pid, w.id, opt->interval ? "interval" : "list");
	else
		printf("watching pid %d; ends with the process, Ctrl-C or --for\n",
		       opt->pid);
	fflush(stdout);

	why = follow(&w, &while_waiting);
	if (!why)
		return CODE_FAIL;
	ns = now_ns() - w.began;
	take_rest(&w);
	if (dev_stats(w.fd, w.id, &stats) || dev_file_stats(w.fd, &file)) {
		fprintf(stderr, "the counters cannot be read: %s\n",
			strerror(errno));
		return CODE_FAIL;
	}
	/* events that were dropped with none after them show as no gap */
	if (file.dropped > w.lost)
		print_gap(&w, file.dropped - w.lost);
	if (opt->json)
		printf("{\"type\":\"summary\",\"seconds\":%.6f,\"why\":\"%s\",\"starts\":%llu,\"ends\":%llu,\"refusals\":%llu,\"releases\":%llu,\"youngs\":%llu,\"tlbs\":%llu,\"dropped\":%llu}\n",
		       (double)ns / NSEC_PER_SEC, why,
		       (unsigned long long)stats.starts,
		       (unsigned long long)stats.ends,
		       (unsigned long long)stats.refusals,
		       (unsigned long long)stats.releases,
		       (unsigned long long)stats.youngs,
		       (unsigned long long)stats.tlbs,
		       (unsigned long long)w.lost);
	else
		printf("summary: %.6f s, %s; starts %llu, ends %llu, refusals %llu, releases %llu, young %llu, tlb %llu, dropped %llu\n",
		       (double)ns / NSEC_PER_SEC, ending(why),
		       (unsigned long long)stats.starts,
		       (unsigned long long)stats.ends,
		       (unsigned long long)stats.refusals,
		       (unsigned long long)stats.releases,
		       (unsigned long long)stats.youngs,
		       (unsigned long long)stats.tlbs,
		       (unsigned long long)w.lost);
	return CODE_OK;
}

static void print_counter(bool json, const char *name, uint64_t value,
			  const char *meaning)
{
	if (json)
		printf(",\"%s\":%llu", name, (unsigned long long)value);
	else
		printf("%-12s %12llu  %s\n", name, (unsigned long long)value,
		       meaning);
}

static void print_objects(bool json, const struct mmun_test_file_stats *file)
{
	print_counter(json, "allocated", file->allocated,
		      "get objects made by the driver since it was loaded");
	print_counter(json, "freed", file->freed, "... and given back");
}

/* Without a process: what the driver knows of itself. */
static int driver_stats(bool json)
{
	struct mmun_test_file_stats file;
	int fd = dev_open(), err;

	if (fd < 0)
		return CODE_NOT_BEGUN;
	err = dev_file_stats(fd, &file);
	if (err) {
		fprintf(stderr, "the counters cannot be read: %s\n",
			strerror(-err));
		return CODE_FAIL;
	}
	if (json)
		fputs("{\"type\":\"driver\"", stdout);
	print_objects(json, &file);
	if (json)
		puts("}");
	return CODE_OK;
}

int cmd_stats(const struct watch_options *opt)
{
	struct watcher w = { .opt = opt, .quiet = true };
	struct mmun_test_file_stats file;
	struct mmun_test_stats stats;
	sigset_t while_waiting;
	bool json = opt->json;
	const char *why;
	uint64_t ns;

	if (!opt->pid)
		return driver_stats(json);
	catch_signals(&while_waiting);
	if (begin(&w))
		return CODE_NOT_BEGUN;
	why = follow(&w, &while_waiting);
	if (!why)
		return CODE_FAIL;
	ns = now_ns() - w.began;
	if (dev_stats(w.fd, w.id, &stats) || dev_file_stats(w.fd, &file)) {
		fprintf(stderr, "the counters cannot be read: %s\n",
			strerror(errno));
		return CODE_FAIL;
	}
	if (json)
		printf("{\"type\":\"stats\",\"pid\":%d,\"id\":%u,\"kind\":\"%s\",\"seconds\":%.6f,\"why\":\"%s\"",
		       opt->pid, w.id, opt->interval ? "interval" : "list",
		       (double)ns / NSEC_PER_SEC, why);
	else
		printf("pid %d, %s subscription, %.6f s, %s\n", opt->pid,
		       opt->interval ? "interval" : "list",
		       (double)ns / NSEC_PER_SEC, ending(why));
	print_counter(json, "starts", stats.starts, "ranges that began");
	print_counter(json, "ends", stats.ends,
		      opt->interval ? "ranges that ended (an interval sees none)" :
				      "ranges that ended");
	print_counter(json, "refusals", stats.refusals,
		      "ranges that the subscription refused");
	print_counter(json, "releases", stats.releases,
		      "the address space went away");
	print_counter(json, "youngs", stats.youngs,
		      "young queries (seen with --young)");
	print_counter(json, "tlbs", stats.tlbs,
		      "secondary TLB flushes (seen with --tlb)");
	print_counter(json, "reads", stats.reads, "read sections");
	print_counter(json, "collisions", stats.collisions,
		      "read sections that collided");
	print_counter(json, "retries", stats.retries,
		      "read sections begun again");
	print_objects(json, &file);
	if (json)
		puts("}");
	return CODE_OK;
}
