"""An HTTP/2 endpoint on python h2, either role: h2 checks every frame the gateway sends, strictly. One
thread reads and one writes, so that a test may do one thing after the other. GOAWAY is kept from h2,
which would take it for the end of all streams."""

import select
import socket
import ssl
import struct
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from . import wait

FRAME_DATA, FRAME_HEADERS, FRAME_PRIORITY, FRAME_RST_STREAM, FRAME_SETTINGS = range(5)
FRAME_PUSH_PROMISE, FRAME_PING, FRAME_GOAWAY, FRAME_WINDOW_UPDATE, FRAME_CONTINUATION = range(5, 10)
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Code = h2.errors.ErrorCodes
Setting = h2.settings.SettingCodes
# What waits to be written before a stream's send() waits too.
_OUT_HIGH_BYTES = 512 * 1024


class Reset(ConnectionError):
    """The stream was reset, or its connection ended."""

    def __init__(self, code):
        super().__init__(f"reset: {code!r}")
        self.code = code


class Pipe:
    """A socket, plain or TLS, that one thread may read while another one writes: an SSL object itself
    is no thing for two threads."""

    def __init__(self, sock):
        self.socket = sock
        self._lock = threading.Lock()
        sock.setblocking(False)

    def _wait(self, what):
        poll = select.poll()
        poll.register(self.socket.fileno(), what)
        poll.poll(1000)

    def recv(self, count):
        while True:
            try:
                with self._lock:
                    return self.socket.recv(count)
            except (ssl.SSLWantReadError, BlockingIOError):
                self._wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)

    def sendall(self, data):
        view = memoryview(data)
        while view:
            try:
                with self._lock:
                    sent = self.socket.send(view[: 64 * 1024])
                view = view[sent:]
            except (ssl.SSLWantWriteError, BlockingIOError):
                self._wait(select.POLLOUT)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)

    def shutdown(self, how=socket.SHUT_RDWR):
        try:
            socket.socket.shutdown(self.socket, how)
        except OSError:
            pass

    def close(self):
        self.socket.close()


class Stream:
    """One stream. What is not read is not acknowledged: its window closes."""

    def __init__(self, peer, number):
        self.peer = peer
        self.number = number
        self.headers = None
        self.interim = []  # heads of 1xx
        self.trailers = []
        self.ended = False
        self.reset = None  # error code
        self.received_bytes = 0
        self._data = []

    def get(self, name):
        return next((v for n, v in self.headers if n == name), None)

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    @property
    def status(self):
        return int(self.get(":status"))

    @property
    def method(self):
        return self.get(":method")

    @property
    def path(self):
        return self.get(":path")

    def _wait(self, condition, what, deadline_s=wait.DEADLINE_S):
        self.peer.wait(condition, f"stream {self.number}: {what}", deadline_s)

    def wait_headers(self, deadline_s=wait.DEADLINE_S):
        self._wait(
            lambda: self.headers is not None or self.reset is not None or self.peer.ended,
            "a head",
            deadline_s,
        )
        if self.headers is None:
            raise Reset(self.reset)
        return self.headers

    def read(self, deadline_s=wait.DEADLINE_S):
        """The next bytes, b"" at the end; raises Reset."""
        with self.peer.lock:
            self._wait(
                lambda: self._data or self.ended or self.reset is not None or self.peer.ended,
                "bytes or the end",
                deadline_s,
            )
            if not self._data:
                if self.ended:
                    return b""
                raise Reset(self.reset)
            pieces, self._data = self._data, []
            count = sum(flow for _, flow in pieces)
            self.peer.acknowledge(count, self.number)
        return b"".join(data for data, _ in pieces)

    def read_all(self, deadline_s=wait.DEADLINE_S):
        pieces = []
        while piece := self.read(deadline_s):
            pieces.append(piece)
        return b"".join(pieces)

    def wait_reset(self, deadline_s=wait.DEADLINE_S):
        self._wait(lambda: self.reset is not None or self.peer.ended, "a reset", deadline_s)
        return self.reset

    def send_headers(self, headers, end=False):
        self.peer.call(lambda h: h.send_headers(self.number, headers, end_stream=end))

    def send(self, data, end=False, deadline_s=wait.DEADLINE_S):
        view = memoryview(data)
        while view:
            with self.peer.lock:
                self._wait(
                    lambda: self.peer.ended or self.reset is not None or self._room() > 0,
                    "room to send",
                    deadline_s,
                )
                if self.peer.ended or self.reset is not None:
                    raise Reset(self.reset)
                count = min(len(view), self._room())
                piece, view = view[:count].tobytes(), view[count:]
                self.peer.call(
                    lambda h: h.send_data(self.number, piece, end_stream=end and not view)  # noqa: B023
                )
        if end and not data:
            self.end()

    def _room(self):
        if self.peer.waiting_bytes() > _OUT_HIGH_BYTES:
            return 0
        h = self.peer.h2
        try:
            return min(h.local_flow_control_window(self.number), h.max_outbound_frame_size)
        except h2.exceptions.StreamClosedError as error:
            raise Reset(self.reset) from error

    def end(self, trailers=None):
        if trailers:
            self.send_headers(trailers, end=True)
        else:
            self.peer.call(lambda h: h.end_stream(self.number))

    def cancel(self, code=Code.CANCEL):
        self.peer.call(lambda h: h.reset_stream(self.number, code))


