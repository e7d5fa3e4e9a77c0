#!/usr/bin/python3
"""Demo origin: answers every request with what it received, as JSON.

    origin.py PORTS_FILE NAME=PORT[,DIRECTORY]...

With a directory of tls.crt and tls.key it speaks TLS. Port 0 lets the kernel pick; PORTS_FILE gets one `NAME PORT` line each, once all listen.
"""

import http.server
import json
import os
import ssl
import sys
import threading


class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    name = ""

    def answer(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        text = json.dumps(
            {
                "origin": self.name,
                "method": self.command,
                "path": self.path,
                "body_bytes": len(body),
                "headers": {name.lower(): value for name, value in self.headers.items()},
            },
            indent=2,
        )
        content = text.encode() + b"\n"
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_arguments):
        """The gateway's access log is the one to watch."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    tls = None

    def finish_request(self, request, client_address):
        # In the connection's own thread: a slow handshake holds up nobody.
        if self.tls is not None:
            request = self.tls.wrap_socket(request, server_side=True)
        super().finish_request(request, client_address)


def main():
    ports_file, *pairs = sys.argv[1:]
    lines = []
    for pair in pairs:
        name, _, place = pair.partition("=")
        port, _, directory = place.partition(",")
        handler = type("Origin", (Origin,), {"name": name})
        server = Server(("127.0.0.1", int(port)), handler)
        if directory:
            server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.tls.load_cert_chain(f"{directory}/tls.crt", f"{directory}/tls.key")
        threading.Thread(target=server.serve_forever).start()
        lines.append(f"{name} {server.server_address[1]}\n")
    with open(ports_file + ".new", "w", encoding="ascii") as file:
        file.writelines(lines)
    os.rename(ports_file + ".new", ports_file)


main()
