"""nginx: one worker, pooled connections to the origin (`keepalive`, HTTP/1.1, no Connection field),
session tickets, buffers for bulk as its guide to tuning has them."""

import os
import pathlib
import signal

from ..material import NAME
from ..programs import Program, free_port
from .base import Peer, Proxy, first_match, output_of

MODULES = pathlib.Path("/usr/lib/nginx/modules")

FRAME = """\
{modules}daemon off;
user root;
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {dir}/nginx.pid;
error_log {dir}/error.log error;
events {{ worker_connections 19900; }}
{body}
"""

HTTP = """\
http {{
    access_log {log};
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_max_body_size 0;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    upstream origin {{
        server 127.0.0.1:{origin};
        keepalive 1024;
        keepalive_requests 1000000000;
        keepalive_timeout 1h;
    }}
    proxy_http_version 1.1;
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header Connection "";
    proxy_request_buffering off;
    proxy_buffers 16 64k;
    proxy_buffer_size 64k;
    proxy_busy_buffers_size 512k;
    proxy_max_temp_file_size 0;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:tls:20m;
    ssl_session_tickets on;
{servers}
}}
"""

STREAM = """\
stream {{
    map $ssl_preread_server_name $origin {{ {name} 127.0.0.1:{origin}; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        ssl_preread on;
        proxy_buffer_size 64k;
        proxy_pass $origin;
    }}
}}
"""


def locations(job):
    if job.patterns:
        return "".join(
            f'        location ~ "^{pattern}$" {{ proxy_pass http://origin; }}\n'
            for pattern in job.patterns
        )
    more = ""
    if job.is_websocket:
        more = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade"; '
        more += "proxy_set_header Host $host; "
    return f"        location / {{ {more}proxy_pass http://origin; }}\n"


def server(job, port, name, cert, key):
    listen = f"127.0.0.1:{port} backlog=4096"
    if job.workers > 1:
        listen += " reuseport"
    lines = ""
    if job.is_tls:
        listen += " ssl http2" if "http2" in job.needs else " ssl"
        lines = f"        ssl_certificate {cert};\n        ssl_certificate_key {key};\n"
    return (
        f"    server {{\n        listen {listen};\n        server_name {name};\n{lines}"
        f"{locations(job)}    }}"
    )


def servers(job, port):
    if job.hosts is None:
        found = [
            server(job, port, n, job.site.cert, job.site.key) for n in (NAME, *job.more_names)
        ]
    else:
        found = [server(job, port, n, job.hosts.cert(n), job.hosts.key(n)) for n in job.hosts.names]
    # The options of a socket may stand only once.
    return "\n".join([found[0], *(s.replace(" backlog=4096", "") for s in found[1:])])


class Nginx(Peer):
    name = "nginx"
    binary = "nginx"
    package = "nginx-light libnginx-mod-stream"
    can = frozenset(
        "tls http http2 plain passthrough websocket regex hosts log renew reload workers".split()
    )

    def path(self):
        return super().path() or ("/usr/sbin/nginx" if os.access("/usr/sbin/nginx", 1) else None)

    def version(self):
        return first_match(r"nginx/(\S+)", output_of(self.path(), "-v"))

    def start(self, job):
        port = free_port()
        if job.is_passthrough:
            body = STREAM.format(port=port, name=NAME, origin=job.origin_tls_port)
        else:
            body = HTTP.format(
                dir=job.directory,
                log=job.directory / "access.log" if job.has_log else "off",
                origin=job.origin_port,
                servers=servers(job, port),
            )
        module = MODULES / "ngx_stream_module.so"
        modules = f"load_module {module};\n" if job.is_passthrough and module.exists() else ""
        config = job.directory / "nginx.conf"
        config.write_text(
            FRAME.format(modules=modules, dir=job.directory, workers=job.workers, body=body)
        )
        program = Program(
            [self.path(), "-c", config, "-e", job.directory / "error.log"],
            job.directory / "log",
            cores=job.cores,
        )
        program.wait_port(port)
        return Proxy(program, port)

    def reload(self, proxy):
        proxy.program.process.send_signal(signal.SIGHUP)

    def renew(self, proxy, name):
        self.reload(proxy)
