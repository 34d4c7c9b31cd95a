# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034
#
# The kernels of a test: those of the testbed, which have their headers, and some that
# differ from them by one thing. Debian's names for mmun's files.
kernels=$(cd /lib/modules && echo *)
first=${kernels%% *} last=${kernels##* }

installed() {
	local m file

	dkms status "mmun/$version" -k "$1" | grep ': installed' || return 1
	for m in mmun mmun_test; do
		file=$(modinfo -k "$1" -F filename $m) || return 1
		[[ $file == /lib/modules/"$1"/updates/dkms/* ]] || { echo "$m is $file"; return 1; }
		[[ $(modinfo -F vermagic "$file") == "$1 "* ]] || { echo "$m is for another kernel"; return 1; }
	done
	[ "$(modinfo -k "$1" -F depends mmun_test)" = mmun ]
}

# fake RELEASE: a kernel that differs from the first one by its name and what stdin
# (a sed script) does to its configuration
fake() {
	local from="/lib/modules/${kernels%% *}" to=/lib/modules/$1 build name

	rm -rf "$to"
	mkdir -p "$to/build"
	build=$(readlink -f "$from/build")
	cp -a "$build/." "$to/build/"
	sed -i -f - "$to/build/.config" "$to/build/include/config/auto.conf"
	for name in scripts tools; do
		ln -sfn "$(readlink -f "$build/$name")" "$to/build/$name"
	done
	sed -i "s|\(KERNELRELEASE *=\).*|\1 $1|" "$to/build/.kernelvariables"
	echo "$1" >"$to/build/include/config/kernel.release"
}

# without FILE RELEASE: of a fake kernel, the source's FILE
without() {
	local build=/lib/modules/$2/build common

	common=$(sed -n 's/^include \(.*\)\/Makefile$/\1/p' "$build/Makefile")
	cp -as "$common" "$build/common" && rm "$build/common/$1" &&
		sed -i "s|$common|$build/common|" "$build/Makefile"
}

# A kernel that cannot have it: a sentence, and nothing is left of the attempt.
left_out() {
	fails "$2" dkms install "mmun/$version" -k "$1" || return 1
	nothing_there "/var/lib/dkms/mmun/$version/$1" "/lib/modules/$1/updates" "/var/lib/dkms/mmun/kernel-$1-x86_64"
}

no_trace() {
	nothing_there /var/lib/dkms/mmun "/usr/src/mmun-$version" /usr/include/mmun /usr/bin/mmunctl || return 1
	! find /lib/modules -name 'mmun*' | grep .
}
