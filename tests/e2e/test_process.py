"""The process: options, exit codes, signals, drain, ports of our own. cli.md; ecosystem 1, 2, 5, 6."""

import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from support import objects, raw, wait
from support.certificates import broken_key, write_secret
from support.gateway import BINARY, ROOT


def run(*arguments, **more):
    return subprocess.run(
        [BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False, **more
    )


GOOD = objects.documents(
    objects.gateway("gw", objects.http_server("*")),
    objects.virtual_service("vs", {"directResponse": {"status": 200}}),
)


@pytest.mark.parametrize("verb", [[], ["run"], ["validate"], ["version"]])
def test_help_fits_a_screen(verb):
    result = run(*verb, "--help")
    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert 3 <= len(lines) <= 50 and max(map(len, lines)) <= 100


def test_version_names_the_libraries():
    result = run("version")
    assert result.returncode == 0
    for name in ("gatehouse", "BoringSSL", "libevent", "libyaml", "pcre2", "nghttp2"):
        assert name in result.stdout, result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such-option"],
        ["no-such-verb-or-path", "--workers", "x"],
        ["run", "--workers", "0"],
        ["run", "--workers", "x"],
        ["run", "--drain-time", "5"],
        ["run", "--port-map", "80"],
        ["run", "--port-map", "80=99999"],
        ["run", "--log-level", "loud"],
        ["run", "--access-log-format", "%NOPE%"],
        ["run", "--path-normalization", "all"],
        ["run", "--max-header-bytes", "-1"],
        ["run", "--labels", "x"],
        ["run", "--admin", "nowhere"],
    ],
)
def test_wrong_usage_is_64(arguments):
    result = run(*arguments)
    assert result.returncode == 64, result
    assert result.stderr.strip() and not result.stdout


def test_nearest_option_is_named():
    assert "--workers" in run("run", "--worker", "2").stderr


def test_nothing_servable_is_78(tmp_path):
    (tmp_path / "x.yaml").write_text("kind: Gateway\napiVersion: networking.istio.io/v1\n")
    result = run("run", "-c", tmp_path, "--admin", "off", "--health", "off", "--metrics", "off")
    assert result.returncode == 78, result
    assert "x.yaml" in result.stderr


def test_port_taken_is_71(tmp_path):
    (tmp_path / "x.yaml").write_text(GOOD)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run(
            "run", "-c", tmp_path, "--bind", "127.0.0.1", "--admin", "off", "--health", "off",
            "--metrics", "off", "--port-map", f"80={taken.getsockname()[1]}",
        )  # fmt: skip
    assert result.returncode == 71, result


def test_strict_makes_an_error_fatal(tmp_path):
    bad = objects.documents(objects.virtual_service("bad", {"directResponse": {"status": 9}}))
    (tmp_path / "x.yaml").write_text(GOOD + bad)
    result = run(
        "run", "-c", tmp_path, "--strict", "--admin", "off", "--health", "off", "--metrics", "off",
        "--port-map", "80=0", "--bind", "127.0.0.1",
    )  # fmt: skip
    assert result.returncode == 78


def test_strict_finds_a_broken_key(tmp_path, authority):
    """Its check is put off otherwise: nothing would be left to refuse the start for."""
    pair = authority.issue("a.example.com")
    broken = {"tls.crt": pair.cert_pem, "tls.key": broken_key(pair.key_pem)}
    write_secret(tmp_path / "secrets" / "a", broken)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "x.yaml").write_text(
        GOOD + objects.documents(objects.gateway("tls", objects.https_server("a.example.com", credential="a")))
    )
    result = run(
        "run", "-c", tmp_path / "config", "--secrets", tmp_path / "secrets", "--strict", "--admin",
        "off", "--health", "off", "--metrics", "off", "--port-map", "80=0", "--port-map", "443=0",
        "--bind", "127.0.0.1",
    )  # fmt: skip
    assert result.returncode == 78, result
    assert "x.yaml" in result.stderr and "a cannot be used" in result.stderr


