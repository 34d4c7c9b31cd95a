// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracepoints through tracefs, as a person uses them: the events of real system
 * calls, filters, and histograms by stack. Each test has a tracefs instance of its own.
 */
#include "t_common.h"
#include <ctype.h>
#include <dirent.h>
#include "kselftest_harness.h"

#define PAGES	8UL
#define TRACING	"/sys/kernel/tracing"
#define ROOM	(4UL << 20)

FIXTURE(trace)
{
	struct target t;
	int fd;
	unsigned long addr, end;
	__u32 id;
	char dir[64];
	char *text;		/* of the file that was read last */
};

/* 0 or -errno */
static int put(const char *dir, const char *file, const char *words)
{
	char path[160];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, words, strlen(words)) != (ssize_t)strlen(words))
		ret = -errno;
	close(fd);
	return ret;
}

/* All of the file; empty if it cannot be read. */
static char *get(char *text, const char *dir, const char *file)
{
	size_t len = 0;
	char path[160];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && len < ROOM - 1) {
		got = read(fd, text + len, ROOM - 1 - len);
		if (got <= 0)
			break;
		len += got;
	}
	if (fd >= 0)
		close(fd);
	text[len] = '\0';
	return text;
}

FIXTURE_SETUP(trace)
{
	self->text = malloc(ROOM);
	ASSERT_NE(NULL, self->text);
	snprintf(self->dir, sizeof(self->dir), TRACING "/instances/t_trace.%d", getpid());
	ASSERT_EQ(0, mkdir(self->dir, 0700));
	ASSERT_EQ(0, target_start(&self->t, -1));
	self->addr = target_mmap_small(&self->t, PAGES);
	ASSERT_NE(0, self->addr);
	self->end = self->addr + PAGES * PAGE;
	self->fd = dev_open();
	ASSERT_GE(self->fd, 0);
}

FIXTURE_TEARDOWN(trace)
{
	put(self->dir, "events/mmun/enable", "0");
	EXPECT_TRUE(target_stop(&self->t));
	EXPECT_EQ(0, bounded_ioctl(self->fd, 0, NULL));
	EXPECT_EQ(0, rmdir(self->dir));
	free(self->text);
}

/* The number after " NAME=", decimal or 0x; 0 if there is none. */
static unsigned long number(const char *line, const char *name)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), " %s=", name);
	at = strstr(line, key);
	return at ? strtoul(at + strlen(key), NULL, 0) : 0;
}

/* Does " NAME=WORD" stand there? */
static bool says(const char *line, const char *name, const char *word)
{
	char key[96];
	const char *at;

	snprintf(key, sizeof(key), " %s=%s", name, word);
	at = strstr(line, key);
	return at && isspace((unsigned char)at[strlen(key)]);
}

/* The fields that a line must have; NULL and 0: any. */
struct line {
	const char *name, *event, *callback, *result, *fn;
	unsigned long start, end, id, pid;
};

static bool fits(const char *line, const struct line *want)
{
	char key[48];

	snprintf(key, sizeof(key), " mmun_%s: ", want->name);
	if (!strstr(line, key))
		return false;
	return (!want->event || says(line, "event", want->event)) &&
	       (!want->callback || says(line, "callback", want->callback)) &&
	       (!want->result || says(line, "result", want->result)) &&
	       (!want->fn || (strstr(line, " fn=") && strstr(line, want->fn))) &&
	       (!want->end || (number(line, "start") <= want->start &&
			       number(line, "end") >= want->end)) &&
	       (!want->id || number(line, "id") == want->id) &&
	       (!want->pid || number(line, "pid") == want->pid);
}

/* The first line of the trace, after the line @after if that is not empty; not into it. */
static bool find(char *text, const char *after, const struct line *want, char *found)
{
	char *line, *rest, *next;
	bool past = !*after;

	found[0] = '\0';
	for (line = text; line && *line; line = next) {
		rest = strchr(line, '\n');
		next = rest ? rest + 1 : NULL;
		if (rest)
			*rest = '\0';
		if (past && fits(line, want))
			snprintf(found, 512, "%s\n", line);
		if (!past && !strncmp(line, after, strlen(line)) && *line)
			past = true;
		if (rest)
			*rest = '\n';
		if (found[0])
			return true;
	}
	return false;
}

