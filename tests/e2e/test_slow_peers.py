"""hardening 4, 6, 7: slow, vanishing and lying clients and origins. Every state has a deadline, every
buffer a cap, and descriptors and memory come back. Spec: CN-50, LR-17, LR-18, HT-90, LR-6."""

import contextlib
import hashlib
import socket
import threading
import time

import pytest

from support import objects, raw, wait
from support.certificates import write_secret
from support.gateway import IS_SANITIZED

SHORT = (
    "--header-timeout", "1s", "--body-timeout", "1s", "--write-timeout", "1s",
    "--idle-timeout", "1s", "--handshake-timeout", "1s",
)  # fmt: skip


def no_client(gateway):
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no client connection")


def test_idle_connection_is_closed(plain):
    gateway, _ = plain(options=SHORT)
    with raw.Client(gateway.port(80)) as client:
        assert client.at_end()
    with raw.Client(gateway.port(80)) as client:
        assert client.request().status == 200
        assert client.at_end()
    no_client(gateway)


@contextlib.contextmanager
def dripping(client):
    """The client sends a byte every 100 ms meanwhile."""
    stop = threading.Event()

    def drip():
        while not stop.wait(0.1):
            try:
                client.socket.send(b"x")
            except OSError:
                return

    thread = threading.Thread(target=drip, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_slow_head_is_answered_408(plain):
    """CN-50: no slowloris. One byte every now and then does not extend the deadline."""
    gateway, origin = plain(options=SHORT)
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n")
        with dripping(client):
            answer = client.response()
        assert answer is not None and answer.status == 408  # LR-18
        assert answer.get("connection") == "close"
    assert not origin.requests
    no_client(gateway)


def test_slow_body_is_cut_off(plain):
    gateway, origin = plain(options=SHORT)
    with raw.Client(gateway.port(80)) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
        answer = client.response()
        assert answer is None or answer.status == 408, answer
        assert client.at_end()
    no_client(gateway)
    assert not origin.requests  # the origin never saw a whole request


def test_steady_but_slow_request_is_answered_408(plain):
    """A byte every 100 ms keeps within --body-timeout; the whole request has a deadline of its own."""
    gateway, origin = plain(options=("--body-timeout", "60s", "--request-timeout", "1s"))
    with raw.Client(gateway.port(80)) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n")
        with dripping(client):
            answer = client.response()
        assert answer is not None and answer.status == 408  # LR-18
        assert answer.body == b"request timeout"
        assert answer.get("connection") == "close"
        assert client.at_end()
    assert "request_overall_timeout" in gateway.wait_access_lines(1)[0]
    assert not origin.requests  # the origin never saw a whole request
    no_client(gateway)
    with raw.Client(gateway.port(80)) as client:
        assert client.request().status == 200


def test_client_that_takes_nothing_is_cut_off(plain):
    """Also: its answer costs bounded memory (LIMIT_STREAM_HIGH_BYTES)."""
    sent = []

    def behaviour(origin, stream):
        if stream.read_request() is None:
            return
        stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
        block = b"x" * 65536
        try:
            while True:
                stream.send(block)
                sent.append(len(block))
        except OSError:
            return

    gateway, _ = plain(behaviour, options=SHORT)
    before = gateway.resident_kib()
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        no_client(gateway)
        # What the origin could send: kernel buffers and 256 KiB of ours, not the whole.
        assert sum(sent) < 64 * 1024 * 1024
        assert IS_SANITIZED or gateway.resident_kib() - before < 4096
    assert "DC" in gateway.wait_access_lines(1)[0] or gateway.access_lines()


def test_origin_that_takes_nothing(plain):
    """An upload goes only as fast as the origin takes it: bounded memory, and then the deadline."""
    started = threading.Event()
    done = threading.Event()

    def behaviour(origin, stream):
        if stream.read_head() is not None:
            started.set()
            done.wait(20)

    gateway, _ = plain(behaviour, options=SHORT)
    before = gateway.resident_kib()
    sent = 0
    with raw.Client(gateway.port(80)) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000000\r\n\r\n")
        assert started.wait(15)
        try:
            while sent < 256 * 1024 * 1024:
                sent += client.socket.send(b"x" * 65536)
        except OSError:
            pass  # cut off
        # What fits into kernel buffers and 256 KiB of ours, not the whole.
        assert sent < 64 * 1024 * 1024
        assert IS_SANITIZED or gateway.resident_kib() - before < 4096
    done.set()
    no_client(gateway)


def test_request_deadline_behind_a_slow_origin(plain):
    """The client is held back because the origin takes nothing: 504, not 408."""
    done = threading.Event()

    def behaviour(origin, stream):
        if stream.read_head() is not None:
            done.wait(20)

    gateway, _ = plain(behaviour, options=("--request-timeout", "2s"))
    with raw.Client(gateway.port(80)) as client:
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n")
        stop = threading.Event()

        def push():
            while not stop.is_set():
                try:
                    client.socket.send(b"x" * 65536)
                except OSError:
                    return

        thread = threading.Thread(target=push, daemon=True)
        thread.start()
        try:
            assert client.response().status == 504
        finally:
            stop.set()
            done.set()
            thread.join(15)
    assert " 504 UT " in gateway.wait_access_lines(1)[0]


@pytest.mark.parametrize("stage", ["connect", "head", "body", "answer"])
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_client_that_vanishes(plain, stage, how):
    """A client gone at any moment leaves nothing behind, and the origin's side is ended."""
    released = threading.Event()
    aborted = threading.Event()
    arrived = threading.Event()

    def behaviour(origin, stream):
        request = stream.read_head()
        if request is None:
            return
        arrived.set()
        if not stream.read_body(request):
            aborted.set()
            return
        stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n" + b"x" * 1000)
        released.wait(15)
        try:
            while True:
                stream.send(b"x" * 65536)
        except OSError:
            aborted.set()

    gateway, _ = plain(behaviour)
    baseline = gateway.descriptor_count()
    client = raw.Client(gateway.port(80))
    if how == "reset":
        client.socket.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
        )
    if stage == "head":
        client.send(b"GET / HTTP/1.1\r\nhost")
    elif stage == "body":
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc")
        assert arrived.wait(15)
    elif stage == "answer":
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.read_until(b"\r\n\r\n") is not None
    client.close()
    released.set()
    no_client(gateway)
    if stage in ("body", "answer"):
        assert aborted.wait(15)
    wait.until(lambda: gateway.descriptor_count() <= baseline, "descriptors of before")


