#!/bin/bash
# The measurements there are so far: counts of a warm request. What is missing is installed with
# `apt-get install strace valgrind`; perf/counts.py skips by name what it cannot measure.
set -eu
cd "$(dirname "$0")/.."
exec /usr/bin/python3 perf/counts.py "$@"