def test_validate(tmp_path):
    (tmp_path / "good.yaml").write_text(GOOD)
    result = run("validate", tmp_path)
    assert (result.returncode, result.stdout) == (0, ""), result
    (tmp_path / "bad.yaml").write_text(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata:\n  name: g\nspec:\n"
        "  servers:\n  - port: {number: 80, name: http, protocol: HTTP}\n    hosts: [foo]\n"
        "    credentialname: x\n"
    )
    result = run("validate", tmp_path)
    assert result.returncode == 78
    lines = result.stdout.splitlines()
    assert any("bad.yaml:8:" in x and "error" in x and "short names" in x for x in lines), lines
    assert any("bad.yaml:9:" in x and "warning" in x and "credentialname" in x for x in lines)


def test_validate_the_corpus():
    """Must show 2."""
    corpus = ROOT.parent / "shared" / "corpus" / "istio-samples"
    if not corpus.is_dir():
        pytest.skip("the corpus of real Istio files is not beside the checkout")
    result = run("validate", corpus)
    assert result.returncode in (0, 78), result
    for line in result.stdout.splitlines():
        place = line.split(": ")[0].rsplit(":", 2)
        assert place[1].isdigit() and place[2].isdigit(), line
        assert os.path.exists(place[0]), line
    assert "Sanitizer" not in result.stderr


def test_readiness_and_pages(plain):
    """OB-30, ecosystem sections 1 and 2."""
    gateway, _ = plain()
    assert gateway.page("/healthz/ready", port="health")[0] == 200
    assert gateway.page("/ready") == (200, "LIVE\n")
    assert gateway.json("/server_info")["state"] == "LIVE"
    raw.get(gateway.port(80))
    assert "outbound|80||origin.test" in gateway.page("/clusters")[1]
    assert gateway.json("/clusters?format=json")["cluster_statuses"]
    assert gateway.json("/listeners?format=json")["listener_statuses"]
    assert "certificates" in gateway.json("/certs")
    assert "server.state: 0" in gateway.page("/stats")[1]
    kinds = [item["@type"].rsplit(".", 1)[1] for item in gateway.json("/config_dump")["configs"]]
    for kind in ("Bootstrap", "Listeners", "Routes", "Clusters", "Endpoints", "Secrets"):
        assert f"{kind}ConfigDump" in kinds
    status, text = gateway.page("/stats/prometheus", port="metrics")
    assert status == 200 and "istio_build{" in text
    assert gateway.page("/nothing-here")[0] == 404


def test_changing_pages_want_post(plain):
    gateway, _ = plain()
    for path in ("/quitquitquit", "/drain_listeners", "/healthcheck/fail", "/logging?level=debug"):
        assert gateway.page(path)[0] == 400
    assert gateway.page("/ready")[0] == 200
    assert gateway.page("/logging?level=warning", method="POST")[0] == 200
    assert gateway.page("/healthcheck/fail", method="POST")[0] == 200
    assert gateway.page("/healthz/ready", port="health")[0] == 503
    assert gateway.page("/healthcheck/ok", method="POST")[0] == 200
    assert gateway.page("/healthz/ready", port="health")[0] == 200


def test_admin_refuses_foreign_hosts_and_origins(plain):
    """DNS rebinding and cross-site posts."""
    gateway, _ = plain()
    assert gateway.page("/config_dump", headers={"Host": "evil.test"})[0] == 403
    foreign = {"Origin": "http://evil.test"}
    assert gateway.page("/quitquitquit", method="POST", headers=foreign)[0] == 403
    assert gateway.page("/ready")[0] == 200


def test_no_key_is_ever_shown(secure):
    gateway, _ = secure()
    key = gateway.pair.key_pem.decode().splitlines()[1]
    for path in ("/config_dump", "/certs", "/server_info", "/stats", "/api/v1/findings"):
        text = gateway.page(path)[1]
        assert key not in text and "PRIVATE KEY" not in text, path
    assert "W3JlZGFjdGVkXQ==" in gateway.page("/config_dump")[1]
    assert key not in gateway.log_text()