@pytest.mark.parametrize("stage", ["connect", "request", "head", "body"])
def test_origin_that_vanishes(plain, stage):
    def behaviour(origin, stream):
        if stage == "connect":
            return
        if stream.read_request() is None:
            return
        if stage == "head":
            stream.send(b"HTTP/1.1 200 OK\r\ncontent")
        elif stage == "body":
            stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")

    gateway, _ = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        answer = client.request()
        if stage == "body":
            assert answer is None or not answer.complete or answer.status == 503
        else:
            assert answer.status == 503
    no_client(gateway)


def test_origin_that_never_answers_meets_the_route_timeout(plain):
    """HT-90, LR-6."""
    done = threading.Event()

    def behaviour(origin, stream):
        request = stream.read_request()
        if request is None:
            return
        origin.requests.append(request)
        done.wait(15)

    gateway, origin = plain(
        behaviour, http=[objects.route("origin.test", timeout="200ms")]
    )
    try:
        answer = raw.get(gateway.port(80))
    finally:
        done.set()
    assert (answer.status, answer.body) == (504, b"upstream request timeout")
    assert origin.requests[0].get("x-envoy-expected-rq-timeout-ms") == "200"  # HT-94
    line = gateway.wait_access_lines(1)[0]
    assert " 504 UT response_timeout " in line


def test_route_timeout_after_the_head_cuts_the_answer(plain):
    done = threading.Event()

    def behaviour(origin, stream):
        if stream.read_request() is None:
            return
        stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        done.wait(15)

    gateway, _ = plain(behaviour, http=[objects.route("origin.test", timeout="300ms")])
    try:
        with raw.Client(gateway.port(80)) as client:
            answer = client.request()
            assert answer is None or not answer.complete
    finally:
        done.set()


