"""Origins: upstream servers in the test's process, one thread a connection."""

import json
import socket
import threading


class Request:
    def __init__(self, method, target, version, headers, body, trailers, raw_head):
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.body = body
        self.trailers = trailers
        self.raw_head = raw_head

    def get(self, name):
        values = [v for n, v in self.headers if n == name]
        return values[0] if values else None

    def all(self, name):
        return [v for n, v in self.headers if n == name]


class Stream:
    """The origin's end of one connection."""

    def __init__(self, sock):
        self.socket = sock
        self.buffer = b""

    def _fill(self):
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, OSError):
            data = b""
        self.buffer += data
        return bool(data)

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self._fill():
                return None
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, version = lines[0].split(" ")
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(": ")
            assert colon, f"the gateway sent a field line {line!r}"
            headers.append((name, value))
        return Request(method, target, version, headers, b"", [], head)

    def read_exactly(self, count):
        while len(self.buffer) < count:
            if not self._fill():
                return None
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_line(self):
        while b"\r\n" not in self.buffer:
            if not self._fill():
                return None
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def read_body(self, request):
        """False when the gateway cut it off."""
        if request.get("transfer-encoding"):
            while True:
                line = self.read_line()
                if line is None:
                    return False
                size = int(line, 16)
                if size == 0:
                    break
                data = self.read_exactly(size + 2)
                if data is None:
                    return False
                request.body += data[:-2]
            while True:
                line = self.read_line()
                if line is None:
                    return False
                if not line:
                    return True
                name, _, value = line.decode("latin-1").partition(": ")
                request.trailers.append((name, value))
        data = self.read_exactly(int(request.get("content-length") or 0))
        if data is None:
            return False
        request.body = data
        return True

    def read_request(self):
        request = self.read_head()
        if request is None or not self.read_body(request):
            return None
        return request

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, status=200, headers=(), body=b""):
        lines = [f"HTTP/1.1 {status} Test"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def echo(origin, stream):
    """The default behaviour: says as JSON what it received; keep-alive."""
    while True:
        request = stream.read_request()
        if request is None:
            return
        origin.requests.append(request)
        body = json.dumps(
            {
                "origin": origin.name,
                "method": request.method,
                "target": request.target,
                "headers": request.headers,
                "body_bytes": len(request.body),
                "trailers": request.trailers,
            }
        ).encode()
        if request.method == "HEAD":
            stream.send(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
            )
        else:
            stream.answer(200, [("content-type", "application/json")], body)


class Origin:
    """`behaviour(origin, stream)` runs for each connection, in a thread of its own."""

    def __init__(self, name="origin", behaviour=echo, address="127.0.0.1", port=0):
        self.name = name
        self.behaviour = behaviour
        self.requests = []
        self.connection_count = 0
        self.errors = []
        self.streams = []
        self.listener = socket.create_server((address, port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connection_count += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        stream = Stream(connection)
        self.streams.append(stream)
        try:
            self.behaviour(self, stream)
        except (ConnectionError, TimeoutError, OSError):
            pass
        except Exception as error:  # shown by the fixture when the test ends
            self.errors.append(repr(error))
        finally:
            try:
                connection.close()
            except OSError:
                pass
            if stream in self.streams:
                self.streams.remove(stream)

    def close(self):
        # shutdown() wakes the thread that is in accept().
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for stream in list(self.streams):
            try:
                stream.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
