/* misdirected: which server's routes serve a request on a shared TLS connection. */
#include "gateway/proxy/misdirected.h"

#include "gateway/http/target.h"
#include "gateway/route/match.h"

static void misdirected_serve(struct misdirected_choice *choice, const struct tls_server *server)
{
    choice->routes = server->routes;
    choice->answer = "served";
    choice->text = "served by the other server, which asks for the same";
}

static void misdirected_refuse(struct misdirected_choice *choice, enum misdirected mode,
                               const char *text)
{
    choice->is_refused_421 = mode != MISDIRECTED_404;
    choice->answer = choice->is_refused_421 ? "421" : "404";
    choice->text = text;
}

/* Istio looks into the table of the connection's own server and nowhere else (SN-20); a wildcard there
 * may cover the host. */
static void misdirected_choose_as_istio(const struct tls_server *own, struct str authority,
                                        struct misdirected_choice *choice)
{
    if (match_virtual_host(own->routes, authority) != NULL) {
        choice->routes = own->routes;
        return;
    }
    misdirected_refuse(choice, MISDIRECTED_404, "404, as Istio answers");
}

static bool misdirected_is_same_context(const struct tls_server *a, const struct tls_server *b)
{
    return a->context != NULL && b->context != NULL && tls_context_same(a->context, b->context);
}

void misdirected_choose(enum misdirected mode, const struct snapshot_listener *listener,
                        const struct tls_server *own, struct str authority,
                        struct misdirected_choice *choice)
{
    const struct tls_server *other;

    *choice = (struct misdirected_choice){ .host = target_authority_host(authority) };
    if (own == NULL) {
        return;
    }
    if (own->kind != TLS_SERVER_HTTP) { /* since this connection came */
        misdirected_refuse(choice, mode, "refused: the name is not served as HTTP any more");
        return;
    }
    other = snapshot_find_tls_server(listener, choice->host);
    if (other == NULL || other == own) {
        choice->routes = own->routes;
    } else if (mode == MISDIRECTED_404) {
        misdirected_choose_as_istio(own, authority, choice);
    } else if (other->kind != TLS_SERVER_HTTP) {
        misdirected_refuse(choice, mode, "refused: the other server does not serve HTTP");
    } else if (mode == MISDIRECTED_421) {
        misdirected_refuse(choice, mode, "421, as --misdirected asks for");
    } else if (misdirected_is_same_context(own, other)) {
        misdirected_serve(choice, other);
    } else {
        misdirected_refuse(choice, mode, "421: certificate or TLS policy differ");
    }
}
