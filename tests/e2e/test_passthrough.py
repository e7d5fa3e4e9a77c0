"""TLS that passes through: the name in the ClientHello decides, before any TLS byte is answered, and the
upstream's own certificate is what the client sees. Issue must show 2.
Spec: GW-14, GW-35, SN-1 to SN-9, TT-1 to TT-8, TT-23, TT-25, TT-27."""

import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.h2_origin import server_context
from support.tcp_origin import greet


@pytest.fixture
def upstream(new_tcp_origin, authority, tmp_path):
    """An origin with TLS of its own that says its name."""

    def make(name, *hosts, **more):
        pair = authority.issue(*(hosts or [f"{name}.example.com"]))
        context = server_context(pair, tmp_path / f"up-{name}", more.pop("alpn", ()))
        origin = new_tcp_origin(name, more.pop("behaviour", greet), context)
        origin.serial = pair.serial
        return origin

    return make


def configure(gateway, origins, rules, *servers, services=()):
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", *servers),
            *rules,
            *[objects.service_entry(f"{o.name}.test", o.port, protocol="TLS") for o in origins],
            *services,
        ),
    )
    return gateway.start()


def dial(gateway, name, port=443, **more):
    return raw.Client(
        gateway.port(port), tls=raw.tls_context(alpn=()), server_name=name, **more
    )


def who(gateway, name):
    """(name of the origin, serial of the certificate seen); None when nobody is there."""
    try:
        with dial(gateway, name) as client:
            return client.read_until(b"\n").decode(), client.peer_serial()
    except (ssl.SSLError, ConnectionError):
        return None


@pytest.fixture
def passthrough(new_gateway, upstream):
    """One origin `up` behind a passthrough server for up.example.com."""

    def make(options=(), **more):
        origin = upstream("up", **more)
        gateway = new_gateway(options)
        rule = objects.virtual_service(
            "vs", hosts=["up.example.com"], tls=[objects.tls_route(["up.example.com"], "up.test")]
        )
        configure(gateway, [origin], [rule], objects.tls_server("up.example.com"))
        return gateway, origin

    return make


def test_the_upstreams_certificate_is_seen(passthrough):
    gateway, origin = passthrough()
    with dial(gateway, "up.example.com") as client:
        assert client.read_until(b"\n") == b"up"
        assert client.peer_serial() == origin.serial
        assert gateway.metric("gatehouse_tunnels", {"kind": "passthrough"}) == 1
        client.send(b"x" * 1_000_000)
        assert client.read_exactly(1_000_000) == b"x" * 1_000_000
    line = gateway.wait_access_lines(1)[0]
    assert "outbound|80||up.test" in line and "up.example.com" in line, line
    labels = {"request_protocol": "tcp", "destination_service": "up.test"}
    wait.until(
        lambda: gateway.metric("istio_tcp_connections_closed_total", labels) == 1, "the metric"
    )
    assert gateway.metric("istio_tcp_received_bytes_total", labels) > 1_000_000
    # Nothing of TLS was ours.
    assert gateway.metric("gatehouse_tls_handshakes_total") == 0


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client(passthrough, authority, version):
    gateway, origin = passthrough()
    ca = gateway.directory / "ca.pem"
    ca.write_bytes(authority.pem)
    done = s_client(gateway, ca, version)
    assert b"Verify return code: 0 (ok)" in done, done.decode(errors="replace")[-2000:]
    text = subprocess.run(
        ["openssl", "x509", "-noout", "-serial"], input=done, capture_output=True, timeout=15
    ).stdout
    assert int(text.strip().split(b"=")[1], 16) == origin.serial


