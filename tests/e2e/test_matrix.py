"""Issue must show 3: {h1, h2c, h2} clients × {h1, h2c, h2 over TLS} upstreams × kinds of message: the
bytes are the same by hash in both directions, and the log says how it ended. Spec: DR-50, DR-62, CN-41,
LR-23, OB-2, OB-12, RFC 9113 8.1."""

import hashlib
import re
import threading

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.gateway import IS_SANITIZED, Gateway
from support.h2_client import Client
from support.h2_origin import H2Origin
from support.h2_peer import Code
from support.origin import Origin

CLIENTS = ("h1", "h2c", "h2")
UPSTREAMS = ("h1", "h2c", "h2")
LARGE = (4 if IS_SANITIZED else 100) * 1024 * 1024
BLOCK = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(8192))  # 256 KiB, not repeating
ABORT_BYTES = 1000


def blocks(count):
    """`count` bytes of a body, in pieces."""
    whole, rest = divmod(count, len(BLOCK))
    for _ in range(whole):
        yield BLOCK
    if rest:
        yield BLOCK[:rest]


_digests = {}


def digest_of(count):
    if count not in _digests:
        digest = hashlib.sha256()
        for block in blocks(count):
            digest.update(block)
        _digests[count] = digest.hexdigest()
    return _digests[count]


# --- Origins: one behaviour on either version ----------------------------------------------------


class H1Exchange:
    def __init__(self, stream, request):
        self.stream = stream
        self.request = request
        self.method = request.method
        self.path = request.target
        self.trailers = request.trailers
        self.is_chunked = False

    def body(self):
        if self.request.get("transfer-encoding"):
            if not self.stream.read_body(self.request):
                raise ConnectionError("cut off")
            yield self.request.body
            return
        left = int(self.request.get("content-length") or 0)
        while left:
            if not self.stream.buffer and not self.stream._fill():
                raise ConnectionError("cut off")
            piece, self.stream.buffer = self.stream.buffer[:left], self.stream.buffer[left:]
            left -= len(piece)
            yield piece

    def head(self, status, headers, is_end=False):
        lines = [f"HTTP/1.1 {status} X"] + [f"{n}: {v}" for n, v in headers]
        self.is_chunked = not is_end and not any(n == "content-length" for n, _ in headers)
        if self.is_chunked:
            lines.append("transfer-encoding: chunked")
        self.stream.send("\r\n".join(lines).encode() + b"\r\n\r\n")

    def send(self, data):
        self.stream.send(b"%x\r\n%s\r\n" % (len(data), data) if self.is_chunked else data)

    def end(self, trailers=()):
        if self.is_chunked:
            lines = "".join(f"{n}: {v}\r\n" for n, v in trailers)
            self.stream.send(b"0\r\n" + lines.encode() + b"\r\n")

    def wait_given_up(self):
        assert not self.stream._fill()

    def abort(self):
        self.stream.socket.shutdown(raw.socket.SHUT_RDWR)


class H2Exchange:
    def __init__(self, stream):
        self.stream = stream
        self.method = stream.method
        self.path = stream.path

    @property
    def trailers(self):
        return self.stream.trailers

    def body(self):
        while piece := self.stream.read(60):
            yield piece

    def head(self, status, headers, is_end=False):
        self.stream.send_headers([(":status", str(status)), *headers], end=is_end)

    def send(self, data):
        self.stream.send(data, deadline_s=60)

    def end(self, trailers=()):
        self.stream.end(trailers)

    def wait_given_up(self):
        assert self.stream.wait_reset() == Code.CANCEL

    def abort(self):
        peer = self.stream.peer
        peer.wait(lambda: peer.waiting_bytes() == 0, "the bytes to leave")
        self.stream.cancel(Code.INTERNAL_ERROR)


