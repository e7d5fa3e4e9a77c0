"""gRPC with a real client and a real server (grpcio) through the gateway: the four kinds of call, both
directions of a stream, trailers-only answers, deadlines, local replies. Spec: LR-30, LR-31, HT-93,
OB-20, OB-27, CN-65, DR-50."""

import concurrent.futures
import queue
import struct
import threading
import time

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.gateway import Gateway
from support.h2_client import Client

grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
SERVICE = "test.Echo"


class EchoServer:
    """test.Echo with raw bytes for messages."""

    def __init__(self, credentials=None):
        self.metadata = []
        self.cancelled = threading.Event()
        self.remaining_s = []
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(32))
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "Hang": grpc.unary_unary_rpc_method_handler(self.hang),
            "Down": grpc.unary_stream_rpc_method_handler(self.down),
            "Up": grpc.stream_unary_rpc_method_handler(self.up),
            "Both": grpc.stream_stream_rpc_method_handler(self.both),
        }
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, handlers),)
        )
        if credentials is None:
            self.port = self.server.add_insecure_port("127.0.0.1:0")
        else:
            self.port = self.server.add_secure_port("127.0.0.1:0", credentials)
        self.server.start()

    def unary(self, request, context):
        self.metadata.append(dict(context.invocation_metadata()))
        context.send_initial_metadata((("x-initial", "1"),))
        context.set_trailing_metadata((("x-trailing", "2"), ("x-bin", b"\0\xff")))
        return request

    def fail(self, request, context):
        context.abort(grpc.StatusCode.ALREADY_EXISTS, "no: 100 % \u00e4")

    def hang(self, request, context):
        self.remaining_s.append(context.time_remaining())
        context.add_callback(self.cancelled.set)
        self.cancelled.wait(15)
        return b""

    def down(self, request, context):
        for i in range(int(request)):
            yield b"%d" % i

    def up(self, requests, context):
        return b"%d" % sum(len(r) for r in requests)

    def both(self, requests, context):
        for request in requests:
            yield request

    def stop(self):
        self.server.stop(0)


class Setup:
    pass


@pytest.fixture(scope="module")
def grpc_gateway(tmp_path_factory, authority):
    """HTTPS on port 443 and plain HTTP on port 80 for a.example.com; test.Echo upstream in the clear,
    test.Echo of another server behind TLS at b.example.com, nobody at gone.example.com."""
    server = EchoServer()
    pair = authority.issue("origin.test")
    tls_server = EchoServer(grpc.ssl_server_credentials([(pair.key_pem, pair.cert_pem)]))
    gateway = Gateway(tmp_path_factory.mktemp("gw"))
    hosts = [f"{n}.example.com" for n in ("a", "b", "gone", "empty", "timed")]
    write_secret(gateway.secrets / "cert", authority.issue(*hosts))
    ca = gateway.directory / "ca.pem"
    ca.write_bytes(authority.pem)
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway(
                "gw", objects.https_server(*hosts, credential="cert"), objects.http_server("*")
            ),
            objects.virtual_service("a", objects.route("a.test"), hosts=[hosts[0]]),
            objects.virtual_service("b", objects.route("b.test"), hosts=[hosts[1]]),
            objects.virtual_service("gone", objects.route("gone.test"), hosts=[hosts[2]]),
            objects.virtual_service(
                "empty", objects.route("a.test", {"uri": {"exact": "/x"}}), hosts=[hosts[3]]
            ),
            objects.virtual_service(
                "timed", objects.route("a.test", timeout="0.5s"), hosts=[hosts[4]]
            ),
            objects.service_entry("a.test", server.port, protocol="GRPC"),
            objects.service_entry("b.test", tls_server.port, protocol="GRPC"),
            objects.service_entry("gone.test", 1, protocol="GRPC"),
            objects.destination_rule(
                "b.test",
                tls={"mode": "SIMPLE", "caCertificates": str(ca), "sni": "origin.test"},
            ),
        ),
    )
    setup = Setup()
    setup.gateway, setup.server, setup.tls_server, setup.ca = gateway, server, tls_server, authority.pem
    try:
        gateway.start()
        yield setup
        gateway.stop()
    finally:
        gateway.kill()
        server.stop()
        tls_server.stop()


@pytest.fixture(params=["tls", "clear", "tls both sides"])
def channel(request, grpc_gateway):
    with open_channel(grpc_gateway, request.param) as channel:
        yield channel


