#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2013
#
# mmunctl bench of the groups in MMUN_BENCH. The cost of a process with nothing
# attached is measured first, while no module of ours is loaded and while they are. The
# host takes the JSON from what is printed, and makes one table of several guests' parts.

set -u
cd /modules || exit 1
case ,${MMUN_BENCH:=nothing}, in
*,nothing,*)
	# By turns: what a fork costs also depends on what the machine has been through.
	for _ in 1 2 3 4 5; do
		for m in $(tr ' ' '\n' <order | sed '1!G;h;$!d'); do
			rmmod "$m" || exit 1
		done
		mmunctl bench --write-baseline /tmp/without || exit 1
		for m in $(cat order); do
			insmod "$m.ko" || exit 1
		done
		mmunctl bench --write-baseline /tmp/with || exit 1
	done
	set -- --baseline /tmp/without --loaded /tmp/with
	;;
esac
# shellcheck disable=SC2086 # options
mmunctl bench --json - --only "$MMUN_BENCH" "$@" ${MMUN_BENCH_ARGS:-}
