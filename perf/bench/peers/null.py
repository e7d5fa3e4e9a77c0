"""null: accepts, reads and writes, and parses nothing (perf/tools/null_proxy.c). The floor."""

import os

from .. import tools
from ..programs import Program
from .base import Peer, Proxy, library_of


class Null(Peer):
    name = "null"
    can = frozenset("tls plain passthrough websocket".split())

    def path(self):
        return tools.path("null_proxy")

    def is_there(self):
        return os.access(self.path(), os.X_OK)

    def how_to_install(self):
        return "make perf-tools"

    def library(self):
        return library_of(self.path())

    def start(self, job):
        words = [self.path(), "--upstream"]
        if job.is_passthrough:
            words += [job.origin_tls_port, "--splice"]
        else:
            words.append(job.origin_port)
        if job.is_tls:
            words += ["--cert", job.site.cert, "--key", job.site.key]
        program = Program(words, job.directory / "log", cores=job.cores, pipe=True)
        return Proxy(program, int(program.read_line().split()[1]))
