/* fake_leg: a leg without a connection: the test plays the client, or the upstream, and reads off what
 * the exchange did to it. */
#ifndef TESTS_UNIT_SUPPORT_FAKE_LEG_H
#define TESTS_UNIT_SUPPORT_FAKE_LEG_H

#include "gateway/base/text.h"
#include "gateway/http/conn.h"

struct fake_leg {
    struct leg leg; /* first: the interface */
    struct conn conn;
    struct arena *arena;
    struct head request;
    struct text
        heads; /* "200 name: value; name: value\n" for each head; or "GET /path name: ..." */
    struct text body;
    struct text trailers; /* "name: value; " */
    unsigned status;      /* of the final head */
    unsigned interim_count;
    bool is_head_end;
    bool is_ended;
    bool is_aborted;
    enum leg_abort abort_reason;
    struct str upgrade; /* of the latest head */
    bool is_released;
    bool is_paused;
    size_t queued_bytes;  /* what queued_bytes() says */
    bool is_full;         /* what is_above_high says */
    bool is_drained_conn; /* conn->ops->drain was called */
};

/* A GET of "/" for a.com without body. */
void fake_leg_init(struct fake_leg *fake);
void fake_leg_cleanup(struct fake_leg *fake);
void fake_leg_request(struct fake_leg *fake, const char *method, const char *authority,
                      const char *path);
/* A response head in the fake's arena, without fields. */
struct head *fake_leg_response(struct fake_leg *fake, unsigned status);
/* The peer's side of the leg; ignored once it was released. */
void fake_leg_head(struct fake_leg *fake, struct head *head, bool is_end);
void fake_leg_body(struct fake_leg *fake, const char *bytes);
void fake_leg_bytes(struct fake_leg *fake, struct str bytes);
void fake_leg_complete(struct fake_leg *fake);
void fake_leg_complete_with(struct fake_leg *fake, const struct headers *trailers);
void fake_leg_drained(struct fake_leg *fake);
void fake_leg_end(struct fake_leg *fake, enum leg_end end);
/* The heads have this text somewhere. */
bool fake_leg_saw(const struct fake_leg *fake, const char *text);

#endif
