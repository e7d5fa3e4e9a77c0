"""Origins that speak bytes: `behaviour(origin, socket)` runs for each connection, in its own thread."""

import socket
import threading


def echo(origin, sock):
    """Sends back what comes; ends its own direction when the other one has ended."""
    while data := sock.recv(256 * 1024):
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def sink(origin, sock):
    """Takes everything; says how much when the other side has ended."""
    count = 0
    while data := sock.recv(1024 * 1024):
        count += len(data)
    sock.sendall(b"%d" % count)


def greet(origin, sock):
    """Speaks first, with its name; then echoes."""
    sock.sendall(origin.name.encode() + b"\n")
    echo(origin, sock)


class TcpOrigin:
    """With `tls` (an SSLContext) the origin's own TLS, as behind a passthrough server."""

    def __init__(self, name="tcp-origin", behaviour=echo, tls=None):
        self.name = name
        self.behaviour = behaviour
        self.tls = tls
        self.connection_count = 0
        self.sockets = []
        self.errors = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection_count += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        self.sockets.append(sock)
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self.sockets.append(sock)
            self.behaviour(self, sock)
        except (ConnectionError, TimeoutError, OSError):
            pass
        except Exception as error:  # shown by the fixture when the test ends
            self.errors.append(repr(error))
        finally:
            sock.close()

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for sock in list(self.sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
