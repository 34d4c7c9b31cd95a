# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# The common part of all scripts here. Three endings, everywhere:
#   1  a test failed
#   2  the guest was lost: panic, hang, silence, out of time
#   3  this host could not run it, or was asked for something that does not exist
#
# The cache, outside the tree:
#   kernels/V/   release, image, modules, build (headers), unpacked
#   kernels/V-F/ a test kernel, built: see mmun_run/kernels.py
#   kernels/V-rt-amd64/, kernels/V-cloud-amd64/  Debian's images of these names, as V/
#   kselftest/   the harness, kunit.py, checkpatch, the coccinelle scripts and the
#                headers for user space of the kernel source package
#   herd/        herd7, unpacked
#   memory-model/  the kernel's own, of the kernel source package
#   busybox      a static one
#   accel        what the KVM probe found
#   build/V/     a copy of the tree, built for one kernel
#   logs/        the output of the last runs

set -u
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${MMUN_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mmun}
STOCK="6.12 6.1"
# Others that the archive has, for KERNEL= and make matrix. Of 6.18 there is no image
# with headers: only the test kernel, from its source.
ARCHIVE="7.3 7.2 6.18 5.10"
# Debian's stock images with another configuration, named as their packages are.
VARIANTS="6.12-rt-amd64 6.12-cloud-amd64 6.1-rt-amd64 6.1-cloud-amd64"
# For the suites' guests: an SRCU domain has a queue of functions for each CPU, as
# on a machine with many. In one queue for all, where nothing overtakes, a barrier
# and a grace period are the same.
MANY_QUEUES=srcutree.convert_to_big=1
export LC_ALL=C
# shellcheck source=scripts/kernels.sh
. "$TOP/scripts/kernels.sh"
# shellcheck source=scripts/archive.sh
. "$TOP/scripts/archive.sh"

say() { echo "mmun: $*" >&2; }

die() { say "$*"; exit 3; }

mkdir -p "$CACHE/kernels" "$CACHE/build" "$CACHE/logs" ||
	die "cannot make the cache directory $CACHE; set MMUN_CACHE to one that can be written."

