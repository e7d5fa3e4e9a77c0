"""Changed configuration without a restart. Spec: RL-31, HR-1 to HR-4, HR-8; section 15."""

import json
import signal
import threading

from support import objects, raw, wait
from support.load import Load


def base(origin_port, *more):
    return objects.documents(
        objects.gateway("gw", objects.http_server("*")),
        objects.service_entry("origin.test", origin_port),
        *more,
    )


def test_a_thousand_virtual_services_under_load(new_gateway, new_origin):
    """Must show 6: no failed request, and one snapshot in memory afterwards."""
    origin = new_origin()
    gateway = new_gateway()
    gateway.write("base.yaml", base(origin.port))
    gateway.write(
        "vs.yaml", objects.documents(objects.virtual_service("vs", objects.route("origin.test")))
    )
    gateway.start()

    def many(generation):
        return objects.documents(
            *[
                objects.virtual_service(
                    f"vs-{i}",
                    objects.route("origin.test", {"uri": {"prefix": f"/g{generation}"}}),
                    objects.route("origin.test"),
                    hosts=[f"h{i}.test"],
                )
                for i in range(1000)
            ]
        )

    with Load(gateway.port(80), keep_alive=16, per_second=100, host="h7.test") as load:
        # h7.test is served by the catch-all now, by its own object later.
        wait.until(lambda: load.done > 50, "the load to run", 60)
        for generation in range(5):
            revision = gateway.revision()
            gateway.write("many.yaml", many(generation))
            gateway.wait_revision_after(revision)
        done = load.done
        wait.until(lambda: load.done > done + 100, "requests after the last reload", 60)
    assert not load.failures, (len(load.failures), load.failures[:5])
    assert load.reconnects == 0
    wait.until(
        lambda: gateway.metric("gatehouse_config_snapshots") == 1, "one snapshot in memory"
    )


def test_nothing_changed_is_a_no_op(plain):
    gateway, _ = plain()
    revision = gateway.revision()
    gateway.signal(signal.SIGHUP)
    wait.until(
        lambda: gateway.metric("gatehouse_config_reload_total", {"result": "unchanged"}) >= 1,
        "a reload without effect",
    )
    assert gateway.revision() == revision


def test_established_connections_survive(plain):
    """HR-1: routes change under a connection that stays."""
    gateway, origin = plain()
    with raw.Client(gateway.port(80)) as client:
        assert client.request().status == 200
        for i in range(10):
            revision = gateway.revision()
            gateway.write(
                "all.yaml",
                base(
                    origin.port,
                    objects.virtual_service("vs", {"directResponse": {"status": 200 + i}}),
                ),
            )
            gateway.wait_revision_after(revision)
            assert client.request().status == 200 + i


def test_request_under_way_keeps_its_snapshot(plain):
    release = threading.Event()

    def behaviour(origin, stream):
        while True:
            request = stream.read_request()
            if request is None:
                return
            origin.requests.append(request)
            release.wait(15)
            stream.answer(200, [], b"late")

    gateway, origin = plain(behaviour)
    with raw.Client(gateway.port(80)) as client:
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        wait.until(lambda: origin.requests, "the request at the origin")
        revision = gateway.revision()
        gateway.write("all.yaml", base(origin.port))
        gateway.wait_revision_after(revision)
        release.set()
        assert client.response().body == b"late"
        assert client.request().status == 404
    wait.until(lambda: gateway.metric("gatehouse_config_snapshots") == 1, "one snapshot")


