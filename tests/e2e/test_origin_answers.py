"""hardening 2: the origin is as untrusted as the client. What is no clean HTTP/1.1 is 502 or 503
before the head went out, a cut connection afterwards; a body the origin cut off is never completed;
bytes that follow an answer are never taken for the next one.
Spec: LR-9, LR-20, LR-21, LR-23, HD-33, CN-35.
"""

import threading

import pytest

from support import objects, raw, wait

OK = b"HTTP/1.1 200 OK\r\n"


def scripted(answers):
    """An origin that answers target /N with the bytes of case N and then ends the connection, but for
    /ok, which it answers well."""

    def behaviour(origin, stream):
        while True:
            request = stream.read_request()
            if request is None:
                return
            origin.requests.append(request)
            path = request.target.split("?")[0]
            if path == "/ok":
                stream.answer(200, [], b"fine")
                continue
            stream.send(answers[int(path[1:])])
            if request.target.endswith("?stay"):
                continue
            return

    return behaviour


# (name, bytes): none of it may reach the client but as a 502 or 503 of ours.
BROKEN_HEADS = [
    ("nothing", b""),
    ("no http", b"hello\r\n\r\n"),
    ("http/0.9", b"<html>hi</html>"),
    ("ssh", b"SSH-2.0-OpenSSH\r\n\r\n"),
    ("tls alert", b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n"),
    ("version 2.0", b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("version 9.9", b"HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("lower-case version", b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("status of two digits", b"HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n"),
    ("status of four digits", b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n"),
    ("status not a number", b"HTTP/1.1 abc OK\r\ncontent-length: 0\r\n\r\n"),
    ("status 099", b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n"),
    ("two spaces", b"HTTP/1.1  200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("control byte in reason", b"HTTP/1.1 200 O\x01K\r\ncontent-length: 0\r\n\r\n"),
    ("nul in reason", b"HTTP/1.1 200 O\x00K\r\ncontent-length: 0\r\n\r\n"),
    ("bare lf", b"HTTP/1.1 200 OK\ncontent-length: 0\n\n"),
    ("space before colon", OK + b"content-length : 0\r\n\r\n"),
    ("no colon", OK + b"content-length 0\r\n\r\n"),
    ("empty name", OK + b": x\r\ncontent-length: 0\r\n\r\n"),
    ("obs-fold", OK + b"x: a\r\n b\r\ncontent-length: 0\r\n\r\n"),
    ("nul in value", OK + b"x: a\x00b\r\ncontent-length: 0\r\n\r\n"),
    ("bare cr in value", OK + b"x: a\rb\r\ncontent-length: 0\r\n\r\n"),
    ("name with space", OK + b"x y: z\r\ncontent-length: 0\r\n\r\n"),
    ("te and cl", OK + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n"),
    ("two lengths differ", OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx"),
    ("length list", OK + b"content-length: 1, 2\r\n\r\nxx"),
    ("length negative", OK + b"content-length: -1\r\n\r\n"),
    ("length with plus", OK + b"content-length: +1\r\n\r\nx"),
    ("length overflow", OK + b"content-length: 18446744073709551616\r\n\r\n"),
    ("length empty", OK + b"content-length:\r\n\r\n"),
    ("te gzip", OK + b"transfer-encoding: gzip\r\n\r\nxx"),
    ("te chunked twice", OK + b"transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
    ("te chunked, gzip", OK + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
    ("te in http/1.0", b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("101 not asked for", b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ("100 without end", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    ("half a head", OK + b"content-le"),
    ("head too large", OK + b"x: " + b"y" * 80000 + b"\r\n\r\n"),
    ("too many fields", OK + b"x: y\r\n" * 150 + b"\r\n"),
    ("20,000 fields", OK + b"x:\r\n" * 20000 + b"\r\n"),
    ("leading space", b" HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("leading garbage", b"x\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    ("fold of status line", b"HTTP/1.1 200 OK\r\n x: y\r\n\r\n"),
]  # fmt: skip

# (name, bytes): the head is good, the body is not: what the client gets must not look complete.
BROKEN_BODIES = [
    ("length cut short", OK + b"content-length: 10\r\n\r\nabc"),
    ("no byte of the body", OK + b"content-length: 10\r\n\r\n"),
    ("chunked cut in data", OK + b"transfer-encoding: chunked\r\n\r\n5\r\nabc"),
    ("chunked cut in size", OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n5"),
    ("chunked without last chunk", OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    ("chunked cut in trailers", OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n"),
    ("chunk size broken", OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"),
    ("chunk size overflow", OK + b"transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc"),
    ("chunk data too long", OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n"),
    ("chunk line lf", OK + b"transfer-encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"),
    ("trailer broken", OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx y: z\r\n\r\n"),
]  # fmt: skip

# (name, bytes, status, body): good, or made good on the way.
GOOD = [
    ("length", OK + b"content-length: 3\r\n\r\nabc", 200, b"abc"),
    ("chunked", OK + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200, b"abc"),
    ("until close", OK + b"\r\nabc", 200, b"abc"),
    ("http/1.0 until close", b"HTTP/1.0 200 OK\r\n\r\nabc", 200, b"abc"),
    ("http/1.0 length", b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nabc", 200, b"abc"),
    ("no reason", b"HTTP/1.1 200 \r\ncontent-length: 0\r\n\r\n", 200, b""),
    ("unknown status", b"HTTP/1.1 299 Odd\r\ncontent-length: 0\r\n\r\n", 299, b""),
    ("204", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    ("304 with length", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 10\r\n\r\n", 304, b""),
    ("103 before it", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + OK + b"content-length: 0\r\n\r\n", 200, b""),
    ("503 of the origin's", b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy", 503, b"busy"),
    ("hop-by-hop fields (HD-33)", OK + b"connection: x, close\r\nx: y\r\nkeep-alive: 5\r\nproxy-connection: z\r\ncontent-length: 0\r\n\r\n", 200, b""),
]  # fmt: skip

ALL = [c[1] for c in BROKEN_HEADS] + [c[1] for c in BROKEN_BODIES] + [c[1] for c in GOOD]
BEHAVIOUR = scripted(ALL)


def test_there_are_enough_cases():
    assert len(ALL) >= 40


def index_of(data):
    return next(i for i, item in enumerate(ALL) if item is data)


@pytest.mark.parametrize("name,data", BROKEN_HEADS, ids=[c[0] for c in BROKEN_HEADS])
def test_broken_head_is_an_error_of_ours(shared_plain, name, data):
    gateway, _origin = shared_plain
    with raw.Client(gateway.port(80)) as client:
        answer = client.request(f"/{index_of(data)}")
        assert answer is not None and answer.complete
        assert answer.status in (502, 503), answer
        assert answer.get("server") == "istio-envoy"  # LR-24
        assert b"upstream connect error or disconnect/reset before headers" in answer.body  # LR-20
        assert all(status == 100 for status, _ in answer.interim)
        # The client's connection is not to blame.
        assert client.request("/ok").body == b"fine"


@pytest.mark.parametrize("name,data", BROKEN_BODIES, ids=[c[0] for c in BROKEN_BODIES])
def test_broken_body_never_looks_complete(shared_plain, name, data):
    gateway, _origin = shared_plain
    with raw.Client(gateway.port(80)) as client:
        answer = client.request(f"/{index_of(data)}")
        if answer is not None and answer.status != 200:
            assert answer.status in (502, 503)  # the head had not left yet
            return
        assert answer is None or not answer.complete, answer  # LR-23
        assert client.at_end()


@pytest.mark.parametrize("name,data,status,body", GOOD, ids=[c[0] for c in GOOD])
def test_good_answers(shared_plain, name, data, status, body):
    gateway, _origin = shared_plain
    with raw.Client(gateway.port(80)) as client:
        answer = client.request(f"/{index_of(data)}")
        assert (answer.status, answer.body, answer.complete) == (status, body, True)
        assert not {"keep-alive", "proxy-connection", "x"} & {n for n, _ in answer.headers}
        if answer.get("connection") != "close":
            assert client.request("/ok").body == b"fine"


@pytest.mark.parametrize("where", ["with", "after"])
def test_bytes_behind_an_answer_are_never_the_next_answer(plain, where):
    """A desynchronised origin must not poison the next client's answer: RFC 9112 9.2."""
    extra = OK + b"content-length: 8\r\n\r\npoisoned"
    ended = threading.Event()

    def behaviour(origin, stream):
        while True:
            request = stream.read_request()
            if request is None:
                ended.set()
                return
            if request.target == "/bad":
                answer = OK + b"content-length: 3\r\n\r\nabc"
                if where == "with":
                    stream.send(answer + extra)
                else:
                    stream.send(answer)
                    stream.send(extra)
            else:
                stream.answer(200, [], b"clean")

    gateway, _ = plain(behaviour)
    for _ in range(20):
        ended.clear()
        assert raw.get(gateway.port(80), "/bad").body == b"abc"
        # What comes late cannot be told from an answer once a request is out; what is there can.
        assert ended.wait(15), "the connection was kept"
        assert raw.get(gateway.port(80), "/next").body == b"clean"


def test_head_answer_with_a_body_is_not_reused(plain):
    def behaviour(origin, stream):
        while True:
            request = stream.read_request()
            if request is None:
                return
            stream.answer(200, [], b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")

    gateway, _ = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        assert client.request(method="HEAD").status == 200
        assert client.request().body.startswith(b"HTTP/1.1 200 OK")


def test_early_answer_while_the_body_is_still_coming(plain):
    """The origin refuses before it read the body; the client gets that answer."""

    def behaviour(origin, stream):
        if stream.read_head() is not None:
            stream.answer(413, [("connection", "close")], b"too much")

    gateway, _ = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 1000)
        answer = client.response()
        assert (answer.status, answer.body) == (413, b"too much")


def test_origin_that_refuses_connections(new_gateway, new_origin):
    """LR-8, HT-95: 503 with the reason; connect-failure was tried again."""
    dead = new_origin()
    dead.close()
    gateway = new_gateway()
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("dead.test")),
            objects.service_entry("dead.test", dead.port),
        ),
    )
    gateway.start()
    answer = raw.get(gateway.port(80))
    assert answer.status == 503
    assert b"remote connection failure" in answer.body
    line = gateway.wait_access_lines(1)[0]
    assert " 503 " in line and "UF" in line


def test_idle_pooled_connection_that_the_origin_closes_is_not_a_failure(plain):
    """A stale connection is noticed, or the request is sent again: the client never sees it."""

    def behaviour(origin, stream):
        for _ in range(2):
            request = stream.read_request()
            if request is None:
                return
            origin.requests.append(request)
            stream.answer(200, [], b"ok")

    gateway, _origin = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        for _ in range(200):
            assert client.request().status == 200


def test_post_on_a_connection_closed_under_it_is_not_sent_twice(plain):
    """A request that is not idempotent and may have been received is not repeated: LR-9."""

    def behaviour(origin, stream):
        request = stream.read_request()
        if request is None:
            return
        origin.requests.append(request)
        if request.method != "POST":
            stream.answer(200, [], b"ok")
            request = stream.read_request()
            if request is not None:
                origin.requests.append(request)

    gateway, origin = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        assert client.request("/warm").status == 200
        answer = client.request("/once", method="POST", body=b"pay")
        assert answer.status == 503
        assert b"connection termination" in answer.body
    wait.until(lambda: origin.requests, "requests")
    assert sum(r.target == "/once" for r in origin.requests) == 1
    assert "UC" in gateway.wait_access_lines(2)[1]
