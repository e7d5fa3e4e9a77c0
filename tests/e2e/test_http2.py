"""HTTP/2 at the gate, frame by frame: what a message may be (RFC 9113 8.2, 8.3), what becomes of it on
the other side, SETTINGS, GOAWAY, resets. Spec: CN-30, CN-31, CN-38, CN-39, CN-41, DR-50, HD-4, HD-12,
HD-13, HD-25, HR-1, HR-2, HR-5, LR-10, LR-20 to LR-23, SN-20 to SN-23, HT-95, HT-107."""

import json
import signal
import socket
import threading

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.gateway import Gateway
from support.h2_client import Client, RawClient, literal_block, request_head
from support.h2_peer import (
    FRAME_DATA,
    FRAME_GOAWAY,
    FRAME_HEADERS,
    FRAME_PRIORITY,
    FRAME_PUSH_PROMISE,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_WINDOW_UPDATE,
    Code,
    Setting,
)
from support.origin import Origin, echo

MAX_STREAM = 2**31 - 1


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Plain HTTP on port 80, an HTTP/1.1 origin that echoes: for tables of single requests."""
    origin = Origin()
    gateway = Gateway(tmp_path_factory.mktemp("gw"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    try:
        gateway.start()
        yield gateway, origin
        gateway.stop()
    finally:
        gateway.kill()
        origin.close()
    assert not origin.errors, origin.errors


@pytest.fixture
def over_h2(new_gateway, new_h2_origin):
    """(gateway, HTTP/2 origin): plain HTTP on port 80, upstream by prior knowledge."""

    def make(behaviour=None, options=(), policy=None, http=None, protocol="HTTP2", **peer):
        origin = new_h2_origin(**({"behaviour": behaviour} if behaviour else {}), **peer)
        gateway = new_gateway(options)
        rules = [objects.destination_rule("origin.test", **policy)] if policy else []
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway("gw", objects.http_server("*")),
                objects.virtual_service("vs", *(http or [objects.route("origin.test")])),
                objects.service_entry("origin.test", origin.port, protocol=protocol),
                *rules,
            ),
        )
        return gateway.start(), origin

    return make


# --- What a request may be (RFC 9113 8.2, 8.3) ---------------------------------------------------

M, S, A, P = (
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "a.example.com"),
    (":path", "/bad"),
)
OK = [M, S, A, P]

# (name, field list): malformed, so a stream error of PROTOCOL_ERROR and nothing at the origin.
MALFORMED = [
    ("upper-case name", [*OK, ("X-Up", "1")]),
    ("empty name", [*OK, ("", "1")]),
    ("name with space", [*OK, ("x y", "1")]),
    ("name with colon inside", [*OK, ("x:y", "1")]),
    ("name with nul", [*OK, ("x\0y", "1")]),
    ("name with lf", [*OK, ("x\ny", "1")]),
    ("name with high byte", [*OK, ("x\xff", "1")]),
    ("name with a request in it", [*OK, ("x: y\r\ngtx", "1")]),
    ("value with nul", [*OK, ("x", "a\0b")]),
    ("value with cr", [*OK, ("x", "a\rb")]),
    ("value with lf", [*OK, ("x", "a\nb")]),
    ("value with a request in it", [*OK, ("x", "a\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n")]),
    ("value with delete", [*OK, ("x", "a\x7fb")]),
    ("value with a leading space", [*OK, ("x", " a")]),
    ("value with a trailing tab", [*OK, ("x", "a\t")]),
    ("connection", [*OK, ("connection", "x")]),
    ("connection close", [*OK, ("connection", "close")]),
    ("keep-alive", [*OK, ("keep-alive", "timeout=5")]),
    ("proxy-connection", [*OK, ("proxy-connection", "keep-alive")]),
    ("transfer-encoding", [*OK, ("transfer-encoding", "chunked")]),
    ("upgrade", [*OK, ("upgrade", "websocket")]),
    ("te gzip", [*OK, ("te", "gzip")]),
    ("te trailers and more", [*OK, ("te", "trailers, deflate")]),
    ("no method", [S, A, P]),
    ("no scheme", [M, A, P]),
    ("no path", [M, S, A]),
    ("no pseudo-header", [("x", "y")]),
    ("two methods", [M, *OK]),
    ("two schemes", [*OK, S]),
    ("two authorities", [*OK, A]),
    ("two paths", [*OK, P]),
    ("two paths that differ", [*OK, (":path", "/other")]),
    ("pseudo-header behind a field", [M, S, A, ("x", "y"), P]),
    ("unknown pseudo-header", [*OK, (":foo", "1")]),
    ("status in a request", [*OK, (":status", "200")]),
    ("empty method", [(":method", ""), S, A, P]),
    ("method with a space", [(":method", "GET /x"), S, A, P]),
    ("method with a request in it", [(":method", "GET / HTTP/1.1\r\nhost: b\r\n\r\nGET"), S, A, P]),
    ("empty path", [M, S, A, (":path", "")]),
    ("path without a slash", [M, S, A, (":path", "bad")]),
    ("path with a space", [M, S, A, (":path", "/a HTTP/1.1")]),
    ("path with crlf", [M, S, A, (":path", "/a\r\nx: y")]),
    ("path with nul", [M, S, A, (":path", "/a\0")]),
    ("path with a high byte", [M, S, A, (":path", "/a\xff")]),
    ("asterisk for GET", [M, S, A, (":path", "*")]),
    ("absolute path", [M, S, A, (":path", "http://b.example.com/")]),
    ("scheme with crlf", [M, (":scheme", "http\r\nx: y"), A, P]),
    ("empty scheme", [M, (":scheme", ""), A, P]),
    ("authority with userinfo", [M, S, (":authority", "u@a.example.com"), P]),
    ("authority with a space", [M, S, (":authority", "a.example.com x"), P]),
    ("authority with a slash", [M, S, (":authority", "a.example.com/x"), P]),
    ("authority with crlf", [M, S, (":authority", "a\r\nx: y"), P]),
    ("authority with a comma", [M, S, (":authority", "a.example.com,b.example.com"), P]),
    ("host differs from authority", [*OK, ("host", "b.example.com")]),
    ("two hosts", [M, S, P, ("host", "a.example.com"), ("host", "a.example.com")]),
    ("host with a space", [M, S, P, ("host", "a b")]),
    ("neither authority nor host", [M, S, P]),
    ("length is no number", [*OK, ("content-length", "x")]),
    ("length negative", [*OK, ("content-length", "-1")]),
    ("length with plus", [*OK, ("content-length", "+0")]),
    ("length empty", [*OK, ("content-length", "")]),
    ("length overflow", [*OK, ("content-length", "18446744073709551616")]),
    ("two lengths differ", [*OK, ("content-length", "0"), ("content-length", "1")]),
    ("length with no body", [*OK, ("content-length", "5")]),
    ("protocol without CONNECT", [*OK, (":protocol", "websocket")]),
    ("CONNECT with a path alone", [(":method", "CONNECT"), A, P]),
    ("CONNECT with a scheme alone", [(":method", "CONNECT"), S, A]),
    ("CONNECT without authority", [(":method", "CONNECT")]),
]  # fmt: skip


@pytest.mark.parametrize("fields", [case[1] for case in MALFORMED], ids=[c[0] for c in MALFORMED])
def test_malformed_request(shared, fields):
    """LR-11: a stream error, or 400 from the gateway itself; the connection goes on."""
    gateway, origin = shared
    seen = len(origin.requests)
    with RawClient(gateway.port(80)) as client:
        answer = client.response(client.headers(fields))
        assert answer[0] == 400 or answer == ("reset", Code.PROTOCOL_ERROR), answer
        good = client.response(client.get("/good"))
        assert good[0] == 200
    assert [r.target for r in origin.requests[seen:]] == ["/good"]


def test_malformed_requests_are_counted_and_logged(shared):
    gateway, _ = shared
    before = gateway.metric("gatehouse_protocol_errors_total", {"side": "client"})
    lines = len(gateway.access_lines())
    with RawClient(gateway.port(80)) as client:
        client.response(client.headers([*OK, ("Upper", "1")]))
        client.response(client.get("/good"))
    assert gateway.metric("gatehouse_protocol_errors_total", {"side": "client"}) > before
    assert " DPE " in gateway.wait_access_line("DPE", lines)  # LR-11


# (name, field list, what the HTTP/1.1 origin is told)
FINE = [
    ("te trailers", [*OK, ("te", "trailers")], {}),
    ("host equals authority", [*OK, ("host", "a.example.com")], {"host": "a.example.com"}),
    ("host differs in case", [*OK, ("host", "A.Example.COM")], {"host": "a.example.com"}),
    ("host alone", [M, S, P, ("host", "a.example.com")], {"host": "a.example.com"}),
    ("authority with port", [M, S, (":authority", "a.example.com:8443"), P],
     {"host": "a.example.com:8443"}),
    ("cookie crumbs", [*OK, ("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")],
     {"cookie": "a=1; b=2"}),
    ("two equal lengths of nothing", [*OK, ("content-length", "0")], {}),
    ("high byte in a value", [*OK, ("x", "caf\xe9")], {"x": "caf\xe9"}),
    ("empty value", [*OK, ("x", "")], {"x": ""}),
    ("scheme is not believed (HD-6)", [M, (":scheme", "https"), A, P],
     {"x-forwarded-proto": "http"}),
    ("fields that only look like pseudo", [*OK, ("x-method", "PUT")], {"x-method": "PUT"}),
]  # fmt: skip


@pytest.mark.parametrize("fields,told", [c[1:] for c in FINE], ids=[c[0] for c in FINE])
def test_good_request(shared, fields, told):
    """HD-12, HD-25: what an HTTP/1.1 origin is told."""
    gateway, origin = shared
    with RawClient(gateway.port(80)) as client:
        answer = client.response(client.headers(fields))
    assert answer[0] == 200, answer
    request = origin.requests[-1]
    for name, value in told.items():
        assert request.all(name) == [value], (name, request.headers)
    assert not [n for n, _ in request.headers if n.startswith(":")]
    assert len(request.all("host")) == 1


@pytest.mark.parametrize(
    "length,pieces,trailers",
    [
        ("5", [b"abc"], False),  # too short
        ("3", [b"abcd"], False),  # too long
        ("3", [b"ab", b"cd"], False),
        ("5", [b"abc"], True),  # too short, the trailers end it
    ],
)
def test_length_against_data(shared, length, pieces, trailers):
    """RFC 9113 8.1.1: the origin never gets such a message whole."""
    gateway, origin = shared
    seen = len(origin.requests)
    with RawClient(gateway.port(80)) as client:
        post = [(":method", "POST"), S, A, (":path", "/length"), ("content-length", length)]
        stream = client.headers(post, end=False)
        for i, piece in enumerate(pieces):
            client.data(stream, piece, end=i == len(pieces) - 1 and not trailers)
        if trailers:
            client.headers([("x-trailer", "1")], stream=stream)
        answer = client.response(stream)
        assert answer[0] == 400 or answer == ("reset", Code.PROTOCOL_ERROR), answer
        assert client.response(client.get("/good"))[0] == 200
    assert [r.target for r in origin.requests[seen:]] == ["/good"]


def test_body_behind_a_length_of_nothing(shared):
    """RFC 9113 8.1.1: the request may be at the origin already, its body is not."""
    gateway, origin = shared
    with RawClient(gateway.port(80)) as client:
        post = [(":method", "POST"), S, A, (":path", "/nothing"), ("content-length", "0")]
        stream = client.headers(post, end=False)
        client.data(stream, b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n", end=True)
        answer = client.response(stream)
        assert answer[0] == 400 or answer == ("reset", Code.PROTOCOL_ERROR), answer
        assert client.response(client.get("/good"))[0] == 200
    assert all(not r.body and r.target != "/smuggled" for r in origin.requests)


def test_options_asterisk(shared):
    """As for HTTP/1.1: well-formed, and no prefix matches it."""
    gateway, _ = shared
    with RawClient(gateway.port(80)) as client:
        fields = [(":method", "OPTIONS"), S, A, (":path", "*")]
        status = client.response(client.headers(fields))[0]
    assert status == raw.get(gateway.port(80), "*", method="OPTIONS").status


@pytest.mark.parametrize(
    "trailers",
    [
        [(":path", "/x")],
        [("x", "y"), (":status", "200")],
        [("Upper", "1")],
        [("connection", "close")],
        [("transfer-encoding", "chunked")],
        [("x", "a\r\nb: c")],
        [("content-length", "5")],
    ],
)
def test_malformed_trailers(shared, trailers):
    gateway, origin = shared
    seen = len(origin.requests)
    with RawClient(gateway.port(80)) as client:
        post = [(":method", "POST"), S, A, (":path", "/trailers")]
        stream = client.headers(post, end=False)
        client.data(stream, b"abc")
        client.headers(trailers, stream=stream)
        answer = client.response(stream)
        assert answer[0] == 400 or answer == ("reset", Code.PROTOCOL_ERROR), answer
        assert client.response(client.get("/good"))[0] == 200
    assert [r.target for r in origin.requests[seen:]] == ["/good"]


def test_connect_is_refused(shared):
    """CN-31."""
    gateway, origin = shared
    seen = len(origin.requests)
    with RawClient(gateway.port(80)) as client:
        connect = [(":method", "CONNECT"), (":authority", "a.example.com:443")]
        stream = client.headers(connect, end=False)
        answer = client.response(stream)
        assert answer[0] == 403, answer
        assert client.response(client.get("/good"))[0] == 200
    assert [r.target for r in origin.requests[seen:]] == ["/good"]


def test_extended_connect_of_another_protocol_is_refused(shared):
    """CN-30."""
    gateway, _ = shared
    with RawClient(gateway.port(80)) as client:
        fields = [(":method", "CONNECT"), S, A, P, (":protocol", "connect-udp")]
        assert client.response(client.headers(fields, end=False))[0] == 403


# --- Frames --------------------------------------------------------------------------------------


def test_unknown_frames_and_settings_are_ignored(shared):
    """RFC 9113 5.5."""
    gateway, _ = shared
    with RawClient(gateway.port(80), settings=[(0x7777, 1)]) as client:
        client.frame(0xAA, 0xFF, 0, b"whatever")
        client.frame(0xAB, 0, 1, b"")
        stream = client.get("/", end=True)
        client.frame(FRAME_PRIORITY, 0, stream, b"\0\0\0\0\x10")
        assert client.response(stream)[0] == 200


def test_continuation(shared):
    """A header block in several frames (RFC 9113 6.10)."""
    gateway, origin = shared
    with RawClient(gateway.port(80)) as client:
        block = literal_block([*OK, ("x-long", "y" * 5000)])
        stream = client.take_stream()
        client.frame(FRAME_HEADERS, 1, stream, block[:10])
        client.frame(9, 0, stream, block[10:3000])
        client.frame(9, 4, stream, block[3000:])
        assert client.response(stream)[0] == 200
    assert len(origin.requests[-1].get("x-long")) == 5000


def test_padding(shared):
    gateway, _ = shared
    with RawClient(gateway.port(80)) as client:
        post = [(":method", "POST"), S, A, (":path", "/padded"), ("content-length", "5")]
        stream = client.headers(post, end=False)
        client.frame(FRAME_DATA, 8 | 1, stream, b"\x20hello" + b"\0" * 32)
        status, _, body = client.response(stream)
        assert status == 200 and json.loads(body)["body_bytes"] == 5


@pytest.mark.parametrize(
    "name,send,code",
    [
        ("data on stream 0", lambda c: c.frame(FRAME_DATA, 0, 0, b"x"), Code.PROTOCOL_ERROR),
        ("even stream", lambda c: c.get(stream=2), Code.PROTOCOL_ERROR),
        ("push from a client", lambda c: c.frame(FRAME_PUSH_PROMISE, 4, 1, b"\0\0\0\2"),
         Code.PROTOCOL_ERROR),
        ("frame too large", lambda c: c.frame(FRAME_DATA, 0, 1, b"x" * 16385),
         Code.FRAME_SIZE_ERROR),
        ("ping of 7 bytes", lambda c: c.frame(6, 0, 0, b"1234567"), Code.FRAME_SIZE_ERROR),
        ("settings of 5 bytes", lambda c: c.frame(FRAME_SETTINGS, 0, 0, b"12345"),
         Code.FRAME_SIZE_ERROR),
        ("window over 2^31-1", lambda c: c.window(0, MAX_STREAM), Code.FLOW_CONTROL_ERROR),
        ("window of 0", lambda c: c.window(0, 0), Code.PROTOCOL_ERROR),
        ("enable push 2", lambda c: c.settings([(2, 2)]), Code.PROTOCOL_ERROR),
        ("hpack index 0", lambda c: c.frame(FRAME_HEADERS, 5, 1, b"\x80"),
         Code.COMPRESSION_ERROR),
        ("hpack index beyond", lambda c: c.frame(FRAME_HEADERS, 5, 1, b"\xff\xff\xff\xff\x0f"),
         Code.COMPRESSION_ERROR),
        ("continuation alone", lambda c: c.frame(9, 4, 1, b""), Code.PROTOCOL_ERROR),
        ("data on an idle stream", lambda c: c.data(1, b"x"), Code.PROTOCOL_ERROR),
    ],
)  # fmt: skip
def test_connection_errors(shared, name, send, code):
    """GOAWAY with the code, then the end."""
    gateway, _ = shared
    with RawClient(gateway.port(80)) as client:
        client.ping()
        send(client)
        assert client.wait_goaway() == code
        assert client.at_end()


def test_bad_preface(shared):
    gateway, _ = shared
    with raw.Client(gateway.port(80)) as client:
        client.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
        assert b"HTTP/1.1 200" not in client.read_all()


def test_preface_byte_by_byte(shared):
    """CN-39: however it is cut."""
    gateway, _ = shared
    with raw.Client(gateway.port(80)) as client:
        for byte in b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0":
            client.send(bytes([byte]))
        data = client.read_exactly(9)
        assert data[3] == FRAME_SETTINGS


def test_settings_of_ours(shared):
    """CN-38; RFC 8441 3. No push, of course."""
    gateway, _ = shared
    with Client(gateway.port(80)) as client:
        assert client.request().status == 200
        assert client.remote_setting(Setting.MAX_CONCURRENT_STREAMS) == 1024
        assert client.remote_setting(Setting.INITIAL_WINDOW_SIZE) == 256 * 1024
        assert client.remote_setting(Setting.MAX_FRAME_SIZE) == 16384
        assert client.remote_setting(Setting.MAX_HEADER_LIST_SIZE) <= 64 * 1024  # CN-35
        assert client.remote_setting(Setting.ENABLE_CONNECT_PROTOCOL) == 1


def test_upgrade_h2c_is_ignored(shared):
    """CN-30."""
    gateway, origin = shared
    with raw.Client(gateway.port(80)) as client:
        answer = client.request(
            headers=[
                ("connection", "Upgrade, HTTP2-Settings"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAMAAABkAAQAAP__"),
            ]
        )
        assert answer.status == 200
        assert client.request().status == 200
    assert origin.requests[-2].get("upgrade") is None
    assert origin.requests[-2].get("http2-settings") is None


@pytest.mark.parametrize("count,status", [(99, 431), (95, 200)])
def test_header_count(shared, count, status):
    """CN-35: 100 fields; the four pseudo-headers are among them."""
    gateway, _ = shared
    with RawClient(gateway.port(80)) as client:
        answer = client.response(client.headers([*OK, *[(f"x{i}", "1") for i in range(count)]]))
        assert answer[0] == status, answer
        assert client.response(client.get())[0] == 200


def test_header_bytes(shared):
    """CN-35: 60 KiB; 431, and the connection stays in step."""
    gateway, origin = shared
    seen = len(origin.requests)
    with RawClient(gateway.port(80)) as client:
        fields = [*OK, *[(f"x{i}", "y" * 1000) for i in range(61)]]
        block = literal_block(fields)
        stream = client.take_stream()
        client.frame(FRAME_HEADERS, 1, stream, block[:16000])
        for at in range(16000, len(block), 16000):
            last = at + 16000 >= len(block)
            client.frame(9, 4 if last else 0, stream, block[at : at + 16000])
        assert client.response(stream)[0] == 431
        assert client.response(client.get("/good"))[0] == 200
    assert [r.target for r in origin.requests[seen:]] == ["/good"]


# --- h2 to h1, h1 to h2, h2 to h2 ----------------------------------------------------------------


def test_request_as_an_h2_origin_sees_it(over_h2):
    """DR-50; HD-3, HD-4; pseudo-headers, no connection-specific field, no Host beside :authority."""
    gateway, origin = over_h2()
    with raw.Client(gateway.port(80)) as h1, Client(gateway.port(80)) as h2:
        answers = [
            h1.request("/p?q=1", headers=[("connection", "x-hop"), ("x-hop", "1"), ("te", "trailers"), ("X-Case", "A")]),
            h2.request("/p?q=1", headers=[("te", "trailers"), ("x-case", "A")]),
        ]
    for answer in answers:
        assert answer.status == 200
        fields = json.loads(answer.body)["headers"]
        names = [n for n, _ in fields]
        head = dict((n, v) for n, v in fields)
        assert head[":method"] == "GET" and head[":path"] == "/p?q=1"
        assert head[":authority"] == "a.example.com" and head[":scheme"] == "http"
        assert "host" not in names and "x-hop" not in names and "connection" not in names
        assert head["x-case"] == "A" and head["x-forwarded-proto"] == "http"
        assert "x-forwarded-for" in names and len(head["x-request-id"]) == 36
    assert origin.connection_count <= 2  # one for each worker at most


def test_protocol_by_port(new_gateway, new_h2_origin, new_origin):
    """DR-50: HTTP2 and GRPC ports, and h2UpgradePolicy; a port named http is HTTP/1.1."""
    h2, h1 = new_h2_origin(), new_origin()
    gateway = new_gateway()
    upgrade = {"http": {"h2UpgradePolicy": "UPGRADE"}}
    cases = [("http2", "HTTP2", h2), ("grpc", "GRPC", h2), ("http", "HTTP", h1), ("up", "HTTP", h2)]
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            *[
                objects.virtual_service(
                    name, objects.route(f"{name}.test"), hosts=[f"{name}.example.com"]
                )
                for name, _, _ in cases
            ],
            *[objects.service_entry(f"{n}.test", o.port, protocol=p) for n, p, o in cases],
            objects.destination_rule("up.test", connectionPool=upgrade),
        ),
    )
    gateway.start()
    for name, _, origin in cases:
        answer = raw.get(gateway.port(80), host=f"{name}.example.com")
        assert answer.status == 200, name
        assert json.loads(answer.body)["origin"] == origin.name, name


def test_use_client_protocol(new_gateway, new_h2_origin, new_origin):
    """useClientProtocol: HTTP/1.1 stays HTTP/1.1, HTTP/2 stays HTTP/2."""
    preface = b"PRI * HTTP/2.0"
    seen = []

    def either(origin, stream):
        seen.append(stream.socket.recv(14, socket.MSG_PEEK) == preface)
        if not seen[-1]:
            echo(origin, stream)

    origin = new_origin(behaviour=either)
    gateway = new_gateway()
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
            objects.destination_rule(
                "origin.test", connectionPool={"http": {"useClientProtocol": True}}
            ),
        ),
    )
    gateway.start()
    assert raw.get(gateway.port(80)).status == 200
    assert seen == [False]
    with Client(gateway.port(80)) as client:
        client.request()  # the origin hangs up; that is not the point
    assert seen[1]


@pytest.mark.parametrize("upstream", ["h1", "h2"])
def test_trailers_both_ways(plain, over_h2, upstream):
    """CN-41, and HTTP/1.1's as well."""

    def h1(origin, stream):
        request = stream.read_request()
        origin.requests.append(request)
        stream.send(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
            b"3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"
        )
        stream.read_request()

    def h2(origin, stream):
        stream.read_all()
        stream.send_headers([(":status", "200")])
        stream.send(b"abc")
        stream.end([("x-sum", "7")])

    gateway, origin = plain(behaviour=h1) if upstream == "h1" else over_h2(behaviour=h2)
    with Client(gateway.port(80)) as client:
        stream = client.open(method="POST", headers=[("trailer", "x-sent")], end=False)
        stream.send(b"hello")
        stream.end([("x-sent", "8")])
        answer = client.finish(stream)
        assert (answer.status, answer.body, answer.complete) == (200, b"abc", True)
        assert answer.trailers == [("x-sum", "7")]
    got = origin.requests[0].trailers if upstream == "h1" else origin.streams[0].trailers
    assert got == [("x-sent", "8")]


