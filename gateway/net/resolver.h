/* resolver: asynchronous DNS on libevent's evdns, one for each worker. Servers from
 * /etc/resolv.conf unless given. */
#ifndef GATEWAY_NET_RESOLVER_H
#define GATEWAY_NET_RESOLVER_H

#include "gateway/net/address.h"
#include "gateway/net/loop.h"

struct resolver;
struct resolver_query;

/* `servers` is "10.0.0.53:53,..." or NULL for the system's. */
struct resolver *resolver_new(struct loop *loop, const char *servers, struct err *err);
void resolver_free(struct resolver *resolver);

/* count 0: failed, `error` says why ("no such name", "timed out"); the addresses have port 0 and
 * are good until the callback returns. `ttl_s` is the smallest of the answer. */
typedef void (*resolver_done_fn)(void *owner, const struct address *addresses, size_t count,
                                 uint32_t ttl_s, const char *error);
/* A and AAAA (AAAA only when this machine has a route to IPv6), merged, at most
 * LIMIT_DNS_ADDRESSES. Numeric names and /etc/hosts are answered without asking anyone. The search
 * list of resolv.conf serves single-label names only. Never called back from inside. */
struct resolver_query *resolver_lookup(struct resolver *resolver, struct str name,
                                       resolver_done_fn on_done, void *owner);
void resolver_cancel(struct resolver_query *query);

#endif