def s_client(gateway, ca, version):
    process = subprocess.Popen(
        [
            "openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port(443)}", version,
            "-servername", "up.example.com", "-CAfile", str(ca), "-verify_return_error",
            "-verify_hostname", "up.example.com",
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    out, _ = process.communicate(b"Q\n", timeout=30)
    return out


def test_names_and_wildcards(new_gateway, upstream):
    """SN-1, SN-2, SN-4, TT-2, TT-5: exact first, then the longest suffix; sniHosts decide, not the
    server's hosts."""
    origins = [upstream(n, "x.test") for n in ("exact", "deep", "wide")]
    gateway = new_gateway()
    rules = [
        objects.virtual_service(
            "vs",
            hosts=["*.example.com", "example.com"],
            tls=[
                objects.tls_route(["*.example.com"], "wide.test"),
                objects.tls_route(["*.a.example.com"], "deep.test"),
                objects.tls_route(["b.a.example.com", "example.com"], "exact.test"),
            ],
        )
    ]
    configure(gateway, origins, rules, objects.tls_server("*.example.com", "example.com"))
    for name, expected in [
        ("b.a.example.com", "exact"),
        ("B.A.Example.COM", "exact"),
        ("example.com", "exact"),
        ("c.a.example.com", "deep"),
        ("d.c.a.example.com", "deep"),
        ("a.example.com", "wide"),
        ("x.example.com", "wide"),
        ("example.org", None),
        (None, None),
    ]:
        got = who(gateway, name)
        assert (got and got[0]) == expected, name
    lines = gateway.wait_access_lines(9)
    assert len([x for x in lines if " NR filter_chain_not_found " in x]) == 2  # SN-8, SN-9


def test_no_answer_before_the_name_is_known(passthrough):
    """TT-7: and none of ours afterwards: who matches nothing is closed without a TLS byte (SN-8)."""
    gateway, origin = passthrough()
    with raw.Client(gateway.port(443)) as client:
        client.send(hello("nobody.example.com"))
        assert client.read_all() in (b"", b"\x15\x03\x01\x00\x02\x02\x70", b"\x15\x03\x03\x00\x02\x02\x70")
    assert origin.connection_count == 0


def hello(name):
    """A ClientHello as OpenSSL makes it, in one record."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = raw.tls_context(alpn=("h2", "http/1.1"))
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def records(handshake, size, version=b"\x03\x01"):
    """The handshake message cut into TLS records of `size` bytes."""
    return b"".join(
        b"\x16" + version + struct.pack(">H", len(handshake[i : i + size])) + handshake[i : i + size]
        for i in range(0, len(handshake), size)
    )


def raw_origin(new_tcp_origin, taken):
    """An origin that keeps what it gets, TLS or not."""

    def behaviour(origin, sock):
        while data := sock.recv(65536):
            taken.append(data)

    return new_tcp_origin("up", behaviour)


def with_extension(handshake, kind, payload):
    """A ClientHello with one more extension, at the front of its list."""
    at = 4 + 2 + 32
    at += 1 + handshake[at]  # session id
    at += 2 + int.from_bytes(handshake[at : at + 2], "big")  # suites
    at += 1 + handshake[at]  # compression
    count = int.from_bytes(handshake[at : at + 2], "big")
    more = struct.pack(">HH", kind, len(payload)) + payload
    body = (
        handshake[4:at] + struct.pack(">H", count + len(more)) + more + handshake[at + 2 :]
    )
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


@pytest.mark.parametrize("how", ["one byte", "records of 1", "records of 100", "large", "grease", "ech"])
def test_hello_in_many_shapes(new_gateway, new_tcp_origin, how):
    """Over many segments, over many records, larger than one record, with GREASE (RFC 8701) and ECH:
    the bytes go on as they came (TT-7)."""
    taken = []
    origin = raw_origin(new_tcp_origin, taken)
    gateway = new_gateway()
    rule = objects.virtual_service(
        "vs", hosts=["up.example.com"], tls=[objects.tls_route(["up.example.com"], "up.test")]
    )
    configure(gateway, [origin], [rule], objects.tls_server("up.example.com"))
    first = hello("up.example.com")
    handshake = first[5:]
    data = {
        "one byte": first,
        "records of 1": records(handshake, 1),
        "records of 100": records(handshake, 100),
        "large": records(with_extension(handshake, 0x5A5A, b"\0" * 15000), 4096),
        "grease": records(with_extension(handshake, 0x0A0A, b"\0"), 16384),
        "ech": records(with_extension(handshake, 0xFE0D, b"\0\0\1\0\1\x42\0\x20" + b"k" * 32 + b"\0\x90" + b"e" * 144), 16384),
    }[how]  # fmt: skip
    with raw.Client(gateway.port(443)) as client:
        if how == "one byte":
            for i in range(len(data)):
                client.send(data[i : i + 1])
        else:
            client.send(data)
        client.send(b"tail")
        wait.until(lambda: b"".join(taken) == data + b"tail", "the same bytes at the origin")


NOT_TLS = [
    b"GET / HTTP/1.1\r\nhost: up.example.com\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x80\x2e\x01\x03\x01" + b"\0" * 41,  # SSL 2
    b"\x16\x03\x01\x00\x00",  # an empty record
    b"\x16\x03\x01\xff\xff" + b"\0" * 100,  # a record too large
    b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00",  # no ClientHello
    b"\x15\x03\x01\x00\x02\x02\x28",  # an alert
    b"\x17\x03\x03\x00\x05hello",
    b"\x16\x03\x01\x00\x08\x01\xff\xff\xff\x03\x03ab",  # a message too large
    b"\x00" * 100,
]


@pytest.mark.parametrize("data", NOT_TLS, ids=range(len(NOT_TLS)))
def test_not_tls(passthrough, data):
    """SN-7: no name, so nobody; closed at once."""
    gateway, origin = passthrough()
    with raw.Client(gateway.port(443)) as client:
        client.send(data)
        client.read_all()
    assert origin.connection_count == 0
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no connection")


@pytest.mark.parametrize("part", [0, 3, 60])
def test_hello_that_does_not_come(passthrough, part):
    """TL-18: a deadline."""
    gateway, origin = passthrough(("--handshake-timeout", "1s"))
    start = time.monotonic()
    with raw.Client(gateway.port(443)) as client:
        client.send(hello("up.example.com")[:part])
        client.read_all()
    assert 0.5 < time.monotonic() - start < 10
    assert origin.connection_count == 0


def test_catch_all(new_gateway, upstream):
    """SN-3, SN-5, TT-5: `*` takes also who sends no name."""
    origin = upstream("up", "x.test")
    gateway = new_gateway()
    rule = objects.virtual_service("vs", hosts=["*"], tls=[objects.tls_route(["*"], "up.test")])
    configure(gateway, [origin], [rule], objects.tls_server("*"))
    for name in ("a.example.com", None):
        assert who(gateway, name) == ("up", origin.serial)


def test_first_to_claim_a_name_has_it(new_gateway, upstream):
    """TT-4."""
    origins = [upstream(n, "x.test") for n in ("first", "second")]
    gateway = new_gateway()
    rules = [
        objects.virtual_service(
            name, hosts=["a.example.com"], tls=[objects.tls_route(["a.example.com"], f"{o}.test")]
        )
        for name, o in (("a", "first"), ("b", "second"))
    ]
    configure(gateway, origins, rules, objects.tls_server("a.example.com"))
    assert {who(gateway, "a.example.com")[0] for _ in range(5)} == {"first"}
    gateway.wait_log("a.example.com")


def test_weights(new_gateway, upstream):
    """TT-25."""
    origins = [upstream(n, "x.test") for n in ("one", "two")]
    gateway = new_gateway()
    route = objects.tls_route(
        ["a.example.com"], objects.to("one.test", 50), objects.to("two.test", 50)
    )
    rule = objects.virtual_service("vs", hosts=["a.example.com"], tls=[route])
    configure(gateway, origins, [rule], objects.tls_server("a.example.com"))
    assert {who(gateway, "a.example.com")[0] for _ in range(40)} == {"one", "two"}


def test_terminate_and_pass_through_on_one_port(
    new_gateway, new_origin, new_tcp_origin, upstream, authority
):
    """GW-35: HTTPS, TLS to bytes and passthrough side by side, told apart by the name."""
    http, up = new_origin(), upstream("up")
    gateway = new_gateway()
    for name in ("web", "bytes"):
        write_secret(gateway.secrets / name, authority.issue(f"{name}.example.com"))

    def behaviour(origin, sock):
        sock.sendall(b"bytes\n")
        while sock.recv(100):
            pass

    tcp = new_tcp_origin("bytes", behaviour)
    configure(
        gateway,
        [up, tcp],
        [
            objects.virtual_service(
                "web", objects.route("web.test"), hosts=["web.example.com"]
            ),
            objects.virtual_service(
                "up",
                hosts=["up.example.com"],
                tls=[objects.tls_route(["up.example.com"], "up.test")],
            ),
            objects.virtual_service(
                "bytes", hosts=["bytes.example.com"], tcp=[objects.tcp_route("bytes.test")]
            ),
        ],
        objects.https_server("web.example.com", credential="web"),
        objects.tls_server("up.example.com"),
        objects.tls_server("bytes.example.com", mode="SIMPLE", credentialName="bytes"),
        services=[objects.service_entry("web.test", http.port)],
    )
    assert who(gateway, "up.example.com") == ("up", up.serial)
    assert who(gateway, "bytes.example.com")[0] == "bytes"
    tls = raw.tls_context()
    assert raw.get(gateway.port(443), host="web.example.com", tls=tls).status == 200
    assert who(gateway, "other.example.com") is None


def test_https_server_that_passes_through(new_gateway, upstream):
    """GW-14, TL-7: HTTPS with PASSTHROUGH is the same."""
    origin = upstream("up")
    gateway = new_gateway()
    rule = objects.virtual_service(
        "vs", hosts=["up.example.com"], tls=[objects.tls_route(["up.example.com"], "up.test")]
    )
    configure(
        gateway, [origin], [rule], objects.tls_server("up.example.com", protocol="HTTPS")
    )
    assert who(gateway, "up.example.com") == ("up", origin.serial)


def test_server_without_a_rule(new_gateway, upstream, new_tcp_origin):
    """TT-6: a name that only the server has is nobody's."""
    origin = upstream("up")
    gateway = new_gateway()
    rule = objects.virtual_service(
        "vs", hosts=["up.example.com"], tls=[objects.tls_route(["up.example.com"], "up.test")]
    )
    configure(
        gateway,
        [origin],
        [rule],
        objects.tls_server("up.example.com"),
        objects.tls_server("lonely.example.com"),
    )
    assert who(gateway, "lonely.example.com") is None
    assert who(gateway, "up.example.com") is not None


def test_rules_come_and_go(new_gateway, upstream):
    """RL-31 P: a rule that breaks stays what it was; TT-6: one that goes takes its names along. What is
    open stays open (HR-1)."""
    one, two = upstream("one"), upstream("two")
    gateway = new_gateway()

    def rule(origin, sni):
        return objects.virtual_service(
            origin.name,
            hosts=[f"{origin.name}.example.com"],
            tls=[objects.tls_route([sni], f"{origin.name}.test")],
        )

    def reload(*rules):
        before = gateway.revision()
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway("gw", objects.tls_server("*.example.com")),
                *rules,
                *services,
            ),
        )
        gateway.wait_revision_after(before)

    services = [objects.service_entry(f"{o.name}.test", o.port, protocol="TLS") for o in (one, two)]
    good = [rule(origin, f"{origin.name}.example.com") for origin in (one, two)]
    configure(gateway, [one, two], good, objects.tls_server("*.example.com"))
    assert who(gateway, "one.example.com") == ("one", one.serial)
    with dial(gateway, "two.example.com") as client:
        reload(rule(one, "elsewhere.org"), good[1])  # TT-1: not of its hosts
        assert who(gateway, "one.example.com") == ("one", one.serial)
        reload(good[0])
        assert who(gateway, "two.example.com") is None
        assert who(gateway, "one.example.com") == ("one", one.serial)
        assert client.read_until(b"\n") == b"two"
    reload(*good)
    assert who(gateway, "two.example.com") == ("two", two.serial)


