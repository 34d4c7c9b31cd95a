/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One event of the kernel, raised for real: what the t_ev_*.c programs share.
 *
 * A case says how its event is raised. The one test here prepares the target's
 * memory, subscribes a list and a mirror, fills the mirror, raises the event, and
 * asks: did both see it, with the right name, over all the pages that were
 * touched; is there an entry in the mirror that the process does not back; and
 * does what is read through the mirror now agree with what the process has. A
 * case whose kernel lacks the means says why, and is skipped.
 *
 * Each case prints one line, "# event: ROW seen|seen by a list|failed|skipped:
 * REASON", which scripts/events collects.
 */
#ifndef MMUN_T_EVENT_H
#define MMUN_T_EVENT_H

#include "t_area.h"
#include "kselftest_harness.h"

#define EV_BIT(event)	(1u << (event))

/* flags of MMUN_TEST_EV_YOUNG */
#define ASKS_CLEAR_FLUSH 1
#define ASKS_CLEAR	2
#define ASKS_TEST	3

struct event_case {
	const char *row;
	/* what must be seen: starts of these events unless a case has others */
	__u32 what;		/* enum mmun_test_what */
	__u32 events;		/* EV_BIT(); starts and ends */
	__u32 flags;		/* of a young query: which one */
	__u32 attach;		/* the list's flags */
	bool nonblocking;	/* the range may not block */
	bool any;		/* a part of the touched pages is enough */
	bool readonly;		/* fill the mirror with entries not writable */

	const char *(*need)(struct ev *e);	/* NULL, or what is missing */
	int (*prepare)(struct ev *e);		/* sets from and to */
	int (*raise)(struct ev *e);
	/* called again and again until the event was seen */
	int (*nudge)(struct ev *e);
	/* the mirror against the process, besides CHECK; 0 if good */
	int (*after)(struct ev *e);
};

/* ---- was it seen? ---- */

static inline bool ev_matches(const struct ev *e, const struct mmun_test_event *r,
			      __u32 id)
{
	const struct event_case *c = e->c;

	/* who answers yes to a test is the last one to be asked: any will do */
	if (c->what == MMUN_TEST_EV_YOUNG && c->flags == ASKS_TEST &&
	    r->id == e->mirror)
		id = e->mirror;
	if (r->id != id || r->what != c->what)
		return false;
	if (c->what == MMUN_TEST_EV_START) {
		if (!(c->events & EV_BIT(r->event)))
			return false;
		if (c->nonblocking && (r->flags & 1))
			return false;
	}
	if (c->what == MMUN_TEST_EV_YOUNG && r->flags != c->flags)
		return false;
	return true;
}

/* the pages of [from, to) that no fitting event covers whole, by any of them */
static inline unsigned long ev_missed(struct ev *e, __u32 id)
{
	static unsigned char covered[AREA / PAGE];
	unsigned long page, first, last, n = (e->to - e->from) / PAGE, left = 0;
	int i;

	log_drain(&e->log);
	memset(covered, 0, n);
	for (i = 0; i < e->log.n; i++) {
		const struct mmun_test_event *r = &e->log.e[i];
		__u64 start = r->start, end = r->end;

		if (!ev_matches(e, r, id) || end <= e->from || start >= e->to)
			continue;
		/* a query is about pages, whichever byte of them it names */
		if (e->c->what == MMUN_TEST_EV_YOUNG) {
			start &= ~(PAGE - 1);
			end = (end - 1) | (PAGE - 1);
			end++;
		}
		first = start <= e->from ? 0 :
			(start - e->from + PAGE - 1) / PAGE;
		last = end >= e->to ? n : (end - e->from) / PAGE;
		for (page = first; page < last; page++)
			covered[page] = 1;
	}
	for (page = 0; page < n; page++)
		left += !covered[page];
	if (e->c->any)
		return left == n;
	return left;
}

static inline bool ev_released(struct ev *e, __u32 id)
{
	return count_what(&e->log, id, MMUN_TEST_EV_RELEASE) == 1;
}

static inline bool ev_seen_by(struct ev *e, __u32 id)
{
	return e->c->what == MMUN_TEST_EV_RELEASE ? ev_released(e, id) :
		!ev_missed(e, id);
}

static inline bool ev_seen(struct ev *e, __u32 id)
{
	int until = now_ms() + (e->c->nudge ? DEADLINE_MS : 5000);

	while (!ev_seen_by(e, id)) {
		if (now_ms() >= until)
			return false;
		if (e->c->nudge && e->c->nudge(e))
			return false;
		step();
	}
	return true;
}

