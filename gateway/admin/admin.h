/* admin: the operator's pages: the admin, health and metrics ports. Envoy's paths answer in Envoy's
 * form, so that the tools around Istio keep working; what is our own lives under /api/v1/. Control
 * thread, on net/page_server.c. */
#ifndef GATEWAY_ADMIN_ADMIN_H
#define GATEWAY_ADMIN_ADMIN_H

#include "gateway/admin/admin_view.h"
#include "gateway/net/page_server.h"

struct admin;

/* Both must outlive the admin. */
struct admin *admin_new(const struct admin_view *view, const struct admin_actions *actions);
void admin_free(struct admin *admin);
/* page_fn; owner is the admin. The port has no login: a POST must come by a loopback name (Host) and
 * from no foreign page (Origin). */
void admin_on_page(void *owner, const struct page_request *request, struct page_reply *reply);
/* page_fn of the health port: /healthz/ready. */
void admin_on_health_page(void *owner, const struct page_request *request,
                          struct page_reply *reply);
/* page_fn of the metrics port: /stats/prometheus. */
void admin_on_metrics_page(void *owner, const struct page_request *request,
                           struct page_reply *reply);

#endif
