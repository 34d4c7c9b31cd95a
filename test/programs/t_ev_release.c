// SPDX-License-Identifier: GPL-2.0-only
/* Promises 12 and 18: each way in which an address space ends is a RELEASE. */
#include "t_event.h"

static int ends(struct ev *e, int op)
{
	EV_TRY(target_send(&e->t, &(struct target_msg){ .op = op }));
	return target_ended(&e->t, 10000) ? 0 : -ETIME;
}

static int raise_exit(struct ev *e)
{
	return ends(e, OP_EXIT);
}

FIXTURE_VARIANT_ADD(ev, exit)
{
	.c = {
		.row = "RELEASE by exit",
		.what = MMUN_TEST_EV_RELEASE,
		.prepare = prepare_pages,
		.raise = raise_exit,
		.after = after_death,
	},
};

static int raise_exec(struct ev *e)
{
	return target_send(&e->t, &(struct target_msg){ .op = OP_EXEC });
}

/* the process lives, in an address space that nobody mirrors */
static int after_exec(struct ev *e)
{
	EV_TRY(kill(e->t.pid, 0) ? -errno : 0);
	return after_death(e);
}

FIXTURE_VARIANT_ADD(ev, execve)
{
	.c = {
		.row = "RELEASE by execve",
		.what = MMUN_TEST_EV_RELEASE,
		.prepare = prepare_pages,
		.raise = raise_exec,
		.after = after_exec,
	},
};

static int raise_segv(struct ev *e)
{
	return ends(e, OP_SEGV);
}

FIXTURE_VARIANT_ADD(ev, signal)
{
	.c = {
		.row = "RELEASE by a fatal signal",
		.what = MMUN_TEST_EV_RELEASE,
		.prepare = prepare_pages,
		.raise = raise_segv,
		.after = after_death,
	},
};

static int raise_kill(struct ev *e)
{
	EV_TRY(kill(e->t.pid, SIGKILL) ? -errno : 0);
	return target_ended(&e->t, 10000) ? 0 : -ETIME;
}

FIXTURE_VARIANT_ADD(ev, kill)
{
	.c = {
		.row = "RELEASE by SIGKILL",
		.what = MMUN_TEST_EV_RELEASE,
		.prepare = prepare_pages,
		.raise = raise_kill,
		.after = after_death,
	},
};

TEST_HARNESS_MAIN
