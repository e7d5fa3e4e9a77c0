#!/usr/bin/python3
"""Counts of one warm HTTP/1.1-over-TLS request: system calls, allocations, instructions.

Counts repeat where times do not. One worker, keep-alive on both sides, a GET of a small body through
TLS to a plain origin. Two runs that differ only in the number of requests are subtracted, so start-up,
handshakes and shutdown cancel out.

  perf/counts.py            prints the figures
  perf/counts.py --write    also writes them to perf/counts.txt
  perf/counts.py --check    fails when a count is above that file's

System calls need strace; allocations and instructions need valgrind. What is missing is skipped by
name.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))

from support import gateway as gateway_module  # noqa: E402
from support import objects, raw, wait  # noqa: E402
from support.certificates import Authority, write_secret  # noqa: E402
from support.gateway import Gateway  # noqa: E402
from support.origin import Origin  # noqa: E402

CONNECTIONS = 8


def small(origin, stream):
    while stream.read_request() is not None:
        stream.answer(200, [("content-type", "text/plain")], b"x" * 1000)


def drive(port, requests):
    """`requests` in all over CONNECTIONS warm connections, each one after the other."""

    def run(client, count):
        for _ in range(count):
            answer = client.request("/some/path?x=1")
            assert answer.status == 200, answer

    clients = [
        raw.Client(port, tls=raw.tls_context(), server_name="a.example.com", timeout=600)
        for _ in range(CONNECTIONS)
    ]
    threads = [
        threading.Thread(target=run, args=(c, requests // CONNECTIONS)) for c in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return clients


class Run:
    """One gateway under a tool."""

    def __init__(self, directory, prefix=()):
        self.origin = Origin(behaviour=small)
        self.gateway = Gateway(directory, ("--workers", "1", "--log-level", "warn"))
        pair = Authority().issue("a.example.com")
        write_secret(self.gateway.secrets / "a-cert", pair)
        self.gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway(
                    "gw", objects.https_server("a.example.com", credential="a-cert")
                ),
                objects.virtual_service("vs", objects.route("origin.test")),
                objects.service_entry("origin.test", self.origin.port),
            ),
        )
        plain_command = self.gateway.command
        self.gateway.command = lambda: [*prefix, *plain_command()]
        gateway_module.START_DEADLINE_S = 120.0
        self.gateway.start()

    def stop(self):
        self.gateway.process.send_signal(signal.SIGTERM)
        self.gateway.process.wait(120)
        self.origin.close()


def count_system_calls(requests):
    with tempfile.TemporaryDirectory() as directory:
        run = Run(directory)
        clients = drive(run.gateway.port(443), 400)  # warm
        out = os.path.join(directory, "strace.txt")
        tool = subprocess.Popen(
            ["strace", "-c", "-f", "-o", out, "-p", str(run.gateway.process.pid)],
            stderr=subprocess.PIPE,
        )
        line = tool.stderr.readline()
        assert b"attached" in line, line
        workers = []
        for client in clients:
            thread = threading.Thread(
                target=lambda c=client: [
                    c.request("/some/path?x=1") for _ in range(requests // CONNECTIONS)
                ]
            )
            thread.start()
            workers.append(thread)
        for thread in workers:
            thread.join()
        tool.send_signal(signal.SIGINT)
        tool.wait(60)
        run.stop()
        calls = {}
        for line in open(out, encoding="ascii", errors="replace"):
            found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)\s*$", line)
            if found and found[2] != "total":
                calls[found[2]] = int(found[1]) / requests
        return calls


def valgrind_total(tool, pattern, requests):
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "valgrind.txt")
        options = ["--callgrind-out-file=/dev/null"] if tool == "callgrind" else []
        run = Run(
            directory, ["valgrind", f"--tool={tool}", f"--log-file={out}", *options]
        )
        for client in drive(run.gateway.port(443), requests):
            client.close()
        wait.until(lambda: run.gateway.metric("gatehouse_connections") == 0, "no client", 60)
        run.stop()
        text = open(out, encoding="ascii", errors="replace").read()
        return int(re.search(pattern, text)[1].replace(",", ""))


def difference(tool, pattern, few, many):
    low = valgrind_total(tool, pattern, few)
    high = valgrind_total(tool, pattern, many)
    return (high - low) / (many - few)


GROUPS = {
    "read calls": ("read", "recvfrom", "recvmsg", "readv"),
    "write calls": ("write", "sendto", "sendmsg", "writev"),
    "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "epoll_ctl": ("epoll_ctl",),
    "clock, timers": ("clock_gettime", "gettimeofday", "timerfd_settime"),
    "setsockopt, fcntl": ("setsockopt", "getsockopt", "fcntl"),
    "futex": ("futex",),
    "memory": ("brk", "mmap", "munmap", "madvise"),
}


def measure(requests):
    rows = []
    if shutil.which("strace"):
        calls = count_system_calls(requests)
        known = set()
        for name, members in GROUPS.items():
            known.update(members)
            rows.append((name, sum(calls.get(m, 0) for m in members), "a request"))
        rows.append(
            ("other calls", sum(v for k, v in calls.items() if k not in known), "a request")
        )
    else:
        print("strace is not installed: no system calls", file=sys.stderr)
    if shutil.which("valgrind"):
        rows.append(
            ("allocations", difference("memcheck", r"total heap usage: ([\d,]+) allocs", 400, 2400),
             "a request")
        )  # fmt: skip
        rows.append(
            ("instructions", difference("callgrind", r"Collected : ([\d,]+)", 400, 2400), "a request")
        )
    else:
        print("valgrind is not installed: no allocations, no instructions", file=sys.stderr)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    rows = measure(options.requests)
    version = subprocess.run(
        [gateway_module.BINARY, "version"], capture_output=True, text=True, check=True
    ).stdout
    library = next(x for x in version.splitlines() if "BoringSSL" in x)
    text = "warm HTTP/1.1 over TLS to plain HTTP/1.1, GET, 1,000 bytes, 8 connections, 1 worker\n"
    text += f"made by perf/counts.py; TLS by {library.strip()}\n\n"
    text += "".join(f"{name:20} {value:12.3f} {unit}\n" for name, value, unit in rows)
    print(text, end="")
    path = ROOT / "perf/counts.txt"
    if options.check:
        failed = False
        for line in path.read_text().splitlines():
            found = re.match(r"(.{20}) +([\d.]+) a request", line)
            if not found:
                continue
            now = dict((n, v) for n, v, _ in rows).get(found[1].strip())
            # A tenth of a count, or one in fifty, is how the wake-ups happen to fall.
            if now is not None and now > float(found[2]) + max(0.1, float(found[2]) / 50):
                print(f"{found[1].strip()}: {now:.3f}, was {found[2]}", file=sys.stderr)
                failed = True
        sys.exit(1 if failed else 0)
    if options.write:
        path.write_text(text)


main()
