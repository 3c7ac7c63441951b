#!/usr/bin/awk -f
# SPDX-License-Identifier: Apache-2.0
# Sums the results of `swift test` and pytest in the output of `make test`; prints one line,
# N passed, N failed, and exits with 1 when a test failed or when either ran no test.

function number(pattern,    found) {
    if (!match($0, pattern)) return 0
    found = substr($0, RSTART, RLENGTH)
    match(found, /[0-9]+/)
    return substr(found, RSTART, RLENGTH) + 0
}

{ gsub(/\033\[[0-9;]*m/, "") }

/Test run with [0-9]+ tests?.* (passed|failed) after/ { swift_total += number("with [0-9]+ test") }
/ Test .* failed after [0-9.]+ seconds/ && !/Test run with/ { swift_failed++ }
/ Test .* skipped/ && !/Test run with/ { swift_skipped++ }
/[0-9]+ (passed|failed|skipped|errors?|warnings?|deselected) in [0-9.]+s/ {
    python_passed = number("[0-9]+ passed")
    python_failed = number("[0-9]+ failed") + number("[0-9]+ error")
}

END {
    swift_passed = swift_total - swift_failed - swift_skipped
    if (swift_passed < 0) swift_passed = 0
    failed = swift_failed + python_failed
    if (swift_passed + swift_failed == 0) { print "The Swift tests did not run."; failed++ }
    if (python_passed + python_failed == 0) { print "The end-to-end tests did not run."; failed++ }
    printf "%d passed, %d failed\n", swift_passed + python_passed, failed
    exit failed > 0
}
