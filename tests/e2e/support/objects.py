"""Istio objects as YAML text. JSON is YAML, so objects are plain dictionaries."""

import json


def documents(*objects):
    return "".join("---\n" + json.dumps(item, indent=1) + "\n" for item in objects)


def gateway(name, *servers, namespace="istio-system", selector=None):
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": selector or {"istio": "ingressgateway"}, "servers": list(servers)},
    }


def http_server(*hosts, port=80, name=None, **more):
    return {
        "port": {"number": port, "name": name or f"http-{port}", "protocol": "HTTP"},
        "hosts": list(hosts) or ["*"],
        **more,
    }


def https_server(*hosts, credential, port=443, name=None, **tls):
    return {
        "port": {"number": port, "name": name or f"https-{credential}", "protocol": "HTTPS"},
        "hosts": list(hosts),
        "tls": {"mode": "SIMPLE", "credentialName": credential, **tls},
    }


def tls_server(*hosts, port=443, mode="PASSTHROUGH", protocol="TLS", name=None, **tls):
    """PASSTHROUGH, or terminated with a credentialName."""
    return {
        "port": {"number": port, "name": name or f"tls-{port}-{hosts[0]}", "protocol": protocol},
        "hosts": list(hosts),
        "tls": {"mode": mode, **tls},
    }


def tcp_server(*hosts, port=9000, name=None):
    return {
        "port": {"number": port, "name": name or f"tcp-{port}", "protocol": "TCP"},
        "hosts": list(hosts) or ["*"],
    }


def virtual_service(name, *http, hosts=("*",), gateways=("gw",), namespace="istio-system", **spec):
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "hosts": list(hosts),
            "gateways": list(gateways),
            **({"http": list(http)} if http else {}),
            **spec,
        },
    }


def service_entry(
    host, *ports, namespace="istio-system", name=None, port=80, protocol="HTTP", **spec
):
    """STATIC endpoints on loopback, one for each port given."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": name or host.replace(".", "-"), "namespace": namespace},
        "spec": {
            "hosts": [host],
            "location": "MESH_INTERNAL",
            "resolution": "STATIC",
            "ports": [{"number": port, "name": "http", "protocol": protocol}],
            "endpoints": [{"address": "127.0.0.1", "ports": {"http": p}} for p in ports],
            **spec,
        },
    }


def destination_rule(host, namespace="istio-system", name=None, **policy):
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "DestinationRule",
        "metadata": {"name": name or host.replace(".", "-"), "namespace": namespace},
        "spec": {"host": host, "trafficPolicy": policy},
    }


def to(host, weight=None, port=None, **more):
    """A destination of an HTTP route."""
    destination = {"host": host}
    if port is not None:
        destination["port"] = {"number": port}
    entry = {"destination": destination, **more}
    if weight is not None:
        entry["weight"] = weight
    return entry


def route(host, *matches, **more):
    """An HTTP route to one host."""
    entry = {"route": [to(host)], **more}
    if matches:
        entry["match"] = list(matches)
    return entry


def tls_route(sni_hosts, *destinations):
    """A tls[] rule; a destination is a host or a `to()`."""
    return {"match": [{"sniHosts": list(sni_hosts)}], "route": _destinations(destinations)}


def tcp_route(*destinations, match=None):
    return {**({"match": match} if match else {}), "route": _destinations(destinations)}


def _destinations(destinations):
    return [to(d) if isinstance(d, str) else d for d in destinations]