@pytest.mark.parametrize("upstream", ["h1", "h2"])
@pytest.mark.parametrize("client_version", ["h1", "h2"])
def test_early_hints(plain, over_h2, upstream, client_version):
    """103 goes on, before and without prejudice to the answer."""

    def h1(origin, stream):
        while stream.read_request():
            stream.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
            stream.answer(200, [], b"ok")

    def h2(origin, stream):
        stream.send_headers([(":status", "103"), ("link", "</a>")])
        stream.send_headers([(":status", "200")])
        stream.send(b"ok", end=True)

    gateway, _ = plain(behaviour=h1) if upstream == "h1" else over_h2(behaviour=h2)
    if client_version == "h1":
        answer = raw.get(gateway.port(80))
    else:
        with Client(gateway.port(80)) as client:
            answer = client.request()
    assert (answer.status, answer.body) == (200, b"ok")
    assert [(s, dict(h)["link"]) for s, h in answer.interim] == [(103, "</a>")]


@pytest.mark.parametrize("upstream", ["h1", "h2"])
def test_expect_continue(plain, over_h2, upstream):
    """HD-13: proxied end to end."""

    def h1(origin, stream):
        request = stream.read_head()
        assert request.get("expect") == "100-continue"
        stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        stream.read_body(request)
        stream.answer(200, [], request.body)

    def h2(origin, stream):
        assert stream.get("expect") == "100-continue"
        stream.send_headers([(":status", "100")])
        body = stream.read_all()
        stream.send_headers([(":status", "200")])
        stream.send(body, end=True)

    gateway, _ = plain(behaviour=h1) if upstream == "h1" else over_h2(behaviour=h2)
    with Client(gateway.port(80)) as client:
        head = [("expect", "100-continue"), ("content-length", "5")]
        stream = client.open(method="POST", headers=head, end=False)
        client.wait(lambda: stream.interim, "100")
        assert dict(stream.interim[0])[":status"] == "100"
        stream.send(b"hello", end=True)
        answer = client.finish(stream)
        assert (answer.status, answer.body) == (200, b"hello")


