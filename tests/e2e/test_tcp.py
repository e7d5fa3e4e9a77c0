"""Servers of protocol TCP, and TLS servers whose bytes go on in the clear: routes, weights, half-close,
endings, metrics, the PROXY protocol in and out. Spec: GW-14, TT-20 to TT-29, TL-72, OB-12, OB-20, OB-40,
CN-60, DR-80, DR-25, HR-5."""

import collections
import hashlib
import socket
import ssl
import struct
import threading
import time

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.gateway import IS_SANITIZED
from support.h2_client import Client
from support.origin import echo as http_echo
from support.tcp_origin import echo, greet, sink

PORT_MAP = {9000: 0, 9001: 0, 443: 0, 80: 0}


@pytest.fixture
def tcp(new_gateway, new_tcp_origin):
    """(gateway, origin): Gateway port 9000, protocol TCP."""

    def make(behaviour=echo, options=(), policy=None, start=True):
        origin = new_tcp_origin(behaviour=behaviour)
        gateway = new_gateway(options, port_map=PORT_MAP)
        rules = [objects.destination_rule("tcp.test", **policy)] if policy else []
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway("gw", objects.tcp_server()),
                objects.virtual_service("vs", tcp=[objects.tcp_route("tcp.test")]),
                objects.service_entry("tcp.test", origin.port, protocol="TCP"),
                *rules,
            ),
        )
        return (gateway.start() if start else gateway), origin

    return make


def no_tunnel(gateway):
    wait.until(lambda: gateway.metric("gatehouse_tunnels") == 0, "no tunnel")


def test_echo_and_half_close(tcp):
    """TT-27; OB-12: bytes in the log."""
    gateway, _ = tcp()
    with raw.Client(gateway.port(9000)) as client:
        client.send(b"hello")
        assert client.read_exactly(5) == b"hello"
        assert gateway.metric("gatehouse_tunnels", {"kind": "tcp"}) == 1
        client.send(b" world")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read_all() == b" world"
    line = gateway.wait_access_lines(1)[0]
    assert '"- - -" 0 - ' in line, line
    assert " 11 11 " in line and "outbound|80||tcp.test" in line, line
    no_tunnel(gateway)


def test_upstream_half_closes_first(tcp):
    """The other way round: the client may go on after the upstream's end."""
    taken = []

    def behaviour(origin, sock):
        sock.sendall(b"greeting")
        sock.shutdown(socket.SHUT_WR)
        data = b""
        while piece := sock.recv(65536):
            data += piece
        taken.append(data)

    gateway, _ = tcp(behaviour)
    with raw.Client(gateway.port(9000)) as client:
        assert client.read_all() == b"greeting"
        client.send(b"late words")
        client.socket.shutdown(socket.SHUT_WR)
        wait.until(lambda: taken == [b"late words"], "the late words")
    no_tunnel(gateway)


def test_rest(tcp):
    """Nothing spins: an idle tunnel, one that is half closed in either direction, a stuck one."""
    go = threading.Event()

    def behaviour(origin, sock):
        if sock.recv(1) == b"u":
            sock.shutdown(socket.SHUT_WR)
        go.wait(30)

    gateway, _ = tcp(behaviour)
    with raw.Client(gateway.port(9000)) as client:
        client.send(b"x")
        assert gateway.is_quiet(), "an idle tunnel"
        client.socket.shutdown(socket.SHUT_WR)
        assert gateway.is_quiet(), "the client has ended"
    with raw.Client(gateway.port(9000)) as client:
        client.send(b"u")
        assert client.at_end()
        assert gateway.is_quiet(), "the upstream has ended"
    with raw.Client(gateway.port(9000)) as client:
        client.socket.settimeout(1)
        with pytest.raises(TimeoutError):
            while True:
                client.socket.send(b"x" * 65536)
        assert gateway.is_quiet(), "a stuck tunnel"
    go.set()


def test_upstream_speaks_first(tcp):
    """Nothing may wait for the client's first byte."""
    gateway, origin = tcp(greet)
    with raw.Client(gateway.port(9000)) as client:
        assert client.read_until(b"\n") == origin.name.encode()


