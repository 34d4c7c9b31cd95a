// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cost to fill a mirror with 1 GiB of present pages and to read them
 * through it: the mirror of mmun_test beside upstream's test_hmm, built without a
 * change and running on the kernel's own notifier.
 *
 * Both do the same: look up the pages by hmm_range_fault() under an interval, put
 * them into a table, and copy the memory out. test_hmm does that in one call, and
 * mmun_test in two, FAULT and MREAD. They take turns, each with an empty table.
 * "make bench" loads test_hmm; without it there is nothing to compare with.
 */
#include "../../test/programs/t_common.h"

#include <sys/sysmacros.h>

#define ROUNDS	5
#define SIZE	(1UL << 30)
#define PIECE	(64UL << 20)
#define TARGET	1.25

/* test_hmm's interface, lib/test_hmm_uapi.h */
struct dmirror_cmd {
	__u64 addr;
	__u64 ptr;
	__u64 npages;
	__u64 cpages;
	__u64 faults;
};

#define DMIRROR_READ	_IOWR('H', 0x00, struct dmirror_cmd)
#define DMIRROR_DEV	"/dev/hmm_dmirror0"

static char *memory, *buffer;

static void die(const char *what, int err)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(err));
	exit(1);
}

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static __u64 median(__u64 *ns)
{
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	return ns[ROUNDS / 2];
}

/* The node, if nobody has made it: test_hmm has a number and no class. */
static bool find_dmirror(void)
{
	unsigned int major;
	char line[128];
	FILE *f = fopen("/proc/devices", "r");
	bool found = false;

	if (!f)
		die("/proc/devices", errno);
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, "HMM_DMIRROR") &&
			sscanf(line, "%u", &major) == 1;
	fclose(f);
	if (found && mknod(DMIRROR_DEV, S_IFCHR | 0600, makedev(major, 0)) &&
	    errno != EEXIST)
		die(DMIRROR_DEV, errno);
	return found;
}

static __u64 time_dmirror(void)
{
	int fd = open(DMIRROR_DEV, O_RDWR);
	struct dmirror_cmd cmd;
	unsigned long at;
	__u64 begin;

	if (fd < 0)
		die(DMIRROR_DEV, errno);
	begin = now_ns();
	for (at = 0; at < SIZE; at += PIECE) {
		cmd = (struct dmirror_cmd){
			.addr = (uintptr_t)memory + at,
			.ptr = (uintptr_t)buffer,
			.npages = PIECE / PAGE,
		};
		if (ioctl(fd, DMIRROR_READ, &cmd))
			die("test_hmm", errno);
		if (cmd.cpages != PIECE / PAGE)
			die("test_hmm", EIO);
	}
	begin = now_ns() - begin;
	close(fd);
	return begin;
}

static __u64 time_mmun(void)
{
	struct mmun_test_fault fault;
	struct mmun_test_copy copy;
	int fd = dev_open(), ret;
	unsigned long at;
	__u64 begin;
	__u32 id;

	if (fd < 0)
		die(TEST_DEV, -fd);
	ret = attach_flags(fd, MMUN_TEST_MIRROR, 0, (uintptr_t)memory, SIZE, 0, &id);
	if (ret)
		die("attach", -ret);
	begin = now_ns();
	for (at = 0; at < SIZE; at += PIECE) {
		fault = (struct mmun_test_fault){
			.size = sizeof(fault),
			.id = id,
			.start = (uintptr_t)memory + at,
			.length = PIECE,
		};
		if (ioctl(fd, MMUN_TEST_IOC_FAULT, &fault))
			die("mmun_test", errno);
		copy = (struct mmun_test_copy){
			.size = sizeof(copy),
			.id = id,
			.start = (uintptr_t)memory + at,
			.length = PIECE,
			.buffer = (uintptr_t)buffer,
			.flags = MMUN_TEST_COPY_NOFAULT,
		};
		if (ioctl(fd, MMUN_TEST_IOC_MREAD, &copy))
			die("mmun_test", errno);
		if (copy.copied != PIECE)
			die("mmun_test", EIO);
	}
	begin = now_ns() - begin;
	close(fd);
	return begin;
}

static void compare_them(const char *what)
{
	__u64 ours[ROUNDS], theirs[ROUNDS];
	double ratio;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		theirs[i] = time_dmirror();
		ours[i] = time_mmun();
	}
	ratio = (double)median(ours) / median(theirs);
	printf("%-12s %10.1f %10.1f %8.2f   %s\n", what,
	       median(ours) / 1e6, median(theirs) / 1e6, ratio,
	       ratio <= TARGET ? "met" : "missed");
	fflush(stdout);
}

int main(void)
{
	if (!find_dmirror()) {
		printf("bench: there is no test_hmm, so nothing was compared with it\n");
		/* It was to be there: it did not load. */
		return !access("/modules/test_hmm.ko", F_OK);
	}
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	buffer = mmap(NULL, PIECE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED || buffer == MAP_FAILED)
		die("mmap", errno);

	printf("fill and read 1 GiB of present pages, median of %d, ms\n", ROUNDS);
	printf("%-12s %10s %10s %8s   target %.2f\n", "pages", "mmun_test",
	       "test_hmm", "ratio", TARGET);
	madvise(memory, SIZE, MADV_NOHUGEPAGE);
	target_touch((uintptr_t)memory, SIZE, true);
	compare_them("4 KiB");
	munmap(memory, SIZE);

	memory = mmap(NULL, SIZE + (2UL << 20), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		die("mmap", errno);
	memory = (char *)(((uintptr_t)memory + (2UL << 20) - 1) & ~((2UL << 20) - 1));
	madvise(memory, SIZE, MADV_HUGEPAGE);
	target_touch((uintptr_t)memory, SIZE, true);
	compare_them("2 MiB");
	printf("bench: done\n");
	return 0;
}
