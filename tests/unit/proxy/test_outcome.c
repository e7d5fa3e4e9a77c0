/* Tests of gateway/proxy/outcome.c: LR-1 to LR-23, each ending a row. */
#include "gateway/proxy/outcome.h"

#include <errno.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_refusals_by_the_table(void **state)
{
    static const struct {
        enum outcome_id id;
        unsigned status;
        uint64_t flags;
        const char *details;
    } rows[] = {
        { OUTCOME_ROUTE_NOT_FOUND, 404, FLAG_BIT(NR), "route_not_found" }, /* LR-1 */
        { OUTCOME_ROUTES_NOT_LOADED, 404, FLAG_BIT(NR),
          "route_configuration_not_found" },                                       /* LR-2 */
        { OUTCOME_CLUSTER_NOT_FOUND, 503, FLAG_BIT(NC), "cluster_not_found" },     /* LR-3 */
        { OUTCOME_NO_HEALTHY_UPSTREAM, 503, FLAG_BIT(UH), "no_healthy_upstream" }, /* LR-5 */
        { OUTCOME_RESPONSE_TIMEOUT, 504, FLAG_BIT(UT), "response_timeout" },       /* LR-6 */
        { OUTCOME_PATH_REFUSED, 400, 0, "path_normalization_failed" },             /* LR-15 */
        { OUTCOME_UPSTREAM_STALLED, 504, FLAG_BIT(SI), "stream_idle_timeout" },    /* LR-17 */
        { OUTCOME_REQUEST_TIMEOUT, 408, 0, "request_overall_timeout" },            /* LR-18 */
        { OUTCOME_OVERLOADED, 503, FLAG_BIT(OM), "overload" },                     /* 10.1 */
        { OUTCOME_MISDIRECTED, 421, 0, "misdirected_request" },                    /* SN-22 */
        { OUTCOME_UPGRADE_REFUSED, 400, 0, "upgrade_failed" },           /* RFC 6455 4.2.1 */
        { OUTCOME_TUNNEL_IDLE, 0, FLAG_BIT(SI), "stream_idle_timeout" }, /* CN-32 */
        { OUTCOME_UPSTREAM_WITHOUT_TUNNELS, 502, FLAG_BIT(UPE),
          "upstream_without_extended_connect" }, /* RFC 8441 3 */
        { OUTCOME_CLIENT_GONE, 0, FLAG_BIT(DC), "downstream_remote_disconnect" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct outcome *outcome = outcome_get(rows[i].id);
        assert_int_equal(outcome->status, rows[i].status);
        assert_true(outcome->flags == rows[i].flags);
        assert_string_equal(outcome->details, rows[i].details);
    }
}

/* A reset is told by its reason, everything else by its details: never by neither. */
static void test_every_row_says_why(void **state)
{
    (void)state;
    for (int id = 0; id < OUTCOME_COUNT; id++) {
        const struct outcome *outcome = outcome_get((enum outcome_id)id);
        assert_true((outcome->reset_reason != NULL) != (outcome->details != NULL));
        assert_non_null(outcome->body);
    }
}

static void test_upstream_ends_LR_21(void **state)
{
    static const struct {
        enum leg_end end;
        unsigned status;
        uint64_t flags;
    } rows[] = {
        { LEG_END_PEER_CLOSED, 503, FLAG_BIT(UC) },
        { LEG_END_PEER_CUT_BODY, 503, FLAG_BIT(UC) },
        { LEG_END_TRANSPORT, 503, FLAG_BIT(UC) },
        { LEG_END_PROTOCOL, 502, FLAG_BIT(UPE) },
        { LEG_END_HEADERS_TOO_LARGE, 502, FLAG_BIT(UPE) },
        { LEG_END_TOO_MANY_HEADERS, 502, FLAG_BIT(UPE) },
        { LEG_END_BODY_TIMEOUT, 504, FLAG_BIT(SI) },
        { LEG_END_WRITE_TIMEOUT, 504, FLAG_BIT(SI) },
        { LEG_END_DRAIN, 503, FLAG_BIT(LR) },
        { LEG_END_RESET, 503, FLAG_BIT(UR) },
        { LEG_END_REFUSED, 503, FLAG_BIT(UR) },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct outcome *outcome = outcome_get(outcome_of_upstream_end(rows[i].end));
        assert_int_equal(outcome->status, rows[i].status);
        assert_true(outcome->flags == rows[i].flags);
    }
}

static void test_client_ends(void **state)
{
    static const struct {
        enum leg_end end;
        enum outcome_id id;
    } rows[] = {
        { LEG_END_PEER_CLOSED, OUTCOME_CLIENT_GONE },
        { LEG_END_PEER_CUT_BODY, OUTCOME_CLIENT_GONE },
        { LEG_END_TRANSPORT, OUTCOME_CLIENT_GONE },
        { LEG_END_PROTOCOL, OUTCOME_CLIENT_PROTOCOL_ERROR },
        { LEG_END_BODY_TIMEOUT, OUTCOME_CLIENT_STALLED },
        { LEG_END_WRITE_TIMEOUT, OUTCOME_CLIENT_TAKES_NOTHING },
        { LEG_END_DRAIN, OUTCOME_CLIENT_CLOSED_BY_US },
        { LEG_END_RESET, OUTCOME_CLIENT_RESET },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(outcome_of_client_end(rows[i].end), rows[i].id);
        assert_int_equal(outcome_get(rows[i].id)->status, 0); /* nothing of ours can be sent */
    }
}

static void test_connect_errors_LR_8(void **state)
{
    (void)state;
    assert_int_equal(outcome_of_connect_error(ETIMEDOUT), OUTCOME_CONNECT_TIMEOUT);
    assert_int_equal(outcome_of_connect_error(ECONNREFUSED), OUTCOME_CONNECT_FAILED);
    assert_int_equal(outcome_of_connect_error(EHOSTUNREACH), OUTCOME_CONNECT_FAILED);
    assert_int_equal(outcome_of_connect_error(EADDRNOTAVAIL), OUTCOME_CONNECT_FAILED_HERE);
    assert_int_equal(outcome_of_connect_error(EMFILE), OUTCOME_CONNECT_FAILED_HERE);
    assert_true(outcome_get(OUTCOME_CONNECT_TIMEOUT)->flags == FLAG_BIT(UF));
}

static void test_refused_heads(void **state)
{
    (void)state;
    assert_int_equal(outcome_of_refusal(400, "http1.codec_error"), OUTCOME_REFUSED_MALFORMED);
    assert_int_equal(outcome_of_refusal(400, "missing_host_header"), OUTCOME_REFUSED); /* LR-10 */
    assert_int_equal(outcome_of_refusal(431, "http1.headers_too_large"),
                     OUTCOME_REFUSED_MALFORMED);                                  /* LR-13 */
    assert_int_equal(outcome_of_refusal(426, "low_version"), OUTCOME_REFUSED);    /* LR-12 */
    assert_int_equal(outcome_of_refusal(403, "upgrade_failed"), OUTCOME_REFUSED); /* LR-14 */
    assert_int_equal(outcome_of_refusal(408, "request_header_timeout"),
                     OUTCOME_REFUSED); /* LR-18 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_by_the_table), cmocka_unit_test(test_every_row_says_why),
        cmocka_unit_test(test_upstream_ends_LR_21),   cmocka_unit_test(test_client_ends),
        cmocka_unit_test(test_connect_errors_LR_8),   cmocka_unit_test(test_refused_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