def test_close_without_a_word(tcp):
    gateway, origin = tcp()
    with raw.Client(gateway.port(9000)):
        wait.until(lambda: origin.connection_count == 1, "the connection")
    no_tunnel(gateway)
    assert gateway.metric("istio_tcp_connections_closed_total") == 1


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_reset_reaches_the_other_side(tcp, who):
    """An abort is not told as a clean end."""
    ends = []
    ready = threading.Event()

    def behaviour(origin, sock):
        sock.recv(10)
        if who == "upstream":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            return
        ready.set()
        try:
            ends.append(sock.recv(10))
        except ConnectionResetError:
            ends.append("reset")

    gateway, _ = tcp(behaviour)
    client = raw.Client(gateway.port(9000))
    client.send(b"x")
    if who == "client":
        assert ready.wait(15)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        wait.until(lambda: ends == ["reset"], "the reset")
    else:
        with pytest.raises(ConnectionResetError):
            client.socket.recv(10)
        client.close()
    no_tunnel(gateway)


def test_bulk_both_ways(tcp):
    """Bytes are the same, and memory of the gateway is bounded."""
    gateway, _ = tcp()
    block = hashlib.sha256(b"seed").digest() * 32768  # 1 MiB
    count = 8 if IS_SANITIZED else 128
    with raw.Client(gateway.port(9000), timeout=60) as client:

        def write():
            for _ in range(count):
                client.socket.sendall(block)
            client.socket.shutdown(socket.SHUT_WR)

        before = gateway.resident_kib()
        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        digest, total = hashlib.sha256(), 0
        while data := client.socket.recv(1 << 20):
            digest.update(data)
            total += len(data)
        writer.join(30)
        after = gateway.resident_kib()
    assert total == count * len(block)
    assert digest.hexdigest() == hashlib.sha256(block * count).hexdigest()
    assert IS_SANITIZED or after - before < 2048


def test_slow_taker_is_bounded(tcp):
    """TT-27: what the upstream does not take stays with the client."""
    go = threading.Event()

    def behaviour(origin, sock):
        go.wait(30)
        sink(origin, sock)

    gateway, _ = tcp(behaviour)
    with raw.Client(gateway.port(9000)) as client:
        before = gateway.resident_kib()
        client.socket.settimeout(2)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 1 << 30:
                sent += client.socket.send(b"x" * 65536)
        if not IS_SANITIZED:
            assert gateway.resident_kib() - before < 2048
        go.set()
        client.socket.settimeout(15)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.read_all() == b"%d" % sent


def test_weights(new_gateway, new_tcp_origin):
    """TT-25: a choice for each connection; weight 0 gets none."""
    origins = [new_tcp_origin(name, greet) for name in ("one", "three", "none")]
    gateway = new_gateway(port_map=PORT_MAP)
    route = objects.tcp_route(
        objects.to("one.test", 1), objects.to("three.test", 3), objects.to("none.test", 0)
    )
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.tcp_server()),
            objects.virtual_service("vs", tcp=[route]),
            *[objects.service_entry(f"{o.name}.test", o.port, protocol="TCP") for o in origins],
        ),
    )
    gateway.start()
    got = collections.Counter()
    for _ in range(200):
        with raw.Client(gateway.port(9000)) as client:
            got[client.read_until(b"\n").decode()] += 1
    assert got["none"] == 0 and 20 <= got["one"] <= 85, got  # 50 expected; 5 standard deviations


def test_rule_by_port(new_gateway, new_tcp_origin):
    """TT-20, TT-21: the first rule that fits; `port` is the Gateway's."""
    origins = [new_tcp_origin(name, greet) for name in ("a", "b", "c")]
    gateway = new_gateway(port_map=PORT_MAP)
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.tcp_server(), objects.tcp_server(port=9001)),
            objects.virtual_service(
                "vs",
                tcp=[
                    objects.tcp_route("a.test", match=[{"port": 9001}]),
                    objects.tcp_route("b.test", match=[{"port": 9000}, {"port": 7}]),
                    objects.tcp_route("c.test"),
                ],
            ),
            *[objects.service_entry(f"{o.name}.test", o.port, protocol="TCP") for o in origins],
        ),
    )
    gateway.start()
    for port, name in ((9001, b"a"), (9000, b"b")):
        with raw.Client(gateway.port(port)) as client:
            assert client.read_until(b"\n") == name


def test_server_without_a_rule_is_not_bound(new_gateway, new_tcp_origin):
    """TT-23."""
    origin = new_tcp_origin()
    gateway = new_gateway(port_map=PORT_MAP)
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.tcp_server(), objects.tcp_server(port=9001)),
            objects.virtual_service("vs", tcp=[objects.tcp_route("o.test", match=[{"port": 9001}])]),
            objects.service_entry("o.test", origin.port, protocol="TCP"),
        ),
    )
    gateway.start()
    assert "9000" not in gateway.ports and gateway.port(9001)


