"""HAProxy: one thread, `http-reuse always`, certificates renewed by its runtime API."""

import os
import signal
import socket

from ..material import NAME
from ..programs import Failed, Program, free_port
from .base import Peer, Proxy, first_match, output_of

CONFIG = """\
global
    nbthread {threads}
    maxconn 9800
    maxpipes 64
    tune.ssl.cachesize 100000
    ssl-default-bind-options ssl-min-ver TLSv1.2
    stats socket {dir}/admin.sock level admin
{log_global}
defaults
    mode {mode}
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout http-keep-alive 1h
    timeout tunnel 1h
{options}

frontend front
    bind 127.0.0.1:{port} backlog 4096 {tls}
{front}

backend origin
{back}
"""

HTTP_OPTIONS = """\
    http-reuse always
    option splice-auto
    option forwardfor"""


class Haproxy(Peer):
    name = "haproxy"
    binary = "haproxy"
    can = frozenset(
        "tls http http2 plain passthrough websocket regex hosts log renew reload workers".split()
    )

    def path(self):
        return super().path() or ("/usr/sbin/haproxy" if os.access("/usr/sbin/haproxy", 1) else None)

    def version(self):
        return first_match(r"version (\S+)", output_of(self.path(), "-v"))

    def start(self, job):
        port = free_port()
        options, front, back, tls = "", "    default_backend origin", "", ""
        if job.is_passthrough:
            options = "    option splice-auto"
            front = (
                "    tcp-request inspect-delay 5s\n"
                "    tcp-request content accept if { req.ssl_hello_type 1 }\n"
                f"    use_backend origin if {{ req.ssl_sni -i {NAME} }}"
            )
            back = f"    server origin 127.0.0.1:{job.origin_tls_port}"
        else:
            options = HTTP_OPTIONS
            scheme = "https" if job.is_tls else "http"
            front = f"    http-request set-header X-Forwarded-Proto {scheme}\n{front}"
            back = f"    server origin 127.0.0.1:{job.origin_port}"
        if job.is_tls:
            where = job.hosts.combined if job.hosts is not None else job.site.both
            alpn = "h2,http/1.1" if "http2" in job.needs else "http/1.1"
            tls = f"ssl crt {where} alpn {alpn}"
        if job.patterns:
            # One regex map: the first that matches names the backend.
            routes = job.directory / "routes.map"
            routes.write_text("".join(f"^{pattern}$ origin\n" for pattern in job.patterns))
            front = f"{front}\n    use_backend %[path,map_reg({routes})]"
        if job.more_names:
            table = job.directory / "hosts.map"
            table.write_text("".join(f"{name} origin\n" for name in (NAME, *job.more_names)))
            front = f"{front}\n    use_backend %[req.hdr(host),host_only,lower,map({table})]"
        if job.has_log:
            front += "\n    option httplog\n    log global"
        config = job.directory / "haproxy.cfg"
        config.write_text(
            CONFIG.format(
                threads=job.workers,
                dir=job.directory,
                log_global="    log stdout format raw local0 info" if job.has_log else "",
                mode="tcp" if job.is_passthrough else "http",
                options=options,
                port=port,
                tls=tls,
                front=front,
                back=back,
            )
        )
        # With a master, for reloads.
        program = Program(
            [self.path(), "-W", "-f", config], job.directory / "log", cores=job.cores
        )
        program.wait_port(port)
        return Proxy(program, port)

    def reload(self, proxy):
        proxy.program.process.send_signal(signal.SIGUSR2)

    def renew(self, proxy, name):
        job = proxy.job
        path = job.site.both if name is None else job.hosts.both(name)
        socket_path = str(job.directory / "admin.sock")
        ask(socket_path, f"set ssl cert {path} <<\n{path.read_text()}\n")
        answer = ask(socket_path, f"commit ssl cert {path}\n")
        if "Success" not in answer:
            raise Failed(f"haproxy did not take a certificate: {answer}")


def ask(path, command):
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        stream.sendall(command.encode())
        answer = b""
        while data := stream.recv(65536):
            answer += data
    return answer.decode()
