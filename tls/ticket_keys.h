/* ticket_keys: resumption keys shared by all contexts and workers, rotated. Random per process;
 * a ticket of the current or the former key is taken. */
#ifndef TLS_TICKET_KEYS_H
#define TLS_TICKET_KEYS_H

#include "gateway/base/err.h"

#include <stdint.h>

struct ticket_keys;

struct ticket_keys *ticket_keys_new(void);
void ticket_keys_free(struct ticket_keys *keys);
/* Control thread, once an hour: the current key becomes the former one. Handshakes on other threads
 * see either set, whole. */
void ticket_keys_rotate(struct ticket_keys *keys);

#endif
