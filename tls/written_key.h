/* written_key: what a private key says of itself in DER (RFC 5208, 5915, 8017), believed unchecked: its
 * kind and the public half that is written beside the private one. It costs no arithmetic, which is
 * what a full reading consists of. Pure; for tls/ only. */
#ifndef TLS_WRITTEN_KEY_H
#define TLS_WRITTEN_KEY_H

#include "tls/library.h"
#include "tls/secret.h"

#include <openssl/x509.h>

struct written_key {
    enum secret_key_kind kind; /* RSA or ECDSA */
    int curve_nid;             /* ECDSA */
    unsigned bits;             /* RSA: of the modulus */
    struct str
        public_half; /* as in a SubjectPublicKeyInfo: a point, or modulus and exponent; a view */
};

/* False: of another form, kind or curve, or without its public half; only a full reading tells. */
bool written_key_read(const uint8_t *der, size_t len, struct written_key *key);
/* Whether the certificate is for this public half. */
bool written_key_fits(const struct written_key *key, X509 *certificate);

#endif
