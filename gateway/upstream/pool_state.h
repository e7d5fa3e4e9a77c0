/* pool_state: what pool.c and pool_conn.c share. For these two only. */
#ifndef GATEWAY_UPSTREAM_POOL_STATE_H
#define GATEWAY_UPSTREAM_POOL_STATE_H

#include "gateway/base/limits.h"
#include "gateway/upstream/connect.h"
#include "gateway/upstream/pool.h"

/* Which list of the endpoint a connection is in. */
enum pool_place {
    POOL_IDLE,    /* no leg */
    POOL_SHARING, /* HTTP/2: legs, and room for more */
    POOL_BUSY,    /* no room, or not offered any more */
};

struct pool_conn {
    struct list link;
    enum pool_place place;
    struct endpoint *endpoint;
    struct conn *conn;   /* NULL: gone */
    struct pool_key key; /* its name is owned; its addresses are not kept */
    uint64_t request_count;
    uint64_t idle_since_ms; /* in POOL_IDLE */
    bool is_leaving;     /* closes when its legs are done: too old, or its requests are used up */
    struct list waiting; /* of pool_request: tunnels, until SETTINGS say whether they are taken */
    struct timer settings_deadline; /* for these */
    struct timer age;               /* maxConnectionDuration */
};

struct pool_dial {
    struct list link; /* endpoint->dials; those that have room for more requests last */
    struct endpoint *endpoint;
    struct connect *connect; /* NULL: done */
    struct pool_key key;     /* as in pool_conn */
    struct list waiting;     /* of pool_request, the oldest first */
    uint32_t waiting_count;
    uint32_t capacity; /* legs its connection is thought to carry */
};

/* --- pool.c ----------------------------------------------------------------------------------- */

/* Copies the name, forgets the addresses. */
void pool_key_copy(struct pool_key *to, const struct pool_key *from);
void pool_key_cleanup(struct pool_key *key);
static inline bool pool_key_equals(const struct pool_key *a, const struct pool_key *b)
{
    return a->version == b->version && a->settings == b->settings && a->client_id == b->client_id &&
           a->server_name.len == b->server_name.len &&
           (a->server_name.len == 0 || str_equals_nocase(a->server_name, b->server_name));
}
/* What a connection is taken to carry until its SETTINGS have come. A stream too many would be refused,
 * and its request has only so many tries. */
static inline uint32_t pool_assumed_streams(const struct endpoint *endpoint)
{
    uint32_t told = endpoint->peer_streams;

    return told != 0 && told < LIMIT_POOL_ASSUMED_STREAMS ? told : LIMIT_POOL_ASSUMED_STREAMS;
}
/* The one of this key that has waited longest, or NULL. */
struct pool_request *pool_first_waiting(const struct endpoint *endpoint,
                                        const struct pool_key *key);
/* It waits no more for what it waits for, but waits still: the caller says for what. */
void pool_leave_place(struct pool_request *request);
/* It waits no more: the caller tells it why, then gives its reference on the endpoint back. */
void pool_stop_waiting(struct pool_request *request);
/* It waits for the end of the turn, to hear of its failure then. */
void pool_fail_later(struct pool_request *request, int error_number);
/* It waits for a dial, one under way or a new one. */
void pool_wait_for_dial(struct pool_request *request);

/* --- pool_conn.c ------------------------------------------------------------------------------ */

/* In POOL_IDLE. The transport is taken over. */
struct pool_conn *pool_conn_new(struct endpoint *endpoint, struct transport *transport,
                                const struct pool_key *key);
/* One of this key with room, or NULL. */
struct pool_conn *pool_conn_find(const struct endpoint *endpoint, const struct pool_key *key);
/* False: a tunnel, which the connection does not take or has not said whether it does. */
bool pool_conn_may_carry(const struct pool_conn *pooled, const struct pool_request *request);
/* A request that it may not carry, and that is in no place: it waits here until that is known, or to
 * hear that it is not. */
void pool_conn_hold(struct pool_conn *pooled, struct pool_request *request);
/* NULL: it takes no more; it is not found again before it says that it has room. */
struct leg *pool_conn_open_leg(struct pool_conn *pooled, const struct pool_request *request);
/* A request that waits gets its leg, and is told, or is held. False: it waits on where it was. */
bool pool_conn_serve(struct pool_conn *pooled, struct pool_request *request);
/* Requests of its key that wait, as many as there is room for. */
void pool_conn_serve_waiting(struct pool_conn *pooled);
/* Without a leg: kept for later, or closed. */
void pool_conn_rest(struct pool_conn *pooled);
/* Now. What it carries and holds is told. */
void pool_conn_close(struct pool_conn *pooled);

#endif
