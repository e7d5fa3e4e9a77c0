/* compile_tls: policy, secret and context of a server that ends TLS (spec section 3). What is missing or bad
 * affects this server only: it stays in the tables without a context, so that no other server
 * answers for its names. */
#include "config/compiler.h"

struct server_source {
    struct compiler *compiler;
    const struct server *server;
    struct finding_at at; /* "spec.servers[1].tls" */
};

static struct finding_at at_field(const struct server_source *source, const char *field)
{
    struct finding_at at = source->at;

    at.field = arena_printf(source->compiler->scratch, "%s.%s", source->at.field, field).ptr;
    return at;
}

/* --- Mode ------------------------------------------------------------------------------------- */

/* Only SIMPLE is served; whatever demands or forwards more is refused, never served with less. */
static bool check_mode(const struct server_source *source)
{
    const struct server_tls *tls = source->server->tls;
    struct finding_at at = at_field(source, "mode");
    const char *mode = "";

    switch (tls->mode) {
    case TLS_MODE_SIMPLE:
        return true;
    case TLS_MODE_PASSTHROUGH:
        return false; /* nobody asks: nothing of TLS is made for it */
    case TLS_MODE_MUTUAL:
        mode = "MUTUAL";
        break;
    case TLS_MODE_AUTO_PASSTHROUGH: /* GW-70 */
        mode = "AUTO_PASSTHROUGH (of gateways between clusters)";
        break;
    case TLS_MODE_ISTIO_MUTUAL:
        mode = "ISTIO_MUTUAL";
        break;
    case TLS_MODE_OPTIONAL_MUTUAL:
        mode = "OPTIONAL_MUTUAL";
        break;
    }
    compiler_say(source->compiler, FINDING_SERVER_MODE_NOT_HONOURED, &at,
                 "mode %s is not honoured yet; this server's hosts are not served", mode);
    return false;
}

/* --- Policy ----------------------------------------------------------------------------------- */

static bool make_policy(const struct server_source *source, struct tls_policy *policy)
{
    struct compiler *compiler = source->compiler;
    const struct server_tls *tls = source->server->tls;
    struct tls_policy_request request = {
        .min_version = tls->min_protocol_version,
        .max_version = tls->max_protocol_version,
        .cipher_suites = tls->cipher_suites.items,
        .cipher_suite_count = tls->cipher_suites.count,
        .ecdh_curves = tls->ecdh_curves.items,
        .ecdh_curve_count = tls->ecdh_curves.count,
        .alpn = source->server->port.protocol == PROTOCOL_HTTPS ? TLS_ALPN_HTTP : TLS_ALPN_NONE,
    };
    struct tls_policy_notes notes = { 0 };
    bool is_plain = request.cipher_suite_count == 0 && request.ecdh_curve_count == 0;

    if (is_plain && compiler->has_plain_policy &&
        compiler->plain_request.min_version == request.min_version &&
        compiler->plain_request.max_version == request.max_version &&
        compiler->plain_request.alpn == request.alpn) {
        *policy = compiler->plain_policy;
        return true;
    }
    bool is_good = tls_policy_compile(compiler->arena, &request, policy, &notes);
    if (is_plain && is_good && notes.count == 0) { /* each server is told its own notes */
        compiler->has_plain_policy = true;
        compiler->plain_request = request;
        compiler->plain_policy = *policy;
    }

    for (size_t i = 0; i < notes.count; i++) {
        const struct tls_policy_note *note = &notes.items[i];
        struct finding_at at = at_field(source, note->field);
        enum finding_code code = FINDING_TLS_VERSION_RANGE;

        if (note->index != SIZE_MAX) {
            at.field = arena_printf(compiler->scratch, "%s[%zu]", at.field, note->index).ptr;
        }
        if (strcmp(note->field, "cipherSuites") == 0) {
            code = note->is_error ? FINDING_TLS_NO_CIPHER : FINDING_TLS_CIPHER;
        } else if (strcmp(note->field, "ecdhCurves") == 0) {
            code = FINDING_TLS_CURVE;
        } else if (!note->is_error) {
            code = FINDING_TLS_OLD_VERSION;
        }
        compiler_say(compiler, code, &at, "%.*s", STR_ARG(note->text));
    }
    return is_good;
}

