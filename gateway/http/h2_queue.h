/* h2_queue: bytes of a body on their way into frames. A small body is held in the arena of its leg, more in
 * an evbuffer, and the rest of what a caller has just handed in can be lent: it is packed from where it
 * lies. Owned by an h2_leg, one loop's.
 *
 *   front ─▶ [ small ][ large ][ lent ] ◀─ back
 */
#ifndef GATEWAY_HTTP_H2_QUEUE_H
#define GATEWAY_HTTP_H2_QUEUE_H

#include "gateway/base/arena.h"

struct evbuffer;

/* Zeroed memory is an empty one. */
struct h2_queue {
    unsigned char *small; /* in the arena; NULL: none yet */
    size_t small_capacity;
    size_t small_start;
    size_t small_end;
    struct evbuffer *large; /* NULL: none yet */
    struct str lent;
    size_t len; /* of all */
};

/* Copies. `arena` is the same one each time, until h2_queue_recycle(). */
void h2_queue_add(struct h2_queue *queue, struct arena *arena, const unsigned char *bytes,
                  size_t len);
/* Good until h2_queue_settle(), which copies what is left of it. Nothing is added between. */
void h2_queue_lend(struct h2_queue *queue, const unsigned char *bytes, size_t len);
void h2_queue_settle(struct h2_queue *queue);
/* The first bytes, as many as lie together; empty when there are none. */
struct str h2_queue_front(const struct h2_queue *queue);
/* Takes `len` bytes away, no more than h2_queue_front() has. */
void h2_queue_drain(struct h2_queue *queue, size_t len);
void h2_queue_clear(struct h2_queue *queue);
/* Empty, and forgets the arena: it is reset. */
void h2_queue_recycle(struct h2_queue *queue);
void h2_queue_cleanup(struct h2_queue *queue);

#endif