def serve(origin, exchange):
    name, _, rest = exchange.path[1:].partition("/")
    kind = name.split(".")[0]
    if kind == "early":  # answered before the body has been looked at
        exchange.head(200, [("content-length", "5")])
        exchange.send(b"early")
        exchange.end()
        return
    digest = hashlib.sha256()
    for piece in exchange.body():
        digest.update(piece)
    told = [("x-got", digest.hexdigest())]
    if kind == "chunked":
        exchange.head(200, told + [("x-got-trailer", dict(exchange.trailers).get("x-sent", ""))])
        for block in blocks(int(rest)):
            exchange.send(block)
        exchange.end([("x-sum", digest_of(int(rest)))])
    elif kind in ("hang", "abort"):
        exchange.head(200, [("content-length", "1000000")])
        exchange.send(BLOCK[:ABORT_BYTES])
        if kind == "hang":
            exchange.wait_given_up()
            origin.given_up.add(exchange.path)
        else:
            wait.until(lambda: exchange.path in origin.may_abort, "the client to have the first bytes")
            exchange.abort()
    else:
        is_end = exchange.method == "HEAD" or rest == "0"
        exchange.head(200, told + [("content-length", rest)], is_end)
        if not is_end:
            for block in blocks(int(rest)):
                exchange.send(block)
            exchange.end()


def serve_h1(origin, stream):
    while (request := stream.read_head()) is not None:
        exchange = H1Exchange(stream, request)
        serve(origin, exchange)
        if exchange.path.startswith(("/early", "/abort")):
            # What was not read is not the next request.
            while stream._fill():
                stream.buffer = b""
            return


class Setup:
    """The gateway, the three origins, and a request from each kind of client."""

    def __init__(self, directory, authority):
        tls = authority.issue("origin.test")
        self.origins = {
            "h1": Origin(behaviour=serve_h1),
            "h2c": H2Origin(behaviour=lambda o, s: serve(o, H2Exchange(s))),
            "h2": H2Origin(
                behaviour=lambda o, s: serve(o, H2Exchange(s)), tls=tls, directory=directory / "tls"
            ),
        }
        for origin in self.origins.values():
            origin.given_up, origin.may_abort = set(), set()
        self.gateway = Gateway(directory / "gw")
        pair = authority.issue("*.example.com")
        write_secret(self.gateway.secrets / "cert", pair)
        ca = directory / "ca.pem"
        ca.write_bytes(authority.pem)
        protocols = {"h1": "HTTP", "h2c": "HTTP2", "h2": "HTTP2"}
        self.gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway(
                    "gw",
                    objects.http_server("*"),
                    objects.https_server("*.example.com", credential="cert"),
                ),
                *[
                    objects.virtual_service(
                        u, objects.route(f"{u}.test"), hosts=[f"{u}.example.com"]
                    )
                    for u in UPSTREAMS
                ],
                *[
                    objects.service_entry(
                        f"{u}.test", self.origins[u].port, protocol=protocols[u]
                    )
                    for u in UPSTREAMS
                ],
                objects.destination_rule(
                    "h2.test",
                    tls={"mode": "SIMPLE", "caCertificates": str(ca), "sni": "origin.test"},
                ),
            ),
        )

    def connect(self, client):
        if client == "h1":
            return H1Client(self.gateway.port(80))
        port = 443 if client == "h2" else 80
        return H2Client(self.gateway.port(port), tls=client == "h2")

    def close(self):
        for origin in self.origins.values():
            origin.close()


