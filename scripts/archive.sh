# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Kernels of other suites than this machine's, from the archive it uses itself: apt
# with a state of its own in the cache. The system's lists, sources and packages are
# not touched, and the archive's address is asked of apt. In the cache:
#   apt/apt.conf  what is private: sources.list, lists, downloads

ARCHIVE_SUITES="bullseye trixie trixie-backports sid experimental"

# archive_apt: write the configuration, if it is not there
archive_apt() {
	local dir=$CACHE/apt site key=/usr/share/keyrings/debian-archive-keyring.gpg suite

	[ ! -e "$dir/apt.conf" ] || return 0
	command -v apt-get >/dev/null || die "kernels and tools of other suites come through apt, and there is no apt-get here."
	# shellcheck disable=SC2016 # for apt
	site=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian|Debian|//p' | head -n 1)
	[ -n "$site" ] || die "apt has no lists of Debian's archive; apt-get update fetches them."
	if [ -r "$key" ]; then key="[signed-by=$key] "; else key=; fi
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	for suite in $ARCHIVE_SUITES; do
		echo "deb $key$site $suite main"
	done >"$dir/sources.list"
	# Of a kernel whose packages are gone the source is still there.
	echo "deb-src $key$site trixie-backports main" >>"$dir/sources.list"
	# Read after the system's: its proxies hold here too, its hooks do not.
	cat >"$dir/apt.conf.new" <<-END
		Dir::State::lists "$dir/lists";
		Dir::Cache "$dir/cache";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Acquire::Languages "none";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
	END
	# A suite that is gone by now does not matter, as long as another has the kernel.
	say "reading the lists of other suites ..."
	apt-get -c "$dir/apt.conf.new" update >>"$CACHE/logs/apt.log" 2>&1
	mv "$dir/apt.conf.new" "$dir/apt.conf"
}

# archive_get COMMAND ARG...: apt-get in the directory of the downloads, once with the
# lists as they are, once with fresh ones
archive_get() {
	local conf=$CACHE/apt/apt.conf

	apt-get -c "$conf" "$@" >>"$CACHE/logs/apt.log" 2>&1 && return
	apt-get -c "$conf" update >>"$CACHE/logs/apt.log" 2>&1
	apt-get -c "$conf" "$@" >>"$CACHE/logs/apt.log" 2>&1
}

# archive_names PATTERN: the packages of such a name, oldest first
archive_names() {
	apt-cache -c "$CACHE/apt/apt.conf" pkgnames linux- | grep -E "^$1\$" | sort -V
}

# archive_unpack DIR PACKAGE[=VERSION|/SUITE]...
archive_unpack() {
	local dir=$1 tmp p

	shift
	archive_apt
	tmp=$(mktemp -d "$CACHE/fetch.XXXXXX") || die "no room in $CACHE."
	for p; do
		say "downloading ${p%%[=/]*} ..."
		(cd "$tmp" && archive_get download "$p") || {
			rm -rf "$tmp"
			die "no suite of $ARCHIVE_SUITES has $p now; the end of $CACHE/logs/apt.log has the reason."
		}
	done
	for p in "$tmp"/*.deb; do
		dpkg-deb -x "$p" "$dir" || die "cannot unpack ${p##*/}."
	done
	rm -rf "$tmp"
}