class Peer:
    """One connection. `on_stream(stream)` runs in a thread of its own for each stream the other side
    opens."""

    def __init__(self, sock, client_side, settings=None, window=16 * 1024 * 1024, on_stream=None):
        self.pipe = Pipe(sock)
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.streams = {}
        self.goaways = []  # (last stream, code, text)
        self.frames = []  # (type, flags, stream, length) as received, but for DATA
        self.pings = 0  # answered
        self.ended = False
        self.error = None
        self.on_stream = on_stream
        self._out = []
        self._out_bytes = 0
        self._preface = b"" if client_side else PREFACE
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=client_side,
                header_encoding="latin-1",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        values = {
            Setting.INITIAL_WINDOW_SIZE: window,
            Setting.MAX_CONCURRENT_STREAMS: 1000,
            Setting.MAX_HEADER_LIST_SIZE: 1024 * 1024,
            Setting.ENABLE_PUSH: 0,
            **(settings or {}),
        }
        if not client_side:
            del values[Setting.ENABLE_PUSH]
        limit = values.pop(Setting.MAX_CONCURRENT_STREAMS)
        self.h2.local_settings = h2.settings.Settings(client=client_side, initial_values=values)
        with self.lock:
            self.h2.initiate_connection()
            # In a second frame: h2 holds the other side to it once it is acknowledged, no earlier.
            self.h2.update_settings({Setting.MAX_CONCURRENT_STREAMS: limit})
            if window > 65535:
                self.h2.increment_flow_control_window(window - 65535)
            self._flush()
        self._threads = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._write, daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """When what was sent has left. Without GOAWAY: the other side must bear it."""
        with self.lock:
            end = time.monotonic() + 2
            while self._out_bytes and not self.ended and time.monotonic() < end:
                self.changed.wait(0.1)
            self.ended = True
            self.changed.notify_all()
        self.pipe.shutdown()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(10)
        self.pipe.close()

    # --- Waiting and sending

    def wait(self, condition, what, deadline_s=wait.DEADLINE_S):
        end = time.monotonic() + deadline_s
        with self.lock:
            while not condition():
                left = end - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"not within {deadline_s} s: {what}; {self.error or ''}")
                self.changed.wait(min(left, 1))

    def call(self, operation):
        """An operation on h2, and what it wants written."""
        with self.lock:
            try:
                result = operation(self.h2)
            except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError) as error:
                raise Reset(str(error)) from error
            self._flush()
            return result

    def raw(self, data):
        """Bytes as they are, between two frames."""
        with self.lock:
            self._flush()
            self._queue(data)

    def frame(self, kind, flags, stream, payload=b""):
        self.raw(pack_frame(kind, flags, stream, payload))

    def acknowledge(self, count, number):
        if count and not self.ended:
            try:
                self.h2.acknowledge_received_data(count, number)
                self._flush()
            except (h2.exceptions.ProtocolError, ValueError):
                pass  # the stream is over

    def goaway(self, code=Code.NO_ERROR, last=None):
        """Without telling h2, which would refuse everything afterwards."""
        last = max(self.streams, default=0) if last is None else last
        self.frame(FRAME_GOAWAY, 0, 0, struct.pack(">II", last, int(code)))

    def waiting_bytes(self):
        return self._out_bytes

    def remote_setting(self, code):
        with self.lock:
            return self.h2.remote_settings.get(code)

    def _flush(self):
        self._queue(self.h2.data_to_send())

    def _queue(self, data):
        if data:
            self._out.append(data)
            self._out_bytes += len(data)
            self.changed.notify_all()

    def _write(self):
        try:
            while True:
                with self.lock:
                    while not self._out and not self.ended:
                        self.changed.wait(1)
                    data, self._out = b"".join(self._out), []
                    if self.ended and not data:
                        return
                self.pipe.sendall(data)
                with self.lock:
                    self._out_bytes -= len(data)
                    self.changed.notify_all()
        except (OSError, ValueError):
            pass
        finally:
            self.pipe.shutdown()

    # --- Reading

    def _read(self):
        buffer = b""
        try:
            while True:
                data = self.pipe.recv(256 * 1024)
                if not data:
                    return
                buffer = self._take(buffer + data)
        except (h2.exceptions.ProtocolError, AssertionError, KeyError) as error:
            self.error = repr(error)
        except (OSError, ValueError):
            return
        finally:
            with self.lock:
                try:
                    self._flush()  # h2's own GOAWAY, when the gateway broke the protocol
                except OSError:
                    pass
                self.ended = True
                self.changed.notify_all()

    def _take(self, buffer):
        """Whole frames of the buffer; returns the rest."""
        with self.lock:
            if self._preface:
                if len(buffer) < len(PREFACE):
                    return buffer
                assert buffer.startswith(PREFACE), buffer[:40]
                self._preface = b""
                self.h2.receive_data(PREFACE)
                buffer = buffer[len(PREFACE) :]
            at = start = 0
            while len(buffer) - at >= 9:
                length = int.from_bytes(buffer[at : at + 3], "big")
                if len(buffer) - at - 9 < length:
                    break
                kind, flags = buffer[at + 3], buffer[at + 4]
                number = int.from_bytes(buffer[at + 5 : at + 9], "big")
                if kind != FRAME_DATA:
                    self.frames.append((kind, flags, number, length))
                if kind == FRAME_GOAWAY:
                    self._feed(buffer[start:at])
                    last, code = struct.unpack_from(">II", buffer, at + 9)
                    self.goaways.append((last, code, buffer[at + 17 : at + 9 + length]))
                    start = at + 9 + length
                at += 9 + length
            self._feed(buffer[start:at])
            self._flush()
            self.changed.notify_all()
            return buffer[at:]

    def _feed(self, frames):
        if not frames:
            return
        for event in self.h2.receive_data(frames):
            self._on_event(event)

    def _on_event(self, event):
        number = getattr(event, "stream_id", None)
        stream = self.streams.get(number)
        if isinstance(event, h2.events.RequestReceived):
            stream = self.streams[number] = Stream(self, number)
            stream.headers = event.headers
            if self.on_stream:
                threading.Thread(target=self.on_stream, args=(stream,), daemon=True).start()
        elif isinstance(event, h2.events.InformationalResponseReceived):
            stream.interim.append(event.headers)
        elif isinstance(event, h2.events.ResponseReceived):
            stream.headers = event.headers
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = event.headers
        elif isinstance(event, h2.events.DataReceived):
            stream.received_bytes += len(event.data)
            stream._data.append((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            if stream is not None:
                stream.reset = event.error_code
        elif isinstance(event, h2.events.PingAckReceived):
            self.pings += 1


def pack_frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
