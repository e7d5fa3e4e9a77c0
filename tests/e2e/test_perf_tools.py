"""The tools of the measurements measure what they say: client, origin and null proxy among
themselves, without the gateway. What fails is counted under its cause, never taken for fast."""

import json
import os
import pathlib
import socket
import subprocess
import threading

import pytest

from support.certificates import Authority
from support.gateway import BINARY

TOOLS = pathlib.Path(BINARY).parent / "perf"
NAME = "bench.example.com"

# The tools have one thread: TSan finds nothing there, and holds a signal back while they wait.
pytestmark = [
    pytest.mark.skipif(
        not all((TOOLS / tool).exists() for tool in ("client", "origin", "null_proxy")),
        reason="perf/tools are not built: make perf-tools"),
    pytest.mark.skipif("/tsan/" in BINARY, reason="the tools have one thread"),
]
# A tool gives nothing back at its end: that is no leak.
ENVIRONMENT = {
    **os.environ,
    "ASAN_OPTIONS": f"{os.environ.get('ASAN_OPTIONS', '')}:detect_leaks=0",
}


def client(mode, port, *options, status=0, **more):
    """Runs the client to its end; its JSON."""
    run = subprocess.run([TOOLS / "client", mode, "--port", str(port), "--name", NAME, *options],
                         stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, text=True,
                         env=ENVIRONMENT, **more)
    assert run.returncode == status, run.stdout
    return json.loads(run.stdout.splitlines()[-1])


class Tool:
    """A tool that prints its ports and ends at SIGTERM."""

    def __init__(self, name, *options):
        self.process = subprocess.Popen([TOOLS / name, *options], stdout=subprocess.PIPE, text=True,
                                        env=ENVIRONMENT)
        self.words = self.process.stdout.readline().split()

    def port(self, index=1):
        return int(self.words[index])

    def end(self):
        self.process.terminate()
        rest = self.process.communicate(timeout=20)[0]
        assert self.process.returncode == 0, rest
        return rest


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("perf")
    pair = Authority().issue(NAME)
    (folder / "cert.pem").write_bytes(pair.cert_pem)
    (folder / "key.pem").write_bytes(pair.key_pem)
    return ["--cert", folder / "cert.pem", "--key", folder / "key.pem"]


@pytest.fixture(scope="module")
def origin(files):
    tool = Tool("origin", *files)
    yield tool
    tool.end()


WAYS = ["plain", "tls", "null", "null-tls", "splice", "passthrough"]


@pytest.fixture(scope="module", params=WAYS)
def way(request, origin, files):
    """Port and options of the client: the origin itself, or behind the null proxy."""
    plain, secure = str(origin.port(1)), str(origin.port(3))
    tls = ["--tls"] if request.param in ("tls", "null-tls", "passthrough") else []
    proxies = {
        "null": ["--upstream", plain],
        "null-tls": ["--upstream", plain, *files],
        "splice": ["--upstream", plain, "--splice"],
        "passthrough": ["--upstream", secure, "--splice"],
    }
    if request.param not in proxies:
        yield (secure if tls else plain), tls
        return
    proxy = Tool("null_proxy", *proxies[request.param])
    yield proxy.port(), tls
    assert proxy.end().split()[2:] == ["failed", "0"]


def test_connect(way):
    port, options = way
    told = client("connect", port, "--count", "300", "--connections", "8", *options)
    assert told["done"] == 300 and told["failed"] == 0
    assert told["bytes"] == 300 * 1000 and told["opened"] == 300
    assert 0 < told["p50_us"] <= told["p99_us"] <= told["max_us"]


def test_resumed_handshakes(way):
    port, options = way
    if not options:
        pytest.skip("no TLS")
    told = client("connect", port, "--count", "200", "--connections", "4", "--resume", *options)
    # Each but the first of every slot had a ticket to offer.
    assert told["offered"] == told["resumed"] == 196
    told = client("connect", port, "--count", "100", "--warm", "4", "--connections", "4",
                  "--resume", *options)
    assert told["done"] == told["resumed"] == 100


def test_keepalive_counts_after_the_warm_ones(way):
    port, options = way
    told = client("keepalive", port, "--count", "1000", "--connections", "8", "--warm", "100",
                  "--path", "/bytes/10", *options)
    assert told["done"] == 1000 and told["bytes"] == 10000
    assert told["opened"] == 8 and told["reconnects"] == 0


def test_bulk(way):
    port, options = way
    size = 3 * 1024 * 1024 + 1
    told = client("download", port, "--count", "8", "--connections", "3", "--path",
                  f"/bytes/{size}", *options)
    assert told["bytes"] == 8 * size
    told = client("upload", port, "--count", "8", "--connections", "3", "--size", str(size),
                  *options)
    assert told["bytes"] == 8 * size


