"""The C programs of perf/tools: where they are built, and the origin among them."""

import os

from . import ROOT
from .programs import LOAD_CORE, Program


def path(name):
    return os.path.join(os.environ.get("PERF_TOOLS", ROOT / "build/release/perf"), name)


class Origin:
    """Answers on a plain and a TLS port, on the core of the load."""

    def __init__(self, directory, site):
        self.program = Program(
            [path("origin"), "--cert", site.cert, "--key", site.key],
            directory / "origin.log",
            cores=(LOAD_CORE,),
            pipe=True,
        )
        words = self.program.read_line().split()
        self.port, self.tls_port = int(words[1]), int(words[3])

    def stop(self):
        self.program.stop()