def test_h1_connection_fields_do_not_reach_an_h2_client(plain):
    """HD-33: python h2 would refuse them."""

    def behaviour(origin, stream):
        while stream.read_request():
            stream.send(
                b"HTTP/1.1 200 OK\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
                b"Proxy-Connection: x\r\nX-Kept: 1\r\ncontent-length: 2\r\n\r\nok"
            )

    gateway, _ = plain(behaviour=behaviour)
    with Client(gateway.port(80)) as client:
        answer = client.request()
        assert answer.status == 200 and answer.get("x-kept") == "1"
        for name in ("connection", "x-hop", "keep-alive", "proxy-connection", "transfer-encoding"):
            assert answer.get(name) is None, name
        assert client.error is None


@pytest.mark.parametrize(
    "fields",
    [
        [(":status", "200"), ("connection", "close")],
        [(":status", "200"), ("X-Upper", "1")],
        [(":status", "200"), ("x", "a\r\nset-cookie: b")],
        [(":status", "200"), ("content-length", "5")],
        [(":status", "20")],
        [(":status", "abc")],
        [("x", "no status")],
        [(":status", "200"), (":path", "/")],
        [(":status", "101")],
        [(":status", "200"), ("transfer-encoding", "chunked")],
    ],
)
def test_malformed_answers_of_an_h2_origin(over_h2, fields):
    """hardening 2; DR-52: 502 UPE, and no field of it reaches the client."""

    def behaviour(origin, stream):
        stream.peer.frame(FRAME_HEADERS, 4 | 1, stream.number, literal_block(fields))

    gateway, _ = over_h2(behaviour=behaviour)
    answer = raw.get(gateway.port(80))
    assert answer.status in (502, 503), answer
    line = gateway.wait_access_lines(1)[0]
    assert f" {answer.status} UPE " in line, line
    assert gateway.metric("gatehouse_protocol_errors_total", {"side": "upstream"}) >= 1


