/* exchange_shed: when memory is short although nothing new is taken, the exchanges that hold most of it
 * are given up, before the kernel ends everybody. What they hold is what somebody does not take: a client
 * that reads nothing, an upstream that swallows nothing. */
#include "gateway/proxy/exchange.h"

#include "gateway/base/limits.h"
#include "gateway/observe/log.h"

#include <event2/buffer.h>

/* The greediest so far, most first. */
struct exchange_shed_list {
    struct exchange *exchanges[LIMIT_SHED_EXCHANGES];
    size_t bytes[LIMIT_SHED_EXCHANGES];
    size_t count;
};

static size_t exchange_shed_weigh(const struct exchange *exchange)
{
    const struct leg *legs[] = { exchange->client_leg, exchange->upstream_leg };
    size_t bytes = exchange->kept != NULL ? evbuffer_get_length(exchange->kept) : 0;

    for (size_t i = 0; i < 2; i++) {
        bytes += legs[i] != NULL ? legs[i]->ops->queued_bytes(legs[i]) : 0;
    }
    return bytes;
}

static void exchange_shed_enter(struct exchange_shed_list *list, struct exchange *exchange,
                                size_t bytes)
{
    size_t at = list->count;

    if (at == LIMIT_SHED_EXCHANGES) {
        if (bytes <= list->bytes[--at]) {
            return;
        }
    } else {
        list->count++;
    }
    for (; at > 0 && list->bytes[at - 1] < bytes; at--) {
        list->exchanges[at] = list->exchanges[at - 1];
        list->bytes[at] = list->bytes[at - 1];
    }
    list->exchanges[at] = exchange;
    list->bytes[at] = bytes;
}

void exchange_shed_greediest(struct worker *worker)
{
    struct exchange_shed_list list = { .count = 0 };
    size_t bytes = 0;

    LIST_EACH (&worker->exchanges, link) {
        struct exchange *exchange = list_object(link, struct exchange, link);
        size_t held = exchange->is_finished ? 0 : exchange_shed_weigh(exchange);

        if (held >= LIMIT_SHED_BYTES) {
            exchange_shed_enter(&list, exchange, held);
        }
    }
    for (size_t i = 0; i < list.count; i++) {
        if (list.exchanges[i]->is_finished) {
            continue; /* with its connection's others */
        }
        bytes += list.bytes[i];
        metrics_add(worker->metrics, METRIC_OVERLOAD_SHED, 1);
        if (list.exchanges[i]->response_flow == FLOW_HEAD) {
            exchange_reply(list.exchanges[i], OUTCOME_OVERLOADED);
        } else {
            exchange_cut_client(list.exchanges[i], OUTCOME_OVERLOADED);
        }
    }
    if (list.count > 0) {
        LOG_WARN("exchange", "memory is short: gave up %zu requests that held %zu KiB", list.count,
                 bytes / 1024);
    }
}
