/* transport_tls: TLS as a filter on a transport, either side; how the client's side begins is in
 * transport_tls_connect.c. Owned by the transport, freed with it; one worker's.
 *
 * The library reads and writes through a BIO of ours (tls_bio): it reads from the bytes open() was called
 * with, wherever they lie, and what it writes goes to the transport, which gathers it. So a recv feeds
 * any number of records and a flight leaves in one send. An idle connection holds no buffer here.
 *
 *      HANDSHAKE ──▶ OPEN ──▶ FAILED         FAILED: nothing is read or written any more
 *          └────────────────────▲ */
#include "tls/transport_tls.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "tls/context_ssl.h"
#include "tls/handshake_failure.h"
#include "tls/tls_bio.h"
#include "tls/transport_tls_state.h"

#include <string.h>

enum {
    /* One record in one TCP segment: 1460 less options, header, nonce and tag. */
    RECORD_SMALL_BYTES = 1360,
    RECORD_MIDDLE_BYTES = 4096,
    RECORD_SMALL_UNTIL = 4 * RECORD_SMALL_BYTES,
    RECORD_MIDDLE_UNTIL = 64 * 1024,
    /* After such a silence the congestion window is small again, and so are the records. */
    RECORD_IDLE_MS = 1000,
    ALERT_RECORD_BYTES = 7,
};

/* --- Handshake and failure -------------------------------------------------------------------- */

/* What open() shall return: a failed handshake is its owner's to end, who may linger so that the alert
 * is read; anything later kills the transport. */
static bool tls_fail(struct transport_tls *tls, int ssl_error)
{
    struct handshake_failure failure;
    bool is_owners = tls->phase == TLS_HANDSHAKE && tls->events != NULL;

    /* Reading on after a fatal error would feed an attacker's bytes to a dead state machine. */
    tls->phase = TLS_FAILED;
    if (tls->peer != NULL) {
        /* A server that wants another client certificate says so after our handshake is done (TLS
         * 1.3), so the sentence of DR-69 is there from first to last. */
        handshake_failure_read_upstream(ssl_error, tls->peer->failure_words, &failure);
        transport_set_error(tls->transport, "%s", failure.detail);
    } else {
        handshake_failure_read(ssl_error, &failure);
        transport_set_error(tls->transport, "TLS: %s", failure.detail);
    }
    if (is_owners) {
        tls->events->on_handshake_failure(tls->owner, failure.reason, failure.detail);
    }
    return is_owners;
}

static const char *tls_group_name(const SSL *ssl)
{
#if HAVE_SSL_GROUP_NAME
    uint16_t id = SSL_get_group_id(ssl);
    const char *name = id != 0 ? SSL_get_group_name(id) : NULL;
#else
    uint16_t id = SSL_get_curve_id(ssl);
    const char *name = id != 0 ? SSL_get_curve_name(id) : NULL;
#endif

    return name != NULL ? name : "";
}

static void tls_read_facts(const struct transport_tls *tls, struct tls_session_facts *facts)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(tls->ssl);
    const uint8_t *alpn = NULL;
    unsigned alpn_len = 0;

    facts->version = SSL_get_version(tls->ssl);
    facts->cipher = cipher != NULL ? SSL_CIPHER_get_name(cipher) : "";
    facts->group = tls_group_name(tls->ssl);
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_len);
    facts->alpn = str_from((const char *)alpn, alpn_len);
    facts->server_name = str_from_cstr(SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name));
    facts->is_resumed = SSL_session_reused(tls->ssl) == 1;
}

