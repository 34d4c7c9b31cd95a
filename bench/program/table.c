// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of a benchmark: its lines and their targets are data, at the top.
 * Measurements come by id, from this process or from the JSON of an earlier one;
 * printing makes the verdicts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bench.h"

enum unit { NS, MS, TIMES, BYTES };

enum rule {
	NO_TARGET,
	RATIO,		/* mmun / in-kernel is at most limit */
	AT_MOST,	/* mmun is at most limit */
	AT_LEAST,	/* mmun is at least limit */
	PLUS,		/* mmun is at most in-kernel + limit */
};

struct line {
	const char *id;		/* GROUP.rest */
	const char *operation;
	const char *size;
	enum unit unit;
	enum rule rule;
	double limit;
	/* measured */
	bool have;
	double value[COLUMNS];
};

/* A millisecond figure is in ns as well; the unit is how it is printed. */
static struct line lines[] = {
	{ "register.first.20", "register, first of a mm", "20 VMAs", NS, RATIO, 1.1 },
	{ "register.first.1000", "", "1000 VMAs", NS, RATIO, 1.1 },
	{ "register.first.20000", "", "20000 VMAs", NS, RATIO, 1.1 },
	{ "register.later.20", "register, 2nd and later", "20 VMAs", NS },
	{ "register.later.1000", "", "1000 VMAs", NS },
	{ "register.later.20000", "", "20000 VMAs", NS, RATIO, 0.001 },
	{ "register.flat", "  2nd, 20000 VMAs over 20", "", TIMES, AT_MOST, 1.2 },
	{ "unregister.other", "unregister", "in a row", NS, RATIO, 0.02 },
	{ "unregister.alone", "", "alone", NS },
	{ "unregister.last", "", "alone, last", NS },
	{ "put.freed", "last put to free_notifier done", "", NS, RATIO, 0.1 },
	{ "get.locked", "get of an existing, lock held", "", NS, RATIO, 1.0 },
	{ "get.unlocked", "get of an existing, not held", "", NS },
	{ "get.scale", "  two CPUs over one, not held", "", TIMES, AT_LEAST, 1.8 },
	{ "interval.insert.10", "interval insert", "in 10", NS, RATIO, 1.0 },
	{ "interval.insert.10000", "", "in 10000", NS, RATIO, 1.0 },
	{ "interval.insert.1000000", "", "in 1000000", NS, RATIO, 1.0 },
	{ "interval.remove.10", "interval remove", "of 10", NS, RATIO, 1.0 },
	{ "interval.remove.10000", "", "of 10000", NS, RATIO, 1.0 },
	{ "interval.remove.1000000", "", "of 1000000", NS, RATIO, 1.0 },
	{ "read.idle", "read_begin + read_retry, idle", "", NS, RATIO, 0.6 },
	{ "read.scale", "  two CPUs over one, of one mm", "", TIMES, AT_LEAST, 1.8 },
	{ "scale.nothing", "  the same, of a loop of their own", "", TIMES },
	{ "mmap.list.1", "mmap, touch 4 pages, munmap", "1 list", NS, RATIO, 1.10 },
	{ "mmap.list.64", "", "64 lists", NS, RATIO, 1.0 },
	{ "mmap.elsewhere.1", "  intervals elsewhere", "1", NS, RATIO, 1.10 },
	{ "mmap.elsewhere.100000", "", "100000", NS, RATIO, 1.05 },
	{ "mmap.overlap.100", "  intervals that overlap", "100", NS, RATIO, 1.0 },
	{ "mmap2.elsewhere.1000", "  two CPUs, intervals elsewhere", "1000", NS, RATIO, 1.0 },
	{ "idle.mmap.nothing", "bridge idle: mmap, touch 4, munmap", "nothing", NS },
	{ "idle.mmap.idle", "", "idle", NS },
	{ "idle.mmap.list", "", "1 list", NS },
	/* No target: faults and the mapping vary by more than the bridge costs. */
	{ "idle.mmap.over", "  idle over 1 list", "", TIMES },
	{ "idle.range.nothing", "bridge idle: MADV_DONTNEED", "nothing", NS },
	{ "idle.range.idle", "", "idle", NS },
	{ "idle.range.list", "", "1 list", NS },
	{ "idle.range.over", "  idle over 1 list", "", TIMES, AT_MOST, 1.0 },
	{ "exit.list.1", "exit of a process", "1 list", NS, RATIO, 0.5 },
	{ "exit.traffic.1", "", "1, traffic", NS, RATIO, 0.5 },
	{ "exit.list.100", "", "100 lists", NS, RATIO, 0.5 },
	{ "exit.kept.1", "", "1, file kept", NS },
	{ "exit.interval.1", "", "1 interval", NS, RATIO, 1.1 },
	{ "fork.list.1", "fork of a process", "1 list", NS, RATIO, 1.05 },
	{ "nothing.mmap", "nothing attached: before, after", "mmap", NS, RATIO, 1.01 },
	{ "nothing.fork", "", "fork", NS, RATIO, 1.01 },
	{ "nothing.exit", "", "exit", NS, RATIO, 1.01 },
	{ "memory.mm", "memory of an attached mm", "", BYTES, PLUS },
	{ "memory.list", "  of a list subscriber", "", BYTES, PLUS },
	{ "memory.interval", "  of an interval", "", BYTES, PLUS },
	{ "isolation.start.unregister",
	  "unregister in a slow start", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.start.exit",
	  "exit in a slow start", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.start.plain_unregister",
	  "plain unregister in a slow start", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.start.plain_exit",
	  "plain exit in a slow start", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.release.unregister",
	  "unregister in a slow release", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.release.exit",
	  "exit in a slow release", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.release.plain_unregister",
	  "plain unregister in a slow release", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.release.plain_exit",
	  "plain exit in a slow release", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.plain_release.exit",
	  "exit in a slow plain release", "another's", MS, AT_MOST, 50e6 },
	{ "isolation.release.sync",
	  "synchronize in a slow release", "waits", MS, AT_LEAST },
};

