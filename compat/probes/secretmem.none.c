// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 5.13, before 1507f51255c9 ("mm: introduce memfd_secret system call to create
 * "secret" memory areas"): the name is free.
 */
#include <linux/magic.h>

enum { SECRETMEM_MAGIC };
