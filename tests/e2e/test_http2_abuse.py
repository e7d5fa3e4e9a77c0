"""Issue must show 5: each way to make an HTTP/2 gateway work for nothing ends with the connection closed
under the right code, counted and logged by its reason, with memory bounded, while another client is
served as usual. Spec: CN-35, CN-40; CVE-2023-44487 (rapid reset), CVE-2024-27316 (CONTINUATION),
CVE-2019-9511 to 9518, CVE-2016-6581 (HPACK)."""

import contextlib
import threading
import time

import pytest

from support import objects, pacer, wait
from support.gateway import IS_SANITIZED, Gateway
from support.h2_client import RawClient, literal_block, request_head
from support.h2_peer import (
    FRAME_CONTINUATION,
    FRAME_DATA,
    FRAME_GOAWAY,
    FRAME_HEADERS,
    FRAME_PING,
    FRAME_PRIORITY,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_WINDOW_UPDATE,
    Code,
    pack_frame,
)
from support.origin import Origin

CALM = Code.ENHANCE_YOUR_CALM
GROWTH_KIB = 8 * 1024
RESIDENT_KIB = 64 * 1024
SLOW_S = 0.1  # besides three times what is usual


def behaviour(origin, stream):
    while request := stream.read_request():
        if request.target.startswith("/large"):
            stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n")
            for _ in range(100):
                stream.send(b"x" * 100_000)
        else:
            stream.answer(200, [], b"fine")


class Abused:
    """A gateway of which the other client asks what is the gateway's own: its time is then not this
    process's, which plays attacker and origin at once."""

    def __init__(self, directory):
        self.origin = Origin(behaviour=behaviour)
        self.gateway = Gateway(directory, ("--write-timeout", "2s"))
        self.gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway("gw", objects.http_server("*")),
                objects.virtual_service(
                    "vs",
                    {"match": [{"uri": {"exact": "/other"}}], "directResponse": {"status": 200}},
                    objects.route("origin.test"),
                ),
                objects.service_entry("origin.test", self.origin.port),
            ),
        )

    def __enter__(self):
        self.gateway.start()
        return self.gateway, self.origin

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.gateway.stop()
        finally:
            self.gateway.kill()
            self.origin.close()
        assert not self.origin.errors, self.origin.errors


@pytest.fixture
def new_abused(tmp_path, request):
    """One of its own: a log line that repeats itself is only counted."""
    with contextlib.ExitStack() as stack:

        def make():
            abused = Abused(tmp_path / "gw")
            request.node.gateways = [abused.gateway]
            return stack.enter_context(abused)

        yield make


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Abused(tmp_path_factory.mktemp("gw")) as pair:
        yield pair


def post_head(path="/"):
    return request_head(path, method="POST")


# Each attack writes until it is stopped: it yields bytes for the connection.


def rapid_reset(client):
    block = literal_block(request_head("/reset"))
    while True:
        burst = b""
        for _ in range(100):
            stream = client.take_stream()
            burst += pack_frame(FRAME_HEADERS, 5, stream, block)
            burst += pack_frame(FRAME_RST_STREAM, 0, stream, b"\0\0\0\x08")
        yield burst


def provoked_by_window(client):
    """The server is made to reset: a window beyond 2^31-1 on a stream (the "MadeYouReset" way)."""
    block = literal_block(request_head("/large"))
    while True:
        burst = b""
        for _ in range(50):
            stream = client.take_stream()
            burst += pack_frame(FRAME_HEADERS, 5, stream, block)
            burst += pack_frame(FRAME_WINDOW_UPDATE, 0, stream, b"\x7f\xff\xff\xff")
        yield burst


def provoked_by_empty_window(client):
    block = literal_block(request_head("/large"))
    while True:
        burst = b""
        for _ in range(50):
            stream = client.take_stream()
            burst += pack_frame(FRAME_HEADERS, 5, stream, block)
            burst += pack_frame(FRAME_WINDOW_UPDATE, 0, stream, b"\0\0\0\0")
        yield burst


