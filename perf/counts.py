#!/usr/bin/python3
"""Counts of warm traffic: system calls, allocations, instructions.

Counts repeat where times do not. One gateway of one worker with its access log on; what is counted
lies between two moments of rest, so start-up, warming and shutdown are not in it.

  perf/counts.py [SCENARIO...]   prints the figures
  perf/counts.py --write         also writes them to perf/counts.txt
  perf/counts.py --check         fails when a count is above that file's

System calls need strace and its leave to trace; allocations and instructions need valgrind; http2
needs h2load. What is missing is skipped by name.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "perf"), str(ROOT / "tests/e2e")]

from counting import tools  # noqa: E402
from counting.scenarios import SCENARIOS, Bulk, Http2  # noqa: E402
from support import gateway as gateway_module  # noqa: E402

FIGURES = ROOT / "perf/counts.txt"

# How far a count may lie above the recorded one: a share of it, or so much where it is small. Calls
# of warm traffic repeat; how often the worker is woken, and when another thread writes the log, is
# how the moments fall.
TOLERANCE = (0.02, 0.02)
TOLERANCES = {
    "instructions": (0.03, 0),  # a library chooses its code by the processor
    "epoll_wait": (0.5, 0.5),
    "other threads": (1.0, 0.5),
}
# How many streams of a connection share a read or a write is how the moments fall, too.
SHARED_TOLERANCES = {
    "read calls": (0.15, 0),
    "write calls": (0.15, 0),
    "allocations": (0, 0.25),
    "instructions": (0.06, 0),
}
# Who is ahead, the writer or the reader, decides how the kernel cuts bulk: only a doubling says more.
# Where each byte is ciphered the instructions repeat all the same.
BULK_TOLERANCE = (1.0, 400)
SPLICE_TOLERANCE = (1.0, 3_000_000)  # instructions, all of them for calls
CIPHER_TOLERANCE = (0.05, 0)


def allowed(scenario, name, was):
    share, least = TOLERANCES.get(name, TOLERANCE)
    if scenario is Http2:
        share, least = SHARED_TOLERANCES.get(name, (share, least))
    if scenario.unit == Bulk.unit:
        share, least = BULK_TOLERANCE
        if name == "instructions":
            share, least = CIPHER_TOLERANCE if scenario.is_ciphered else SPLICE_TOLERANCE
    return was + max(was * share, least)


def read_figures(path):
    """{(scenario, name): figure} of a file of figures."""
    figures, scenario = {}, None
    for line in path.read_text().splitlines() if path.exists() else ():
        if title := re.match(r"([\w-]+): ", line):
            scenario = title[1]
        elif row := re.match(r"(.{20}) +([\d.]+) an? \w+$", line):
            figures[scenario, row[1].strip()] = float(row[2])
    return figures


def read_parts(path):
    """{scenario: its part of a file of figures}."""
    parts = path.read_text().split("\n\n")[1:] if path.exists() else []
    return {part.partition(":")[0]: part.strip("\n") for part in parts}


def headline():
    version = subprocess.run(
        [gateway_module.BINARY, "version"], capture_output=True, text=True, check=True
    ).stdout
    library = next(line for line in version.splitlines() if "BoringSSL" in line)
    return f"made by perf/counts.py; TLS by {library.strip()}"


def usable_counters(keys):
    """What can be counted here. A tool that cannot be used is named, and takes its scenarios out of
    `keys`; the rest is measured."""
    counters = []
    for what, refusal, count in (
        ("system calls", tools.strace_refusal(), tools.system_calls),
        ("allocations, no instructions", tools.callgrind_refusal(), tools.instructions),
    ):
        if refusal is None:
            counters.append(count)
        else:
            print(f"counts: no {what}: {refusal}", file=sys.stderr)
    for key in [*keys]:
        tool = SCENARIOS[key].tool
        if tool is not None and shutil.which(tool) is None:
            print(f"counts: no {key}: {tool} is not installed", file=sys.stderr)
            keys.remove(key)
    return counters


def check(figures):
    """Tells what has risen; the exit status."""
    former = read_figures(FIGURES)
    risen = compared = 0
    recorded_library = FIGURES.read_text().splitlines()[0] if FIGURES.exists() else ""
    is_comparable = recorded_library == headline()
    if not is_comparable:
        print("counts: instructions and allocations are not compared: other TLS library")
    for (key, name), value in figures.items():
        was = former.get((key, name))
        if was is None or (name in ("instructions", "allocations") and not is_comparable):
            continue
        compared += 1
        if value > allowed(SCENARIOS[key], name, was):
            risen += 1
            print(f"counts: risen: {key}, {name}: {value:.3f}, was {was:.3f}", file=sys.stderr)
    print(f"counts: {compared - risen} passed, {risen} failed")
    return 1 if risen else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], default=[])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    keys = list(options.scenario or SCENARIOS)
    counters = usable_counters(keys)
    figures, parts = {}, read_parts(FIGURES)
    print(headline())
    for key in keys:
        lines = [f"{key}: {SCENARIOS[key].title}"]
        for count in counters:
            for name, value in count(SCENARIOS[key]()):
                figures[key, name] = value
                lines.append(f"{name:20} {value:14.3f} {SCENARIOS[key].unit}")
        parts[key] = "\n".join(lines)
        print("\n" + parts[key], flush=True)
    status = check(figures) if options.check else 0
    if options.write:
        order = [parts[key] for key in SCENARIOS if key in parts]
        FIGURES.write_text("\n\n".join([headline(), *order]) + "\n")
    sys.exit(status)


main()
