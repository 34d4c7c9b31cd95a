# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Build a copy of the tree for one kernel, in the cache: what is built in the
# tree, and for which kernel, does not matter here and is not disturbed.

unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# The facts that decide how everything is compiled: the kernel, the compiler, the mode, which files
# there are, and the build's own files.
build_stamp() {
	local f

	echo "$1 $(readlink -f "$K_BUILD")"
	gcc --version
	for f in include/generated/autoconf.h include/generated/utsrelease.h Module.symvers; do
		stat -L -c '%n %s %Y' "$K_BUILD/$f"
	done
	(cd "$2" && find . -type f | sort && find . -type f \( -name 'Kbuild*' -o -path './compat/*' -o -name '*.mk' \) |
		sort | xargs cat)
	cat "$TOP/scripts/build.sh"
}

# copy_sources V MODE: build/V/src becomes the tree. In the loop of edit, build and test
# (quick) only what another content has is copied, so that make compiles no more than that
# concerns; the time of a file is then that of the copy, and a file that git put back
# is newer than its object. One that a failed build took out comes back. All other
# builds begin from nothing: one that is to show warnings must compile every file, and
# mutants change the copy.
copy_sources() {
	local dir=$CACHE/build/$1 new=$CACHE/build/$1/new stamp f

	rm -rf "$new"
	mkdir -p "$new"
	cp -a "$TOP"/Kbuild "$TOP"/VERSION "$TOP"/*.[ch] "$TOP"/include "$TOP"/compat "$TOP"/kunit "$TOP"/test "$TOP"/bench \
		"$TOP"/tools "$TOP"/example "$new" ||
		return 1
	find "$new" \( -name '*.o' -o -name '*.ko' -o -name '*.mod*' -o -name '.*.cmd' \) -delete
	rm -f "$new/test/peer/first_driver.c"
	readme_example >"$new/test/peer/first_driver.c"
	[ -s "$new/test/peer/first_driver.c" ] || rm -f "$new/test/peer/first_driver.c"

	stamp=$(build_stamp "${2:-}" "$new" 2>/dev/null | sha256sum)
	if [ "${2:-}" = quick ] && [ "$(cat "$dir/stamp" 2>/dev/null)" = "$stamp" ]; then
		diff -rq "$new" "$dir/src" | sed -n "s|^Files $new/\(.*\) and .* differ\$|\1|p
			s|^Only in $new/*\([^:]*\): |\1/|p" | while IFS= read -r f; do
			cp "$new/$f" "$dir/src/$f" || return 1
		done || return 1
		rm -rf "$new"
	else
		rm -rf "$dir/src" "$dir/stamp"
		mv "$new" "$dir/src"
		[ "${2:-}" != quick ] || echo "$stamp" >"$dir/stamp"
	fi
}

# wanted_program FILE: is it one of "only", with commas, if that is set?
wanted_program() {
	local name=${1##*/}

	[ -z "${only:-}" ] || [[ ,$only, == *,"${name%.*}",* ]]
}

