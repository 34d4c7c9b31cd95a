/* SPDX-License-Identifier: GPL-2.0-only */
/* In user space: linux/mmun_notifier.h asks for it, and what it uses is in mm_types.h. */
#include <linux/mm_types.h>
