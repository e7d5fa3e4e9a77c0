"""Real clients: curl, nghttp, h2load, python h2, Python's own http.client. Issue must show 2.
Spec: TL-70, TL-71, CN-30, CN-38, CN-39, OB-2."""

import http.client
import re
import shutil
import ssl
import subprocess

import pytest

from support import objects, raw
from support.certificates import write_secret
from support.gateway import IS_SANITIZED, Gateway
from support.h2_client import Client
from support.origin import Origin


def needs(tool):
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


@pytest.fixture(scope="module")
def served(tmp_path_factory, authority):
    """HTTP on Gateway port 80, HTTPS on 443, one HTTP/1.1 origin."""
    origin = Origin()
    gateway = Gateway(tmp_path_factory.mktemp("gw"))
    pair = authority.issue("a.example.com")
    write_secret(gateway.secrets / "a-cert", pair)
    ca = gateway.directory / "ca.pem"
    ca.write_bytes(authority.pem)
    gateway.ca_file = str(ca)
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway(
                "gw",
                objects.http_server("*"),
                objects.https_server("a.example.com", credential="a-cert"),
            ),
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


def curl(gateway, port, *options, path="/"):
    """(version that curl says, status, body)."""
    scheme = "https" if port == 443 else "http"
    bound = gateway.port(port)
    done = subprocess.run(
        [
            "curl", "-sS", "--max-time", "30", "--cacert", gateway.ca_file,
            "--connect-to", f"::127.0.0.1:{bound}", "-w", "\n%{http_version} %{http_code}",
            *options, f"{scheme}://a.example.com{path}",
        ],
        capture_output=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr.decode())
    body, _, last = done.stdout.rpartition(b"\n")
    version, status = last.decode().split()
    return version, int(status), body


@needs("curl")
@pytest.mark.parametrize(
    "port,options,version,logged",
    [
        (80, ["--http1.1"], "1.1", "HTTP/1.1"),
        (80, ["--http2-prior-knowledge"], "2", "HTTP/2"),
        # CN-30: curl asks with `Upgrade: h2c`; it is ignored.
        (80, ["--http2"], "1.1", "HTTP/1.1"),
        (443, ["--http1.1"], "1.1", "HTTP/1.1"),
        (443, ["--http2"], "2", "HTTP/2"),
        (443, ["--no-alpn"], "1.1", "HTTP/1.1"),  # TL-71
        (443, ["--tlsv1.2", "--tls-max", "1.2", "--http2"], "2", "HTTP/2"),
    ],
)
def test_curl(served, port, options, version, logged):
    """TL-70, CN-39."""
    gateway, origin = served
    mark = f"/curl-{port}-{len(origin.requests)}"
    got, status, body = curl(gateway, port, *options, path=mark)
    assert (got, status) == (version, 200)
    assert mark.encode() in body
    line = gateway.wait_access_line(mark)
    assert f'"GET {mark} {logged}" 200 - via_upstream' in line
    request = origin.requests[-1]
    assert request.get("upgrade") is None and request.get("http2-settings") is None
    assert request.get("host") == "a.example.com"
    assert request.get("x-forwarded-proto") == ("https" if port == 443 else "http")  # HD-4


@needs("curl")
@pytest.mark.parametrize("options", [["--http1.1"], ["--http2-prior-knowledge"]])
def test_curl_sends_a_body(served, options, tmp_path):
    gateway, origin = served
    file = tmp_path / "body"
    file.write_bytes(b"x" * 1_000_000)
    _, status, body = curl(gateway, 80, *options, "--data-binary", f"@{file}", path="/body")
    assert status == 200 and b'"body_bytes": 1000000' in body


@needs("curl")
def test_curl_multiplexes(served):
    """Twenty requests of one curl share one connection."""
    gateway, origin = served
    before = gateway.metric("gatehouse_connections_total")
    bound = gateway.port(443)
    done = subprocess.run(
        [
            "curl", "-sS", "--max-time", "30", "--cacert", gateway.ca_file, "--parallel",
            "--parallel-max", "20", "--connect-to", f"::127.0.0.1:{bound}", "--http2",
            "-o", "/dev/null", "-w", "%{http_version} %{http_code}\n",
            "https://a.example.com/multi/[1-20]",
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split("\n")[:20] == ["2 200"] * 20, (done.stdout, done.stderr)
    assert gateway.metric("gatehouse_connections_total") - before == 1


@needs("nghttp")
@pytest.mark.parametrize("port", [80, 443])
def test_nghttp(served, port):
    gateway, _ = served
    scheme = "https" if port == 443 else "http"
    done = subprocess.run(
        [
            "nghttp", "-v", "--no-verify-peer", "-H", ":authority: a.example.com",
            f"{scheme}://127.0.0.1:{gateway.port(port)}/nghttp",
        ],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r":status: 200", done.stdout), done.stdout
    assert "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):1024" in done.stdout  # CN-38
    assert "GOAWAY" not in done.stdout.split("send GOAWAY")[0]


@needs("h2load")
@pytest.mark.parametrize("clients,streams", [(1, 10), (10, 10), (4, 100)])
def test_h2load(served, clients, streams):
    gateway, _ = served
    count = 1000
    done = subprocess.run(
        [
            "h2load", "-n", str(count), "-c", str(clients), "-m", str(streams), "-t", "1",
            "-H", ":authority: a.example.com", f"http://127.0.0.1:{gateway.port(80)}/h2load",
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in done.stdout, done.stdout
    assert f"{count} 2xx" in done.stdout


@pytest.mark.parametrize("port", [80, 443])
def test_python_h2(served, port):
    """python h2 finds nothing to object to; a hundred streams at once."""
    gateway, _ = served
    with Client(gateway.port(port), tls=port == 443) as client:
        streams = [client.open(f"/h2/{i}") for i in range(100)]
        for i, stream in enumerate(streams):
            answer = client.finish(stream)
            assert answer.status == 200 and f"/h2/{i}".encode() in answer.body
        assert client.request("/body", method="POST", body=b"x" * 300_000).status == 200
        assert client.error is None and not client.goaways


def test_python_http_client(served):
    gateway, _ = served
    context = ssl.create_default_context(cafile=gateway.ca_file)
    context.check_hostname = False
    connection = http.client.HTTPSConnection("127.0.0.1", gateway.port(443), context=context)
    connection.sock = context.wrap_socket(
        raw.socket.create_connection(("127.0.0.1", gateway.port(443))),
        server_hostname="a.example.com",
    )
    for _ in range(3):
        connection.request("GET", "/", headers={"host": "a.example.com"})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.version == 11
        answer.read()
    connection.close()


def test_connections_of_http2_are_counted(served):
    """Metric gatehouse_http2_connections; the page of connections says the version."""
    gateway, _ = served
    before = gateway.metric("gatehouse_http2_connections")
    with Client(gateway.port(443), tls=True) as client:
        assert client.request().status == 200
        assert gateway.metric("gatehouse_http2_connections") == before + 1
    if not IS_SANITIZED:
        assert gateway.metric("gatehouse_tls_handshakes_total", {"alpn": "h2"}) >= 1