# processor_time: sets CPU_MS to what this shell and all that it waited for have used
processor_time() {
	local line part

	CPU_MS=0
	times >"$CACHE/logs/.times.$BASHPID"
	while read -r line; do
		for part in $line; do
			part=${part%s}
			CPU_MS=$((CPU_MS + ${part%m*} * 60000 + 10#$(tr -d . <<<"${part#*m}")))
		done
	done <"$CACHE/logs/.times.$BASHPID"
	rm -f "$CACHE/logs/.times.$BASHPID"
}

# timed WHAT COMMAND...: run it; if MMUN_TIMES names a file, add a line to it: depth,
# wall seconds, processor milliseconds, WHAT. A step inside another is one deeper.
timed() {
	local what=$1 depth=${MMUN_DEPTH:-0} began=$SECONDS cpu code

	shift
	[ -n "${MMUN_TIMES:-}" ] || { "$@"; return; }
	processor_time
	cpu=$CPU_MS
	export MMUN_DEPTH=$((depth + 1))
	"$@"
	code=$?
	export MMUN_DEPTH=$depth
	processor_time
	echo "$depth $((SECONDS - began)) $((CPU_MS - cpu)) $what" >>"$MMUN_TIMES"
	return $code
}

# as_tree NAME COMMAND...: run it; its TAP becomes a tree of KTAP with that one suite
as_tree() {
	local name=$1 began=$SECONDS

	shift
	echo "KTAP version 1"
	echo "1..1"
	{
		"$@"
		printf '\n# exit code %d, %d s\n' $? $((SECONDS - began))
	} | awk -v "name=$name" -v number=1 -f "$TOP/scripts/ktap.awk"
}

# One run at a time: two would build in the same directories.
lock_cache() {
	exec 9>"$CACHE/lock"
	flock -n 9 && return
	say "waiting for another run to finish ..."
	flock 9
}

# descendants PID: adds to "below" the processes that it started, and those that they did
descendants() {
	local file child children

	for file in "/proc/$1/task/"*/children; do
		children=()
		read -ra children 2>/dev/null <"$file"
		for child in "${children[@]}"; do
			below+=("$child")
			descendants "$child"
		done
	done 2>/dev/null
}

# alive PID: does it run? A zombie does not.
alive() {
	local line

	read -r line 2>/dev/null <"/proc/$1/stat" || return 1
	[[ ${line##*)} != " Z"* ]]
} 2>/dev/null

# stop_children: end all that this script started, in whatever process group it is. For a
# trap on EXIT: a shell that TERM ends runs it at once, also while it waits for a command, but
# only if it has no trap on TERM.
stop_children() {
	local below=() before=none p i

	# A process that is stopped starts no other, which would be missed.
	until [ "${below[*]}" = "$before" ]; do
		before=${below[*]}
		below=()
		descendants $$
		[ ${#below[@]} != 0 ] || return 0
		kill -STOP "${below[@]}" 2>/dev/null
	done
	kill "${below[@]}" 2>/dev/null
	kill -CONT "${below[@]}" 2>/dev/null
	# A guest puts its files in order first.
	for ((i = 0; i < 100; i++)); do
		before=()
		for p in "${below[@]}"; do
			! alive "$p" || before+=("$p")
		done
		below=("${before[@]}")
		[ ${#below[@]} != 0 ] || return 0
		sleep 0.1
	done
	kill -KILL "${below[@]}" 2>/dev/null
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# apt_try COMMAND...: once with the package lists as they are, once with fresh.
apt_try() {
	"$@" >>"$CACHE/logs/apt.log" 2>&1 && return
	say "refreshing the package lists ..."
	as_root apt-get update >>"$CACHE/logs/apt.log" 2>&1
	"$@" >>"$CACHE/logs/apt.log" 2>&1
}

# need WHAT:PACKAGE...: WHAT is a command, or a file if it has a slash.
need() {
	local pair what missing=()

	for pair; do
		what=${pair%:*}
		case $what in
		*/*) [ -e "$what" ] ;;
		*) command -v "$what" >/dev/null ;;
		esac || missing+=("${pair##*:}")
	done
	[ ${#missing[@]} = 0 ] && return
	command -v apt-get >/dev/null ||
		die "please install: ${missing[*]} (there is no apt-get here to do it)."
	if [ "$(id -u)" != 0 ] && ! sudo -n true 2>/dev/null; then
		die "please install, as root: apt-get install ${missing[*]}"
	fi
	say "installing ${missing[*]} ..."
	apt_try as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy \
		--no-install-recommends "${missing[@]}" ||
		die "apt could not install ${missing[*]}; the end of $CACHE/logs/apt.log says why."
}

need_build() {
	local libc

	libc=/usr/lib/$(uname -m)-linux-gnu
	need gcc:gcc make:make "$libc/libc.a:libc6-dev" xz:xz-utils cpio:cpio \
		depmod:kmod "$libc/libelf.so.1:libelf1" "$libc/libcrypto.so.3:libssl3"
}

# The semantic patches have Python in them. spatch loads its library while it runs, so
# coccinelle does not depend on the package.
need_spatch_python() {
	local v

	v=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 3
	need "/usr/lib/$(uname -m)-linux-gnu/libpython$v.so.1.0:libpython$v"
}

# The verdict on a guest is given in Python.
need_guest() { need qemu-system-x86_64:qemu-system-x86 python3:python3; }

# unpack DIR PACKAGE[=VERSION]...
unpack() {
	local dir=$1 tmp p

	shift
	tmp=$(mktemp -d "$CACHE/fetch.XXXXXX") || die "no room in $CACHE."
	for p; do
		say "downloading ${p%%=*} ..."
		(cd "$tmp" && apt_try apt-get download "$p") || {
			rm -rf "$tmp"
			die "apt could not download $p; the end of $CACHE/logs/apt.log says why."
		}
	done
	for p in "$tmp"/*.deb; do
		dpkg-deb -x "$p" "$dir" || die "cannot unpack ${p##*/}."
	done
	rm -rf "$tmp"
}

# depends PACKAGE[=VERSION] PATTERN: its dependencies that match, as name=version
depends() {
	apt-cache show --no-all-versions "$1" 2>/dev/null |
		sed -n 's/^Depends: //p' | tr ',|' '\n' |
		sed -n 's/^ *\([^ ]*\) *(= *\([^)]*\)).*/\1=\2/p; s/^ *\([^ =]*\)\( (>=.*\)\{0,1\}$/\1/p' |
		grep -E -m1 "$2"
}

# is_test_kernel V: it was built here, and has KUnit; the others are Debian's
is_test_kernel() {
	case $1 in
	*-amd64) return 1 ;;
	*-*) return 0 ;;
	esac
	return 1
}

# fetch_kernel V: Debian's stock image V, and the headers of exactly that build
fetch_kernel() {
	local dir=$CACHE/kernels/$1 v=${1%%-*} meta image headers common kbuild release tmp

	[ -e "$dir/release" ] && return
	command -v apt-get >/dev/null ||
		die "the stock kernels come through apt; pass KDIR= and KERNEL_IMAGE= to use your own."
	tmp=$dir.new
	rm -rf "$tmp"
	case $1 in
	6.12) meta=linux-image-6.12-amd64 ;;
	6.1) meta=linux-image-amd64 ;;
	6.12-rt-amd64 | 6.12-cloud-amd64) meta=linux-image-$1 ;;
	6.1-rt-amd64 | 6.1-cloud-amd64) meta=linux-image-${1#*-} ;;
	*)
		case " $ARCHIVE " in
		*" $1 "*) ;;
		*) die "KERNEL=$1 is none of: $STOCK $ARCHIVE $VARIANTS" ;;
		esac
		archive_kernel "$1" "$tmp"
		keep_kernel "$tmp" "$dir"
		return
		;;
	esac
	image=$(depends "$meta" "^linux-image-${v//./\\.}\\.") || {
		say "refreshing the package lists ..."
		as_root apt-get update >>"$CACHE/logs/apt.log" 2>&1
		image=$(depends "$meta" "^linux-image-${v//./\\.}\\.")
	} || die "apt knows no $meta of $1; Debian 12 has it in its security suite."
	release=${image%%=*}
	release=${release#linux-image-}
	headers=linux-headers-$release=${image##*=}
	common=$(depends "$headers" "^linux-headers-.*-common") ||
		die "apt has $image but no headers of that version."
	kbuild=$(depends "$headers" "^linux-kbuild-")
	unpack "$tmp" "$image" "$headers" "$common" "${kbuild:?}"
	echo "$release" >"$tmp/release"
	keep_kernel "$tmp" "$dir"
}

# keep_kernel NEW DIR: what was unpacked in NEW becomes DIR
keep_kernel() {
	local release

	release=$(cat "$1/release") || exit 3
	# Unpacked, not installed: the makefile must include its neighbour. The
	# vmlinux is there for BTF only, which would need one more tool.
	sed -i "s|/usr/src/|\$(dir \$(lastword \$(MAKEFILE_LIST)))../|" \
		"$1/usr/src/linux-headers-$release/Makefile"
	rm -f "$1/usr/src/linux-headers-$release/vmlinux"
	ln -s "$(cd "$1" && find boot usr/lib -name "vmlinuz*" -type f 2>/dev/null | head -n 1)" "$1/image"
	ln -s "usr/src/linux-headers-$release" "$1/build"
	rm -rf "$2"
	mv "$1" "$2"
}

# use_kernel V: sets K_BUILD and K_IMAGE; "own" means the person's, and V-FLAVOUR
# a test kernel
use_kernel() {
	local cc

	if [ "$1" = own ]; then
		[ -e "${KDIR:-}/Makefile" ] || die "your own kernel needs both: KDIR=${KDIR:-} has no kernel Makefile."
		[ -r "${KERNEL_IMAGE:-}" ] || die "your own kernel needs both: KERNEL_IMAGE=${KERNEL_IMAGE:-} cannot be read."
		K_BUILD=$KDIR
		K_IMAGE=$KERNEL_IMAGE
		return
	fi
	K_BUILD=$CACHE/kernels/$1/build
	K_IMAGE=$CACHE/kernels/$1/image
	if is_test_kernel "$1"; then
		build_kernel "$1"
		return
	fi
	fetch_kernel "$1"
	cc=$(sed -n 's/.*CROSS_COMPILE)\(gcc-[0-9]*\).*/\1:\1/p' "$K_BUILD/.kernelvariables" | head -n 1)
	[ -z "$cc" ] || need "$cc"
}

# test_kernel: the one that the person wants, or the third ending. KERNEL may have the
# flavour, too.
test_kernel() {
	local k=${KERNEL:-6.12}

	case $k in
	*-*) [ -z "${FLAVOUR:-}" ] || die "KERNEL=$k has a flavour, and FLAVOUR=$FLAVOUR is another: one of them, please." ;;
	*) k=$k-${FLAVOUR:-debug} ;;
	esac
	is_test_kernel "$k" || die "KERNEL=$k is no test kernel, as 6.12-debug is."
	echo "$k"
}

# Which kernels the person wants: their own, one, or all that are supported.
kernels() {
	if [ -n "${KDIR:-}${KERNEL_IMAGE:-}" ]; then
		echo own
	else
		echo "${KERNEL:-$STOCK}"
	fi
}

# The test kernels that belong to them. The person's own has none.
test_kernels() {
	local list

	list=$(kernels)
	case " $list " in *" 6.12 "*) echo 6.12-debug ;; esac
	case " $list " in *" 6.1 "*) echo 6.1-debug ;; esac
	case " $list " in *" 6.12 "*) echo 6.12-kcsan 6.12-rt ;; esac
}

