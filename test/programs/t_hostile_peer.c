// SPDX-License-Identifier: GPL-2.0-only
/*
 * Promise 22: hostile ends beside a list notifier of somebody else's that refuses a range of the
 * reaper. The kernel's interval state of that mm is then marked for as long as it
 * lives: what mmun has in it may be lost, and nothing else.
 */
#include "t_hostile_end.h"

/* ---- a foreign notifier that refuses ---- */

/*
 * How long rmmod may wait for a process that is gone, and how often it says which
 * process it waits for.
 */
#define GONE_MS		5000
#define REPORT_MS		10000
#define REFUSED_ROUNDS	5

/*
 * A list notifier that is not mmun's refused, and the kernel's interval state of
 * that mm is marked for as long as it lives: rmmod may wait for that process, if
 * it says so, and for nothing else.
 */
TEST_F_TIMEOUT(hostile, foreign_refusal_rmmod_waits_for_that_process_only, 200)
{
	struct watch w;
	__u32 refuser;
	pid_t pid;
	int ms;

	NEED_MRELEASE();
	pid = LEAD(spawn, V_IDLE);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, LEAD(seize));
	ASSERT_EQ(0, watch(self->fd, pid, &w));
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	ASSERT_EQ(0, peer_list(self->peer, pid, MMUN_PEER_REFUSE, 0, &refuser));
	ASSERT_EQ(0, LEAD(kill_and_hold));
	ASSERT_EQ(-EAGAIN, LEAD(mrelease));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	ASSERT_EQ(0, close_all(self));
	expect_no_work(_metadata);

	self->books.pid = pid;
	ASSERT_EQ(0, unload_begin(&self->rmmod));
	ms = unload_end(&self->rmmod, REPORT_MS + 2000);
	log_lines(&self->books);
	if (ms < 0) {
		TH_LOG("rmmod waits, and names the process %d times",
		       self->books.naming);
		EXPECT_LE(1, self->books.naming);
		EXPECT_LE(self->books.lines, 3);
		EXPECT_EQ(0, LEAD(bury));
		ms = unload_end(&self->rmmod, GONE_MS);
		EXPECT_LE(0, ms) TH_LOG("the process is gone");
	}
	TH_LOG("rmmod took %d ms", ms);
	EXPECT_LE(log_lines(&self->books), 4);
}

/* The messages that the kernel's own limit lets through in that time, and some. */
static int lines_allowed(__u64 begin)
{
	return 12 + 10 * (now_ns() - begin) / 5000000000ULL;
}

/* Once for each round: the loss is true, and the log's limit holds. */
TEST_F_TIMEOUT(hostile, foreign_refusals_in_a_loop_do_not_flood_the_log, 200)
{
	__u64 begin = now_ns();
	struct watch w;
	__u32 refuser;
	pid_t pid;

	NEED_MRELEASE();
	self->until += 3 * loop_ms();
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	for (; self->rounds < 30 && goes_on(self); self->rounds++) {
		pid = LEAD(spawn, V_IDLE);
		ASSERT_LT(0, pid);
		ASSERT_EQ(0, LEAD(seize));
		ASSERT_EQ(0, watch(self->fd, pid, &w));
		ASSERT_EQ(0, peer_list(self->peer, pid, MMUN_PEER_REFUSE, 0,
				       &refuser));
		ASSERT_EQ(0, LEAD(kill_and_hold));
		ASSERT_EQ(-EAGAIN, LEAD(mrelease));
		ASSERT_EQ(0, LEAD(bury));
		ASSERT_EQ(0, unwatch(self->fd, &w));
		ASSERT_EQ(0, peer_detach(self->peer, refuser));
	}
	/* these are lost, and are all that may be */
	rcu_settle();
	EXPECT_LE(mm_structs(), self->books.mms + mms_allowed() + self->rounds);
	self->books.mms += self->rounds;
	EXPECT_LE(log_lines(&self->books), lines_allowed(begin));
}

static __u64 peer_refused(int peer, __u32 id)
{
	struct mmun_peer_stats s;

	return peer_get_stats(peer, id, &s) ? 0 : s.refusals;
}

/* Return: how many ranges the foreign notifier refused. */
static __u64 refused_once(struct __test_metadata *_metadata,
			  FIXTURE_DATA(hostile) *self)
{
	pid_t pid = LEAD(spawn, V_LARGE);
	__u64 refused;
	__u32 refuser;
	struct watch w;

	EXPECT_LT(0, pid);
	EXPECT_EQ(0, watch(self->fd, pid, &w));
	EXPECT_EQ(0, peer_list(self->peer, pid, MMUN_PEER_TRYLOCK, SLOW_MS,
			       &refuser));
	EXPECT_EQ(0, LEAD(kill_and_reap, 1));
	EXPECT_EQ(0, unwatch(self->fd, &w));
	refused = peer_refused(self->peer, refuser);
	EXPECT_EQ(0, peer_detach(self->peer, refuser));
	return refused;
}

/*
 * The last one: a core that takes this for sound hangs for ever. The foreign
 * notifier's release sleeps with the lock for which its start only tries, and the
 * reaper, which began before, goes on meanwhile: between the release and the range
 * of the exit itself.
 */
TEST_F_TIMEOUT(hostile, foreign_refusal_between_release_and_exit_ends, 400)
{
	unsigned int lost = 0;
	int ms;

	NEED_MRELEASE();
	/* it takes luck: the longer the better */
	self->until += 9 * loop_ms();
	self->peer = peer_open();
	ASSERT_GE(self->peer, 0);
	for (; lost < REFUSED_ROUNDS && goes_on(self); self->rounds++)
		lost += !!refused_once(_metadata, self);
	TH_LOG("refused in %u of %u rounds", lost, self->rounds);
	EXPECT_LT(0, lost) TH_LOG("the reaper never came in time");
	ASSERT_EQ(0, close_all(self));
	ASSERT_EQ(0, unload_begin(&self->rmmod));
	ms = unload_end(&self->rmmod, GONE_MS);
	EXPECT_LE(0, ms) TH_LOG("rmmod hangs, and the process is gone");
	EXPECT_LE(log_lines(&self->books), (int)lost + 1);
	/* these may be lost, and no others */
	self->books.mms += lost;
}

TEST_HARNESS_MAIN
