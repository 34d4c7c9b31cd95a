/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* bench_table.c: what is measured, by id, and what is asked of it */
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
int cmd_bench(const struct bench_options *opt);

#endif /* BENCH_H */
