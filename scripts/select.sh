# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The choice of tests: names that exist, and the tests that concern a file.

# The suites of a guest, as TESTS= names them.
suite_names() {
	local f

	for f in "$TOP"/test/programs/t_*.c "$TOP"/test/programs/*.sh; do
		f=${f##*/}
		echo "${f%.*}"
	done
	echo demo
}

# choose_tests: TESTS gets commas for spaces, because the kernel's command line, which has
# the names, ends at a space. Each name in it exists, or the third ending.
choose_tests() {
	local given=${TESTS:-}

	TESTS=$(tr -s '[:space:],' ',' <<<"$given" | sed 's/^,//; s/,$//')
	[ -n "$TESTS" ] || [ -z "$given" ] || die "TESTS=$given names no suite."
	check_tests "$TESTS"
}

# check_tests NAME,NAME...: each is a suite, or the third ending: for another name a guest
# would run nothing, and find nothing wrong.
check_tests() {
	local name names wanted

	names=$(suite_names)
	IFS=, read -ra wanted <<<"$1"
	for name in "${wanted[@]}"; do
		grep -qxF "$name" <<<"$names" ||
			die "TESTS=$name is no suite; there are: $(paste -sd' ' <<<"$names")"
	done
}

# The cases of the KUnit suites: suite, case, promise.
case_names() {
	"$TOP/scripts/kunit-table" | awk '
		/^## / { promise = $2 + 0 }
		/^\| mmun_[a-z]* \| `/ { gsub("`", "", $4); print $2, $4, promise }'
}

# check_cases SUITE CASE [PROMISE]: the two globs match a case, of that promise if there is
# one, or the third ending
check_cases() {
	local suite case promise names

	[[ ${3:-} =~ ^([0-9]{1,2})?$ ]] || die "PROMISE=$3 is not the number of a promise."
	need python3:python3
	names=$(case_names)
	while read -r suite case promise; do
		[ -z "${3:-}" ] || [ "$promise" = "$((10#$3))" ] || continue
		# shellcheck disable=SC2053 # globs
		[[ $suite != ${1:-*} ]] || [[ $case != ${2:-*} ]] || return 0
	done <<<"$names"
	die "no KUnit case matches SUITE=${1:-*} CASE=${2:-*}${3:+ PROMISE=$3}; kunit/README.md lists them."
}

# concerns FILE: sets TESTS, with commas, and suites, with spaces, to what scripts/concerns
# has for it; a test itself is for itself
concerns() {
	local file=${1#./} pattern tests cases

	need python3:python3
	file=${file#"$TOP/"}
	TESTS='' suites=''
	[ -e "$TOP/$file" ] || case $file in
	*/*) ;;
	*)
		# By its name alone, if there is one of that name only.
		pattern=$(cd "$TOP" && find . -name "$file" -not -path './.git/*')
		[ "$(wc -w <<<"$pattern")" != 1 ] || file=${pattern#./}
		;;
	esac
	[ -e "$TOP/$file" ] || die "FOR=$1 is no file of the tree."
	case $file in
	test/programs/t_*.c | test/programs/module.sh)
		TESTS=${file##*/}
		TESTS=${TESTS%.*}
		return
		;;
	esac
	while read -r pattern tests cases; do
		# shellcheck disable=SC2053 # a glob
		[[ $file == $pattern ]] || continue
		TESTS=${tests#-} suites=$cases
		[ "$TESTS" != all ] || TESTS=$(suite_names | paste -sd,)
		[ "$suites" != all ] || suites=$(case_names | cut -d' ' -f1 | sort -u | paste -sd' ')
		return
	done < <(grep -v '^#' "$TOP/scripts/concerns")
	die "scripts/concerns does not say which tests concern $file; TESTS= names some."
}

# check_concerns: what scripts/concerns names is there, and every source is in it
check_concerns() (
	for f in "$TOP"/*.[ch] "$TOP"/{test/driver,test/peer,test/programs,kunit,bench/module,bench/program,bench/guest,bench/qemu,tools,example}/*.[ch]; do
		f=${f#"$TOP/"}
		case $f in
		*.mod.c | test/peer/first_driver.c) continue ;;
		esac
		concerns "$f"
	done
	names=$(case_names | cut -d' ' -f1 | sort -u)
	grep -v '^#' "$TOP/scripts/concerns" | while read -r _ tests suites; do
		[ "$tests" = all ] || check_tests "${tests#-}"
		for s in $suites; do
			[ "$s" = all ] || grep -qxF "$s" <<<"$names" || die "scripts/concerns: there is no suite $s."
		done
	done
)

# check_names: the name of a test exists once, over all programs and suites
check_names() {
	local twice

	twice=$({
		sed -nE 's/^TEST\((\w+)\).*/\1/p; s/^TEST_F(_TIMEOUT)?\(\w+, (\w+).*/\2/p' "$TOP"/test/programs/t_*.[ch]
		case_names | cut -d' ' -f2
	} | sort | uniq -d | paste -sd' ')
	[ -z "$twice" ] || die "more than one test has this name: $twice"
}

# check_lengths: a source has 1,500 lines at most
check_lengths() {
	local lines file

	find "$TOP" -name '*.[ch]' ! -name '*.mod.c' -exec wc -l {} + | while read -r lines file; do
		[ "$file" = total ] || [ "$lines" -le 1500 ] || die "${file#"$TOP/"} has $lines lines."
	done
}
