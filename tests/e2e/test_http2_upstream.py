"""HTTP/2 towards upstreams, and between the versions: heads, trailers, interim answers, resets, GOAWAY,
limits, TLS. Spec: DR-50, DR-61 to DR-69, CN-41, HD-3, HD-4, HD-13, HD-25, LR-20 to LR-23, HT-95, HT-107."""

import json
import socket
import threading

import pytest

from support import objects, raw, wait
from support.h2_client import Client, literal_block
from support.h2_peer import FRAME_HEADERS, Code, Setting
from support.origin import echo


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
