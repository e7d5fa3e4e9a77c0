/* compile_client_tls: TLS towards a destination as its DestinationRule asks for it (spec 7.7). What cannot
 * be done as asked is not done at all: a destination that wants TLS never gets plaintext. */
#include "config/compiler.h"

static const char *mode_name(enum client_tls_mode mode)
{
    switch (mode) {
    case CLIENT_TLS_SIMPLE:
        return "SIMPLE";
    case CLIENT_TLS_MUTUAL:
        return "MUTUAL";
    case CLIENT_TLS_ISTIO_MUTUAL:
        return "ISTIO_MUTUAL";
    case CLIENT_TLS_DISABLE:
        break;
    }
    return "DISABLE";
}

bool compile_client_tls(struct compiler *compiler, const struct effective_policy *policy,
                        const struct registry_service *service, struct cluster_config *cluster)
{
    struct finding_at at = { .object = policy->owner, .field = "spec.trafficPolicy.tls" };

    (void)service;
    if (policy->tls == NULL || policy->tls->mode == CLIENT_TLS_DISABLE) {
        return true;
    }
    at.place = policy->tls->place;
    compiler_say(compiler, FINDING_DESTINATION_TLS_NOT_HONOURED, &at,
                 "TLS to destinations (mode %s) is not honoured yet; %.*s gets no requests rather "
                 "than plaintext",
                 mode_name(policy->tls->mode), STR_ARG(cluster->name));
    return false;
}

void compile_client_tls_cleanup(struct cluster_config *cluster)
{
    cluster->tls = NULL;
}
