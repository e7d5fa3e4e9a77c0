"""Origins of HTTP/2, plaintext by prior knowledge or TLS by ALPN: `behaviour(origin, stream)` runs for
each stream, in a thread of its own."""

import hashlib
import json
import socket
import ssl
import threading

from .certificates import write_secret
from .h2_peer import Peer, Reset


def echo(origin, stream):
    """The default behaviour: says as JSON what it received."""
    digest = hashlib.sha256()
    count = 0
    while piece := stream.read():
        digest.update(piece)
        count += len(piece)
    body = json.dumps(
        {
            "origin": origin.name,
            "method": stream.method,
            "target": stream.path,
            "headers": stream.headers,
            "body_bytes": count,
            "sha256": digest.hexdigest(),
            "trailers": stream.trailers,
        }
    ).encode()
    head = [
        (":status", "200"),
        ("content-type", "application/json"),
        ("content-length", str(len(body))),
    ]
    stream.send_headers(head, end=stream.method == "HEAD")
    if stream.method != "HEAD":
        stream.send(body, end=True)


class H2Origin:
    """`tls` is a certificates.Pair; `alpn` what is offered then."""

    def __init__(
        self, name="h2-origin", behaviour=echo, tls=None, alpn=("h2",), directory=None, **peer
    ):
        self.name = name
        self.behaviour = behaviour
        self.peers = []
        self.streams = []  # all ever opened
        self.connection_count = 0
        self.server_names = []  # of the ClientHellos
        self.alpn_chosen = []
        self.errors = []
        self._peer_options = peer
        self._tls = None
        if tls is not None:
            self._tls = server_context(tls, directory, alpn)
            self._tls.sni_callback = lambda _sock, name, _ctx: self.server_names.append(name)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        self.connection_count += 1
        if self._tls is not None:
            connection.settimeout(15)
            try:
                connection = self._tls.wrap_socket(connection, server_side=True)
            except OSError:
                connection.close()
                return
            self.alpn_chosen.append(connection.selected_alpn_protocol())
        try:
            self.peers.append(
                Peer(connection, False, on_stream=self._on_stream, **self._peer_options)
            )
        except OSError:
            connection.close()

    def _on_stream(self, stream):
        self.streams.append(stream)
        try:
            self.behaviour(self, stream)
        except (Reset, ConnectionError):
            pass
        except Exception as error:  # shown by the fixture when the test ends
            self.errors.append(repr(error))

    def peer_errors(self):
        """What python h2 had to say against the gateway's frames."""
        return [peer.error for peer in self.peers if peer.error]

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for peer in self.peers:
            peer.close()


def server_context(pair, directory, alpn=()):
    """A server's TLS context for a pair; its files go into a directory (ssl takes no bytes)."""
    write_secret(directory, pair)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/tls.crt", f"{directory}/tls.key")
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context
