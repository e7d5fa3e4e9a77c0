#include "perf/tools/tls_peer.h"

#include <errno.h>
#include <limits.h>
#include <openssl/base64.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "gateway/base/check.h"

/* --- Contexts ----------------------------------------------------------------------------------- */

/* The ticket that the next connection offers. One client context a process is all there is. */
static SSL_SESSION *latest;

static int tls_peer_keep_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(latest);
    latest = session;
    return 1; /* the reference is ours */
}

static SSL_CTX *tls_peer_new_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());

    CHECK(context != NULL);
    CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION));
    CHECK(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION));
    /* One key share, whatever the library's default of today: groups decide a handshake's cost. */
    CHECK(SSL_CTX_set1_curves_list(context, "X25519"));
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

SSL_CTX *tls_peer_server_context(const char *cert_file, const char *key_file)
{
    SSL_CTX *context = tls_peer_new_context();

    if (!SSL_CTX_use_certificate_chain_file(context, cert_file) ||
        !SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM)) {
        fprintf(stderr, "certificate %s, key %s:\n", cert_file, key_file);
        ERR_print_errors_fp(stderr);
        SSL_CTX_free(context);
        return NULL;
    }
    return context;
}

SSL_CTX *tls_peer_client_context(void)
{
    static const uint8_t alpn[] = "\x08http/1.1";
    SSL_CTX *context = tls_peer_new_context();

    CHECK(SSL_CTX_set_alpn_protos(context, alpn, sizeof(alpn) - 1) == 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, tls_peer_keep_session);
    return context;
}

void tls_peer_free_context(SSL_CTX *context)
{
    SSL_CTX_free(context);
    SSL_SESSION_free(latest);
    latest = NULL;
}

/* --- The BIO ------------------------------------------------------------------------------------ */

static int tls_peer_bio_result(BIO *bio, ssize_t result, int again)
{
    BIO_clear_retry_flags(bio);
    if (result == TLS_PEER_AGAIN) {
        BIO_set_flags(bio, again | BIO_FLAGS_SHOULD_RETRY);
    }
    return result >= 0 ? (int)result : -1;
}

static int tls_peer_bio_read(BIO *bio, char *out, int size)
{
    struct tls_peer_io *io = BIO_get_data(bio);

    return tls_peer_bio_result(bio, io->pull(io, out, (size_t)size), BIO_FLAGS_READ);
}

static int tls_peer_bio_write(BIO *bio, const char *bytes, int len)
{
    struct tls_peer_io *io = BIO_get_data(bio);

    return tls_peer_bio_result(bio, io->push(io, bytes, (size_t)len), BIO_FLAGS_WRITE);
}

static long tls_peer_bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO *tls_peer_new_bio(struct tls_peer_io *io)
{
    static BIO_METHOD *method;

    if (method == NULL) {
        method = BIO_meth_new(0, "bench");
        CHECK(method != NULL);
        CHECK(BIO_meth_set_read(method, tls_peer_bio_read));
        CHECK(BIO_meth_set_write(method, tls_peer_bio_write));
        CHECK(BIO_meth_set_ctrl(method, tls_peer_bio_control));
    }
    BIO *bio = BIO_new(method);
    CHECK(bio != NULL);
    BIO_set_data(bio, io);
    BIO_set_init(bio, 1);
    return bio;
}

/* --- Connections -------------------------------------------------------------------------------- */

static SSL *tls_peer_new(SSL_CTX *context, struct tls_peer_io *io)
{
    SSL *ssl = SSL_new(context);
    BIO *bio = tls_peer_new_bio(io);

    CHECK(ssl != NULL);
    SSL_set_bio(ssl, bio, bio);
    return ssl;
}

SSL *tls_peer_accept(SSL_CTX *context, struct tls_peer_io *io)
{
    SSL *ssl = tls_peer_new(context, io);

    SSL_set_accept_state(ssl);
    return ssl;
}

SSL *tls_peer_connect(SSL_CTX *context, struct tls_peer_io *io, const char *name, bool resume,
                      bool *offers)
{
    SSL *ssl = tls_peer_new(context, io);

    SSL_set_connect_state(ssl);
    CHECK(SSL_set_tlsext_host_name(ssl, name));
    *offers = resume && latest != NULL;
    if (*offers) {
        CHECK(SSL_set_session(ssl, latest));
    }
    return ssl;
}

SSL *tls_peer_accept_on(SSL_CTX *context, int fd)
{
    SSL *ssl = SSL_new(context);

    CHECK(ssl != NULL);
    CHECK(SSL_set_fd(ssl, fd));
    SSL_set_accept_state(ssl);
    return ssl;
}

void tls_peer_free(SSL *ssl)
{
    SSL_free(ssl);
}

static int tls_peer_why(const SSL *ssl, int result)
{
    int error = SSL_get_error(ssl, result);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        return TLS_PEER_AGAIN;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    bool cut = error == SSL_ERROR_SYSCALL && result == 0;
    ERR_clear_error();
    return cut ? TLS_PEER_CUT : TLS_PEER_FAILED;
}

int tls_peer_handshake(SSL *ssl)
{
    int result = SSL_do_handshake(ssl);

    if (result == 1) {
        return 1;
    }
    result = tls_peer_why(ssl, result);
    return result == 0 ? TLS_PEER_FAILED : result;
}

bool tls_peer_is_resumed(const SSL *ssl)
{
    return SSL_session_reused(ssl) != 0;
}

ssize_t tls_peer_read(SSL *ssl, char *out, size_t size)
{
    int result = SSL_read(ssl, out, size < INT_MAX ? (int)size : INT_MAX);

    return result > 0 ? result : tls_peer_why(ssl, result);
}

ssize_t tls_peer_write(SSL *ssl, const char *bytes, size_t len)
{
    int result = SSL_write(ssl, bytes, len < INT_MAX ? (int)len : INT_MAX);

    if (result > 0) {
        return result;
    }
    result = tls_peer_why(ssl, result);
    return result == 0 ? TLS_PEER_FAILED : result;
}

void tls_peer_shutdown(SSL *ssl)
{
    if (SSL_shutdown(ssl) < 0) {
        ERR_clear_error();
    }
}

void tls_peer_sha1_base64(const char *bytes, size_t len, char out[29])
{
    uint8_t digest[SHA_DIGEST_LENGTH];

    (void)SHA1((const uint8_t *)bytes, len, digest);
    CHECK(EVP_EncodeBlock((uint8_t *)out, digest, sizeof(digest)) == 28);
}

const char *tls_peer_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
