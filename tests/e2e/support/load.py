"""Steady load: keep-alive connections and new connections at a rate, each failure kept."""

import collections
import threading
import time

from . import raw


class Load:
    """`keep_alive` connections send one request after the other; `per_second` new connections each
    send one. Both count what they saw; a failure is whatever is not a whole 200."""

    def __init__(self, port, keep_alive=0, per_second=0, tls=False, host="a.example.com", pause_s=0.02):
        self.port = port
        self.tls = tls
        self.host = host
        self.pause_s = pause_s
        self.failures = []
        self.reconnects = 0
        self.done = 0
        self.serials = collections.Counter()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._keep, daemon=True) for _ in range(keep_alive)
        ]
        senders = max(1, per_second // 25) if per_second else 0
        for _ in range(senders):
            self._threads.append(
                threading.Thread(target=self._fresh, args=(senders / per_second,), daemon=True)
            )

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def _connect(self):
        context = raw.tls_context() if self.tls else None
        return raw.Client(self.port, tls=context, server_name=self.host if self.tls else None)

    def _count(self, answer):
        with self._lock:
            if answer is None or answer.status != 200 or not answer.complete:
                self.failures.append(repr(answer))
            else:
                self.done += 1

    def _keep(self):
        try:
            client = self._connect()
        except OSError as error:
            self.failures.append(f"connect: {error!r}")
            return
        with client:
            while not self._stop.is_set():
                try:
                    answer = client.request(host=self.host)
                except OSError as error:
                    answer = error
                    self.failures.append(repr(error))
                    return
                self._count(answer)
                if answer is None:
                    return
                if answer.get("connection") == "close":
                    self.reconnects += 1
                    return
                self._stop.wait(self.pause_s)

    def _fresh(self, period_s):
        context = raw.tls_context() if self.tls else None
        due = time.monotonic()
        while not self._stop.is_set():
            due += period_s
            try:
                with raw.Client(
                    self.port, tls=context, server_name=self.host if self.tls else None
                ) as client:
                    if self.tls:
                        serial = client.peer_serial()
                        with self._lock:
                            self.serials[serial] += 1
                    self._count(client.request(host=self.host))
            except OSError as error:
                self.failures.append(f"new connection: {error!r}")
            self._stop.wait(max(0.0, due - time.monotonic()))
