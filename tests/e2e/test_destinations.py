"""Where requests go: Services with EndpointSlices, DNS, ExternalName, balancing, pools.
Spec: SV-10 to SV-37, HT-41, DR-30, 14.6."""

import collections
import json
import select
import socket
import struct
import threading

from support import objects, raw, wait


def kubernetes_service(name, *ports, namespace="app", **spec):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"name": n, "port": p} for n, p in ports], **spec},
    }


def slice_of(service, port, *conditions, namespace="app", name="http", address="127.0.0.1"):
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{service}-{port}",
            "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": name, "port": port}],
        "endpoints": [{"addresses": [address], "conditions": c} for c in conditions or ({},)],
    }


def start(gateway, *more):
    gateway.write(
        "all.yaml", objects.documents(objects.gateway("gw", objects.http_server("*")), *more)
    )
    return gateway.start()


def origin_of(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)["origin"]


def test_service_with_endpoint_slices(new_gateway, new_origin):
    """SV-10, SV-20 to SV-23, HT-41: short name, single port."""
    # One port on three addresses: SV-23 knows an endpoint by its address and port name.
    one = new_origin("one")
    two = new_origin("two", address="127.0.0.2")
    bad = new_origin("bad", address="127.0.0.3")
    gateway = start(
        new_gateway(),
        kubernetes_service("web", ("http", 8080)),
        slice_of("web", one.port),
        slice_of("web", two.port, address="127.0.0.2"),
        slice_of("web", bad.port, {"ready": False, "terminating": False}, address="127.0.0.3"),
        objects.virtual_service(
            "vs", objects.route("web"), gateways=["istio-system/gw"], namespace="app"
        ),
    )
    seen = collections.Counter(origin_of(raw.get(gateway.port(80))) for _ in range(40))
    assert set(seen) == {"one", "two"}


def test_all_endpoints_unready(new_gateway, new_origin):
    """SV-22, LR-5."""
    origin = new_origin()
    gateway = start(
        new_gateway(),
        kubernetes_service("web", ("http", 8080)),
        slice_of("web", origin.port, {"ready": False, "terminating": False}),
        objects.virtual_service(
            "vs", objects.route("web"), gateways=["istio-system/gw"], namespace="app"
        ),
    )
    answer = raw.get(gateway.port(80))
    assert (answer.status, answer.body) == (503, b"no healthy upstream")
    assert " 503 UH " in gateway.wait_access_lines(1)[0]


def test_two_ports_and_none_named(new_gateway, new_origin):
    """HT-41, 14.6: the Gateway's port is taken, and told at load."""
    origin = new_origin()
    gateway = start(
        new_gateway(),
        kubernetes_service("web", ("http", 8080), ("admin", 9090)),
        slice_of("web", origin.port),
        objects.virtual_service(
            "vs", objects.route("web"), gateways=["istio-system/gw"], namespace="app"
        ),
    )
    assert raw.get(gateway.port(80)).status == 503
    assert " 503 NC " in gateway.wait_access_lines(1)[0]
    gateway.wait_log("web.app.svc.cluster.local")


def test_endpoints_change_under_load(new_gateway, new_origin):
    one, two = new_origin("one"), new_origin("two")
    gateway = new_gateway()
    route = objects.virtual_service("vs", objects.route("o.test"))
    start(gateway, objects.service_entry("o.test", one.port), route)
    assert origin_of(raw.get(gateway.port(80))) == "one"
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.service_entry("o.test", two.port),
            route,
        ),
    )
    wait.until(lambda: origin_of(raw.get(gateway.port(80))) == "two", "the new endpoint")


def balanced(new_gateway, origins, policy):
    rule = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": "dr", "namespace": "istio-system"},
        "spec": {"host": "o.test", "trafficPolicy": {"loadBalancer": {"simple": policy}}},
    }
    return start(
        new_gateway(("--workers", "1")),
        objects.service_entry("o.test", *[o.port for o in origins]),
        objects.virtual_service("vs", objects.route("o.test")),
        rule,
    )


def test_round_robin(new_gateway, new_origin):
    """DR-30."""
    origins = [new_origin(f"o{i}") for i in range(3)]
    gateway = balanced(new_gateway, origins, "ROUND_ROBIN")
    with raw.Client(gateway.port(80)) as client:
        seen = [origin_of(client.request()) for _ in range(30)]
    assert collections.Counter(seen) == {"o0": 10, "o1": 10, "o2": 10}