/* --- Secret ----------------------------------------------------------------------------------- */

struct str compile_tls_secret_name(struct compiler *compiler, struct str reference,
                                   const struct finding_at *at)
{
    struct str name = reference;
    size_t scheme = str_find(reference, STR("://"));
    size_t slash;

    if (str_starts_with(reference, STR("kubernetes://"))) {
        name = str_skip(reference, sizeof("kubernetes://") - 1);
    } else if (scheme != SIZE_MAX) {
        compiler_say(compiler, FINDING_SECRET_DENIED, at, "%.*s is no secret that can be read here",
                     STR_ARG(reference));
        return STR("");
    }
    slash = str_find_char(name, '/');
    if (slash == SIZE_MAX) {
        return name;
    }
    if (!str_equals(str_slice(name, 0, slash), compiler->options->own_namespace)) {
        compiler_say(compiler, FINDING_SECRET_DENIED, at,
                     "%.*s is in another namespace than the gateway, which is %.*s",
                     STR_ARG(reference), STR_ARG(compiler->options->own_namespace));
        return STR("");
    }
    return str_skip(name, slash + 1);
}

/* The credential that is served: of several, the first. */
static struct str credential_of(const struct server_source *source, struct finding_at *at)
{
    struct compiler *compiler = source->compiler;
    const struct server_tls *tls = source->server->tls;
    const struct tls_certificate_files *files = tls->tls_certificates.items;

    if (tls->credential_names.count > 1 || tls->tls_certificates.count > 1) {
        *at = at_field(source,
                       tls->credential_names.count > 1 ? "credentialNames" : "tlsCertificates");
        compiler_say(compiler, FINDING_SECOND_CERTIFICATE_NOT_HONOURED, at,
                     "only the first certificate is served yet");
    }
    if (!str_is_empty(tls->credential_name)) {
        *at = at_field(source, "credentialName");
        return compile_tls_secret_name(compiler, tls->credential_name, at);
    }
    if (tls->credential_names.count != 0) {
        *at = at_field(source, "credentialNames[0]");
        return compile_tls_secret_name(compiler, tls->credential_names.items[0], at);
    }
    *at = at_field(source, "serverCertificate");
    if (!str_is_empty(tls->server_certificate)) {
        return arena_printf(compiler->scratch, "file:%.*s", STR_ARG(tls->server_certificate));
    }
    *at = at_field(source, "tlsCertificates[0]");
    return tls->tls_certificates.count == 0
               ? STR("")
               : arena_printf(compiler->scratch, "file:%.*s", STR_ARG(files[0].server_certificate));
}

static void say_no_secret(const struct server_source *source, struct str name,
                          const struct finding_at *at)
{
    struct compiler *compiler = source->compiler;
    const struct secret_entry *entry = secret_store_find_entry(compiler->store, STR(""), name);

    if (entry != NULL && !str_is_empty(entry->problem)) {
        compiler_say(compiler, FINDING_SECRET_UNUSABLE, at,
                     "the secret %.*s cannot be used: %.*s; handshakes for these hosts fail",
                     STR_ARG(name), STR_ARG(entry->problem));
        return;
    }
    compiler_say(compiler, FINDING_SECRET_MISSING, at,
                 "there is no secret %.*s with a certificate and a key in namespace %.*s; "
                 "handshakes for these hosts fail",
                 STR_ARG(name), STR_ARG(compiler->options->own_namespace));
}

