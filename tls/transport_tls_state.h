/* transport_tls_state: the inside of a transport_tls, for transport_tls.c and its client's side,
 * transport_tls_connect.c. */
#ifndef TLS_TRANSPORT_TLS_STATE_H
#define TLS_TRANSPORT_TLS_STATE_H

#include "tls/client_context_ssl.h"
#include "tls/library.h"
#include "tls/transport_tls.h"

enum tls_phase { TLS_HANDSHAKE, TLS_OPEN, TLS_FAILED };

struct transport_tls {
    struct transport *transport;
    struct tls_context *context;  /* the server's side, else NULL */
    struct tls_client_peer *peer; /* the client's side, else NULL; owned */
    const struct transport_tls_events *events;
    void *owner;
    SSL *ssl;
    /* Wire bytes for the library, good during open(). */
    const unsigned char *input;
    size_t input_len;
    /* Wire bytes it did not get to because the owner paused; freed when used up. */
    unsigned char *kept;
    size_t kept_len;
    uint64_t last_seal_ms;
    uint32_t burst_bytes; /* since the last silence */
    enum tls_phase phase : 8;
    bool is_shaken : 1;     /* the handshake was done, whatever came after */
    bool is_read_ended : 1; /* close_notify came */
};

/* Takes over `ssl` (NULL is accepted) and joins it to `transport`. NULL with err: nothing is left of
 * it. The filter is not installed yet. */
struct transport_tls *transport_tls_new(struct transport *transport, SSL *ssl,
                                        const struct transport_tls_events *events, void *owner,
                                        struct err *err);
void transport_tls_install(struct transport_tls *tls);
void transport_tls_free(struct transport_tls *tls);

#endif
