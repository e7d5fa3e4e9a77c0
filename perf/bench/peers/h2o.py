"""H2O: one thread, kept connections to the origin. Its helper for private keys is part of its tree."""

import json
import os
import pwd

from ..material import NAME
from ..programs import Program, free_port
from .base import Peer, Proxy, first_match, output_of


class H2o(Peer):
    name = "h2o"
    binary = "h2o"
    can = frozenset("tls http http2 plain websocket hosts log workers".split())

    def version(self):
        return first_match(r"version (\S+)", output_of(self.path(), "-v"))

    def start(self, job):
        port = free_port()
        config = job.directory / "h2o.conf"
        # JSON is YAML.
        config.write_text(json.dumps(self.settings(job, port), indent=1))
        program = Program([self.path(), "-c", config], job.directory / "log", cores=job.cores)
        program.wait_port(port)
        return Proxy(program, port)

    def settings(self, job, port):
        listen = {"host": "127.0.0.1", "port": port}
        origin = {
            "proxy.reverse.url": f"http://127.0.0.1:{job.origin_port}",
            "proxy.preserve-host": "ON",
            "proxy.timeout.keepalive": 3600000,
            "proxy.timeout.io": 3600000,
        }
        if job.is_websocket:
            origin["proxy.websocket"] = "ON"
            origin["proxy.websocket.timeout"] = 3600000
        settings = {
            "user": pwd.getpwuid(os.getuid()).pw_name,
            "num-threads": job.workers,
            "max-connections": 19900,
            "tcp-fastopen": 0,
            "http1-request-timeout": 3600,
            "http2-idle-timeout": 3600,
            "limit-request-body": 1 << 40,
            "pid-file": str(job.directory / "pid"),
            "error-log": str(job.directory / "error.log"),
        }
        if job.has_log:
            settings["access-log"] = str(job.directory / "access.log")
        paths = {"/": origin}
        if job.hosts is None:
            if job.is_tls:
                listen["ssl"] = tls(job.site.cert, job.site.key)
            return {**settings, "listen": listen, "hosts": {NAME: {"paths": paths}}}
        hosts = {
            name: {
                "listen": {**listen, "ssl": tls(job.hosts.cert(name), job.hosts.key(name))},
                "paths": paths,
            }
            for name in job.hosts.names
        }
        return {**settings, "hosts": hosts}


def tls(cert, key):
    return {
        "certificate-file": str(cert),
        "key-file": str(key),
        "minimum-version": "TLSv1.2",
        "neverbleed": "OFF",  # the others keep the key in the process too
    }
