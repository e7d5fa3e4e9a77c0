/* admin_page: what the files of admin/ share: the signature of a page and small helpers. */
#ifndef GATEWAY_ADMIN_ADMIN_PAGE_H
#define GATEWAY_ADMIN_ADMIN_PAGE_H

#include "gateway/admin/admin.h"
#include "gateway/base/json.h"

struct admin {
    const struct admin_view *view;
    const struct admin_actions *actions;
};

typedef void (*admin_page_fn)(struct admin *admin, const struct page_request *request,
                              struct page_reply *reply);

/* Plain text with a status; a newline is added. */
void admin_page_say(struct page_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Sets the content type and starts pretty JSON in the reply's body. */
void admin_page_json(struct page_reply *reply, struct json *json);
/* Whether the query has ?format=json. */
bool admin_page_wants_json(const struct page_request *request);
/* A query parameter, or an empty view; text lives in `out`. */
struct str admin_page_query(const struct page_request *request, const char *name, struct text *out);
/* "2026-01-02T03:04:05.678Z" */
void admin_page_put_time(struct json *json, const char *key, uint64_t wall_us);
/* Since when and under which revision something is served: version_info, last_updated. */
void admin_page_put_revision(struct json *json, const struct reload_status *reload);
/* An Address of Envoy's API: a socket_address, or a pipe. */
void admin_page_put_address(struct json *json, const char *key, const struct address *address);

/* A finding as an object. */
void admin_page_put_finding(struct json *json, const struct finding *finding);

/* admin_state.c */
void admin_state_ready(struct admin *admin, const struct page_request *request,
                       struct page_reply *reply);
void admin_state_server_info(struct admin *admin, const struct page_request *request,
                             struct page_reply *reply);
void admin_state_listeners(struct admin *admin, const struct page_request *request,
                           struct page_reply *reply);
void admin_state_memory(struct admin *admin, const struct page_request *request,
                        struct page_reply *reply);
/* admin_certs.c */
void admin_certs_page(struct admin *admin, const struct page_request *request,
                      struct page_reply *reply);
/* admin_clusters.c */
void admin_clusters_page(struct admin *admin, const struct page_request *request,
                         struct page_reply *reply);
/* admin_metrics.c */
void admin_metrics_stats(struct admin *admin, const struct page_request *request,
                         struct page_reply *reply);
void admin_metrics_prometheus(struct admin *admin, const struct page_request *request,
                              struct page_reply *reply);
void admin_metrics_memory(uint64_t *allocated, uint64_t *heap);
/* admin_config.c */
void admin_config_findings(struct admin *admin, const struct page_request *request,
                           struct page_reply *reply);
void admin_config_reload(struct admin *admin, const struct page_request *request,
                         struct page_reply *reply);
/* admin_dump.c: the frame of /config_dump; one function for each section. */
void admin_dump_page(struct admin *admin, const struct page_request *request,
                     struct page_reply *reply);
/* What a dump is limited to. */
struct admin_dump_filter {
    struct str resource;  /* "dynamic_listeners"; empty: all */
    struct pattern *name; /* NULL: all */
};
bool admin_dump_wants(const struct admin_dump_filter *filter, const char *resource);
bool admin_dump_wants_name(const struct admin_dump_filter *filter, struct str name);
/* admin_dump_listeners.c, admin_dump_routes.c, admin_dump_clusters.c: each writes one object of
 * `configs`. */
void admin_dump_listeners(struct json *json, const struct admin_view *view,
                          const struct admin_dump_filter *filter);
void admin_dump_routes(struct json *json, const struct admin_view *view,
                       const struct admin_dump_filter *filter);
void admin_dump_clusters(struct json *json, const struct admin_view *view,
                         const struct admin_dump_filter *filter);
void admin_dump_clusters_endpoints(struct json *json, const struct admin_view *view,
                                   const struct admin_dump_filter *filter);
void admin_dump_secrets(struct json *json, const struct admin_view *view,
                        const struct admin_dump_filter *filter);
/* admin_control.c */
void admin_control_logging(struct admin *admin, const struct page_request *request,
                           struct page_reply *reply);
void admin_control_drain_listeners(struct admin *admin, const struct page_request *request,
                                   struct page_reply *reply);
void admin_control_quit(struct admin *admin, const struct page_request *request,
                        struct page_reply *reply);
void admin_control_health_fail(struct admin *admin, const struct page_request *request,
                               struct page_reply *reply);
void admin_control_health_ok(struct admin *admin, const struct page_request *request,
                             struct page_reply *reply);

#endif
