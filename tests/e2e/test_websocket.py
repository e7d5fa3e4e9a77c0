"""WebSocket and other upgrades: HTTP/1.1 end to end (RFC 9110 7.8), extended CONNECT on HTTP/2
(RFC 8441) towards either version, the tunnel after it. Issue must show 2.
Spec: CN-30, CN-31, CN-32, LR-14, HR-1, HR-2; user pain: open sockets and reloads."""

import asyncio
import base64
import hashlib
import resource
import ssl
import threading
import time

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.gateway import IS_SANITIZED
from support.h2_client import Client
from support.h2_peer import Code, Setting, Stream

websockets = pytest.importorskip("websockets", reason="python3-websockets is not installed")

from support.websocket import (  # noqa: E402
    ACCEPT,
    UPGRADE,
    EventLoop,
    WebSocketOrigin,
    frame,
    parse,
)

CONNECT = {Setting.ENABLE_CONNECT_PROTOCOL: 1}


@pytest.fixture
def events():
    loop = EventLoop()
    yield loop
    loop.close()


@pytest.fixture
def origin():
    origin = WebSocketOrigin()
    yield origin
    origin.close()


def configuration(origin, http=None, policy=None, protocol="HTTP", servers=()):
    rules = [objects.destination_rule("origin.test", **policy)] if policy else []
    return objects.documents(
        objects.gateway(
            "gw",
            objects.http_server("*"),
            objects.https_server("a.example.com", credential="a-cert"),
            *servers,
        ),
        objects.virtual_service("vs", *(http or [objects.route("origin.test")])),
        objects.service_entry("origin.test", origin.port, protocol=protocol),
        *rules,
    )


@pytest.fixture
def gate(new_gateway, authority):
    """A gateway on ports 80 and 443 in front of an origin."""

    def make(origin, options=(), **more):
        gateway = new_gateway(options)
        write_secret(gateway.secrets / "a-cert", authority.issue("a.example.com"))
        gateway.write("all.yaml", configuration(origin, **more))
        return gateway.start()

    return make


def client_tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.pem.decode())
    return context


def open_socket(gateway, port, authority, path="/ws", **more):
    tls = {"ssl": client_tls(authority), "server_hostname": "a.example.com"} if port == 443 else {}
    scheme = "wss" if port == 443 else "ws"
    return websockets.connect(
        f"{scheme}://a.example.com{path}", host="127.0.0.1", port=gateway.port(port),
        ping_interval=None, max_size=None, open_timeout=60, compression=None, **tls, **more,
    )  # fmt: skip


@pytest.mark.parametrize("port", [80, 443])
def test_echo(gate, origin, events, authority, port):
    """CN-30; text, binary, large, ping, close code, subprotocol."""
    gateway = gate(origin)

    async def talk():
        async with open_socket(gateway, port, authority, subprotocols=["chat"]) as ws:
            assert ws.subprotocol == "chat"
            assert gateway.metric("gatehouse_tunnels", {"kind": "websocket"}) == 1
            for message in ("hello", b"\0\xff", b"x" * 1_000_000, ""):
                await ws.send(message)
                assert await ws.recv() == message
            await (await ws.ping())
            await ws.close(4001, "enough")

    events.run(talk())
    assert origin.paths == ["/ws"]
    wait.until(lambda: origin.close_codes == [4001], "the origin's close")
    names = [n.lower() for n, _ in origin.headers[0]]
    assert names.count("upgrade") == 1 and names.count("sec-websocket-key") == 1
    assert "x-forwarded-for" in names
    line = gateway.wait_access_line("/ws")
    assert '"GET /ws HTTP/1.1" 101 - via_upstream' in line, line
    received, sent = (int(x) for x in line.split('"')[4].split()[:2])
    assert received > 1_000_000 and sent > 1_000_000  # the tunnel's bytes
    wait.until(lambda: gateway.metric("gatehouse_tunnels") == 0, "no tunnel")
    assert gateway.metric("istio_requests_total", {"response_code": "101"}) == 1


