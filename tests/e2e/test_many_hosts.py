"""A thousand hosts with a certificate each, over several Gateways: what a start puts off happens
soon, a change touches one of them, and nothing is left behind. Spec: TL-26, TL-30, HR-1."""

import ssl

import pytest

from support import objects, raw, wait
from support.certificates import broken_key, write_secret

HOSTS = 1000
SOME = (0, 1, 499, 998)
BROKEN = 7


def host(number):
    return f"host-{number}.example.com"


def serial_of(gateway, number):
    with raw.Client(
        gateway.port(443), tls=raw.tls_context(), server_name=host(number)
    ) as client:
        return client.peer_serial()


def test_a_thousand_hosts(new_gateway, new_origin, authority):
    origin = new_origin()
    gateway = new_gateway()
    pairs = [authority.issue(host(i)) for i in range(HOSTS)]
    for i, pair in enumerate(pairs):
        key = broken_key(pair.key_pem) if i == BROKEN else pair.key_pem
        write_secret(gateway.secrets / f"s{i}", {"tls.crt": pair.cert_pem, "tls.key": key})
    for first in range(0, HOSTS, 100):
        servers = [
            objects.https_server(host(i), credential=f"s{i}") for i in range(first, first + 100)
        ]
        gateway.write(
            f"gw-{first}.yaml", objects.documents(objects.gateway(f"gw-{first}", *servers))
        )
    gateway.write(
        "routes.yaml",
        objects.documents(
            objects.virtual_service(
                "all",
                objects.route("origin.test"),
                hosts=["*.example.com"],
                gateways=[f"gw-{first}" for first in range(0, HOSTS, 100)],
            ),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    gateway.start()
    assert [serial_of(gateway, i) for i in SOME] == [pairs[i].serial for i in SOME]
    with pytest.raises((ssl.SSLError, OSError)):
        serial_of(gateway, BROKEN)

    # The broken key is found though nobody asks for its host, and told like any other bad secret.
    wait.until(
        lambda: gateway.metric("gatehouse_certificate_keys_unchecked") == 0, "all keys checked"
    )
    gateway.wait_log(f"s{BROKEN}: ")
    wait.until(
        lambda: gateway.metric("gatehouse_certificate_valid") == HOSTS - 1, "the broken one told"
    )
    states = [item["state"] for item in gateway.json("/certs")["certificates"]]
    assert len(states) == HOSTS
    assert [i for i, state in enumerate(states) if state != "good"] == [
        sorted(f"s{i}" for i in range(HOSTS)).index(f"s{BROKEN}")
    ]

    descriptors = gateway.descriptor_count()
    for i in SOME:
        renewed = authority.issue(host(i))
        write_secret(gateway.secrets / f"s{i}", renewed)
        wait.until(lambda: serial_of(gateway, i) == renewed.serial, "the renewal")  # noqa: B023
    write_secret(gateway.secrets / f"s{BROKEN}", pairs[BROKEN])
    wait.until(
        lambda: gateway.metric("gatehouse_certificate_valid") == HOSTS, "the mended one told"
    )
    assert serial_of(gateway, BROKEN) == pairs[BROKEN].serial
    assert serial_of(gateway, 500) == pairs[500].serial
    wait.until(lambda: gateway.descriptor_count() <= descriptors, "descriptors given back")
