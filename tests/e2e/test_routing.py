"""Host, path, header and weight decide; redirects, direct answers, rewrites and header rules do what
the reference says. Unit tests hold the tables; here the whole path is walked once for each rule."""

import collections
import json

import pytest

from support import objects, raw
from support.objects import route, to


@pytest.fixture(scope="module")
def routed(tmp_path_factory):
    """One gateway with many hosts; each test asks its own host."""
    from support.gateway import Gateway
    from support.origin import Origin

    one, two = Origin("one"), Origin("two")
    gateway = Gateway(tmp_path_factory.mktemp("gw"))
    gateway.write("all.yaml", objects.documents(*configuration(one.port, two.port)))
    try:
        gateway.start()
        yield gateway
        gateway.stop()
    finally:
        gateway.kill()
        one.close()
        two.close()


def configuration(one, two):
    def vs(name, host, *http, **more):
        return objects.virtual_service(name, *http, hosts=[host], gateways=["gw"], **more)

    return [
        objects.gateway(
            "gw",
            objects.http_server("*"),
            objects.http_server("redirect.test", port=8080, tls={"httpsRedirect": True}),
        ),
        objects.service_entry("one.test", one),
        objects.service_entry("two.test", two),
        # A destination that is known and has no endpoint, and one with a dead endpoint.
        objects.service_entry("empty.test"),
        vs("exact", "a.foo.test", route("one.test")),
        vs("wild", "*.foo.test", route("two.test")),
        vs(
            "matches",
            "match.test",
            {"name": "by-header", "match": [{"headers": {"x-a": {"exact": "1"}}}],
             "route": [to("two.test")]},
            route("two.test", {"queryParams": {"q": {"exact": "a b"}}}),
            route("two.test", {"method": {"exact": "DELETE"}}),
            route("two.test", {"uri": {"exact": "/exact"}}),
            route("two.test", {"uri": {"prefix": "/pre"}}),
            route("two.test", {"uri": {"regex": "/v[0-9]+/x"}}),
            route("two.test", {"uri": {"prefix": "/CASE"}, "ignoreUriCase": True}),
            route("two.test", {"withoutHeaders": {"x-need": {}}, "uri": {"prefix": "/without"}}),
            route("two.test", {"authority": {"exact": "match.test:81"}}),
            route("one.test", {"uri": {"prefix": "/"}}),
        ),
        vs("none", "none.test", route("one.test", {"uri": {"prefix": "/only"}})),
        vs("weights", "weights.test", {"route": [to("one.test", 80), to("two.test", 20)]}),
        vs("zero", "zero.test", {"route": [to("one.test", 0), to("two.test", 5)]}),
        vs(
            "rewrites",
            "rewrite.test",
            route("one.test", {"uri": {"prefix": "/foo"}}, rewrite={"uri": "/x"}),
            route("one.test", {"uri": {"exact": "/a"}}, rewrite={"uri": "/b"}),
            route("one.test", {"uri": {"prefix": "/re"}},
                  rewrite={"uriRegexRewrite": {"match": "/re/([a-z]+)/([0-9]+)", "rewrite": "/\\2/\\1"}}),
            route("one.test", {"uri": {"prefix": "/host"}}, rewrite={"authority": "new.test"}),
        ),
        vs(
            "redirects",
            "to.test",
            {"match": [{"uri": {"exact": "/uri"}}], "redirect": {"uri": "/n", "redirectCode": 308}},
            {"match": [{"uri": {"exact": "/auth"}}], "redirect": {"authority": "b.test"}},
            {"match": [{"uri": {"exact": "/scheme"}}], "redirect": {"scheme": "https"}},
            {"match": [{"uri": {"exact": "/port"}}], "redirect": {"scheme": "https", "port": 8443}},
            {"match": [{"uri": {"prefix": "/old"}}], "redirect": {"prefixRewrite": "/new"}},
        ),
        vs(
            "direct",
            "direct.test",
            {"match": [{"uri": {"exact": "/empty"}}], "directResponse": {"status": 204}},
            {"directResponse": {"status": 418, "body": {"string": "short and stout"}},
             "headers": {"response": {"set": {"x-kind": "teapot"}}}},
        ),
        vs(
            "headers",
            "headers.test",
            {
                "route": [to("one.test", headers={"request": {"set": {"x-both": "destination"}}})],
                "headers": {
                    "request": {
                        "set": {"x-both": "route", "x-set": "a%%b", "x-empty": ""},
                        "add": {"x-add": "%REQ(user-agent)%"},
                        "remove": ["x-gone"],
                    },
                    "response": {"set": {"x-out": "1"}, "remove": ["content-type"]},
                },
            },
        ),
        vs("empty", "empty-host.test", route("empty.test")),
        vs("unknown", "unknown.test", route("nowhere.test")),
        vs("first", "first.test", route("one.test", {"uri": {"prefix": "/api"}})),
        vs("second", "first.test", route("two.test", {"uri": {"prefix": "/api/v1"}}),
           route("two.test")),
    ]  # fmt: skip


def ask(gateway, target="/", host="a.test", port=80, **more):
    return raw.get(gateway.port(port), target, host, **more)


