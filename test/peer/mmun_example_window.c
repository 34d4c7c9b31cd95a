// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example driver with its race held open (window.h): the same source, and one thing is
 * added. /dev/mmun_example_window is its device, so that it can be loaded beside the
 * example.
 */

#include <linux/mm.h>

#include "window.h"

static inline void unlock_and_stop(struct mm_struct *mm)
{
	mmap_read_unlock(mm);
	stop_in_window();
}

/* The example has one such line: the end of the look-up in page_fault(). */
#define mmap_read_unlock(mm)	unlock_and_stop(mm)

#include "../../example/mmun_example.c"
