// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 5.14, 1507f51255c9 ("mm: introduce memfd_secret system call to create "secret"
 * memory areas"): mappings of files of that filesystem are not in the kernel's map.
 */
#include <linux/magic.h>

const unsigned long magic = SECRETMEM_MAGIC;
