"""Loads: programs on the other core that ask a proxy for a known amount of work."""

import json
import os
import re
import subprocess
import time

from . import tools
from .material import NAME
from .proc import CpuMark
from .programs import LOAD_CORE, Failed, Program

DEADLINE_S = 120


class Result:
    """What was done between two marks, and the CPU time that it took whom."""

    def __init__(self, done, failed, seconds, proxy_cpu, client_cpu, origin_cpu, told=None):
        self.done = done
        self.failed = failed
        self.seconds = seconds
        self.proxy_cpu = proxy_cpu
        self.shares = {
            "proxy": proxy_cpu / seconds,
            "client": client_cpu / seconds,
            "origin": origin_cpu / seconds,
        }
        self.told = told or {}

    @property
    def us_each(self):
        return self.proxy_cpu * 1e6 / max(self.done, 1)

    @property
    def seconds_a_gb(self):
        return self.proxy_cpu * 1e9 / max(self.told.get("bytes", 0), 1)


class Marks:
    """CPU of proxy, client and origin from here on."""

    def __init__(self, proxy, origin, client):
        self.roots = (proxy.program.pid, client.pid, origin.program.pid)
        self.began = time.monotonic()
        self.first = [CpuMark(root) for root in self.roots]

    def used(self):
        now = [CpuMark(root) for root in self.roots]
        seconds = time.monotonic() - self.began
        return seconds, [b.seconds_since(a) for a, b in zip(self.first, now, strict=True)]


def client_program(port, directory, mode, *options, tls=True, name=NAME, cores=(LOAD_CORE,)):
    words = [tools.path("client"), mode, "--port", port, "--name", name, *options]
    if tls:
        words.append("--tls")
    return Program(words, directory / "client.log", cores=cores, pipe=True)


def client(proxy, origin, directory, mode, *options, **more):
    """One run of perf/tools/client. It says `warm` when what counts begins."""
    program = client_program(proxy.port, directory, mode, *options, **more)
    try:
        marks = Marks(proxy, origin, program)
        line = program.read_line()
        if line == "warm":
            marks = Marks(proxy, origin, program)
            line = program.read_line()
        seconds, (proxy_cpu, _, origin_cpu) = marks.used()
        told = json.loads(line)
    finally:
        program.stop()
    return Result(
        told["done"], told["failed"], seconds, proxy_cpu, told["cpu_seconds"], origin_cpu, told
    )


def told_by(program):
    """What a client that is left alone says at its end."""
    try:
        return json.loads(program.read_line())
    finally:
        program.stop()


def h2load_words(port, options, path="/bytes/1000"):
    return ["h2load", *options, f"--connect-to=127.0.0.1:{port}", f"https://{NAME}{path}"]


def h2load(proxy, origin, directory, count, clients, streams, path="/bytes/1000"):
    words = h2load_words(proxy.port, ("-n", count, "-c", clients, "-m", streams), path)
    command = ["taskset", "-c", LOAD_CORE, *words]
    return measured(proxy, origin, command, r"(\d+) succeeded, (\d+) failed, (\d+) errored")


def measured(proxy, origin, command, pattern):
    """A load program that tells in its own words how much it did."""
    first = CpuMark(proxy.program.pid), CpuMark(origin.program.pid)
    began, children = time.monotonic(), os.times()
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True, text=True, check=False, timeout=DEADLINE_S,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{command[3]} did not end in {DEADLINE_S:g} s") from error
    seconds, after = time.monotonic() - began, os.times()
    used = [
        CpuMark(part.program.pid).seconds_since(mark)
        for part, mark in zip((proxy, origin), first, strict=True)
    ]
    found = re.search(pattern, done.stdout)
    if done.returncode != 0 or not found:
        raise Failed(f"{command[3]}: {done.stdout[-500:]}{done.stderr[-500:]}")
    failed = sum(int(n) for n in found.groups()[1:])
    for other in re.findall(r"Non-2xx or 3xx responses: (\d+)", done.stdout):
        failed += int(other)
    cpu = after.children_user + after.children_system
    cpu -= children.children_user + children.children_system
    return Result(int(found[1]), failed, seconds, used[0], cpu, used[1])