def provoked_by_malformed(client):
    """Requests that are malformed: each costs us a RST_STREAM."""
    block = literal_block([*request_head("/"), ("connection", "close")])
    while True:
        yield b"".join(
            pack_frame(FRAME_HEADERS, 5, client.take_stream(), block) for _ in range(100)
        )


def provoked_by_length(client):
    block = literal_block([*post_head(), ("content-length", "1")])
    while True:
        burst = b""
        for _ in range(50):
            stream = client.take_stream()
            burst += pack_frame(FRAME_HEADERS, 4, stream, block)
            burst += pack_frame(FRAME_DATA, 1, stream, b"too long")
        yield burst


def continuation_flood(client):
    """A header block without an end."""
    yield pack_frame(FRAME_HEADERS, 1, 1, literal_block(request_head("/")))
    while True:
        yield pack_frame(FRAME_CONTINUATION, 0, 1, literal_block([("x", "y" * 100)])) * 100


def empty_continuations(client):
    yield pack_frame(FRAME_HEADERS, 1, 1, literal_block(request_head("/")))
    while True:
        yield pack_frame(FRAME_CONTINUATION, 0, 1) * 1000


def settings_flood(client):
    while True:
        yield pack_frame(FRAME_SETTINGS, 0, 0, b"\0\3\0\0\0\x64") * 500


def empty_settings_flood(client):
    while True:
        yield pack_frame(FRAME_SETTINGS, 0, 0) * 500


def ping_flood(client):
    while True:
        yield pack_frame(FRAME_PING, 0, 0, b"12345678") * 500


def priority_flood(client):
    while True:
        yield pack_frame(FRAME_PRIORITY, 0, 1, b"\0\0\0\x03\x10") * 1000


def empty_data(client):
    yield pack_frame(FRAME_HEADERS, 4, 1, literal_block(post_head()))
    while True:
        yield pack_frame(FRAME_DATA, 0, 1) * 1000


def padded_empty_data(client):
    """A byte of padding in each: no empty frame by its length, nothing in it either."""
    yield pack_frame(FRAME_HEADERS, 4, 1, literal_block(post_head()))
    while True:
        yield pack_frame(FRAME_DATA, 8, 1, b"\0") * 1000


