"""Raw sockets: what no polite client would send, and a strict reader for what comes back."""

import socket
import ssl


class Response:
    def __init__(self, status, headers, body, complete, interim=()):
        self.status = status
        self.headers = headers  # list of (lower-case name, value)
        self.body = body
        self.complete = complete  # False: the connection ended before the body was whole
        self.interim = list(interim)  # 1xx heads before it: (status, headers)
        self.trailers = []

    def get(self, name):
        values = [v for n, v in self.headers if n == name]
        return values[0] if values else None

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r} complete={self.complete}>"


def tls_context(authority_pem=None, minimum=None, maximum=None, ciphers=None, alpn=("http/1.1",)):
    """A client's context; without an authority nothing is verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority_pem is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(cadata=authority_pem.decode())
    if ciphers or (minimum and minimum < ssl.TLSVersion.TLSv1_2):
        # OpenSSL's level 1 and up refuse what legacy tests ask for.
        context.set_ciphers((ciphers or "ALL") + ":@SECLEVEL=0")
    if minimum:
        context.minimum_version = minimum
    if maximum:
        context.maximum_version = maximum
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class Client:
    """One connection. Use as a context manager."""

    def __init__(self, port, tls=None, server_name=None, host="127.0.0.1", timeout=15):
        self.socket = socket.create_connection((host, port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            try:
                self.socket = tls.wrap_socket(self.socket, server_hostname=server_name)
            except BaseException:
                self.socket.close()
                raise
        self.buffer = b""
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.socket.sendall(data)

    def _fill(self):
        if self.ended:
            return False
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        if not data:
            self.ended = True
            return False
        self.buffer += data
        return True

    def read_until(self, mark):
        while mark not in self.buffer:
            if not self._fill():
                return None
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    def read_exactly(self, count):
        while len(self.buffer) < count and self._fill():
            pass
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_all(self):
        """Everything to the end of the stream."""
        while self._fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def at_end(self):
        """Waits for the end of the stream; True when nothing more came before it."""
        while not self.buffer and self._fill():
            pass
        return not self.buffer

    def response(self, method="GET"):
        """One response, by the rules of RFC 9112 6.3; None when the stream ended before a head."""
        interim = []
        while True:
            head = self.read_until(b"\r\n\r\n")
            if head is None:
                return None
            lines = head.decode("latin-1").split("\r\n")
            version, status, *_ = lines[0].split(" ", 2)
            assert version == "HTTP/1.1", lines[0]
            status = int(status)
            headers = []
            for line in lines[1:]:
                name, colon, value = line.partition(":")
                assert colon and name == name.strip(), line
                headers.append((name.lower(), value.strip()))
            if 100 <= status < 200 and status != 101:
                interim.append((status, headers))
                continue
            break
        answer = Response(status, headers, b"", True, interim)
        if method == "HEAD" or status in (101, 204, 304):
            return answer
        coding = answer.get("transfer-encoding")
        length = answer.get("content-length")
        assert not (coding and length), headers
        if coding:
            assert coding == "chunked", coding
            return self._chunked(answer)
        if length is not None:
            answer.body = self.read_exactly(int(length))
            answer.complete = len(answer.body) == int(length)
            return answer
        answer.body = self.read_all()
        return answer

    def _chunked(self, answer):
        while True:
            line = self.read_until(b"\r\n")
            if line is None:
                answer.complete = False
                return answer
            size = int(line.split(b";")[0], 16)
            if size == 0:
                break
            data = self.read_exactly(size)
            answer.body += data
            if len(data) < size or self.read_exactly(2) != b"\r\n":
                answer.complete = False
                return answer
        while True:
            line = self.read_until(b"\r\n")
            if line is None:
                answer.complete = False
                return answer
            if not line:
                return answer
            name, _, value = line.decode("latin-1").partition(":")
            answer.trailers.append((name.lower(), value.strip()))

    def request(self, target="/", host="a.example.com", method="GET", headers=(), body=None):
        lines = [f"{method} {target} HTTP/1.1", f"host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        return self.response(method)

    def peer_serial(self):
        """Serial number of the certificate this connection was shown."""
        from cryptography import x509

        return x509.load_der_x509_certificate(
            self.socket.getpeercert(binary_form=True)
        ).serial_number


def get(port, target="/", host="a.example.com", tls=None, server_name=None, **more):
    """One request on a connection of its own."""
    with Client(port, tls=tls, server_name=server_name or (host if tls else None)) as client:
        return client.request(target, host, **more)