struct point {
	char curve[64];
	double x, value[COLUMNS];
};

static struct point points[256];
static unsigned int nr_points;

static struct line *find_line(const char *id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		if (!strcmp(lines[i].id, id))
			return &lines[i];
	return NULL;
}

void table_set(const char *id, double kernel, double mmun)
{
	struct line *line = find_line(id);

	if (!line) {
		fprintf(stderr, "bench: there is no line '%s'\n", id);
		abort();
	}
	line->have = true;
	line->value[IN_KERNEL] = kernel;
	line->value[ON_MMUN] = mmun;
}

bool table_has(const char *id)
{
	return find_line(id);
}

bool table_get(const char *id, double *value)
{
	struct line *line = find_line(id);

	if (line->have)
		memcpy(value, line->value, sizeof(line->value));
	return line->have;
}

void table_set_limit(const char *id, double limit)
{
	find_line(id)->limit = limit;
}

void table_curve(const char *curve, double x, double kernel, double mmun)
{
	struct point *p = &points[nr_points];

	if (nr_points == ARRAY_SIZE(points))
		return;
	nr_points++;
	snprintf(p->curve, sizeof(p->curve), "%s", curve);
	p->x = x;
	p->value[IN_KERNEL] = kernel;
	p->value[ON_MMUN] = mmun;
}

static bool has_target(const struct line *line)
{
	return line->have && line->rule != NO_TARGET;
}

static bool is_met(const struct line *line)
{
	double kernel = line->value[IN_KERNEL], mmun = line->value[ON_MMUN];

	switch (line->rule) {
	case NO_TARGET:
		return true;
	case RATIO:
		return mmun <= kernel * line->limit;
	case AT_MOST:
		return mmun <= line->limit;
	case AT_LEAST:
		return mmun >= line->limit;
	case PLUS:
		return mmun <= kernel + line->limit;
	}
	return false;
}

bool table_met(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++)
		if (has_target(&lines[i]) && !is_met(&lines[i]))
			return false;
	return true;
}

static const char *value_text(enum unit unit, double value, char *buf,
			      size_t len)
{
	switch (unit) {
	case NS:
		snprintf(buf, len, value < 1000 ? "%.1f ns" : "%.0f ns", value);
		break;
	case MS:
		snprintf(buf, len, "%.1f ms", value / 1e6);
		break;
	case TIMES:
		snprintf(buf, len, "%.2f", value);
		break;
	case BYTES:
		snprintf(buf, len, "%.0f B", value);
		break;
	}
	return buf;
}

static const char *target_text(const struct line *line, char *buf, size_t len)
{
	char value[32];

	switch (line->rule) {
	case NO_TARGET:
		return "";
	case RATIO:
		snprintf(buf, len, "%.3g", line->limit);
		break;
	case PLUS:
		snprintf(buf, len, "+ %s",
			 value_text(line->unit, line->limit, value,
				    sizeof(value)));
		break;
	default:
		snprintf(buf, len, "%s %s",
			 line->rule == AT_LEAST ? ">=" : "<=",
			 line->unit == TIMES ?
			 (snprintf(value, sizeof(value), "%g", line->limit), value) :
			 value_text(line->unit, line->limit, value, sizeof(value)));
		break;
	}
	return buf;
}

