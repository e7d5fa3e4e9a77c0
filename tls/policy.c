/* policy: the tls settings of a Gateway server, checked against the linked library. Which names are
 * suites is asked of the library, never kept in a table of our own, so a newer one is used to the
 * full. Control thread; all memory is the caller's arena's. */
#include "tls/policy.h"

#include "gateway/base/text.h"
#include "tls/library.h"

#include <openssl/nid.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

/* TL-55 */
#define POLICY_DEFAULT_CIPHERS                                                                     \
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"                               \
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
/* TL-61 */
#define POLICY_DEFAULT_CURVES "X25519:P-256"

/* TL-50 and TL-58a, in Istio's order; the library is asked which of them it has. */
static const char *const policy_known_suites[] = {
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
};
/* TL-60 */
static const char *const policy_known_curves[] = {
    "P-224", "P-256", "P-384", "P-521", "X25519", "X25519Kyber768Draft00", "X25519MLKEM768",
};
/* RFC 8446 B.4, and the names the library cannot do */
static const char *const policy_tls13_suites[] = {
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",   "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256",
};

#define POLICY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct policy_compiler {
    struct arena *arena;
    struct tls_policy_notes *notes;
    SSL_CTX *scratch;
    const char *field;
    size_t index; /* of the entry being looked at */
    bool has_error;
    struct str_vec tokens; /* of the list being made; in the arena */
    struct str_vec seen;   /* canonical names in it */
};

