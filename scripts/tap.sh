# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Judge framed TAP. The frames are "@mmun begin NAME", "@mmun end NAME CODE
# SECONDS", and, once for a stream, "@mmun up" and "@mmun success|failure".
# A planned test that did not report is a failure, as are a suite without tests
# and an exit code that no failed test explains.

tap_line() {
	local failures=$((bad + lost)) note=

	[ "$lost" = 0 ] || note=", $lost lost"
	printf '%-6s %-18s %3d passed, %d failed, %d skipped%s%s\n' "$label" "$suite" \
		"$good" "$failures" "$skipped" "${note}" "${1:+, $1 s}"
	[ $failures = 0 ] || printf '%s' "$report"
	passed=$((passed + good))
	failed=$((failed + failures))
	skips=$((skips + skipped))
	suite=
}

# A failed test that no line of the stream names.
tap_fault() {
	bad=$((bad + 1))
	report+="       $1"$'\n'
}

# tap_end CODE [SECONDS]; CODE is empty if the suite never ended
tap_end() {
	local seen=$((good + bad + skipped))

	if [ -n "$plan" ] && [ "$seen" -lt "$plan" ]; then
		lost=$((plan - seen))
		report+="$notes       $lost of $plan planned tests did not report"$'\n'
	elif [ -n "$plan" ] && [ "$seen" -gt "$plan" ]; then
		tap_fault "$seen tests reported, $plan planned"
	fi
	if [ -z "$1" ]; then
		[ $((bad + lost)) -gt 0 ] || tap_fault "$notes       the suite never ended"
	elif [ "$seen" = 0 ] && [ "$lost" = 0 ]; then
		tap_fault "$notes       no test reported (exit code $1)"
	elif [ "$1" != 0 ] && [ $((bad + lost)) = 0 ]; then
		tap_fault "$notes       exit code $1, though no test failed"
	elif [ -z "$plan" ]; then
		tap_fault "no plan (1..N): a test may be missing"
	fi
	tap_line "${2:-}"
}

# tap_read LABEL STATE [RAW]: judge stdin; leave the totals and what was seen in
# the file STATE. RAW shows the suites' own lines, and nothing else.
tap_read() {
	local label=$1 state=$2 raw=${3:-} line word
	local suite='' plan good bad skipped lost report notes
	local passed=0 failed=0 skips=0 up=0 success=0

	while IFS= read -r line || [ -n "$line" ]; do
		line=${line%$'\r'}
		[ -z "${V:-}" ] || [ -n "$raw" ] || printf '    | %s\n' "$line"
		case $line in
		"@mmun begin "*)
			suite=${line#@mmun begin }
			plan='' good=0 bad=0 skipped=0 lost=0 report='' notes=''
			continue
			;;
		"@mmun end "*)
			[ -n "$suite" ] || continue
			read -r _ _ _ code seconds <<<"$line"
			if [ -z "$raw" ]; then
				tap_end "$code" "$seconds"
			elif [ "$code" != 0 ]; then
				failed=$((failed + 1))
			fi
			suite=
			continue
			;;
		"@mmun up") up=1; continue ;;
		"@mmun success") success=1; continue ;;
		"@mmun failure") continue ;;
		esac
		[ -n "$suite" ] || continue
		if [ -n "$raw" ]; then
			[ "$suite" = cleanup ] || [ -z "$line" ] || printf '%s\n' "$line"
			continue
		fi
		case $line in
		"ok "*"# SKIP"* | "ok "*"# skip"*) skipped=$((skipped + 1)); notes= ;;
		"ok "*) good=$((good + 1)); notes= ;;
		"not ok "*)
			bad=$((bad + 1))
			report+="$notes       $line"$'\n'
			notes=
			;;
		1..*)
			word=${line#1..}
			word=${word%% *}
			[[ $word =~ ^[0-9]+$ ]] && plan=$word
			;;
		"Bail out!"*) tap_fault "$line" ;;
		"# "*RUN* | "# "*"  OK "* | "# Starting"* | "# PASSED"* | "# FAILED"* | "# Totals"* | "TAP version"* | "KTAP version"* | "") ;;
		*) notes+="         $line"$'\n' ;;
		esac
	done
	if [ -n "$suite" ] && [ -n "$raw" ]; then
		failed=$((failed + 1))
	elif [ -n "$suite" ]; then
		tap_end ''
	fi
	echo "$passed $failed $skips $up $success" >"$state"
}
