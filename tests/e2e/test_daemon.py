"""The daemon around the traffic: a reload that cannot bind, the service manager, drain by page and by
signal, the exit status of what cannot start. cli.md; ecosystem 2, 5, 6; spec HR-6, HR-8."""

import json
import os
import signal
import socket
import subprocess

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.gateway import BINARY


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, directory):
        self.path = str(directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.socket.setblocking(False)
        self.messages = []

    def told(self, text):
        while True:
            try:
                self.messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return any(text in message for message in self.messages)

    def forget(self):
        self.told("")
        self.messages.clear()


def test_service_manager(tmp_path, new_gateway):
    manager = Manager(tmp_path)
    gateway = new_gateway(env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "200000"})
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", {"directResponse": {"status": 200}}),
        ),
    )
    gateway.start()
    wait.until(lambda: manager.told("READY=1\nSTATUS=Serving revision 1"), "READY=1")
    wait.until(lambda: manager.told("WATCHDOG=1"), "the watchdog to be fed")
    manager.forget()
    gateway.signal(signal.SIGHUP)
    wait.until(lambda: manager.told("READY=1"), "the end of the reload")
    assert manager.told("RELOADING=1\nMONOTONIC_USEC=")
    manager.forget()
    gateway.signal(signal.SIGTERM)
    wait.until(lambda: manager.told("STOPPING=1"), "STOPPING=1")
    assert gateway.process.wait(30) == 0


def test_reload_that_cannot_bind_keeps_the_old_one(secure, authority):
    """HR-8. And a certificate renewed meanwhile does not wait for it."""
    gateway, origin = secure(options=("--port-map", "9443=0"))
    tls = raw.tls_context()
    assert raw.get(gateway.port(443), tls=tls).status == 200
    good = (gateway.config / "all.yaml").read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway.write(
            "more.yaml",
            objects.documents(objects.gateway("more", objects.http_server("*", port=port))),
        )
        wait.until(
            lambda: gateway.metric("gatehouse_config_reload_total", {"result": "failure"}) >= 1,
            "the failed reload",
        )
        assert gateway.metric("gatehouse_config_last_reload_success") == 0
        page = gateway.json("/api/v1/findings")
        assert page["last_reload"] == "failure" and str(port) in page["problem"]
        assert raw.get(gateway.port(443), tls=tls).status == 200

        renewed = authority.issue("a.example.com", "*.wild.example.com")
        write_secret(gateway.secrets / "a-cert", renewed)

        def serial():
            with raw.Client(gateway.port(443), tls=tls, server_name="a.example.com") as client:
                return client.peer_serial()

        wait.until(lambda: serial() == renewed.serial, "the renewed certificate")
        assert (gateway.config / "all.yaml").read_text() == good
    # The port is free now; the next look at the files takes them up.
    gateway.signal(signal.SIGHUP)
    wait.until(lambda: gateway.metric("gatehouse_config_last_reload_success") == 1, "the retry")
    names = [x["name"] for x in gateway.json("/listeners?format=json")["listener_statuses"]]
    assert any(name.endswith(f"_{port}") for name in names), names
    # The ready file follows the sockets.
    wait.until(lambda: f"{port}/HTTP" in gateway.ready_file.read_text(), "the ready file")
    assert origin.requests


def test_reload_page(plain):
    gateway, origin = plain()
    status, body = gateway.page("/api/v1/reload", method="POST")
    assert status == 200 and json.loads(body)["last_reload"] == "unchanged"
    assert gateway.page("/api/v1/reload")[0] == 400
    assert not origin.requests


def test_drain_listeners_page_stays(plain):
    gateway, _ = plain()
    with raw.Client(gateway.port(80)) as client:
        assert client.request().status == 200
        assert gateway.page("/drain_listeners", method="POST")[0] == 200
        assert gateway.page("/ready") == (503, "DRAINING\n")
        assert gateway.page("/healthz/ready", port="health")[0] == 503

        def refused():
            try:
                raw.get(gateway.port(80))
            except OSError:
                return True
            return False

        wait.until(refused, "the listener to close")
    assert gateway.process.poll() is None


def test_quit_page_ends(plain):
    gateway, _ = plain(options=("--drain-time", "60s"))
    assert gateway.page("/quitquitquit", method="POST") == (200, "OK\n")
    assert gateway.process.wait(15) == 0
    assert not gateway.ready_file.exists()


def test_quit_signal_has_no_deadline(plain):
    """HR-6: patience until the last connection is gone; TERM afterwards brings the deadline."""
    gateway, _ = plain(options=("--drain-time", "100ms"))
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a")
        gateway.signal(signal.SIGQUIT)
        gateway.wait_log("listeners close")
        with pytest.raises(subprocess.TimeoutExpired):
            gateway.process.wait(1)
        gateway.signal(signal.SIGTERM)
        assert gateway.process.wait(15) == 0


def test_validate_json_and_broken_yaml(tmp_path):
    (tmp_path / "x.yaml").write_text("kind: [\n")
    result = subprocess.run(
        [BINARY, "validate", "-o", "json", tmp_path],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 65
    report = json.loads(result.stdout)
    assert report["errors"] == 1 and report["findings"][0]["file"].endswith("x.yaml")
    assert "1 errors" in result.stderr


def test_own_ports_taken_is_71(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for option in ("--admin", "--health", "--metrics"):
            others = [x for x in ("--admin", "--health", "--metrics") if x != option]
            result = subprocess.run(
                [BINARY, "-c", tmp_path, option, address, *[y for x in others for y in (x, "off")]],
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert result.returncode == 71, result
            assert address in result.stderr


def test_two_processes_do_not_share_admin_pages(plain, tmp_path):
    gateway, _ = plain()
    result = subprocess.run(
        [BINARY, "-c", str(gateway.config), "--admin", f"127.0.0.1:{gateway.ports['admin']}",
         "--health", "off", "--metrics", "off"],
        capture_output=True, text=True, timeout=60, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert result.returncode == 71
