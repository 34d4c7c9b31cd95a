// SPDX-License-Identifier: GPL-2.0-only
/*
 * The in-kernel registration returns -EINTR when a signal is pending, which
 * drivers took for a failure. Under a 50 us timer, in a process with 10,000
 * VMAs, a subscription must succeed all the same (promise 19).
 */
#include "t_common.h"
#include "kselftest_harness.h"

#include <sys/time.h>

#define VMAS	10000UL
#define TICK_US	50

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
	ticks++;
}

/* no SA_RESTART: a call that gives up is to be seen, not begun again */
static int timer(bool on)
{
	struct itimerval it = {
		.it_interval.tv_usec = on ? TICK_US : 0,
		.it_value.tv_usec = on ? TICK_US : 0,
	};
	struct sigaction sa = { .sa_handler = tick };

	return sigaction(SIGALRM, &sa, NULL) ||
	       setitimer(ITIMER_REAL, &it, NULL) ? -errno : 0;
}

FIXTURE(signal)
{
	int fd;
};

FIXTURE_SETUP(signal)
{
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(signal)
{
	close(self->fd);
}

FIXTURE_VARIANT(signal)
{
	__u32 kind;
	__u32 flags;
	__u32 how;
};

FIXTURE_VARIANT_ADD(signal, list)
{
	.kind = MMUN_TEST_LIST,
};

FIXTURE_VARIANT_ADD(signal, list_tlb)
{
	.kind = MMUN_TEST_LIST,
	.flags = MMUN_TEST_ATTACH_TLB,
};

FIXTURE_VARIANT_ADD(signal, get)
{
	.kind = MMUN_TEST_GET,
	.how = MMUN_TEST_PUT,
};

FIXTURE_VARIANT_ADD(signal, interval)
{
	.kind = MMUN_TEST_INTERVAL,
};

/* with every lock of 10,000 VMAs watched, one attach takes several seconds */
TEST_F_TIMEOUT(signal, first_and_second_attach, 300)
{
	__u64 length = variant->kind == MMUN_TEST_INTERVAL ? PAGE : 0;
	struct mmun_test_detach d = {
		.size = sizeof(d), .how = variant->how,
	};
	__u32 first, second = 0;
	int until = now_ms() + 5000;
	unsigned int i;
	int ret;

	/*
	 * Three times, or once where it takes long; and where it is quick, a
	 * signal may miss it a few times.
	 */
	for (i = 0; i < 1 || (i < 3 && now_ms() < until) ||
	     (!ticks && i < 1000); i++) {
		ASSERT_EQ(0, timer(true));
		ret = attach_flags(self->fd, variant->kind, 0, 0, length,
				   variant->flags, &first);
		if (!ret)
			ret = attach_flags(self->fd, variant->kind, 0, 0,
					   length, variant->flags, &second);
		ASSERT_EQ(0, timer(false));
		ASSERT_EQ(0, ret);
		d.id = first;
		EXPECT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_DETACH, &d));
		d.id = second;
		EXPECT_EQ(0, ioctl(self->fd, MMUN_TEST_IOC_DETACH, &d));
	}
	/* the test was one */
	EXPECT_LT(0, ticks);
	EXPECT_EQ(0, subscriptions(self->fd));
}

static int make_vmas(void)
{
	unsigned long i;
	char *p;

	p = mmap(NULL, VMAS * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	for (i = 0; i < VMAS; i += 2)
		if (mprotect(p + i * PAGE, PAGE, PROT_NONE))
			return -errno;
	return 0;
}

/*
 * The tests inherit the VMAs: a debug kernel takes longer to make them than the
 * harness gives to one test.
 */
int main(int argc, char **argv)
{
	if (make_vmas())
		ksft_exit_fail_msg("cannot make %lu VMAs\n", VMAS);
	return test_harness_run(argc, argv);
}
