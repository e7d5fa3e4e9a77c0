"""The traffic of each scenario. One thread in lock-step, so that counts repeat: what several
connections ask for is sent at once, then every answer is read."""

import socket
import ssl
import subprocess

from support import objects, raw, websocket

from counting.origin import Origin, receive_bulk, send_bulk

NAME = "a.example.com"
MIB = 1 << 20
GIB = 1 << 30
REQUEST = f"GET /some/path?x=1 HTTP/1.1\r\nhost: {NAME}\r\n\r\n".encode()
TIMEOUT_S = 600


def connect(port):
    stream = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def read_answer(stream):
    """The bytes of a body of known length that are still to come."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = stream.recv(65536)
        assert data, head
        head += data
    head, _, body = head.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = next(
        line.split(b":")[1] for line in head.split(b"\r\n") if line.startswith(b"content-length:")
    )
    return int(length) - len(body)


def read_whole(stream):
    receive_bulk(stream, read_answer(stream))


class Scenario:
    """`amounts`: how much for strace, how much for callgrind; `per`: how much a figure stands for."""

    unit = "a request"
    amounts = (4000, 2000)
    per = 1
    warm_amount = 400
    is_tls = True
    is_ciphered = True
    tool = None  # a program it cannot do without

    def __init__(self):
        self.origin = Origin()
        self.streams = []

    def server(self):
        if self.is_tls:
            return objects.https_server(NAME, credential="a-cert")
        return objects.http_server(NAME)

    def routes(self):
        return [objects.route("origin.test")]

    def objects(self):
        return objects.documents(
            objects.gateway("gw", self.server()),
            objects.virtual_service("vs", *self.routes()),
            objects.service_entry("origin.test", self.origin.port),
        )

    def connect(self, port):
        stream = connect(port)
        if self.is_tls:
            stream = self.tls.wrap_socket(stream, server_hostname=NAME)
        return stream

    def open(self, gateway):
        self.tls = raw.tls_context()
        self.port = gateway.port(443 if self.is_tls else 80)
        self.warm()
        self.drive(self.warm_amount)

    def warm(self):
        """What is there before the counting begins."""

    def drive(self, amount):
        raise NotImplementedError

    def close(self):
        for stream in self.streams:
            stream.close()
        self.origin.close()


class Http1(Scenario):
    title = "HTTP/1.1 over TLS to plain HTTP/1.1, GET, 1,000 bytes, 8 connections"

    def warm(self):
        self.streams = [self.connect(self.port) for _ in range(8)]

    def drive(self, amount):
        for _ in range(amount // len(self.streams)):
            for stream in self.streams:
                stream.sendall(REQUEST)
            for stream in self.streams:
                read_whole(stream)


class Http1Plain(Http1):
    title = "HTTP/1.1 to HTTP/1.1, both plain, GET, 1,000 bytes, 8 connections"
    is_tls = False


class RegexRoutes(Http1Plain):
    title = "HTTP/1.1 plain, GET, 1,000 regex routes of which the last matches, 8 connections"

    def routes(self):
        return [
            objects.route("origin.test", {"uri": {"regex": pattern}})
            for pattern in [f"/r{i}/[a-z]+/[0-9]+" for i in range(999)] + ["/some/[a-z]+"]
        ]


class Http2(Scenario):
    """h2load brings a connection of its own, a few thousandths of what is counted."""

    title = "HTTP/2 over TLS to plain HTTP/1.1, GET, 1,000 bytes, 1 connection of 10 streams"
    tool = "h2load"

    def drive(self, amount):
        done = subprocess.run(
            ["h2load", "-n", str(amount), "-c", "1", "-m", "10",
             f"--connect-to=127.0.0.1:{self.port}", f"https://{NAME}/some/path?x=1"],
            capture_output=True, text=True, check=True, timeout=TIMEOUT_S,
        )  # fmt: skip
        assert f"{amount} succeeded, 0 failed" in done.stdout, done.stdout


class WebSocket(Scenario):
    title = "WebSocket over TLS to plain HTTP/1.1, echo of 64 bytes, 8 connections"
    unit = "an echo"

    def warm(self):
        lines = "".join(f"{name}: {value}\r\n" for name, value in websocket.UPGRADE)
        self.frame = websocket.frame(b"x" * 64)
        for _ in range(8):
            stream = self.connect(self.port)
            stream.sendall(f"GET /ws HTTP/1.1\r\nhost: {NAME}\r\n{lines}\r\n".encode())
            head = b""
            while b"\r\n\r\n" not in head:
                head += stream.recv(65536)
            assert head.startswith(b"HTTP/1.1 101 "), head
            self.streams.append(stream)

    def drive(self, amount):
        for _ in range(amount // len(self.streams)):
            for stream in self.streams:
                stream.sendall(self.frame)
            for stream in self.streams:
                receive_bulk(stream, len(self.frame))


class ConnectPlain(Scenario):
    title = "a new connection each, plain, one GET of 1,000 bytes, one after the other"
    unit = "a connection"
    amounts = (1000, 400)
    warm_amount = 100
    is_tls = False

    def drive(self, amount):
        for _ in range(amount):
            with self.connect(self.port) as stream:
                stream.sendall(REQUEST)
                read_whole(stream)


class Handshake(Scenario):
    """The request leaves together with the client's Finished, as clients do that care."""

    title = "a full TLS 1.3 handshake each, ECDSA P-256, one GET of 1,000 bytes"
    unit = "a connection"
    amounts = (1000, 100)
    warm_amount = 20
    session = None

    def drive(self, amount):
        for _ in range(amount):
            with connect(self.port) as stream:
                self.visit(stream)

    def visit(self, stream):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.tls.wrap_bio(incoming, outgoing, server_hostname=NAME, session=self.session)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                stream.sendall(outgoing.read())
                incoming.write(stream.recv(65536))
        assert tls.session_reused == (self.session is not None)
        tls.write(REQUEST)
        stream.sendall(outgoing.read())
        body = b""
        while not body.endswith(b"x" * 1000):
            try:
                body += tls.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(stream.recv(65536))
        self.keep(tls)

    def keep(self, tls):
        """Each handshake is a full one."""


