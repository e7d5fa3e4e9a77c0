/* bindings: which sockets to bind and which to give up. Control thread. Texts in `bindings` are copies
 * of their own: the snapshot that brought them goes. */
#include "gateway/daemon/bindings.h"

#include "gateway/net/listener.h"

#include <unistd.h>

static struct bound_listener *bindings_find(const struct bound_listeners *bindings, struct str key)
{
    for (size_t i = 0; i < bindings->count; i++) {
        if (str_equals(bindings->items[i].key, key)) {
            return &bindings->items[i];
        }
    }
    return NULL;
}

static bool bindings_snapshot_has(const struct snapshot *snapshot, struct str key)
{
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (str_equals(snapshot->listeners[i].key, key)) {
            return true;
        }
    }
    return false;
}

/* What is told of it: two servers may follow each other on one address. */
static bool bindings_is_same(const struct bound_listener *left, const struct bound_listener *right)
{
    return str_equals(left->name, right->name) && str_equals(left->protocol, right->protocol) &&
           left->gateway_port == right->gateway_port;
}

bool bindings_prepare(const struct bound_listeners *bindings, const struct snapshot *snapshot,
                      size_t worker_count, struct bindings_change *change, struct err *err)
{
    *change = (struct bindings_change){ .worker_count = worker_count };
    change->fds = mem_alloc_array(snapshot->listener_count * worker_count + 1, sizeof(int));
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        const struct snapshot_listener *listener = &snapshot->listeners[i];
        const struct bound_listener *kept = bindings_find(bindings, listener->key);
        struct bound_listener opened = {
            .key = listener->key,
            .name = listener->name,
            .protocol = listener->protocol,
            .gateway_port = listener->gateway_port,
            .bound = listener->address,
        };
        if (kept != NULL) {
            if (!bindings_is_same(kept, &opened)) {
                vec_push(&change->renamed, opened);
            }
            continue;
        }
        int *fds = change->fds + change->opened.count * worker_count;
        if (!listener_bind(&opened.bound, fds, worker_count, err)) {
            err_prefix(err, "Gateway port %u", listener->gateway_port);
            bindings_cancel(change);
            return false;
        }
        vec_push(&change->opened, opened);
    }
    for (size_t i = 0; i < bindings->count; i++) {
        if (!bindings_snapshot_has(snapshot, bindings->items[i].key)) {
            vec_push(&change->closed, bindings->items[i].key);
        }
    }
    return true;
}

void bindings_sockets_of(const struct bindings_change *change, size_t worker,
                         struct worker_socket *sockets)
{
    for (size_t i = 0; i < change->opened.count; i++) {
        sockets[i] = (struct worker_socket){
            .key = change->opened.items[i].key,
            .fd = change->fds[i * change->worker_count + worker],
            .bound = change->opened.items[i].bound,
        };
    }
}

static struct str bindings_copy(struct str text)
{
    return str_from(mem_copy_string(text.ptr, text.len), text.len);
}

static void bindings_free_texts(struct bound_listener *listener)
{
    struct str *texts[] = { &listener->key, &listener->name, &listener->protocol };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *text;
        memcpy(&text, &texts[i]->ptr, sizeof(text)); /* ours: made by bindings_copy() */
        mem_free(text);
        *texts[i] = (struct str){ 0 };
    }
}

static void bindings_remove(struct bound_listeners *bindings, struct str key)
{
    for (size_t i = 0; i < bindings->count; i++) {
        if (str_equals(bindings->items[i].key, key)) {
            bindings_free_texts(&bindings->items[i]);
            memmove(&bindings->items[i], &bindings->items[i + 1],
                    (bindings->count - i - 1) * sizeof(bindings->items[i]));
            bindings->count--;
            return;
        }
    }
}

static void bindings_copy_texts(struct bound_listener *listener)
{
    listener->key = bindings_copy(listener->key);
    listener->name = bindings_copy(listener->name);
    listener->protocol = bindings_copy(listener->protocol);
}

static void bindings_rename(struct bound_listeners *bindings, const struct bound_listener *renamed)
{
    struct bound_listener *listener = bindings_find(bindings, renamed->key);
    struct address bound = listener->bound; /* with the port that the kernel picked */

    bindings_free_texts(listener);
    *listener = *renamed;
    listener->bound = bound;
    bindings_copy_texts(listener);
}

static void bindings_forget_change(struct bindings_change *change)
{
    mem_free(change->fds);
    vec_cleanup(&change->renamed);
    vec_cleanup(&change->opened);
    vec_cleanup(&change->closed);
    change->fds = NULL;
}

bool bindings_commit(struct bound_listeners *bindings, struct bindings_change *change)
{
    bool is_changed =
        change->opened.count != 0 || change->closed.count != 0 || change->renamed.count != 0;

    for (size_t i = 0; i < change->renamed.count; i++) {
        bindings_rename(bindings, &change->renamed.items[i]);
    }
    for (size_t i = 0; i < change->closed.count; i++) {
        bindings_remove(bindings, change->closed.items[i]);
    }
    for (size_t i = 0; i < change->opened.count; i++) {
        struct bound_listener listener = change->opened.items[i];
        bindings_copy_texts(&listener);
        vec_push(bindings, listener);
    }
    bindings_forget_change(change);
    return is_changed;
}

void bindings_cancel(struct bindings_change *change)
{
    for (size_t i = 0; i < change->opened.count * change->worker_count; i++) {
        (void)close(change->fds[i]); /* nothing was accepted on it */
    }
    bindings_forget_change(change);
}

void bindings_cleanup(struct bound_listeners *bindings)
{
    for (size_t i = 0; i < bindings->count; i++) {
        bindings_free_texts(&bindings->items[i]);
    }
    vec_cleanup(bindings);
}
