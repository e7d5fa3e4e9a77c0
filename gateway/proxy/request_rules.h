/* request_rules: what happens to a request's head on entry, before it is routed (spec 9.1), and on
 * its way out (9.2). Pure but for the request id. */
#ifndef GATEWAY_PROXY_REQUEST_RULES_H
#define GATEWAY_PROXY_REQUEST_RULES_H

#include "gateway/http/head.h"
#include "gateway/net/address.h"

/* What is known of the connection. */
struct request_source {
    const struct address *peer;
    struct str peer_host;  /* without port; empty for a peer that has no IP address */
    struct str local_host; /* our side of the connection */
    bool is_tls;
    unsigned trusted_hops;
    struct str request_id; /* the new one */
};

/* What the rules found out. */
struct request_facts {
    struct str client_host;     /* HD-3: the client's address without port */
    bool is_client_peer;        /* it is the socket's peer */
    struct str forwarded_proto; /* x-forwarded-proto as the gateway sees it (HD-4) */
    struct str scheme;          /* HD-6 */
};

/* Changes request->headers and request->scheme; memory from `arena`, which lives as long as they.
 */
void request_rules_apply_on_entry(struct head *request, const struct request_source *source,
                                  struct request_facts *facts, struct arena *arena);

struct request_departure {
    unsigned attempt;         /* HD-20; from 1 */
    uint32_t timeout_ms;      /* HT-94; 0: none */
    struct str original_path; /* HT-75; empty: not rewritten */
};
/* The x-envoy-* fields of a request that goes upstream; again for each attempt. */
void request_rules_apply_on_departure(struct head *request,
                                      const struct request_departure *departure,
                                      struct arena *arena);

#endif