/* what was seen instead */
static inline void ev_report(struct ev *e)
{
	int i;

	fprintf(stderr, "# wanted: what %u events %#x over %lx-%lx\n",
		e->c->what, e->c->events, e->from, e->to);
	for (i = 0; i < e->log.n && i < 12; i++) {
		const struct mmun_test_event *r = &e->log.e[i];

		fprintf(stderr, "# %s: what %u event %u flags %u %llx-%llx by %.16s\n",
			r->id == e->mirror ? "mirror" : "list", r->what,
			r->event, r->flags, (unsigned long long)r->start,
			(unsigned long long)r->end, r->comm);
	}
	if (i < e->log.n)
		fprintf(stderr, "# ... and %d more\n", e->log.n - i);
}

FIXTURE(ev)
{
	struct ev e;
};

FIXTURE_VARIANT(ev)
{
	struct event_case c;
};

FIXTURE_SETUP(ev)
{
	struct ev *e = &self->e;

	e->c = &variant->c;
	e->mem = memfd(AREA / PAGE);
	ASSERT_GE(e->mem, 0);
	ASSERT_EQ(0, target_start(&e->t, e->mem));
	e->fd = dev_open();
	ASSERT_GE(e->fd, 0);
	ASSERT_EQ(0, log_init(&e->log, e->fd));
}

FIXTURE_TEARDOWN(ev)
{
	struct ev *e = &self->e;

	/* it may stand where it exits */
	if (e->t.pid > 0)
		ptrace(PTRACE_CONT, e->t.pid, 0, 0);
	EXPECT_TRUE(target_stop(&e->t));
	EXPECT_EQ(0, bounded_ioctl(e->fd, 0, NULL));
	close(e->mem);
	ev_undo(e);
	/* in one piece: the kernel's own lines come between */
	fflush(stdout);
	if (_metadata->exit_code == KSFT_SKIP)
		printf("# event: %s skipped: %s\n", e->c->row, e->reason);
	else
		printf("# event: %s %s\n", e->c->row,
		       _metadata->exit_code != KSFT_PASS ? "failed" :
		       e->mirror ? "seen" : "seen by a list");
	fflush(stdout);
}

/* a step of the case: done, or the kernel lacks the means */
#define EV_STEP(call) do {						\
	int __step = (call);						\
	if (__step == EV_SKIP)						\
		SKIP(return, "%s", e->reason);				\
	ASSERT_EQ(0, __step) TH_LOG("%s", #call);			\
} while (0)

TEST_F_TIMEOUT(ev, is_seen, 300)
{
	struct ev *e = &self->e;
	const struct event_case *c = e->c;
	struct mmun_test_stats before, s;
	const char *missing = c->need ? c->need(e) : NULL;
	int ret;

	if (missing) {
		ev_skip(e, missing);
		SKIP(return, "%s", e->reason);
	}
	EV_STEP(ev_area(e));
	EV_STEP(c->prepare(e));

	ASSERT_EQ(0, attach_flags(e->fd, MMUN_TEST_LIST, e->t.pid, 0, 0,
				  c->attach, &e->list));
	ret = attach_flags(e->fd, MMUN_TEST_MIRROR, e->t.pid, e->area, AREA,
			   c->attach & MMUN_TEST_ATTACH_YOUNG, &e->mirror);
	if (ret == -EOPNOTSUPP) {
		/* a kernel without HMM_MIRROR: half of the case */
		e->mirror = 0;
		ev_forget(e);
		EV_STEP(c->raise(e));
		EXPECT_TRUE(ev_seen(e, e->list));
		EXPECT_TRUE(paired(e->fd, e->list));
		return;
	}
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, mirror_fault(e, e->from, e->to,
				  c->readonly ? 0 : MMUN_TEST_FAULT_WRITE));
	/* used through the mirror: young there */
	ASSERT_EQ(0, mirror_shows(e, e->from, e->to, e->seed));
	ASSERT_EQ(0, mirror_check(e));
	ASSERT_EQ(0, get_stats(e->fd, e->mirror, &before));
	ev_forget(e);

	EV_STEP(c->raise(e));

	EXPECT_TRUE(ev_seen(e, e->list)) TH_LOG("the list did not see it");
	/* the queries of a mirror, and its TLB flushes, are the list's */
	if (c->what == MMUN_TEST_EV_START || c->what == MMUN_TEST_EV_RELEASE) {
		EXPECT_TRUE(ev_seen(e, e->mirror))
			TH_LOG("the mirror did not see it");
		ASSERT_EQ(0, get_stats(e->fd, e->mirror, &s));
		EXPECT_LT(before.torn, s.torn)
			TH_LOG("the mirror lost no entry");
	}
	if (_metadata->exit_code == KSFT_FAIL)
		ev_report(e);
	EXPECT_EQ(0, mirror_check(e));
	if (c->after)
		EXPECT_EQ(0, c->after(e));
	/* promise 9; an exit takes the ends of what was in flight */
	EXPECT_TRUE(paired(e->fd, e->list));
}

#endif /* MMUN_T_EVENT_H */
