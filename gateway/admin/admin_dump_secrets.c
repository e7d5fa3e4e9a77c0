/* admin_dump_secrets: the secrets section of /config_dump. A private key is never shown: in its place
 * stands the base64 of "[redacted]", without which readers fail to decode. Control thread. */
#include "gateway/admin/admin_page.h"
#include "tls/secret_pem.h"

static const char ADMIN_DUMP_SECRETS_REDACTED[] = "W3JlZGFjdGVkXQ==";

static void admin_dump_secrets_put_base64(struct json *json, const char *key, struct str bytes)
{
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct text out = { 0 };

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)(unsigned char)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)(unsigned char)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)(unsigned char)bytes.ptr[i + 2] : 0;
        text_add_char(&out, ALPHABET[group >> 18]);
        text_add_char(&out, ALPHABET[group >> 12 & 63]);
        text_add_char(&out, left > 1 ? ALPHABET[group >> 6 & 63] : '=');
        text_add_char(&out, left > 2 ? ALPHABET[group & 63] : '=');
    }
    json_put_str(json, key, text_view(&out));
    text_cleanup(&out);
}

static void admin_dump_secrets_put(struct json *json, const struct admin_view *view,
                                   const struct secret_entry *entry)
{
    struct text pem = { 0 };

    json_open_object(json);
    json_put_str(json, "name", entry->name);
    admin_page_put_revision(json, view->reload);
    json_key(json, "secret");
    json_open_object(json);
    json_put_cstr(json, "@type",
                  "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret");
    json_put_str(json, "name", entry->name);
    json_key(json, "tls_certificate");
    json_open_object(json);
    secret_pem_write_chain(entry->secret, &pem);
    json_key(json, "certificate_chain");
    json_open_object(json);
    admin_dump_secrets_put_base64(json, "inline_bytes", text_view(&pem));
    json_close_object(json);
    json_key(json, "private_key");
    json_open_object(json);
    json_put_cstr(json, "inline_bytes", ADMIN_DUMP_SECRETS_REDACTED);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
    text_cleanup(&pem);
}

void admin_dump_secrets(struct json *json, const struct admin_view *view,
                        const struct admin_dump_filter *filter)
{
    json_open_object(json);
    json_put_cstr(json, "@type", "type.googleapis.com/envoy.admin.v3.SecretsConfigDump");
    json_key(json, "dynamic_active_secrets");
    json_open_array(json);
    for (size_t i = 0; i < secret_store_count(view->secrets); i++) {
        const struct secret_entry *entry = secret_store_at(view->secrets, i);
        if (entry->secret != NULL && admin_dump_wants_name(filter, entry->name)) {
            admin_dump_secrets_put(json, view, entry);
        }
    }
    json_close_array(json);
    json_close_object(json);
}
