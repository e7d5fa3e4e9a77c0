"""hardening 1, 7 and 8: what a client may send, on raw sockets against the real binary.

Each case says which status is right. Whatever it is: nothing the client sent reaches the origin but as
a request the gateway wrote itself, and after a refusal the connection is closed.
Spec: CN-23, CN-30, CN-31, CN-33, CN-34, CN-35, LR-10 to LR-14, HD-1, HD-12.
"""

import os

import pytest

from support import raw, wait

H = "host: a.test\r\n"


def head(line, fields=H):
    return f"{line}\r\n{fields}\r\n".encode("latin-1")


def post(fields, body=b""):
    return f"POST / HTTP/1.1\r\n{H}{fields}\r\n".encode("latin-1") + body


def chunked(body):
    return post("transfer-encoding: chunked\r\n", body)


def field(line):
    return f"GET / HTTP/1.1\r\n{H}".encode() + line + b"\r\n\r\n"


# (name, bytes, status). Status 0: the connection is closed without an answer, or 400.
REFUSED = [
    # --- request line ---
    ("space before method", b" GET / HTTP/1.1\r\n" + H.encode() + b"\r\n", 400),
    ("tab for space", b"GET\t/\tHTTP/1.1\r\n" + H.encode() + b"\r\n", 400),
    ("two spaces after method", head("GET  / HTTP/1.1"), 400),
    ("two spaces before version", head("GET /  HTTP/1.1"), 400),
    ("trailing space", head("GET / HTTP/1.1 "), 400),
    ("no version", head("GET /"), 400),
    ("http/0.9", b"GET /\r\n\r\n", 400),
    ("lower-case version", head("GET / http/1.1"), 400),
    ("version without dot", head("GET / HTTP/11"), 400),
    ("version with two digits", head("GET / HTTP/1.10"), 400),
    ("version 1.2", head("GET / HTTP/1.2"), 505),
    ("version 2.0", head("GET / HTTP/2.0"), 505),
    ("version 3.0", head("GET / HTTP/3.0"), 505),
    ("version 0.9 (CN-33)", head("GET / HTTP/0.9"), 426),
    ("version with sign", head("GET / HTTP/+1.1"), 400),
    ("version with spaces", head("GET / HTTP / 1.1"), 400),
    ("low version", head("GET / HTTP/1.0"), 426),
    ("method with colon", head("GE:T / HTTP/1.1"), 400),
    ("method with slash", head("GE/T / HTTP/1.1"), 400),
    ("method with bracket", head("G(T / HTTP/1.1"), 400),
    ("method with control byte", head("G\x01T / HTTP/1.1"), 400),
    ("method with high byte", head("G\xe9T / HTTP/1.1"), 400),
    ("empty method", head("/ HTTP/1.1"), 400),
    ("empty line of words", b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n" + H.encode() + b"\r\n", 400),
    ("bare lf after request line", b"GET / HTTP/1.1\n" + H.encode() + b"\r\n", 400),
    ("bare cr after request line", b"GET / HTTP/1.1\r" + H.encode() + b"\r\n", 400),
    ("lf lf", b"GET / HTTP/1.1\nhost: a.test\n\n", 400),
    ("nul in request line", head("GET /\x00 HTTP/1.1"), 400),
    ("target with control byte", head("GET /\x01 HTTP/1.1"), 400),
    ("target with del", head("GET /\x7f HTTP/1.1"), 400),
    ("target with high byte", head("GET /\xff HTTP/1.1"), 400),
    ("target with tab", head("GET /\t HTTP/1.1"), 400),
    ("target with space", head("GET /a b HTTP/1.1"), 400),
    ("target with cr", head("GET /a\rb HTTP/1.1"), 400),
    ("target without slash", head("GET a HTTP/1.1"), 400),
    ("target of another scheme", head("GET ftp://a.test/ HTTP/1.1"), 400),
    ("target with userinfo", head("GET http://u:p@a.test/ HTTP/1.1"), 400),
    ("absolute target without host", head("GET http:/// HTTP/1.1"), 400),
    ("absolute target, other host", head("GET http://b.test/ HTTP/1.1"), 400),
    ("asterisk with get", head("GET * HTTP/1.1"), 400),
    ("authority form with get", head("GET a.test:80 HTTP/1.1"), 400),
    ("target nul encoded", head("GET /%00 HTTP/1.1"), 400),
    ("target broken escape", head("GET /%zz HTTP/1.1"), 400),
    ("target cut escape", head("GET /%2 HTTP/1.1"), 400),
    ("target lone percent", head("GET /% HTTP/1.1"), 400),
    ("backslash", head("GET /a\\..\\b HTTP/1.1"), 400),
    ("hidden dot segment 2f", head("GET /a/..%2fadmin HTTP/1.1"), 400),
    ("hidden dot segment 5c", head("GET /a/..%5cadmin HTTP/1.1"), 400),
    ("hidden dot segment all", head("GET /a%2f%2e%2e%2fadmin HTTP/1.1"), 400),
    # --- tls on a plain port and other protocols ---
    ("client hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 60 + b"\r\n\r\n", 400),
    ("ssh", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 400),
    ("proxy v1", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n" + H.encode() + b"\r\n", 400),
    ("proxy v2", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + b"\0" * 12 + b"\r\n\r\n", 400),
    # --- fields ---
    ("space before colon", field(b"x : y"), 400),
    ("tab before colon", field(b"x\t: y"), 400),
    ("no colon", field(b"xy"), 400),
    ("empty name", field(b": y"), 400),
    ("name with space", field(b"x y: z"), 400),
    ("name with control byte", field(b"x\x01: z"), 400),
    ("name with nul", field(b"x\x00: z"), 400),
    ("name with high byte", field(b"x\xe9: z"), 400),
    ("name with slash", field(b"x/y: z"), 400),
    ("name with bracket", field(b"x(y): z"), 400),
    ("name with quote", field(b'x"y: z'), 400),
    ("name with at", field(b"x@y: z"), 400),
    ("name with braces", field(b"{x}: z"), 400),
    ("value with nul", field(b"x: a\x00b"), 400),
    ("value with bare cr", field(b"x: a\rb"), 400),
    ("value with cr at end", field(b"x: a\r"), 400),
    ("value with control byte", field(b"x: a\x0bb"), 400),
    ("value with escape byte", field(b"x: a\x1bb"), 400),
    ("value with del", field(b"x: a\x7fb"), 400),
    ("bare lf in fields", f"GET / HTTP/1.1\r\n{H}x: y\n\r\n".encode(), 400),
    ("bare lf then smuggled", f"GET / HTTP/1.1\r\n{H}x: y\nz: w\r\n\r\n".encode(), 400),
    ("obs-fold space", field(b"x: y\r\n z"), 400),
    ("obs-fold tab", field(b"x: y\r\n\tz"), 400),
    ("fold of the first line", b"GET / HTTP/1.1\r\n " + H.encode() + b"\r\n", 400),
    ("fold of host", b"GET / HTTP/1.1\r\nhost:\r\n a.test\r\n\r\n", 400),
    ("lf as head end", f"GET / HTTP/1.1\r\n{H}\n".encode() + b"\r\n\r\n", 400),
    ("cr cr lf", f"GET / HTTP/1.1\r\n{H}\r\r\n\r\n".encode(), 400),
    # --- host ---
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("no host, other fields", b"GET / HTTP/1.1\r\nx: y\r\n\r\n", 400),
    ("two hosts", head("GET / HTTP/1.1", H + "host: b.test\r\n"), 400),
    ("two equal hosts", head("GET / HTTP/1.1", H + H), 400),
    ("two hosts, case", head("GET / HTTP/1.1", H + "HOST: b.test\r\n"), 400),
    ("empty host", head("GET / HTTP/1.1", "host:\r\n"), 400),
    ("host with space", head("GET / HTTP/1.1", "host: a b\r\n"), 400),
    ("host list", head("GET / HTTP/1.1", "host: a.test, b.test\r\n"), 400),
    ("host with slash", head("GET / HTTP/1.1", "host: a.test/x\r\n"), 400),
    ("host with userinfo", head("GET / HTTP/1.1", "host: u@a.test\r\n"), 400),
    ("host with query", head("GET / HTTP/1.1", "host: a.test?x\r\n"), 400),
    ("host with fragment", head("GET / HTTP/1.1", "host: a.test#x\r\n"), 400),
    ("host with bad port", head("GET / HTTP/1.1", "host: a.test:8x\r\n"), 400),
    ("host with port too large", head("GET / HTTP/1.1", "host: a.test:65536\r\n"), 400),
    ("host with negative port", head("GET / HTTP/1.1", "host: a.test:-1\r\n"), 400),
    ("host with two ports", head("GET / HTTP/1.1", "host: a.test:80:80\r\n"), 400),
    ("host with quote", head("GET / HTTP/1.1", 'host: "a.test"\r\n'), 400),
    ("host with high byte", head("GET / HTTP/1.1", "host: \xe9.test\r\n"), 400),
    ("host with open bracket", head("GET / HTTP/1.1", "host: [::1\r\n"), 400),
    ("host with backslash", head("GET / HTTP/1.1", "host: a\\b\r\n"), 400),
    ("host only port", head("GET / HTTP/1.1", "host: :80\r\n"), 400),
    # --- content-length ---
    ("length not a number", post("content-length: x\r\n"), 400),
    ("length empty", post("content-length:\r\n"), 400),
    ("length with plus", post("content-length: +1\r\n", b"x"), 400),
    ("length with minus", post("content-length: -1\r\n"), 400),
    ("length hex", post("content-length: 0x1\r\n", b"x"), 400),
    ("length with space", post("content-length: 1 1\r\n", b"x" * 11), 400),
    ("length float", post("content-length: 1.0\r\n", b"x"), 400),
    ("length exponent", post("content-length: 1e1\r\n", b"x" * 10), 400),
    ("length overflow 64", post("content-length: 18446744073709551616\r\n"), 400),
    ("length overflow by one digit", post("content-length: 99999999999999999999\r\n"), 400),
    ("length 2^63", post("content-length: 9223372036854775808\r\n"), 400),
    ("two lengths differ", post("content-length: 1\r\ncontent-length: 2\r\n", b"xx"), 400),
    ("two lengths equal", post("content-length: 1\r\ncontent-length: 1\r\n", b"x"), 400),
    ("length list equal", post("content-length: 1, 1\r\n", b"x"), 400),
    ("length list differs", post("content-length: 1, 2\r\n", b"xx"), 400),
    ("length with underscore", post("content-length: 1_0\r\n", b"x" * 10), 400),
    ("length in full-width digits", post("content-length: \xef\xbc\x91\r\n", b"x"), 400),
    ("length with trailing junk", post("content-length: 1abc\r\n", b"x"), 400),
    ("length with vertical tab", post("content-length: \x0b1\r\n", b"x"), 400),
    # --- transfer-encoding ---
    ("te and cl", post("transfer-encoding: chunked\r\ncontent-length: 5\r\n", b"0\r\n\r\n"), 400),
    ("cl and te", post("content-length: 5\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"), 400),
    ("te and cl 0", post("transfer-encoding: chunked\r\ncontent-length: 0\r\n", b"0\r\n\r\n"), 400),
    ("te identity", post("transfer-encoding: identity\r\n"), (400, 501)),
    ("te gzip", post("transfer-encoding: gzip\r\n"), (400, 501)),
    ("te gzip, chunked", post("transfer-encoding: gzip, chunked\r\n", b"0\r\n\r\n"), (400, 501)),
    ("te chunked, gzip", post("transfer-encoding: chunked, gzip\r\n", b"0\r\n\r\n"), (400, 501)),
    ("te chunked, chunked", post("transfer-encoding: chunked, chunked\r\n", b"0\r\n\r\n"), 400),
    ("te chunked, identity", post("transfer-encoding: chunked, identity\r\n", b"0\r\n\r\n"), (400, 501)),
    ("two te", post("transfer-encoding: chunked\r\n" * 2, b"0\r\n\r\n"), 400),
    ("two te, other case", post("transfer-encoding: chunked\r\nTransfer-Encoding: x\r\n", b"0\r\n\r\n"), (400, 501)),
    ("te xchunked", post("transfer-encoding: xchunked\r\n", b"0\r\n\r\n"), (400, 501)),
    ("te chunkedx", post("transfer-encoding: chunkedx\r\n", b"0\r\n\r\n"), (400, 501)),
    ("te quoted", post('transfer-encoding: "chunked"\r\n', b"0\r\n\r\n"), (400, 501)),
    ("te with parameter", post("transfer-encoding: chunked;q=1\r\n", b"0\r\n\r\n"), (400, 501)),
    ("te empty", post("transfer-encoding:\r\n"), 400),
    ("te comma", post("transfer-encoding: ,chunked\r\n", b"0\r\n\r\n"), 400),
    ("te trailing comma", post("transfer-encoding: chunked,\r\n", b"0\r\n\r\n"), 400),
    ("te vertical tab", post("transfer-encoding: \x0bchunked\r\n", b"0\r\n\r\n"), 400),
    ("te nul", post("transfer-encoding: chunked\x00\r\n", b"0\r\n\r\n"), 400),
    ("te space before colon", post("transfer-encoding : chunked\r\n", b"0\r\n\r\n"), 400),
    ("te folded", post("transfer-encoding:\r\n chunked\r\n", b"0\r\n\r\n"), 400),
    ("te with http/1.0", b"POST / HTTP/1.0\r\n" + H.encode() + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", (400, 426)),
    # --- chunks ---
    ("chunk size not hex", chunked(b"g\r\n\r\n"), 400),
    ("chunk size empty", chunked(b"\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size with 0x", chunked(b"0x1\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size with plus", chunked(b"+1\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size with minus", chunked(b"-1\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size leading space", chunked(b" 1\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size trailing space", chunked(b"1 \r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size trailing tab", chunked(b"1\t\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size overflow", chunked(b"10000000000000000\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size 17 digits", chunked(b"00000000000000001\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size all f", chunked(b"ffffffffffffffff\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size with underscore", chunked(b"1_0\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"), 400),
    ("chunk line lf", chunked(b"1\nx\r\n0\r\n\r\n"), 400),
    ("chunk line cr", chunked(b"1\rx\r\n0\r\n\r\n"), 400),
    ("chunk data too long", chunked(b"1\r\nxy\r\n0\r\n\r\n"), 400),
    ("chunk data ends in lf", chunked(b"1\r\nx\n0\r\n\r\n"), 400),
    ("chunk data ends in cr cr", chunked(b"1\r\nx\r\r0\r\n\r\n"), 400),
    ("chunk data ends in nothing", chunked(b"1\r\nx0\r\n\r\n"), 400),
    ("chunk extension with lf", chunked(b"1;a\nb\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk extension with cr", chunked(b"1;a\rb\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk extension with nul", chunked(b"1;a=\x00\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk extension too long", chunked(b"1;" + b"a" * 5000 + b"\r\nx\r\n0\r\n\r\n"), 400),
    ("chunk size then junk", chunked(b"1 a\r\nx\r\n0\r\n\r\n"), 400),
    ("last chunk lf", chunked(b"0\n\r\n"), 400),
    ("last chunk then lf", chunked(b"0\r\n\n"), 400),
    ("trailer without colon", chunked(b"0\r\nxy\r\n\r\n"), 400),
    ("trailer with space before colon", chunked(b"0\r\nx : y\r\n\r\n"), 400),
    ("trailer folded", chunked(b"0\r\nx: y\r\n z\r\n\r\n"), 400),
    ("trailer with lf", chunked(b"0\r\nx: y\n\r\n"), 400),
    ("trailer with nul", chunked(b"0\r\nx: \x00\r\n\r\n"), 400),
    ("trailer content-length", chunked(b"0\r\ncontent-length: 5\r\n\r\n"), 400),
    ("trailer transfer-encoding", chunked(b"0\r\ntransfer-encoding: chunked\r\n\r\n"), 400),
    ("trailer host", chunked(b"0\r\nhost: b.test\r\n\r\n"), 400),
    ("trailers too many", chunked(b"0\r\n" + b"x: y\r\n" * 300 + b"\r\n"), (400, 431)),
    ("trailers too large", chunked(b"0\r\nx: " + b"y" * 70000 + b"\r\n\r\n"), (400, 431)),
    # --- size ---
    ("one field too large", field(b"x: " + b"y" * 70000), 431),
    ("name too large", field(b"x" * 70000 + b": y"), 431),
    ("request line too large", head("GET /" + "a" * 70000 + " HTTP/1.1"), (414, 431)),
    ("method too large", head("G" * 70000 + " / HTTP/1.1"), (400, 431)),
    ("too many fields", head("GET / HTTP/1.1", H + "x: y\r\n" * 101), 431),
    ("20,000 fields", head("GET / HTTP/1.1", H + "x:\r\n" * 20000), 431),
    ("5,000 empty fields", head("GET / HTTP/1.1", H + "x:\r\n" * 5000), 431),
    # --- semantics ---
    ("connect", head("CONNECT a.test:443 HTTP/1.1"), (403, 404, 405, 501)),
    ("connect with path", head("CONNECT / HTTP/1.1"), 400),
    ("expect something else", post("expect: miracles\r\ncontent-length: 1\r\n", b"x"), 417),
    ("upgrade to something", field(b"connection: upgrade\r\nupgrade: foo/1"), 403),
    ("connection names host", field(b"connection: host"), 400),
    ("connection names content-length", post("connection: content-length\r\ncontent-length: 1\r\n", b"x"), 400),
    ("connection names transfer-encoding", post("connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n", b"0\r\n\r\n"), 400),
]  # fmt: skip


def smuggled_marker():
    return f"/smuggled-{os.urandom(6).hex()}"


def assert_every_request_is_ours(origin, marker):
    for request in origin.requests:
        assert marker not in request.target, request.raw_head


@pytest.mark.parametrize("name,data,status", REFUSED, ids=[c[0] for c in REFUSED])
def test_refused(shared_plain, name, data, status):
    gateway, origin = shared_plain
    marker = smuggled_marker()
    # A smuggled second request behind it: never to be answered, never to reach the origin.
    follow_up = f"GET {marker} HTTP/1.1\r\n{H}\r\n".encode()
    expected = status if isinstance(status, tuple) else (status,)
    with raw.Client(gateway.port(80)) as client:
        try:
            client.send(data + follow_up)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused while we were still sending
        answer = client.response()
        assert answer is not None, "closed without an answer"
        assert answer.status in expected, answer
        assert "close" in (answer.get("connection") or "").split(", "), answer
        assert client.at_end(), client.buffer
    assert_every_request_is_ours(origin, marker)


def test_there_are_enough_cases():
    assert len(REFUSED) + len(ACCEPTED) >= 150


# (name, bytes, what the origin must see: target, body)
ACCEPTED = [
    ("plain", head("GET / HTTP/1.1"), "/", b""),
    ("one empty line before", b"\r\n" + head("GET / HTTP/1.1"), "/", b""),
    ("no space after colon", head("GET / HTTP/1.1", "host:a.test\r\n"), "/", b""),
    ("tabs around value", head("GET / HTTP/1.1", "host:\t a.test \t\r\n"), "/", b""),
    ("mixed case names", head("GET / HTTP/1.1", "HoSt: a.test\r\n"), "/", b""),
    ("host with port", head("GET / HTTP/1.1", "host: a.test:8080\r\n"), "/", b""),
    ("host ipv6", head("GET / HTTP/1.1", "host: [::1]:80\r\n"), "/", b""),
    ("unknown method", head("BREW / HTTP/1.1"), "/", b""),
    ("absolute form (HD-12)", head("GET http://a.test/x?y HTTP/1.1"), "/x?y", b""),
    ("absolute form, no path", head("GET http://a.test HTTP/1.1"), "/", b""),
    ("fragment is cut (CN-23)", head("GET /a#b HTTP/1.1"), "/a", b""),
    ("dot segments (CN-20)", head("GET /a/../b/./c HTTP/1.1"), "/b/c", b""),
    ("climbing above root is clamped (CN-22)", head("GET /../../b HTTP/1.1"), "/b", b""),
    ("unreserved decoded (CN-20)", head("GET /%61%7e HTTP/1.1"), "/a~", b""),
    ("encoded dot segments", head("GET /a/%2e%2e/b HTTP/1.1"), "/b", b""),
    ("encoded slash stays (CN-21)", head("GET /a%2fb HTTP/1.1"), "/a%2Fb", b""),
    ("double slash stays (CN-21)", head("GET //a HTTP/1.1"), "//a", b""),
    ("query untouched (CN-24)", head("GET /?a=%2e%2e/../b HTTP/1.1"), "/?a=%2e%2e/../b", b""),
    ("length 0", post("content-length: 0\r\n"), "/", b""),
    ("length with leading zeros", post("content-length: 0003\r\n", b"abc"), "/", b"abc"),
    ("length", post("content-length: 3\r\n", b"abc"), "/", b"abc"),
    ("chunked", chunked(b"3\r\nabc\r\n0\r\n\r\n"), "/", b"abc"),
    ("chunked, upper-case coding", post("transfer-encoding: Chunked\r\n", b"1\r\nx\r\n0\r\n\r\n"), "/", b"x"),
    ("chunked, upper and lower hex", chunked(b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n"), "/", b"0123456789" * 2),
    ("chunked, leading zeros", chunked(b"003\r\nabc\r\n000\r\n\r\n"), "/", b"abc"),
    ("chunked, extension", chunked(b"3;a=b\r\nabc\r\n0;c\r\n\r\n"), "/", b"abc"),
    ("chunked, quoted extension", chunked(b'3;a="b c"\r\nabc\r\n0\r\n\r\n'), "/", b"abc"),
    ("one-byte chunks", chunked(b"1\r\nx\r\n" * 500 + b"0\r\n\r\n"), "/", b"x" * 500),
    ("get with body", f"GET / HTTP/1.1\r\n{H}content-length: 2\r\n\r\nhi".encode(), "/", b"hi"),
    ("h2c upgrade ignored (CN-30)", field(b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA"), "/", b""),
    ("underscore in name (CN-36)", field(b"x_y: z"), "/", b""),
    ("high bytes in value", field(b"x: caf\xc3\xa9"), "/", b""),
    ("99 fields", head("GET / HTTP/1.1", H + "x: y\r\n" * 98), "/", b""),
    ("large target", head("GET /" + "a" * 30000 + " HTTP/1.1"), "/" + "a" * 30000, b""),
]  # fmt: skip


def requests_after(origin, count):
    return wait.until(lambda: origin.requests[count:], "the origin to see the request")


@pytest.mark.parametrize("pieces", [0, 1, 7], ids=["whole", "by one byte", "by seven"])
@pytest.mark.parametrize("name,data,target,body", ACCEPTED, ids=[c[0] for c in ACCEPTED])
def test_accepted(shared_plain, name, data, target, body, pieces):
    gateway, origin = shared_plain
    if pieces and len(data) > 5000:
        pytest.skip("large, in small pieces: no other path through the code")
    seen = len(origin.requests)
    with raw.Client(gateway.port(80)) as client:
        if pieces:
            for start in range(0, len(data), pieces):
                client.send(data[start : start + pieces])
        else:
            client.send(data)
        answer = client.response()
        assert answer.status == 200, answer
        # The connection is still good, and framed right: a second request is answered.
        assert client.request("/second").status == 200
    request = requests_after(origin, seen)[0]
    assert request.target == target
    assert request.body == body
    names = [n for n, _ in request.headers]
    assert names == [n.lower() for n in names]  # HD-25
    assert names.count("host") == 1
    assert not {"connection", "keep-alive", "upgrade", "http2-settings", "te"} & set(names)  # HD-1
    assert not ("content-length" in names and "transfer-encoding" in names)


def test_pipelined_requests_are_answered_in_order(shared_plain):
    gateway, _origin = shared_plain
    with raw.Client(gateway.port(80)) as client:
        client.send(b"".join(head(f"GET /{i} HTTP/1.1") for i in range(50)))
        for i in range(50):
            assert f'"target": "/{i}"'.encode() in client.response().body


def test_pipelined_refusal_comes_after_the_answers_before_it(shared_plain):
    gateway, _origin = shared_plain
    with raw.Client(gateway.port(80)) as client:
        client.send(head("GET /1 HTTP/1.1") + b"GET / HTTP/9.9\r\n\r\n" + head("GET /3 HTTP/1.1"))
        assert client.response().status == 200
        assert client.response().status in (400, 505)
        assert client.at_end()


def test_options_asterisk_meets_no_prefix(shared_plain):
    """A path of "*" is no path below "/" (HT-22): not routed, and no error either."""
    gateway, _origin = shared_plain
    with raw.Client(gateway.port(80)) as client:
        client.send(head("OPTIONS * HTTP/1.1"))
        assert client.response().status == 404
        assert client.request("/next").status == 200


def test_head_has_the_length_and_no_body(shared_plain):
    gateway, _origin = shared_plain
    with raw.Client(gateway.port(80)) as client:
        answer = client.request(method="HEAD")
        assert answer.status == 200 and int(answer.get("content-length")) > 0  # LR-26
        assert client.request("/next").status == 200


def test_descriptors_and_memory_return_to_the_baseline(shared_plain):
    """hardening 7: after the tables above nothing is left over."""
    gateway, _origin = shared_plain
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no client connection")
    baseline = gateway.descriptor_count()
    for _, data, _ in REFUSED:
        with raw.Client(gateway.port(80)) as client:
            try:
                client.send(data)
            except (BrokenPipeError, ConnectionResetError):
                pass
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no client connection")
    wait.until(lambda: gateway.descriptor_count() <= baseline, "descriptors of before")