# --- Resets --------------------------------------------------------------------------------------


@pytest.mark.parametrize("upstream", ["h1", "h2"])
def test_client_reset_reaches_the_upstream(plain, over_h2, upstream):
    """CANCEL, or a closed connection; logged as DR."""
    gone = threading.Event()

    def h1(origin, stream):
        request = stream.read_request()
        if stream.read_head() is None and request.target == "/hang":
            gone.set()

    def h2(origin, stream):
        if stream.path == "/hang":
            origin.code = stream.wait_reset()
            gone.set()
        else:
            stream.send_headers([(":status", "200")], end=True)

    gateway, origin = plain(behaviour=h1) if upstream == "h1" else over_h2(behaviour=h2)
    with Client(gateway.port(80)) as client:
        stream = client.open("/hang")
        wait.until(lambda: origin.connection_count == 1, "the request")
        if upstream == "h2":
            wait.until(lambda: origin.streams, "the request")
        stream.cancel()
        assert gone.wait(15)
        if upstream == "h2":
            assert origin.code == Code.CANCEL
            assert client.request("/next").status == 200
    line = gateway.wait_access_line("/hang")
    assert " 0 DR http2.remote_reset" in line, line


@pytest.mark.parametrize("code", [Code.CANCEL, Code.INTERNAL_ERROR, Code.NO_ERROR])
@pytest.mark.parametrize("client_version", ["h1", "h2"])
def test_upstream_reset_before_the_head(over_h2, code, client_version):
    """LR-20, LR-21."""
    gateway, _ = over_h2(behaviour=lambda origin, stream: stream.cancel(code))
    if client_version == "h1":
        answer = raw.get(gateway.port(80))
    else:
        with Client(gateway.port(80)) as client:
            answer = client.request()
    assert answer.status == 503
    assert answer.body.endswith(b"reset reason: remote reset"), answer.body
    line = gateway.wait_access_lines(1)[0]
    assert " 503 UR upstream_reset_before_response_started{remote_reset} " in line, line


