# SPDX-License-Identifier: GPL-2.0-only
#
# The TAP of one program becomes one subtest of a tree, which is KTAP (see
# Documentation/dev-tools/ktap.rst of the kernel): -v name=NAME -v number=N. The runner
# sends one more line when the program has ended, "# exit code N, S s"; the result of the
# subtest follows it. The exit code is 1 if that result is "not ok".
#
# The parser of KTAP takes lines by their form, whatever their indentation is. So a line
# that looks like a part of the tree and is none becomes a comment here: a second plan,
# a plan after the first result, a result that was not planned, a tree inside of a message.

function put(line)
{
	print "  " line
	fflush()
}

BEGIN {
	plan = -1
	put("KTAP version 1")
	put("# Subtest: " name)
}

{ sub(/\r$/, "") }

/^K?TAP version / || /^$/ { next }

/^# exit code [0-9]+, [0-9]+ s$/ {
	code = $4 + 0
	if (plan >= 0 && seen > plan)
		put("# " seen " tests reported, " plan " planned")
	put($0)
	ended = 1
	exit
}

/^1\.\.[0-9]/ {
	if (plan < 0 && !seen) {
		plan = substr($1, 4) + 0
		put($0)
	} else {
		put("# plan: " $0)
	}
	next
}

/^(not )?ok [0-9]/ {
	if (++seen > plan && plan >= 0) {
		put("# not planned: " $0)
		next
	}
	# A name that has a number sign would hide the result from the parser.
	at = index($0, " # ")
	text = at ? substr($0, 1, at - 1) : $0
	more = at ? substr($0, at) : ""
	gsub(/#/, "_", text)
	if (text ~ /^(not )?ok [0-9]+$/)
		text = text " unnamed"
	# The parser takes a result of the subtest's own name for the end of it.
	if (substr(text, index(text, $(/^not/ ? 3 : 2)) + length($(/^not/ ? 3 : 2)) + 1) == name)
		text = text " itself"
	sub(/^ # skip/, " # SKIP", more)
	# A failure that says it was skipped is a failure.
	if (/^not ok/)
		sub(/^ # SKIP/, " # not skipped:", more)
	put(text more)
	next
}

/^Bail out!/ {
	bail = 1
	put("# " $0)
	next
}

/^[ \t]+(ok|not ok) [0-9]/ || /^[ \t]+1\.\.[0-9]/ || /^[ \t]*K?TAP version / || /^[ \t]*# Subtest: / {
	put("# " $0)
	next
}

{ put($0) }

END {
	bad = !ended || code || bail || (plan >= 0 && seen > plan)
	print (bad ? "not ok " : "ok ") number " " name
	exit bad
}