def origin_of(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)["origin"]


def seen_by(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.mark.parametrize(
    "host,origin",
    [
        ("a.foo.test", "one"),
        ("A.Foo.TEST", "one"),  # SN-30
        ("a.foo.test:8443", "one"),  # SN-30
        ("a.foo.test.", "one"),  # SN-33 P
        ("b.foo.test", "two"),  # SN-31
        ("x.y.foo.test", "two"),  # SN-31
        ("foo.test", None),  # SN-32, SN-52
        ("other.test", None),  # SN-34
    ],
)
def test_host(routed, host, origin):
    answer = ask(routed, host=host)
    if origin is None:
        assert (answer.status, answer.body) == (404, b"")  # LR-1
    else:
        assert origin_of(answer) == origin


@pytest.mark.parametrize(
    "target,more,origin",
    [
        ("/", {}, "one"),
        ("/", {"headers": [("X-A", "1")]}, "two"),  # HT-26
        ("/", {"headers": [("X-A", "1"), ("X-A", "1")]}, "one"),  # HT-26: "1,1"
        ("/?q=a%20b", {}, "one"),  # HT-31: raw value
        ("/", {"method": "DELETE"}, "two"),  # HT-29
        ("/exact?x=1", {}, "two"),  # HT-21, HT-23
        ("/exact/", {}, "one"),
        ("/prefix", {}, "two"),  # HT-22
        ("/pre", {}, "two"),
        ("/v1/x", {}, "two"),
        ("/v1/xy", {}, "one"),  # HT-23: whole path
        ("/case/1", {}, "two"),  # HT-25
        ("/without", {}, "two"),  # HT-28
        ("/without", {"headers": [("x-need", "1")]}, "one"),
        ("/%65xact", {}, "two"),  # CN-20: normalised before matching
        ("/a/../exact", {}, "two"),
        ("//exact", {}, "one"),  # CN-21
    ],
)
def test_match(routed, target, more, origin):
    assert origin_of(ask(routed, target, "match.test", **more)) == origin


def test_authority_match_sees_the_port(routed):
    """SN-36, HT-29."""
    assert origin_of(ask(routed, host="match.test:81")) == "two"
    assert origin_of(ask(routed, host="match.test")) == "one"


def test_no_route_is_404_nr(routed):
    """LR-1, HT-35, SN-37."""
    answer = ask(routed, "/other", "none.test")
    assert (answer.status, answer.body) == (404, b"")
    assert answer.get("server") == "istio-envoy"


def test_first_virtual_service_wins_and_catch_alls_go_last(routed):
    """SN-71, SN-72."""
    assert origin_of(ask(routed, "/api/v1/x", "first.test")) == "one"
    assert origin_of(ask(routed, "/", "first.test")) == "two"


def test_weights(routed):
    """HT-40."""
    count = collections.Counter()
    with raw.Client(routed.port(80)) as client:
        for _ in range(1000):
            count[origin_of(client.request(host="weights.test"))] += 1
    # Six standard deviations of a fair draw: about one in a billion.
    assert 724 <= count["one"] <= 876, count


def test_weight_zero_gets_nothing(routed):
    """HT-40."""
    with raw.Client(routed.port(80)) as client:
        assert {origin_of(client.request(host="zero.test")) for _ in range(50)} == {"two"}


@pytest.mark.parametrize(
    "target,upstream",
    [
        ("/foobar?q=1", "/xbar?q=1"),  # HT-71, HT-72
        ("/foo", "/x"),
        ("/a?x=1", "/b?x=1"),
        ("/re/abc/12?k", "/12/abc?k"),  # HT-74
        ("/re/ABC", "/re/ABC"),
    ],
)
def test_rewrite(routed, target, upstream):
    request = seen_by(ask(routed, target, "rewrite.test"))
    assert request["target"] == upstream
    if upstream != target:
        assert ["x-envoy-original-path", target] in request["headers"]  # HT-75


def test_authority_rewrite(routed):
    """HT-76."""
    request = seen_by(ask(routed, "/host", "rewrite.test"))
    assert ["host", "new.test"] in request["headers"]


@pytest.mark.parametrize(
    "target,host,status,location",
    [
        ("/uri?y=1", "to.test", 308, "http://to.test/n?y=1"),  # HT-56
        ("/auth?y", "to.test:8080", 301, "http://b.test/auth?y"),  # HT-54
        ("/scheme", "to.test", 301, "https://to.test/scheme"),  # HT-53
        ("/scheme", "to.test:8080", 301, "https://to.test:8080/scheme"),  # HT-54
        ("/port", "to.test:80", 301, "https://to.test:8443/port"),  # HT-55
        ("/old/x?y", "to.test", 301, "http://to.test/new/x?y"),  # HT-57
    ],
)
def test_redirect(routed, target, host, status, location):
    answer = ask(routed, target, host)
    assert (answer.status, answer.get("location"), answer.body) == (status, location, b"")


def test_https_redirect(routed):
    """GW-50 to GW-54."""
    answer = ask(routed, "/x?y", "redirect.test", 8080)
    assert (answer.status, answer.get("location")) == (301, "https://redirect.test/x?y")
    answer = ask(routed, "/", "redirect.test", 8080, headers=[("x-forwarded-proto", "https")])
    assert answer.status == 301  # GW-53: not believed without trusted hops
    assert ask(routed, "/", "elsewhere.test", 8080).status == 404  # GW-54


def test_direct_response(routed):
    """HT-60, HT-61, HT-87."""
    answer = ask(routed, "/", "direct.test")
    assert (answer.status, answer.body) == (418, b"short and stout")
    assert answer.get("content-type") == "text/plain"
    assert answer.get("x-kind") == "teapot"
    assert ask(routed, "/empty", "direct.test").status == 204


def test_header_rules(routed):
    """HT-80 to HT-88, HD-30, HD-31."""
    answer = ask(
        routed, host="headers.test", headers=[("x-gone", "1"), ("x-empty", "kept"), ("user-agent", "me")]
    )
    headers = seen_by(answer)["headers"]
    assert ["x-both", "destination"] in headers  # HT-85
    assert ["x-set", "a%b"] in headers
    assert ["x-empty", "kept"] in headers  # HT-82
    assert ["x-add", "me"] in headers
    assert "x-gone" not in [n for n, _ in headers]
    assert answer.get("x-out") == "1"
    assert answer.get("content-type") is None
    assert answer.get("server") == "istio-envoy"
    assert answer.get("date") is not None
    assert int(answer.get("x-envoy-upstream-service-time")) >= 0


def test_entry_headers(routed):
    """HD-3, HD-4, HD-8, HD-9, HD-10, HD-11, HD-20, HD-25."""
    sent = [
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "abc"),
        ("x-forwarded-client-cert", "Hash=1"),
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-external-address", "6.6.6.6"),
        ("x-envoy-internal", "true"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ]
    headers = dict(seen_by(ask(routed, host="a.foo.test", headers=sent))["headers"])
    # HD-3: the peer is loopback, so the gateway's own address is appended.
    assert headers["x-forwarded-for"] == "9.9.9.9,127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-envoy-external-address"] == "127.0.0.1"
    assert len(headers["x-request-id"]) == 36 and headers["x-request-id"][14] == "4"
    assert headers["x-envoy-attempt-count"] == "1"
    for name in ("x-forwarded-client-cert", "x-envoy-retry-on", "x-envoy-internal", "x-hop"):
        assert name not in headers


