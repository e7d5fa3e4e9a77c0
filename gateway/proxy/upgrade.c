/* upgrade: Sec-WebSocket-Key and Sec-WebSocket-Accept between the versions of HTTP. */
#include "gateway/proxy/upgrade.h"

#include "tls/digest.h"

enum {
    UPGRADE_NONCE_BYTES = 16,
    UPGRADE_KEY_BYTES = DIGEST_BASE64_LEN(UPGRADE_NONCE_BYTES),
    UPGRADE_ACCEPT_BYTES = DIGEST_BASE64_LEN(DIGEST_SHA1_BYTES),
};

static const struct str UPGRADE_KEY = STR_INIT("sec-websocket-key");
static const struct str UPGRADE_ACCEPT = STR_INIT("sec-websocket-accept");
/* RFC 6455 1.3. */
static const struct str UPGRADE_GUID = STR_INIT("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");

static bool upgrade_is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

bool upgrade_has_good_key(const struct head *request)
{
    const struct header *key = NULL;

    for (size_t i = 0; i < request->headers.count; i++) {
        if (str_equals(request->headers.items[i].name, UPGRADE_KEY)) {
            if (key != NULL) {
                return false;
            }
            key = &request->headers.items[i];
        }
    }
    if (key == NULL || key->value.len != UPGRADE_KEY_BYTES) {
        return false;
    }
    for (size_t i = 0; i < UPGRADE_KEY_BYTES - 2; i++) {
        if (!upgrade_is_base64(key->value.ptr[i])) {
            return false;
        }
    }
    return str_ends_with(key->value, STR("=="));
}

static struct str upgrade_make_key(struct arena *arena)
{
    unsigned char nonce[UPGRADE_NONCE_BYTES];
    char *text = arena_alloc(arena, UPGRADE_KEY_BYTES + 1);

    digest_random(nonce, sizeof(nonce));
    return digest_base64(nonce, sizeof(nonce), text);
}

void upgrade_prepare_request(struct upgrade *upgrade, struct head *request,
                             enum http_version upstream_version, struct arena *arena)
{
    struct headers *headers = &request->headers;
    const struct header *key = headers_find(headers, UPGRADE_KEY);

    upgrade->client_version = request->version;
    upgrade->upstream_version = upstream_version;
    if (request->version != HTTP_VERSION_2) {
        if (upgrade->key.len == 0 && key != NULL) {
            upgrade->key = key->value;
        }
        if (upstream_version == HTTP_VERSION_2) {
            (void)headers_remove(headers, UPGRADE_KEY); /* RFC 8441 5 */
        } else if (upgrade->key.len > 0 && key == NULL) {
            headers_set(headers, UPGRADE_KEY, upgrade->key); /* an earlier attempt took it out */
        }
        return;
    }
    if (upstream_version == HTTP_VERSION_2) {
        (void)headers_remove(headers, UPGRADE_KEY); /* a client's own has no meaning here */
        return;
    }
    upgrade->key = upgrade_make_key(arena);
    headers_set(headers, UPGRADE_KEY, upgrade->key);
}

/* RFC 6455 4.2.2, 5.4: what only a server that knows WebSocket makes of the key. */
static struct str upgrade_accept_of(struct str key, struct arena *arena)
{
    unsigned char digest[DIGEST_SHA1_BYTES];
    struct str text = arena_printf(arena, "%.*s%.*s", STR_ARG(key), STR_ARG(UPGRADE_GUID));
    char *accept = arena_alloc(arena, UPGRADE_ACCEPT_BYTES + 1);

    digest_sha1(text.ptr, text.len, digest);
    return digest_base64(digest, sizeof(digest), accept);
}

bool upgrade_accept_response(const struct upgrade *upgrade, struct head *response,
                             const struct head *request, struct arena *arena)
{
    struct headers *headers = &response->headers;
    bool is_client_h2 = upgrade->client_version == HTTP_VERSION_2;
    bool is_upstream_h2 = upgrade->upstream_version == HTTP_VERSION_2;

    response->framing = BODY_TUNNEL;
    response->upgrade = request->upgrade;
    response->has_content_length = false;
    if (is_client_h2 && !is_upstream_h2) {
        struct str accept = { 0 };
        struct str expected = upgrade_accept_of(upgrade->key, arena);

        if (!headers_join(headers, UPGRADE_ACCEPT, &accept) || !str_equals(accept, expected)) {
            return false;
        }
    }
    if (is_client_h2) {
        (void)headers_remove(headers, UPGRADE_ACCEPT);
    } else if (is_upstream_h2) {
        headers_set(headers, UPGRADE_ACCEPT, upgrade_accept_of(upgrade->key, arena));
    }
    return true;
}