@pytest.mark.parametrize("client_version", ["h1", "h2"])
@pytest.mark.parametrize("how", ["reset", "close", "goaway"])
def test_upstream_breaks_off_in_the_body(over_h2, how, client_version):
    """LR-23: what the client has must not look whole."""

    def behaviour(origin, stream):
        stream.send_headers([(":status", "200"), ("content-length", "100000")])
        stream.send(b"x" * 1000)
        stream.peer.wait(lambda: stream.peer.waiting_bytes() == 0, "the bytes to leave")
        go.wait(15)
        if how == "reset":
            stream.cancel(Code.INTERNAL_ERROR)
        elif how == "goaway":
            stream.peer.goaway(Code.INTERNAL_ERROR, last=0)
        else:
            stream.peer.pipe.shutdown()

    go = threading.Event()
    gateway, _ = over_h2(behaviour=behaviour)
    if client_version == "h1":
        with raw.Client(gateway.port(80)) as client:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b"200 OK" in client.read_until(b"\r\n\r\n")
            assert len(client.read_exactly(1000)) == 1000
            go.set()
            assert len(client.read_all()) < 99000
    else:
        with Client(gateway.port(80)) as client:
            stream = client.open()
            stream.wait_headers()
            go.set()
            assert stream.wait_reset() == Code.INTERNAL_ERROR
            assert not stream.ended
    line = gateway.wait_access_lines(1)[0]
    flag = "UC" if how == "close" else "UR"
    assert f" 200 {flag} upstream_reset_after_response_started" in line, line