@pytest.mark.parametrize(
    "host,body,flag,details",
    [
        ("unknown.test", b"", "NC", "cluster_not_found"),  # LR-3
        ("empty-host.test", b"no healthy upstream", "UH", "no_healthy_upstream"),  # LR-5
    ],
)
def test_no_upstream(routed, host, body, flag, details):
    answer = ask(routed, host=host)
    assert (answer.status, answer.body) == (503, body)
    assert f" 503 {flag} {details} " in routed.wait_access_line(f'"{host}"')


def test_local_reply_to_grpc_is_trailers_only(routed):
    """LR-30, LR-31."""
    answer = ask(routed, host="nobody.test", headers=[("content-type", "application/grpc")])
    assert answer.status == 200
    assert answer.get("content-type") == "application/grpc"
    assert answer.get("grpc-status") == "12"
    assert answer.body == b""


def test_access_log_line(routed):
    """OB-2, OB-4, ecosystem section 4."""
    ask(routed, "/foobar?q=log", "rewrite.test", headers=[("user-agent", 'a "b"\\c')])
    line = routed.wait_access_line("/foobar?q=log")
    assert '] "GET /foobar?q=log HTTP/1.1" 200 - via_upstream - "-" 0 ' in line
    assert '"a \\"b\\"\\\\c"' in line
    assert ' "rewrite.test" "127.0.0.1:' in line
    assert ' outbound|80||one.test ' in line


def test_metrics_count_it(routed):
    """OB-20 to OB-28."""
    labels = {"destination_service": "one.test", "response_code": "200"}
    before = routed.metric("istio_requests_total", labels)
    ask(routed, host="a.foo.test")
    assert routed.metric("istio_requests_total", labels) == before + 1
    text = routed.page("/stats/prometheus", port="metrics")[1]
    line = next(
        x for x in text.splitlines()
        if x.startswith("istio_requests_total") and 'destination_service="one.test"' in x
    )  # fmt: skip
    names = [part.split("=")[0] for part in line[line.index("{") + 1 : line.index("}")].split('",')]
    assert names == (
        "reporter source_workload source_canonical_service source_canonical_revision "
        "source_workload_namespace source_principal source_app source_version source_cluster "
        "destination_workload destination_workload_namespace destination_principal "
        "destination_app destination_version destination_service destination_canonical_service "
        "destination_canonical_revision destination_service_name destination_service_namespace "
        "destination_cluster request_protocol response_code grpc_response_status response_flags "
        "connection_security_policy"
    ).split()
    ask(routed, host="nobody.test")
    assert routed.metric(
        "istio_requests_total",
        {"destination_service": "unknown", "response_code": "404", "response_flags": "NR"},
    )
    assert routed.metric("istio_request_duration_milliseconds_count", labels) >= 1
