# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Test kernels: small, built from Debian's linux-source-V, one for each flavour.
# "6.12-debug" is the flavour debug of 6.12: tinyconfig, kernels/base.config and
# kernels/debug.config. In the cache:
#   source/V/            the unpacked source
#   kernels/V-FLAVOUR/   fragment, build (objects), image, release, key

FLAVOURS="debug kcsan rt gcov"

# fragment V FLAVOUR: the options to set. "# only WHAT..." and "# not WHAT..."
# before a block, up to the next empty line, name flavours or versions.
fragment() {
	awk -v flavour="$2" -v version="$1" '
		/^# (only|not) / {
			named = 0
			for (i = 3; i <= NF; i++)
				named += $i == flavour || $i == version
			skip = ($2 == "only") != (named > 0)
			next
		}
		/^$/ { skip = 0 }
		/^CONFIG_/ && !skip
	' "$TOP/scripts/kernels/base.config" "$TOP/scripts/kernels/$2.config"
}

# unset_options CONFIG FRAGMENT: what was asked for and is not so
unset_options() {
	awk -F= '
		NR == FNR { if (/^CONFIG_/) is[$1] = $2; next }
		{ value = $1 in is ? is[$1] : "n" }
		value != $2 { print $1 "=" $2 " (it is " value ")" }
	' "$1" "$2"
}

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

# watch_build LOG PID WHAT: say now and then how far it is
watch_build() {
	local began=$SECONDS next=30

	while kill -0 "$2" 2>/dev/null; do
		sleep 1
		[ $((SECONDS - began)) -ge $next ] || continue
		next=$((next + 30))
		say "$3: $(grep -c '^ *\(CC\|AS\|LD\|AR\) ' "$1") files, $((SECONDS - began)) s ..."
	done
}

# build_kernel V-FLAVOUR: cached by the source and by what is asked for
build_kernel() {
	local v=${1%-*} flavour=${1##*-} dir=$CACHE/kernels/$1 source=$CACHE/source/${1%-*}
	local key make log missing pid

	[ -r "$TOP/scripts/kernels/$flavour.config" ] ||
		die "FLAVOUR=$flavour is none of: $FLAVOURS"
	need_build
	need flex:flex bison:bison bc:bc /usr/include/libelf.h:libelf-dev
	fetch_source "$v"
	mkdir -p "$dir/build"
	key=$({ cat "$source/.size"; gcc --version | head -n 1; fragment "$v" "$flavour"; } | sha256sum)
	if [ "$(cat "$dir/key" 2>/dev/null)" = "$key" ]; then
		[ ! -e "$dir/release" ] || return 0
	else
		rm -rf "$dir"
		mkdir -p "$dir/build"
		echo "$key" >"$dir/key"
	fi
	rm -f "$dir/release"
	fragment "$v" "$flavour" >"$dir/fragment"
	log=$dir/log
	make=(make -C "$source" "O=$dir/build" KBUILD_BUILD_USER=mmun KBUILD_BUILD_HOST=mmun)
	if ! { "${make[@]}" tinyconfig && cat "$dir/fragment" >>"$dir/build/.config" &&
		"${make[@]}" olddefconfig; } >"$log" 2>&1; then
		tail -n 5 "$log" >&2
		die "the configuration of Linux $1 failed; its log is kernels/$1/log in the cache."
	fi
	missing=$(unset_options "$dir/build/.config" "$dir/fragment")
	if [ -n "$missing" ]; then
		echo "$missing" >&2
		die "Linux $v has no such options as scripts/kernels/ asks for."
	fi
	say "building Linux $1: 5 to 15 minutes, once; the log is kernels/$1/log in the cache"
	# It keeps the lock of the cache: if we are interrupted, nobody builds beside it.
	"${make[@]}" -j"$(nproc)" bzImage modules >>"$log" 2>&1 &
	pid=$!
	# shellcheck disable=SC2064 # this process
	trap "kill $pid 2>/dev/null" EXIT
	trap 'exit 3' INT TERM
	watch_build "$log" $pid "Linux $1"
	if ! wait $pid; then
		grep -aE -B2 -A3 'error:|\*\*\*' "$log" | head -n 20 >&2
		die "Linux $1 did not build; its log is kernels/$1/log in the cache."
	fi
	trap - EXIT INT TERM
	ln -sf build/arch/x86/boot/bzImage "$dir/image"
	# Modules are built against headers and tools, not against objects.
	find "$dir/build" \( -path "$dir/build/scripts" -o -path "$dir/build/tools" \) -prune -o \
		-type f \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' \) -exec rm -f {} +
	cat "$dir/build/include/config/kernel.release" >"$dir/release"
}
