"""hitch: terminates TLS and passes bytes on; it reads no HTTP."""

import os
import signal

from ..programs import Program, free_port
from .base import Peer, Proxy, first_match, output_of

CONFIG = """\
frontend = {{ host = "127.0.0.1" port = "{port}" }}
backend = "[127.0.0.1]:{origin}"
{pems}
workers = {workers}
backlog = 4096
tls-protos = TLSv1.2 TLSv1.3
alpn-protos = "http/1.1"
ocsp-dir = ""
syslog = off
log-level = 0
daemon = off
{user}
"""


class Hitch(Peer):
    name = "hitch"
    binary = "hitch"
    can = frozenset("tls hosts renew workers websocket".split())

    def path(self):
        return super().path() or ("/usr/sbin/hitch" if os.access("/usr/sbin/hitch", 1) else None)

    def version(self):
        return first_match(r"hitch (\S+)", output_of(self.path(), "--version"))

    def start(self, job):
        port = free_port()
        if job.hosts is None:
            pems = f'pem-file = "{job.site.both}"'
        else:
            pems = f'pem-dir = "{job.hosts.combined}"'
        config = job.directory / "hitch.conf"
        config.write_text(
            CONFIG.format(
                port=port,
                origin=job.origin_port,
                pems=pems,
                workers=job.workers,
                user='user = "nobody"' if os.getuid() == 0 else "",  # it refuses to be root
            )
        )
        program = Program(
            [self.path(), f"--config={config}"], job.directory / "log", cores=job.cores
        )
        program.wait_port(port)
        return Proxy(program, port)

    def renew(self, proxy, name):
        proxy.program.process.send_signal(signal.SIGHUP)
