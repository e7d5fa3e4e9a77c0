/* secret: one key pair with its chain and CA: parsed, checked, fingerprinted. Counted, immutable;
 * shared by threads. Key bytes are wiped after parsing and never leave this folder. */
#ifndef TLS_SECRET_H
#define TLS_SECRET_H

#include "gateway/base/err.h"
#include "gateway/base/text.h"
#include "gateway/base/vec.h"

enum secret_key_kind { SECRET_KEY_RSA, SECRET_KEY_ECDSA, SECRET_KEY_ED25519 };

/* What a certificate says of itself; for pages, metrics and logs. */
struct secret_certificate {
    struct str subject; /* RFC 2253 */
    struct str issuer;
    struct str serial_hex;  /* lower case, as openssl prints it */
    struct str fingerprint; /* SHA-256 of the DER, lower hex */
    struct str_vec dns_names;
    struct str_vec ip_names;
    struct str_vec uri_names;
    int64_t not_before; /* Unix time */
    int64_t not_after;
};
VEC_STRUCT(secret_certificates, struct secret_certificate);

struct secret; /* holds SSL objects; see accessors */

/* The bytes of one secret, as found in a directory, files or a Secret document. Empty: absent. */
struct secret_source {
    struct str name;       /* "shop-cert" */
    struct str namespace_; /* empty: the gateway's own */
    struct str origin;     /* directory or FILE:LINE, for messages */
    struct str certificate_pem;
    struct str key_pem;
    struct str ca_pem;
    struct str crl_pem;
    struct str ocsp_staple_der;
};

/* One key of a Secret's data, or one file of its directory. */
struct secret_part {
    struct str key; /* "tls.crt" */
    struct str bytes;
};
/* The names that are looked at, ended by NULL. */
extern const char *const secret_part_keys[];
/* Fills the PEM and DER views of *source from its parts (TL-22, TL-23): `cert` and `key` when both are
 * there, else `tls.crt` and `tls.key`, else `tls-combined.pem`; CA from `cacert`, else `ca.crt`; `crl`
 * or `ca.crl`; `tls.ocsp-staple`. Half a pair is taken as it is: secret_parse() names what is missing. */
void secret_source_from_parts(struct secret_source *source, const struct secret_part *parts,
                              size_t count);

/* Checks before use (ecosystem section 8): parses, key fits leaf, order of chain, validity, serverAuth,
 * strength, must-staple. NULL with err when the pair cannot serve; otherwise `warnings` gets one line
 * each for what is doubtful (expired, not yet valid, weak, order mended); a leaf that is not valid at
 * `wall_s` is told first. */
struct secret *secret_parse(const struct secret_source *source, int64_t wall_s,
                            struct str_vec *warnings, struct arena *warning_arena, struct err *err);
/* The same, but for the one check that takes as long as all others together: whether the private half
 * of the key belongs to the public half written beside it. secret_check_key() makes up for it. */
struct secret *secret_parse_deferred(const struct secret_source *source, int64_t wall_s,
                                     struct str_vec *warnings, struct arena *warning_arena,
                                     struct err *err);
/* Whether that check is still due. */
bool secret_is_key_unchecked(const struct secret *secret);
/* Makes it. False with err: the key is broken, and every handshake with it fails. One thread. */
bool secret_check_key(struct secret *secret, struct err *err);
struct secret *secret_ref(struct secret *secret);
void secret_unref(struct secret *secret);
struct str secret_name(const struct secret *secret);
struct str secret_namespace(const struct secret *secret);
struct str secret_origin(const struct secret *secret);
enum secret_key_kind secret_key_kind(const struct secret *secret);
/* False: holds a CA only (TL-24) and cannot serve. */
bool secret_has_pair(const struct secret *secret);
/* Leaf first. */
const struct secret_certificates *secret_chain(const struct secret *secret);
const struct secret_certificates *secret_ca(const struct secret *secret);
enum secret_validity { SECRET_VALID, SECRET_IS_EXPIRED, SECRET_IS_NOT_YET };
/* Of the leaf; a CA alone is always valid. */
enum secret_validity secret_validity_at(const struct secret *secret, int64_t wall_s);
/* SHA-256 over all public parts: changes with any of them. Lower hex. */
struct str secret_identity(const struct secret *secret);
/* By SAN (CN only without SAN extension, TL-80); wildcard covers one label (RFC 6125). */
bool secret_covers_host(const struct secret *secret, struct str host);

#endif