def upgrade_request(client, headers=UPGRADE, path="/ws"):
    lines = [f"GET {path} HTTP/1.1", "host: a.example.com"] + [f"{n}: {v}" for n, v in headers]
    client.send("\r\n".join(lines) + "\r\n\r\n")


def test_upgrade_by_hand(gate, origin):
    """The 101 as RFC 6455 4.2.2 wants it; bytes right behind the request are not lost."""
    gateway = gate(origin)
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        answer = client.response()
        assert answer.status == 101
        assert answer.get("upgrade").lower() == "websocket"
        assert answer.get("connection").lower() == "upgrade"
        assert answer.get("sec-websocket-accept") == ACCEPT
        client.send(frame(b"abc"))
        opcode, payload, _ = parse(client.read_exactly(5))
        assert (opcode, payload) == (2, b"abc")


def test_answer_that_does_not_switch(plain):
    """The origin says 426: an answer like any other, and the connection goes on."""

    def behaviour(origin, stream):
        while request := stream.read_request():
            origin.requests.append(request)
            stream.answer(426 if request.get("upgrade") else 200, [("upgrade", "websocket")], b"no")

    gateway, origin = plain(behaviour=behaviour)
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        answer = client.response()
        assert (answer.status, answer.body) == (426, b"no")
        assert client.request().status == 200


@pytest.mark.parametrize(
    "token", ["foo", "TLS/1.0", "websocket, foo", "foo, websocket", "h2c, foo", "websocket/13"]
)
def test_other_upgrades(plain, token):
    """CN-30, LR-14: 403 upgrade_failed, and nothing reaches the origin."""
    gateway, origin = plain()
    with raw.Client(gateway.port(80)) as client:
        answer = client.request(headers=[("connection", "upgrade"), ("upgrade", token)])
        assert answer.status == 403 and answer.body == b"", answer
    assert not origin.requests
    assert "403 - upgrade_failed" in gateway.wait_access_lines(1)[0]


def test_upgrade_that_connection_does_not_name(plain):
    """RFC 9110 7.8: no upgrade then; the field is hop-by-hop and goes no further."""
    gateway, origin = plain()
    with raw.Client(gateway.port(80)) as client:
        assert client.request(headers=[("upgrade", "websocket")]).status == 200
    assert origin.requests[0].get("upgrade") is None


