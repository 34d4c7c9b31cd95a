// SPDX-License-Identifier: GPL-2.0-only
/*
 * Until 7.0 shmem_file_setup() takes the flags of a VMA as one word: before
 * 590d356aa433 ("mm: update shmem_[kernel]_file_*() functions to use vma_flags_t").
 */
#include <linux/mm.h>
#include <linux/shmem_fs.h>

struct file *file(void);
struct file *file(void)
{
	return shmem_file_setup("", 0, VM_NORESERVE);
}
