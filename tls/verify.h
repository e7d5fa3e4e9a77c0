/* verify: whether the certificate an upstream shows is good: signed by whom we trust, for the name we
 * mean (DR-65 to DR-67). For tls/ only. */
#ifndef TLS_VERIFY_H
#define TLS_VERIFY_H

#include "gateway/base/vec.h"
#include "tls/library.h"
#include "tls/secret.h"

#include <openssl/x509.h>

/* The CA certificates of `ca`, and its revocation lists where it has some (TL-90); NULL: the system's
 * trust store, read once per process. NULL with err. Counted by the library. */
X509_STORE *verify_open_trust(const struct secret *ca, struct err *err);

struct verify_demand {
    X509_STORE *trust;
    const struct str_vec *subject_alt_names; /* any of them; empty: the server name decides */
    struct str server_name;                  /* empty: no name is asked for */
};

enum { VERIFY_WORDS_BYTES = 384 };

struct verify_failure {
    uint8_t alert;                  /* for the peer */
    char words[VERIFY_WORDS_BYTES]; /* "verify cert failed: ...", as DR-69 ends */
};

/* `chain`: DER, leaf first, as the peer sent it. */
bool verify_chain(const STACK_OF(CRYPTO_BUFFER) * chain, const struct verify_demand *demand,
                  struct verify_failure *failure);
/* 4 or 16 when `text` is an IP address, which `out` then holds; else 0. Takes no brackets. */
size_t verify_parse_address(struct str text, uint8_t out[16]);

#endif
