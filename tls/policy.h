/* policy: what a TLS server of a Gateway demands: versions, suites, curves; names to checked values
 * (spec 3.4 to 3.6). Pure but for the question which names the linked library has. */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "gateway/base/vec.h"
#include "tls/secret.h"

enum tls_version {
    TLS_VERSION_AUTO,
    TLS_VERSION_1_0,
    TLS_VERSION_1_1,
    TLS_VERSION_1_2,
    TLS_VERSION_1_3
};

/* What a server offers by ALPN. Zero is what an HTTPS server wants. */
enum tls_alpn {
    TLS_ALPN_HTTP, /* "h2", then "http/1.1" (TL-70) */
    TLS_ALPN_NONE, /* TLS ends here, bytes go on: nobody knows what the backend speaks (TL-72) */
};

struct tls_policy {
    enum tls_version min_version; /* never AUTO once compiled: TL-40 */
    enum tls_version max_version;
    struct str cipher_list; /* checked, in BoringSSL's syntax; TL-55's list by default */
    struct str curve_list;  /* "X25519:P-256" */
    enum tls_alpn alpn;
    struct str key; /* all of it as text: equal keys, equal policies */
};

/* What a field of the configuration asks for; views are good during the call. */
struct tls_policy_request {
    enum tls_version min_version;
    enum tls_version max_version;
    const struct str *cipher_suites;
    size_t cipher_suite_count;
    const struct str *ecdh_curves;
    size_t ecdh_curve_count;
    enum tls_alpn alpn;
};

/* One thing to tell about a request. */
struct tls_policy_note {
    bool is_error;     /* the server cannot be served */
    const char *field; /* "cipherSuites", "minProtocolVersion", ... */
    size_t index;      /* within the list, or SIZE_MAX */
    struct str text;   /* says what the linked library accepts */
};
VEC_STRUCT(tls_policy_notes, struct tls_policy_note);

/* False when some note is an error (empty rest, TL-53; max < min, TL-42). Unknown or unusable names
 * are dropped with a warning each (TL-52, TL-58). Memory from `arena`. */
bool tls_policy_compile(struct arena *arena, const struct tls_policy_request *request,
                        struct tls_policy *policy, struct tls_policy_notes *notes);
const char *tls_version_name(enum tls_version version); /* "TLSv1.2" */
/* What holds where nothing is configured, and always towards upstreams (TL-55, TL-61, DR-62). Static. */
const char *tls_policy_default_ciphers(void);
const char *tls_policy_default_curves(void);
/* Whether some handshake can succeed with a key of that kind: TLS 1.3 always, else a suite of the list
 * must fit (TL-58c). */
bool tls_policy_fits_key(const struct tls_policy *policy, enum secret_key_kind kind);

#endif
