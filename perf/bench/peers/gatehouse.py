"""gatehouse with its defaults: one worker, access log to a file."""

import os

from support import gateway as support_gateway
from support import objects
from support.certificates import write_secret
from support.gateway import Gateway

from .. import programs
from ..material import MORE, NAME
from .base import Peer, Proxy, first_match, library_of, output_of

ORIGIN = "origin.test"
GATEWAYS_OF = 100  # servers of one Gateway object, with many hosts


def gateways(job):
    """Gateway objects and their names."""
    if job.is_passthrough:
        return [objects.gateway("gw", objects.tls_server(NAME))]
    if not job.is_tls:
        return [objects.gateway("gw", objects.http_server("*"))]
    if job.hosts is None:
        hosts = [NAME, f"*.{MORE}"] if job.more_names else [NAME]
        return [objects.gateway("gw", objects.https_server(*hosts, credential="site"))]
    found = []
    for start in range(0, len(job.hosts.names), GATEWAYS_OF):
        servers = [
            objects.https_server(name, credential=name)
            for name in job.hosts.names[start : start + GATEWAYS_OF]
        ]
        found.append(objects.gateway(f"gw-{start}", *servers))
    return found


def services(job, names):
    if job.is_passthrough:
        return [
            objects.virtual_service(
                "vs", hosts=[NAME], gateways=names, tls=[objects.tls_route([NAME], ORIGIN)]
            ),
            objects.service_entry(
                ORIGIN, job.origin_tls_port,
                ports=[{"number": 443, "name": "http", "protocol": "TLS"}],
            ),
        ]  # fmt: skip
    routes = [
        objects.route(ORIGIN, {"uri": {"regex": pattern}}) for pattern in job.patterns
    ] or [objects.route(ORIGIN)]
    more = [
        objects.virtual_service(f"vs-{i}", objects.route(ORIGIN), hosts=[name], gateways=names)
        for i, name in enumerate(job.more_names)
    ]
    return [
        objects.virtual_service("vs", *routes, gateways=names),
        *more,
        objects.service_entry(ORIGIN, job.origin_port),
    ]


class Running(Gateway):
    """The tests' Gateway, but with nothing set that a user would not set."""

    def __init__(self, binary, job, log):
        super().__init__(job.directory)
        self.binary = binary
        self.job = job
        self.access = log
        if job.hosts is not None:
            self.secrets = job.hosts.secrets

    def command(self):
        return [
            "taskset", "-c", ",".join(map(str, self.job.cores)), self.binary, "run",
            "--config", str(self.config), "--secrets", str(self.secrets),
            "--bind", "127.0.0.1", "--port-map", "80=0,443=0",
            "--admin", "127.0.0.1:0", "--health", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
            "--workers", str(self.job.workers),
            "--access-log", str(self.access_log) if self.access else "off",
            "--ready-file", str(self.ready_file),
        ]  # fmt: skip


class GatehouseProxy(Proxy):
    def __init__(self, gateway, program, port):
        super().__init__(program, port)
        self.gateway = gateway
        self.reloads = 0


class Gatehouse(Peer):
    name = "gatehouse"
    can = frozenset(
        "tls http http2 plain passthrough websocket regex hosts log renew reload workers".split()
    )
    has_access_log = True

    def path(self):
        return support_gateway.BINARY

    def is_there(self):
        return os.access(self.path(), os.X_OK)

    def how_to_install(self):
        return "make"

    def version(self):
        return output_of(self.path(), "version").split("\n")[0].removeprefix("gatehouse ")

    def library(self):
        found = library_of(self.path())
        if found.endswith("linked in"):
            found = first_match(r"(BoringSSL.*)", output_of(self.path(), "version")) + ", linked in"
        return found

    def start(self, job):
        gateway = Running(self.path(), job, self.has_access_log)
        if job.hosts is None:
            write_secret(gateway.secrets / "site", job.site.pair)
        found = gateways(job)
        names = [item["metadata"]["name"] for item in found]
        gateway.write("all.yaml", objects.documents(*found, *services(job, names)))
        program = programs.Program(gateway.command()[3:], gateway.log, cores=job.cores)
        gateway.process = program.process
        programs.wait_until(
            lambda: program.check_alive() or gateway.ready_file.exists(), "gatehouse's ready file"
        )
        gateway.read_ports()
        return GatehouseProxy(gateway, program, gateway.port(80 if "plain" in job.needs else 443))

    def renew(self, proxy, name):
        """The new files are all it wants."""
        if name is None:
            write_secret(proxy.gateway.secrets / "site", proxy.job.site.pair)

    def reload(self, proxy):
        """A change: files that say the same would be no reason to build anything."""
        proxy.reloads += 1
        host = f"again-{proxy.reloads}.{MORE}"
        again = objects.virtual_service("again", objects.route(ORIGIN), hosts=[host])
        proxy.gateway.write("again.yaml", objects.documents(again))


class GatehouseQuiet(Gatehouse):
    """Like for like: the peers write no access log either."""

    name = "gatehouse, no access log"
    can = Gatehouse.can - {"log"}
    has_access_log = False


class Against(Gatehouse):
    """Another build of it: before and after a change."""

    name = "gatehouse, the other"

    def __init__(self, binary):
        self.binary = os.path.abspath(binary)

    def path(self):
        return self.binary
