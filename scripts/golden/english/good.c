// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walker knows who leaves, and what it leaves behind: whoever that is.
 * Somewhat. Whole pages. Whose turn it is: that which comes first.
 */
static const char *help = "who      name[id] of the task";
int who; /* what else */