static void policy_note(struct policy_compiler *compiler, bool is_error, const char *field,
                        size_t index, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void policy_note(struct policy_compiler *compiler, bool is_error, const char *field,
                        size_t index, const char *format, ...)
{
    struct tls_policy_note note = { .is_error = is_error, .field = field, .index = index };
    va_list args;

    va_start(args, format);
    note.text = arena_vprintf(compiler->arena, format, args);
    va_end(args);
    vec_push_in_arena(compiler->arena, compiler->notes, note);
    compiler->has_error = compiler->has_error || is_error;
}

const char *tls_version_name(enum tls_version version)
{
    switch (version) {
    case TLS_VERSION_1_0:
        return "TLSv1";
    case TLS_VERSION_1_1:
        return "TLSv1.1";
    case TLS_VERSION_1_2:
        return "TLSv1.2";
    case TLS_VERSION_1_3:
        return "TLSv1.3";
    case TLS_VERSION_AUTO:
        break;
    }
    return "auto";
}

/* --- What the library has --------------------------------------------------------------------- */

/* The strict call: unknown names, blanks and commas are refused (TL-54). */
static bool policy_library_takes(SSL_CTX *scratch, const char *list)
{
    ERR_clear_error();
    bool is_taken = SSL_CTX_set_strict_cipher_list(scratch, list) == 1;
    ERR_clear_error();
    return is_taken;
}

/* Keys of our own are certificates; a suite that encrypts nothing is no protection at all. */
static bool policy_is_usable(const SSL_CIPHER *cipher)
{
    return SSL_CIPHER_get_cipher_nid(cipher) != NID_undef &&
           (SSL_CIPHER_get_auth_nid(cipher) == NID_auth_rsa ||
            SSL_CIPHER_get_auth_nid(cipher) == NID_auth_ecdsa);
}

/* The suite that `name` is, by OpenSSL's or IANA's spelling (TL-54a); NULL for aliases, which stand
 * for several, and for what the library does not have. */
static const SSL_CIPHER *policy_find_suite(SSL_CTX *scratch, struct str name)
{
    char list[80];

    if (name.len == 0 || name.len >= sizeof(list) || memchr(name.ptr, ':', name.len) != NULL) {
        return NULL;
    }
    memcpy(list, name.ptr, name.len);
    list[name.len] = '\0';
    if (!policy_library_takes(scratch, list)) {
        return NULL;
    }
    const STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(scratch);
    if (sk_SSL_CIPHER_num(suites) != 1) {
        return NULL;
    }
    const SSL_CIPHER *suite = sk_SSL_CIPHER_value(suites, 0);
    if (!str_equals(name, str_from_cstr(SSL_CIPHER_get_name(suite))) &&
        !str_equals(name, str_from_cstr(SSL_CIPHER_standard_name(suite)))) {
        return NULL;
    }
    return policy_is_usable(suite) ? suite : NULL;
}

static char policy_accepted[POLICY_COUNT(policy_known_suites) * 32];
static pthread_once_t policy_accepted_once = PTHREAD_ONCE_INIT;

static void policy_fill_accepted(void)
{
    SSL_CTX *scratch = library_new_ssl_ctx();
    struct text text = { 0 };

    for (size_t i = 0; i < POLICY_COUNT(policy_known_suites); i++) {
        if (policy_find_suite(scratch, str_from_cstr(policy_known_suites[i])) != NULL) {
            text_printf(&text, "%s%s", text.len > 0 ? " " : "", policy_known_suites[i]);
        }
    }
    SSL_CTX_free(scratch);
    (void)snprintf(policy_accepted, sizeof(policy_accepted), "%s", text.ptr);
    text_cleanup(&text);
}

static const char *policy_accepted_suites(void)
{
    (void)pthread_once(&policy_accepted_once, policy_fill_accepted); /* cannot fail */
    return policy_accepted;
}

/* --- cipherSuites (spec 3.5) ------------------------------------------------------------------ */

static bool policy_is_tls13_suite(struct str name)
{
    for (size_t i = 0; i < POLICY_COUNT(policy_tls13_suites); i++) {
        if (str_equals(name, str_from_cstr(policy_tls13_suites[i]))) {
            return true;
        }
    }
    return false;
}

/* One name, of an entry or of a group. Empty when it is dropped, which is then noted. */
static struct str policy_accept_suite(struct policy_compiler *compiler, struct str name)
{
    const SSL_CIPHER *suite = policy_find_suite(compiler->scratch, name);

    if (policy_is_tls13_suite(name)) {
        policy_note(compiler, false, compiler->field, compiler->index,
                    "%.*s is a TLS 1.3 suite: these are fixed by the library and used whenever TLS "
                    "1.3 is; dropped from the list",
                    STR_ARG(name));
        return (struct str){ 0 };
    }
    if (suite == NULL) {
        policy_note(compiler, false, compiler->field, compiler->index,
                    "%.*s is no suite of the linked BoringSSL, dropped; it accepts: %s",
                    STR_ARG(name), policy_accepted_suites());
        return (struct str){ 0 };
    }
    struct str canonical =
        arena_copy_str(compiler->arena, str_from_cstr(SSL_CIPHER_get_name(suite)));
    for (size_t i = 0; i < compiler->seen.count; i++) {
        if (str_equals(compiler->seen.items[i], canonical)) {
            policy_note(compiler, false, compiler->field, compiler->index,
                        "%.*s is in the list already, dropped", STR_ARG(name));
            return (struct str){ 0 };
        }
    }
    vec_push_in_arena(compiler->arena, &compiler->seen, canonical);
    return canonical;
}

/* "[A|B]": members of equal preference, between which the client's order decides (TL-56). */
static struct str policy_accept_group(struct policy_compiler *compiler, struct str token)
{
    struct text text = { 0 };
    struct str rest = str_slice(token, 1, token.len - 2);
    struct str name;
    size_t count = 0;

    while (str_split_next(&rest, '|', &name)) {
        struct str canonical = policy_accept_suite(compiler, name);
        if (canonical.len > 0) {
            text_printf(&text, "%s%.*s", count > 0 ? "|" : "", STR_ARG(canonical));
            count++;
        }
    }
    struct str group = { 0 };
    if (count == 1) {
        group = arena_copy_str(compiler->arena, text_view(&text));
    } else if (count > 1) {
        group = arena_printf(compiler->arena, "[%.*s]", STR_ARG(text_view(&text)));
    }
    text_cleanup(&text);
    return group;
}

/* "-X", "+X", "!X", "@STRENGTH" work on what the list has so far; the library must know X. */
static struct str policy_accept_operator(struct policy_compiler *compiler, struct str token)
{
    char list[96];

    /* With a suite that no operator names behind it, or "!ALL" would leave nothing and be refused for
     * that. */
    if (token.len < 64 && str_find_char(token, ':') == SIZE_MAX &&
        str_find_char(token, '\0') == SIZE_MAX) {
        (void)snprintf(list, sizeof(list), "AES128-SHA:%.*s", STR_ARG(token));
        ERR_clear_error();
        bool is_known = SSL_CTX_set_strict_cipher_list(compiler->scratch, list) == 1 ||
                        ERR_GET_REASON(ERR_peek_error()) == SSL_R_NO_CIPHER_MATCH;
        ERR_clear_error();
        if (is_known) {
            return arena_copy_str(compiler->arena, token);
        }
    }
    policy_note(compiler, false, compiler->field, compiler->index,
                "%.*s is no operation the linked BoringSSL knows (-NAME, +NAME, !NAME, @STRENGTH, "
                "[NAME|NAME]), dropped",
                STR_ARG(token));
    return (struct str){ 0 };
}

static struct str policy_accept_entry(struct policy_compiler *compiler, struct str entry)
{
    if (entry.len == 0) {
        policy_note(compiler, false, compiler->field, compiler->index, "an empty name, dropped");
        return (struct str){ 0 };
    }
    if (str_equals(entry, STR("ALL"))) {
        return STR("ALL");
    }
    if (entry.len > 2 && entry.ptr[0] == '[' && entry.ptr[entry.len - 1] == ']') {
        return policy_accept_group(compiler, entry);
    }
    if (strchr("-+!@", entry.ptr[0]) != NULL && entry.ptr[0] != '\0') {
        return policy_accept_operator(compiler, entry);
    }
    if (str_find_char(entry, ':') != SIZE_MAX || str_find_char(entry, ',') != SIZE_MAX) {
        policy_note(
            compiler, false, compiler->field, compiler->index,
            "'%.*s' holds several names; write one name for each entry of the list; dropped",
            STR_ARG(entry));
        return (struct str){ 0 };
    }
    return policy_accept_suite(compiler, entry);
}

static struct str policy_join(struct policy_compiler *compiler)
{
    struct text text = { 0 };

    for (size_t i = 0; i < compiler->tokens.count; i++) {
        text_printf(&text, "%s%.*s", i > 0 ? ":" : "", STR_ARG(compiler->tokens.items[i]));
    }
    struct str joined = arena_copy_str(compiler->arena, text_view(&text));
    text_cleanup(&text);
    return joined;
}

static size_t policy_usable_count(SSL_CTX *scratch)
{
    const STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(scratch);
    size_t count = 0;

    for (size_t i = 0; suites != NULL && i < sk_SSL_CIPHER_num(suites); i++) {
        count += policy_is_usable(sk_SSL_CIPHER_value(suites, i)) ? 1 : 0;
    }
    return count;
}

static void policy_compile_ciphers(struct policy_compiler *compiler,
                                   const struct tls_policy_request *request,
                                   struct tls_policy *policy)
{
    char reason[LIBRARY_ERROR_BYTES];

    policy->cipher_list = STR(POLICY_DEFAULT_CIPHERS);
    compiler->field = "cipherSuites";
    if (request->cipher_suite_count > 0 && policy->min_version == TLS_VERSION_1_3) {
        policy_note(compiler, false, compiler->field, SIZE_MAX,
                    "without effect: minProtocolVersion is TLS 1.3, whose suites are fixed by the "
                    "library");
        return;
    }
    for (size_t i = 0; i < request->cipher_suite_count; i++) {
        compiler->index = i;
        struct str token = policy_accept_entry(compiler, str_trim(request->cipher_suites[i]));
        if (token.len > 0) {
            vec_push_in_arena(compiler->arena, &compiler->tokens, token);
        }
    }
    if (request->cipher_suite_count == 0) {
        return;
    }
    if (compiler->tokens.count == 0) {
        policy_note(compiler, true, compiler->field, SIZE_MAX,
                    "no usable suite is left; the linked BoringSSL accepts: %s",
                    policy_accepted_suites());
        return;
    }
    policy->cipher_list = policy_join(compiler);
    /* Each entry is fine by itself; operators after groups, or everything taken away, are not. */
    ERR_clear_error();
    if (SSL_CTX_set_strict_cipher_list(compiler->scratch, policy->cipher_list.ptr) != 1) {
        policy_note(compiler, true, compiler->field, SIZE_MAX,
                    "the library refuses the list %.*s: %s", STR_ARG(policy->cipher_list),
                    library_take_error(reason));
    } else if (policy_usable_count(compiler->scratch) == 0) {
        policy_note(compiler, true, compiler->field, SIZE_MAX,
                    "no usable suite is left; the linked BoringSSL accepts: %s",
                    policy_accepted_suites());
    }
}

/* --- ecdhCurves (spec 3.6) -------------------------------------------------------------------- */

static bool policy_has_curve(SSL_CTX *scratch, struct str name)
{
    for (size_t i = 0; i < POLICY_COUNT(policy_known_curves); i++) {
        if (str_equals(name, str_from_cstr(policy_known_curves[i]))) {
            ERR_clear_error();
            bool has_curve = SSL_CTX_set1_curves_list(scratch, policy_known_curves[i]) == 1;
            ERR_clear_error();
            return has_curve;
        }
    }
    return false;
}

static struct str policy_accepted_curves(struct policy_compiler *compiler)
{
    struct str accepted = STR("");

    for (size_t i = 0; i < POLICY_COUNT(policy_known_curves); i++) {
        if (policy_has_curve(compiler->scratch, str_from_cstr(policy_known_curves[i]))) {
            accepted = arena_printf(compiler->arena, "%.*s%s%s", STR_ARG(accepted),
                                    accepted.len > 0 ? " " : "", policy_known_curves[i]);
        }
    }
    return accepted;
}

static bool policy_contains(const struct str_vec *names, struct str name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (str_equals(names->items[i], name)) {
            return true;
        }
    }
    return false;
}

