#!/usr/bin/python3
"""Counts of warm traffic: system calls, allocations, instructions.

Counts repeat where times do not. One worker; two runs that differ only in how much was asked for are
subtracted, so start-up, handshakes and shutdown cancel out.

  http1        a GET of a small body, HTTP/1.1 over TLS, 8 keep-alive connections, to a plain origin
  http2        the same over HTTP/2, one connection, 10 streams at once
  passthrough  a GiB from an upstream to a client of a TLS PASSTHROUGH server

  perf/counts.py [SCENARIO...]   prints the figures
  perf/counts.py --write         also writes them to perf/counts.txt
  perf/counts.py --check         fails when a count is above that file's

System calls need strace; allocations and instructions need valgrind; http2 needs h2load. What is
missing is skipped by name.
"""

import argparse
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
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

NAME = "a.example.com"
GIB = 1 << 30


def small(origin, stream):
    while stream.read_request() is not None:
        stream.answer(200, [("content-type", "text/plain")], b"x" * 1000)


class Http1:
    """Requests over 8 keep-alive connections, each one after the other."""

    title = "HTTP/1.1 over TLS to plain HTTP/1.1, GET, 1,000 bytes, 8 connections, 1 worker"
    unit = "a request"
    amounts = (400, 2400)  # for valgrind
    amount = 10000  # for strace
    tool = None

    def __init__(self):
        self.clients = []

    def open_origin(self):
        self.origin = Origin(behaviour=small)
        return self.origin.port

    def objects(self, port):
        return objects.documents(
            objects.gateway("gw", objects.https_server(NAME, credential="a-cert")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", port),
        )

    def warm(self, port):
        self.clients = [
            raw.Client(port, tls=raw.tls_context(), server_name=NAME, timeout=600)
            for _ in range(8)
        ]
        self.drive(port, 400)

    def drive(self, port, amount):
        def run(client):
            for _ in range(amount // len(self.clients)):
                answer = client.request("/some/path?x=1")
                assert answer.status == 200, answer

        threads = [threading.Thread(target=run, args=(c,)) for c in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self):
        for client in self.clients:
            client.close()

    def close_origin(self):
        self.origin.close()


class Http2(Http1):
    """h2load brings its own connection each time; the subtraction takes it out again."""

    title = "HTTP/2 over TLS to plain HTTP/1.1, GET, 1,000 bytes, 1 connection of 10 streams, 1 worker"
    tool = "h2load"

    def warm(self, port):
        self.drive(port, 400)

    def drive(self, port, amount):
        done = subprocess.run(
            ["h2load", "-n", str(amount), "-c", "1", "-m", "10",
             f"--connect-to=127.0.0.1:{port}", f"https://{NAME}/some/path?x=1"],
            capture_output=True, text=True, check=True, timeout=600,
        )  # fmt: skip
        assert f"{amount} succeeded, 0 failed" in done.stdout, done.stdout


class Passthrough(Http1):
    """What follows the ClientHello is opaque to the gateway, so it is plain bytes here."""

    title = "TLS passthrough, one upstream to one client, 1 worker"
    unit = "a GiB"
    amounts = (GIB // 64, GIB // 16)
    amount = GIB

    def open_origin(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()
        return self.listener.getsockname()[1]

    def serve(self):
        block = b"x" * (1 << 20)
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            with stream:
                stream.recv(65536)
                left = self.current
                while left > 0:
                    stream.sendall(block[: min(left, len(block))])
                    left -= len(block)

    def objects(self, port):
        server = {
            "port": {"number": 443, "name": "tls", "protocol": "TLS"},
            "hosts": [NAME],
            "tls": {"mode": "PASSTHROUGH"},
        }
        rule = {
            "match": [{"sniHosts": [NAME]}],
            "route": [{"destination": {"host": "origin.test"}}],
        }
        return objects.documents(
            objects.gateway("gw", server),
            objects.virtual_service("vs", hosts=[NAME], tls=[rule]),
            objects.service_entry(
                "origin.test", port, ports=[{"number": 80, "name": "http", "protocol": "TCP"}]
            ),
        )

    def warm(self, port):
        self.drive(port, 1 << 20)

    def drive(self, port, amount):
        self.current = amount
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=NAME)
        try:
            hello.do_handshake()
        except ssl.SSLWantReadError:
            pass
        space = bytearray(1 << 20)
        with socket.create_connection(("127.0.0.1", port)) as stream:
            stream.sendall(outgoing.read())
            got = 0
            while count := stream.recv_into(space):
                got += count
        assert got == amount, (got, amount)

    def close_origin(self):
        self.listener.close()


SCENARIOS = {"http1": Http1, "http2": Http2, "passthrough": Passthrough}


class Run:
    """One gateway under a tool."""

    def __init__(self, scenario, directory, prefix=()):
        self.scenario = scenario
        self.gateway = Gateway(directory, ("--workers", "1", "--log-level", "warn"))
        write_secret(self.gateway.secrets / "a-cert", Authority().issue(NAME))
        self.gateway.write("all.yaml", scenario.objects(scenario.open_origin()))
        plain_command = self.gateway.command
        self.gateway.command = lambda: [*prefix, *plain_command()]
        gateway_module.START_DEADLINE_S = 120.0
        self.gateway.start()
        self.port = self.gateway.port(443)

    def stop(self):
        self.scenario.close()
        wait.until(lambda: self.gateway.metric("gatehouse_connections") == 0, "no client", 60)
        self.gateway.process.send_signal(signal.SIGTERM)
        self.gateway.process.wait(120)
        self.scenario.close_origin()


def count_system_calls(scenario):
    with tempfile.TemporaryDirectory() as directory:
        run = Run(scenario, directory)
        scenario.warm(run.port)
        out = os.path.join(directory, "strace.txt")
        tool = subprocess.Popen(
            ["strace", "-c", "-f", "-o", out, "-p", str(run.gateway.process.pid)],
            stderr=subprocess.PIPE,
        )
        line = tool.stderr.readline()
        assert b"attached" in line, line
        scenario.drive(run.port, scenario.amount)
        tool.send_signal(signal.SIGINT)
        tool.wait(60)
        run.stop()
        share = scenario.amount / (GIB if scenario.unit == "a GiB" else 1)
        calls = {}
        for line in open(out, encoding="ascii", errors="replace"):
            found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)\s*$", line)
            if found and found[2] != "total":
                calls[found[2]] = int(found[1]) / share
        return calls


def valgrind_total(scenario, tool, pattern, amount):
    with tempfile.TemporaryDirectory() as directory:
        out = os.path.join(directory, "valgrind.txt")
        options = ["--callgrind-out-file=/dev/null"] if tool == "callgrind" else []
        run = Run(
            scenario, directory, ["valgrind", f"--tool={tool}", f"--log-file={out}", *options]
        )
        scenario.warm(run.port)
        scenario.drive(run.port, amount)
        run.stop()
        text = open(out, encoding="ascii", errors="replace").read()
        return int(re.search(pattern, text)[1].replace(",", ""))


def difference(scenario, tool, pattern):
    few, many = scenario.amounts
    low = valgrind_total(scenario, tool, pattern, few)
    high = valgrind_total(scenario, tool, pattern, many)
    share = (many - few) / (GIB if scenario.unit == "a GiB" else 1)
    return (high - low) / share


GROUPS = {
    "read calls": ("read", "recvfrom", "recvmsg", "readv"),
    "write calls": ("write", "sendto", "sendmsg", "writev"),
    "splice": ("splice",),
    "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "epoll_ctl": ("epoll_ctl",),
    "clock, timers": ("clock_gettime", "gettimeofday", "timerfd_settime"),
    "setsockopt, fcntl": ("setsockopt", "getsockopt", "fcntl"),
    "futex": ("futex",),
    "memory": ("brk", "mmap", "munmap", "madvise"),
}


def measure(scenario):
    rows = []
    if shutil.which("strace"):
        calls = count_system_calls(scenario)
        known = set()
        for name, members in GROUPS.items():
            known.update(members)
            rows.append((name, sum(calls.get(m, 0) for m in members)))
        rows.append(("other calls", sum(v for k, v in calls.items() if k not in known)))
    else:
        print("strace is not installed: no system calls", file=sys.stderr)
    if shutil.which("valgrind"):
        for name, tool, pattern in (
            ("allocations", "memcheck", r"total heap usage: ([\d,]+) allocs"),
            ("instructions", "callgrind", r"Collected : ([\d,]+)"),
        ):
            rows.append((name, difference(scenario, tool, pattern)))
    else:
        print("valgrind is not installed: no allocations, no instructions", file=sys.stderr)
    return rows


def read_figures(path):
    """{(scenario, name): figure} of a file of figures."""
    figures, scenario = {}, None
    for line in path.read_text().splitlines() if path.exists() else ():
        if title := re.match(r"(\w+): ", line):
            scenario = title[1]
        elif row := re.match(r"(.{20}) +([\d.]+) a \w+$", line):
            figures[scenario, row[1].strip()] = float(row[2])
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("scenario", nargs="*", choices=[[], *SCENARIOS], default=[])
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    version = subprocess.run(
        [gateway_module.BINARY, "version"], capture_output=True, text=True, check=True
    ).stdout
    library = next(x for x in version.splitlines() if "BoringSSL" in x)
    text = f"made by perf/counts.py; TLS by {library.strip()}\n"
    path = ROOT / "perf/counts.txt"
    former = read_figures(path)
    failed = False
    print(text, end="")
    for key in options.scenario or SCENARIOS:
        scenario = SCENARIOS[key]()
        if scenario.tool is not None and shutil.which(scenario.tool) is None:
            print(f"{scenario.tool} is not installed: no {key}", file=sys.stderr)
            continue
        part = f"\n{key}: {scenario.title}\n"
        for name, value in measure(scenario):
            part += f"{name:20} {value:14.3f} {scenario.unit}\n"
            was = former.get((key, name))
            # A tenth of a count, or one in fifty, is how the wake-ups happen to fall; with the
            # reads of bulk, which the kernel cuts as it likes, one in five.
            share = 5 if scenario.unit == "a GiB" else 50
            if options.check and was is not None and value > was + max(0.1, was / share):
                print(f"{key}, {name}: {value:.3f}, was {was}", file=sys.stderr)
                failed = True
        print(part, end="", flush=True)
        text += part
    if options.write:
        path.write_text(text)
    sys.exit(1 if failed else 0)


main()
