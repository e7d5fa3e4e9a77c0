/* transport_tls: TLS (either side) as a filter on a transport: handshake, read, write, close.
 * BoringSSL reads from the worker's buffer and writes into it through BIOs of our own, so one recv
 * feeds any number of records and one send carries them. One worker's. */
#ifndef TLS_TRANSPORT_TLS_H
#define TLS_TRANSPORT_TLS_H

#include "gateway/net/transport.h"
#include "tls/client_context.h"
#include "tls/context.h"

struct transport_tls;

/* What a finished handshake agreed on; strings are static or live as long as the transport. */
struct tls_session_facts {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* OpenSSL name for <= 1.2, IANA name for 1.3 */
    const char *group;   /* "X25519", or "" */
    struct str alpn;     /* "h2", "http/1.1", or empty */
    struct str server_name;
    bool is_resumed;
};

struct transport_tls_events {
    /* The handshake is done; application bytes follow through the transport's handler. */
    void (*on_handshake)(void *owner, const struct tls_session_facts *facts);
    /* It failed: an alert was sent where one can be. `reason` is a short stable word from a fixed
     * list (tls/handshake_failure.h; for metrics), `detail` free text (for the log). The owner closes the transport. */
    void (*on_handshake_failure)(void *owner, const char *reason, const char *detail);
};

/* Installs the filter; `context` is counted. Bytes of the ClientHello already read stay with the
 * transport (they are offered through the filter). `events` may be NULL after the handshake. */
struct transport_tls *transport_tls_accept(struct transport *transport, struct tls_context *context,
                                           const struct transport_tls_events *events, void *owner,
                                           struct err *err);
/* The client's side. `server_name` is asked for by SNI and, where the policy says so, checked against
 * the certificate; empty or an IP address: no SNI is sent (DR-63). The ClientHello leaves at the end of
 * the turn; bytes written before the handshake is done wait, but transport_end_write() does not: it ends
 * the handshake unless something waits. A certificate that fails the policy ends
 * in on_handshake_failure with a detail in the form of spec DR-69. */
struct transport_tls *transport_tls_connect(struct transport *transport,
                                            struct tls_client_context *context,
                                            struct str server_name,
                                            const struct transport_tls_events *events, void *owner,
                                            struct err *err);
/* Events go to another owner, or to nobody, from now on. */
void transport_tls_set_events(struct transport *transport,
                              const struct transport_tls_events *events, void *owner);
/* False before the handshake is done, or for a transport without TLS. `server_name` is what the client
 * asked for by SNI, whoever that is. They are the library's, looked up with each call. */
bool transport_tls_facts(const struct transport *transport, struct tls_session_facts *facts);
/* The server's side; NULL on the client's, or without TLS. */
struct tls_context *transport_tls_context(const struct transport *transport);
/* Writes a fatal alert in the clear, for refusals before a context is chosen: 112
 * unrecognized_name, 80 internal_error. `len` bytes for transport_write(). */
size_t transport_tls_plain_alert(unsigned char out[8], unsigned char alert);
enum {
    TLS_ALERT_INTERNAL_ERROR = 80,
    TLS_ALERT_UNRECOGNIZED_NAME = 112,
    TLS_ALERT_DECODE_ERROR = 50
};

#endif