def test_large_bodies_pass_unchanged_both_ways(plain):
    size = 20 * 1024 * 1024
    block = bytes(range(256)) * 4096

    def behaviour(origin, stream):
        request = stream.read_request()
        if request is None:
            return
        origin.requests.append(request)
        stream.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(size // len(block)):
            stream.send(b"%x\r\n" % len(block) + block + b"\r\n")
        stream.send(b"0\r\nx-sum: 1\r\n\r\n")

    gateway, origin = plain(behaviour)
    body = block * (size // len(block))
    answer_box = []
    with raw.Client(gateway.port(80), timeout=60) as client:
        sender = threading.Thread(
            target=client.send,
            args=(
                b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body) + body,
            ),
        )
        sender.start()
        answer_box.append(client.response())
        sender.join()
    answer = answer_box[0]
    want = hashlib.sha256(body).hexdigest()
    assert hashlib.sha256(origin.requests[0].body).hexdigest() == want
    assert hashlib.sha256(answer.body).hexdigest() == want
    assert answer.trailers == [("x-sum", "1")]


def test_slow_reader_gets_everything(plain):
    """Back-pressure is not loss: a client that reads in small sips gets the whole body."""
    size = 30 * 1024 * 1024

    def behaviour(origin, stream):
        if stream.read_request() is not None:
            stream.answer(200, [], b"y" * size)

    gateway, _ = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.read_until(b"\r\n\r\n") is not None
        got = len(client.buffer)
        while got < size:
            data = client.socket.recv(4096)
            assert data
            got += len(data)
    assert got == size


def test_half_closed_client_still_gets_its_answer(plain):
    gateway, _ = plain()
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.response().status == 200
        assert client.at_end()


@pytest.mark.parametrize("kind", ["plain", "tls"])
def test_pipelined_answers_to_a_client_that_half_closes_and_reads_late(
    new_gateway, authority, kind
):
    """Large answers of our own are made as fast as requests are read: they wait for the client, and
    its FIN behind the requests takes none of them away."""
    text = "z" * 500_000
    direct = {"directResponse": {"status": 200, "body": {"string": text}}}
    gateway = new_gateway()
    write_secret(gateway.secrets / "a-cert", authority.issue("a.example.com"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway(
                "gw",
                objects.http_server("*"),
                objects.https_server("a.example.com", credential="a-cert"),
            ),
            objects.virtual_service("vs", direct),
        ),
    )
    gateway.start()
    tls = raw.tls_context() if kind == "tls" else None
    port = gateway.port(443 if tls else 80)
    with raw.Client(port, tls=tls, server_name=tls and "a.example.com") as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a.example.com\r\n\r\n" * 20)
        if tls is None:
            client.socket.shutdown(socket.SHUT_WR)
        for _ in range(20):
            answer = client.response()
            assert answer is not None and len(answer.body) == len(text)
        if tls is None:
            assert client.at_end()
    no_client(gateway)


def test_idle_tls_connection_ends_with_close_notify(secure):
    """RFC 8446 6.1."""
    gateway, _ = secure(options=SHORT)
    address = ("127.0.0.1", gateway.port(443))
    with socket.create_connection(address, timeout=15) as connection:
        with raw.tls_context().wrap_socket(
            connection, server_hostname="a.example.com", suppress_ragged_eofs=False
        ) as client:
            assert client.recv(1) == b""  # without close_notify this raises
    no_client(gateway)


def test_handshake_that_never_ends(secure):
    gateway, _ = secure(options=SHORT)
    for first_bytes in (b"", b"\x16", b"\x16\x03\x01\x02\x00\x01"):
        with raw.Client(gateway.port(443)) as client:
            if first_bytes:
                client.send(first_bytes)
            assert client.at_end() or client.buffer[:1] == b"\x15"
    no_client(gateway)


def test_storm_of_aborted_handshakes(secure):
    """hardening 7."""
    gateway, _ = secure()
    no_client(gateway)
    baseline = gateway.descriptor_count()
    for i in range(300):
        with raw.Client(gateway.port(443)) as client:
            client.send(b"\x16\x03\x01\x02\x00\x01"[: i % 7])
            if i % 2:
                client.socket.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0"
                )
    no_client(gateway)
    wait.until(lambda: gateway.descriptor_count() <= baseline, "descriptors of before")


def test_short_of_memory(plain):
    """Spec 10.1, OM: above --max-memory requests are refused, idle connections closed; the pages of our
    own still answer."""
    gateway, origin = plain(options=("--max-memory", "1MiB"))
    gateway.wait_log("--max-memory")
    for path in ("/", "/a"):
        answer = raw.get(gateway.port(80), path)
        assert (answer.status, answer.body) == (503, b"envoy overloaded")
        assert answer.get("connection") == "close"
    assert " 503 OM overload " in gateway.wait_access_lines(2)[0]
    with raw.Client(gateway.port(80)) as idle:
        assert idle.at_end()
    assert not origin.requests
    assert gateway.page("/healthz/ready", port="health")[0] == 200
    assert gateway.metric("gatehouse_overloaded") == 1
    assert gateway.metric("gatehouse_overload_refused_requests_total") == 2
    no_client(gateway)