def window_updates(client):
    while True:
        yield pack_frame(FRAME_WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * 1000


def unknown_frames(client):
    while True:
        yield pack_frame(0xEE, 0, 0, b"x") * 1000


# (name, attack, codes of the GOAWAY, words of the reason)
FLOODS = [
    ("rapid reset", rapid_reset, {CALM}, ["http2.reset_flood"]),
    ("provoked: window overflow", provoked_by_window, {CALM}, ["http2.provoked_reset_flood"]),
    ("provoked: window of 0", provoked_by_empty_window, {CALM, Code.PROTOCOL_ERROR}, ["http2."]),
    ("provoked: malformed", provoked_by_malformed, {CALM}, ["http2.provoked_reset_flood"]),
    ("provoked: length", provoked_by_length, {CALM}, ["http2.provoked_reset_flood"]),
    ("continuation flood", continuation_flood, {CALM, Code.INTERNAL_ERROR}, ["http2.continuation"]),
    ("empty continuations", empty_continuations, {CALM, Code.INTERNAL_ERROR},
     ["http2.continuation", "http2.empty_frame_flood"]),
    ("settings", settings_flood, {CALM}, ["http2.settings_flood"]),
    ("empty settings", empty_settings_flood, {CALM}, ["http2.settings_flood"]),
    ("ping", ping_flood, {CALM}, ["http2.ping_flood"]),
    ("priority", priority_flood, {CALM}, ["http2.priority_flood"]),
    ("empty data", empty_data, {CALM}, ["http2.empty_frame_flood"]),
    ("padded empty data", padded_empty_data, {CALM}, ["http2.empty_frame_flood"]),
    ("window updates", window_updates, {CALM}, ["http2.window_update_flood"]),
    ("unknown frames", unknown_frames, {CALM}, ["http2.unknown_frame_flood"]),
]  # fmt: skip


class Attacker:
    """Attacks again and again, each time on a new connection, until it is told to stop."""

    def __init__(self, port, attack):
        self.port = port
        self.attack = attack
        self.codes = []
        self.rounds = 0
        self.held = 0  # rounds that were not ended by the gateway
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(60)

    def _run(self):
        while not self._stop.is_set():
            self.codes.append(self.one())
            self.rounds += 1

    def one(self):
        """The GOAWAY's code; None: closed without one."""
        with RawClient(self.port) as client:
            client.ping()
            end = time.monotonic() + 30
            for data in self.attack(client):
                if not client.try_send(data):
                    break
                # What the gateway says is read, so that it is not its own queue that ends it.
                client.socket.setblocking(False)
                try:
                    got = client.socket.recv(1 << 20)
                    client.buffer += got
                    if not got:
                        client.ended = True
                        break
                except (BlockingIOError, InterruptedError):
                    pass
                except ConnectionError:
                    client.ended = True
                    break
                finally:
                    client.socket.settimeout(15)
                if time.monotonic() > end:
                    self.held += 1
                    return "held"
            return client.wait_goaway()


@pytest.mark.parametrize("attack,codes,reasons", [f[1:] for f in FLOODS], ids=[f[0] for f in FLOODS])
def test_flood(new_abused, attack, codes, reasons):
    gateway, _ = new_abused()
    port = gateway.port(80)
    usual, during, resident = [], [], []
    for _ in range(2):  # memory must not go on growing
        usual.append(pacer.typical(port, 20))
        with Attacker(port, attack) as attacker:
            wait.until(lambda: attacker.rounds >= 1, "a first round", 40)  # noqa: B023
            during.append(pacer.typical(port, 40))
            wait.until(lambda: attacker.rounds >= 3, "three rounds", 60)  # noqa: B023
        assert not attacker.held, "the gateway bore it for 30 s"
        resident.append(gateway.resident_kib())
        got = set(attacker.codes) - {None}  # a reset may overtake the GOAWAY
        assert got and got <= codes, attacker.codes
    print(f"{attacker.rounds} rounds, usual {usual} s, during {during} s, {resident} KiB")
    log = gateway.log_text()
    assert any(reason in log for reason in reasons), log[-2000:]
    assert any(
        f'reason="{reason}' in line
        for reason in reasons
        for line in gateway.page("/stats/prometheus", port="metrics")[1].splitlines()
        if line.startswith("gatehouse_protocol_errors_total") and 'side="client"' in line
    ), reasons
    if not IS_SANITIZED:
        assert resident[-1] < RESIDENT_KIB and resident[-1] - resident[-2] < 4096
        assert min(during) < 3 * max(usual) + SLOW_S, (usual, during)
    wait.until(lambda: gateway.metric("gatehouse_http2_connections") == 0, "no connection is left")


def test_rapid_reset_does_not_reach_the_origin_without_bound(shared):
    """The upstream is spared as well: not a request for each reset for ever."""
    gateway, origin = shared
    before = origin.connection_count
    for _ in range(3):
        Attacker(gateway.port(80), rapid_reset).one()
    assert origin.connection_count - before < 2000


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_header_block_size(shared, size):
    """CN-35: 431 for the stream or the end of the connection; never memory."""
    gateway, origin = shared
    seen = len(origin.requests)
    before = gateway.resident_kib()
    with RawClient(gateway.port(80)) as client:
        block = literal_block([*request_head("/big"), *[("x", "y" * 4000)] * (size // 4000)])
        client.try_send(pack_frame(FRAME_HEADERS, 1, 1, block[:16000]))
        for at in range(16000, len(block), 16000):
            last = at + 16000 >= len(block)
            part = block[at : at + 16000]
            if not client.try_send(pack_frame(FRAME_CONTINUATION, 4 if last else 0, 1, part)):
                break
        answer = client.response(1)
        assert answer[0] in (431, "goaway", "end") or answer[0] == "reset", answer
    assert len(origin.requests) == seen
    assert IS_SANITIZED or gateway.resident_kib() - before < GROWTH_KIB


@pytest.mark.parametrize("count", [200, 5000])
def test_header_count(shared, count):
    """CN-35; hardening 6: five thousand empty fields."""
    gateway, origin = shared
    with RawClient(gateway.port(80)) as client:
        block = literal_block([*request_head("/many"), *[("x", "")] * count])
        client.send(pack_frame(FRAME_HEADERS, 1, 1, block[:16000]))
        for at in range(16000, max(16001, len(block)), 16000):
            part = block[at : at + 16000]
            last = at + 16000 >= len(block)
            if not client.try_send(pack_frame(FRAME_CONTINUATION, 4 if last else 0, 1, part)):
                break
        answer = client.response(1)
        assert answer[0] in (431, "goaway", "end", "reset"), answer
        if answer[0] == 431:
            assert client.response(client.get("/fine", stream=3))[0] == 200


def test_hpack_bomb(shared):
    """CVE-2016-6581: one entry of 4 KiB in the table, named by a byte each, thousands of times."""
    gateway, _ = shared
    before = gateway.resident_kib()
    usual = pacer.typical(gateway.port(80), 10)
    with RawClient(gateway.port(80)) as client:
        value = b"y" * 4000
        insert = b"\x40" + b"\x01x" + b"\x7f" + _length(len(value) - 127) + value
        first = literal_block(request_head("/bomb")) + insert
        client.send(pack_frame(FRAME_HEADERS, 5, 1, first))
        assert client.response(1)[0] == 200
        slowest = 0
        for i in range(5):
            # 62 is the newest entry of the table: 16,000 bytes become 64 MB.
            bomb = literal_block(request_head("/bomb")) + b"\xbe" * 16000
            stream = 3 + 2 * i
            if not client.try_send(pack_frame(FRAME_HEADERS, 5, stream, bomb)):
                break
            answer = client.response(stream)
            assert answer[0] in (431, "reset", "goaway", "end"), answer
            slowest = max(slowest, *pacer.measure(gateway.port(80), 3))
            if answer[0] in ("goaway", "end"):
                break
    if not IS_SANITIZED:
        assert gateway.resident_kib() - before < GROWTH_KIB
        assert slowest < 3 * usual + SLOW_S


def _length(value):
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    out.append(value)
    return bytes(out)


def test_hpack_table_is_no_larger_than_we_said(shared):
    """RFC 7541 4.2: a size update beyond our SETTINGS_HEADER_TABLE_SIZE."""
    gateway, _ = shared
    with RawClient(gateway.port(80)) as client:
        client.ping()
        client.frame(FRAME_HEADERS, 5, 1, b"\x3f" + _length(65536 - 31) + literal_block(request_head()))
        assert client.wait_goaway() == Code.COMPRESSION_ERROR


def test_zero_window_stall(shared):
    """CVE-2019-9517: a client that asks for much and opens no window is cut off by --write-timeout,
    and costs bounded memory meanwhile."""
    gateway, _ = shared
    usual = pacer.typical(gateway.port(80), 10)
    before = gateway.resident_kib()
    clients = [RawClient(gateway.port(80), settings=[(4, 0)]) for _ in range(10)]
    try:
        for client in clients:
            for _ in range(20):
                client.get("/large")
        assert pacer.typical(gateway.port(80), 10) < 3 * usual + SLOW_S or IS_SANITIZED
        for client in clients:
            frames = []
            while len(frames) < 20:
                frame = client.read_frame(30)
                if frame is None:
                    break
                if frame.kind == FRAME_RST_STREAM:
                    frames.append(frame)
                if frame.kind == FRAME_GOAWAY:
                    break
        if not IS_SANITIZED:
            assert gateway.resident_kib() - before < 200 * 300
    finally:
        for client in clients:
            client.close()
    wait.until(lambda: gateway.metric("gatehouse_http2_connections") == 0, "no connection is left")
    wait.until(lambda: " downstream_write_timeout" in "\n".join(gateway.access_lines()), "the log")


def test_window_byte_by_byte(shared):
    """CVE-2019-9511: a response let through one byte at a time costs a frame each; it is ended, or the
    neighbours do not feel it."""
    gateway, _ = shared
    usual = pacer.typical(gateway.port(80), 10)
    stop = threading.Event()

    def drip():
        with RawClient(gateway.port(80), settings=[(4, 0)]) as client:
            streams = [client.get("/large") for _ in range(50)]
            while not stop.is_set():
                burst = b"".join(
                    pack_frame(FRAME_WINDOW_UPDATE, 0, s, b"\0\0\0\1") for s in streams
                )
                if not client.try_send(burst):
                    return
                client.socket.setblocking(False)
                try:
                    if not client.socket.recv(1 << 20):
                        return
                except BlockingIOError:
                    pass
                except ConnectionError:
                    return
                finally:
                    client.socket.settimeout(15)

    threads = [threading.Thread(target=drip, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    during = pacer.typical(gateway.port(80), 60)
    stop.set()
    for thread in threads:
        thread.join(15)
    assert IS_SANITIZED or during < 3 * usual + SLOW_S


def test_more_streams_than_allowed(new_gateway, new_origin):
    """CN-38: REFUSED_STREAM for what is beyond; those within are served (RFC 9113 5.1.2)."""
    go = threading.Event()

    def wait_then_answer(origin, stream):
        while stream.read_request():
            go.wait(30)
            stream.answer(200, [], b"fine")

    origin = new_origin(behaviour=wait_then_answer)
    gateway = new_gateway(("--max-streams", "20"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    gateway.start()
    with RawClient(gateway.port(80)) as client:
        client.ping()  # our SETTINGS are known to both
        streams = [client.get(f"/{i}") for i in range(30)]
        refused = set()
        while len(refused) < 10:
            frame = client.read_frame()
            assert frame is not None and frame.kind != FRAME_GOAWAY, frame
            if frame.kind == FRAME_RST_STREAM:
                assert frame.code == Code.REFUSED_STREAM
                refused.add(frame.stream)
        assert refused == set(streams[20:])
        go.set()
        done = set()
        while len(done) < 20:
            frame = client.read_frame()
            if frame.kind in (FRAME_DATA, FRAME_HEADERS) and frame.flags & 1:
                done.add(frame.stream)
        assert done == set(streams[:20])


def test_answers_that_nobody_reads(shared):
    """PINGs and SETTINGS from a client that reads none of the answers: bounded, then closed."""
    gateway, _ = shared
    before = gateway.resident_kib()
    with RawClient(gateway.port(80), receive_buffer=4096) as client:
        end = time.monotonic() + 30
        while client.try_send(pack_frame(FRAME_PING, 0, 0, b"12345678") * 1000):
            assert time.monotonic() < end, "the gateway bore it for 30 s"
    assert IS_SANITIZED or gateway.resident_kib() - before < GROWTH_KIB


def test_honest_heavy_use_is_no_abuse(shared):
    """A browser that leaves a page with 100 streams open, again and again; a pinging client; a new
    weight for each request: none of it is shown out."""
    gateway, _ = shared
    with RawClient(gateway.port(80)) as client:
        for _ in range(4):
            streams = [client.get("/fine") for _ in range(100)]
            for stream in streams:
                client.frame(FRAME_PRIORITY, 0, stream, b"\0\0\0\0\x20")
            for stream in streams:
                client.reset(stream)
            assert client.ping() is not None
        for _ in range(50):
            assert client.ping() is not None
        assert client.response(client.get("/fine"))[0] == 200
        assert not [f for f in client.frames if f.kind == FRAME_GOAWAY]
