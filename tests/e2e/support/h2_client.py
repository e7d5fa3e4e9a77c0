"""Clients of HTTP/2: a polite one on python h2 (Client), and one that sends any frame (RawClient)."""

import socket
import ssl
import struct
import time

import hpack

from . import raw, wait
from .h2_peer import (
    FRAME_CONTINUATION,
    FRAME_DATA,
    FRAME_GOAWAY,
    FRAME_HEADERS,
    FRAME_PING,
    FRAME_RST_STREAM,
    FRAME_SETTINGS,
    FRAME_WINDOW_UPDATE,
    PREFACE,
    Peer,
    Stream,
    pack_frame,
)

END_STREAM, END_HEADERS, ACK = 1, 4, 1


def connect(port, tls=False, server_name="a.example.com", timeout=15, receive_buffer=None):
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout)
    sock.connect(("127.0.0.1", port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        context = tls if isinstance(tls, ssl.SSLContext) else raw.tls_context(alpn=("h2",))
        try:
            sock = context.wrap_socket(sock, server_hostname=server_name)
        except BaseException:
            sock.close()
            raise
        if not isinstance(tls, ssl.SSLContext):
            assert sock.selected_alpn_protocol() == "h2"
    return sock


def request_head(path="/", host="a.example.com", method="GET", scheme="http", headers=()):
    return [
        (":method", method),
        (":scheme", scheme),
        (":authority", host),
        (":path", path),
        *headers,
    ]


class Client(Peer):
    """Requests on one connection, one after the other or many at once. `before` is sent in front of
    everything, byte by byte."""

    def __init__(self, port, tls=False, server_name="a.example.com", before=b"", **more):
        self.scheme = "https" if tls else "http"
        sock = connect(port, tls, server_name)
        for byte in before:
            sock.send(bytes([byte]))
        super().__init__(sock, True, **more)

    def open(self, path="/", host="a.example.com", method="GET", headers=(), end=True, **more):
        """A stream with its head sent."""
        with self.lock:
            number = self.h2.get_next_available_stream_id()
            stream = self.streams[number] = Stream(self, number)
            head = request_head(path, host, method, more.pop("scheme", self.scheme), headers)
            stream.send_headers(head, end=end)
        return stream

    def finish(self, stream, deadline_s=wait.DEADLINE_S):
        """The response as a raw.Response."""
        stream.wait_headers(deadline_s)
        body, complete = [], True
        try:
            while piece := stream.read(deadline_s):
                body.append(piece)
        except ConnectionError:
            complete = False
        answer = raw.Response(
            stream.status,
            [(n, v) for n, v in stream.headers if not n.startswith(":")],
            b"".join(body),
            complete,
            [(int(dict(h)[":status"]), h[1:]) for h in stream.interim],
        )
        answer.trailers = list(stream.trailers)
        return answer

    def request(self, path="/", host="a.example.com", method="GET", headers=(), body=None, **more):
        if body is not None:
            headers = [*headers, ("content-length", str(len(body)))]
        stream = self.open(path, host, method, headers, end=not body, **more)
        if body:
            stream.send(body, end=True)
        return self.finish(stream)


class Frame:
    def __init__(self, kind, flags, stream, payload):
        self.kind = kind
        self.flags = flags
        self.stream = stream
        self.payload = payload
        self.fields = None  # of the frame that ends a header block

    @property
    def code(self):
        """Of RST_STREAM and GOAWAY."""
        if self.kind == FRAME_RST_STREAM:
            return struct.unpack(">I", self.payload)[0]
        return struct.unpack_from(">I", self.payload, 4)[0]

    def __repr__(self):
        return f"<frame {self.kind} flags={self.flags} stream={self.stream} {self.payload[:60]!r}>"


class RawClient:
    """One connection and its frames, one by one. Answers nothing by itself but SETTINGS."""

    def __init__(self, port, tls=False, server_name="a.example.com", settings=(), receive_buffer=None):
        self.socket = connect(port, tls, server_name, receive_buffer=receive_buffer)
        self.scheme = "https" if tls else "http"
        self.decoder = hpack.Decoder(max_header_list_size=1 << 24)
        self.buffer = b""
        self._block = b""
        self.ended = False
        self.next_stream = 1
        self.frames = []  # all that came
        self.send(PREFACE)
        self.settings(settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    # --- Sending

    def send(self, data):
        self.socket.sendall(data)

    def try_send(self, data):
        """False when the gateway has closed the connection."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def frame(self, kind, flags=0, stream=0, payload=b""):
        self.send(pack_frame(kind, flags, stream, payload))

    def settings(self, values=(), ack=False):
        payload = b"".join(struct.pack(">HI", code, value) for code, value in values)
        self.frame(FRAME_SETTINGS, ACK if ack else 0, 0, payload)

    def headers(self, fields, stream=None, end=True, end_headers=True):
        stream = self.take_stream() if stream is None else stream
        flags = (END_STREAM if end else 0) | (END_HEADERS if end_headers else 0)
        self.frame(FRAME_HEADERS, flags, stream, literal_block(fields))
        return stream

    def get(self, path="/", host="a.example.com", **more):
        return self.headers(request_head(path, host, scheme=self.scheme), **more)

    def take_stream(self):
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        return stream

    def data(self, stream, payload=b"", end=False):
        self.frame(FRAME_DATA, END_STREAM if end else 0, stream, payload)

    def reset(self, stream, code=8):
        self.frame(FRAME_RST_STREAM, 0, stream, struct.pack(">I", code))

    def window(self, stream, count):
        self.frame(FRAME_WINDOW_UPDATE, 0, stream, struct.pack(">I", count))

    # --- Reading

    def read_frame(self, timeout=15):
        """The next frame; None at the end of the connection."""
        end = time.monotonic() + timeout
        while True:
            if len(self.buffer) >= 9:
                length = int.from_bytes(self.buffer[:3], "big")
                if len(self.buffer) >= 9 + length:
                    frame = Frame(
                        self.buffer[3],
                        self.buffer[4],
                        int.from_bytes(self.buffer[5:9], "big"),
                        self.buffer[9 : 9 + length],
                    )
                    self.buffer = self.buffer[9 + length :]
                    self.frames.append(frame)
                    if frame.kind == FRAME_SETTINGS and not frame.flags & ACK:
                        self.try_send(pack_frame(FRAME_SETTINGS, ACK, 0))
                    self._decode(frame)
                    return frame
            if self.ended:
                return None
            left = end - time.monotonic()
            if left <= 0:
                raise AssertionError(f"no frame within {timeout} s; so far {self.frames[-5:]}")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(256 * 1024)
            except TimeoutError:
                continue
            except (ConnectionError, ssl.SSLError):
                data = b""
            finally:
                try:
                    self.socket.settimeout(15)
                except OSError:
                    pass
            self.ended = not data
            self.buffer += data

    def _decode(self, frame):
        """Each header block must be read, for the next one leans on it."""
        if frame.kind in (FRAME_HEADERS, FRAME_CONTINUATION):
            self._block += frame.payload
            if frame.flags & END_HEADERS:
                frame.fields = self.decoder.decode(self._block)
                self._block = b""

    def read_until(self, condition, timeout=15):
        """The first frame that fits; None when the connection ended before."""
        end = time.monotonic() + timeout
        while True:
            frame = self.read_frame(max(0.001, end - time.monotonic()))
            if frame is None or condition(frame):
                return frame

    def response(self, stream, timeout=15):
        """(status, headers, body) of a stream, or ("reset", code), or ("goaway", code), or ("end",):
        whatever came first. Opens the windows as it reads."""
        head, body = None, b""
        while True:
            frame = self.read_frame(timeout)
            if frame is None:
                return ("end",)
            if frame.kind == FRAME_GOAWAY and frame.code != 0:
                return ("goaway", frame.code)
            if frame.stream != stream:
                continue
            if frame.kind == FRAME_RST_STREAM:
                return ("reset", frame.code)
            if frame.fields and head is None and frame.fields[0][1][0] != "1":
                head = frame.fields  # :status comes first; no 1xx
            if frame.kind == FRAME_DATA:
                body += frame.payload
                if frame.payload:
                    self.window(0, len(frame.payload))
                    self.window(stream, len(frame.payload))
            if frame.kind != FRAME_CONTINUATION and frame.flags & END_STREAM:
                return (int(dict(head)[":status"]), head, body)

    def ping(self, payload=b"12345678"):
        self.frame(FRAME_PING, 0, 0, payload)
        return self.read_until(lambda f: f.kind == FRAME_PING and f.flags & ACK)

    def wait_goaway(self, timeout=15):
        """Code of the GOAWAY that ends the connection; None when it ended without one."""
        frame = self.read_until(lambda f: f.kind == FRAME_GOAWAY, timeout)
        return None if frame is None else frame.code

    def at_end(self, timeout=15):
        """Waits for the end of the connection."""
        while self.read_frame(timeout) is not None:
            pass
        return True


def literal_block(fields):
    """A header block of literals that are never indexed: blocks may be sent in any order, and names and
    values may be any bytes."""
    return b"".join(b"\x10" + _hpack_string(name) + _hpack_string(value) for name, value in fields)


def _hpack_string(value):
    if isinstance(value, str):
        value = value.encode("latin-1")
    length = len(value)
    if length < 127:
        return bytes([length]) + value
    out, length = bytearray([127]), length - 127
    while length >= 128:
        out.append(length % 128 + 128)
        length //= 128
    out.append(length)
    return bytes(out) + value
