"""hardening 3 and 8: a route that answers itself must not be reachable around under another spelling of
its path, another case of the host, an absolute-form target. Whatever reaches the origin is the path that
was matched. Spec: CN-20 to CN-24, SN-30, SN-33, HD-12."""

import json

import pytest

from support import objects, raw

GUARD = [
    {"match": [{"uri": {"prefix": "/admin"}}], "directResponse": {"status": 403}},
    {"route": [{"destination": {"host": "origin.test"}}]},
]

# (target, mode): answered by the guard, or refused; never by the origin.
GUARDED = [
    ("/admin", "base"),
    ("/admin/x", "base"),
    ("/%61dmin", "base"),
    ("/%61%64%6d%69%6e", "base"),
    ("/x/../admin", "base"),
    ("/x/%2e%2e/admin", "base"),
    ("/x/.%2E/admin", "base"),
    ("/./admin", "base"),
    ("/%2e/admin", "base"),
    ("/../admin", "base"),
    ("/x/..%2fadmin", "base"),
    ("/x/..%5cadmin", "base"),
    ("\\admin", "base"),
    ("/\\..\\admin", "base"),
    ("/admin?x", "base"),
    ("/admin#x", "base"),
    ("http://a.test/admin", "base"),
    ("http://A.TEST/x/../admin", "base"),
    ("//admin", "merge-slashes"),
    ("///x/..//admin", "merge-slashes"),
    ("/%2fadmin", "decode-and-merge-slashes"),
    ("/x%2f..%2fadmin", "decode-and-merge-slashes"),
    ("/x%5c..%5cadmin", "decode-and-merge-slashes"),
    ("/admin", "none"),
]

# (target, mode, what the origin sees): not the guarded path, and forwarded as it was matched.
OPEN = [
    ("/Admin", "base", "/Admin"),
    ("//admin", "base", "//admin"),
    ("/%2fadmin", "base", "/%2Fadmin"),
    ("/x/admin", "base", "/x/admin"),
    ("/%2561dmin", "base", "/%2561dmin"),
    ("/x?/../admin", "base", "/x?/../admin"),
    ("//x//y", "merge-slashes", "/x/y"),
    # `none` is as it says: whoever asks for it has an origin that takes paths as they are.
    ("/x/../admin", "none", "/x/../admin"),
    ("/x/..%2fadmin", "none", "/x/..%2fadmin"),
    ("/x%2fy%5cz", "decode-and-merge-slashes", "/x/y/z"),
]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    from support.gateway import Gateway
    from support.origin import Origin

    origin = Origin()
    gateways = {}
    try:
        for mode in ("none", "base", "merge-slashes", "decode-and-merge-slashes"):
            gateway = Gateway(tmp_path_factory.mktemp("gw"), ("--path-normalization", mode))
            gateways[mode] = gateway
            gateway.write(
                "all.yaml",
                objects.documents(
                    objects.gateway("gw", objects.http_server("*")),
                    objects.virtual_service("vs", *GUARD, hosts=["a.test"]),
                    objects.service_entry("origin.test", origin.port),
                ),
            )
            gateway.start()
        yield gateways
        for gateway in gateways.values():
            gateway.stop()
    finally:
        for gateway in gateways.values():
            gateway.kill()
        origin.close()


@pytest.mark.parametrize("target,mode", GUARDED)
def test_guarded(guarded, target, mode):
    for host in ("a.test", "A.Test", "a.test:80", "a.test."):
        answer = raw.get(guarded[mode].port(80), target, host)
        assert answer.status in (400, 403), (host, answer)


@pytest.mark.parametrize("target,mode,seen", OPEN)
def test_forwarded_as_matched(guarded, target, mode, seen):
    answer = raw.get(guarded[mode].port(80), target, "a.test")
    assert answer.status == 200, answer
    assert json.loads(answer.body)["target"] == seen