/* As open(). What is not done when the input is used up goes on with the next bytes. */
static bool tls_shake_hands(struct transport_tls *tls)
{
    ERR_clear_error();
    tls_bio_enter(tls);
    int result = SSL_do_handshake(tls->ssl);

    if (result != 1) {
        int ssl_error = SSL_get_error(tls->ssl, result);
        return ssl_error == SSL_ERROR_WANT_READ ? true : tls_fail(tls, ssl_error);
    }
    tls->phase = TLS_OPEN;
    tls->is_shaken = true;
    if (tls->events != NULL) {
        struct tls_session_facts facts;
        tls_read_facts(tls, &facts);
        tls->events->on_handshake(tls->owner, &facts);
    }
    transport_retry_seal(tls->transport);
    return true;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void tls_keep_input(struct transport_tls *tls)
{
    unsigned char *kept = NULL;

    if (tls->input_len > 0) {
        kept = mem_alloc(tls->input_len);
        memcpy(kept, tls->input, tls->input_len);
    }
    mem_free(tls->kept); /* the input may lie in there */
    tls->kept = kept;
    tls->kept_len = tls->input_len;
    tls->input = NULL;
    tls->input_len = 0;
}

/* SSL_read() and SSL_write() of BoringSSL clear the error queue themselves; OpenSSL's do not.
 *
 * Plaintext of as many records as there are, up to the buffer's size. *ssl_error says why it ended;
 * SSL_ERROR_NONE: the buffer is full. */
static size_t tls_read_records(struct transport_tls *tls, unsigned char *out, int *ssl_error)
{
    size_t filled = 0;

    *ssl_error = SSL_ERROR_NONE;
    while (filled < LOOP_READ_BUFFER_BYTES) {
        tls_bio_enter(tls);
        int count = SSL_read(tls->ssl, out + filled, (int)(LOOP_READ_BUFFER_BYTES - filled));
        if (count <= 0) {
            *ssl_error = SSL_get_error(tls->ssl, count);
            break;
        }
        filled += (size_t)count;
        if (tls->input_len == 0 && SSL_has_pending(tls->ssl) == 0) {
            *ssl_error = SSL_ERROR_WANT_READ; /* what one more call would find out at some cost */
            break;
        }
    }
    return filled;
}

/* False: dead. True as well when the owner paused: the rest of the input is then kept. */
static bool tls_read_all(struct transport_tls *tls)
{
    unsigned char *plain = loop_plain_buffer(transport_loop(tls->transport));
    int ssl_error = SSL_ERROR_NONE;

    while (ssl_error == SSL_ERROR_NONE) {
        size_t count = tls_read_records(tls, plain, &ssl_error);
        /* The library's words are read before the owner's own calls overwrite them. */
        if (ssl_error != SSL_ERROR_NONE && ssl_error != SSL_ERROR_WANT_READ &&
            ssl_error != SSL_ERROR_ZERO_RETURN) {
            (void)tls_fail(tls, ssl_error);
        }
        if (ssl_error == SSL_ERROR_ZERO_RETURN) {
            tls->is_read_ended = true;
        }
        bool goes_on = count == 0 || transport_deliver(tls->transport, plain, count);
        if (tls->phase == TLS_FAILED) {
            return false;
        }
        if (tls->is_read_ended) {
            transport_deliver_end(tls->transport);
            return true;
        }
        if (!goes_on) {
            return true;
        }
    }
    return true;
}

static bool tls_open(void *filter, const unsigned char *bytes, size_t len)
{
    struct transport_tls *tls = filter;

    if (tls->phase == TLS_FAILED) {
        return false;
    }
    if (tls->is_read_ended) {
        return true; /* RFC 8446 6.1: what follows a close_notify is ignored */
    }
    if (tls->kept_len > 0 && len > 0) {
        tls->kept = mem_resize(tls->kept, tls->kept_len + len);
        memcpy(tls->kept + tls->kept_len, bytes, len);
        tls->kept_len += len;
    }
    tls->input = tls->kept_len > 0 ? tls->kept : bytes;
    tls->input_len = tls->kept_len > 0 ? tls->kept_len : len;
    bool is_alive = tls->phase == TLS_OPEN || tls_shake_hands(tls);
    if (is_alive && tls->phase == TLS_OPEN) {
        is_alive = tls_read_all(tls);
    }
    tls_keep_input(tls);
    return is_alive;
}

static bool tls_open_end(void *filter)
{
    struct transport_tls *tls = filter;

    if (tls->phase == TLS_HANDSHAKE) {
        tls->phase = TLS_FAILED;
        transport_set_error(tls->transport, "TLS: the peer closed during the handshake");
        if (tls->events != NULL) {
            tls->events->on_handshake_failure(tls->owner, "peer_closed",
                                              "the peer closed during the handshake");
        }
        return false;
    }
    return tls->is_read_ended;
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* How much the next record may hold: small at the start, so that the peer can use the first segment
 * without waiting for the second; large in bulk, where each record costs. */
static size_t tls_record_limit(struct transport_tls *tls)
{
    uint64_t now_ms = now_mono_ms();

    if (now_ms - tls->last_seal_ms > RECORD_IDLE_MS) {
        tls->burst_bytes = 0;
    }
    tls->last_seal_ms = now_ms;
    if (tls->burst_bytes < RECORD_SMALL_UNTIL) {
        return RECORD_SMALL_BYTES;
    }
    return tls->burst_bytes < RECORD_MIDDLE_UNTIL ? RECORD_MIDDLE_BYTES : LIMIT_TLS_RECORD_BYTES;
}

static size_t tls_seal(void *filter, const unsigned char *bytes, size_t len)
{
    struct transport_tls *tls = filter;
    size_t taken = 0;

    if (tls->phase != TLS_OPEN) {
        return tls->phase == TLS_HANDSHAKE ? 0 : SIZE_MAX;
    }
    while (taken < len) {
        size_t limit = tls_record_limit(tls);
        size_t part = len - taken < limit ? len - taken : limit;
        tls_bio_enter(tls);
        int written = SSL_write(tls->ssl, bytes + taken, (int)part);
        if (written <= 0) {
            /* The BIO takes everything, so there is nothing to wait for. */
            (void)tls_fail(tls, SSL_get_error(tls->ssl, written));
            return SIZE_MAX;
        }
        taken += (size_t)written;
        if (tls->burst_bytes < RECORD_MIDDLE_UNTIL) {
            tls->burst_bytes += (uint32_t)written;
        }
    }
    return taken;
}

static void tls_seal_end(void *filter)
{
    struct transport_tls *tls = filter;

    if (tls->phase == TLS_OPEN) {
        ERR_clear_error();
        tls_bio_enter(tls);
        /* Only ours is sent; the peer's close_notify comes with the bytes it still reads. */
        (void)SSL_shutdown(tls->ssl);
        ERR_clear_error();
    }
}

static void tls_free(void *filter)
{
    transport_tls_free(filter);
}

static const struct transport_filter_ops transport_tls_ops = {
    .open = tls_open,
    .open_end = tls_open_end,
    .seal = tls_seal,
    .seal_end = tls_seal_end,
    .free = tls_free,
};

/* --- Life ------------------------------------------------------------------------------------- */

void transport_tls_free(struct transport_tls *tls)
{
    SSL_free(tls->ssl);
    tls_context_unref(tls->context);
    if (tls->peer != NULL) {
        tls_client_peer_cleanup(tls->peer); /* after the SSL, whose callbacks look at it */
        mem_free(tls->peer);
    }
    mem_free(tls->kept);
    mem_free(tls);
    ERR_clear_error();
}

struct transport_tls *transport_tls_new(struct transport *transport, SSL *ssl,
                                        const struct transport_tls_events *events, void *owner,
                                        struct err *err)
{
    struct transport_tls *tls = mem_new(struct transport_tls);
    BIO *bio = ssl != NULL ? tls_bio_ref() : NULL;

    tls->ssl = ssl;
    if (bio == NULL) {
        library_err(err, "cannot start TLS");
        transport_tls_free(tls);
        return NULL;
    }
    SSL_set_bio(ssl, bio, bio);
    /* What only the handshake needs is freed after it. */
    SSL_set_shed_handshake_config(ssl, 1);
    tls->transport = transport;
    tls->events = events;
    tls->owner = owner;
    return tls;
}

void transport_tls_install(struct transport_tls *tls)
{
    transport_set_filter(tls->transport, &transport_tls_ops, tls);
}

/* --- For the owner ---------------------------------------------------------------------------- */

struct transport_tls *transport_tls_accept(struct transport *transport, struct tls_context *context,
                                           const struct transport_tls_events *events, void *owner,
                                           struct err *err)
{
    SSL_CTX *ssl_ctx = tls_context_ssl_ctx(context, err);

    if (ssl_ctx == NULL) {
        return NULL;
    }
    ERR_clear_error();
    struct transport_tls *tls = transport_tls_new(transport, SSL_new(ssl_ctx), events, owner, err);
    if (tls == NULL) {
        return NULL;
    }
    SSL_set_accept_state(tls->ssl);
    tls->context = tls_context_ref(context);
    transport_tls_install(tls);
    return tls;
}

void transport_tls_set_events(struct transport *transport,
                              const struct transport_tls_events *events, void *owner)
{
    struct transport_tls *tls = transport_filter(transport);

    if (tls != NULL) {
        tls->events = events;
        tls->owner = owner;
    }
}

bool transport_tls_facts(const struct transport *transport, struct tls_session_facts *facts)
{
    const struct transport_tls *tls = transport_filter(transport);

    if (tls == NULL || !tls->is_shaken) {
        return false;
    }
    tls_read_facts(tls, facts);
    return true;
}

struct tls_context *transport_tls_context(const struct transport *transport)
{
    const struct transport_tls *tls = transport_filter(transport);

    return tls != NULL ? tls->context : NULL;
}

size_t transport_tls_plain_alert(unsigned char out[8], unsigned char alert)
{
    /* RFC 8446 5.1, 6: record type 21, the version old clients take, two bytes: fatal, which. */
    const unsigned char record[ALERT_RECORD_BYTES] = { 21, 3, 1, 0, 2, 2, alert };

    memcpy(out, record, sizeof(record));
    return sizeof(record);
}