#define FIND(after, found, ...) do {					\
	struct line want = { __VA_ARGS__ };				\
									\
	get(self->text, self->dir, "trace");				\
	ASSERT_TRUE(find(self->text, after, &want, found)) {		\
		TH_LOG("no line %s %s in:\n%s", want.name, want.event ?: "", \
		       self->text);					\
	}								\
} while (0)

/* A range of a system call: all its lines are there, in this order, with one number. */
static void expect_range(struct __test_metadata *_metadata, FIXTURE_DATA(trace) *self,
			 const char *event, unsigned long start, unsigned long end)
{
	char first[512], called[512], ended[512], over[512];
	unsigned long id;

	FIND("", first, .name = "range_start", .event = event, .start = start, .end = end,
	     .pid = self->t.pid);
	id = number(first, "id");
	EXPECT_NE(0, id);
	EXPECT_EQ(number(first, "end") - number(first, "start"), number(first, "bytes"));
	EXPECT_EQ(1, number(first, "blockable"));
	FIND(first, called, .name = "callback", .event = event, .callback = "start",
	     .fn = "list_start [mmun_test]", .id = id);
	EXPECT_NE(0, number(called, "ns"));
	EXPECT_TRUE(says(called, "ret", "0"));
	EXPECT_EQ(number(first, "bytes"), number(called, "bytes"));
	FIND(called, ended, .name = "callback", .event = event, .callback = "end",
	     .fn = "list_end [mmun_test]", .id = id);
	FIND(ended, over, .name = "range_end", .event = event, .result = "done", .id = id);
	EXPECT_EQ(1, number(over, "timed"));
	EXPECT_GE(number(over, "ns"), number(called, "ns") + number(ended, "ns"));
	EXPECT_EQ(number(first, "bytes"), number(over, "bytes"));
}

TEST_F(trace, system_calls_are_reported)
{
	const unsigned long len = PAGES * PAGE;

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->id));
	ASSERT_EQ(0, put(self->dir, "events/mmun/enable", "1"));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect, self->addr, len, PROT_READ));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_mprotect, self->addr, len,
				    PROT_READ | PROT_WRITE));
	ASSERT_LT(0, target_op(&self->t, OP_FORK));
	ASSERT_EQ(0, target_op(&self->t, OP_FORK_END));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->addr, len, MADV_DONTNEED));
	ASSERT_EQ(0, target_op(&self->t, OP_WRITE, 0, { self->addr, len }));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	expect_range(_metadata, self, "PROTECTION_VMA", self->addr, self->end);
	expect_range(_metadata, self, "PROTECTION_PAGE", self->addr, self->end);
	expect_range(_metadata, self, "CLEAR", self->addr, self->end);
	expect_range(_metadata, self, "UNMAP", self->addr, self->end);
}

/* A filter by size and pid leaves the others out. */
TEST_F(trace, filter_by_size_and_process)
{
	char filter[64], line[512];
	struct line small = {
		.name = "range_start", .start = self->addr, .end = self->addr + PAGE,
	};

	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->id));
	snprintf(filter, sizeof(filter), "bytes >= %lu && pid == %d", 2 * PAGE, self->t.pid);
	ASSERT_EQ(0, put(self->dir, "events/mmun/mmun_range_start/filter", filter));
	ASSERT_EQ(0, put(self->dir, "events/mmun/mmun_range_start/enable", "1"));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->addr, PAGE, MADV_DONTNEED));
	get(self->text, self->dir, "trace");
	EXPECT_FALSE(find(self->text, "", &small, line));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->addr, 2 * PAGE,
				    MADV_DONTNEED));
	FIND("", line, .name = "range_start", .start = self->addr,
	     .end = self->addr + 2 * PAGE);
}

