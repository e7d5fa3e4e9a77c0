"""Ten thousand hosts with a certificate each: start, memory, and one renewal."""

import socket
import ssl
import threading
import time

from .. import load, proc
from ..programs import Failed, wait_until
from .base import Figure, Sample, Scenario

COUNT = 10_000
ASKED = 1000  # hosts that are asked for once
LOAD_RATE = 2000  # requests a second


class Asker:
    """New connections that verify the certificate they are shown."""

    def __init__(self, material):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.load_verify_locations(cadata=material.authority.pem.decode())

    def serial(self, port, name):
        """Of the certificate that a host is served with."""
        with socket.create_connection(("127.0.0.1", port), 30) as plain:
            with self.context.wrap_socket(plain, server_hostname=name) as stream:
                found = int(stream.getpeercert()["serialNumber"], 16)
                stream.sendall(f"GET /bytes/10 HTTP/1.1\r\nhost: {name}\r\n\r\n".encode())
                if not stream.recv(4096).startswith(b"HTTP/1.1 200"):
                    raise Failed(f"{name} does not answer")
                return found

    def is_served(self, port, name):
        try:
            return self.serial(port, name) is not None
        except (OSError, Failed):
            return False


class Hosts(Scenario):
    key = "hosts-10k"
    group = "hosts"
    title = "10,000 hosts with a certificate each"
    needs = frozenset({"tls", "hosts"})
    figures = (
        Figure("start", "start until the last host is served", "s", 0.6),
        Figure("start_cpu", "CPU time of it", "s"),
        Figure("each", "memory a host", "KiB", 8.0),
        Figure("asked", "more for a host that was asked for", "KiB"),
    )
    is_side_by_side = False
    is_about_requests = False
    max_rounds = 1

    def job(self, bench, directory, **more):
        return super().job(bench, directory, hosts=bench.material.hosts(COUNT), **more)

    def prepare(self, bench):
        bench.material.hosts(COUNT)

    def measure(self, bench, peer, proxy, directory):
        asker, names = Asker(bench.material), proxy.job.hosts.names
        wait_until(lambda: asker.is_served(proxy.port, names[-1]), f"{peer.name} to serve")
        start = time.monotonic() - proxy.program.started_at
        start_cpu = proc.CpuMark(proxy.program.pid).seconds_of_life()
        many = proc.memory_kib(proxy.program.pid)
        for name in names[:ASKED]:
            asker.serial(proxy.port, name)
        asked = proc.memory_kib(proxy.program.pid)
        few = self.memory_of_one(bench, peer, asker)
        return Sample(
            {
                "start": start,
                "start_cpu": start_cpu,
                "each": (many - few) / (COUNT - 1),
                "asked": (asked - many) / ASKED,
            }
        )

    def memory_of_one(self, bench, peer, asker):
        directory = bench.fresh_directory("one-host")
        job = super().job(bench, directory, hosts=bench.material.hosts(1))
        proxy = peer.start(job)
        try:
            name = job.hosts.names[0]
            wait_until(lambda: asker.is_served(proxy.port, name), f"{peer.name} to serve")
            return proc.memory_kib(proxy.program.pid)
        finally:
            proxy.stop()


class Renew(Scenario):
    key = "renew"
    group = "hosts"
    title = "One certificate of 10,000 renewed under load (2,000 requests a second)"
    needs = frozenset({"tls", "hosts", "renew"})
    figures = (Figure("served", "from the new files until served", "ms", 300.0),)
    is_side_by_side = False
    is_about_requests = False
    max_rounds = 1
    goal_note = "failed requests: goal 0"

    def job(self, bench, directory, **more):
        return super().job(bench, directory, hosts=bench.material.hosts(COUNT), **more)

    def measure(self, bench, peer, proxy, directory):
        asker, hosts = Asker(bench.material), proxy.job.hosts
        wait_until(lambda: asker.is_served(proxy.port, hosts.names[-1]), f"{peer.name} to serve")
        pressure = Pressure(proxy, directory, hosts.names[0])
        failed = 0
        try:
            time.sleep(0.5)  # of load before
            name = hosts.names[COUNT // 2]
            pair = hosts.renew(name)
            began = time.monotonic()
            peer.renew(proxy, name)
            while True:
                try:
                    if asker.serial(proxy.port, name) == pair.serial:
                        break
                except (OSError, Failed):
                    failed += 1
                if time.monotonic() > began + 60:
                    raise Failed("the renewed certificate was not served in 60 s")
                time.sleep(0.002)
            served = time.monotonic() - began
        finally:
            failed += pressure.stop()
        return Sample({"served": served * 1000}, failed)


class Pressure:
    """Requests at a fixed rate, in runs of two seconds, until it is told to stop."""

    def __init__(self, proxy, directory, name):
        self.failed = 0
        self._error = None
        self._arguments = (
            proxy.port, directory, "rate", "--rate", LOAD_RATE, "--seconds", 2,
            "--connections", 32,
        )  # fmt: skip
        self._name = name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._over.is_set():
            try:
                program = load.client_program(*self._arguments, name=self._name)
                self.failed += load.told_by(program)["failed"]
            except (Failed, OSError, ValueError) as error:
                self._error = error
                return

    def stop(self):
        """Failed requests; what became of the load itself comes up here."""
        self._over.set()
        self._thread.join(30)
        if self._thread.is_alive():
            raise Failed("the load did not end")
        if self._error is not None:
            raise self._error
        return self.failed
