/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NSEC_PER_SEC	1000000000ull

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define __printf(f, a)	__attribute__((format(printf, f, a)))
#define __noreturn	__attribute__((noreturn))

/* Exit codes; --help documents them. */
enum {
	CODE_OK = 0,		/* measured */
	CODE_FAIL = 1,		/* begun, and then went wrong */
	CODE_NOT_BEGUN = 2,	/* usage, device or permission */
};

/* table.c: what is measured, by id, and what is asked of it */
enum column { IN_KERNEL, ON_MMUN, COLUMNS };

void table_set(const char *id, double kernel, double mmun);
bool table_has(const char *id);
bool table_get(const char *id, double *value);
void table_set_limit(const char *id, double limit);
void table_curve(const char *curve, double x, double kernel, double mmun);
int table_read(const char *path);
int table_write_json(const char *path);
void table_print(bool all);
bool table_met(void);

/* bench.c */
struct bench_options {
	const char *only;	/* groups with commas between; NULL: all */
	const char *line;	/* the only one; NULL: all */
	const char *json;	/* NULL: none; "-": stdout */
	const char *baseline;	/* a file made by --write-baseline; NULL: none */
	const char *loaded;	/* the same, made when mmun was loaded */
	const char *write_baseline;
	const char *const *from; /* NULL, or what earlier runs wrote */
	unsigned int rounds;
	bool quick;
	bool strict;
};

bool bench_is_group(const char *name, size_t len);
int run_benchmark(const struct bench_options *opt);

#endif /* BENCH_H */
