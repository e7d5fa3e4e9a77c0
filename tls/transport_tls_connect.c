/* transport_tls_connect: the client's side of TLS on a transport begins here; from the second flight on
 * both sides are one (transport_tls.c). One worker's. */
#include "gateway/base/mem.h"
#include "tls/client_context_ssl.h"
#include "tls/tls_bio.h"
#include "tls/transport_tls.h"
#include "tls/transport_tls_state.h"

/* The hello is written now: it gathers with a PROXY header before it and leaves at the end of the turn. */
static bool connect_say_hello(struct transport_tls *tls, struct err *err)
{
    ERR_clear_error();
    tls_bio_enter(tls);
    int result = SSL_do_handshake(tls->ssl);

    if (result == 1 || SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
        library_err(err, "cannot start TLS");
        return false;
    }
    return true;
}

struct transport_tls *transport_tls_connect(struct transport *transport,
                                            struct tls_client_context *context,
                                            struct str server_name,
                                            const struct transport_tls_events *events, void *owner,
                                            struct err *err)
{
    struct tls_client_peer *peer = mem_new(struct tls_client_peer);
    SSL *ssl = tls_client_context_new_ssl(context, server_name, peer, err);
    struct transport_tls *tls =
        ssl != NULL ? transport_tls_new(transport, ssl, events, owner, err) : NULL;

    if (tls == NULL) {
        tls_client_peer_cleanup(peer);
        mem_free(peer);
        return NULL;
    }
    tls->peer = peer;
    if (!connect_say_hello(tls, err)) {
        transport_tls_free(tls);
        return NULL;
    }
    transport_tls_install(tls);
    return tls;
}
