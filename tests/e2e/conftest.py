"""Fixtures: each test has its own directory, its own gateway, its own origins."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from support import objects  # noqa: E402
from support.certificates import Authority, write_secret  # noqa: E402
from support.gateway import BINARY, Gateway  # noqa: E402
from support.h2_origin import H2Origin  # noqa: E402
from support.origin import Origin  # noqa: E402
from support.tcp_origin import TcpOrigin  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when == "call" and report.failed:
        for gateway in getattr(item, "gateways", []):
            report.sections.append((f"log of {gateway.directory}", gateway.log_text()[-6000:]))
            lines = gateway.access_lines()[-20:]
            report.sections.append(("access log", "\n".join(lines)))


@pytest.fixture(scope="session", autouse=True)
def _binary_is_there():
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"{BINARY} is not built; run make first", returncode=2)


@pytest.fixture
def new_gateway(tmp_path, request):
    """Makes gateways (not started); all are drained, and checked for a good end, afterwards."""
    made = []

    def make(options=(), name="gw", **more):
        gateway = Gateway(tmp_path / f"{name}{len(made)}", options, **more)
        made.append(gateway)
        return gateway

    request.node.gateways = made
    yield make
    try:
        for gateway in made:
            if gateway.process is not None and not getattr(gateway, "process_ended", False):
                gateway.stop()
    finally:
        for gateway in made:
            gateway.kill()


@pytest.fixture
def new_origin():
    made = []

    def make(*args, **kwargs):
        origin = Origin(*args, **kwargs)
        made.append(origin)
        return origin

    yield make
    for origin in made:
        origin.close()
    errors = [error for origin in made for error in origin.errors]
    assert not errors, errors


@pytest.fixture
def new_h2_origin(tmp_path, authority):
    """Origins of HTTP/2; `tls=True` makes a certificate for origin.test and *.origin.test. What
    python h2 finds against the gateway's frames fails the test."""
    made = []

    def make(*args, tls=None, **kwargs):
        if tls is True:
            tls = authority.issue("origin.test", "*.origin.test")
        directory = tmp_path / f"h2-origin{len(made)}"
        origin = H2Origin(*args, tls=tls, directory=directory, **kwargs)
        made.append(origin)
        return origin

    yield make
    errors = [error for origin in made for error in origin.errors + origin.peer_errors()]
    for origin in made:
        origin.close()
    assert not errors, errors


@pytest.fixture
def new_tcp_origin():
    made = []

    def make(*args, **kwargs):
        origin = TcpOrigin(*args, **kwargs)
        made.append(origin)
        return origin

    yield make
    for origin in made:
        origin.close()
    errors = [error for origin in made for error in origin.errors]
    assert not errors, errors


@pytest.fixture(scope="session")
def authority():
    return Authority()


@pytest.fixture
def plain(new_gateway, new_origin):
    """The usual small set-up: plain HTTP on Gateway port 80, every host, one echo origin.
    Returns (gateway, origin)."""

    def make(behaviour=None, options=(), http=None, **more):
        origin = new_origin(**({"behaviour": behaviour} if behaviour else {}))
        gateway = new_gateway(options, **more)
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway("gw", objects.http_server("*")),
                objects.virtual_service("vs", *(http or [objects.route("origin.test")])),
                objects.service_entry("origin.test", origin.port),
            ),
        )
        return gateway.start(), origin

    return make


@pytest.fixture
def secure(new_gateway, new_origin, authority):
    """HTTPS on Gateway port 443 for a.example.com and *.wild.example.com, one echo origin.
    Returns (gateway, origin)."""

    def make(behaviour=None, options=(), kind="ecdsa", **tls):
        origin = new_origin(**({"behaviour": behaviour} if behaviour else {}))
        gateway = new_gateway(options)
        pair = authority.issue("a.example.com", "*.wild.example.com", kind=kind)
        write_secret(gateway.secrets / "a-cert", pair)
        gateway.pair = pair
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway(
                    "gw",
                    objects.https_server(
                        "a.example.com", "*.wild.example.com", credential="a-cert", **tls
                    ),
                ),
                objects.virtual_service("vs", objects.route("origin.test")),
                objects.service_entry("origin.test", origin.port),
            ),
        )
        return gateway.start(), origin

    return make


@pytest.fixture(scope="module")
def shared_plain(tmp_path_factory, request):
    """One plain gateway and one echo origin for a whole table of raw cases; a module may set
    OPTIONS and BEHAVIOUR. Returns (gateway, origin)."""
    behaviour = getattr(request.module, "BEHAVIOUR", None)
    origin = Origin(**({"behaviour": behaviour} if behaviour else {}))
    gateway = Gateway(tmp_path_factory.mktemp("gw"), getattr(request.module, "OPTIONS", ()))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway("gw", objects.http_server("*")),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    try:
        gateway.start()
        yield gateway, origin
        gateway.stop()
    finally:
        gateway.kill()
        origin.close()
    assert not origin.errors, origin.errors


@pytest.fixture
def over_h2(new_gateway, new_h2_origin):
    """(gateway, HTTP/2 origin): plain HTTP on port 80, upstream by prior knowledge."""

    def make(behaviour=None, options=(), policy=None, http=None, protocol="HTTP2", **peer):
        origin = new_h2_origin(**({"behaviour": behaviour} if behaviour else {}), **peer)
        gateway = new_gateway(options)
        rules = [objects.destination_rule("origin.test", **policy)] if policy else []
        gateway.write(
            "all.yaml",
            objects.documents(
                objects.gateway("gw", objects.http_server("*")),
                objects.virtual_service("vs", *(http or [objects.route("origin.test")])),
                objects.service_entry("origin.test", origin.port, protocol=protocol),
                *rules,
            ),
        )
        return gateway.start(), origin

    return make
