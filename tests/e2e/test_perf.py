"""The harness of `make perf` measures what it says: its arithmetic, what it reads from the kernel,
its pictures, and one short run of it, so that it cannot rot between two measurements."""

import os
import pathlib
import subprocess
import sys
import time
import types
from xml.etree import ElementTree

import pytest

from support.gateway import BINARY, IS_SANITIZED, ROOT

sys.path.insert(0, str(ROOT / "perf"))

from bench import chart, load, numbers, proc, report, runner, tools  # noqa: E402
from bench.__main__ import main  # noqa: E402
from bench.peers import all_peers  # noqa: E402
from bench.peers.base import Peer  # noqa: E402
from bench.programs import Failed  # noqa: E402
from bench.scenarios import GROUPS, all_scenarios, hosts  # noqa: E402
from bench.scenarios.base import Figure, Sample, Scenario  # noqa: E402

TOOLS = pathlib.Path(BINARY).parent / "perf"


def test_spread_is_median_and_range():
    spread = numbers.Spread([3.0, 1.0, 2.0, 10.0])
    assert (spread.median, spread.low, spread.high) == (2.5, 1.0, 10.0)


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [([2.0], [3.0], 1.5), ([0], [3.0], None), ([2.0], None, None), (None, [3.0], None)],
)
def test_ratio_is_of_medians(own, other, expected):
    own, other = (numbers.Spread(v) if v else None for v in (own, other))
    assert numbers.ratio(other, own) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (0.614, "0.61"), (12.04, "12.0"), (12, "12"), (261.4, "261"),
     (12345.6, "12,346")],
)  # fmt: skip
def test_three_digits_that_matter(value, text):
    assert numbers.text_of(value) == text


def test_stat_line_with_a_name_that_looks_like_fields():
    line = "7 (a) R 1 (b) S 42 7 7 0 -1 4194560 1 2 3 4 110 23 5 6 20 0 3 0 99 1 2"
    assert proc.parse_stat(line) == (42, 133, 11)


def test_sizes_of_a_rollup():
    text = "55d0-7ffc ---p 0 00:00 0 [rollup]\nRss:   900 kB\nPss:   512 kB\nVmFlags: x y\n"
    assert proc.parse_sizes(text) == {"Rss": 900, "Pss": 512}


