/* loop_origin: an origin on loopback, in the loop of the test: it answers the requests it gets with
 * the texts of a script, one after the other, whatever they say. */
#ifndef TESTS_UNIT_SUPPORT_LOOP_ORIGIN_H
#define TESTS_UNIT_SUPPORT_LOOP_ORIGIN_H

#include "gateway/base/text.h"
#include "gateway/net/listener.h"
#include "gateway/net/transport.h"

/* In place of an answer. */
#define LOOP_ORIGIN_CLOSE "\x01"  /* closes in order, without a byte */
#define LOOP_ORIGIN_RESET "\x02"  /* resets */
#define LOOP_ORIGIN_SILENT "\x03" /* says nothing */
/* In front of an answer: closes after it. */
#define LOOP_ORIGIN_LAST "\x04"

enum { LOOP_ORIGIN_CONNECTIONS_MAX = 64 };

struct loop_origin {
    struct loop *loop;
    struct listener *listener;
    struct address address;
    const char *const *script; /* ended by NULL; then the last one again */
    size_t script_at;
    size_t request_count;
    size_t connection_count; /* accepted */
    size_t open_count;
    struct text received; /* all bytes of all connections */
    struct transport *transports[LOOP_ORIGIN_CONNECTIONS_MAX];
};

void loop_origin_start(struct loop_origin *origin, struct loop *loop, const char *const *script);
void loop_origin_stop(struct loop_origin *origin);
/* Closes connections that are open, as an origin's idle timeout does. */
void loop_origin_close_connections(struct loop_origin *origin);
/* Sends to every open connection. */
void loop_origin_say(struct loop_origin *origin, const char *text);
bool loop_origin_saw(const struct loop_origin *origin, const char *text);

#endif
