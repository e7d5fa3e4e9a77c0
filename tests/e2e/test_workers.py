"""Several workers: connections that stay are spread evenly, whatever the kernel's hash says."""

import pytest

from support import objects, raw, wait
from support.certificates import Authority, write_secret

WORKERS = 4
CONNECTIONS = 64


@pytest.fixture
def gateway(new_gateway):
    gateway = new_gateway(options=("--workers", str(WORKERS)))
    write_secret(gateway.secrets / "a-cert", Authority().issue("a.example.com"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway(
                "gw",
                objects.http_server("a.example.com"),
                objects.https_server("a.example.com", credential="a-cert"),
            ),
            objects.virtual_service("vs", {"directResponse": {"status": 200}}),
        ),
    )
    return gateway.start()


def connections_of_workers(gateway):
    return [
        gateway.metric("gatehouse_worker_connections", {"worker": str(i)}) for i in range(WORKERS)
    ]


@pytest.mark.parametrize("is_tls", [False, True])
def test_long_connections_are_even(gateway, is_tls):
    tls = raw.tls_context() if is_tls else None
    port = gateway.port(443 if is_tls else 80)
    clients = []
    for _ in range(CONNECTIONS):
        client = raw.Client(port, tls=tls, server_name="a.example.com" if is_tls else None)
        clients.append(client)
        assert client.request().status == 200  # it has its worker before the next one comes
    counts = connections_of_workers(gateway)
    assert sum(counts) == CONNECTIONS, counts
    assert all(abs(count - CONNECTIONS / WORKERS) <= 2 for count in counts), counts
    for client in clients:
        client.close()
    wait.until(lambda: gateway.metric("gatehouse_connections") == 0, "no client")
    assert connections_of_workers(gateway) == [0] * WORKERS
    assert gateway.metric("gatehouse_connections_total") == CONNECTIONS