def open_channel(setup, kind="tls", host=None):
    host = host or ("b.example.com" if kind == "tls both sides" else "a.example.com")
    options = [("grpc.default_authority", host), ("grpc.ssl_target_name_override", host)]
    if kind == "clear":
        return grpc.insecure_channel(f"127.0.0.1:{setup.gateway.port(80)}", options)
    credentials = grpc.ssl_channel_credentials(setup.ca)
    target = f"127.0.0.1:{setup.gateway.port(443)}"
    return grpc.secure_channel(target, credentials, options)


def method(channel, name, kind="unary_unary"):
    return getattr(channel, kind)(f"/{SERVICE}/{name}")


def test_unary(grpc_gateway, channel):
    answer, call = method(channel, "Unary").with_call(
        b"x" * 100_000, metadata=(("x-sent", "1"), ("y-bin", b"\1\2")), timeout=15
    )
    assert answer == b"x" * 100_000
    assert dict(call.initial_metadata())["x-initial"] == "1"
    trailing = dict(call.trailing_metadata())
    assert trailing["x-trailing"] == "2" and trailing["x-bin"] == b"\0\xff"
    seen = grpc_gateway.server.metadata + grpc_gateway.tls_server.metadata
    assert any((m["x-sent"], m["y-bin"]) == ("1", b"\1\2") for m in seen)


def test_empty_message(channel):
    assert method(channel, "Unary")(b"", timeout=15) == b""


def test_server_stream(channel):
    answers = list(method(channel, "Down", "unary_stream")(b"1000", timeout=15))
    assert answers == [b"%d" % i for i in range(1000)]


def test_client_stream(channel):
    requests = (b"x" * 10_000 for _ in range(100))
    assert method(channel, "Up", "stream_unary")(requests, timeout=15) == b"1000000"


def test_both_directions_at_once(channel):
    """Ping-pong: each message is sent only when the one before has come back, so nothing may wait for
    more bytes or for an end."""
    requests = queue.Queue()
    answers = method(channel, "Both", "stream_stream")(iter(requests.get, None), timeout=30)
    for i in range(100):
        requests.put(b"%d" % i)
        assert next(answers) == b"%d" % i
    requests.put(None)
    assert list(answers) == []


def test_many_calls_at_once(channel):
    call = method(channel, "Unary")
    futures = [call.future(b"%d" % i, timeout=30) for i in range(200)]
    assert [f.result() for f in futures] == [b"%d" % i for i in range(200)]


def test_error_is_trailers_only(channel):
    with pytest.raises(grpc.RpcError) as error:
        method(channel, "Fail")(b"x", timeout=15)
    assert error.value.code() == grpc.StatusCode.ALREADY_EXISTS
    assert error.value.details() == "no: 100 % \u00e4"


def test_unknown_method(channel):
    with pytest.raises(grpc.RpcError) as error:
        method(channel, "Nothing")(b"x", timeout=15)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_cancel_reaches_the_server(grpc_gateway):
    grpc_gateway.server.cancelled.clear()
    count = len(grpc_gateway.server.remaining_s)
    with open_channel(grpc_gateway) as channel:
        future = method(channel, "Hang").future(b"x", timeout=30)
        wait.until(lambda: len(grpc_gateway.server.remaining_s) > count, "the call")
        future.cancel()
        assert grpc_gateway.server.cancelled.wait(15)


def test_deadline(grpc_gateway):
    """HT-93: grpc-timeout goes on to the server; the client gives up by itself."""
    grpc_gateway.server.cancelled.clear()
    with open_channel(grpc_gateway) as channel:
        start = time.monotonic()
        with pytest.raises(grpc.RpcError) as error:
            method(channel, "Hang")(b"x", timeout=1)
        assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - start < 10
        assert 0 < grpc_gateway.server.remaining_s[-1] <= 1.1
        assert grpc_gateway.server.cancelled.wait(15)


def grpc_request(client, host, path=f"/{SERVICE}/Hang", headers=(), body=b"\0\0\0\0\1x"):
    head = [("content-type", "application/grpc"), ("te", "trailers"), *headers]
    return client.request(path, host, "POST", head, body)