@pytest.mark.parametrize(
    "destination,flags",
    [("nobody.test", "NC"), ("empty.test", "UH"), ("refused.test", "UF,URX")],
)
def test_failures(new_gateway, destination, flags):
    """TT-28, 8.2: the connection is closed, and the log says why."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gateway = new_gateway(port_map=PORT_MAP)
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.tcp_server()),
            objects.virtual_service("vs", tcp=[objects.tcp_route(destination)]),
            objects.service_entry("refused.test", port, protocol="TCP"),
            objects.service_entry("empty.test", protocol="TCP", endpoints=[]),
        ),
    )
    gateway.start()
    with raw.Client(gateway.port(9000)) as client:
        assert client.read_all() == b""
    assert f" 0 {flags} " in gateway.wait_access_lines(1)[0]
    labels = {"response_flags": flags, "request_protocol": "tcp"}
    wait.until(
        lambda: gateway.metric("istio_tcp_connections_closed_total", labels) == 1, "the metric"
    )


def test_metrics(tcp):
    """OB-20, OB-23, OB-40."""
    gateway, _ = tcp()
    for _ in range(3):
        with raw.Client(gateway.port(9000)) as client:
            client.send(b"12345")
            assert client.read_exactly(5) == b"12345"
    labels = {
        "request_protocol": "tcp",
        "reporter": "source",
        "destination_service": "tcp.test",
        "response_flags": "-",
    }
    wait.until(
        lambda: gateway.metric("istio_tcp_connections_closed_total", labels) == 3, "the connections"
    )
    assert gateway.metric("istio_tcp_connections_opened_total", labels) == 3
    assert gateway.metric("istio_tcp_received_bytes_total", labels) == 15
    assert gateway.metric("istio_tcp_sent_bytes_total", labels) == 15


@pytest.mark.parametrize("field", ["idleTimeout", "maxConnectionDuration"])
def test_timeouts_of_a_rule(tcp, field):
    """TT-26."""
    gateway, _ = tcp(policy={"connectionPool": {"tcp": {field: "1s"}}})
    with raw.Client(gateway.port(9000)) as client:
        client.send(b"x")
        assert client.read_exactly(1) == b"x"
        start = time.monotonic()
        assert client.at_end()
        assert time.monotonic() - start > 0.5
    no_tunnel(gateway)


def test_reloads_and_drain_leave_tunnels(tcp):
    """HR-1, HR-5: a tunnel outlives reloads, pins no snapshot, and has until the drain's deadline."""
    gateway, _ = tcp(options=("--drain-time", "2s"))
    with raw.Client(gateway.port(9000)) as client:
        client.send(b"a")
        assert client.read_exactly(1) == b"a"
        text = (gateway.config / "all.yaml").read_text()
        for i in range(3):
            before = gateway.revision()
            gateway.write("all.yaml", text + f"---\n# {i}\n" + objects.documents(
                objects.service_entry(f"other{i}.test", 1)))  # fmt: skip
            gateway.wait_revision_after(before)
        wait.until(lambda: gateway.metric("gatehouse_config_snapshots") == 1, "the old to go")
        client.send(b"b")
        assert client.read_exactly(1) == b"b"
        gateway.signal(15)
        gateway.wait_log("drain")
        client.send(b"c")
        assert client.read_exactly(1) == b"c"
        client.read_all()  # until the deadline
    assert gateway.process.wait(20) == 0


def test_port_changes_its_protocol(tcp, new_origin):
    """HR-3: the sockets stay, what is spoken there does not; a tunnel stays what it is."""
    gateway, _ = tcp()
    origin = new_origin()
    as_tcp = (gateway.config / "all.yaml").read_text()
    as_http = objects.documents(
        objects.gateway("gw", objects.http_server(port=9000)),
        objects.virtual_service("vs", objects.route("http.test")),
        objects.service_entry("http.test", origin.port),
    )
    port = gateway.port(9000)
    with raw.Client(port) as tunnel:
        tunnel.send(b"a")
        assert tunnel.read_exactly(1) == b"a"
        before = gateway.revision()
        gateway.write("all.yaml", as_http)
        gateway.wait_revision_after(before)
        with raw.Client(port) as client:
            assert client.request().status == 200
            tunnel.send(b"b")
            assert tunnel.read_exactly(1) == b"b"
            before = gateway.revision()
            gateway.write("all.yaml", as_tcp)
            gateway.wait_revision_after(before)
            with raw.Client(port) as other:
                other.send(b"c")
                assert other.read_exactly(1) == b"c"
            try:  # a connection of HTTP that is left has no routes any more
                assert client.request().status == 404
            except (OSError, EOFError, AssertionError):
                pass


