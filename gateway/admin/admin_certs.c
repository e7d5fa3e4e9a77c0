/* admin_certs: /certs, every secret with its certificates and its state. Public parts only: no key and
 * no PEM text is shown. Control thread. */
#include "gateway/admin/admin_page.h"
#include "gateway/base/now.h"

#include <inttypes.h>

static void admin_certs_put_names(struct json *json, const char *key, const struct str_vec *names)
{
    for (size_t i = 0; i < names->count; i++) {
        json_open_object(json);
        json_put_str(json, key, names->items[i]);
        json_close_object(json);
    }
}

static void admin_certs_put_certificate(struct json *json, struct str origin,
                                        const struct secret_certificate *certificate)
{
    int64_t now_s = (int64_t)(now_wall_us() / 1000000);
    int64_t left_s = certificate->not_after - now_s;
    struct text days = { 0 };

    json_open_object(json);
    json_put_str(json, "path", origin);
    json_put_str(json, "serial_number", certificate->serial_hex);
    json_key(json, "subject_alt_names");
    json_open_array(json);
    admin_certs_put_names(json, "dns", &certificate->dns_names);
    admin_certs_put_names(json, "uri", &certificate->uri_names);
    admin_certs_put_names(json, "ip_address", &certificate->ip_names);
    json_close_array(json);
    /* A text, as JSON of 64-bit numbers is in Envoy's API. */
    text_printf(&days, "%" PRId64, left_s > 0 ? left_s / 86400 : 0);
    json_put_str(json, "days_until_expiration", text_view(&days));
    admin_page_put_time(json, "valid_from", (uint64_t)certificate->not_before * 1000000);
    admin_page_put_time(json, "expiration_time", (uint64_t)certificate->not_after * 1000000);
    json_put_str(json, "subject", certificate->subject);
    json_put_str(json, "issuer", certificate->issuer);
    json_put_str(json, "fingerprint_sha256", certificate->fingerprint);
    json_close_object(json);
    text_cleanup(&days);
}

static void admin_certs_put_list(struct json *json, const char *key, struct str origin,
                                 const struct secret_certificates *certificates)
{
    json_key(json, key);
    json_open_array(json);
    for (size_t i = 0; certificates != NULL && i < certificates->count; i++) {
        admin_certs_put_certificate(json, origin, &certificates->items[i]);
    }
    json_close_array(json);
}

void admin_certs_page(struct admin *admin, const struct page_request *request,
                      struct page_reply *reply)
{
    const struct secret_store *store = admin->view->secrets;
    struct json json;

    (void)request;
    admin_page_json(reply, &json);
    json_open_object(&json);
    json_key(&json, "certificates");
    json_open_array(&json);
    for (size_t i = 0; i < secret_store_count(store); i++) {
        const struct secret_entry *entry = secret_store_at(store, i);
        const struct secret *secret = entry->secret;
        json_open_object(&json);
        json_put_str(&json, "secret", entry->name);
        json_put_str(&json, "namespace",
                     entry->namespace_.len != 0 ? entry->namespace_ : admin->view->own_namespace);
        json_put_cstr(&json, "state", secret_state_name(entry->state));
        /* Only behind a start, and not for long. */
        if (secret != NULL && secret_is_key_unchecked(secret)) {
            json_put_bool(&json, "key_checked", false);
        }
        if (entry->problem.len != 0) {
            json_put_str(&json, entry->is_error ? "error" : "warning", entry->problem);
        }
        admin_certs_put_list(&json, "ca_cert", entry->origin,
                             secret != NULL ? secret_ca(secret) : NULL);
        admin_certs_put_list(&json, "cert_chain", entry->origin,
                             secret != NULL ? secret_chain(secret) : NULL);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
}