# The harness, checkpatch and headers belong to the kernel: taken from it, not copied.
fetch_kselftest() {
	local dir=$CACHE/kselftest src=linux-source-6.12 tmp tarball

	[ -e "$dir/tools/include/linux/list.h" ] && return
	tmp=$CACHE/kselftest.new
	rm -rf "$tmp"
	mkdir -p "$tmp"
	tarball=$(kernel_tarball 6.12) || exit 3
	say "unpacking the test harness from $src ..."
	tar -C "$tmp" -xJf "$tarball" --strip-components=1 --wildcards \
		"$src/tools/testing/selftests/kselftest*.h" \
		"$src/scripts/checkpatch.pl" "$src/scripts/spelling.txt" \
		"$src/scripts/const_structs.checkpatch" \
		"$src/scripts/coccicheck" "$src/scripts/coccinelle" \
		"$src/tools/testing/kunit" "$src/tools/include" "$src/tools/arch/x86/include" ||
		die "cannot unpack $tarball."
	rm -rf "$dir"
	mv "$tmp" "$dir"
}

# For herd7.
fetch_memory_model() {
	local dir=$CACHE/memory-model src=linux-source-6.12 tarball

	[ -e "$dir/linux-kernel.cfg" ] && return
	rm -rf "$dir.new"
	mkdir -p "$dir.new"
	tarball=$(kernel_tarball 6.12) || exit 3
	say "unpacking the memory model from $src ..."
	tar -C "$dir.new" -xJf "$tarball" --strip-components=3 \
		"$src/tools/memory-model/"{linux-kernel.bell,linux-kernel.cat,linux-kernel.cfg,linux-kernel.def,lock.cat} ||
		die "cannot unpack $tarball."
	mv "$dir.new" "$dir"
}

fetch_busybox() {
	[ -x "$CACHE/busybox" ] && return
	unpack "$CACHE/busybox.new" busybox-static
	find "$CACHE/busybox.new" -name busybox -type f -exec mv {} "$CACHE/busybox" \;
	rm -rf "$CACHE/busybox.new"
}
