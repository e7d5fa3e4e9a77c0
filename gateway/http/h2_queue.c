/* h2_queue: bytes of a body on their way into frames. Owned by an h2_leg, one loop's. */
#include "gateway/http/h2_queue.h"

#include "gateway/base/check.h"

#include <event2/buffer.h>

/* A body up to here costs no allocation. The arena has it once for each leg: what comes later uses the
 * same place when it is free, so a stream that lives for long takes no more of it. */
enum { H2_QUEUE_SMALL_BYTES = 2 * 1024 };

static size_t h2_queue_large_bytes(const struct h2_queue *queue)
{
    return queue->large == NULL ? 0 : evbuffer_get_length(queue->large);
}

static void h2_queue_add_large(struct h2_queue *queue, const void *bytes, size_t len)
{
    if (queue->large == NULL) {
        queue->large = evbuffer_new();
    }
    (void)evbuffer_add(queue->large, bytes, len); /* out of memory ends the process */
}

static bool h2_queue_fits_small(const struct h2_queue *queue, size_t len)
{
    return queue->len == 0 &&
           len <= (queue->small == NULL ? H2_QUEUE_SMALL_BYTES : queue->small_capacity);
}

void h2_queue_add(struct h2_queue *queue, struct arena *arena, const unsigned char *bytes,
                  size_t len)
{
    CHECK(queue->lent.len == 0);
    if (h2_queue_fits_small(queue, len)) {
        if (queue->small == NULL) {
            queue->small = arena_alloc_raw(arena, len);
            queue->small_capacity = len;
        }
        memcpy(queue->small, bytes, len);
        queue->small_start = 0;
        queue->small_end = len;
    } else {
        h2_queue_add_large(queue, bytes, len);
    }
    queue->len += len;
}

void h2_queue_lend(struct h2_queue *queue, const unsigned char *bytes, size_t len)
{
    CHECK(queue->lent.len == 0);
    queue->lent = str_from((const char *)bytes, len);
    queue->len += len;
}

void h2_queue_settle(struct h2_queue *queue)
{
    if (queue->lent.len > 0) {
        h2_queue_add_large(queue, queue->lent.ptr, queue->lent.len);
        queue->lent = (struct str){ 0 };
    }
}

struct str h2_queue_front(const struct h2_queue *queue)
{
    struct evbuffer_iovec piece = { NULL, 0 };

    if (queue->small_start < queue->small_end) {
        return str_from((const char *)queue->small + queue->small_start,
                        queue->small_end - queue->small_start);
    }
    if (h2_queue_large_bytes(queue) > 0) {
        (void)evbuffer_peek(queue->large, -1, NULL, &piece, 1); /* there is one */
        return str_from(piece.iov_base, piece.iov_len);
    }
    return queue->lent;
}

void h2_queue_drain(struct h2_queue *queue, size_t len)
{
    if (queue->small_start < queue->small_end) {
        queue->small_start += len;
    } else if (h2_queue_large_bytes(queue) > 0) {
        (void)evbuffer_drain(queue->large, len); /* of its front piece: it is not frozen */
    } else {
        queue->lent = str_skip(queue->lent, len);
    }
    queue->len -= len;
}

void h2_queue_clear(struct h2_queue *queue)
{
    size_t large = h2_queue_large_bytes(queue);

    if (large > 0) {
        (void)evbuffer_drain(queue->large, large); /* all of it: it is not frozen */
    }
    queue->small_start = queue->small_end;
    queue->lent = (struct str){ 0 };
    queue->len = 0;
}

void h2_queue_recycle(struct h2_queue *queue)
{
    h2_queue_clear(queue);
    *queue = (struct h2_queue){ .large = queue->large };
}

void h2_queue_cleanup(struct h2_queue *queue)
{
    if (queue->large != NULL) {
        evbuffer_free(queue->large);
    }
    *queue = (struct h2_queue){ 0 };
}
