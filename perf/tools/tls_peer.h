/* tls_peer: the bench tools' door to BoringSSL, the daemon's own library, so that a figure is not one
 * of two libraries. TLS 1.3 only, X25519, no check of certificates (the load measures the proxy). */
#ifndef PERF_TOOLS_TLS_PEER_H
#define PERF_TOOLS_TLS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* BoringSSL's SSL_CTX and SSL. */
struct ssl_ctx_st;
struct ssl_st;

/* Results below zero of reads, writes and handshakes; 0 of a read is the end. */
#define TLS_PEER_AGAIN (-1)
#define TLS_PEER_FAILED (-2)
/* The other side closed without close_notify: the bytes may be cut. */
#define TLS_PEER_CUT (-3)

/* Where an SSL takes its records from and puts them; results as above, a push takes all or nothing. */
struct tls_peer_io {
    ssize_t (*pull)(struct tls_peer_io *io, char *out, size_t size);
    ssize_t (*push)(struct tls_peer_io *io, const char *bytes, size_t len);
};

/* NULL with a message on standard error. Tickets are on, as the library has them. */
struct ssl_ctx_st *tls_peer_server_context(const char *cert_file, const char *key_file);
/* Offers http/1.1; keeps the latest ticket of any of its connections. */
struct ssl_ctx_st *tls_peer_client_context(void);
void tls_peer_free_context(struct ssl_ctx_st *context);

/* Over `io`, which outlives it. `name` is the SNI. */
struct ssl_st *tls_peer_accept(struct ssl_ctx_st *context, struct tls_peer_io *io);
/* *offers: whether there was a ticket to offer; with `resume` false none is. */
struct ssl_st *tls_peer_connect(struct ssl_ctx_st *context, struct tls_peer_io *io,
                                const char *name, bool resume, bool *offers);
/* Over the socket itself, by the library's own reads and writes. */
struct ssl_st *tls_peer_accept_on(struct ssl_ctx_st *context, int fd);
void tls_peer_free(struct ssl_st *ssl);

/* 1 when done. */
int tls_peer_handshake(struct ssl_st *ssl);
bool tls_peer_is_resumed(const struct ssl_st *ssl);
/* One record at most. */
ssize_t tls_peer_read(struct ssl_st *ssl, char *out, size_t size);
/* May take less than all. */
ssize_t tls_peer_write(struct ssl_st *ssl, const char *bytes, size_t len);
/* close_notify, once. */
void tls_peer_shutdown(struct ssl_st *ssl);

/* The library's SHA-1 in base64, for Sec-WebSocket-Accept (RFC 6455 4.2.2); 29 bytes with the NUL. */
void tls_peer_sha1_base64(const char *bytes, size_t len, char out[29]);
/* How the library names itself. */
const char *tls_peer_library(void);

#endif
