/* misdirected: a request whose host belongs to another TLS server of the port than the one the
 * handshake chose (spec SN-20 to SN-23). Browsers do this when they share an HTTP/2 connection between
 * names of one certificate. Served where nothing differs that a client had to show or was shown, so
 * that nobody walks around another server's demands. Pure. */
#ifndef GATEWAY_PROXY_MISDIRECTED_H
#define GATEWAY_PROXY_MISDIRECTED_H

#include "config/snapshot.h"
#include "gateway/proxy/worker.h"

struct misdirected_choice {
    const struct route_table *routes; /* NULL: refused */
    bool is_refused_421;              /* else 404 */
    /* Label of METRIC_MISDIRECTED; NULL: the host is the server's own, or nobody's. */
    const char *answer;
    const char *text; /* what was done, for the log */
    struct str host;
};

/* `own` is the server of the handshake; NULL: the configuration has it no more. */
void misdirected_choose(enum misdirected mode, const struct snapshot_listener *listener,
                        const struct tls_server *own, struct str authority,
                        struct misdirected_choice *choice);

#endif
