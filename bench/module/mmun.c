// SPDX-License-Identifier: GPL-2.0-only
/* The same operations on mmun. */
#define BENCH_ON_MMUN
#define BENCH_CORE bench_mmun
#include "ops.c"