def test_h1_upstream_cut_is_a_reset_for_an_h2_client(plain):
    """LR-23; only that stream."""

    def behaviour(origin, stream):
        while request := stream.read_request():
            if request.target == "/cut":
                stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
                return
            stream.answer(200, [], b"ok")

    gateway, _ = plain(behaviour=behaviour)
    with Client(gateway.port(80)) as client:
        stream = client.open("/cut")
        assert stream.wait_reset() == Code.INTERNAL_ERROR
        assert client.request().status == 200
    assert " UC " in gateway.wait_access_line("/cut")


def test_early_answer_ends_with_no_error(plain):
    """RFC 9113 8.1: a whole answer before the request is, then RST_STREAM(NO_ERROR)."""

    def behaviour(origin, stream):
        stream.read_head()
        stream.answer(413, [("connection", "close")], b"too much")

    gateway, _ = plain(behaviour=behaviour)
    with Client(gateway.port(80)) as client:
        stream = client.open("/early", method="POST", end=False)
        stream.send(b"x" * 1000)
        answer = client.finish(stream)
        assert (answer.status, answer.body, answer.complete) == (413, b"too much", True)
        assert stream.wait_reset() == Code.NO_ERROR
    assert " 413 " in gateway.wait_access_line("/early")


def test_refused_stream_is_sent_again(over_h2):
    """HT-95, HT-98 refused-stream: the upstream did nothing with it (RFC 9113 8.7)."""
    refused = []

    def behaviour(origin, stream):
        if len(refused) < 1:
            refused.append(stream.number)
            stream.cancel(Code.REFUSED_STREAM)
            return
        stream.send_headers([(":status", "200")], end=True)

    gateway, origin = over_h2(behaviour=behaviour)
    assert raw.get(gateway.port(80)).status == 200
    assert len(origin.streams) == 2


def test_stream_above_a_goaway_is_sent_again(over_h2):
    """RFC 9113 6.8: streams above the last one were not looked at."""
    first = []

    def behaviour(origin, stream):
        if not first:
            first.append(stream)
            stream.peer.goaway(Code.NO_ERROR, last=0)
            return
        stream.send_headers([(":status", "200")], end=True)

    gateway, origin = over_h2(behaviour=behaviour)
    assert raw.get(gateway.port(80)).status == 200
    assert origin.connection_count == 2


def test_goaway_of_the_upstream_finishes_what_is_open(over_h2):
    """Streams up to the last one end well; new ones go to another connection."""
    go = threading.Event()

    def behaviour(origin, stream):
        if stream.path == "/slow":
            stream.peer.goaway(Code.NO_ERROR, last=stream.number)
            go.wait(15)
        stream.send_headers([(":status", "200")])
        stream.send(b"whole", end=True)

    gateway, origin = over_h2(behaviour=behaviour, options=("--workers", "1"))
    with Client(gateway.port(80)) as client:
        slow = client.open("/slow")
        wait.until(lambda: origin.streams, "the request")
        answer = client.request("/other")
        assert answer.status == 200
        go.set()
        assert client.finish(slow).body == b"whole"
    assert origin.connection_count == 2


# --- Limits between us and the upstream ----------------------------------------------------------


def counting(first):
    """(behaviour, list): how many streams of a connection were open when each came; none of the first
    few is answered before they are all there."""
    lock = threading.Lock()
    open_now, most = {}, []

    def behaviour(origin, stream):
        with lock:
            open_now[stream.peer] = open_now.get(stream.peer, 0) + 1
            most.append(open_now[stream.peer])
        if len(most) < first:
            wait.until(lambda: len(most) >= first, f"{first} at once")
        with lock:
            open_now[stream.peer] -= 1
        stream.send_headers([(":status", "200")], end=True)

    return behaviour, most


def test_upstream_stream_limits(over_h2):
    """The upstream's MAX_CONCURRENT_STREAMS is kept; what does not fit waits or goes elsewhere."""
    behaviour, most = counting(5)
    gateway, origin = over_h2(behaviour=behaviour, settings={Setting.MAX_CONCURRENT_STREAMS: 5})
    with Client(gateway.port(80)) as client:
        client.wait(lambda: Setting.MAX_CONCURRENT_STREAMS in client.h2.remote_settings, "SETTINGS")
        streams = [client.open(f"/{i}") for i in range(50)]
        assert [client.finish(s).status for s in streams] == [200] * 50
    assert max(most) <= 5


