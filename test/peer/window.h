/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MMUN_WINDOW_H
#define MMUN_WINDOW_H

/*
 * For an example driver that is built once more with its race held open: between the
 * look-up of a page and the check whether the page is stale, a page fault may be made to
 * stop. The parameter "window" is
 *   0  nobody stops
 *   1  the next page fault will stop
 *   2  one has stopped, and goes on when another number is written
 */

#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

static int window;
static DECLARE_WAIT_QUEUE_HEAD(window_wait);

static int set_window(const char *value, const struct kernel_param *param)
{
	int ret = param_set_int(value, param);

	wake_up_all(&window_wait);
	return ret;
}

static const struct kernel_param_ops window_ops = {
	.set = set_window,
	.get = param_get_int,
};

module_param_cb(window, &window_ops, &window, 0600);

static inline void stop_in_window(void)
{
	if (cmpxchg(&window, 1, 2) == 1)
		wait_event_killable(window_wait, READ_ONCE(window) != 2);
}

#endif
