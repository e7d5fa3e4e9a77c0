/* grpc_messages: the prefixes of a body, one after the other. Part of an exchange. */
#include "gateway/proxy/grpc_messages.h"

enum {
    GRPC_MESSAGES_COMPRESSED = 0x01,
    GRPC_MESSAGES_WEB_TRAILERS = 0x80, /* no message: trailers as bytes of the body */
};

static bool grpc_messages_has_type(const struct headers *headers, struct str type)
{
    const struct header *field = headers_find_id(headers, HEADER_CONTENT_TYPE);

    if (field == NULL || !str_starts_with_nocase(field->value, type)) {
        return false;
    }
    if (field->value.len == type.len) {
        return true;
    }
    char next = field->value.ptr[type.len];
    return next == '+' || next == ';' || next == ' ';
}

bool grpc_messages_are_in(const struct headers *headers)
{
    return grpc_messages_has_type(headers, STR("application/grpc")) ||
           grpc_messages_has_type(headers, STR("application/grpc-web"));
}

bool grpc_messages_are_web(const struct headers *headers)
{
    return grpc_messages_has_type(headers, STR("application/grpc-web")) ||
           grpc_messages_has_type(headers, STR("application/grpc-web-text"));
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