static void policy_compile_curves(struct policy_compiler *compiler,
                                  const struct tls_policy_request *request,
                                  struct tls_policy *policy)
{
    policy->curve_list = STR(POLICY_DEFAULT_CURVES);
    compiler->field = "ecdhCurves";
    memset(&compiler->tokens, 0, sizeof(compiler->tokens));
    for (size_t i = 0; i < request->ecdh_curve_count; i++) {
        struct str name = str_trim(request->ecdh_curves[i]);
        if (!policy_has_curve(compiler->scratch, name)) {
            struct str accepted = policy_accepted_curves(compiler);
            policy_note(compiler, false, compiler->field, i,
                        "%.*s is no curve of the linked BoringSSL, dropped; it accepts: %.*s",
                        STR_ARG(name), STR_ARG(accepted));
        } else if (policy_contains(&compiler->tokens, name)) {
            policy_note(compiler, false, compiler->field, i, "%.*s is in the list already, dropped",
                        STR_ARG(name));
        } else {
            vec_push_in_arena(compiler->arena, &compiler->tokens, name);
        }
    }
    if (request->ecdh_curve_count == 0) {
        return;
    }
    if (compiler->tokens.count == 0) {
        struct str accepted = policy_accepted_curves(compiler);
        policy_note(compiler, true, compiler->field, SIZE_MAX,
                    "no usable curve is left; the linked BoringSSL accepts: %.*s",
                    STR_ARG(accepted));
        return;
    }
    policy->curve_list = policy_join(compiler);
}

