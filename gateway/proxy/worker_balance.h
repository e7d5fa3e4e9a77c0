/* worker_balance: an accepted connection goes to the worker that has least in hand. The kernel spreads
 * connections over the sockets of a port by a hash, evenly only in the long run: of sixteen that stay
 * for days, two workers may hold three and thirteen. */
#ifndef GATEWAY_PROXY_WORKER_BALANCE_H
#define GATEWAY_PROXY_WORKER_BALANCE_H

#include "gateway/proxy/worker_state.h"

void worker_balance_init(struct worker *worker);
void worker_balance_cleanup(struct worker *worker);
/* A connection that was just accepted, nothing of it read. True: `fd` is another worker's now, which
 * serves by the same revision. Costs a look at a few counts where the workers are even. */
bool worker_balance_hand_over(struct worker_listener *listener, int fd, const struct address *peer);
/* Takes up what was handed over, by the listeners there are now; from then on connections are taken
 * of those who serve by `revision`. First thing in publishing. */
void worker_balance_set_revision(struct worker *worker, uint64_t revision);
/* Takes up what was handed over, and nothing more from then on. Before listeners close. */
void worker_balance_close(struct worker *worker);

#endif