class H1Client:
    def __init__(self, port):
        self.client = raw.Client(port, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()

    def start(self, method, path, host, length=None):
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
        self.is_chunked = length is None and method == "POST"
        if self.is_chunked:
            lines += ["transfer-encoding: chunked", "trailer: x-sent"]
        elif length is not None:
            lines.append(f"content-length: {length}")
        self.client.send("\r\n".join(lines) + "\r\n\r\n")

    def send(self, data):
        self.client.send(b"%x\r\n%s\r\n" % (len(data), data) if self.is_chunked else data)

    def end(self, trailers=()):
        if self.is_chunked:
            self.client.send("0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in trailers) + "\r\n")

    def answer(self, method="GET"):
        """(status, headers, length, digest, trailers)"""
        head = self.client.read_until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        status = int(lines[0].split()[1])
        digest, count = hashlib.sha256(), 0
        if "transfer-encoding" in fields:
            answer = self.client._chunked(raw.Response(status, [], b"", True))
            assert answer.complete
            digest.update(answer.body)
            return status, fields, len(answer.body), digest.hexdigest(), dict(answer.trailers)
        left = 0 if method == "HEAD" else int(fields["content-length"])
        while left:
            if not self.client.buffer:
                assert self.client._fill(), f"{left} bytes are missing"
            piece, self.client.buffer = self.client.buffer[:left], self.client.buffer[left:]
            digest.update(piece)
            left -= len(piece)
            count += len(piece)
        return status, fields, count, digest.hexdigest(), {}

    def first_bytes(self, count):
        assert b" 200 " in self.client.read_until(b"\r\n\r\n")
        assert self.client.read_exactly(count) == BLOCK[:count]

    def abort(self):
        self.client.close()

    def wait_cut(self):
        assert len(self.client.read_all()) < 1_000_000 - ABORT_BYTES


class H2Client:
    def __init__(self, port, tls):
        self.client = Client(port, tls=tls, server_name="x.example.com")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self.client.error is None, self.client.error
        self.client.close()

    def start(self, method, path, host, length=None):
        head = []
        if length is not None:
            head.append(("content-length", str(length)))
        elif method == "POST":
            head.append(("trailer", "x-sent"))
        has_body = method == "POST" and length != 0
        self.stream = self.client.open(path, host, method, head, end=not has_body)
        self.has_body = has_body

    def send(self, data):
        self.stream.send(data, deadline_s=60)

    def end(self, trailers=()):
        if self.has_body:
            self.stream.end(trailers)

    def answer(self, method="GET"):
        self.stream.wait_headers(60)
        digest, count = hashlib.sha256(), 0
        while piece := self.stream.read(60):
            digest.update(piece)
            count += len(piece)
        fields = dict(self.stream.headers)
        trailers = dict(self.stream.trailers)
        return self.stream.status, fields, count, digest.hexdigest(), trailers

    def first_bytes(self, count):
        self.stream.wait_headers()
        got = b""
        while len(got) < count:
            got += self.stream.read()
        assert got == BLOCK[:count]

    def abort(self):
        self.stream.cancel()

    def wait_cut(self):
        assert self.stream.wait_reset() == Code.INTERNAL_ERROR


@pytest.fixture(scope="module")
def setup(tmp_path_factory, authority):
    setup = Setup(tmp_path_factory.mktemp("matrix"), authority)
    try:
        setup.gateway.start()
        yield setup
        setup.gateway.stop()
    finally:
        setup.gateway.kill()
        setup.close()
    for name, origin in setup.origins.items():
        assert not origin.errors, (name, origin.errors)
        assert name == "h1" or not origin.peer_errors(), (name, origin.peer_errors())


LOG = re.compile(
    r'\] "(?P<request>[^"]*)" (?P<code>\d+) (?P<flags>\S+) (?P<details>\S+) \S+ "[^"]*" '
    r"(?P<received>\d+) (?P<sent>\d+) "
)


def logged(setup, path):
    return LOG.search(setup.gateway.wait_access_line(f" {path} "))


def check_log(setup, client, method, path, received, sent, **expected):
    got = logged(setup, path)
    version = "HTTP/1.1" if client == "h1" else "HTTP/2"
    assert got["request"] == f"{method} {path} {version}"
    want = {"code": "200", "flags": "-", "details": "via_upstream", **expected}
    assert {k: got[k] for k in want} == want
    assert int(got["sent"]) == sent  # OB-12: bodies
    assert int(got["received"]) == received or received is None


_counter = iter(range(1 << 30))


@pytest.fixture(params=CLIENTS)
def client(request):
    return request.param


@pytest.fixture(params=UPSTREAMS)
def upstream(request):
    return request.param


def path_of(kind, count=0):
    """Of each test its own, so that its line in the log can be found."""
    return f"/{kind}.{next(_counter)}/{count}"


@pytest.mark.parametrize("count", [0, 1, 64 * 1024, LARGE], ids=["0", "1B", "64KiB", "large"])
def test_bodies(setup, client, upstream, count):
    path = path_of("body", count)
    with setup.connect(client) as c:
        c.start("POST", path, f"{upstream}.example.com", count)
        for block in blocks(count):
            c.send(block)
        c.end()
        status, fields, length, digest, _ = c.answer()
    assert (status, length) == (200, count)
    assert fields["x-got"] == digest_of(count), "the origin got other bytes"
    assert digest == digest_of(count), "the client got other bytes"
    assert fields["content-length"] == str(count)
    check_log(setup, client, "POST", path, count, count)


def test_get(setup, client, upstream):
    path = path_of("body", 0)
    with setup.connect(client) as c:
        c.start("GET", path, f"{upstream}.example.com")
        status, fields, length, _, _ = c.answer()
    assert (status, length, fields["x-got"]) == (200, 0, digest_of(0))
    check_log(setup, client, "GET", path, 0, 0)


def test_chunked_with_trailers(setup, client, upstream):
    """CN-41: neither side knows the length before the end."""
    count = 300_000
    path = path_of("chunked", count)
    with setup.connect(client) as c:
        c.start("POST", path, f"{upstream}.example.com")
        for at in range(0, count, 7777):
            c.send((BLOCK * 2)[at : min(at + 7777, count)])
        c.end([("x-sent", "trailer")])
        status, fields, length, digest, trailers = c.answer()
    assert (status, length) == (200, count)
    assert fields["x-got"] == digest_of(count) == digest
    assert fields["x-got-trailer"] == "trailer"
    assert trailers == {"x-sum": digest_of(count)}
    assert "content-length" not in fields
    check_log(setup, client, "POST", path, count, count)


def test_head(setup, client, upstream):
    path = path_of("body", 12345)
    with setup.connect(client) as c:
        for _ in range(2):  # the second finds the connection in step
            c.start("HEAD", path, f"{upstream}.example.com")
            status, fields, length, _, _ = c.answer("HEAD")
            assert (status, length, fields["content-length"]) == (200, 0, "12345")
    check_log(setup, client, "HEAD", path, 0, 0)


def test_early_answer(setup, client, upstream):
    """The answer is whole although the request never is."""
    path = path_of("early")
    with setup.connect(client) as c:
        c.start("POST", path, f"{upstream}.example.com", 1_000_000)
        c.send(BLOCK[:ABORT_BYTES])
        status, _, length, digest, _ = c.answer()
        assert (status, length) == (200, 5)
        assert digest == hashlib.sha256(b"early").hexdigest()
        if client != "h1":
            assert c.stream.wait_reset() == Code.NO_ERROR  # RFC 9113 8.1
    # Some of the body may have come before the answer, or nothing of it.
    check_log(setup, client, "POST", path, None, 5)


def test_client_abort(setup, client, upstream):
    """The upstream is told, by CANCEL or by the end of its connection."""
    path = path_of("hang")
    with setup.connect(client) as c:
        c.start("GET", path, f"{upstream}.example.com")
        c.first_bytes(ABORT_BYTES)
        c.abort()
        wait.until(lambda: path in setup.origins[upstream].given_up, "the origin to be told")
    flags, details = ("DC", "downstream_remote_disconnect")
    if client != "h1":
        flags, details = ("DR", "http2.remote_reset")
    check_log(setup, client, "GET", path, 0, ABORT_BYTES, flags=flags, details=details)


def test_upstream_abort(setup, client, upstream):
    """LR-23: cut for HTTP/1.1, RST_STREAM for HTTP/2; never whole."""
    path = path_of("abort")
    with setup.connect(client) as c:
        c.start("GET", path, f"{upstream}.example.com")
        c.first_bytes(ABORT_BYTES)
        setup.origins[upstream].may_abort.add(path)
        c.wait_cut()
    reason = ("UC", "connection_termination") if upstream == "h1" else ("UR", "remote_reset")
    check_log(
        setup, client, "GET", path, 0, ABORT_BYTES,
        flags=reason[0], details=f"upstream_reset_after_response_started{{{reason[1]}}}",
    )  # fmt: skip


def test_all_at_once(setup):
    """Each pair beside the others."""
    failures = []

    def run(client, upstream):
        try:
            with setup.connect(client) as c:
                for i in range(5):
                    count = 20_000 * (i + 1)
                    c.start("POST", path_of("body", count), f"{upstream}.example.com", count)
                    for block in blocks(count):
                        c.send(block)
                    c.end()
                    assert c.answer()[3] == digest_of(count)
        except Exception as error:
            failures.append((client, upstream, repr(error)))

    threads = [
        threading.Thread(target=run, args=(c, u)) for c in CLIENTS for u in UPSTREAMS for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures
