"""TLS termination with real clients (OpenSSL through Python and its command line): SNI, versions,
suites, tickets, failures. Spec: SN-1 to SN-8, SN-20 to SN-23, TL-40 to TL-58, TL-70, 14.3, OB-15."""

import re
import ssl
import subprocess

import pytest

from support import objects, raw
from support.certificates import write_secret

CUSTOMER_LIST = (
    "CHACHA20-POLY1305-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 "
    "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-SHA384 ECDHE-ECDSA-AES256-SHA256 "
    "ECDHE-RSA-AES256-SHA256 ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA "
    "ECDHE-RSA-AES256-GCM-SHA384 AES256-GCM-SHA384 AES128-GCM-SHA256"
).split()
V = ssl.TLSVersion


def serials(gateway, name):
    with raw.Client(gateway.port(443), tls=raw.tls_context(), server_name=name) as client:
        return client.peer_serial()


@pytest.fixture
def three_servers(new_gateway, new_origin, authority):
    origin = new_origin()
    gateway = new_gateway()
    pairs = {}
    for secret, names in {
        "s1": ["a.example.com"],
        "s2": ["*.example.com"],
        "s3": ["*.com"],
    }.items():
        pairs[secret] = authority.issue(*names)
        write_secret(gateway.secrets / secret, pairs[secret])
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway(
                "gw",
                objects.https_server("a.example.com", credential="s1"),
                objects.https_server("*.example.com", credential="s2"),
                objects.https_server("*.com", credential="s3"),
            ),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    gateway.start()
    return gateway, {secret: pair.serial for secret, pair in pairs.items()}


def test_sni_chooses_the_certificate(three_servers):
    """14.3; SN-1, SN-2, SN-4."""
    gateway, serial = three_servers
    for name, secret in [
        ("a.example.com", "s1"),
        ("A.EXAMPLE.COM", "s1"),
        ("b.example.com", "s2"),
        ("x.y.example.com", "s2"),
        ("example.com", "s3"),
    ]:
        assert serials(gateway, name) == serial[secret], name


@pytest.mark.parametrize("name", ["example.org", None])
def test_sni_nobody_has(three_servers, name):
    """SN-5, SN-8 with the alert of spec 15; OB-15: it is logged."""
    gateway, _ = three_servers
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        raw.Client(gateway.port(443), tls=raw.tls_context(), server_name=name)
    if name:
        gateway.wait_log("example.org")
    line = gateway.wait_access_lines(1)[0]
    assert " NR filter_chain_not_found " in line  # SN-8, SN-9


def test_host_of_another_server_on_the_connection(three_servers):
    """SN-20, SN-22, SN-23: another certificate, so 421."""
    gateway, _ = three_servers
    with raw.Client(gateway.port(443), tls=raw.tls_context(), server_name="a.example.com") as c:
        assert c.request(host="a.example.com").status == 200
        assert c.request(host="b.example.com").status == 421
        assert c.request(host="example.org").status == 404


def test_plain_http_on_the_tls_port(three_servers):
    """SN-7."""
    gateway, _ = three_servers
    with raw.Client(gateway.port(443)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a.example.com\r\n\r\n")
        assert b"HTTP/1.1 200" not in client.read_all()


@pytest.mark.parametrize(
    "low,high,client_version,expected",
    [
        (None, None, V.TLSv1_3, "TLSv1.3"),
        (None, None, V.TLSv1_2, "TLSv1.2"),
        (None, None, V.TLSv1_1, None),  # TL-40: the minimum is 1.2
        ("TLSV1_3", None, V.TLSv1_2, None),
        ("TLSV1_0", "TLSV1_2", V.TLSv1, "TLSv1"),
        ("TLSV1_0", "TLSV1_2", V.TLSv1_1, "TLSv1.1"),
        ("TLSV1_0", "TLSV1_2", V.TLSv1_2, "TLSv1.2"),
        ("TLSV1_0", "TLSV1_2", V.TLSv1_3, None),  # TL-57
    ],
)
def test_versions(secure, low, high, client_version, expected):
    """TL-40, TL-58b."""
    more = {"cipherSuites": ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"]}
    if low:
        more["minProtocolVersion"] = low
    if high:
        more["maxProtocolVersion"] = high
    gateway, _ = secure(**more)
    context = raw.tls_context(minimum=client_version, maximum=client_version)
    if expected is None:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            raw.Client(gateway.port(443), tls=context, server_name="a.example.com")
        gateway.wait_log("a.example.com")  # OB-15
        assert gateway.metric("gatehouse_tls_handshake_failures_total") >= 1
    else:
        with raw.Client(gateway.port(443), tls=context, server_name="a.example.com") as client:
            assert client.socket.version() == expected
            assert client.request().status == 200


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
@pytest.mark.parametrize(
    "suite",
    [
        "ECDHE-{}-AES128-GCM-SHA256",
        "ECDHE-{}-AES256-GCM-SHA384",
        "ECDHE-{}-CHACHA20-POLY1305",
        "ECDHE-{}-AES128-SHA",
        "ECDHE-{}-AES256-SHA",
    ],
)
def test_suites(secure, kind, suite):
    """TL-50, TL-58c."""
    name = suite.format(kind.upper())
    gateway, _ = secure(kind=kind, cipherSuites=[name])
    context = raw.tls_context(maximum=V.TLSv1_2, ciphers=name)
    with raw.Client(gateway.port(443), tls=context, server_name="a.example.com") as client:
        assert client.socket.cipher()[0] == name
        assert client.request().status == 200
    other = "ECDHE-ECDSA-AES256-GCM-SHA384" if "128-GCM" in name else "AES128-SHA"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        raw.Client(
            gateway.port(443),
            tls=raw.tls_context(maximum=V.TLSv1_2, ciphers=other),
            server_name="a.example.com",
        )


@pytest.mark.parametrize("suite", ["AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA"])
def test_static_rsa_suites(secure, suite):
    """TL-50: old clients."""
    gateway, _ = secure(kind="rsa", cipherSuites=[suite])
    context = raw.tls_context(maximum=V.TLSv1_2, ciphers=suite)
    with raw.Client(gateway.port(443), tls=context, server_name="a.example.com") as client:
        assert client.socket.cipher()[0] == suite
        assert client.request().status == 200


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_the_customers_list(secure, kind):
    """Loads, warns once for each name the library has no suite for, and serves; TL-52."""
    gateway, _ = secure(kind=kind, cipherSuites=CUSTOMER_LIST)
    gateway.wait_log("ECDHE-RSA-AES256-SHA256")  # the last one
    log = gateway.log_text()
    for name in (
        "CHACHA20-POLY1305-SHA256",
        "ECDHE-ECDSA-AES256-SHA384",
        "ECDHE-ECDSA-AES256-SHA256",
        "ECDHE-RSA-AES256-SHA256",
    ):
        assert len([x for x in log.splitlines() if name in x and "\twarn\t" in x]) == 1, name
    best = f"ECDHE-{kind.upper()}-AES" + ("256-GCM-SHA384" if kind == "ecdsa" else "128-GCM-SHA256")
    context = raw.tls_context(maximum=V.TLSv1_2)
    with raw.Client(gateway.port(443), tls=context, server_name="a.example.com") as client:
        assert client.socket.cipher()[0] == best  # TL-56: the server's order
        assert client.request().status == 200
    with raw.Client(gateway.port(443), tls=raw.tls_context(), server_name="a.example.com") as client:
        assert client.socket.version() == "TLSv1.3"  # TL-57


def test_an_empty_rest_is_an_error(new_gateway, new_origin, authority):
    """TL-53 P: not the library's defaults; the server is not served, its neighbour is."""
    origin = new_origin()
    gateway = new_gateway()
    for name in ("one", "two"):
        write_secret(gateway.secrets / name, authority.issue(f"{name}.example.com"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway(
                "gw",
                objects.https_server("one.example.com", credential="one", cipherSuites=["NONSENSE"]),
                objects.https_server("two.example.com", credential="two"),
            ),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    gateway.start()
    gateway.wait_log("cipherSuites")
    tls = raw.tls_context()
    assert raw.get(gateway.port(443), host="two.example.com", tls=tls).status == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        raw.get(gateway.port(443), host="one.example.com", tls=tls)


def test_alpn(secure):
    """TL-70, TL-71: h2 before http/1.1, whatever the client's order; nothing without a common one."""
    gateway, _ = secure()
    for offered, expected in [
        (("h2", "http/1.1"), "h2"),
        (("http/1.1", "h2"), "h2"),
        (("h2",), "h2"),
        (("http/1.1",), "http/1.1"),
        (("spdy/1",), None),
        ((), None),
    ]:
        context = raw.tls_context(alpn=offered)
        with raw.Client(gateway.port(443), tls=context, server_name="a.example.com") as client:
            assert client.socket.selected_alpn_protocol() == expected
            if expected == "h2":
                client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                assert client.read_exactly(9)[3] == 4  # SETTINGS
            else:
                assert client.request().status == 200


@pytest.mark.parametrize("version", [V.TLSv1_2, V.TLSv1_3])
def test_tickets_resume_on_any_worker_and_after_a_renewal(secure, authority, version):
    """Keys are shared by workers and contexts."""
    gateway, _ = secure()
    context = raw.tls_context(minimum=version, maximum=version)

    def connect(session=None):
        import socket

        plain = socket.create_connection(("127.0.0.1", gateway.port(443)), timeout=15)
        tls = context.wrap_socket(plain, server_hostname="a.example.com", session=session)
        tls.sendall(b"GET / HTTP/1.1\r\nhost: a.example.com\r\nconnection: close\r\n\r\n")
        while tls.recv(65536):
            pass
        result = tls.session, tls.session_reused
        tls.close()
        return result

    session, reused = connect()
    assert not reused
    assert sum(connect(session)[1] for _ in range(20)) == 20
    revision = gateway.revision()
    write_secret(gateway.secrets / "a-cert", authority.issue("a.example.com"))
    gateway.wait_revision_after(revision)
    assert connect(session)[1]


def test_openssl_client_verifies_the_chain(secure, authority, tmp_path):
    gateway, _ = secure()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    result = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{gateway.port(443)}",
         "-servername", "a.example.com", "-verify_hostname", "a.example.com",
         "-CAfile", str(tmp_path / "ca.pem"), "-verify_return_error", "-brief"],
        input=b"", capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert b"Verification: OK" in result.stderr, result.stderr


def test_curl(secure, authority, tmp_path):
    gateway, _ = secure()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    port = gateway.port(443)
    result = subprocess.run(
        ["curl", "-sS", "--http1.1", "--cacert", str(tmp_path / "ca.pem"), "-w", "%{http_code}",
         "--resolve", f"a.example.com:{port}:127.0.0.1", f"https://a.example.com:{port}/x"],
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert result.stdout.endswith(b"200"), result


def test_handshake_metrics(secure):
    gateway, _ = secure()
    raw.get(gateway.port(443), tls=raw.tls_context())
    assert gateway.metric(
        "gatehouse_tls_handshakes_total", {"server_name": "a.example.com", "version": "TLSv1.3"}
    ) >= 1
    text = gateway.page("/stats/prometheus", port="metrics")[1]
    assert re.search(r"gatehouse_certificate_not_after_seconds\{secret=\"[^\"]*a-cert\"\} \d+", text)


@pytest.mark.parametrize("step", [1, 3, 64])
def test_client_hello_in_pieces(secure, step):
    """A ClientHello split over many segments."""
    gateway, _ = secure()
    import socket

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = raw.tls_context().wrap_bio(incoming, outgoing, server_hostname="a.example.com")
    with socket.create_connection(("127.0.0.1", gateway.port(443)), timeout=15) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                data = outgoing.read()
                for start in range(0, len(data), step):
                    plain.send(data[start : start + step])
                incoming.write(plain.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nhost: a.example.com\r\n\r\n")
        plain.sendall(outgoing.read())
        answer = b""
        while b"\r\n\r\n" not in answer:
            incoming.write(plain.recv(65536))
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                pass
        assert answer.startswith(b"HTTP/1.1 200 ")
