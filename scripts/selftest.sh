#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The runner's own test: the unit tests of mmun_run, which have golden logs; golden counts
# through the table of a profile, releases that lack something, and real guests that fail
# in every way a guest can.
# TAP on stdout.
# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/build.sh
. "$TOP/scripts/build.sh"

[ -n "${MMUN_LOCKED:-}" ] || lock_cache
kernel=$(kernels)
kernel=${kernel%% *}
prepare "$kernel"
need python3:python3 git:git
work=$(mktemp -d "$CACHE/selftest.XXXXXX") || exit 3
trap 'rm -rf "$work"' EXIT

count=0 failed=0
# ok WHAT GOT WANTED [OUTPUT]
ok() {
	count=$((count + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $count $1"
	else
		[ ! -s "${4:-}" ] || sed 's/^/# /' "$4"
		echo "not ok $count $1 (got $2, not $3)"
		failed=1
	fi
}

# A guest with one suite, "case", which is the shell text on stdin, and MODULES.
# guest NAME CODE MESSAGE MODULES [OPTION...] [-- KERNEL ARG...]: boots it, wants
# that ending, for that reason.
guest() {
	local name=$1 want=$2 message=$3 modules=$4 m code root=$work/root

	shift 4
	rm -rf "$root"
	mkdir -p "$root/tests" "$root/modules"
	{ echo '#!/bin/sh'; cat; } >"$root/tests/case"
	chmod 755 "$root/tests/case"
	echo case >"$root/tests/check"
	for m in $modules; do
		find -L "$CACHE/kernels/$kernel/"{lib,usr/lib}/modules -name "$m.ko*" \
			-exec cp {} "$root/modules/" \; 2>/dev/null
		xz -dq "$root/modules/$m.ko.xz" 2>/dev/null
	done
	if [ "$modules" = tun ] && [ ! -e "$root/modules/tun.ko" ]; then
		count=$((count + 1))
		echo "ok $count guest: $name # SKIP this kernel has no tun module at hand"
		return
	fi
	echo "$modules" >"$root/modules/order"
	make_image "$root" "$work/initramfs"
	"$TOP/scripts/guest" -l self -t 60 -k "${image:-$K_IMAGE}" -i "$work/initramfs" \
		-o "$work/out" "$@" >"$work/output" 2>&1
	code=$?
	grep -q "$message" "$work/output" || code="$code without '$message'"
	ok "guest: $name" "$code" "$want" "$work/output"
}

texts=("$TOP"/scripts/golden/english/*.want)
texts=("${texts[@]%.want}")
echo "TAP version 13"
echo "1..$((${#texts[@]} + 52))"
(cd "$TOP/scripts" && PYTHONDONTWRITEBYTECODE=1 python3 -m unittest discover -t . -s mmun_run) >"$work/output" 2>&1
ok "the verdicts on golden logs, the mutants, the tables" "$? $(grep -c '^Ran [1-9]' "$work/output")" "0 1" "$work/output"

# The sentences that the check of the English finds, and those that it passes.
for f in "${texts[@]}"; do
	(cd "$TOP" && scripts/english "${f#"$TOP"/}") | sed 's/^[^:]*://' | diff "$f.want" - >"$work/diff"
	ok "english: ${f##*/}" $? 0 "$work/diff"
done

# A profile: windows that are forgotten, that are kept together, one that is far from the
# others; names that mean the same place. Then a line that nobody counted, and one that
# nobody measured.
gzip -c "$TOP/bench/golden/symbols" >"$work/symbols"
profile() {
	"$TOP/bench/profile-table" "$TOP/bench/golden/counts" "$work/symbols" \
		"$TOP/bench/golden/results.log" "$@" >"$work/output" 2>&1
}
profile fork.list.1 put.freed
diff "$TOP/bench/golden/table" "$work/output" >"$work/diff"
ok "profile: the table" $? 0 "$work/diff"
profile fork.list.1
ok "profile: more lines than were asked for" $? 1 "$work/output"
profile fork.list.1 get.locked
ok "profile: a line without a figure" $? 1 "$work/output"

# A name that there is not runs nothing, and says so before anything is built.
# refused WHAT MESSAGE VARIABLE=VALUE... SCRIPT
refused() {
	env MMUN_LOCKED='' TESTS='' FOR='' SUITE='' CASE='' PROMISE='' FLAVOUR='' "${@:3:$#-3}" "$TOP/scripts/${!#}" >"$work/output" 2>&1
	ok "refused: $1" "$? $(grep -c "$2" "$work/output") $(wc -l <"$work/output")" "3 1 1" "$work/output"
}
refused "a misspelt suite" "TESTS=t_intervall is no suite; there are: .*t_interval " TESTS=t_list,t_intervall suites
refused "a file that there is not" "FOR=mmun_tree.c is no file" FOR=mmun_tree.c suites
refused "a misspelt KUnit case" "no KUnit case matches SUITE=\* CASE=p09_storm" CASE=p09_storm kunit
refused "a misspelt KUnit suite" "no KUnit case matches SUITE=mmun_coer" SUITE=mmun_coer kunit
refused "two ways to choose a kernel" "KERNEL=6.12-debug has a flavour, and FLAVOUR=rt" KERNEL=6.12-debug FLAVOUR=rt soak
refused "a promise without such a case" "no KUnit case matches SUITE=mmun_passes CASE=\* PROMISE=8" \
	SUITE=mmun_passes PROMISE=8 soak
refused "no name of a suite" "TESTS=, names no suite" TESTS=, soak

# A script that is killed takes along all that it started: in its lane, where timeout makes
# a process group of its own, in the background, and the command for which it waits.
cat >"$work/parent" <<END
. "$TOP/scripts/lib.sh"
trap stop_children EXIT
trap 'exit 3' INT
begun() { echo \$BASHPID >>"$work/begun"; exec sleep 1000; }
coproc LANE { timeout 900 bash -c 'echo \$\$ >>"$work/begun"; sleep 1000; sleep 1000'; read -r _; }
begun | cat &
(begun)
true
END
true >"$work/begun"
bash "$work/parent" >"$work/output" 2>&1 &
parent=$!
until [ "$(grep -c . "$work/begun")" = 3 ] || ! alive $parent; do sleep 0.1; done
below=()
descendants $parent
ok "killed: there is something to end" "$((${#below[@]} >= 6))" 1
kill $parent
wait $parent
left=0
for p in "${below[@]}"; do ! alive "$p" || left=$((left + 1)); done
ok "killed: nothing is left" "$left" 0 "$work/output"

# The copy that is built: another content is compiled again, also if the file is older
# than its object; another list of files, or another mode, begins from nothing.
mkdir "$work/tree"
cp -a "$TOP"/{Kbuild,VERSION,*.[ch],include,compat,kunit,test,bench,tools,example,scripts,README.md} "$work/tree"
copy() {
	local TOP=$work/tree CACHE=$work/copies

	copy_sources x "$1"
}
here=$work/copies/build/x/src
objects() { ok "copy: $1" "$(cd "$here" && for f in mmun_core mmun_itree; do [ "$f.c" -nt "$f.o" ]; echo $?; done | paste -sd' ')" "$2"; }
use_kernel "$kernel"
mkdir -p "$work/copies/build/x"
copy quick
touch -d '1 hour ago' "$here"/mmun_{core,itree}.c
touch "$here"/mmun_{core,itree}.o
echo "/* other */" >>"$work/tree/mmun_itree.c"
touch -d '1 day ago' "$work/tree/mmun_itree.c"
touch "$work/tree/mmun_core.c"
sleep 1
copy quick
objects "only what is other, though it is older" "1 0"
ok "copy: it has the other content" "$(tail -n 1 "$here/mmun_itree.c")" "/* other */"
rm "$work/tree/kunit/uncovered"
copy quick
ok "copy: a file that is gone" "$(ls "$here"/*.o "$here/kunit/uncovered" 2>/dev/null)" ""
touch "$here/mmun_core.o"
copy demo
ok "copy: another mode" "$(ls "$here"/*.o 2>/dev/null)" ""

# A table of events: all there, one that failed, one that nobody reports.
mkdir "$work"/{all,failed,lost,6.12-debug}
sed -n 's/^\t\([A-Za-z_]* .*by .*\)/# event: \1 seen/p' "$TOP/scripts/events" >"$work/all/results.log"
sed '2s/seen$/failed/' "$work/all/results.log" >"$work/failed/results.log"
sed 3d "$work/all/results.log" >"$work/lost/results.log"
sed '4s/seen$/skipped: no such thing/' "$work/all/results.log" >"$work/6.12-debug/results.log"
events() {
	"$TOP/scripts/events" "$work/$1" >"$work/output"
	ok "events: $1" "$? $(grep -oE 'FAILED|LOST|SKIPPED' "$work/output")" "$2" "$work/output"
}
events all "0 "
events failed "0 FAILED"
events lost "1 LOST"
events 6.12-debug "1 SKIPPED"

# shellcheck source=scripts/selftest-release.sh
. "$TOP/scripts/selftest-release.sh"

guest "a good run passes" 0 "1 passed, 0 failed, 1 skipped" "" <<<'echo 1..2; echo ok 1 a; echo "ok 2 b # SKIP no b"'
ok "guest: a good run is counted" "$(cat "$work/out/totals")" "3 0 1"
guest "a task that a program leaves behind" 0 "1 passed, 0 failed" "" <<<'sleep 1000 & echo 1..1; echo ok 1 a'
guest "a failed test" 1 "not ok 2 b" "" <<<'echo 1..2; echo ok 1 a; echo not ok 2 b; exit 1'
guest "a failed test that exits 0" 1 "not ok 1 b" "" <<<'echo 1..1; echo not ok 1 b'
guest "a run that skips every test" 1 "no test passed" "" <<<'echo 1..1; echo "ok 1 a # SKIP no a"'
guest "fewer results than planned" 1 "1 of 3 planned" "" <<<'echo 1..3; echo ok 1 a; echo ok 2 b'
guest "no test at all" 1 "no test reported" "" <<<'echo hello'
guest "an exit code without a failed test" 1 "exit code 3" "" <<<'echo 1..1; echo ok 1 a; exit 3'
guest "a suite out of time" 1 "exit code 143" "" -- MMUN_LIMIT=2 <<<'echo 1..1; echo ok 1 a; sleep 100'
guest "a KASAN line" 1 "badness" "" <<'END'
echo "BUG: KASAN: slab-use-after-free in mmun_x+0x1/0x2" >/dev/kmsg
echo 1..1; echo ok 1 a
END
guest "a lockdep line" 1 "badness" "" <<'END'
echo "WARNING: possible circular locking dependency detected" >/dev/kmsg
echo 1..1; echo ok 1 a
END
guest "an object that was not destroyed" 1 "not ok 1 tun unloads" "tun" <<'END'
mknod /tmp/tun c 10 200
sleep 1000 </tmp/tun &
echo 1..1; echo ok 1 a
END
guest "a module that is not there" 1 "modules did not come up" "nothing" <<<'echo 1..1; echo ok 1 a'
guest "a panic" 2 "the kernel panicked" "" <<<'echo 1..1; echo ok 1 a; echo c >/proc/sysrq-trigger'
guest "silence" 2 "silent for 8 s" "" -s 8 <<<'echo 1..1; echo ok 1 a; sleep 1000'
guest "a hang" 2 "out of time after 12 s" "" -t 12 <<<'echo 1..1; while :; do echo "# still here"; sleep 1; done'
image=$TOP/README.md guest "no kernel" 3 "QEMU could not run" "" </dev/null
exit $failed
