// SPDX-License-Identifier: GPL-2.0-only
/*
 * Since 7.1, 590d356aa433 ("mm: update shmem_[kernel]_file_*() functions to use
 * vma_flags_t"), shmem_file_setup() takes the flags of a VMA as a type of their own.
 */
#include <linux/mm.h>
#include <linux/shmem_fs.h>

struct file *file(void);
struct file *file(void)
{
	return shmem_file_setup("", 0, EMPTY_VMA_FLAGS);
}
