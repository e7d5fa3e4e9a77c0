/* client_sessions: what an upstream gave us to resume with, by the name it was asked for. Belongs to one
 * client context, so a session is offered only where its certificate passed the same checks. Any
 * thread. For tls/ only. */
#ifndef TLS_CLIENT_SESSIONS_H
#define TLS_CLIENT_SESSIONS_H

#include "tls/library.h"

struct client_sessions;

struct client_sessions *client_sessions_new(void);
void client_sessions_free(struct client_sessions *sessions);
/* Takes over `session`; it replaces the one of the same name, or the oldest when there are too many. */
void client_sessions_put(struct client_sessions *sessions, struct str server_name,
                         SSL_SESSION *session);
/* With a reference for the caller; NULL: none. One of TLS 1.3 is taken out: it is good for one use
 * (RFC 8446 C.4). */
SSL_SESSION *client_sessions_take(struct client_sessions *sessions, struct str server_name);

#endif
