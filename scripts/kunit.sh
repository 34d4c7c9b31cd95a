# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The verdict on the KUnit suites is that of kunit.py, over the guest's log.

# verdict DIR: what kunit.py says of DIR/console.log; adds it to DIR/totals
verdict() {
	local kunit_py=$CACHE/kselftest/tools/testing/kunit/kunit.py
	local passed failed skipped p=0 f=0 s=0 ran word n

	# The kernel says that none of its own suites is built in, before that.
	sed -n '/mmun-guest: kunit/,/mmun-guest: cleanup/p' "$1/console.log" |
		python3 "$kunit_py" parse >"$1/kunit.txt" 2>&1
	ran=$(sed -n 's/.*Testing complete\. *Ran \([0-9]* tests.*\)/\1/p' "$1/kunit.txt" | tail -n 1)
	for word in passed:p failed:f crashed:f skipped:s errors:f; do
		n=$(grep -oE "${word%:*}: [0-9]+" <<<"$ran" | grep -oE '[0-9]+')
		printf -v "${word#*:}" %d $((${word#*:} + ${n:-0}))
	done
	if [ $((p + f)) = 0 ]; then
		# Not every kernel has every suite.
		grep -aoE -m1 'no case matches .*' "$1/console.log" || echo "kunit: no case ran"
		f=1
	fi
	if [ -n "${MMUN_LOCKED:-}" ]; then
		[ $f = 0 ] || grep -aE 'FAILED|CRASHED|ERROR|# .*(EXPECT|ASSERT|Expected)' "$1/kunit.txt" | head -n 40
	else
		cat "$1/kunit.txt"
	fi
	read -r passed failed skipped <"$1/totals"
	echo "$((passed + p)) $((failed + f)) $((skipped + s))" >"$1/totals"
	[ $f = 0 ]
}