def pouring(ended):
    """An origin that pours a body out until `ended`, but for /small."""

    def behaviour(origin, stream):
        request = stream.read_request()
        if request is None:
            return
        if request.target == "/small":
            stream.answer(200, [], b"small")
            return
        try:
            stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")
            while not ended.is_set():
                stream.send(b"x" * 65536)
        except OSError:
            return

    return behaviour


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's memory does not come back")
def test_memory_comes_back_after_a_shortage(plain):
    """Clients that take nothing fill their streams' buffers; once they are gone requests are served
    again, because what the allocator kept is given back."""
    released = threading.Event()
    gateway, _ = plain(pouring(released), options=("--max-memory", "40MiB"))
    assert raw.get(gateway.port(80), "/small").status == 200
    clients = [raw.Client(gateway.port(80)) for _ in range(300)]
    try:
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        wait.until(lambda: gateway.metric("gatehouse_overloaded") == 1, "the mark to be passed")
        assert raw.get(gateway.port(80), "/small").status == 503
    finally:
        released.set()
        for client in clients:
            client.close()
    wait.until(lambda: gateway.metric("gatehouse_overloaded") == 0, "the memory to come back")
    assert raw.get(gateway.port(80), "/small").status == 200


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer's memory does not come back")
def test_the_greediest_are_given_up(plain):
    """hardening 4: nobody leaves, and still there is memory again: those who hold most go."""
    ended = threading.Event()
    gateway, _ = plain(pouring(ended), options=("--max-memory", "40MiB"))
    clients = [raw.Client(gateway.port(80)) for _ in range(300)]
    try:
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        wait.until(lambda: gateway.metric("gatehouse_overloaded") == 1, "the mark to be passed")
        wait.until(lambda: gateway.metric("gatehouse_overloaded") == 0, "memory", 40)
        assert raw.get(gateway.port(80), "/small").status == 200
        shed = gateway.metric("gatehouse_overload_shed_requests_total")
        assert 0 < shed < 300, shed
        gateway.wait_access_line(" OM overload ")
        gateway.wait_log("memory is short: gave up")
    finally:
        ended.set()
        for client in clients:
            client.close()


def test_without_a_mark_memory_is_not_watched(plain):
    gateway, _ = plain(options=("--max-memory", "0"))
    assert raw.get(gateway.port(80)).status == 200
    assert gateway.metric("gatehouse_overloaded") == 0


def test_a_trickle_does_not_hold_the_pages(plain):
    """Health and metrics ports: 64 connections at most, and a whole request within ten seconds."""
    gateway, _ = plain()
    port = gateway.port("health")
    assert gateway.page("/healthz/ready", port="health")[0] == 200
    wait.until(lambda: gateway.page("/healthz/ready", port="health")[0] == 200, "the page")
    baseline = gateway.descriptor_count()
    clients = [raw.Client(port) for _ in range(64)]
    try:
        for client in clients:
            client.send(b"GET /healthz/ready HTTP/1.1\r\nhost: a\r\nx: ")
        with raw.Client(port) as further:
            assert further.at_end()
        started = time.monotonic()
        ended = set()
        while len(ended) < len(clients):
            assert time.monotonic() - started < 20
            for client in set(clients) - ended:
                try:
                    client.socket.send(b"x")
                except OSError:
                    ended.add(client)
            time.sleep(0.1)  # the pace of the trickle
        assert gateway.page("/healthz/ready", port="health")[0] == 200
    finally:
        for client in clients:
            client.close()
    wait.until(lambda: gateway.descriptor_count() <= baseline, "descriptors of before")


def test_connection_limit(plain):
    """At --max-connections accepting pauses: who is being served is served to the end, the others wait
    in the kernel's queue and are served afterwards."""
    release = threading.Event()

    def behaviour(origin, stream):
        while True:
            request = stream.read_request()
            if request is None:
                return
            origin.requests.append(request)
            release.wait(15)
            stream.answer(200, [], b"done")

    gateway, origin = plain(behaviour, options=("--max-connections", "10", "--workers", "1"))
    clients = [raw.Client(gateway.port(80)) for _ in range(30)]
    try:
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        wait.until(lambda: len(origin.requests) == 10, "ten requests at the origin")
        assert gateway.metric("gatehouse_connections") == 10
        release.set()
        for client in clients:
            assert client.response().body == b"done"
            client.close()
        assert len(origin.requests) == 30
    finally:
        for client in clients:
            client.close()
    no_client(gateway)


def test_idle_connections_make_way_at_the_limit(plain):
    """One that waits for nothing is closed in favour of one that wants something."""
    gateway, _ = plain(options=("--max-connections", "10", "--workers", "1"))
    idle = [raw.Client(gateway.port(80)) for _ in range(10)]
    try:
        for client in idle:
            assert client.request().status == 200
        for _ in range(20):
            assert raw.get(gateway.port(80)).status == 200
    finally:
        for client in idle:
            client.close()
    no_client(gateway)
