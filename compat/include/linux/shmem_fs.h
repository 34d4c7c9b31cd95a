/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _MMUN_COMPAT_SHMEM_FS_H
#define _MMUN_COMPAT_SHMEM_FS_H

#include <linux/mm.h>

#include_next <linux/shmem_fs.h>

/* A file without flags for its mapping. */
#ifdef KERNEL_SHMEM_FILE_FLAGS_WORD
#undef EMPTY_VMA_FLAGS
#define EMPTY_VMA_FLAGS	0
#endif

#endif /* _MMUN_COMPAT_SHMEM_FS_H */
