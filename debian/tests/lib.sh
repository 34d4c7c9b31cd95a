# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# The tests of the packages share this: TAP on stdout, and the output of each command in a log
# that autopkgtest keeps. A test has the sources in its directory, and is root.
set -u
src=$PWD failed=0 count=0
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
work=$(mktemp -d /var/tmp/mmun.XXXXXX)
chmod 755 "$work"
exec 3>&1 >>"$AUTOPKGTEST_ARTIFACTS/log" 2>&1

# ok WHAT COMMAND...: what the command says is shown if it fails
ok() {
	local what=$1

	shift
	count=$((count + 1))
	echo "--- $what"
	if "$@" >"$work/out" 2>&1; then
		cat "$work/out"
		echo "ok $count $what" >&3
		return
	fi
	cat "$work/out"
	tail -n 15 "$work/out" | cut -c1-200 | sed 's/^/# /' >&3
	echo "not ok $count $what" >&3
	failed=1
}

# fails SENTENCE COMMAND...: it must fail, and say so
fails() {
	local message=$1

	shift
	! "$@" >"$work/output" 2>&1 || { cat "$work/output"; echo "it did not fail"; return 1; }
	cat "$work/output"
	grep -qE "$message" "$work/output" || { echo "it did not say: $message"; return 1; }
}

apt() {
	apt-get -qy --no-install-recommends -o Dpkg::Use-Pty=0 -o DPkg::Options::=--force-unsafe-io "$@"
}

nothing_there() {
	local f found=0

	for f; do
		[ ! -e "$f" ] || { echo "there is $f"; found=1; }
	done
	return $found
}

# ended: the plan, and the exit code
ended() {
	echo "1..$count" >&3
	exit $failed
}