# wanted_swap SRC: does one of "only" swap, all of whose means are in t_area.h?
wanted_swap() {
	local name

	[ -n "${only:-}" ] || return 0
	for name in ${only//,/ }; do
		! grep -qsE '"(t_area|t_event)\.h"' "$1/test/programs/$name.c" || return 0
	done
	return 1
}

# build_tree V [demo|quick|bench]: copy, then modules and programs, with every warning;
# the others do without warnings, a demo without tests, and a benchmark without gcov.
# Leaves build/V/{src,root,log}; 1 if something did not compile.
build_tree() {
	local dir=$CACHE/build/$1 t name make failed=0
	local src=$dir/src root=$dir/root

	rm -rf "$root" "$dir/initramfs"
	mkdir -p "$root/modules" "$root/tests" "$root/bin"
	copy_sources "$@" || return 1

	make=(make -C "$K_BUILD" "M=$src" -j"$(nproc)")
	[ "${2:-}" = demo ] || make+=(MMUN_CHECK=m)
	! is_test_kernel "$1" || make+=(MMUN_KUNIT=m)
	case $1/${2:-} in
	*/bench) ;;
	*-gcov/*) make+=(MMUN_GCOV=y) ;;
	esac
	[ -n "${2:-}" ] || make+=(W=1 C=2 CHECK=sparse)
	if ! "${make[@]}" modules >"$dir/log" 2>&1; then
		# An example that does not compile must not keep the rest from a test.
		rm "$src/test/peer/first_driver.c" 2>/dev/null || return 1
		rm -f "$src/test/peer/first_driver.ko"
		"${make[@]}" modules >>"$dir/log" 2>&1 || return 1
		failed=1
	fi
	# Not of this tree: it is built as any driver that uses mmun.
	make[3]="M=$src/example"
	if [ "${2:-}" != demo ] && ! "${make[@]}" modules >>"$dir/log" 2>&1; then
		rm -f "$src"/example/*.ko
		failed=1
	fi
	for name in mmun mmun_test mmun_peer mmun_example mmun_example_window mmun_example_get mmun_example_get_window mmun_bench first_driver mmun_kunit; do
		for t in "$src/$name.ko" "$src"/{test/driver,test/peer,kunit,example,bench/module}/"$name.ko"; do
			[ -e "$t" ] || continue
			cp "$t" "$root/modules/"
			strip --strip-debug "$root/modules/$name.ko"
			case $name in
			first_driver | mmun_kunit) ;;
			*) printf '%s ' $name ;;
			esac
		done
	done >"$root/modules/order"

	build_program "$root/bin/mmunctl" "$src"/tools/*.c || failed=1
	[ "${2:-}" != demo ] || return $failed
	build_program "$root/bin/mmun-bench" "$src"/bench/program/*.c || failed=1
	# zram asks for its compressor by name, which modprobe would load.
	for name in lzo-rle zram; do
		! wanted_swap "$src" || kernel_modules "$1" "$root/modules" $name
	done >"$root/modules/sources"
	for t in "$src"/test/programs/t_*.c "$src"/bench/guest/b_*.c; do
		[ ! -e "$t" ] || ! wanted_program "$t" || build_program "$root/tests/$(basename "$t" .c)" "$t" || failed=1
	done
	for t in "$src"/test/programs/*.sh "$src"/bench/guest/b_*.sh; do
		[ ! -e "$t" ] || ! wanted_program "$t" || install -m 755 "$t" "$root/tests/$(basename "$t" .sh)"
	done
	(cd "$root/tests" && ls) | grep -v '^b_' >"$dir/check"
	(cd "$root/tests" && ls) | grep '^b_' >"$dir/bench"
	mv "$dir/check" "$dir/bench" "$root/tests/"
	return $failed
}

# kernel_modules V DIR NAME: copy a module of the stock kernel V, and what it needs, to
# DIR; prints the names in the order of loading. Nothing if it is built in, or the
# kernel is another.
kernel_modules() {
	local name file

	file=$(find "$CACHE/kernels/$1/lib/modules" "$CACHE/kernels/$1/usr/lib/modules" \
		-name "$3.ko*" 2>/dev/null | head -n 1)
	[ -n "$file" ] || return 0
	name=$2/$3.ko
	case $file in
	*.xz) xz -dc "$file" >"$name" ;;
	*) cp "$file" "$name" ;;
	esac
	for file in $(/sbin/modinfo -F depends "$name" | tr ',' ' '); do
		[ -e "$2/$file.ko" ] || kernel_modules "$1" "$2" "$file"
	done
	echo "$3"
}

# build_program OUTPUT SOURCE...: for the guest, whose only library is the kernel. It
# is the same for every kernel, so it is compiled once and kept by what it is made of.
build_program() {
	local output=$1 dir=${1%/root/*} kept

	shift
	kept=$CACHE/build/programs/$(cat "$@" "$dir"/src/{test/programs,tools,example,bench/program}/*.h \
		"$dir"/src/include/uapi/linux/*.h "$TOP/VERSION" "$TOP/scripts/build.sh" | sha1sum | cut -d' ' -f1)
	if [ ! -e "$kept" ]; then
		mkdir -p "${kept%/*}"
		gcc -O2 -Wall -Werror -static -pthread "-ffile-prefix-map=$dir/src/=" \
			-I"$CACHE/kselftest/tools/testing/selftests" \
			-I"$dir/src/include/uapi" "-DMMUN_VERSION=\"$(cat "$TOP/VERSION")\"" -o "$kept.new" "$@" >>"$dir/log" 2>&1 &&
			strip "$kept.new" && mv "$kept.new" "$kept" || return 1
	fi
	cp "$kept" "$output"
}

# The one C block of README.md that is a whole module.
readme_example() {
	[ -e "$TOP/README.md" ] || return 0
	awk '/^```c$/ { on = 1; text = ""; next }
	     /^```$/ { if (on && text ~ /MODULE_LICENSE/) printf "%s", text; on = 0 }
	     on { text = text $0 "\n" }' "$TOP/README.md"
}

# make_image ROOT OUTPUT: a guest that runs ROOT/tests with ROOT/modules
make_image() {
	mkdir -p "$1/bin"
	install -m 755 "$CACHE/busybox" "$1/bin/" && install -m 755 "$TOP/scripts/init" "$1/" &&
		install -m 644 "$TOP/scripts/ktap.awk" "$1/" || exit 3
	ln -sf busybox "$1/bin/sh"
	(cd "$1" && find . | cpio -o -H newc --owner=0:0 --quiet) | gzip -1 >"$2" || exit 3
}

# prepare V: everything to build for V and to boot it, or the third ending
prepare() {
	need_build
	need_guest
	use_kernel "$1"
	fetch_kselftest
	fetch_busybox
}

# in_the_tree V: messages of a build name the file that the person edits, not its copy
in_the_tree() { sed "s|$CACHE/build/$1/src/||g"; }

# build_or_show V [demo|quick|bench]: build and pack; say what failed. A program that
# does not compile fails the build, and the guest still runs the others.
build_or_show() {
	local code=0

	say "building for Linux $1 ..."
	if ! timed "building mmun for $1" build_tree "$@"; then
		grep -aE -A3 'error:|undefined|^make.*\*\*\*' "$CACHE/build/$1/log" | in_the_tree "$1" | head -n 20 >&2
		say "the build for $1 failed; its log is build/$1/log in the cache."
		code=1
	fi
	[ ! -s "$CACHE/build/$1/root/modules/order" ] ||
		make_image "$CACHE/build/$1/root" "$CACHE/build/$1/initramfs"
	return $code
}
