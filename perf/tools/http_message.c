#include "perf/tools/http_message.h"

#include <string.h>
#include <strings.h>

#include "gateway/base/mem.h"

#define LINE_MAX 256

void http_message_start(struct http_message *message, enum http_message_kind kind)
{
    message->kind = kind;
    message->state = HTTP_MESSAGE_HEAD;
    message->status = 0;
    message->closes = false;
    message->left = 0;
    message->body = 0;
    message->line = 0;
    message->kept = 0;
    message->held = 0;
    message->method[0] = '\0';
    message->target[0] = '\0';
    message->websocket_key[0] = '\0';
}

void http_message_free(struct http_message *message)
{
    mem_free(message->head);
    message->head = NULL;
}

bool http_message_is_untouched(const struct http_message *message)
{
    return message->state == HTTP_MESSAGE_HEAD && message->held == 0;
}

/* --- Head --------------------------------------------------------------------------------------- */

static bool http_message_read_decimal(const char *at, const char *end, uint64_t *value)
{
    uint64_t number = 0;

    if (at == end || end - at > 18) {
        return false;
    }
    for (; at < end; at++) {
        if (*at < '0' || *at > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(*at - '0');
    }
    *value = number;
    return true;
}

static bool http_message_is(const char *at, const char *end, const char *word)
{
    size_t len = strlen(word);

    return (size_t)(end - at) == len && strncasecmp(at, word, len) == 0;
}

static void http_message_keep(char *word, size_t size, const char *at, const char *end)
{
    size_t len = (size_t)(end - at) < size ? (size_t)(end - at) : size - 1;

    memcpy(word, at, len);
    word[len] = '\0';
}

/* One field line; false for framing that cannot be trusted. */
static bool http_message_read_field(struct http_message *message, const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));

    if (colon == NULL) {
        return false;
    }
    const char *value = colon + 1;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    if (http_message_is(at, colon, "content-length")) {
        message->state = HTTP_MESSAGE_LENGTH;
        return http_message_read_decimal(value, end, &message->left);
    }
    if (http_message_is(at, colon, "transfer-encoding")) {
        message->state = HTTP_MESSAGE_CHUNK_SIZE;
        return http_message_is(value, end, "chunked");
    }
    if (http_message_is(at, colon, "connection") && http_message_is(value, end, "close")) {
        message->closes = true;
    }
    if (http_message_is(at, colon, "sec-websocket-key")) {
        http_message_keep(message->websocket_key, sizeof(message->websocket_key), value, end);
    }
    return true;
}

/* "HTTP/1.1 200 OK" (RFC 9112 4). */
static bool http_message_read_status(struct http_message *message, const char *at, const char *end)
{
    uint64_t status;

    if (end - at < 12 || memcmp(at, "HTTP/1.", 7) != 0 || at[8] != ' ' ||
        !http_message_read_decimal(at + 9, at + 12, &status)) {
        return false;
    }
    message->closes = at[7] == '0';
    message->status = (int)status;
    return true;
}

/* "GET /path HTTP/1.1" (RFC 9112 3). */
static bool http_message_read_request(struct http_message *message, const char *at, const char *end)
{
    const char *method_end = memchr(at, ' ', (size_t)(end - at));

    if (method_end == NULL) {
        return false;
    }
    const char *target = method_end + 1;
    if (end - target < 10 || memcmp(end - 9, " HTTP/1.", 8) != 0) {
        return false;
    }
    http_message_keep(message->method, sizeof(message->method), at, method_end);
    http_message_keep(message->target, sizeof(message->target), target, end - 9);
    message->closes = end[-1] == '0';
    return true;
}

static bool http_message_read_start(struct http_message *message, const char *at, const char *end)
{
    return message->kind == HTTP_MESSAGE_ANSWER ? http_message_read_status(message, at, end)
                                                : http_message_read_request(message, at, end);
}

/* What follows the head. */
static enum http_message_step http_message_begin_body(struct http_message *message)
{
    bool has_none = message->state == HTTP_MESSAGE_LENGTH && message->left == 0;

    if (message->kind == HTTP_MESSAGE_REQUEST) {
        has_none = has_none || message->state == HTTP_MESSAGE_UNTIL_CLOSE;
    } else if (message->status == 101 || message->status == 204 || message->status == 304) {
        has_none = true; /* after 101 comes another protocol (RFC 9110 15.2.2) */
    } else if (message->status < 200) {
        message->state = HTTP_MESSAGE_HEAD; /* interim: the next head is the one */
        return HTTP_MESSAGE_MORE;
    }
    if (has_none) {
        message->state = HTTP_MESSAGE_FINISHED;
        return HTTP_MESSAGE_DONE;
    }
    return HTTP_MESSAGE_MORE;
}

static enum http_message_step http_message_read_head(struct http_message *message, const char *at,
                                                     const char *end)
{
    bool first = true;

    message->state = HTTP_MESSAGE_UNTIL_CLOSE;
    while (at < end) {
        const char *line_end = memchr(at, '\r', (size_t)(end - at));
        if (line_end == NULL || line_end == at) {
            break;
        }
        if (first ? !http_message_read_start(message, at, line_end)
                  : !http_message_read_field(message, at, line_end)) {
            return HTTP_MESSAGE_BAD;
        }
        first = false;
        at = line_end + 2;
    }
    return first ? HTTP_MESSAGE_BAD : http_message_begin_body(message);
}