def test_many_connections_give_their_descriptors_back(tcp):
    """hardening 7."""
    gateway, origin = tcp()
    with raw.Client(gateway.port(9000)) as client:
        client.send(b"x")
        client.read_exactly(1)
    no_tunnel(gateway)
    before = gateway.descriptor_count()
    clients = [raw.Client(gateway.port(9000)) for _ in range(200)]
    for client in clients:
        client.send(b"x")
    for client in clients:
        assert client.read_exactly(1) == b"x"
        client.close()
    no_tunnel(gateway)
    # A worker may keep a pipe or two for splice().
    wait.until(lambda: gateway.descriptor_count() <= before + 64, "the descriptors to come back")


# --- TLS terminated, then bytes ------------------------------------------------------------------


@pytest.fixture
def terminated(new_gateway, new_tcp_origin, authority):
    def make(behaviour=echo, options=(), **tls):
        origin = new_tcp_origin(behaviour=behaviour)
        gateway = new_gateway(port_map=PORT_MAP, options=options)
        write_secret(gateway.secrets / "cert", authority.issue("a.example.com"))
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway(
                    "gw",
                    objects.tls_server(
                        "a.example.com", mode="SIMPLE", credentialName="cert", **tls
                    ),
                ),
                objects.virtual_service(
                    "vs", tcp=[objects.tcp_route("tcp.test")], hosts=["a.example.com"]
                ),
                objects.service_entry("tcp.test", origin.port, protocol="TCP"),
            ),
        )
        return gateway.start(), origin

    return make


def test_terminated_tcp(terminated):
    """GW-14, TT-24; half-close through close_notify."""
    gateway, _ = terminated()
    tls = raw.tls_context(alpn=())
    with raw.Client(gateway.port(443), tls=tls, server_name="a.example.com") as client:
        client.send(b"hello")
        assert client.read_exactly(5) == b"hello"
        assert gateway.metric("gatehouse_tunnels", {"kind": "tls"}) == 1
        client.send(b"x" * 1_000_000)
        assert client.read_exactly(1_000_000) == b"x" * 1_000_000
    line = gateway.wait_access_lines(1)[0]
    assert " 1000005 1000005 " in line and "a.example.com" in line, line
    no_tunnel(gateway)


def test_terminated_tcp_upstream_ends(terminated):
    """The end of the upstream is a close_notify, not a cut (RFC 8446 6.1)."""

    def behaviour(origin, sock):
        sock.recv(10)
        sock.sendall(b"bye")

    gateway, _ = terminated(behaviour)
    tls = raw.tls_context(alpn=())
    with raw.Client(gateway.port(443), tls=tls, server_name="a.example.com") as client:
        client.send(b"x")
        assert client.socket.recv(10) == b"bye"
        assert client.socket.recv(10) == b""  # SSLEOFError, were it a cut


def test_terminated_tcp_of_an_unknown_name(terminated):
    """SN-8."""
    gateway, origin = terminated()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        raw.Client(gateway.port(443), tls=raw.tls_context(), server_name="b.example.com")
    assert origin.connection_count == 0
    assert " NR " in gateway.wait_access_lines(1)[0]


def test_server_refused_while_a_handshake_is_under_way(terminated):
    """TT-24: the route is that of the end of the handshake; of a server that is no more, there is none."""
    gateway, origin = terminated()
    sent, received = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = raw.tls_context(alpn=()).wrap_bio(received, sent, server_hostname="a.example.com")
    with raw.Client(gateway.port(443)) as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send(sent.read())
                received.write(client.socket.recv(65536))
        before = gateway.revision()
        text = (gateway.config / "all.yaml").read_text()
        other = objects.gateway("other", objects.tls_server("b.example.com"))
        gateway.write(
            "all.yaml", text.replace("SIMPLE", "MUTUAL") + "---\n" + objects.documents(other)
        )
        gateway.wait_revision_after(before)
        client.send(sent.read())  # Finished
        client.read_all()  # tickets, close_notify
    assert origin.connection_count == 0
    assert gateway.process.poll() is None
    no_tunnel(gateway)