def test_least_request_avoids_the_busy_one(new_gateway, new_origin):
    """DR-30, DR-31."""
    release = threading.Event()

    def stuck(origin, stream):
        if stream.read_request() is not None:
            origin.requests.append(1)
            release.wait(20)
            stream.answer(200, [], b'{"origin": "stuck"}')

    slow, quick = new_origin("stuck", stuck), new_origin("quick")
    gateway = balanced(new_gateway, [slow, quick], "LEAST_REQUEST")
    clients = []
    try:
        # One after the other, until the slow one holds one; then all the rest prefer the quick one.
        while not slow.requests:
            assert len(clients) < 60
            client = raw.Client(gateway.port(80))
            clients.append(client)
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            wait.until(
                lambda c=client: slow.requests or select.select([c.socket], [], [], 0.01)[0],
                "an answer, or the request at the slow origin",
            )
        for _ in range(30):
            with raw.Client(gateway.port(80)) as client:
                assert b"quick" in client.request().body
        assert len(slow.requests) == 1
    finally:
        release.set()
        for client in clients:
            client.close()


def test_keep_alive_pool_is_reused(plain):
    gateway, origin = plain(options=("--workers", "1"))
    for _ in range(50):
        assert raw.get(gateway.port(80)).status == 200
    assert origin.connection_count == 1


class Nameserver:
    """Answers A queries from a table; everything else does not exist. Counts what it was asked."""

    def __init__(self, names):
        self.names = names
        self.asked = collections.Counter()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                data, peer = self.socket.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while data[at]:
                labels.append(data[at + 1 : at + 1 + data[at]].decode().lower())
                at += 1 + data[at]
            name, kind = ".".join(labels), struct.unpack(">H", data[at + 1 : at + 3])[0]
            question = data[12 : at + 5]
            self.asked[name] += 1
            addresses = self.names.get(name)
            records = addresses if addresses and kind == 1 else []
            flags = 0x8180 if addresses is not None else 0x8183
            answer = data[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0) + question
            for address in records:
                answer += b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(address)
            self.socket.sendto(answer, peer)

    def close(self):
        self.socket.close()


def test_dns_destinations(new_gateway, new_origin):
    """SV-35, SV-13, 14.6: names are resolved without blocking, refreshed, and a name that does not
    exist is UH."""
    origin = new_origin()
    server = Nameserver({"up.dns.test": ["127.0.0.1"], "ext.dns.test": ["127.0.0.1"]})
    try:
        def entry(host):
            return objects.service_entry(
                host,
                resolution="DNS",
                endpoints=[],
                ports=[{"number": 80, "name": "http", "protocol": "HTTP", "targetPort": origin.port}],
            )  # fmt: skip

        gateway = new_gateway(("--resolver", f"127.0.0.1:{server.port}"))
        start(
            gateway,
            entry("up.dns.test"),
            entry("down.dns.test"),
            kubernetes_service(
                "ext", ("http", origin.port), type="ExternalName", externalName="ext.dns.test"
            ),
            objects.virtual_service("up", objects.route("up.dns.test"), hosts=["up.test"]),
            objects.virtual_service("down", objects.route("down.dns.test"), hosts=["down.test"]),
            objects.virtual_service(
                "ext", objects.route("ext"), hosts=["ext.test"],
                gateways=["istio-system/gw"], namespace="app",
            ),
        )  # fmt: skip
        wait.until(lambda: raw.get(gateway.port(80), host="up.test").status == 200, "the name")
        wait.until(lambda: raw.get(gateway.port(80), host="ext.test").status == 200, "the alias")
        answer = raw.get(gateway.port(80), host="down.test")
        assert (answer.status, answer.body) == (503, b"no healthy upstream")
        # The TTL is one second: it is asked again.
        first = server.asked["up.dns.test"]
        wait.until(lambda: server.asked["up.dns.test"] > first + 2, "a refresh")
        # A name that fails later keeps its addresses.
        del server.names["up.dns.test"]
        asked = server.asked["up.dns.test"]
        wait.until(lambda: server.asked["up.dns.test"] > asked + 1, "a refresh that fails")
        assert raw.get(gateway.port(80), host="up.test").status == 200
    finally:
        server.close()
