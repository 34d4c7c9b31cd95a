#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC2317
#
# Load, unload and reload, with processes alive that had a subscriber. Runs in
# the guest before anything is loaded; leaves the modules loaded. TAP on stdout.

dir=${MMUN_MODULES:-/modules}
count=0 failed=0

# ok WHAT COMMAND...
ok() {
	what=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count $what"
	else
		echo "not ok $count $what"
		failed=1
	fi
}

loaded() { [ "$(cat "/sys/module/$1/initstate" 2>/dev/null)" = live ]; }
load() { insmod "$dir/$1.ko" && loaded "$1"; }
unload() { rmmod "$1" && [ ! -e "/sys/module/$1" ]; }
users() { cat "/sys/module/$1/refcnt"; }

# A mirror that comes and goes; the process stays.
watch() { mmunctl watch "$1" --for 1 >/tmp/watch 2>&1 || { sed 's/^/# /' /tmp/watch; false; }; }
alive() { kill -0 "$1"; }
mode() { [ "$(stat -c %a /dev/mmun_test)" = 600 ]; }
no_device() { [ ! -e /dev/mmun_test ]; }
refused() { ! rmmod "$1" 2>/dev/null && loaded "$1"; }
no_users() { [ "$(users "$1")" = 0 ] || { echo "# users: $(users "$1")"; false; }; }

# Has its callback printed?
seen() { dmesg | grep -q 'stale until the end'; }

# The device open, nothing attached: the file alone must hold the module.
open_holds() { refused mmun_test 3</dev/mmun_test; }

# Killed in the middle, mmunctl detaches by the closing of its file only.
killed_watcher() {
	mmunctl watch "$1" --for 60 >/dev/null 2>&1 &
	sleep 1
	kill -9 $!
	wait $! 2>/dev/null
	no_users mmun_test
}

# The process goes while it is watched: the watcher must be able to end.
killed_target() {
	sleep 1000 &
	target=$!
	mmunctl watch "$target" --for 3 >/dev/null 2>&1 &
	sleep 1
	kill -9 "$target"
	wait "$target" 2>/dev/null
	wait
	no_users mmun_test
}

echo "TAP version 13"
echo 1..23
ok "mmun loads" load mmun
ok "mmun without users unloads" unload mmun
ok "mmun loads again" load mmun
ok "mmun_test loads" load mmun_test
ok "/dev/mmun_test has mode 600" mode
ok "mmun is not unloaded under mmun_test" refused mmun
ok "mmun_test is not unloaded under an open file" open_holds

sleep 1000 &
pid=$!
ok "a process is watched" watch $pid
ok "it lives on" alive $pid
ok "mmun_test has no users left" no_users mmun_test
ok "mmun_test unloads while it lives" unload mmun_test
ok "its device is gone" no_device
ok "mmun unloads while it lives" unload mmun
ok "it lives on without mmun" alive $pid
ok "mmun is loaded for it again" load mmun
ok "mmun_test is loaded for it again" load mmun_test
ok "the same process is watched again" watch $pid
ok "a killed watcher leaves nothing behind" killed_watcher $pid
kill -9 $pid
wait $pid 2>/dev/null
ok "a process killed under watch leaves nothing behind" killed_target

# The README's driver mirrors this very shell, which changes with each fork.
if [ -e "$dir/first_driver.ko" ]; then
	ok "the README's driver loads" insmod "$dir/first_driver.ko" pid=$$
	ok "the README's driver sees" seen
	ok "the README's driver unloads" unload first_driver
else
	for what in loads sees unloads; do
		count=$((count + 1))
		echo "ok $count the README's driver $what # SKIP there is none"
	done
fi
ok "mmun is up" loaded mmun
exit $failed
