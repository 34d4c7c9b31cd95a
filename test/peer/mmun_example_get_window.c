// SPDX-License-Identifier: GPL-2.0-only
/*
 * The example of get and put with its race held open (window.h): the same source, and one
 * thing is added. /dev/mmun_example_get_window is its device.
 */

#include <linux/kthread.h>

#include "window.h"

static inline void unuse_and_stop(struct mm_struct *mm)
{
	kthread_unuse_mm(mm);
	stop_in_window();
}

/* The example has one such line: the end of the look-up in fault_fill(). */
#define kthread_unuse_mm(mm)	unuse_and_stop(mm)

#include "../../example/mmun_example_get.c"
