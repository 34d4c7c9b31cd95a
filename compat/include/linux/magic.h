/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_MAGIC_H
#define _MMUN_COMPAT_MAGIC_H

#include_next <linux/magic.h>

/* Before 5.14 there is no memfd_secret(), and no mapping has this. */
#ifndef SECRETMEM_MAGIC
#define SECRETMEM_MAGIC	0x5345434d
#endif

#endif /* _MMUN_COMPAT_MAGIC_H */
