#!/bin/bash
# Runs cmocka programs, shows the output of those that fail, closes with a line of counts.
#   run.sh NAME PROGRAM...
set -u
name=$1
shift
passed=0
failed=0
programs=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for program in "$@"; do
    programs=$((programs + 1))
    timeout 300 "$program" </dev/null >"$log" 2>&1
    status=$?
    ok=$(awk '/^\[  PASSED  \] [0-9]+ test/ { n += $4 } END { print n + 0 }' "$log")
    bad=$(awk '/^\[  FAILED  \] [0-9]+ test/ { n += $4 } END { print n + 0 }' "$log")
    # A crash or a sanitizer's report ends the program before it counts.
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    if [ "$status" -ne 0 ]; then
        printf '%s: exit status %d\n' "$program" "$status"
        sed 's/^/    /' "$log"
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
done

printf '%s: %d passed, %d failed (%d programs)\n' "$name" "$passed" "$failed" "$programs"
[ "$failed" -eq 0 ]
