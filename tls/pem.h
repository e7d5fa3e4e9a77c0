/* pem: certificates and private keys out of PEM text (RFC 7468). For tls/ only. */
#ifndef TLS_PEM_H
#define TLS_PEM_H

#include "gateway/base/vec.h"
#include "tls/library.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

VEC_STRUCT(x509_vec, X509 *);
VEC_STRUCT(crl_vec, X509_CRL *);

/* Certificates in the order of the text; other blocks are passed over, so a combined file will do.
 * At most `limit`. No certificate at all is fine: the caller knows what it asked for. */
bool pem_read_certificates(struct str pem, size_t limit, struct x509_vec *certificates,
                           struct err *err);
void pem_free_certificates(struct x509_vec *certificates);
/* The first private key in DER; NULL with err when there is none or it cannot be used (encrypted, damaged).
 * ERR_NOT_FOUND: the text has no key at all. Freed, and wiped by that, by OPENSSL_free(). */
uint8_t *pem_read_key(struct str pem, size_t *len, struct err *err);
/* Checks that its two halves belong together. NULL with err. */
EVP_PKEY *pem_parse_key(const uint8_t *der, size_t len, struct err *err);
/* All revocation lists of the text; false with err when one cannot be read. Freed by pem_free_crls() either
 * way. */
bool pem_read_crls(struct str pem, struct crl_vec *crls, struct err *err);
void pem_free_crls(struct crl_vec *crls);

#endif
