/* compile_client_tls: TLS towards a destination as its DestinationRule asks for it (spec 7.7). What cannot
 * be done as asked is not done at all: a destination that wants TLS never gets plaintext, and one whose CA
 * is missing is never taken at its word. */
#include "config/compiler.h"

struct client_tls_source {
    struct compiler *compiler;
    const struct client_tls *tls;
    struct finding_at at; /* "spec.trafficPolicy.tls" */
};

static struct finding_at at_field(const struct client_tls_source *source, const char *field)
{
    struct finding_at at = source->at;

    at.field = arena_printf(source->compiler->scratch, "%s.%s", source->at.field, field).ptr;
    return at;
}

/* --- What is not done ------------------------------------------------------------------------- */

static bool is_honoured(const struct client_tls_source *source)
{
    struct finding_at at = at_field(source, "mode");

    if (source->tls->mode == CLIENT_TLS_ISTIO_MUTUAL) { /* DR-70 */
        compiler_say(source->compiler, FINDING_DESTINATION_TLS_NOT_HONOURED, &at,
                     "mode ISTIO_MUTUAL is not honoured yet: there is no certificate of a mesh "
                     "here; destinations of this policy get no requests rather than plaintext");
        return false;
    }
    if (!str_is_empty(source->tls->ca_crl)) {
        at = at_field(source, "caCrl");
        compiler_say(source->compiler, FINDING_DESTINATION_TLS_NOT_HONOURED, &at,
                     "is not honoured yet: destinations of this policy get no requests rather "
                     "than trust what may be revoked");
        return false;
    }
    return true;
}

/* --- Secrets ---------------------------------------------------------------------------------- */

/* The entry that the store would use, for what it says of it. */
static const struct secret_entry *find_entry(const struct compiler *compiler, struct str name,
                                             bool is_ca)
{
    const struct secret_entry *entry = NULL;

    if (is_ca) {
        entry = secret_store_find_entry(
            compiler->store, STR(""),
            arena_printf(compiler->scratch, "%.*s-cacert", STR_ARG(name))); /* TL-23 */
    }
    return entry != NULL ? entry : secret_store_find_entry(compiler->store, STR(""), name);
}

static void say_no_secret(const struct client_tls_source *source, struct str name, bool is_ca,
                          const struct finding_at *at)
{
    struct compiler *compiler = source->compiler;
    const struct secret_entry *entry = find_entry(compiler, name, is_ca);
    enum finding_code code = is_ca ? FINDING_DESTINATION_CA : FINDING_DESTINATION_CERTIFICATE;
    const char *what = is_ca ? "CA certificates" : "certificate and key";

    if (entry == NULL) {
        compiler_say(compiler, code, at,
                     "there is no secret %.*s with %s in namespace %.*s; destinations of this "
                     "policy get no requests",
                     STR_ARG(name), what, STR_ARG(compiler->options->own_namespace));
        return;
    }
    compiler_say(compiler, code, at,
                 "%.*s cannot be used: %.*s; destinations of this policy get no requests",
                 STR_ARG(entry->name),
                 STR_ARG(!str_is_empty(entry->problem)
                             ? entry->problem
                             : arena_printf(compiler->scratch, "it holds no %s", what)));
}

/* DR-64: where the CA comes from; none: the system's trust store. False: it cannot be had, said why. */
static bool find_ca(const struct client_tls_source *source, struct tls_client_policy *policy)
{
    const struct client_tls *tls = source->tls;
    struct finding_at at = at_field(source, "caCertificates");
    struct str name;

    if (!str_is_empty(tls->credential_name)) {
        at = at_field(source, "credentialName");
        name = compile_tls_secret_name(source->compiler, tls->credential_name, &at);
        if (str_is_empty(name)) {
            return false;
        }
    } else if (!str_is_empty(tls->ca_certificates)) {
        name =
            arena_printf(source->compiler->scratch, "ca-file:%.*s", STR_ARG(tls->ca_certificates));
    } else {
        return true;
    }
    policy->ca = secret_store_find_ca(source->compiler->store, STR(""), name);
    if (policy->ca == NULL) {
        say_no_secret(source, name, true, &at);
    }
    return policy->ca != NULL;
}

/* DR-61, DR-68: without its certificate a mutual destination is not called at all. */
static bool find_pair(const struct client_tls_source *source, struct tls_client_policy *policy)
{
    const struct client_tls *tls = source->tls;
    bool has_credential = !str_is_empty(tls->credential_name);
    struct finding_at at =
        at_field(source, has_credential ? "credentialName" : "clientCertificate");
    struct str name;

    if (tls->mode != CLIENT_TLS_MUTUAL) {
        return true;
    }
    name = has_credential ? compile_tls_secret_name(source->compiler, tls->credential_name, &at)
                          : arena_printf(source->compiler->scratch, "file:%.*s",
                                         STR_ARG(tls->client_certificate));
    if (str_is_empty(name)) {
        return false;
    }
    policy->pair = secret_store_find(source->compiler->store, STR(""), name);
    if (policy->pair == NULL) {
        say_no_secret(source, name, false, &at);
    }
    return policy->pair != NULL;
}

/* --- Policy ----------------------------------------------------------------------------------- */

/* DR-65 to DR-67. P: a name that is asked for is also checked. */
static void choose_checks(const struct client_tls *tls, const struct registry_service *service,
                          struct tls_client_policy *policy)
{
    policy->skips_verification =
        tls->insecure_skip_verify.is_set && tls->insecure_skip_verify.value;
    if (policy->skips_verification) {
        return;
    }
    if (tls->subject_alt_names.count != 0) {
        policy->subject_alt_names = tls->subject_alt_names;
    } else if (service != NULL && service->entry != NULL) {
        policy->subject_alt_names = service->entry->subject_alt_names; /* SV-42 */
    }
    policy->verifies_server_name = policy->subject_alt_names.count == 0;
}

bool compile_client_tls(struct compiler *compiler, const struct effective_policy *effective,
                        const struct registry_service *service, struct cluster_config *cluster,
                        bool *checks_asked_name)
{
    struct client_tls_source source = { .compiler = compiler, .tls = effective->tls };
    struct tls_client_policy policy = { 0 };

    if (source.tls == NULL || source.tls->mode == CLIENT_TLS_DISABLE) {
        return true; /* DR-60 */
    }
    source.at = (struct finding_at){
        .object = effective->tls_origin.object,
        .place = source.tls->place,
        .field = destination_rules_field(compiler->scratch, &effective->tls_origin, "tls"),
    };
    if (!is_honoured(&source) || compiler->store == NULL || compiler->client_contexts == NULL) {
        return false;
    }
    choose_checks(source.tls, service, &policy);
    if ((!policy.skips_verification && !find_ca(&source, &policy)) ||
        !find_pair(&source, &policy)) {
        return false;
    }
    cluster->sni = source.tls->sni;
    *checks_asked_name = policy.verifies_server_name && str_is_empty(cluster->sni);
    policy.offers_h2 = cluster->protocol == CLUSTER_HTTP2; /* DR-62 */
    cluster->tls = tls_client_context_cache_get(compiler->client_contexts, &policy);
    if (cluster->protocol == CLUSTER_CLIENT_PROTOCOL) {
        policy.offers_h2 = true;
        cluster->tls_h2 = tls_client_context_cache_get(compiler->client_contexts, &policy);
    }
    return true;
}

void compile_client_tls_cleanup(struct cluster_config *cluster)
{
    tls_client_context_unref(cluster->tls);
    tls_client_context_unref(cluster->tls_h2);
    cluster->tls = NULL;
    cluster->tls_h2 = NULL;
}
