"""Proxies in front: HD-3, HD-4, GW-53 and the vectors of 14.7."""

import json

from support import objects, raw


def test_one_trusted_hop(new_gateway, new_origin):
    origin = new_origin()
    gateway = new_gateway(("--trusted-hops", "1"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*", tls={"httpsRedirect": True})),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    gateway.start()
    sent = [("x-forwarded-for", "8.8.8.8,9.9.9.9"), ("x-forwarded-proto", "https")]
    answer = raw.get(gateway.port(80), headers=sent)
    assert answer.status == 200  # GW-53: the load balancer ended TLS
    headers = dict(json.loads(answer.body)["headers"])
    assert headers["x-envoy-external-address"] == "9.9.9.9"
    assert headers["x-forwarded-for"] == "8.8.8.8,9.9.9.9,127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert raw.get(gateway.port(80)).status == 301
    assert " 9.9.9.9:0 " in gateway.wait_access_line('"8.8.8.8,9.9.9.9')  # OB-11
