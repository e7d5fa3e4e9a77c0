/* endpoint: life of one upstream address. A worker's; its connections are kept in pool.c. */
#include "gateway/upstream/endpoint.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/upstream/cluster.h"
#include "gateway/upstream/cluster_set.h"
#include "gateway/upstream/pool.h"

static struct str endpoint_copy(struct str view)
{
    return str_from(mem_copy_string(view.ptr, view.len), view.len);
}

struct endpoint *endpoint_new(struct cluster *cluster, const struct address *address,
                              struct str host)
{
    struct endpoint *endpoint = mem_new(struct endpoint);
    char text[ADDRESS_TEXT_BYTES];

    endpoint->cluster = cluster_ref(cluster);
    endpoint->address = *address;
    endpoint->text = endpoint_copy(address_print(address, text));
    endpoint->host = endpoint_copy(host);
    endpoint->weight = 1;
    endpoint->ref_count = 1;
    list_init(&endpoint->idle);
    list_init(&endpoint->sharing);
    list_init(&endpoint->busy);
    list_init(&endpoint->dials);
    list_push_back(&cluster->set->endpoints, &endpoint->link);
    return endpoint;
}

struct endpoint *endpoint_ref(struct endpoint *endpoint)
{
    endpoint->ref_count++;
    return endpoint;
}

static void endpoint_drop_string(struct str view)
{
    union {
        const char *read_only;
        char *memory;
    } string = { .read_only = view.ptr };

    mem_free(string.memory);
}

void endpoint_unref(struct endpoint *endpoint)
{
    if (endpoint == NULL || --endpoint->ref_count > 0) {
        return;
    }
    CHECK(list_is_empty(&endpoint->idle) && list_is_empty(&endpoint->sharing) &&
          list_is_empty(&endpoint->busy) && list_is_empty(&endpoint->dials) &&
          endpoint->waiting_count == 0);
    struct cluster *cluster = endpoint->cluster;
    list_remove(&endpoint->link);
    endpoint_drop_string(endpoint->text);
    endpoint_drop_string(endpoint->host);
    mem_free(endpoint);
    cluster_unref(cluster);
}

void endpoint_begin_use(struct endpoint *endpoint)
{
    (void)endpoint_ref(endpoint); /* given back by endpoint_end_use() */
    endpoint->active_requests++;
}

void endpoint_end_use(struct endpoint *endpoint)
{
    CHECK(endpoint->active_requests > 0);
    endpoint->active_requests--;
    endpoint_unref(endpoint);
}

void endpoint_retire(struct endpoint *endpoint)
{
    endpoint->is_retired = true;
    pool_close_idle(endpoint);
    endpoint_unref(endpoint);
}
