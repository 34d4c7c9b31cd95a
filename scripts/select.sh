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

# check_tests NAME,NAME...: each is a suite, or the third ending: for another name a guest
# would run nothing, and find nothing wrong.
check_tests() {
	local name names

	names=$(suite_names)
	for name in ${1//,/ }; do
		grep -qxF "$name" <<<"$names" ||
			die "TESTS=$name is no suite; there are: $(paste -sd' ' <<<"$names")"
	done
}

# The cases of the KUnit suites: suite, case.
case_names() {
	# shellcheck disable=SC2016 # a backquote of the table
	"$TOP/scripts/kunit-table" | sed -n 's/^| \(mmun_[a-z]*\) | `\([^`]*\)`.*/\1 \2/p'
}

# check_cases SUITE CASE: the two globs match a case, or the third ending
check_cases() {
	local suite case names

	need python3:python3
	names=$(case_names)
	while read -r suite case; do
		# shellcheck disable=SC2053 # globs
		[[ $suite != ${1:-*} ]] || [[ $case != ${2:-*} ]] || return 0
	done <<<"$names"
	die "no KUnit case matches SUITE=${1:-*} CASE=${2:-*}; kunit/README.md lists them."
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