def test_tls_towards_a_tcp_upstream(new_gateway, new_h2_origin, authority, tmp_path):
    """DR-61 for bytes: an upstream that wants TLS gets it; `sni` as the rule says (DR-63)."""
    origin = new_h2_origin(tls=True)
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    gateway = new_gateway(port_map=PORT_MAP)
    policy = {"mode": "SIMPLE", "caCertificates": str(ca), "sni": "origin.test"}
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.tcp_server()),
            objects.virtual_service("vs", tcp=[objects.tcp_route("tcp.test")]),
            objects.service_entry("tcp.test", origin.port, protocol="TCP"),
            objects.destination_rule("tcp.test", tls=policy),
        ),
    )
    gateway.start()
    with Client(gateway.port(9000)) as client:
        assert client.request().status == 200
    assert origin.server_names == ["origin.test"]
    assert origin.alpn_chosen == [None]  # DR-62: bytes are not HTTP/2


# --- PROXY protocol ------------------------------------------------------------------------------

V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command=1, family=0x11, payload=None):
    if payload is None:
        payload = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1")
        payload += struct.pack(">HH", 1234, 443)
    return V2 + bytes([0x20 | command, family]) + struct.pack(">H", len(payload)) + payload


V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + socket.inet_pton(
    socket.AF_INET6, "2001:db8::1"
)
HEADERS = [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n", "192.0.2.7"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 1234 443\r\n", "2001:db8::7"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    (v2(), "192.0.2.7"),
    (v2(family=0x21, payload=V6 + struct.pack(">HH", 1234, 443)), "2001:db8::7"),
    (v2(payload=v2()[16:] + b"\x04\0\x02ab"), "192.0.2.7"),  # a TLV behind it
    (v2(command=0, family=0, payload=b""), "127.0.0.1"),  # LOCAL: a health check
]
FROM_HERE = ("--proxy-protocol-from", "127.0.0.0/8,::1/128")


@pytest.mark.parametrize("mode", ["optional", "required"])
@pytest.mark.parametrize("header,address", HEADERS)
def test_proxy_header_is_believed(plain, header, address, mode):
    """CN-60: the address takes the peer's place."""
    gateway, origin = plain(options=("--proxy-protocol", mode, *FROM_HERE))
    with raw.Client(gateway.port(80)) as client:
        client.send(header)
        assert client.request().status == 200
        assert client.request().status == 200
    for request in origin.requests:
        if address != "127.0.0.1":
            assert request.get("x-forwarded-for") == address
            assert request.get("x-envoy-external-address") == address  # HD-9
    assert address in gateway.wait_access_lines(1)[0]


def test_proxy_header_byte_by_byte_before_http2(plain):
    gateway, origin = plain(options=("--proxy-protocol", "required", *FROM_HERE))
    with Client(gateway.port(80), before=HEADERS[3][0]) as client:
        assert client.request().status == 200
    assert origin.requests[0].get("x-forwarded-for") == "192.0.2.7"


BAD_HEADERS = [
    b"PROXY TCP4 192.0.2.7 192.0.2.1 1234\r\n",
    b"PROXY TCP4 192.0.2.256 192.0.2.1 1234 443\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 65536\r\n",
    b"PROXY TCP4  192.0.2.7 192.0.2.1 1234 443\r\n",
    b"PROXY TCP4 2001:db8::7 192.0.2.1 1234 443\r\n",
    b"PROXY " + b"x" * 200 + b"\r\n",
    b"PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\n",
    v2()[:12] + b"\x31" + v2()[13:],  # version 3
    v2(payload=b"1234"),  # too short for its family
    v2(payload=v2()[16:] + b"\x04\xff\xffab"),  # a TLV longer than what holds it
    V2 + b"\x21\x11\xff\xff" + b"x" * 65535,  # longer than any
]


@pytest.mark.parametrize("header", BAD_HEADERS, ids=range(len(BAD_HEADERS)))
def test_bad_proxy_header(plain, header):
    """Closed, without a word."""
    gateway, origin = plain(options=("--proxy-protocol", "optional", *FROM_HERE))
    with raw.Client(gateway.port(80)) as client:
        try:
            client.send(header)
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        except ConnectionError:
            pass
        assert client.read_all() == b""
    assert not origin.requests
    assert gateway.metric("gatehouse_connections_refused_total") == 1