def test_101_that_was_not_asked_for(plain):
    """hardening 2."""

    def behaviour(origin, stream):
        stream.read_request()
        stream.send(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nsmuggled")

    gateway, _ = plain(behaviour=behaviour)
    assert raw.get(gateway.port(80)).status == 502


def test_101_to_another_protocol(plain):
    def behaviour(origin, stream):
        stream.read_request()
        stream.send(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: foo\r\n\r\nsmuggled")

    gateway, _ = plain(behaviour=behaviour)
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        assert client.response().status == 502


def test_no_tunnel_before_the_answer(plain):
    """A client that sends the tunnel's bytes at once does not smuggle a request by them."""

    def behaviour(origin, stream):
        while request := stream.read_request():
            origin.requests.append(request)
            if request.get("upgrade"):
                go.wait(15)
            stream.answer(200, [], b"no switch")

    go = threading.Event()
    gateway, origin = plain(behaviour=behaviour)
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        client.send(b"GET /behind HTTP/1.1\r\nhost: a.example.com\r\n\r\n")
        wait.until(lambda: origin.requests, "the upgrade")
        go.set()
        assert client.response().body == b"no switch"
        client.socket.settimeout(15)
        client.read_all() if client.response() is None else None
    # Either a request of its own on the client's connection, or none; never within the first one.
    assert len(origin.requests) <= 2
    assert all(not r.body for r in origin.requests)


def switch(origin, stream):
    """101, then an echo of bytes with half-close."""
    request = stream.read_head()
    if request is None:
        return
    origin.requests.append(request)
    stream.send(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
    if stream.buffer:
        stream.send(stream.buffer)
    while data := stream.socket.recv(65536):
        stream.send(data)
    stream.send(b"bye")


def test_half_close(plain):
    """The client ends its direction; the origin's goes on to its own end."""
    gateway, _ = plain(behaviour=switch)
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        assert client.response().status == 101
        client.send(b"last words")
        client.socket.shutdown(raw.socket.SHUT_WR)
        assert client.read_all() == b"last wordsbye"
    wait.until(lambda: gateway.metric("gatehouse_tunnels") == 0, "no tunnel")


def test_rest(plain):
    """Nothing spins: an idle tunnel, a half-closed one."""
    go = threading.Event()

    def behaviour(origin, stream):
        stream.read_head()
        stream.send(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        if stream.socket.recv(1) == b"u":
            stream.socket.shutdown(raw.socket.SHUT_WR)
        go.wait(30)

    gateway, _ = plain(behaviour=behaviour)
    for first in (b"x", b"u"):
        with raw.Client(gateway.port(80)) as client:
            upgrade_request(client)
            assert client.response().status == 101
            client.send(first)
            assert gateway.is_quiet(), "an idle tunnel"
            client.socket.shutdown(raw.socket.SHUT_WR)
            assert gateway.is_quiet(), "the client has ended"
    go.set()


def test_idle_tunnel(plain):
    """CN-32: only the idle timer; a route timeout does not apply."""
    gateway, _ = plain(
        behaviour=switch,
        options=("--tunnel-idle-timeout", "1s"),
        http=[objects.route("origin.test", timeout="0.2s")],
    )
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        assert client.response().status == 101
        start = time.monotonic()
        for i in range(8):  # 1.6 s in all, longer than either timeout
            client.send(b"%d" % i)
            assert client.read_exactly(1) == b"%d" % i
            threading.Event().wait(0.2)
        assert client.at_end()
        assert time.monotonic() - start >= 2
    line = gateway.wait_access_line("/ws")
    assert " 101 " in line, line


def test_upstream_that_vanishes(plain):
    """The tunnel ends for the client too."""
    gateway, origin = plain(behaviour=switch)
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        assert client.response().status == 101
        origin.streams[0].socket.shutdown(raw.socket.SHUT_RDWR)
        client.read_all()
    wait.until(lambda: gateway.metric("gatehouse_tunnels") == 0, "no tunnel")


def test_slow_reader_of_a_tunnel_is_bounded(plain):
    """Back-pressure: what the client does not take stays with the origin."""
    sent = []

    def behaviour(origin, stream):
        stream.read_head()
        stream.send(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        stream.socket.settimeout(2)
        try:
            while len(sent) < 4000:
                stream.send(b"x" * 65536)
                sent.append(65536)
        except TimeoutError:
            stalled.set()

    stalled = threading.Event()
    gateway, _ = plain(behaviour=behaviour)
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        assert client.response().status == 101
        before = gateway.resident_kib()
        assert stalled.wait(30), "the origin never had to wait"
        if not IS_SANITIZED:
            assert gateway.resident_kib() - before < 1024


# --- RFC 8441 ------------------------------------------------------------------------------------


def extended_connect(client, path="/ws", protocol="websocket", headers=()):
    with client.lock:
        number = client.h2.get_next_available_stream_id()
        stream = client.streams[number] = Stream(client, number)
        stream.send_headers(
            [
                (":method", "CONNECT"),
                (":protocol", protocol),
                (":scheme", client.scheme),
                (":authority", "a.example.com"),
                (":path", path),
                ("sec-websocket-version", "13"),
                *headers,
            ]
        )
    return stream


def read_frame(stream):
    data = b""
    while (got := parse(data)) is None:
        piece = stream.read()
        assert piece, "ended in the middle of a frame"
        data += piece
    opcode, payload, rest = got
    assert not rest
    return opcode, payload


@pytest.mark.parametrize("port", [80, 443])
def test_h2_client_h1_origin(gate, origin, port):
    """RFC 8441 5: the gateway makes an Upgrade of it, with a key of its own."""
    gateway = gate(origin)
    with Client(gateway.port(port), tls=port == 443) as client:
        client.wait(
            lambda: client.h2.remote_settings.get(Setting.ENABLE_CONNECT_PROTOCOL) == 1, "the setting"
        )
        stream = extended_connect(client, headers=[("sec-websocket-protocol", "chat")])
        stream.wait_headers()
        assert stream.status == 200
        assert stream.get("sec-websocket-protocol") == "chat"
        assert stream.get("sec-websocket-accept") is None and stream.get("upgrade") is None
        for payload in (b"abc", b"", b"y" * 300_000):
            stream.send(frame(payload))
            assert read_frame(stream) == (2, payload)
        # An ordinary request beside it.
        assert client.request("/other").status in (200, 400, 426)
        stream.send(frame(b"\x0f\xa1", 8))
        assert read_frame(stream) == (8, b"\x0f\xa1")
        assert stream.read() == b""  # the origin closes
        stream.end()
    wait.until(lambda: 4001 in origin.close_codes, "the close")
    keys = [v for n, v in origin.headers[0] if n.lower() == "sec-websocket-key"]
    assert len(keys) == 1 and len(base64.b64decode(keys[0])) == 16
    line = gateway.wait_access_line("/ws")
    assert " HTTP/2" in line and " - via_upstream" in line, line


def h2_echo(origin, stream):
    """An HTTP/2 origin that takes websockets."""
    if stream.method != "CONNECT":
        stream.send_headers([(":status", "200")], end=True)
        return
    assert stream.get(":protocol") == "websocket", stream.headers
    assert stream.get("sec-websocket-key") is None and stream.get("upgrade") is None
    stream.send_headers([(":status", "200"), ("sec-websocket-protocol", "chat")])
    while piece := stream.read():
        stream.send(piece)
    stream.send(b"bye", end=True)


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_h2_origin(gate, new_h2_origin, version):
    """RFC 8441 towards the upstream; for an HTTP/1.1 client the gateway computes the accept."""
    origin = new_h2_origin(behaviour=h2_echo, settings=CONNECT)
    gateway = gate(origin, protocol="HTTP2")
    if version == "h1":
        with raw.Client(gateway.port(80)) as client:
            upgrade_request(client, [*UPGRADE, ("sec-websocket-protocol", "chat")])
            answer = client.response()
            assert answer.status == 101, answer
            assert answer.get("sec-websocket-accept") == ACCEPT
            assert answer.get("sec-websocket-protocol") == "chat"
            client.send(b"x" * 500_000)
            assert client.read_exactly(500_000) == b"x" * 500_000
            client.socket.shutdown(raw.socket.SHUT_WR)
            assert client.read_all() == b"bye"  # half-close
    else:
        with Client(gateway.port(80)) as client:
            stream = extended_connect(client)
            stream.wait_headers()
            assert stream.status == 200
            stream.send(b"x" * 500_000)
            got = b""
            while len(got) < 500_000:
                got += stream.read()
            stream.end()
            assert stream.read_all() == b"bye"
            assert client.error is None


@pytest.mark.parametrize("version", ["h1", "h2"])
def test_h2_origin_that_takes_none(gate, new_h2_origin, version):
    """Without SETTINGS_ENABLE_CONNECT_PROTOCOL nothing may be asked (RFC 8441 3)."""
    origin = new_h2_origin(behaviour=h2_echo)
    gateway = gate(origin, protocol="HTTP2")
    if version == "h1":
        with raw.Client(gateway.port(80)) as client:
            upgrade_request(client)
            status = client.response().status
    else:
        with Client(gateway.port(80)) as client:
            stream = extended_connect(client)
            stream.wait_headers()
            status = stream.status
    assert 400 <= status < 600, status
    assert not [s for s in origin.streams if s.method == "CONNECT"]


@pytest.mark.parametrize("code", [Code.CANCEL, Code.INTERNAL_ERROR])
def test_resets_of_a_tunnel(gate, new_h2_origin, code):
    """Both ways, and only that stream."""
    origin = new_h2_origin(behaviour=h2_echo, settings=CONNECT)
    gateway = gate(origin, protocol="HTTP2")
    with Client(gateway.port(80)) as client:
        first, second = extended_connect(client), extended_connect(client)
        for stream in (first, second):
            stream.wait_headers()
            stream.send(b"x")
            assert stream.read() == b"x"
        first.cancel(code)
        wait.until(lambda: any(s.reset is not None for s in origin.streams), "the reset")
        survivor = next(s for s in origin.streams if s.reset is None)
        second.send(b"y")
        assert second.read() == b"y"
        survivor.cancel(Code.INTERNAL_ERROR)
        assert second.wait_reset() == Code.CONNECT_ERROR  # RFC 9113 8.5
        assert client.request().status == 200


# --- A thousand sockets --------------------------------------------------------------------------


def test_thousand_sockets_survive_hundred_reloads(gate, origin, events, authority):
    """Issue must show 2: open sockets outlive configuration and certificates, and pin no snapshot."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
    count = 200 if IS_SANITIZED else 1000
    gateway = gate(origin)
    sockets = []

    async def open_all():
        for start in range(0, count, 100):
            batch = [
                open_socket(gateway, 443 if i % 4 == 0 else 80, authority, f"/ws/{start + i}")
                for i in range(100)
            ]
            sockets.extend(await asyncio.gather(*batch))

    async def echo_all(mark):
        async def one(i, ws):
            message = f"{mark} {i}"
            await ws.send(message)
            assert await asyncio.wait_for(ws.recv(), 30) == message

        await asyncio.gather(*[one(i, ws) for i, ws in enumerate(sockets)])

    async def close_all():
        await asyncio.gather(*[ws.close() for ws in sockets])

    events.run(open_all(), 120)
    events.run(echo_all("before"))
    assert gateway.metric("gatehouse_tunnels", {"kind": "websocket"}) == count
    for i in range(100):
        before = gateway.revision()
        if i % 2:
            write_secret(gateway.secrets / "a-cert", authority.issue("a.example.com"))
        else:
            route = objects.route("origin.test", headers={"request": {"set": {"x-round": str(i)}}})
            gateway.write("all.yaml", configuration(origin, http=[route]))
        gateway.wait_revision_after(before)
    wait.until(lambda: gateway.metric("gatehouse_config_snapshots") == 1, "the old ones to go")
    assert all(ws.open for ws in sockets)
    events.run(echo_all("after"))
    assert gateway.metric("gatehouse_tunnels", {"kind": "websocket"}) == count
    events.run(close_all(), 120)
    wait.until(lambda: gateway.metric("gatehouse_tunnels") == 0, "no tunnel")


def test_tunnels_are_left_by_a_drain(plain):
    """HR-5: until the deadline; then they are closed."""
    gateway, _ = plain(behaviour=switch, options=("--drain-time", "2s"))
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        assert client.response().status == 101
        gateway.signal(15)
        gateway.wait_log("drain")
        client.send(b"still here")
        assert client.read_exactly(10) == b"still here"
        client.read_all()
    assert gateway.process.wait(20) == 0


def test_digest_through_a_tunnel(plain):
    """Ten MiB each way, byte for byte."""
    gateway, _ = plain(behaviour=switch)
    body = hashlib.sha256(b"seed").digest() * 32768 * 10
    with raw.Client(gateway.port(80)) as client:
        upgrade_request(client)
        assert client.response().status == 101
        writer = threading.Thread(target=client.send, args=(body,), daemon=True)
        writer.start()
        got = client.read_exactly(len(body))
        writer.join(30)
        assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
