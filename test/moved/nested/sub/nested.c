// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mmun_notifier.h>
#include <linux/module.h>

/* Of the module whose symbols are given to make. */
void another_modules_function(void);

static int __init nested_init(void)
{
	another_modules_function();
	return 0;
}

static void __exit nested_exit(void)
{
	mmun_notifier_synchronize();
}

module_init(nested_init);
module_exit(nested_exit);

MODULE_DESCRIPTION("A driver in a subdirectory, to test mmun.mk");
MODULE_LICENSE("GPL");