/* --- Versions (spec 3.4) ---------------------------------------------------------------------- */

static void policy_compile_versions(struct policy_compiler *compiler,
                                    const struct tls_policy_request *request,
                                    struct tls_policy *policy)
{
    /* TL-40 */
    policy->min_version =
        request->min_version != TLS_VERSION_AUTO ? request->min_version : TLS_VERSION_1_2;
    policy->max_version =
        request->max_version != TLS_VERSION_AUTO ? request->max_version : TLS_VERSION_1_3;
    if (policy->max_version < policy->min_version) {
        /* TL-42 */
        policy_note(compiler, true, "maxProtocolVersion", SIZE_MAX,
                    "%s is below the minimum, %s%s; no version is left",
                    tls_version_name(policy->max_version), tls_version_name(policy->min_version),
                    request->min_version == TLS_VERSION_AUTO
                        ? " by default (set minProtocolVersion as well)"
                        : "");
    }
}

/* TL-41, TL-58b: TLS 1.0 and 1.1 need a suite of CBC and SHA-1. */
static void policy_check_old_versions(struct policy_compiler *compiler,
                                      const struct tls_policy_request *request,
                                      const struct tls_policy *policy)
{
    if (policy->min_version >= TLS_VERSION_1_2 || compiler->has_error ||
        !policy_library_takes(compiler->scratch, policy->cipher_list.ptr)) {
        return;
    }
    const STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(compiler->scratch);
    for (size_t i = 0; i < sk_SSL_CIPHER_num(suites); i++) {
        const SSL_CIPHER *suite = sk_SSL_CIPHER_value(suites, i);
        if (policy_is_usable(suite) && SSL_CIPHER_get_min_version(suite) < TLS1_2_VERSION) {
            return;
        }
    }
    bool is_dead = policy->max_version < TLS_VERSION_1_2;
    policy_note(
        compiler, is_dead, "minProtocolVersion", SIZE_MAX,
        "%s %s have no suite in %s, so %s; add ECDHE-ECDSA-AES128-SHA, ECDHE-RSA-AES128-SHA "
        "or AES128-SHA to cipherSuites",
        tls_version_name(policy->min_version), is_dead ? "and below TLSv1.2" : "clients",
        request->cipher_suite_count > 0 ? "cipherSuites" : "the default list",
        is_dead ? "every handshake would fail" : "their handshakes fail");
}

