/* check_virtual_service: hosts, gateways, tls[] and tcp[] (spec HT-3, HT-6, SN-40, SN-44, TT-1, RL-46). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HTTP "http: [{route: [{destination: {host: a}}]}]"
#define DEST "route: [{destination: {host: a}}]"

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "HT-6", "{hosts: [a.com]}", FINDING_VIRTUAL_SERVICE_SHAPE, "spec",
          "http, tcp or tls must be provided" },
        { "HT-6", "{hosts: ['*'], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST, "spec.hosts[0]",
          "wildcard host * is not allowed" },
        { "HT-6", "{hosts: ['*'], gateways: [g, mesh], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST,
          NULL, NULL },
        { "HT-6", "{hosts: ['*'], gateways: [g], " HTTP "}", CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-3", "{gateways: [g], " HTTP "}", FINDING_VIRTUAL_SERVICE_SHAPE, "spec.gateways",
          "a delegate, which has no gateways" },
        { "HT-3", "{tcp: [{" DEST "}]}", FINDING_VIRTUAL_SERVICE_SHAPE, "spec.tcp", NULL },
        { "HT-3", "{tls: [{" DEST "}]}", FINDING_VIRTUAL_SERVICE_SHAPE, "spec.tls", NULL },
        { "HT-3", "{http: [{delegate: {name: d}}]}", FINDING_ROUTE_DELEGATE,
          "spec.http[0].delegate", "a delegate must not delegate again" },
        { "HT-3", "{" HTTP "}", CONFIG_CASE_CLEAN, NULL, NULL },
        { "SN-43", "{hosts: [reviews, A.com, 10.0.0.1, '*.b.com'], " HTTP "}", CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "RL-42", "{hosts: ['a..b'], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST, "spec.hosts[0]",
          "a..b is no host name" },
        { "RL-42", "{hosts: [a.*.com], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST, NULL, NULL },
        { "SN-44", "{hosts: ['*.foo.com', a.foo.com], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST,
          "spec.hosts[1]", "duplicate hosts in virtual service: a.foo.com is part of *.foo.com" },
        { "SN-44", "{hosts: [a.com, A.COM], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST,
          "spec.hosts[1]", "duplicate hosts" },
        { "SN-44", "{hosts: ['*.a.com', '*.b.a.com'], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST,
          "spec.hosts[1]", NULL },
        { "SN-44", "{hosts: ['*', a.com], gateways: [g], " HTTP "}", FINDING_VIRTUAL_SERVICE_HOST,
          "spec.hosts[1]", NULL },
        { "SN-44 SN-52", "{hosts: ['*.foo.com', foo.com], " HTTP "}", CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "SN-40", "{hosts: [a.com], gateways: [a/b/c], " HTTP "}", FINDING_VIRTUAL_SERVICE_GATEWAY,
          "spec.gateways[0]", "is no gateway" },
        { "SN-40", "{hosts: [a.com], gateways: ['/g'], " HTTP "}", FINDING_VIRTUAL_SERVICE_GATEWAY,
          NULL, NULL },
        { "SN-40", "{hosts: [a.com], gateways: ['ns/'], " HTTP "}", FINDING_VIRTUAL_SERVICE_GATEWAY,
          NULL, NULL },
        { "SN-40", "{hosts: [a.com], gateways: [''], " HTTP "}", FINDING_VIRTUAL_SERVICE_GATEWAY,
          NULL, NULL },
        { "SN-40", "{hosts: [a.com], gateways: [gw.ns.svc.cluster.local], " HTTP "}",
          FINDING_VIRTUAL_SERVICE_GATEWAY_FORM, NULL, "deprecated" },
        { "SN-40", "{hosts: [a.com], gateways: [g, ns/g, ./g, mesh], " HTTP "}", CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "RL-46", "{hosts: [a.com], exportTo: ['.', ns], " HTTP "}", FINDING_FIELD_VALUE,
          "spec.exportTo[1]", "ns is given twice" },
        { "RL-46", "{hosts: [a.com], exportTo: ['*', ns], " HTTP "}", FINDING_FIELD_VALUE,
          "spec.exportTo[0]", "* must stand alone" },
        { "RL-46", "{hosts: [a.com], exportTo: ['~'], " HTTP "}", FINDING_FIELD_VALUE, NULL,
          "~ is allowed in a ServiceEntry only" },
        { "RL-46", "{hosts: [a.com], exportTo: [a.b], " HTTP "}", FINDING_FIELD_VALUE, NULL,
          "neither a namespace" },
        { "RL-46", "{hosts: [a.com], exportTo: ['.', other], " HTTP "}", CONFIG_CASE_CLEAN, NULL,
          NULL },
        /* tls[] */
        { "TT-1", "{hosts: [a.com], tls: [{" DEST "}]}", FINDING_TLS_ROUTE, "spec.tls[0].match",
          "at least one match" },
        { "TT-1", "{hosts: [a.com], tls: [{match: [{sniHosts: [a.com]}]}]}", FINDING_TLS_ROUTE,
          "spec.tls[0].route", "TLS route is required" },
        { "TT-1", "{hosts: [a.com], tls: [{match: [{port: 1}], " DEST "}]}", FINDING_TLS_ROUTE,
          "spec.tls[0].match[0].sniHosts", "at least one SNI host" },
        { "TT-1", "{hosts: [a.com], tls: [{match: [{sniHosts: [b.com]}], " DEST "}]}",
          FINDING_TLS_ROUTE, "spec.tls[0].match[0].sniHosts[0]",
          "SNI host b.com is not a compatible subset of any of the virtual service hosts" },
        { "TT-1", "{hosts: [a.com], tls: [{match: [{sniHosts: ['*.a.com']}], " DEST "}]}",
          FINDING_TLS_ROUTE, NULL, "is not a compatible subset" },
        { "TT-1", "{hosts: [10.0.0.1], tls: [{match: [{sniHosts: [10.0.0.1]}], " DEST "}]}",
          FINDING_TLS_ROUTE_IP, "spec.tls[0].match[0].sniHosts[0]", NULL },
        { "TT-1", "{hosts: ['*.com'], tls: [{match: [{sniHosts: ['x..com']}], " DEST "}]}",
          FINDING_TLS_ROUTE, NULL, "is no host name" },
        { "TT-1",
          "{hosts: ['*.a.com'], tls: [{match: [{sniHosts: [b.A.com, '*.c.a.com'], port: "
          "443, gateways: [g]}], " DEST "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TT-3",
          "{hosts: [a.com], tls: [{match: [{sniHosts: [a.com], destinationSubnets: [x]}], " DEST
          "}]}",
          FINDING_TLS_ROUTE, "spec.tls[0].match[0].destinationSubnets[0]", NULL },
        { "TT-3", "{hosts: [a.com], tls: [{match: [{sniHosts: [a.com], port: 65536}], " DEST "}]}",
          FINDING_TLS_ROUTE, "spec.tls[0].match[0].port", NULL },
        { "TT-3",
          "{hosts: [a.com], tls: [{match: [{sniHosts: [a.com], gateways: [a.b/c]}], " DEST "}]}",
          FINDING_VIRTUAL_SERVICE_GATEWAY, NULL, NULL },
        { "TT-3",
          "{hosts: [a.com], tls: [{match: [{sniHosts: [a.com], sourceNamespace: a.b}], " DEST "}]}",
          FINDING_TLS_ROUTE, "spec.tls[0].match[0].sourceNamespace", NULL },
        { "HT-5",
          "{hosts: [a.com], tls: [{match: [{sniHosts: [a.com]}], route: [{destination: "
          "{host: a}}, {destination: {host: b}}]}]}",
          FINDING_ROUTE_WEIGHT, "spec.tls[0].route", "total destination weight = 0" },
        { "HT-5", "{hosts: [a.com], tcp: [{route: [{destination: {host: a}, weight: -1}]}]}",
          FINDING_ROUTE_WEIGHT, "spec.tcp[0].route[0].weight", NULL },
        /* tcp[] */
        { "TT-20", "{hosts: [a.com], tcp: [{match: [{port: 1}]}]}", FINDING_TCP_ROUTE,
          "spec.tcp[0].route", "TCP route is required" },
        { "TT-20", "{hosts: [a.com], tcp: [{match: [{sourceSubnet: x}], " DEST "}]}",
          FINDING_TCP_ROUTE, "spec.tcp[0].match[0].sourceSubnet", NULL },
        { "TT-20",
          "{hosts: [a.com], tcp: [{match: [{sourceSubnet: 10.0.0.0/8, "
          "destinationSubnets: [10.0.0.1], sourceLabels: {a: b}}], " DEST "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TT-20", "{hosts: [a.com], tcp: [{match: [{sniHosts: [a.com]}], " DEST "}]}",
          FINDING_FIELD_UNKNOWN, NULL, NULL },
        { "HT-7", "{hosts: [a.com], tcp: [{route: [{destination: {}}]}]}",
          FINDING_ROUTE_DESTINATION, "spec.tcp[0].route[0].destination.host", NULL },
    };

    (void)state;
    config_case_run("VirtualService", rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rules) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
