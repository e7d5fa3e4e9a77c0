/* exchange_tunnel: an upgraded exchange: bytes of another protocol between two legs, each direction until
 * its side ends, both until one of them breaks. It holds no snapshot; a drain leaves it alone until its
 * deadline, which closes the connection. */
#include "gateway/proxy/exchange.h"

static struct metric_series *exchange_tunnel_gauge(const struct exchange *exchange)
{
    const struct str kind = STR("websocket");

    return metrics_series(exchange->worker->metrics, METRIC_TUNNELS, &kind, 1);
}

static void exchange_tunnel_on_idle(void *arg)
{
    exchange_cut_client(arg, OUTCOME_TUNNEL_IDLE);
}

/* CN-32: from here on only the idle timer counts. */
void exchange_tunnel_begin(struct exchange *exchange)
{
    exchange->is_tunnel = true;
    timer_cancel(&exchange->deadline);
    timer_init(&exchange->deadline, exchange_tunnel_on_idle, exchange);
    metric_series_add(exchange_tunnel_gauge(exchange), 1);
    exchange_tunnel_touch(exchange);
}

void exchange_tunnel_touch(struct exchange *exchange)
{
    uint32_t timeout_ms = exchange->worker->options.tunnel_idle_timeout_ms;

    if (timeout_ms != 0 && !exchange->is_finished) {
        timer_arm(exchange->worker->loop, &exchange->deadline, timeout_ms);
    }
}

void exchange_tunnel_review(struct exchange *exchange)
{
    if (!exchange->is_finished && exchange->is_tunnel && exchange->request_flow == FLOW_DONE &&
        exchange->response_flow == FLOW_DONE) {
        exchange_finish(exchange);
    }
}

void exchange_tunnel_end(struct exchange *exchange)
{
    metric_series_sub(exchange_tunnel_gauge(exchange), 1);
}
