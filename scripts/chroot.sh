# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Roots of Debian 12 in the cache, for what must not lean on this machine's own
# programs. Each is made by debootstrap from the archive that apt uses here.

# The archive's own lines, from what this machine has: type, suite, component.
debian_sources() {
	local suite component uri

	# shellcheck disable=SC2016 # for apt
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' |
		while read -r suite component uri; do
			[ "$component" != main ] || echo "deb $uri $suite $component"
		done | sort -u
}

# "inside" adds these: net=(--net) takes the network away, and each word of binds is
# a mount, MODE:SOURCE:TARGET with MODE ro or rw.
net=()
binds=()

# Run in a tree of its own: no mount and no process outlives the command.
inside() {
	local root=$1

	shift
	# shellcheck disable=SC2016 # for the inner shells
	as_root unshare --mount --pid --fork --kill-child --ipc "${net[@]}" \
		/bin/sh -c 'root=$1
			shift
			while [ "$1" != -- ]; do
				rest=${1#*:}
				mount --bind -o "${1%%:*}" "${rest%%:*}" "$root${rest#*:}" || exit 3
				shift
			done
			shift
			exec chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
				DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin \
				/bin/sh -c "mount -t proc proc /proc && exec \"\$@\"" sh "$@"' \
		sh "$root" "${binds[@]}" -- "$@"
}

# debootstrap_root DIR [OPTION...]: Debian 12's smallest root, which reaches the
# archive as this machine's apt does
debootstrap_root() {
	local dir=$1 list suite uri

	shift
	list=$(debian_sources)
	read -r _ uri suite _ < <(grep -m1 ' bookworm main$' <<<"$list")
	[ -n "${suite:-}" ] || die "apt here knows no Debian 12 (bookworm) to make a chroot of."
	as_root debootstrap --variant=minbase "$@" bookworm "$dir" "$uri" &&
		echo "$list" | as_root tee "$dir/etc/apt/sources.list" &&
		apt-config dump | grep -E '^Acquire::(Check|http|https|Retries|AllowInsecure)' |
		as_root tee "$dir/etc/apt/apt.conf.d/90machine" &&
		as_root cp /etc/resolv.conf /etc/hosts "$dir/etc/"
}

# copy_tree DIR: our sources, what is not committed yet too; but nothing that was built
copy_tree() {
	as_root mkdir -p "$1"
	if git -C "$TOP" rev-parse >/dev/null 2>&1; then
		(cd "$TOP" && git ls-files -z --cached --others --exclude-standard |
			xargs -0 ls -d 2>/dev/null | tar -c -T - -f -)
	else
		tar -C "$TOP" -c .
	fi | as_root tar -C "$1" -x --no-same-owner -f - || die "cannot copy the sources."
}
