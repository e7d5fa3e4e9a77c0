"""WebSocket: an echo origin and clients on `websockets`, and frames by hand (RFC 6455 5)."""

import asyncio
import os
import struct
import threading

import websockets

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
UPGRADE = (
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", KEY),
)


class EventLoop:
    """An asyncio loop in a thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def run(self, coroutine, timeout=60):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)


class WebSocketOrigin:
    """Echoes each message; sees paths, fields and closing codes."""

    def __init__(self, tls=None):
        self.events = EventLoop()
        self.paths = []
        self.headers = []
        self.close_codes = []
        self.open_count = 0
        self.server = self.events.run(self._start(tls))
        self.port = self.server.sockets[0].getsockname()[1]

    async def _start(self, tls):
        return await websockets.serve(
            self._serve, "127.0.0.1", 0, ssl=tls, ping_interval=None, backlog=2000,
            max_size=None, subprotocols=["chat"],
        )  # fmt: skip

    async def _serve(self, socket, path=None):
        self.paths.append(socket.path)
        self.headers.append(list(socket.request_headers.raw_items()))
        self.open_count += 1
        try:
            async for message in socket:
                await socket.send(message)
        except websockets.ConnectionClosed:
            pass
        finally:
            self.open_count -= 1
            self.close_codes.append(socket.close_code)

    async def _stop(self):
        self.server.close()
        await self.server.wait_closed()

    def close(self):
        self.events.run(self._stop())
        self.events.close()


def frame(payload, opcode=2):
    """A masked frame, as clients send them."""
    mask = os.urandom(4)
    length = len(payload)
    if length < 126:
        head = struct.pack(">BB", 0x80 | opcode, 0x80 | length)
    elif length < 65536:
        head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, length)
    masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return head + mask + masked


def parse(data):
    """(opcode, payload, rest) of a server's frame; None when it is not whole."""
    if len(data) < 2:
        return None
    length, at = data[1] & 127, 2
    if length == 126:
        length, at = int.from_bytes(data[2:4], "big"), 4
    elif length == 127:
        length, at = int.from_bytes(data[2:10], "big"), 10
    if len(data) < at + length:
        return None
    return data[0] & 15, data[at : at + length], data[at + length :]
