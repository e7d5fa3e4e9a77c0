"""The real binary, started as a user would, on ports the kernel picks."""

import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.request

from . import wait

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("GATEHOUSE_BIN", str(ROOT / "build/release/gatehouse"))
# Sanitizers and valgrind slow the start; a deadline is not an assertion on speed.
START_DEADLINE_S = 60.0
# Sanitizers keep freed memory for a while: what is resident says nothing then.
IS_SANITIZED = "/asan/" in BINARY or "/tsan/" in BINARY


class Gateway:
    """One running gateway in a directory of its own: `config/` and `secrets/` are watched.

    gateway.port("443") is the bound port of Gateway port 443, whatever the protocol.
    """

    def __init__(self, directory, options=(), env=None, port_map=None):
        self.directory = pathlib.Path(directory)
        self.config = self.directory / "config"
        self.secrets = self.directory / "secrets"
        self.config.mkdir(parents=True, exist_ok=True)
        self.secrets.mkdir(parents=True, exist_ok=True)
        self.ready_file = self.directory / "ready"
        self.access_log = self.directory / "access.log"
        self.log = self.directory / "process.log"
        self.options = list(options)
        self.port_map = port_map or {80: 0, 443: 0, 8080: 0, 8443: 0, 8444: 0}
        self.env = dict(os.environ)
        self.env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        self.env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
        self.env.setdefault("TSAN_OPTIONS", "halt_on_error=0:exitcode=99")
        self.env.update(env or {})
        self.process = None
        self.ports = {}

    def command(self):
        return [
            BINARY, "run",
            "-c", str(self.config),
            "-s", str(self.secrets),
            "--bind", "127.0.0.1",
            "--port-map", ",".join(f"{p}={q}" for p, q in self.port_map.items()),
            "--admin", "127.0.0.1:0",
            "--health", "127.0.0.1:0",
            "--metrics", "127.0.0.1:0",
            "--access-log", str(self.access_log),
            "--log-level", "debug",
            "--drain-time", "1s",
            "--workers", "2",
            "--ready-file", str(self.ready_file),
            *self.options,
        ]  # fmt: skip

    def write(self, name, text):
        """A configuration file, put in place by rename."""
        temporary = self.config / f".{name}.new"
        temporary.write_text(text)
        temporary.rename(self.config / name)

    def start(self, wait_ready=True):
        self.ready_file.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env
            )
        if wait_ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"ended at start with status {self.process.returncode}\n{self.log_text()}"
                )
            return self.ready_file.exists() and self.ready_file.stat().st_size > 0

        wait.until(ready, "ready file", START_DEADLINE_S)
        self.read_ports()

    def read_ports(self):
        self.ports = {}
        for line in self.ready_file.read_text().splitlines():
            name, _address, port = line.split()
            self.ports[name] = int(port)
            self.ports.setdefault(name.split("/")[0], int(port))

    def port(self, name):
        return self.ports[str(name)]

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def access_lines(self):
        if not self.access_log.exists():
            return []
        return self.access_log.read_text(errors="replace").splitlines()

    def wait_access_lines(self, count):
        return wait.until(
            lambda: (lines := self.access_lines()) and len(lines) >= count and lines,
            f"{count} access log lines",
        )

    def wait_access_line(self, text, start=0):
        """The first access log line with a text in it, from line `start` on. Workers write in no
        particular order."""
        return wait.until(
            lambda: next((line for line in self.access_lines()[start:] if text in line), None),
            f"access log line with {text!r}",
        )

    def wait_log(self, text, start=0):
        """Waits for a text in the process log behind offset `start`."""
        return wait.until(lambda: text in self.log_text()[start:], f"log line with {text!r}")

    def page(self, path, port="admin", method="GET", headers=None):
        """(status, body text) of a page of our own ports."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ports[port]}{path}", method=method, headers=headers or {}
        )
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def json(self, path):
        status, body = self.page(path)
        assert status == 200, (path, status, body)
        return json.loads(body)

    def metric(self, name, labels=None):
        """Sum over the samples of `name` whose labels include `labels`; 0.0 when there is none."""
        total = 0.0
        for line in self.page("/stats/prometheus", port="metrics")[1].splitlines():
            if line.startswith("#") or not line.startswith(name):
                continue
            key, _, value = line.rpartition(" ")
            if key.split("{")[0] != name:
                continue
            if all(f'{k}="{v}"' in key for k, v in (labels or {}).items()):
                total += float(value)
        return total

    def revision(self):
        return int(self.metric("gatehouse_config_revision"))

    def wait_revision_after(self, revision):
        return wait.until(lambda: self.revision() > revision, f"revision after {revision}")

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, expected=0):
        """Drains and checks that it ended well and that no sanitizer spoke."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait(10)
            raise AssertionError(f"did not drain\n{self.log_text()[-8000:]}") from None
        finally:
            self.process_ended = True
        text = self.log_text()
        assert "Sanitizer" not in text and "runtime error" not in text, text[-12000:]
        assert status == expected, f"status {status}\n{text[-8000:]}"

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def descriptor_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_quiet(self, seconds=0.5):
        """Does it rest while nothing happens? A loop that spins takes the whole time."""
        wait.until(lambda: self._rests(0.05), "the gateway to come to rest")
        return self._rests(seconds)

    def _rests(self, seconds):
        before = self.cpu_seconds()
        time.sleep(seconds)  # what is measured, not waited for
        return self.cpu_seconds() - before < 0.3 * seconds

    def resident_kib(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")