def test_max_requests_per_connection(over_h2):
    gateway, origin = over_h2(
        policy={"connectionPool": {"http": {"maxRequestsPerConnection": 2}}},
        options=("--workers", "1"),
    )
    with Client(gateway.port(80)) as client:
        for _ in range(6):
            assert client.request().status == 200
    assert origin.connection_count == 3
    assert all(len(peer.streams) <= 2 for peer in origin.peers)


def test_max_concurrent_streams_of_a_rule(over_h2):
    """connectionPool.http.maxConcurrentStreams."""
    behaviour, most = counting(3)
    gateway, _ = over_h2(
        behaviour=behaviour, policy={"connectionPool": {"http": {"maxConcurrentStreams": 3}}}
    )
    with Client(gateway.port(80)) as client:
        streams = [client.open(f"/{i}") for i in range(30)]
        assert [client.finish(s).status for s in streams] == [200] * 30
    assert max(most) <= 3


def test_requests_share_upstream_connections(over_h2):
    """Hundred requests at once, two workers: two connections, or a few."""
    gateway, origin = over_h2()
    with Client(gateway.port(80)) as client:
        streams = [client.open(f"/{i}") for i in range(100)]
        assert [client.finish(s).status for s in streams] == [200] * 100
    assert origin.connection_count <= 4, origin.connection_count


# --- TLS towards the upstream --------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy,expected",
    [
        ({"mode": "SIMPLE", "caCertificates": "CA", "sni": "origin.test"}, 200),
        ({"mode": "SIMPLE", "insecureSkipVerify": True}, 200),  # DR-67
        ({"mode": "SIMPLE", "caCertificates": "CA", "subjectAltNames": ["origin.test"]}, 200),
        ({"mode": "SIMPLE", "caCertificates": "CA", "subjectAltNames": ["other.test"]}, 503),
        ({"mode": "SIMPLE", "caCertificates": "CA", "sni": "other.test"}, 503),  # DR-66
        ({"mode": "SIMPLE", "caCertificates": "CA"}, 503),  # DR-65: the name is the request's host
        ({"mode": "SIMPLE", "sni": "origin.test"}, 503),  # DR-64: the system does not know our CA
    ],
)
def test_h2_over_tls_upstream(new_gateway, new_h2_origin, authority, tmp_path, policy, expected):
    """DR-61 to DR-69."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    policy = {k: (str(ca) if v == "CA" else v) for k, v in policy.items()}
    origin = new_h2_origin(tls=True)
    gateway = new_gateway()
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port, protocol="HTTP2"),
            objects.destination_rule("origin.test", tls=policy),
        ),
    )
    gateway.start()
    answer = raw.get(gateway.port(80))
    assert answer.status == expected, answer
    if expected == 200:
        head = dict(json.loads(answer.body)["headers"])
        assert head[":scheme"] == "http"  # HD-6: the client's, not this connection's
        assert origin.alpn_chosen == ["h2"]  # DR-62
        # DR-63: the request's host, unless the rule names one.
        assert origin.server_names == [policy.get("sni", "a.example.com")]
    else:
        assert b"transport failure reason: TLS_error" in answer.body  # DR-69
        assert "UF" in gateway.wait_access_lines(1)[0]


# --- Connections of clients: drain, reload, rotation, names --------------------------------------


def test_drain_in_two_steps(new_gateway, new_origin):
    """HR-5: GOAWAY that still takes streams, then the last one; what is open ends well."""
    go = threading.Event()

    def behaviour(origin, stream):
        while request := stream.read_request():
            origin.requests.append(request)
            if request.target == "/slow":
                go.wait(15)
            stream.answer(200, [], b"whole")

    origin = new_origin(behaviour=behaviour)
    gateway = new_gateway(("--drain-time", "10s"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    gateway.start()
    with Client(gateway.port(80)) as client:
        slow = client.open("/slow")
        wait.until(lambda: origin.requests, "the request")
        gateway.signal(signal.SIGTERM)
        client.wait(lambda: client.goaways, "the first GOAWAY")
        assert client.goaways[0][:2] == (MAX_STREAM, Code.NO_ERROR)
        # A request that was under way when the GOAWAY was sent.
        assert client.request("/late").status == 200
        client.wait(lambda: len(client.goaways) == 2, "the second GOAWAY")
        assert client.goaways[1][0] >= 3 and client.goaways[1][0] < 100
        assert client.goaways[1][1] == Code.NO_ERROR
        go.set()
        answer = client.finish(slow)
        assert (answer.body, answer.complete) == (b"whole", True)
        client.wait(lambda: client.ended, "the end")
    assert gateway.process.wait(20) == 0


def test_listener_that_is_removed(new_gateway, new_origin):
    """HR-4: its connections get GOAWAY, its streams end well; another listener sees nothing."""
    go = threading.Event()

    def behaviour(origin, stream):
        while request := stream.read_request():
            origin.requests.append(request)
            if request.target == "/slow":
                go.wait(15)
            stream.answer(200, [], b"whole")

    origin = new_origin(behaviour=behaviour)
    gateway = new_gateway()

    def write(*servers):
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway("gw", *servers),
                objects.virtual_service("vs", objects.route("origin.test")),
                objects.service_entry("origin.test", origin.port),
            ),
        )

    write(objects.http_server("*"), objects.http_server("*", port=8080))
    gateway.start()
    with Client(gateway.port(80)) as stays, Client(gateway.port(8080)) as goes:
        assert stays.request().status == 200
        slow = goes.open("/slow")
        wait.until(lambda: [r for r in origin.requests if r.target == "/slow"], "the request")
        write(objects.http_server("*"))
        goes.wait(lambda: goes.goaways, "GOAWAY")
        go.set()
        assert goes.finish(slow).body == b"whole"
        goes.wait(lambda: goes.ended, "the end")
        assert stays.request().status == 200
        assert not stays.goaways


def test_rotation_leaves_connections(secure, authority):
    """HR-2, TL-31: requests go on on the same connection; a new one sees the new certificate."""
    gateway, _ = secure()
    with Client(gateway.port(443), tls=True) as client:
        assert client.request().status == 200
        for _ in range(3):
            pair = authority.issue("a.example.com", "*.wild.example.com")
            write_secret(gateway.secrets / "a-cert", pair)

            def serial():
                tls = raw.tls_context()
                with raw.Client(gateway.port(443), tls=tls, server_name="a.example.com") as c:
                    return c.peer_serial()

            wait.until(lambda: serial() == pair.serial, "the new certificate")  # noqa: B023
            assert client.request().status == 200
        assert not client.goaways and not client.ended


def test_reload_leaves_connections(plain):
    """HR-1: a stream opened before and one after a route change, on one connection."""
    gateway, origin = plain()
    with Client(gateway.port(80)) as client:
        assert client.request().status == 200
        for i in range(3):
            before = gateway.revision()
            gateway.write(
                "all.yaml",
                objects.documents(
                    objects.gateway("gw", objects.http_server("*")),
                    objects.virtual_service("vs", {"directResponse": {"status": 210 + i}}),
                ),
            )
            gateway.wait_revision_after(before)
            wait.until(lambda: client.request().status == 210 + i, "the new route")  # noqa: B023
        assert not client.goaways
    wait.until(lambda: gateway.metric("gatehouse_config_snapshots") == 1, "the old ones to go")


@pytest.fixture
def two_servers(new_gateway, new_origin, authority):
    """a and b share a certificate, c has one of its own, d is a's but of another TLS policy."""

    def make(options=()):
        origin = new_origin()
        gateway = new_gateway(options)
        write_secret(
            gateway.secrets / "ab",
            authority.issue("a.example.com", "b.example.com", "d.example.com"),
        )
        write_secret(gateway.secrets / "c", authority.issue("c.example.com"))
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway(
                    "gw",
                    objects.https_server("a.example.com", credential="ab", name="a"),
                    objects.https_server("b.example.com", credential="ab", name="b"),
                    objects.https_server("c.example.com", credential="c", name="c"),
                    objects.https_server(
                        "d.example.com", credential="ab", name="d", minProtocolVersion="TLSV1_3"
                    ),
                ),
                objects.virtual_service("vs", objects.route("origin.test")),
                objects.service_entry("origin.test", origin.port),
            ),
        )
        return gateway.start()

    return make


