/* exchange_case: what a test of an exchange starts from: a worker without a thread, a listener with one
 * virtual host "a.com" and one route to one cluster, and a client whose leg is a fake. The upstream is an
 * origin on loopback in the same loop, or a second fake leg in the place of the pool's. */
#ifndef TESTS_UNIT_SUPPORT_EXCHANGE_CASE_H
#define TESTS_UNIT_SUPPORT_EXCHANGE_CASE_H

#include "gateway/proxy/exchange.h"
#include "tests/unit/support/fake_leg.h"
#include "tests/unit/support/loop_origin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct exchange_case {
    struct worker worker;
    struct snapshot *snapshot;
    struct arena *arena;
    struct worker_listener listener;
    struct snapshot_listener listener_config;
    struct route_table table;
    struct virtual_host host;
    struct route route;
    const struct route *routes[1];
    struct route_destination destination;
    struct cluster_config cluster;
    struct cluster_config *clusters[1];
    struct endpoint_config endpoints[2];
    struct client client;
    int peer_fd;
    struct fake_leg leg;      /* the client's */
    struct fake_leg upstream; /* exchange_case_connect() */
    struct loop_origin origin;
    bool has_origin;
};

int exchange_case_setup(void **state);
/* Nothing is left behind. */
int exchange_case_teardown(void **state);
void exchange_case_with_origin(struct exchange_case *self, const char *const *script);
/* The worker's clusters become what self->cluster says. */
void exchange_case_publish(struct exchange_case *self);
void exchange_case_begin(struct exchange_case *self, bool has_body);
void exchange_case_begin_and_wait(struct exchange_case *self);
/* The next request of the same client. */
void exchange_case_again(struct exchange_case *self, const char *method);
void exchange_case_turns(struct exchange_case *self, int count);
bool exchange_case_metrics_have(const char *part);

/* The exchange under way. */
struct exchange *exchange_case_exchange(struct exchange_case *self);
/* An endpoint that the pool never gets a connection to; then self->upstream is a leg of one of that
 * version, and the exchange has sent what it had. */
void exchange_case_without_origin(struct exchange_case *self);
void exchange_case_connect(struct exchange_case *self, enum http_version version, bool is_reused);
/* The exchange waits for the pool: for the first leg, or for that of another attempt. */
bool exchange_case_is_waiting(struct exchange_case *self);

#define ASSERT_SAW(self, text)                                                                     \
    do {                                                                                           \
        if (!fake_leg_saw(&(self)->leg, (text))) {                                                 \
            fail_msg("no \"%s\" in %s", (text), (self)->leg.heads.ptr);                            \
        }                                                                                          \
    } while (0)
#define ASSERT_TEXT(of, text) assert_string_equal((of).ptr != NULL ? (of).ptr : "", (text))
#define ASSERT_BODY(self, text) ASSERT_TEXT((self)->leg.body, (text))
#define ASSERT_SENT(self, text)                                                                    \
    do {                                                                                           \
        if (!loop_origin_saw(&(self)->origin, (text))) {                                           \
            fail_msg("no \"%s\" in %s", (text), (self)->origin.received.ptr);                      \
        }                                                                                          \
    } while (0)

#endif