/* TL-83 */
static void check_coverage(const struct server_source *source, const struct secret *secret,
                           const struct tls_server *out, const struct finding_at *at)
{
    size_t uncovered = 0;
    struct str first = STR("");

    for (size_t i = 0; i < out->hosts.count; i++) {
        struct str host = out->hosts.items[i];

        if (!str_equals(host, STR("*")) && !secret_covers_host(secret, host)) {
            first = uncovered++ == 0 ? host : first;
        }
    }
    if (uncovered != 0) {
        compiler_say(source->compiler, FINDING_SECRET_HOST_UNCOVERED, at,
                     "the certificate of %.*s does not cover %.*s%s", STR_ARG(out->credential),
                     STR_ARG(first), uncovered > 1 ? " and other hosts of this server" : "");
    }
}

/* TL-58c: is any suite of the list for this kind of key? */
static bool has_suite_for(struct str cipher_list, enum secret_key_kind kind)
{
    struct str name = STR("");

    for (size_t at = 0; at <= cipher_list.len; at++) {
        char c = at < cipher_list.len ? cipher_list.ptr[at] : ':';

        if (strchr(":|[]", c) == NULL || c == '\0') {
            name = name.len == 0 ? str_slice(cipher_list, at, 1) : str_from(name.ptr, name.len + 1);
            continue;
        }
        if (name.len != 0) {
            bool is_ecdsa = str_starts_with(name, STR("ECDHE-ECDSA-"));

            if (!(name.ptr[0] >= 'A' && name.ptr[0] <= 'Z') || str_equals(name, STR("ALL")) ||
                is_ecdsa == (kind != SECRET_KEY_RSA)) {
                return true; /* an operator or alias: cannot be told */
            }
        }
        name = STR("");
    }
    return false;
}

static const char *key_kind_name(enum secret_key_kind kind)
{
    switch (kind) {
    case SECRET_KEY_RSA:
        return "RSA";
    case SECRET_KEY_ECDSA:
        return "ECDSA";
    case SECRET_KEY_ED25519:
        break;
    }
    return "Ed25519";
}

static void check_key(const struct server_source *source, const struct secret *secret,
                      const struct tls_policy *policy)
{
    enum secret_key_kind kind = secret_key_kind(secret);
    struct finding_at at = at_field(source, "cipherSuites");

    if (policy->min_version < TLS_VERSION_1_3 && !has_suite_for(policy->cipher_list, kind)) {
        compiler_say(source->compiler, FINDING_SECRET_KEY_UNFIT, &at,
                     "no suite of TLS 1.2 and older in this list works with the %s key of %.*s",
                     key_kind_name(kind), STR_ARG(secret_name(secret)));
    }
}

bool compile_tls(struct compiler *compiler, const struct gateway *gateway, size_t server_index,
                 struct tls_server *out)
{
    struct server_source source = { .compiler = compiler,
                                    .server = &gateway->servers.items[server_index] };
    struct tls_policy policy = { 0 };
    struct finding_at at;
    struct secret *secret;
    struct str name;

    source.at.object = &gateway->meta;
    source.at.place = source.server->tls->place;
    source.at.field = arena_printf(compiler->scratch, "spec.servers[%zu].tls", server_index).ptr;
    if (!check_mode(&source) || !make_policy(&source, &policy)) {
        return false;
    }
    name = credential_of(&source, &at);
    if (str_is_empty(name)) {
        return true; /* said why; without a context its handshakes fail */
    }
    out->credential = compiler_keep(compiler, name);
    if (compiler->store == NULL) {
        return true;
    }
    secret = secret_store_find(compiler->store, STR(""), name);
    if (secret == NULL) {
        say_no_secret(&source, name, &at);
        return true;
    }
    check_coverage(&source, secret, out, &at);
    check_key(&source, secret, &policy);
    if (compiler->contexts != NULL) {
        out->context = tls_context_cache_get(compiler->contexts, &policy, secret);
    }
    return true;
}