class Resumed(Handshake):
    title = "a resumed TLS 1.3 handshake each, one GET of 1,000 bytes"

    def keep(self, tls):
        self.session = tls.session  # the ticket came before the answer


class Bulk(Scenario):
    unit = "a GiB"
    amounts = (GIB // 2, GIB // 16)
    per = GIB
    warm_amount = MIB


class DownloadTls(Bulk):
    title = "download over TLS from plain HTTP/1.1, one connection"

    def warm(self):
        self.streams = [self.connect(self.port)]

    def drive(self, amount):
        stream = self.streams[0]
        stream.sendall(f"GET /bytes/{amount} HTTP/1.1\r\nhost: {NAME}\r\n\r\n".encode())
        receive_bulk(stream, read_answer(stream))


class DownloadPlain(DownloadTls):
    title = "download, plain HTTP/1.1 on both sides, one connection"
    is_tls = False
    is_ciphered = False


class UploadTls(DownloadTls):
    title = "upload over TLS to plain HTTP/1.1, one connection"

    def drive(self, amount):
        stream = self.streams[0]
        stream.sendall(
            f"POST / HTTP/1.1\r\nhost: {NAME}\r\ncontent-length: {amount}\r\n\r\n".encode()
        )
        send_bulk(stream, amount)
        read_whole(stream)


class Passthrough(Bulk):
    """What follows the ClientHello is opaque to the gateway, so it is plain bytes here."""

    title = "TLS passthrough, one upstream to one client"
    is_ciphered = False
    amounts = (GIB, GIB // 16)

    def objects(self):
        return objects.documents(
            objects.gateway("gw", objects.tls_server(NAME)),
            objects.virtual_service(
                "vs", hosts=[NAME], tls=[objects.tls_route([NAME], "origin.test")]
            ),
            objects.service_entry(
                "origin.test",
                self.origin.port,
                ports=[{"number": 80, "name": "http", "protocol": "TCP"}],
            ),
        )

    def warm(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=NAME)
        try:
            hello.do_handshake()
        except ssl.SSLWantReadError:
            pass
        self.hello = outgoing.read()

    def fetch(self, amount):
        self.origin.opaque = amount
        with connect(self.port) as stream:
            stream.sendall(self.hello)
            receive_bulk(stream, amount)

    def drive(self, amount):
        self.fetch(amount)


class PassthroughConnect(Passthrough):
    title = "a new connection each through TLS passthrough, one answer, one after the other"
    unit = "a connection"
    amounts = (1000, 400)
    per = 1
    warm_amount = 100

    def drive(self, amount):
        for _ in range(amount):
            self.fetch(1000)


SCENARIOS = {
    "http1": Http1,
    "http1-plain": Http1Plain,
    "http2": Http2,
    "regex-routes": RegexRoutes,
    "websocket": WebSocket,
    "handshake": Handshake,
    "resumed": Resumed,
    "connect-plain": ConnectPlain,
    "passthrough-connect": PassthroughConnect,
    "download-tls": DownloadTls,
    "upload-tls": UploadTls,
    "download-plain": DownloadPlain,
    "passthrough": Passthrough,
}
