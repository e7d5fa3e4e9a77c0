/* grpc_messages: the prefixes of a body, one after the other. Part of an exchange. */
#include "gateway/proxy/grpc_messages.h"

enum {
    GRPC_MESSAGES_COMPRESSED = 0x01,
    GRPC_MESSAGES_WEB_TRAILERS = 0x80, /* no message: trailers as bytes of the body */
};

enum grpc_kind grpc_messages_kind(const struct headers *headers)
{
    static const struct {
        struct str type;
        enum grpc_kind kind;
    } TYPES[] = {
        { STR_INIT("application/grpc"), GRPC_KIND_NATIVE },
        { STR_INIT("application/grpc-web"), GRPC_KIND_WEB },
        { STR_INIT("application/grpc-web-text"), GRPC_KIND_WEB_TEXT },
    };
    const struct header *field = headers_find_id(headers, HEADER_CONTENT_TYPE);

    if (field == NULL || !str_starts_with_nocase(field->value, TYPES[0].type)) {
        return GRPC_KIND_NONE;
    }
    struct str type = str_slice(field->value, 0, str_find_char(field->value, '+'));
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (str_equals_nocase(type, TYPES[i].type)) {
            return TYPES[i].kind;
        }
    }
    return GRPC_KIND_NONE;
}

bool grpc_messages_are_counted(enum grpc_kind kind)
{
    return kind == GRPC_KIND_NATIVE || kind == GRPC_KIND_WEB;
}

/* A prefix is whole. */
static void grpc_messages_begin(struct grpc_messages *messages)
{
    const unsigned char *prefix = messages->prefix;
    unsigned known = GRPC_MESSAGES_COMPRESSED | GRPC_MESSAGES_WEB_TRAILERS;

    messages->prefix_len = 0;
    if ((prefix[0] & ~known) != 0) {
        messages->is_broken = true;
        return;
    }
    messages->left = (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 |
                     (uint32_t)prefix[3] << 8 | prefix[4];
    if ((prefix[0] & GRPC_MESSAGES_WEB_TRAILERS) == 0) {
        messages->count++;
    }
}

void grpc_messages_add(struct grpc_messages *messages, const unsigned char *bytes, size_t len)
{
    while (len > 0 && !messages->is_broken) {
        if (messages->left > 0) {
            size_t part = len < messages->left ? len : messages->left;
            messages->left -= (uint32_t)part;
            bytes += part;
            len -= part;
            continue;
        }
        messages->prefix[messages->prefix_len++] = *bytes++;
        len--;
        if (messages->prefix_len == GRPC_MESSAGES_PREFIX_BYTES) {
            grpc_messages_begin(messages);
        }
    }
}
