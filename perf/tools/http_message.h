/* http_message: requests and answers of HTTP/1.1 as an origin and a load generator need them: the
 * start line, the framing, the end. Heads are read where they lie when they come in one piece, and
 * put together when they do not. Strict: what it does not understand fails, so a wrong answer cannot
 * count as a fast one. */
#ifndef PERF_TOOLS_HTTP_MESSAGE_H
#define PERF_TOOLS_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_MESSAGE_HEAD_MAX 8192
/* The first bytes of the body are kept: an origin's answer to an upload is the length it saw. */
#define HTTP_MESSAGE_BODY_KEPT 24
#define HTTP_MESSAGE_WORD_MAX 64

enum http_message_kind { HTTP_MESSAGE_REQUEST, HTTP_MESSAGE_ANSWER };
enum http_message_step { HTTP_MESSAGE_MORE, HTTP_MESSAGE_DONE, HTTP_MESSAGE_BAD };

struct http_message {
    enum http_message_kind kind;
    enum {
        HTTP_MESSAGE_HEAD,
        HTTP_MESSAGE_LENGTH,
        HTTP_MESSAGE_CHUNK_SIZE,
        HTTP_MESSAGE_CHUNK_DATA,
        HTTP_MESSAGE_CHUNK_END,
        HTTP_MESSAGE_TRAILERS,
        HTTP_MESSAGE_UNTIL_CLOSE,
        HTTP_MESSAGE_FINISHED,
    } state;
    int status;    /* of an answer */
    bool closes;   /* the sender closes the connection after this */
    uint64_t left; /* body bytes still to come, or of this chunk */
    uint64_t body; /* body bytes seen */
    uint16_t line; /* bytes of the chunk's size or trailer line so far */
    uint16_t kept; /* bytes of `start` */
    uint16_t held; /* bytes of `head` */
    char start[HTTP_MESSAGE_BODY_KEPT];
    char method[8];                            /* of a request; a longer one is cut */
    char target[HTTP_MESSAGE_WORD_MAX];        /* the same */
    char websocket_key[HTTP_MESSAGE_WORD_MAX]; /* "" when there is none */
    char *head; /* an unfinished head; allocated when first needed, kept for the next */
};

/* Ready for the next message; `message` was zeroed once before its first. */
void http_message_start(struct http_message *message, enum http_message_kind kind);
/* Takes bytes; *used is how many belong to this message. Not called again after DONE or BAD. */
enum http_message_step http_message_feed(struct http_message *message, const char *bytes,
                                         size_t len, size_t *used);
/* The connection ended: DONE when that is how this body ends, BAD when it is cut short. */
enum http_message_step http_message_end(struct http_message *message);
/* Nothing of this message has come yet. */
bool http_message_is_untouched(const struct http_message *message);
void http_message_free(struct http_message *message);

#endif