@pytest.mark.parametrize(
    "host,headers",
    [
        ("timed.example.com", []),  # the route's timeout alone
        ("timed.example.com", [("grpc-timeout", "60S")]),  # capped by it
        ("a.example.com", [("grpc-timeout", "500m")]),  # the header alone
        ("timed.example.com", [("grpc-timeout", "bad")]),
    ],
)
def test_timeout_of_ours(grpc_gateway, host, headers):
    """HT-93, LR-6, LR-30, LR-31: 504 for a gRPC client is UNAVAILABLE in trailers-only form."""
    grpc_gateway.server.cancelled.clear()
    with Client(grpc_gateway.gateway.port(80)) as client:
        answer = grpc_request(client, host, headers=headers)
    assert answer.status == 200 and answer.body == b""
    assert answer.get("content-type") == "application/grpc"
    if host == "a.example.com" and answer.get("grpc-status") == "4":
        return  # the server knows the same deadline, and was quicker
    assert answer.get("grpc-status") == "14", answer
    assert answer.get("grpc-message") == "upstream request timeout"
    assert grpc_gateway.server.cancelled.wait(15)


@pytest.mark.parametrize(
    "host,code,message",
    [
        ("gone.example.com", "UNAVAILABLE", "remote connection failure"),  # 503 -> 14
        ("empty.example.com", "UNIMPLEMENTED", None),  # 404 -> 12
    ],
)
def test_local_replies(grpc_gateway, host, code, message):
    """LR-30, LR-31."""
    with open_channel(grpc_gateway, host=host) as channel:
        with pytest.raises(grpc.RpcError) as error:
            method(channel, "Unary")(b"x", timeout=15)
    assert error.value.code() == getattr(grpc.StatusCode, code), error.value
    if message:
        assert message in error.value.details()


def test_metrics(grpc_gateway):
    """OB-20, OB-27: messages of both directions, request_protocol, grpc_response_status."""
    gateway = grpc_gateway.gateway
    labels = {"request_protocol": "grpc", "destination_service": "a.test"}
    names = ("istio_request_messages_total", "istio_response_messages_total")
    before = [gateway.metric(name, labels) for name in names]
    failed = gateway.metric("istio_requests_total", {**labels, "grpc_response_status": "6"})
    with open_channel(grpc_gateway) as channel:
        list(method(channel, "Both", "stream_stream")(iter([b"x" * 50_000] * 7), timeout=15))
        list(method(channel, "Down", "unary_stream")(b"13", timeout=15))
        with pytest.raises(grpc.RpcError):
            method(channel, "Fail")(b"x", timeout=15)

    def counted():
        now = [gateway.metric(name, labels) for name in names]
        return [a - b for a, b in zip(now, before)] == [7 + 1 + 1, 7 + 13]

    wait.until(counted, "the counters")
    after = gateway.metric("istio_requests_total", {**labels, "grpc_response_status": "6"})
    assert after - failed == 1


def test_access_log(grpc_gateway):
    start = len(grpc_gateway.gateway.access_lines())
    with open_channel(grpc_gateway) as channel:
        method(channel, "Unary")(b"logged", timeout=15)
    line = grpc_gateway.gateway.wait_access_line(f"/{SERVICE}/Unary", start)
    assert f'"POST /{SERVICE}/Unary HTTP/2" 200 - via_upstream' in line
    assert '"grpc-python/' in line


@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text"])
@pytest.mark.parametrize("version", ["h1", "h2"])
def test_grpc_web_passes_unharmed(plain, kind, version):
    """CN-65: no translation; the body, trailers in it and all, is the origin's; counted."""
    body = b"\0\0\0\0\3abc" + b"\x80" + struct.pack(">I", 15) + b"grpc-status:0\r\n"

    def behaviour(origin, stream):
        while request := stream.read_request():
            origin.requests.append(request)
            stream.answer(200, [("content-type", kind)], body)

    gateway, origin = plain(behaviour=behaviour)
    sent = b"\0\0\0\0\2hi"
    head = [("content-type", kind), ("x-grpc-web", "1")]
    if version == "h1":
        answer = raw.get(gateway.port(80), "/test.Echo/Unary", method="POST", headers=head, body=sent)
    else:
        with Client(gateway.port(80)) as client:
            answer = client.request("/test.Echo/Unary", "a.example.com", "POST", head, sent)
    assert (answer.status, answer.body, answer.get("content-type")) == (200, body, kind)
    assert origin.requests[0].body == sent
    assert origin.requests[0].get("content-type") == kind
    wait.until(
        lambda: gateway.metric("gatehouse_grpc_web_requests_total") == 1, "the request to be counted"
    )
