"""nghttpx: one worker on the main thread, HTTP/1.1 to the origin."""

import signal

from ..programs import Program, free_port
from .base import Peer, Proxy, first_match, output_of


class Nghttpx(Peer):
    name = "nghttpx"
    binary = "nghttpx"
    package = "nghttp2-proxy"
    can = frozenset("tls http http2 plain websocket log reload renew workers".split())

    def version(self):
        return first_match(r"nghttp2/(\S+)", output_of(self.path(), "--version"))

    def start(self, job):
        port = free_port()
        words = [
            self.path(),
            "--conf=/dev/null",
            f"--frontend=127.0.0.1,{port}" + ("" if job.is_tls else ";no-tls"),
            *(
                f"--backend=127.0.0.1,{job.origin_port};{host}/;proto=http/1.1"
                for host in ("", *job.more_names)
            ),
            f"--workers={job.workers}",
            "--backlog=4096",
            "--backend-connections-per-frontend=0",
            "--backend-keep-alive-timeout=1h",
            "--frontend-http2-read-timeout=1h",
            "--frontend-read-timeout=1h",
            "--frontend-keep-alive-timeout=1h",
            "--add-x-forwarded-for",
            "--rlimit-nofile=20000",
            f"--errorlog-file={job.directory}/error.log",
            f"--pid-file={job.directory}/pid",
        ]
        if job.workers == 1:
            words.append("--single-thread")
        if job.has_log:
            words.append(f"--accesslog-file={job.directory}/access.log")
        if job.is_tls:
            words += ["--tls-min-proto-version=TLSv1.2", job.site.key, job.site.cert]
        program = Program(words, job.directory / "log", cores=job.cores)
        program.wait_port(port)
        return Proxy(program, port)

    def reload(self, proxy):
        proxy.program.process.send_signal(signal.SIGHUP)

    def renew(self, proxy, name):
        self.reload(proxy)