/* From the attach to the detach: a subscription's whole life. */
TEST_F(trace, life_of_a_subscription)
{
	char attach[512], joined[512], inserted[512], left[512], line[512];
	__u32 interval;

	ASSERT_EQ(0, put(self->dir, "events/mmun/enable", "1"));
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->id));
	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr, PAGE, &interval));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	ASSERT_EQ(0, detach(self->fd, interval));
	ASSERT_EQ(0, detach(self->fd, self->id));
	FIND("", attach, .name = "attach", .pid = self->t.pid);
	EXPECT_TRUE(says(attach, "ret", "0"));
	FIND(attach, joined, .name = "register", .pid = self->t.pid);
	EXPECT_TRUE(says(joined, "kind", "list"));
	FIND(joined, inserted, .name = "register", .start = self->addr,
	     .end = self->addr + PAGE);
	EXPECT_TRUE(says(inserted, "kind", "interval"));
	EXPECT_EQ(PAGE, number(inserted, "bytes"));
	FIND(inserted, line, .name = "callback", .callback = "invalidate",
	     .fn = "[mmun_test]", .event = "UNMAP");
	FIND(line, left, .name = "unregister", .start = self->addr,
	     .end = self->addr + PAGE);
	FIND(left, line, .name = "callback", .callback = "release", .fn = "[mmun_test]",
	     .event = "RELEASE");
	FIND(line, left, .name = "unregister", .pid = self->t.pid);
	EXPECT_TRUE(says(left, "kind", "list"));
	get(self->text, self->dir, "trace");
	EXPECT_FALSE(find(self->text, "", &(struct line){
		.name = "detach", .pid = self->t.pid }, line));

	kill(self->t.pid, SIGKILL);
	ASSERT_TRUE(target_ended(&self->t, 20000));
	EXPECT_TRUE(WAIT_FOR(find(get(self->text, self->dir, "trace"), left,
				  &(struct line){ .name = "detach" }, line), IN_TIME_MS));
}

/* A range that may not block, and a subscriber that refuses it. */
TEST_F(trace, refusal_has_its_function)
{
	char refusal[512], over[512];

	if (syscall(__NR_process_mrelease, -1, 0) && errno == ENOSYS)
		SKIP(return, "no process_mrelease in this kernel");
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->id));
	ASSERT_EQ(0, set_knobs(self->fd, self->id, MMUN_TEST_KNOB_REFUSE, 0, 0, 0));
	ASSERT_EQ(0, put(self->dir, "events/mmun/enable", "1"));
	ASSERT_EQ(0, target_kill_alive(&self->t));
	EXPECT_EQ(-EAGAIN, target_mrelease(&self->t));
	EXPECT_EQ(0, set_knobs(self->fd, self->id, 0, 0, 0, 0));
	EXPECT_EQ(0, target_let_die(&self->t));
	FIND("", refusal, .name = "refusal", .fn = "list_start [mmun_test]");
	EXPECT_TRUE(says(refusal, "ret", "-11"));
	EXPECT_TRUE(says(refusal, "blockable", "0"));
	FIND(refusal, over, .name = "range_end", .result = "refused",
	     .id = number(refusal, "id"));
}

/* Does a thread of this program sleep in the kernel, as a reader does that waits? */
static bool thread_sleeps(void)
{
	char path[64], stat[512];
	struct dirent *entry;
	bool sleeps = false;
	DIR *tasks;
	FILE *f;

	tasks = opendir("/proc/self/task");
	while (tasks && !sleeps && (entry = readdir(tasks))) {
		snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", entry->d_name);
		f = fopen(path, "r");
		sleeps = f && fgets(stat, sizeof(stat), f) && strstr(stat, ") D ");
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return sleeps;
}

/* Has the kernel CONFIG_HIST_TRIGGERS? */
static bool has_histograms(const char *dir)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/events/mmun/mmun_range_start/hist", dir);
	return !access(path, F_OK);
}

/* A histogram whose keys end with the stack. The first name is that of newer kernels. */
static int by_stack(const char *dir, const char *event, const char *keys, const char *vals)
{
	char file[80], words[160];
	int ret;

	snprintf(file, sizeof(file), "events/mmun/%s/trigger", event);
	snprintf(words, sizeof(words), "hist:keys=%s,common_stacktrace:vals=%s", keys, vals);
	ret = put(dir, file, words);
	if (!ret)
		return 0;
	snprintf(words, sizeof(words), "hist:keys=%s,stacktrace:vals=%s", keys, vals);
	return put(dir, file, words);
}

