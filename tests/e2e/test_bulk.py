"""Large bodies of known length between plain connections go from socket to socket: what arrives, what is
counted, and what a peer that breaks off or dawdles does to it, must not show that.
Spec: OB-22, LR-23, CN-32; hardening 2, 4, 5.
"""

import hashlib
import socket
import struct
import threading

import pytest

from support import raw, wait

BLOCK = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(32768))  # 1 MiB
SIZE = 8 << 20
BODY = BLOCK * (SIZE >> 20)


def large(origin, stream):
    """A body of SIZE bytes for /large, in one piece behind its head; a small one else."""
    while (request := stream.read_request()) is not None:
        origin.requests.append(request)
        if request.target == "/large":
            stream.answer(200, [("etag", '"large"')], BODY)
        else:
            stream.answer(200, [], b"small")


def test_large_answers_and_small_ones_share_a_connection(plain):
    gateway, origin = plain(large, options=("--workers", "1"))
    with raw.Client(gateway.port(80), timeout=60) as client:
        for target in ("/large", "/small", "/large", "/large", "/small"):
            answer = client.request(target)
            assert answer.status == 200 and answer.complete
            assert answer.body == (BODY if target == "/large" else b"small")
        # One behind the other, before the first is read.
        client.send(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\nGET /small HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.response().body == BODY
        assert client.response().body == b"small"
    lines = gateway.wait_access_lines(7)
    assert sum(f" {SIZE} " in line for line in lines) == 4, lines
    assert len(origin.requests) == 7


def test_many_at_once(plain):
    gateway, _ = plain(large)
    want = hashlib.sha256(BODY).digest()
    seen = []

    def load():
        with raw.Client(gateway.port(80), timeout=60) as client:
            seen.append(hashlib.sha256(client.request("/large").body).digest())

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [want] * 8


def test_a_reader_slower_than_the_body_timeout_gets_everything(plain):
    """It is the client that dawdles: the deadline between two reads of the origin's body does not run."""
    gateway, _ = plain(large, options=("--body-timeout", "300ms", "--idle-timeout", "60s"))
    with raw.Client(gateway.port(80), timeout=60) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.read_until(b"\r\n\r\n") is not None
        # Longer than the deadline, seen by a request that stalls meanwhile.
        with raw.Client(gateway.port(80)) as other:
            other.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc")
            other.response()
            assert other.at_end()
        assert client.read_exactly(SIZE) == BODY


@pytest.mark.parametrize("how", ["end", "reset"])
def test_an_origin_that_breaks_off_is_no_whole_body(plain, how):
    def behaviour(origin, stream):
        if stream.read_request() is None:
            return
        stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE + BODY[: SIZE // 2])
        if how == "reset":
            now = struct.pack("ii", 1, 0)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)

    gateway, _ = plain(behaviour)
    with raw.Client(gateway.port(80), timeout=60) as client:
        try:
            answer = client.request("/")
            assert answer is None or not answer.complete
        except ConnectionError:
            pass
    assert " UPE " in gateway.wait_access_lines(1)[0] or " UC " in gateway.wait_access_lines(1)[0]


def test_a_client_that_leaves_takes_the_origin_with_it(plain):
    ended = threading.Event()

    def behaviour(origin, stream):
        if stream.read_request() is None:
            return
        try:
            stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000000000\r\n\r\n")
            while True:
                stream.send(BLOCK)
        except OSError:
            ended.set()

    gateway, _ = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        assert len(client.read_exactly(SIZE)) == SIZE
    assert ended.wait(20)
    assert " DC " in gateway.wait_access_lines(1)[0]
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no client")


def test_more_than_was_announced_is_no_next_answer(plain):
    """hardening 2: what follows the last byte stays in the socket, and ends that connection."""

    def behaviour(origin, stream):
        request = stream.read_request()
        if request is None:
            return
        if request.target == "/small":
            stream.answer(200, [], b"small")
            return
        head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE
        stream.send(head + BODY + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        stream.read_request()

    gateway, _ = plain(behaviour, options=("--workers", "1"))
    with raw.Client(gateway.port(80), timeout=60) as client:
        assert client.request("/large").body == BODY
        assert client.request("/small").body == b"small"