def test_upstream_that_refuses(new_gateway):
    """TT-28."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    gateway = new_gateway()
    rule = objects.virtual_service(
        "vs", hosts=["up.example.com"], tls=[objects.tls_route(["up.example.com"], "up.test")]
    )
    configure(
        gateway,
        [],
        [rule],
        objects.tls_server("up.example.com"),
        services=[objects.service_entry("up.test", port, protocol="TLS")],
    )
    assert who(gateway, "up.example.com") is None
    assert " 0 UF,URX " in gateway.wait_access_lines(1)[0]


def test_half_close_through_tls(passthrough):
    """TT-27: the upstream's close_notify and FIN arrive; so do the client's last bytes."""
    taken = []

    def behaviour(origin, sock):
        sock.sendall(b"up\n")
        data = b""
        while piece := sock.recv(65536):
            data += piece
        taken.append(data)
        sock.sendall(b"late")

    gateway, _ = passthrough(behaviour=behaviour)
    with dial(gateway, "up.example.com") as client:
        assert client.read_until(b"\n") == b"up"
        client.send(b"x" * 300_000)
        # Python has no one-sided close_notify: unwrap() sends it and reads on until the peer's.
        def unwrap():
            try:
                client.socket.unwrap()
            except (OSError, ssl.SSLError):
                pass

        thread = threading.Thread(target=unwrap, daemon=True)
        thread.start()
        wait.until(lambda: taken and len(taken[0]) == 300_000, "the bytes")
        thread.join(15)