@pytest.mark.parametrize("size", [1, 64, 126, 70000, 1000000])
def test_websocket(way, size):
    port, options = way
    told = client("websocket", port, "--count", "40", "--connections", "3", "--size", str(size),
                  *options)
    assert told["done"] == 40 and told["bytes"] == 40 * size


def test_open_loop(way):
    port, options = way
    told = client("rate", port, "--rate", "500", "--seconds", "1", "--connections", "4", "--warm",
                  "100", *options)
    assert told["done"] == 400
    # The last is due 0.998 s after the start; nothing is sent before it is due.
    assert told["seconds"] > 0.79


def test_idle(way):
    port, options = way
    with subprocess.Popen([TOOLS / "client", "idle", "--port", str(port), "--connections", "600",
                           *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True, env=ENVIRONMENT) as held:
        assert held.stdout.readline() == "ready 600\n"
        told = json.loads(held.communicate(timeout=20)[0])
    assert held.returncode == 0 and told["done"] == 600 and told["opened"] == 600


class Fake:
    """Answers each connection's first bytes with `answer`, then ends it if `closes`."""

    def __init__(self, answer, closes=True):
        self.answer = answer
        self.closes = closes
        self.held = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            peer.recv(65536)
            peer.sendall(self.answer)
            if self.closes:
                peer.close()
            else:
                self.held.append(peer)


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


FAILURES = [
    ("closed", b""),
    ("truncated", b"HTTP/1.1 200 OK\r\ncontent-le"),
    ("truncated", b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nabc"),
    ("malformed", b"ICY 200 OK\r\n\r\n"),
    ("malformed", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokay"),
    ("status", b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"),
]


@pytest.mark.parametrize("cause,answer", FAILURES)
@pytest.mark.parametrize("mode", ["connect", "keepalive"])
def test_failures_are_counted(mode, cause, answer):
    told = client(mode, Fake(answer).port, "--count", "20", "--connections", "2", status=1)
    assert told["done"] == 0 and told["failed"] == 20
    assert told["failures"] == {cause: 20}


def test_failures_among_the_warm_ones_are_told():
    told = client("keepalive", Fake(b"").port, "--count", "10", "--warm", "5", status=1)
    assert told["failed"] == 15 and told["failures"] == {"closed": 10, "warm": 5}


def test_nobody_listens():
    told = client("keepalive", closed_port(), "--count", "5", status=1)
    assert told["failures"] == {"connect": 5}


def test_no_handshake():
    told = client("connect", Fake(b"HTTP/1.1 400 Bad Request\r\n\r\n").port, "--tls", "--count", "5",
                  status=1)
    assert told["failures"] == {"handshake": 5}


def test_silence_ends_the_run():
    told = client("keepalive", Fake(b"", closes=False).port, "--count", "5", "--connections", "2",
                  "--timeout", "1", status=1)
    assert told["done"] == 0 and told["failures"] == {"timeout": 5}


def test_an_upload_that_did_not_arrive_is_no_success():
    answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n3"
    told = client("upload", Fake(answer, closes=False).port, "--size", "4", "--count", "1",
                  status=1)
    assert told["failures"] == {"truncated": 1}


@pytest.mark.parametrize("frame", [b"\x81\x03abx", b"\x82\x03abc", b"\x81\x02ab", b"\x81\x03abcd"])
def test_a_wrong_echo_is_no_success(frame):
    class Upgrading(Fake):
        def run(self):
            peer = self.listener.accept()[0]
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            peer.recv(65536)
            peer.sendall(frame)

    told = client("websocket", Upgrading(b"").port, "--size", "3", "--count", "1", status=1)
    assert told["failures"] == {"malformed": 1}


def test_closing_answers_are_followed_by_new_connections():
    answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx"
    told = client("keepalive", Fake(answer).port, "--count", "10")
    assert told["done"] == 10 and told["reconnects"] == 10 and told["opened"] == 10


@pytest.mark.parametrize("arguments", [
    [], ["dance"], ["connect"], ["connect", "--port"], ["connect", "--port", "x"],
    ["connect", "--port", "0"], ["connect", "--port", "1", "--colour", "red"],
    ["rate", "--port", "1"]])
def test_bad_command_lines(arguments):
    run = subprocess.run([TOOLS / "client", *arguments], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, timeout=10, text=True, env=ENVIRONMENT)
    assert run.returncode == 2 and run.stderr and not run.stdout
