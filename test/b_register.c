// SPDX-License-Identifier: GPL-2.0-only
/*
 * What registering one more list subscriber costs on a mm that has one, with
 * few VMAs and with many: mmun beside the kernel's own notifier. Contract 19
 * says that mmun's does not grow with the VMAs.
 *
 * A benchmark, not a test: it fails only if it could not measure.
 */
#include "t_common.h"

#define RUNS	15

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static void die(const char *what, int err)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-err));
	exit(1);
}

/* one-page mappings of two kinds in turn, so that none are merged */
static void *make_vmas(unsigned long n)
{
	unsigned long i;
	char *p;

	p = mmap(NULL, n * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		 0);
	if (p == MAP_FAILED)
		die("mmap", -errno);
	for (i = 0; i < n; i += 2)
		if (mprotect(p + i * PAGE, PAGE, PROT_NONE))
			die("mprotect", -errno);
	return p;
}

static __u64 time_attach(int fd, unsigned long req, void *arg)
{
	__u64 begin = now_ns();
	int ret = ioctl(fd, req, arg);
	__u64 end = now_ns();

	if (ret)
		die("attach", -errno);
	return end - begin;
}

static __u64 median_mmun(int fd)
{
	struct mmun_test_attach a = {
		.size = sizeof(a), .kind = MMUN_TEST_LIST,
	};
	struct mmun_test_detach d = { .size = sizeof(d) };
	__u64 ns[RUNS];
	__u32 first;
	int i, ret;

	ret = attach_list(fd, 0, &first);
	if (ret)
		die("first attach", ret);
	for (i = 0; i < RUNS; i++) {
		ns[i] = time_attach(fd, MMUN_TEST_IOC_ATTACH, &a);
		d.id = a.id;
		if (ioctl(fd, MMUN_TEST_IOC_DETACH, &d))
			die("detach", -errno);
	}
	d.id = first;
	if (ioctl(fd, MMUN_TEST_IOC_DETACH, &d))
		die("last detach", -errno);
	qsort(ns, RUNS, sizeof(*ns), compare);
	return ns[RUNS / 2];
}

static __u64 median_kernel(int fd)
{
	struct mmun_peer_attach a = {
		.size = sizeof(a), .kind = MMUN_PEER_LIST,
	};
	__u64 ns[RUNS];
	__u32 first;
	int i, ret;

	ret = peer_list(fd, 0, 0, 0, &first);
	if (ret)
		die("first attach of the peer", ret);
	for (i = 0; i < RUNS; i++) {
		ns[i] = time_attach(fd, MMUN_PEER_IOC_ATTACH, &a);
		ret = peer_detach(fd, a.id);
		if (ret)
			die("detach of the peer", ret);
	}
	ret = peer_detach(fd, first);
	if (ret)
		die("last detach of the peer", ret);
	qsort(ns, RUNS, sizeof(*ns), compare);
	return ns[RUNS / 2];
}

static void raise_map_count(void)
{
	FILE *f = fopen("/proc/sys/vm/max_map_count", "w");

	/* the default is enough for us: a refusal shows when mapping */
	if (!f)
		return;
	fprintf(f, "262144\n");
	fclose(f);
}

int main(void)
{
	static const unsigned long sizes[] = { 20, 1000, 20000 };
	int fd = dev_open(), peer = peer_open();
	__u64 ours, theirs;
	unsigned int i;
	void *p;

	if (fd < 0)
		die(TEST_DEV, fd);
	if (peer < 0)
		die(PEER_DEV, peer);
	raise_map_count();

	printf("register one more list subscriber, median of %d, ns\n", RUNS);
	printf("%8s %12s %12s %14s\n", "VMAs", "mmun", "kernel",
	       "kernel/mmun");
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		p = make_vmas(sizes[i]);
		ours = median_mmun(fd);
		theirs = median_kernel(peer);
		printf("%8lu %12llu %12llu %13.1fx\n", sizes[i],
		       (unsigned long long)ours, (unsigned long long)theirs,
		       (double)theirs / (ours ? ours : 1));
		fflush(stdout);
		munmap(p, sizes[i] * PAGE);
	}
	printf("bench: done\n");
	return 0;
}