def test_cpu_of_the_whole_tree_counts():
    burn = "import time\nend = time.process_time() + 0.2\nwhile time.process_time() < end: pass\n"
    script = f"import subprocess, sys\nprint(1, flush=True)\ninput()\n{burn}"
    script += f"subprocess.run([sys.executable, '-c', {burn!r}])\nprint(2, flush=True)\ninput()\n"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        before = proc.CpuMark(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        process.stdout.readline()
        used = proc.CpuMark(process.pid).seconds_since(before)
        process.stdin.write("\n")
    # Its own fifth of a second and that of its child, which has ended: ticks of ten milliseconds.
    assert used >= 0.38, used
    assert proc.memory_kib(os.getpid()) > 1000
    assert os.getpid() in proc.descendants(os.getppid())


def peer(name):
    return types.SimpleNamespace(name=name)


def outcome_of(failed=0, **values):
    figure = Figure("cost", "cost", "µs", 12.0)
    scenario = types.SimpleNamespace(
        key="x", group="requests", title="a < b & c", figures=(figure,), goal_note=""
    )
    rows = []
    for name, figures in values.items():
        rows.append(runner.Row(peer(name)))
        rows[-1].samples = [Sample({"cost": value}, failed) for value in figures]
    return runner.Outcome(scenario, rows)


def test_table_has_ratios_spread_failures_and_verdict():
    outcome = outcome_of(gatehouse=[10.0, 11.0, 12.5], nginx=[22.0, 22.0, 23.0], hitch=[])
    outcome.rows[2].failure = "ended with status 1"
    text = report.table(outcome)
    assert "11 (10 to 12.5)" in text
    assert "22 (22 to 23) ×2.00" in text
    assert "hitch: ended with status 1" in text
    assert "goal ≤ 12 µs: met (11)" in text
    row = report.summary([outcome], [peer("gatehouse"), peer("nginx"), peer("hitch")])
    assert "| x | µs | 11 | 22 | failed | ≤ 12 | nginx ×2.00 |" in row


def test_failures_are_told_in_the_table_of_all_and_best_nobody():
    outcome = outcome_of(failed=2, gatehouse=[10.0, 11.0], nginx=[22.0])
    assert outcome.rows[0].failed == 4
    row = report.summary([outcome], [peer("gatehouse"), peer("nginx"), peer("h2o")])
    assert "| x | µs | 10.5 (4 failed) | 22 (2 failed) | – | ≤ 12 | – |" in row


def test_failures_of_the_run_that_tells_the_pace_count():
    scenario = Scenario()
    runs = [types.SimpleNamespace(done=10, failed=3, seconds=0.1) for _ in range(2)]
    bench = types.SimpleNamespace(seconds=1)
    assert scenario.paced(bench, peer("nginx"), lambda count: runs.pop(), 0.01).failed == 6


def test_load_that_ends_too_late_or_too_early_is_a_failure(tmp_path, monkeypatch):
    part = types.SimpleNamespace(program=types.SimpleNamespace(pid=os.getpid()))
    monkeypatch.setattr(load, "DEADLINE_S", 0.1)
    with pytest.raises(Failed):
        load.measured(part, part, ["taskset", "-c", "0", "sleep", "9"], "(.)")
    monkeypatch.setattr(tools, "path", lambda name: "false")
    pressure = hosts.Pressure(types.SimpleNamespace(port=1), tmp_path, "a.example.com")
    with pytest.raises(Failed):
        pressure.stop()


def test_without_a_peer_there_is_nothing_to_measure(monkeypatch, capsys):
    monkeypatch.setattr(Peer, "is_there", lambda self: False)
    with pytest.raises(SystemExit) as end:
        main(["--peer", "nginx"])
    assert end.value.code != 0
    assert "apt-get install nginx" in capsys.readouterr().err


def test_picture_is_well_formed():
    outcome = outcome_of(gatehouse=[10.0, 11.0], null=[9.0], nginx=[22.0])
    root = ElementTree.fromstring(chart.draw("Small & simple", [outcome]))
    bars = [e for e in root.iter("{http://www.w3.org/2000/svg}rect") if e.get("class") != "paper"]
    assert [bar.get("class") for bar in bars] == ["own", "floor", "peer"]
    assert all(float(bar.get("width")) > 0 for bar in bars)
    assert 0 < float(bars[0].get("width")) < float(bars[2].get("width"))


def test_scenarios_can_be_run_by_gatehouse_and_have_a_group():
    gatehouse = all_peers()[0]
    scenarios = all_scenarios()
    assert len({s.key for s in scenarios}) == len(scenarios)
    for scenario in scenarios:
        assert scenario.group in GROUPS, scenario.key
        assert scenario.is_for(gatehouse), scenario.key


@pytest.mark.skipif(IS_SANITIZED, reason="the figures of a sanitizer's build say nothing")
@pytest.mark.skipif(
    not all((TOOLS / tool).exists() for tool in ("client", "origin", "null_proxy")),
    reason="perf/tools are not built: make perf-tools",
)
def test_short_run(tmp_path):
    words = ["--scenario", "h1-plain", "passthrough-connect", "--peer", "gatehouse", "null"]
    words += ["--rounds", "1", "--seconds", "0.02", "--output", str(tmp_path)]
    began = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "bench", *words],
        cwd=ROOT / "perf", capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "GATEHOUSE_BIN": os.path.abspath(BINARY),
             "PERF_TOOLS": str(TOOLS.resolve())},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    print(f"{time.monotonic() - began:.1f} s")
    for group in ("requests", "connections"):
        text = (tmp_path / f"{group}.txt").read_text()
        assert "gatehouse, no access log" in text and "null" in text, text
        ElementTree.fromstring((tmp_path / f"{group}.svg").read_text())
    assert "| h1-plain | µs |" in (tmp_path / "summary.md").read_text()
