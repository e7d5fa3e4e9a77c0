"""Connections of HTTP/2 clients as a whole: drain, removed listeners, rotation, reload, hosts of other
servers, ALPN, idleness. Spec: HR-1, HR-2, HR-5, SN-20 to SN-23, TL-71."""

import signal
import threading

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.h2_client import Client, RawClient, request_head
from support.h2_peer import FRAME_GOAWAY, FRAME_RST_STREAM, FRAME_WINDOW_UPDATE, Code

MAX_STREAM = 2**31 - 1


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