# archive_tarball V FILE: the source of Linux V, as a package or as the source of one
archive_tarball() {
	local tmp version found

	archive_apt
	tmp=$(mktemp -d "$CACHE/fetch.XXXXXX") || die "no room in $CACHE."
	if [ -n "$(archive_names "linux-source-${1//./\\.}")" ]; then
		archive_unpack "$tmp" "linux-source-$1"
		found=$tmp/usr/src/linux-source-$1.tar.xz
	else
		version=$(apt-cache -c "$CACHE/apt/apt.conf" showsrc linux 2>/dev/null |
			sed -n "s/^Version: \(${1//./\\.}\.\)/\1/p" | sort -V | tail -n 1)
		[ -n "$version" ] || { rm -rf "$tmp"; die "no suite of $ARCHIVE_SUITES has the source of Linux $1 now."; }
		say "downloading the source of Linux $version ..."
		(cd "$tmp" && archive_get source --download-only --tar-only "linux=$version") || {
			rm -rf "$tmp"
			die "apt could not download it; the end of $CACHE/logs/apt.log says why."
		}
		found=$(find "$tmp" -name '*.orig.tar.xz')
	fi
	mv "$found" "$2" || die "there is no source in what apt downloaded."
	rm -rf "$tmp"
}

# archive_programs NAME "PROGRAM..." PACKAGE[/SUITE]...: these programs, which come with the
# libraries that they want and run where they lie
#   NAME/  unpacked, and every program knows where its loader is
archive_programs() {
	local root=$CACHE/$1 new=$CACHE/$1.new programs=$2 f

	shift 2
	[ ! -e "$root/ready" ] || return 0
	need patchelf:patchelf
	rm -rf "$new" "$root"
	archive_unpack "$new" "$@"
	mv "$new" "$root"
	for f in $programs; do
		archive_relocate "$root" "$root/$f" || die "patchelf cannot change $root/$f."
	done
	touch "$root/ready"
}

# A compiler that is newer than this machine's, for headers of kernels that were built
# with it; and the libraries that the kernel's own tools want.
archive_compiler() {
	local own=usr/libexec/gcc/x86_64-linux-gnu/$1

	archive_programs "cc-$1" "usr/bin/x86_64-linux-gnu-gcc-$1 $own/cc1 $own/collect2" \
		"gcc-$1-x86-64-linux-gnu/trixie" "cpp-$1-x86-64-linux-gnu/trixie" \
		{libc6,libgmp10,libmpfr6,libmpc3,libisl23,zlib1g,libzstd1,libelf1t64,libssl3t64}/trixie
}

# herd7, which Debian 12 does not have. The newest of each, so that they fit together.
archive_herd() {
	[ ! -e "$CACHE/herd/ready" ] || return 0
	archive_programs herd usr/bin/herd7 herdtools7 libc6 libgmp10
	# The other programs of the package take 200 MB.
	find "$CACHE/herd/usr/bin" -type f ! -name herd7 -delete
}

# archive_relocate ROOT PROGRAM: with ROOT's loader and libraries
archive_relocate() {
	patchelf --set-interpreter "$1/usr/lib64/ld-linux-x86-64.so.2" \
		--force-rpath --set-rpath "$1/usr/lib/x86_64-linux-gnu" "$2"
}

# archive_kernel V DIR: Debian's stock image V and its headers, so that modules can be
# built here
archive_kernel() {
	local release image headers common kbuild f cc

	archive_apt
	image=$(archive_names "linux-image-${1//./\\.}\.[0-9.]+(-[0-9]+|\+deb13)-amd64" | tail -n 1)
	[ -n "$image" ] || die "no suite of $ARCHIVE_SUITES has an image of Linux $1 now; KERNEL=$1-debug is built from its source."
	release=${image#linux-image-}
	headers=linux-headers-$release
	common=${release%-amd64}
	common=$(archive_names "linux-headers-${common//+/\\+}-common")
	[ -n "$common" ] || die "there is an image of Linux $release, and no headers; KERNEL=$1-debug is built from its source."
	kbuild=$(apt-cache -c "$CACHE/apt/apt.conf" show "$headers" | grep -oE 'linux-kbuild-[^ ,]*' | head -n 1)
	# shellcheck disable=SC2046 # names
	archive_unpack "$2" "$image" "$headers" "$common" "$kbuild" \
		$(archive_names "linux-(binary|modules)-${release//+/\\+}")
	echo "$release" >"$2/release"
	cc=$(sed -n 's/.*CROSS_COMPILE)gcc-\([0-9]*\).*/\1/p' "$2/usr/src/linux-headers-$release/.kernelvariables" | head -n 1)
	# A newer one has options of its own, and came with a newer C library.
	if [ "${cc:-0}" -gt "$(gcc -dumpversion | cut -d. -f1)" ]; then
		archive_compiler "$cc"
		find "$2/usr/lib/$kbuild" -type f -perm -100 -print0 | while IFS= read -r -d '' f; do
			! head -c 4 "$f" | grep -q ELF || archive_relocate "$CACHE/cc-$cc" "$f" || die "patchelf cannot change $f."
		done
		cc=$CACHE/cc-$cc/usr/bin/x86_64-linux-gnu-gcc-$cc
	else
		# It was another compiler's, and this machine's will do.
		cc=gcc
	fi
	sed -i "s|\$(CROSS_COMPILE)gcc\(-[0-9]*\)\{0,1\}$|$cc|" "$2/usr/src/linux-headers-$release/.kernelvariables"
}
