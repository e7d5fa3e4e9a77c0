/* tls_bio: between the library and a transport. One BIO serves all connections of a thread: it reads
 * from the bytes the connection at work was given, wherever they lie, and what it writes goes to that
 * connection's transport, which gathers it. So a connection owns none. */
#ifndef TLS_TLS_BIO_H
#define TLS_TLS_BIO_H

#include <openssl/bio.h>

struct transport_tls;

/* A reference to this thread's BIO; NULL: out of memory. */
BIO *tls_bio_ref(void);
/* Names the connection at work. Before each call of the library that reads or writes. */
void tls_bio_enter(struct transport_tls *tls);

#endif
