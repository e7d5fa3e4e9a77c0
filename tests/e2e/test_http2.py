"""HTTP/2 at the gate, frame by frame: what a message may be (RFC 9113 8.2, 8.3), what becomes of it,
SETTINGS, floors and ceilings of frames. Spec: CN-30, CN-31, CN-38, CN-39, CN-41, HD-12, HD-25, LR-10."""

import json

import pytest

from support import objects, raw
from support.gateway import Gateway
from support.h2_client import Client, RawClient, literal_block
from support.h2_peer import (
    FRAME_DATA,
    FRAME_HEADERS,
    FRAME_PRIORITY,
    FRAME_PUSH_PROMISE,
    FRAME_SETTINGS,
    Code,
    Setting,
)
from support.origin import Origin

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
