/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_MAGIC_H
#define _MMUN_COMPAT_MAGIC_H

#include_next <linux/magic.h>

/* No mapping has this. */
#ifdef KERNEL_SECRETMEM_NONE
#define SECRETMEM_MAGIC	0x5345434d
#endif

#endif /* _MMUN_COMPAT_MAGIC_H */
