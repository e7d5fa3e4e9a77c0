/* page_server: small HTTP pages on the control thread, on libevent's evhttp. For the admin, health
 * and metrics ports; never for traffic. */
#ifndef GATEWAY_NET_PAGE_SERVER_H
#define GATEWAY_NET_PAGE_SERVER_H

#include "gateway/base/text.h"
#include "gateway/net/address.h"
#include "gateway/net/loop.h"

struct page_server;

/* Connections of one port; further ones are closed at once. */
enum { PAGE_SERVER_CONNECTIONS = 64 };

struct page_request {
    struct str method; /* "GET", "POST", ... */
    struct str path;   /* decoded, without query */
    struct str query;  /* raw, without '?' */
    struct str host;   /* Host header, empty when absent */
    struct str origin; /* Origin header, empty when absent */
    struct str body;
    struct address peer;
};
struct page_reply {
    int status;               /* 200 unless set */
    const char *content_type; /* "text/plain; charset=UTF-8" unless set */
    struct text body;
};
typedef void (*page_fn)(void *owner, const struct page_request *request, struct page_reply *reply);

/* One function answers every path. *address gets the bound port. */
struct page_server *page_server_start(struct loop *loop, struct address *address, page_fn on_page,
                                      void *owner, struct err *err);
void page_server_stop(struct page_server *server);
/* The value of a query parameter, decoded into `out`; false when absent. */
bool page_query_get(struct str query, const char *name, struct text *out);

#endif
