/* client_sessions: a short list under a lock, which is held for a few comparisons once a handshake.
 * Workers share it: a session that one got serves all. */
#include "tls/client_sessions.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <pthread.h>

struct client_session {
    char *name;
    size_t name_len;
    SSL_SESSION *session; /* NULL: taken */
};

struct client_sessions {
    pthread_mutex_t lock;
    struct client_session items[LIMIT_CLIENT_SESSIONS];
    size_t count;
    size_t oldest;
};

struct client_sessions *client_sessions_new(void)
{
    struct client_sessions *sessions = mem_new(struct client_sessions);

    (void)pthread_mutex_init(&sessions->lock, NULL); /* cannot fail with default attributes */
    return sessions;
}

void client_sessions_free(struct client_sessions *sessions)
{
    for (size_t i = 0; i < sessions->count; i++) {
        SSL_SESSION_free(sessions->items[i].session);
        mem_free(sessions->items[i].name);
    }
    (void)pthread_mutex_destroy(&sessions->lock); /* nobody is left to hold it */
    mem_free(sessions);
}

static struct client_session *client_sessions_find(struct client_sessions *sessions,
                                                   struct str server_name)
{
    for (size_t i = 0; i < sessions->count; i++) {
        struct client_session *item = &sessions->items[i];
        if (str_equals(str_from(item->name, item->name_len), server_name)) {
            return item;
        }
    }
    return NULL;
}

static struct client_session *client_sessions_add(struct client_sessions *sessions,
                                                  struct str server_name)
{
    struct client_session *item;

    if (sessions->count < LIMIT_CLIENT_SESSIONS) {
        item = &sessions->items[sessions->count++];
    } else {
        item = &sessions->items[sessions->oldest];
        sessions->oldest = (sessions->oldest + 1) % LIMIT_CLIENT_SESSIONS;
    }
    mem_free(item->name);
    item->name = mem_copy_string(server_name.len > 0 ? server_name.ptr : "", server_name.len);
    item->name_len = server_name.len;
    return item;
}

void client_sessions_put(struct client_sessions *sessions, struct str server_name,
                         SSL_SESSION *session)
{
    (void)pthread_mutex_lock(&sessions->lock); /* cannot fail: neither recursive nor robust */
    struct client_session *item = client_sessions_find(sessions, server_name);
    if (item == NULL) {
        item = client_sessions_add(sessions, server_name);
    }
    SSL_SESSION *former = item->session;
    item->session = session;
    (void)pthread_mutex_unlock(&sessions->lock);
    SSL_SESSION_free(former);
}

SSL_SESSION *client_sessions_take(struct client_sessions *sessions, struct str server_name)
{
    SSL_SESSION *session = NULL;

    (void)pthread_mutex_lock(&sessions->lock);
    struct client_session *item = client_sessions_find(sessions, server_name);
    if (item != NULL && item->session != NULL) {
        session = item->session;
        if (SSL_SESSION_should_be_single_use(session) == 1) {
            item->session = NULL;
        } else {
            (void)SSL_SESSION_up_ref(session); /* always 1 */
        }
    }
    (void)pthread_mutex_unlock(&sessions->lock);
    return session;
}