@pytest.mark.parametrize("mode,served", [("optional", True), ("required", False)])
def test_no_proxy_header(plain, mode, served):
    """CN-60; P: optional."""
    gateway, origin = plain(options=("--proxy-protocol", mode, *FROM_HERE))
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        answer = client.response()
        assert (answer is not None) == served
        assert not served or answer.status == 200
    assert len(origin.requests) == served


@pytest.mark.parametrize("options", [(), ("--proxy-protocol", "required", "--proxy-protocol-from", "192.0.2.0/24")])
def test_proxy_header_of_a_stranger(plain, options):
    """Not from a trusted range: its header is no header, and it needs none."""
    gateway, origin = plain(options=options)
    assert raw.get(gateway.port(80)).status == 200
    with raw.Client(gateway.port(80)) as client:
        client.send(HEADERS[0][0])
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"200 OK" not in client.read_all()
    assert all(r.get("x-forwarded-for") != "192.0.2.7" for r in origin.requests)


def test_half_a_proxy_header(plain):
    """A deadline of its own."""
    gateway, _ = plain(
        options=("--proxy-protocol", "optional", *FROM_HERE, "--handshake-timeout", "1s",
                 "--header-timeout", "1s")
    )  # fmt: skip
    with raw.Client(gateway.port(80)) as client:
        client.send(b"PROXY TCP4 192.")
        client.read_all()
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no connection")


def test_probe_behind_a_balancer_is_no_failed_handshake(terminated):
    """The header is the balancer's word, not the client's (OB-15)."""
    gateway, _ = terminated(options=("--proxy-protocol", "required", *FROM_HERE))
    for said, failures in ((b"", 0), (b"\x16\x03\x01", 1)):
        with raw.Client(gateway.port(443)) as client:
            client.send(HEADERS[0][0] + said)
            client.socket.shutdown(socket.SHUT_WR)
            client.read_all()
        wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no connection")
        assert gateway.metric("gatehouse_tls_handshake_failures_total") == failures


@pytest.mark.parametrize("version,name", [(0, "V1"), ("V2", "V2")])
def test_proxy_header_upstream(tcp, version, name):
    """DR-80: before the first byte; who the client is, and where it came to."""
    heads = []

    def behaviour(origin, sock):
        stream = sock.makefile("rb")
        if name == "V1":
            heads.append(stream.readline())
        else:
            head = stream.read(16)
            heads.append(head + stream.read(int.from_bytes(head[14:], "big")))
        sock.sendall(stream.read(5))

    gateway, _ = tcp(behaviour, policy={"proxyProtocol": {"version": version}})
    with raw.Client(gateway.port(9000)) as client:
        client.send(b"hello")
        assert client.read_exactly(5) == b"hello"
        here, there = client.socket.getsockname()[1], gateway.port(9000)
    if name == "V1":
        assert heads == [b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (here, there)]
    else:
        address = socket.inet_aton("127.0.0.1")
        payload = address + address + struct.pack(">HH", here, there)
        assert heads[0][:16] == V2 + b"\x21\x11\0\x0c" and heads[0][16:28] == payload


def test_proxy_header_upstream_of_http(new_gateway, new_origin):
    """DR-80: connections are not shared by clients."""
    heads = []

    def behaviour(origin, stream):
        heads.append(stream.read_line())
        http_echo(origin, stream)

    origin = new_origin(behaviour=behaviour)
    gateway = new_gateway(("--workers", "1"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
            objects.destination_rule("origin.test", proxyProtocol={"version": 0}),
        ),
    )
    gateway.start()
    with raw.Client(gateway.port(80)) as one, raw.Client(gateway.port(80)) as two:
        for client in (one, two, one, two):
            assert client.request().status == 200
        ports = [client.socket.getsockname()[1] for client in (one, two)]
    assert {int(head.split()[4]) for head in heads} == set(ports)


def test_proxy_header_passed_on(tcp):
    """In and out: the upstream is told the first client."""
    heads = []

    def behaviour(origin, sock):
        stream = sock.makefile("rb")
        heads.append(stream.readline())
        sock.sendall(b"ok")

    gateway, _ = tcp(
        behaviour,
        options=("--proxy-protocol", "required", *FROM_HERE),
        policy={"proxyProtocol": {}},
    )
    with raw.Client(gateway.port(9000)) as client:
        client.send(HEADERS[0][0] + b"x")
        assert client.read_exactly(2) == b"ok"
    assert heads == [HEADERS[0][0]]