def test_term_drains(plain):
    """HR-5, HR-6: readiness fails first, the answer under way is finished and says close."""
    release = threading.Event()

    def behaviour(origin, stream):
        while True:
            request = stream.read_request()
            if request is None:
                return
            origin.requests.append(request)
            release.wait(15)
            stream.answer(200, [], b"finished")

    gateway, origin = plain(behaviour, options=("--drain-time", "10s"))
    with raw.Client(gateway.port(80)) as client, raw.Client(gateway.port(80)) as idle:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        wait.until(lambda: origin.requests, "the request at the origin")
        gateway.signal(signal.SIGTERM)
        wait.until(
            lambda: gateway.page("/healthz/ready", port="health")[0] == 503, "readiness to fail"
        )
        release.set()
        answer = client.response()
        assert (answer.status, answer.body) == (200, b"finished")
        assert answer.get("connection") == "close"  # HD-36
        assert client.at_end()
        assert idle.at_end()
    assert gateway.process.wait(30) == 0


def test_second_term_ends_at_once(plain):
    gateway, _ = plain(options=("--drain-time", "60s"))
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost")
        gateway.signal(signal.SIGTERM)
        wait.until(
            lambda: gateway.page("/healthz/ready", port="health")[0] == 503, "readiness to fail"
        )
        gateway.signal(signal.SIGTERM)
        gateway.process.wait(15)
    gateway.process_ended = True


def test_usr1_reopens_logs(plain):
    gateway, _ = plain()
    raw.get(gateway.port(80))
    gateway.wait_access_lines(1)
    moved = gateway.access_log.with_suffix(".1")
    gateway.access_log.rename(moved)
    gateway.signal(signal.SIGUSR1)
    wait.until(gateway.access_log.exists, "the new file")
    raw.get(gateway.port(80), "/after")
    assert "/after" in gateway.wait_access_lines(1)[0]


def test_json_access_log(plain):
    """OB-3."""
    gateway, _ = plain(options=("--access-log-format", "json"))
    raw.get(gateway.port(80), "/x?y", headers=[("user-agent", 'q"\\')])
    record = json.loads(gateway.wait_access_lines(1)[0])
    assert record["response_code"] == 200 and record["path"] == "/x?y"
    assert record["connection_termination_details"] is None
    assert isinstance(record["duration"], int)
    assert sorted(record) == sorted(
        "start_time route_name method path protocol response_code response_flags "
        "response_code_details connection_termination_details bytes_received bytes_sent duration "
        "upstream_service_time x_forwarded_for user_agent request_id authority upstream_host "
        "upstream_cluster upstream_local_address downstream_local_address "
        "downstream_remote_address requested_server_name upstream_transport_failure_reason".split()
    )


def test_custom_access_log(plain):
    """OB-10."""
    gateway, _ = plain(
        options=("--access-log-format", "%REQ(:METHOD)% %RESPONSE_CODE% %REQ(x-none)% %REQ(x-a):2% %%")
    )
    raw.get(gateway.port(80), headers=[("x-a", "abcdef")])
    assert gateway.wait_access_lines(1)[0] == "GET 200 - ab %"


def test_options_from_the_environment(new_gateway):
    gateway = new_gateway(env={"GATEHOUSE_LOG_FORMAT": "json"})
    gateway.write("all.yaml", GOOD)
    gateway.start()
    line = wait.until(lambda: gateway.log_text().splitlines()[:-1], "a log line")[0]
    assert json.loads(line)["level"]


def test_foreign_and_security_kinds(new_gateway):
    """RL-3, OR-1, OR-5: others are skipped and counted; ignoring a policy would fail open."""
    gateway = new_gateway()
    gateway.write(
        "all.yaml",
        GOOD
        + objects.documents(
            {"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "metadata": {"name": "c"}},
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}},
            {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
             "metadata": {"name": "deny", "namespace": "istio-system"}, "spec": {}},
        ),
    )  # fmt: skip
    gateway.start()
    assert raw.get(gateway.port(80)).status == 200
    assert gateway.metric("gatehouse_config_skipped_objects") == 3
    gateway.wait_log("AuthorizationPolicy")
    assert gateway.metric("gatehouse_findings", {"severity": "error"}) == 1


def test_not_dumpable(plain):
    """No secret in a core."""
    gateway, _ = plain()
    with open(f"/proc/{gateway.process.pid}/limits", encoding="ascii") as limits:
        line = next(x for x in limits if x.startswith("Max core file size"))
    assert line.split()[4] == "0"