@pytest.mark.parametrize(
    "option,expected",
    [
        (None, {"a": 200, "b": 200, "c": 421, "d": 421, "x": 404}),  # SN-23, the default
        ("auto", {"a": 200, "b": 200, "c": 421, "d": 421, "x": 404}),
        ("421", {"a": 200, "b": 421, "c": 421, "d": 421, "x": 404}),  # SN-22
        ("404", {"a": 200, "b": 404, "c": 404, "d": 404, "x": 404}),  # SN-20
    ],
)
def test_host_of_another_server(two_servers, option, expected):
    """User pain 1: a browser that reuses a connection."""
    gateway = two_servers(("--misdirected", option) if option else ())
    with Client(gateway.port(443), tls=True) as client:
        got = {n: client.request(host=f"{n}.example.com").status for n in "abcdx"}
    assert got == expected
    if option is None:
        assert gateway.metric("gatehouse_misdirected_requests_total", {"answer": "served"}) == 1
        assert gateway.metric("gatehouse_misdirected_requests_total", {"answer": "421"}) == 2
        assert "421 - misdirected_request" in gateway.wait_access_line(" 421 ")
        gateway.wait_log("c.example.com")  # a line says which


def test_no_alpn_but_the_preface(secure):
    """TL-71: HTTP/2 by its first bytes."""
    gateway, _ = secure()
    context = raw.tls_context(alpn=())
    with Client(gateway.port(443), tls=context) as client:
        assert client.request().status == 200


def test_idle_connection_gets_goaway(plain):
    """LIMIT of --idle-timeout: GOAWAY(NO_ERROR), then the end."""
    gateway, _ = plain(options=("--idle-timeout", "1s"))
    with Client(gateway.port(80)) as client:
        assert client.request().status == 200
        client.wait(lambda: client.ended, "the end")
        assert client.goaways and client.goaways[-1][1] == Code.NO_ERROR


def test_client_goes_away_without_a_word(plain):
    """Open streams are given up; descriptors come back."""
    go = threading.Event()

    def behaviour(origin, stream):
        if stream.read_request():
            go.wait(15)

    gateway, origin = plain(behaviour=behaviour)
    client = Client(gateway.port(80))
    for i in range(10):
        client.open(f"/{i}")
    wait.until(lambda: origin.connection_count == 10, "the requests")
    client.close()
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no client connection")
    go.set()
    for line in gateway.wait_access_lines(10):
        assert " 0 DC downstream_remote_disconnect" in line, line


def test_head_and_bodiless_answers(plain):
    """No DATA for HEAD, 204, 304; content-length stays."""

    def behaviour(origin, stream):
        while request := stream.read_request():
            status = int(request.target[1:])
            length = b"content-length: 5\r\n" if status != 204 else b""
            body = b"hello" if status == 200 and request.method != "HEAD" else b""
            stream.send(b"HTTP/1.1 %d X\r\n%s\r\n%s" % (status, length, body))

    gateway, _ = plain(behaviour=behaviour)
    with RawClient(gateway.port(80)) as client:
        for method, status in (("HEAD", 200), ("GET", 304), ("GET", 204), ("GET", 200)):
            head = request_head(f"/{status}", method=method)
            got, fields, body = client.response(client.headers(head))
            assert got == status
            assert body == (b"hello" if (method, status) == ("GET", 200) else b"")
            if status != 204:
                assert dict(fields)["content-length"] == "5"
    assert not [f for f in client.frames if f.kind in (FRAME_RST_STREAM, FRAME_GOAWAY)]
    assert FRAME_WINDOW_UPDATE not in [f.kind for f in client.frames if f.stream]