/* A reader sleeps as long as the invalidation that it waits for. */
TEST_F(trace, reader_waits_for_an_invalidation)
{
	struct mmun_test_read read = { .size = sizeof(read) };
	char line[512];
	struct job job;
	__u64 held;

	ASSERT_EQ(0, attach_interval(self->fd, self->t.pid, self->addr, PAGES * PAGE,
				     &self->id));
	ASSERT_EQ(0, set_knobs(self->fd, self->id, 0, 60000, 0, 0));
	ASSERT_EQ(0, put(self->dir, "events/mmun/enable", "1"));
	if (has_histograms(self->dir))
		ASSERT_EQ(0, by_stack(self->dir, "mmun_wait", "common_pid.execname", "ns"));
	ASSERT_EQ(0, target_begin(&self->t, SYS_munmap, self->addr, PAGES * PAGE));
	/* The range has started when its line is there; then it sleeps in the callback. */
	ASSERT_TRUE(WAIT_FOR(find(get(self->text, self->dir, "trace"), "",
				  &(struct line){ .name = "range_start", .event = "UNMAP" },
				  line), IN_TIME_MS));
	read.id = self->id;
	ASSERT_EQ(0, job_start(&job, self->fd, MMUN_TEST_IOC_READ, &read));
	ASSERT_TRUE(WAIT_FOR(thread_sleeps(), IN_TIME_MS));
	held = now_ns();
	sleep_ms(20);
	held = now_ns() - held;
	ASSERT_EQ(0, set_knobs(self->fd, self->id, 0, 0, 0, 0));
	EXPECT_EQ(0, target_reply(&self->t, 20000));
	ASSERT_TRUE(job_done(&job, IN_TIME_MS));
	EXPECT_EQ(0, job.ret);
	FIND("", line, .name = "wait", .start = self->addr, .end = self->end);
	EXPECT_GE(number(line, "ns"), held);
	EXPECT_TRUE(says(line, "collides", "0"));
	FIND("", line, .name = "callback", .callback = "invalidate", .event = "UNMAP");
	EXPECT_GE(number(line, "ns"), held);
	if (!has_histograms(self->dir))
		return;
	get(self->text, self->dir, "events/mmun/mmun_wait/hist");
	EXPECT_NE(NULL, strstr(self->text, "t_trace")) { TH_LOG("%s", self->text); }
	EXPECT_NE(NULL, strstr(self->text, "read_begin")) { TH_LOG("%s", self->text); }
}

/* By event and stack: the stack names the cause, bytes are summed. */
TEST_F(trace, histogram_by_stack)
{
	char *entry, *end;

	if (!has_histograms(self->dir))
		SKIP(return, "no CONFIG_HIST_TRIGGERS in this kernel");
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->id));
	ASSERT_EQ(0, by_stack(self->dir, "mmun_range_start", "event", "bytes"));
	ASSERT_EQ(0, target_syscall(&self->t, SYS_madvise, self->addr, 2 * PAGE,
				    MADV_DONTNEED));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	get(self->text, self->dir, "events/mmun/mmun_range_start/hist");
	entry = strstr(self->text, "madvise");
	ASSERT_NE(NULL, entry) { TH_LOG("%s", self->text); }
	end = strstr(entry, "bytes:");
	ASSERT_NE(NULL, end);
	EXPECT_EQ(2 * PAGE, strtoul(end + 6, NULL, 10)) { TH_LOG("%s", self->text); }
	EXPECT_NE(NULL, strstr(self->text, "munmap")) { TH_LOG("%s", self->text); }
	EXPECT_NE(NULL, strstr(self->text, "mmun_event_start")) { TH_LOG("%s", self->text); }
}

/* By function: how often each callback ran, and how long. */
TEST_F(trace, histogram_by_function)
{
	const char *file = "events/mmun/mmun_callback/trigger";

	if (!has_histograms(self->dir))
		SKIP(return, "no CONFIG_HIST_TRIGGERS in this kernel");
	ASSERT_EQ(0, attach_list(self->fd, self->t.pid, &self->id));
	ASSERT_EQ(0, put(self->dir, file, "hist:keys=fn.sym:vals=ns:sort=ns.descending"));
	ASSERT_EQ(0, target_munmap(&self->t, self->addr, PAGES));
	get(self->text, self->dir, "events/mmun/mmun_callback/hist");
	EXPECT_NE(NULL, strstr(self->text, "list_start")) { TH_LOG("%s", self->text); }
	EXPECT_NE(NULL, strstr(self->text, "list_end")) { TH_LOG("%s", self->text); }
	EXPECT_NE(NULL, strstr(self->text, "ns:")) { TH_LOG("%s", self->text); }
}

TEST_HARNESS_MAIN