def test_a_bad_object_keeps_its_last_good_version(plain):
    """RL-31: and never disturbs a good one."""
    gateway, origin = plain()
    good = base(origin.port)
    gateway.write(
        "all.yaml",
        good
        + objects.documents(
            objects.virtual_service("one", {"directResponse": {"status": 201}}, hosts=["one.test"]),
            objects.virtual_service("two", {"directResponse": {"status": 202}}, hosts=["two.test"]),
        ),
    )
    wait.until(lambda: raw.get(gateway.port(80), host="one.test").status == 201, "the first version")
    gateway.write(
        "all.yaml",
        good
        + objects.documents(
            objects.virtual_service(
                "one", {"directResponse": {"status": 9999}}, hosts=["one.test"]
            ),
            objects.virtual_service("two", {"directResponse": {"status": 203}}, hosts=["two.test"]),
        ),
    )
    wait.until(lambda: raw.get(gateway.port(80), host="two.test").status == 203, "the good change")
    assert raw.get(gateway.port(80), host="one.test").status == 201
    gateway.wait_log("directResponse")
    assert "all.yaml:" in gateway.log_text()
    findings = gateway.page("/api/v1/findings")[1]
    assert "istio-system/one" in findings
    # Deleting it removes it.
    gateway.write("all.yaml", good)
    wait.until(lambda: raw.get(gateway.port(80), host="one.test").status == 404, "the deletion")


def test_broken_yaml_keeps_everything(plain):
    gateway, _ = plain()
    offset = len(gateway.log_text())
    gateway.write("all.yaml", "kind: Gateway\n  bad indent: [\n")
    gateway.wait_log("all.yaml", offset)
    assert raw.get(gateway.port(80)).status == 200
    assert gateway.metric("gatehouse_findings", {"severity": "error"}) >= 1


def test_files_come_and_go(plain):
    """New files and directories are seen; so is their removal."""
    gateway, _ = plain()
    directory = gateway.config / "more" / "deep"
    directory.mkdir(parents=True)
    (directory / "x.yml").write_text(
        objects.documents(
            objects.virtual_service("x", {"directResponse": {"status": 222}}, hosts=["x.test"])
        )
    )
    wait.until(lambda: raw.get(gateway.port(80), host="x.test").status == 222, "the new file")
    (directory / "x.yml").unlink()
    wait.until(lambda: raw.get(gateway.port(80), host="x.test").status == 200, "its removal")


def test_mounted_config_map_swap(new_gateway, new_origin):
    """A ConfigMap mount: visible links through `..data`."""
    from support.certificates import write_secret

    origin = new_origin()
    gateway = new_gateway()

    def version(status):
        return {
            "all.yaml": base(
                origin.port, objects.virtual_service("vs", {"directResponse": {"status": status}})
            ).encode()
        }

    write_secret(gateway.config / "mount", version(201))
    gateway.start()
    assert raw.get(gateway.port(80)).status == 201
    for status in (202, 203, 204):
        write_secret(gateway.config / "mount", version(status))
        wait.until(lambda: raw.get(gateway.port(80)).status == status, "the swap")  # noqa: B023


def test_listeners_come_and_go(plain):
    """HR-4; unchanged listeners keep their sockets."""
    gateway, origin = plain()
    with raw.Client(gateway.port(80)) as client:
        assert client.request().status == 200
        more = objects.gateway("second", objects.http_server("*", port=8080))
        gateway.write("second.yaml", objects.documents(more))

        def second_port():
            listeners = json.loads(gateway.page("/listeners?format=json")[1])
            for item in listeners["listener_statuses"]:
                address = item["local_address"]["socket_address"]
                if "8080" in item["name"]:
                    return address["port_value"]
            return None

        port = wait.until(second_port, "the new listener")
        wait.until(lambda: _status(port) == 404, "an answer on it")
        (gateway.config / "second.yaml").unlink()
        wait.until(lambda: _status(port) is None, "the listener to be gone")
        assert client.request().status == 200


def _status(port):
    try:
        return raw.get(port).status
    except OSError:
        return None


def test_kept_origin_connections(plain):
    """Clusters whose configuration did not change keep their connections over a reload."""
    gateway, origin = plain()
    with raw.Client(gateway.port(80)) as client:
        assert client.request().status == 200
        count = origin.connection_count
        revision = gateway.revision()
        gateway.write(
            "more.yaml",
            objects.documents(
                objects.virtual_service("x", {"directResponse": {"status": 222}}, hosts=["x.test"])
            ),
        )
        gateway.wait_revision_after(revision)
        assert client.request().status == 200
        assert origin.connection_count == count
