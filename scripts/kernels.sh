# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The source of a kernel, and a test kernel from it: mmun_run/kernels.py.

# kernel_tarball V: its path, downloaded if need be
kernel_tarball() {
	local name=linux-source-$1 file

	for file in "/usr/src/$name.tar.xz" "$CACHE/source/$name.tar.xz"; do
		[ -r "$file" ] || continue
		echo "$file"
		return
	done
	mkdir -p "$CACHE/source"
	case " $STOCK " in
	*" $1 "*) ;;
	*)
		archive_tarball "$1" "$file" >&2
		echo "$file"
		return
		;;
	esac
	unpack "$CACHE/source/$name.new" "$name" >&2
	mv "$CACHE/source/$name.new/usr/src/$name.tar.xz" "$file"
	rm -rf "$CACHE/source/$name.new"
	echo "$file"
}

# fetch_source V: $CACHE/source/V
fetch_source() {
	local dir=$CACHE/source/$1 tarball

	tarball=$(kernel_tarball "$1") || exit 3
	[ "$(cat "$dir/.size" 2>/dev/null)" != "$(stat -c %s "$tarball")" ] || return 0
	say "unpacking the source of Linux $1 ..."
	rm -rf "$dir"
	mkdir -p "$dir"
	tar -C "$dir" -xJf "$tarball" --strip-components=1 ||
		die "cannot unpack $tarball."
	stat -c %s "$tarball" >"$dir/.size"
}

# build_kernel V-FLAVOUR: a test kernel, in kernels/V-FLAVOUR
build_kernel() {
	need_build
	need flex:flex bison:bison bc:bc /usr/include/libelf.h:libelf-dev python3:python3
	[ ! -r "$TOP/scripts/kernels/${1##*-}.config" ] || fetch_source "${1%-*}"
	"$TOP/scripts/mmun-run" kernel "$1" || exit 3
}