bool tls_policy_compile(struct arena *arena, const struct tls_policy_request *request,
                        struct tls_policy *policy, struct tls_policy_notes *notes)
{
    struct policy_compiler compiler = { .arena = arena, .notes = notes };

    memset(policy, 0, sizeof(*policy));
    compiler.scratch = library_new_ssl_ctx();
    policy_compile_versions(&compiler, request, policy);
    policy_compile_ciphers(&compiler, request, policy);
    policy_compile_curves(&compiler, request, policy);
    policy_check_old_versions(&compiler, request, policy);
    SSL_CTX_free(compiler.scratch);
    policy->alpn = request->alpn;
    policy->key =
        arena_printf(arena, "%s|%s|%.*s|%.*s%s", tls_version_name(policy->min_version),
                     tls_version_name(policy->max_version), STR_ARG(policy->cipher_list),
                     STR_ARG(policy->curve_list), policy->alpn == TLS_ALPN_NONE ? "|no ALPN" : "");
    return !compiler.has_error;
}

const char *tls_policy_default_ciphers(void)
{
    return POLICY_DEFAULT_CIPHERS;
}

const char *tls_policy_default_curves(void)
{
    return POLICY_DEFAULT_CURVES;
}

bool tls_policy_fits_key(const struct tls_policy *policy, enum secret_key_kind kind)
{
    int wanted_nid = kind == SECRET_KEY_RSA ? NID_auth_rsa : NID_auth_ecdsa;
    bool fits = policy->max_version == TLS_VERSION_1_3;
    SSL_CTX *scratch = library_new_ssl_ctx();

    /* Always from this folder's own hands, so the view ends in a NUL. */
    if (!fits && policy_library_takes(scratch, policy->cipher_list.ptr)) {
        const STACK_OF(SSL_CIPHER) *suites = SSL_CTX_get_ciphers(scratch);
        for (size_t i = 0; !fits && i < sk_SSL_CIPHER_num(suites); i++) {
            fits = SSL_CIPHER_get_auth_nid(sk_SSL_CIPHER_value(suites, i)) == wanted_nid;
        }
    }
    SSL_CTX_free(scratch);
    return fits;
}
