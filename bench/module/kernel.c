// SPDX-License-Identifier: GPL-2.0-only
/* The operations on the kernel's own notifier. */
#define BENCH_CORE bench_kernel
#include "ops.c"
