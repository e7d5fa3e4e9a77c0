/* certificate: what a certificate says of itself, and what speaks against using it. For tls/ only. */
#ifndef TLS_CERTIFICATE_H
#define TLS_CERTIFICATE_H

#include "tls/library.h"
#include "tls/secret.h"

#include <openssl/x509.h>

/* Fills *out from `certificate`; all text is copied into `arena`. */
void certificate_describe(X509 *certificate, struct arena *arena, struct secret_certificate *out);
/* The common name, folded to lower case; empty when there is none. */
struct str certificate_common_name(X509 *certificate, struct arena *arena);
bool certificate_has_alt_names(X509 *certificate);
bool certificate_allows_server(X509 *certificate); /* no extended key usage, or one that fits */
bool certificate_needs_staple(X509 *certificate);  /* must-staple, RFC 7633 */
bool certificate_is_self_signed(X509 *certificate);
/* "SHA-1" or "MD5" when the signature rests on it, else NULL. */
const char *certificate_weak_digest(X509 *certificate);
/* Whether a name of a certificate stands for `host`, which is no address: `*` is one whole label, the
 * leftmost (RFC 6125 6.4.3). */
bool certificate_name_covers(struct str pattern, struct str host);
bool certificate_is_issued_by(X509 *certificate, X509 *issuer);

#endif
