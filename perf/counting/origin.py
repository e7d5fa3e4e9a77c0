"""An origin for every scenario: small answers, bulk both ways, WebSocket echo, and bytes that are no
HTTP. A thread for each connection; it never closes first."""

import re
import socket
import threading

from support.websocket import ACCEPT

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n"
SMALL = ANSWER % 1000 + b"x" * 1000
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-accept: " + ACCEPT.encode() + b"\r\n\r\n"
)
BLOCK = b"x" * (1 << 20)


class Origin:
    """GET: 1,000 bytes, or N of /bytes/N. POST: reads it, then says so. Whatever does not begin like
    a request (a ClientHello that passes through) is answered by `opaque` bytes."""

    def __init__(self):
        self.opaque = 1
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(stream,), daemon=True).start()

    def _serve(self, stream):
        buffer = b""
        with stream:
            while True:
                while b"\r\n\r\n" not in buffer:
                    data = stream.recv(65536)
                    if not data:
                        return
                    if not buffer and data[0] == 0x16:
                        send_bulk(stream, self.opaque)
                        continue
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                if not self._answer(stream, head.lower(), len(buffer)):
                    return
                buffer = b""  # nobody pipelines here

    def _answer(self, stream, head, body_bytes):
        if length := re.search(rb"\r\ncontent-length: (\d+)", head):
            receive_bulk(stream, int(length[1]) - body_bytes)
            stream.sendall(ANSWER % 2 + b"ok")
        elif bulk := re.match(rb"get /bytes/(\d+)", head):
            stream.sendall(ANSWER % int(bulk[1]))
            send_bulk(stream, int(bulk[1]))
        elif b"\r\nupgrade: websocket" in head:
            stream.sendall(SWITCH)
            while data := stream.recv(65536):
                stream.sendall(data)  # any bytes will do
            return False
        else:
            stream.sendall(SMALL)
        return True


def send_bulk(stream, left):
    while left > 0:
        stream.sendall(BLOCK[: min(left, len(BLOCK))])
        left -= len(BLOCK)


def receive_bulk(stream, left):
    space = bytearray(1 << 20)
    while left > 0:
        count = stream.recv_into(space, min(left, len(space)))
        assert count > 0, left
        left -= count
