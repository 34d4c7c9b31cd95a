// SPDX-License-Identifier: GPL-2.0-only
/* Promise 12: what unmaps, while the process lives and when it dies. */
#include "t_event.h"

/* ---- UNMAP ---- */

static int raise_munmap(struct ev *e)
{
	return target_munmap(&e->t, e->from, PAGES);
}

FIXTURE_VARIANT_ADD(ev, munmap)
{
	.c = {
		.row = "UNMAP by munmap",
		.events = EV_BIT(EV_UNMAP),
		.prepare = prepare_pages,
		.raise = raise_munmap,
		.after = after_gone,
	},
};

static int raise_map_over(struct ev *e)
{
	return ev_map_flags(e, 0, PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

FIXTURE_VARIANT_ADD(ev, map_over)
{
	.c = {
		.row = "UNMAP by mmap over it",
		.events = EV_BIT(EV_UNMAP),
		.prepare = prepare_pages,
		.raise = raise_map_over,
		.after = after_zero,
	},
};

/* the release takes all; no subscriber is called for what exit_mmap unmaps after it */
static int raise_exit(struct ev *e)
{
	EV_TRY(target_send(&e->t, &(struct target_msg){ .op = OP_EXIT }));
	return target_ended(&e->t, 10000) ? 0 : -ETIME;
}

FIXTURE_VARIANT_ADD(ev, exit_unmap)
{
	.c = {
		.row = "UNMAP by exit (as RELEASE)",
		.what = MMUN_TEST_EV_RELEASE,
		.prepare = prepare_pages,
		.raise = raise_exit,
		.after = after_death,
	},
};

static int raise_mremap(struct ev *e)
{
	unsigned long to = e->area + HPAGE;

	return target_syscall(&e->t, SYS_mremap, e->from, PAGES * PAGE,
			      PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			      to) == (long)to ? 0 : -EFAULT;
}

/* the contents are where they went */
static int after_mremap(struct ev *e)
{
	EV_TRY(after_gone(e));
	e->from += HPAGE;
	e->to += HPAGE;
	return after_same(e);
}

FIXTURE_VARIANT_ADD(ev, mremap)
{
	.c = {
		.row = "UNMAP by mremap",
		.events = EV_BIT(EV_UNMAP),
		.prepare = prepare_pages,
		.raise = raise_mremap,
		.after = after_mremap,
	},
};

/* ---- UNMAP, and nobody may sleep ---- */

static const char *need_mrelease(struct ev *e)
{
	return syscall(__NR_process_mrelease, -1, 0) && errno == ENOSYS ?
		"no process_mrelease in this kernel" : NULL;
}

static int raise_mrelease(struct ev *e)
{
	EV_TRY(target_kill_alive(&e->t));
	return target_mrelease(&e->t);
}

static int after_reaped(struct ev *e)
{
	EV_TRY(after_gone(e));
	EV_TRY(target_let_die(&e->t));
	return after_death(e);
}

FIXTURE_VARIANT_ADD(ev, mrelease)
{
	.c = {
		.row = "UNMAP by process_mrelease",
		.events = EV_BIT(EV_UNMAP) | EV_BIT(EV_CLEAR),
		.nonblocking = true,
		.need = need_mrelease,
		.prepare = prepare_pages,
		.raise = raise_mrelease,
		.after = after_reaped,
	},
};

#define HOG_BYTES	(24UL << 20)

/*
 * A real one: the target eats more than its cgroup may have. It is stopped where
 * it exits, its mm alive, since the reaper waits two seconds to see whether a
 * victim goes by itself.
 */
static int prepare_oom(struct ev *e)
{
	EV_TRY(ev_cgroup(e));
	EV_TRY(cgroup_put(e, "memory.max", "16M"));
	cgroup_put(e, "memory.swap.max", "0");
	EV_TRY(ptrace(PTRACE_SEIZE, e->t.pid, 0, PTRACE_O_TRACEEXIT) ?
	       -errno : 0);
	return prepare_pages(e);
}

static long target_hog(unsigned long len, unsigned long b, unsigned long c,
		       unsigned long d)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	target_touch((unsigned long)p, len, true);
	return 0;
}

static int raise_oom(struct ev *e)
{
	static struct target_msg m = {
		.op = OP_CALL, .nr = (long)target_hog, .a = { HOG_BYTES },
	};
	int status;

	EV_TRY(target_send(&e->t, &m));
	status = wait_pid(e->t.pid, DEADLINE_MS);
	if (status < 0)
		return status;
	return status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXIT << 8)) ?
		0 : -ECHILD;
}

static int wait_reaper(struct ev *e)
{
	return 0;
}

static int after_oom(struct ev *e)
{
	struct want w = {
		.id = e->list, .what = MMUN_TEST_EV_START,
		.start = e->from, .end = e->to,
	};
	const struct mmun_test_event *r = log_find_reaped(&e->log, w);

	if (!r || strncmp(r->comm, "oom_reaper", sizeof(r->comm))) {
		fprintf(stderr, "# by %.16s\n", r ? r->comm : "nobody");
		return -ESRCH;
	}
	return after_reaped(e);
}

FIXTURE_VARIANT_ADD(ev, oom_reaper)
{
	.c = {
		.row = "UNMAP by the OOM reaper",
		.events = EV_BIT(EV_UNMAP) | EV_BIT(EV_CLEAR),
		.nonblocking = true,
		.need = need_memcg,
		.prepare = prepare_oom,
		.raise = raise_oom,
		.nudge = wait_reaper,
		.after = after_oom,
	},
};

TEST_HARNESS_MAIN