static void print_line(const struct line *line, const char *operation)
{
	char kernel[32], mmun[32], ratio[32] = "", target[48];

	if (line->unit != TIMES && line->value[IN_KERNEL] > 0)
		snprintf(ratio, sizeof(ratio), "%.*f",
			 line->value[ON_MMUN] < 0.1 * line->value[IN_KERNEL] ? 5 : 3,
			 line->value[ON_MMUN] / line->value[IN_KERNEL]);
	printf("%-36s %-12s %13s %13s %9s %10s  %s\n", operation, line->size,
	       value_text(line->unit, line->value[IN_KERNEL], kernel,
			  sizeof(kernel)),
	       value_text(line->unit, line->value[ON_MMUN], mmun, sizeof(mmun)),
	       ratio, target_text(line, target, sizeof(target)),
	       line->rule == NO_TARGET ? "" : is_met(line) ? "met" : "NOT MET");
}

/* @all: say which lines were not measured, too. */
void table_print(bool all)
{
	unsigned int met = 0, targets = 0;
	const char *operation = "", *last = NULL;
	size_t i;

	printf("%-36s %-12s %13s %13s %9s %10s\n", "operation", "size",
	       "in-kernel", "mmun", "ratio", "target");
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		if (*lines[i].operation)
			operation = lines[i].operation;
		if (!lines[i].have) {
			if (all)
				printf("%-36s %-12s not measured\n", operation,
				       lines[i].size);
			continue;
		}
		print_line(&lines[i], operation == last ? "" : operation);
		last = operation;
		if (has_target(&lines[i])) {
			targets++;
			met += is_met(&lines[i]);
		}
	}
	printf("bench: %u of %u targets met\n", met, targets);
}

/* --- JSON: one object a line, which is all that table_read() reads --- */

int table_write_json(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "w") : stdout;
	const char *sep = "";
	unsigned int p;
	size_t i;

	if (!f)
		return -errno;
	fputs("{\"results\":[\n", f);
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		if (!lines[i].have)
			continue;
		fprintf(f, "%s{\"id\":\"%s\",\"in_kernel\":%.17g,\"mmun\":%.17g,\"limit\":%g,\"unit\":\"%s\",\"target\":%s,\"met\":%s}",
			sep, lines[i].id, lines[i].value[IN_KERNEL],
			lines[i].value[ON_MMUN], lines[i].limit,
			lines[i].unit == TIMES ? "times" :
			lines[i].unit == BYTES ? "bytes" : "ns",
			has_target(&lines[i]) ? "true" : "false",
			is_met(&lines[i]) ? "true" : "false");
		sep = ",\n";
	}
	fputs("\n],\"curves\":[\n", f);
	sep = "";
	for (p = 0; p < nr_points; p++) {
		fprintf(f, "%s{\"curve\":\"%s\",\"x\":%g,\"in_kernel\":%.17g,\"mmun\":%.17g}",
			sep, points[p].curve, points[p].x,
			points[p].value[IN_KERNEL], points[p].value[ON_MMUN]);
		sep = ",\n";
	}
	fputs("\n]}\n", f);
	if (f == stdout)
		return 0;
	return fclose(f) ? -errno : 0;
}

/* Reads the output of table_write_json(); a later value replaces an earlier one. */
int table_read(const char *path)
{
	FILE *f = fopen(path, "r");
	double kernel, mmun, limit, x;
	char line[256], name[64];
	unsigned int found = 0;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "{\"id\":\"%63[^\"]\",\"in_kernel\":%lf,\"mmun\":%lf,\"limit\":%lf",
			   name, &kernel, &mmun, &limit) == 4 &&
		    find_line(name)) {
			table_set(name, kernel, mmun);
			table_set_limit(name, limit);
			found++;
		} else if (sscanf(line, "{\"curve\":\"%63[^\"]\",\"x\":%lf,\"in_kernel\":%lf,\"mmun\":%lf",
				  name, &x, &kernel, &mmun) == 4) {
			table_curve(name, x, kernel, mmun);
			found++;
		}
	}
	fclose(f);
	return found ? 0 : -ENODATA;
}
