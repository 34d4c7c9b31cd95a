#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# mmun-bench of each line in MMUN_BENCH, for bench/profile: it sees from outside
# what is executed meanwhile, and needs to know where the functions are.

set -u
stty raw -echo -F /dev/ttyS2 || exit 1
awk '$2 ~ /[tTwW]/ { print $1, $3, $4 }' /proc/kallsyms | gzip >/dev/ttyS2 || exit 1
for line in $(echo "$MMUN_BENCH" | tr ',' ' '); do
	# shellcheck disable=SC2086 # options
	mmun-bench --json - --line "$line" ${MMUN_BENCH_ARGS:-} || exit 1
done
