/* bindings: the listening sockets there are, by listener key, and the difference a new snapshot makes.
 * New sockets are bound by the control thread before a snapshot is published; unchanged ones are never
 * touched. */
#ifndef GATEWAY_DAEMON_BINDINGS_H
#define GATEWAY_DAEMON_BINDINGS_H

#include "gateway/admin/admin_view.h"

/* What a publication opens and closes. Sockets stand worker by worker: those of worker w for the n-th
 * new listener at fds[n * worker_count + w]. Zeroed is empty. */
struct bindings_change {
    struct bound_listeners opened; /* texts belong to the snapshot until bindings_commit() */
    int *fds;
    size_t worker_count;
    struct bound_listeners renamed; /* kept, but another protocol is spoken there; texts as above */
    struct str_vec closed; /* views of keys in the bindings; good until bindings_commit() */
};

/* Binds what `snapshot` needs and `bindings` has not. False: nothing stays open, err names the
 * address. */
bool bindings_prepare(const struct bound_listeners *bindings, const struct snapshot *snapshot,
                      size_t worker_count, struct bindings_change *change, struct err *err);
/* The sockets that one worker takes over; `sockets` has room for change->opened.count. */
void bindings_sockets_of(const struct bindings_change *change, size_t worker,
                         struct worker_socket *sockets);
/* The change was published: the sockets are the workers'. Takes it into `bindings` and empties it.
 * Returns whether there was any. */
bool bindings_commit(struct bound_listeners *bindings, struct bindings_change *change);
/* The change is not published: closes its sockets. */
void bindings_cancel(struct bindings_change *change);
void bindings_cleanup(struct bound_listeners *bindings);

#endif
