# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2154,SC2034
#
# Part of selftest.sh, which has ok() and $work: scripts/release in a scratch repository.
# First nothing is missing; then each case takes one thing away.

tree=$work/release
git_there() {
	env -u GIT_DIR GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null git -C "$tree" \
		-c user.name=selftest -c user.email=selftest@localhost "$@"
}
# release WHAT CODE MESSAGE COMMAND...: after the command, in a fresh clone of the state in
# which nothing is missing
release() {
	local what=$1 want=$2 message=$3 code

	shift 3
	rm -rf "$tree" "$work/release-cache"
	cp -a "$work/release-good" "$tree"
	cp -a "$work/release-good-cache" "$work/release-cache"
	(cd "$tree" && "$@") >"$work/output" 2>&1
	env -u GIT_DIR MMUN_CACHE="$work/release-cache" "$tree/scripts/release" >>"$work/output" 2>&1
	code=$?
	grep -q "$message" "$work/output" || code="$code without '$message'"
	ok "release: $what" "$code" "$want" "$work/output"
}
commit() { "$@" && git_there commit -qam "$*"; }
# A tag of this version at an older commit.
tag_elsewhere() { git_there tag "v$(cat VERSION)" && commit sh -c 'echo >>README.md' && late; }
# As if all suites ran now.
late() { find "$work/release-cache/logs" -name '*totals' -exec touch -d '+1 hour' {} +; }
mkdir -p "$tree" "$work/release-cache/logs"
(cd "$TOP" && cp -a VERSION README.md CHANGELOG.md SECURITY.md MAINTAINERS dkms.conf debian Documentation example scripts \
	kunit test bench ./*.c "$tree")
sed -i 's/@example\.[a-z]*/@mmun.invalid/' "$tree"/{MAINTAINERS,SECURITY.md,debian/control,debian/changelog,debian/copyright}
sed -i "s/^## $(cat "$TOP/VERSION") .*/## $(cat "$TOP/VERSION") (2026-01-01)/" "$tree/CHANGELOG.md"
sed -i '1s/UNRELEASED/unstable/' "$tree/debian/changelog"
git_there init -q && git_there add -A && git_there commit -qm "all of it"
eval "$(sed -n '/^SUITES=/,/"$/p' "$TOP/scripts/release")"
for s in $SUITES; do echo 3 0 1 >"$work/release-cache/logs/$s.totals"; done
late
mv "$tree" "$work/release-good"
mv "$work/release-cache" "$work/release-good-cache"
release "nothing is missing" 0 "^release $(cat "$TOP/VERSION"): .*\.tar\.gz$" true
tar -tzf "$work/release-cache/release/mmun-$(cat "$TOP/VERSION").tar.gz" >"$work/output"
ok "release: the tarball has the tree" "$(grep -cx "mmun-$(cat "$TOP/VERSION")/VERSION" "$work/output")" 1 "$work/output"
release "a file that is not committed" 1 "uncommitted: 1, the first is new" touch new
release "no entry in CHANGELOG.md" 1 "missing: CHANGELOG.md has no dated entry" \
	commit sed -i '/^## [0-9]/d' CHANGELOG.md
release "debian/changelog has another version" 1 "missing: debian/changelog has version 9.9," \
	commit sed -i '1s/(.*)/(9.9)/' debian/changelog
release "a man page has another version" 1 "missing: Documentation/man/mmun.4 has version 9.9," \
	commit sed -i 's/"mmun [0-9.]*"/"mmun 9.9"/' Documentation/man/mmun.4
release "a module states no version" 1 "missing: bench/module/main.c has no MODULE_VERSION" \
	commit sed -i '/^MODULE_VERSION/d' bench/module/main.c
release "the tag is at another commit" 1 "missing: the tag v.* exists at another commit" tag_elsewhere
release "an address that is a placeholder" 1 "missing: MAINTAINERS gives a placeholder .* a@example.org" \
	commit sed -i 's|^M:.*|M:	a <a@example.org>|' MAINTAINERS
release "a suite that never ran" 1 "missing: the suite mutants has no result" \
	rm "$work/release-cache/logs/mutants.totals"
release "a suite that failed" 1 "missing: the suite coverage has 2 failures" \
	sh -c "echo 3 2 0 >'$work/release-cache/logs/coverage.totals'"
release "a suite that ran before the commit" 1 "missing: the suite machine ran before the last commit" \
	touch -d 2001-01-01 "$work/release-cache/logs/machine.totals"
release "a new version everywhere but in the changelogs" 1 "missing: debian/changelog has version .* VERSION has 9.9" \
	commit scripts/version 9.9