/* The head's end in `bytes`, or NULL. */
static const char *http_message_find_end(const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);

    return end != NULL ? end + 4 : NULL;
}

static enum http_message_step http_message_feed_head(struct http_message *message,
                                                     const char *bytes, size_t len, size_t *used)
{
    if (message->held == 0) {
        const char *end = http_message_find_end(bytes, len);
        if (end != NULL) {
            *used = (size_t)(end - bytes);
            return http_message_read_head(message, bytes, end);
        }
    }
    if (message->head == NULL) {
        message->head = mem_alloc(HTTP_MESSAGE_HEAD_MAX);
    }

    size_t before = message->held;
    size_t room = HTTP_MESSAGE_HEAD_MAX - before;
    size_t taken = len < room ? len : room;
    memcpy(message->head + before, bytes, taken);
    const char *end = http_message_find_end(message->head, before + taken);
    if (end != NULL) {
        *used = (size_t)(end - message->head) - before;
        message->held = 0;
        return http_message_read_head(message, message->head, end);
    }
    *used = taken;
    message->held = (uint16_t)(before + taken);
    return message->held == HTTP_MESSAGE_HEAD_MAX ? HTTP_MESSAGE_BAD : HTTP_MESSAGE_MORE;
}

/* --- Body --------------------------------------------------------------------------------------- */

static size_t http_message_take_body(struct http_message *message, const char *bytes, size_t len)
{
    size_t taken = len < message->left ? len : (size_t)message->left;

    if (message->kept < HTTP_MESSAGE_BODY_KEPT) {
        size_t room = (size_t)(HTTP_MESSAGE_BODY_KEPT - message->kept);
        size_t kept = taken < room ? taken : room;
        memcpy(message->start + message->kept, bytes, kept);
        message->kept = (uint16_t)(message->kept + kept);
    }
    message->left -= taken;
    message->body += taken;
    return taken;
}

static int http_message_hex(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* One byte of a chunk's size line, the CRLF behind its data or the trailers (RFC 9112 7.1). */
static enum http_message_step http_message_take_framing(struct http_message *message, char byte)
{
    bool line_ends = byte == '\n';

    if (++message->line > LINE_MAX) {
        return HTTP_MESSAGE_BAD;
    }
    if (message->state == HTTP_MESSAGE_CHUNK_SIZE && !line_ends) {
        int digit = http_message_hex(byte);
        if (digit < 0) {
            return byte == '\r' && message->line > 1 ? HTTP_MESSAGE_MORE : HTTP_MESSAGE_BAD;
        }
        message->left = message->left << 4 | (uint64_t)digit;
        return message->line > 15 ? HTTP_MESSAGE_BAD : HTTP_MESSAGE_MORE;
    }
    if (!line_ends) {
        return message->state == HTTP_MESSAGE_TRAILERS || byte == '\r' ? HTTP_MESSAGE_MORE
                                                                       : HTTP_MESSAGE_BAD;
    }
    bool empty = message->line <= 2;
    message->line = 0;
    if (message->state == HTTP_MESSAGE_CHUNK_SIZE) {
        message->state = message->left > 0 ? HTTP_MESSAGE_CHUNK_DATA : HTTP_MESSAGE_TRAILERS;
    } else if (message->state == HTTP_MESSAGE_CHUNK_END) {
        message->state = HTTP_MESSAGE_CHUNK_SIZE;
    } else if (empty) {
        message->state = HTTP_MESSAGE_FINISHED;
        return HTTP_MESSAGE_DONE;
    }
    return HTTP_MESSAGE_MORE;
}

enum http_message_step http_message_feed(struct http_message *message, const char *bytes,
                                         size_t len, size_t *used)
{
    enum http_message_step step = HTTP_MESSAGE_MORE;

    *used = 0;
    while (step == HTTP_MESSAGE_MORE && *used < len) {
        const char *at = bytes + *used;
        size_t left = len - *used;
        size_t taken = 1;
        if (message->state == HTTP_MESSAGE_HEAD) {
            step = http_message_feed_head(message, at, left, &taken);
        } else if (message->state == HTTP_MESSAGE_UNTIL_CLOSE) {
            message->left = left;
            taken = http_message_take_body(message, at, left);
        } else if (message->state == HTTP_MESSAGE_LENGTH ||
                   message->state == HTTP_MESSAGE_CHUNK_DATA) {
            taken = http_message_take_body(message, at, left);
            if (message->left == 0 && message->state == HTTP_MESSAGE_CHUNK_DATA) {
                message->state = HTTP_MESSAGE_CHUNK_END;
            } else if (message->left == 0) {
                message->state = HTTP_MESSAGE_FINISHED;
                step = HTTP_MESSAGE_DONE;
            }
        } else {
            step = http_message_take_framing(message, *at);
        }
        *used += taken;
    }
    return step;
}

enum http_message_step http_message_end(struct http_message *message)
{
    if (message->state != HTTP_MESSAGE_UNTIL_CLOSE) {
        return HTTP_MESSAGE_BAD;
    }
    message->closes = true;
    message->state = HTTP_MESSAGE_FINISHED;
    return HTTP_MESSAGE_DONE;
}
