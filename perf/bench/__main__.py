"""make perf: runs the scenarios and writes the results.

  python3 -m bench [--scenario KEY...] [--peer NAME...] [--rounds N] [--seconds S]
                   [--against BINARY] [--output DIR] [--note TEXT] [--readme] [--list]

A scenario's key may be cut short: `handshake` is three of them. Results of a whole run go to
perf/results, those of a part to build/perf/results, unless --output says otherwise.
"""

import argparse
import os
import pathlib
import shutil
import signal
import sys
import time

from . import ROOT, chart, programs, report
from .peers import all_peers
from .runner import Bench
from .scenarios import GROUPS, all_scenarios

TOOLS = {"h2load": "apt-get install nghttp2-client"}


def options_of(words):
    parser = argparse.ArgumentParser(prog="make perf", description="gatehouse beside its peers")
    parser.add_argument("--scenario", nargs="*", default=[])
    parser.add_argument("--peer", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of work, about, a round")
    parser.add_argument("--against", metavar="BINARY", help="another gatehouse, as a peer")
    parser.add_argument("--note", default="", help="a line for the head of the results")
    parser.add_argument("--output", type=pathlib.Path)
    parser.add_argument("--readme", action="store_true", help="puts the table into README.md")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args(words)


def chosen(things, wanted, name_of):
    if not wanted:
        return things
    for word in wanted:
        if not any(name_of(thing).startswith(word) for thing in things):
            sys.exit(f"{word}: there is none; there are {', '.join(map(name_of, things))}")
    return [thing for thing in things if any(name_of(thing).startswith(w) for w in wanted)]


def peers_there(options):
    found = []
    for peer in chosen(all_peers(options.against), options.peer, lambda p: p.name):
        if peer.is_there():
            found.append(peer)
        else:
            print(f"{peer.name} is missing, no row of it: {peer.how_to_install()}", file=sys.stderr)
    return found


def scenarios_there(options):
    found = []
    for scenario in chosen(all_scenarios(), options.scenario, lambda s: s.key):
        if scenario.tool is None or shutil.which(scenario.tool):
            found.append(scenario)
        else:
            print(f"{scenario.tool} is missing, no {scenario.key}: {TOOLS[scenario.tool]}",
                  file=sys.stderr)  # fmt: skip
    return found


def write_readme(table):
    """The table of a run for record, between its two marks."""
    path = ROOT / "README.md"
    before, begin, rest = path.read_text(encoding="utf-8").partition("<!-- perf -->\n")
    _, end, after = rest.partition("<!-- /perf -->\n")
    if not begin or not end:
        sys.exit("README.md has no marks for the table")
    path.write_text(f"{before}{begin}{table}{end}{after}", encoding="utf-8")


def write(directory, bench, outcomes, note):
    directory.mkdir(parents=True, exist_ok=True)
    head = report.header(bench, note)
    for group, title in GROUPS.items():
        mine = [o for o in outcomes if o.scenario.group == group]
        if mine:
            text = head + "".join("\n" + report.table(o) for o in mine)
            (directory / f"{group}.txt").write_text(text)
            (directory / f"{group}.svg").write_text(chart.draw(title, mine))
    table = report.summary(outcomes, bench.peers)
    (directory / "summary.md").write_text(table)
    return table


def main(words=None):
    options = options_of(words)
    scenarios = scenarios_there(options)
    if options.list:
        for scenario in scenarios:
            print(f"{scenario.key:20} {scenario.title}")
        return 0
    peers = peers_there(options)
    if not peers or not scenarios:
        sys.exit("nothing to measure")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if programs.LOAD_CORE == programs.PROXY_CORE:
        print("one core only: proxy, load and origin share it", file=sys.stderr)
    os.sched_setaffinity(0, {programs.LOAD_CORE})  # the proxy's core is the proxy's alone
    bench = Bench(peers, options.rounds, options.seconds)
    print(report.header(bench, options.note), flush=True)
    is_whole = not options.scenario and not options.peer and not options.against
    output = options.output or ROOT / ("perf/results" if is_whole else "build/perf/results")
    outcomes = []
    try:
        for scenario in scenarios:
            began = time.monotonic()
            outcomes.append(bench.run(scenario))
            print(report.table(outcomes[-1]), end="")
            print(f"  in {time.monotonic() - began:.0f} s\n", flush=True)
        table = write(output, bench, outcomes, options.note)
    finally:
        bench.close()
    if options.readme:
        write_readme(table)
    print(f"written to {os.path.relpath(output)}")
    own = [row for o in outcomes for row in o.rows if row.peer.name.startswith("gatehouse")]
    return 1 if any(row.failure or row.failed for row in own) else 0


if __name__ == "__main__":
    sys.exit(main())
