// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls on a mirror: they check the user's arguments, and copy out how much
 * was done, also when it ended in an error.
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "mirror.h"

#define FAULT_ALL	(MMUN_TEST_FAULT_WRITE | MMUN_TEST_FAULT_PRESENT)

static struct test_sub *find_mirror(struct test_file *file, u32 id)
{
	struct test_sub *sub;

	sub = sub_find(file, id);
	if (!sub)
		return ERR_PTR(-ENOENT);
	if (sub->kind != MMUN_TEST_MIRROR) {
		sub_put(sub);
		return ERR_PTR(-EINVAL);
	}
	return sub;
}

static bool bytes_valid(struct test_sub *sub, u64 start, u64 length)
{
	return length <= MMUN_TEST_SPAN_MAX &&
		mirror_covers(sub, start, length);
}

static bool pages_valid(struct test_sub *sub, u64 start, u64 length)
{
	return !((start | length) & ~PAGE_MASK) &&
		bytes_valid(sub, start, length);
}

static int reply(void __user *uarg, const void *arg, size_t size, int err)
{
	return copy_to_user(uarg, arg, size) ? -EFAULT : err;
}

static long ioctl_fault(struct test_file *file, void __user *uarg)
{
	struct mmun_test_fault arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.flags & ~FAULT_ALL || arg.flags == FAULT_ALL || arg.reserved)
		return -EINVAL;
	sub = find_mirror(file, arg.id);
	if (IS_ERR(sub))
		return PTR_ERR(sub);
	arg.entries = 0;
	arg.retries = 0;
	err = -EINVAL;
	if (pages_valid(sub, arg.start, arg.length))
		err = mirror_fault(sub, &arg);
	sub_put(sub);
	return reply(uarg, &arg, sizeof(arg), err);
}

static long ioctl_copy(struct test_file *file, void __user *uarg, bool write)
{
	struct mmun_test_copy arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.flags & ~MMUN_TEST_COPY_NOFAULT || arg.reserved)
		return -EINVAL;
	sub = find_mirror(file, arg.id);
	if (IS_ERR(sub))
		return PTR_ERR(sub);
	arg.copied = 0;
	arg.faults = 0;
	err = -EINVAL;
	if (bytes_valid(sub, arg.start, arg.length))
		err = mirror_copy(sub, &arg, write);
	sub_put(sub);
	return reply(uarg, &arg, sizeof(arg), err);
}

static long ioctl_snapshot(struct test_file *file, void __user *uarg)
{
	struct mmun_test_snapshot arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.reserved)
		return -EINVAL;
	sub = find_mirror(file, arg.id);
	if (IS_ERR(sub))
		return PTR_ERR(sub);
	arg.present = 0;
	err = -EINVAL;
	if (pages_valid(sub, arg.start, arg.length))
		err = mirror_snapshot(sub, &arg);
	sub_put(sub);
	return reply(uarg, &arg, sizeof(arg), err);
}

static long ioctl_check(struct test_file *file, void __user *uarg)
{
	struct mmun_test_check arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.room > MMUN_TEST_ROOM_MAX || arg.reserved)
		return -EINVAL;
	sub = find_mirror(file, arg.id);
	if (IS_ERR(sub))
		return PTR_ERR(sub);
	arg.checked = 0;
	arg.differences = 0;
	err = -EINVAL;
	if (pages_valid(sub, arg.start, arg.length))
		err = mirror_check(sub, &arg);
	sub_put(sub);
	return reply(uarg, &arg, sizeof(arg), err);
}

static long ioctl_age(struct test_file *file, void __user *uarg)
{
	struct mmun_test_age arg;
	struct test_sub *sub;
	int err;

	err = arg_copy(&arg, sizeof(arg), sizeof(arg), uarg);
	if (err)
		return err;
	if (arg.reserved)
		return -EINVAL;
	sub = find_mirror(file, arg.id);
	if (IS_ERR(sub))
		return PTR_ERR(sub);
	arg.young = 0;
	err = -EINVAL;
	if (pages_valid(sub, arg.start, arg.length))
		err = mirror_age(sub, &arg);
	sub_put(sub);
	return reply(uarg, &arg, sizeof(arg), err);
}

/* The number alone: the caller has seen that it is one of ours. */
long mirror_ioctl(struct test_file *file, unsigned int cmd, void __user *uarg)
{
	switch (_IOC_NR(cmd)) {
	case _IOC_NR(MMUN_TEST_IOC_FAULT):
		return ioctl_fault(file, uarg);
	case _IOC_NR(MMUN_TEST_IOC_MREAD):
		return ioctl_copy(file, uarg, false);
	case _IOC_NR(MMUN_TEST_IOC_MWRITE):
		return ioctl_copy(file, uarg, true);
	case _IOC_NR(MMUN_TEST_IOC_SNAPSHOT):
		return ioctl_snapshot(file, uarg);
	case _IOC_NR(MMUN_TEST_IOC_CHECK):
		return ioctl_check(file, uarg);
	default:
		return ioctl_age(file, uarg);
	}
}
