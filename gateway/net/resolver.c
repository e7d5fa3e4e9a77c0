/* resolver: DNS for one worker, on evdns; all in the loop's thread. A query belongs to the resolver
 * until it answered or was cancelled. evdns calls back even for what was cancelled, so what it
 * holds is a question, a small object that may lose its query. */
#include "gateway/net/resolver.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/net/hosts_file.h"
#include "gateway/observe/log.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RESOLVER_NAME_MAX_BYTES = 253, /* RFC 1035 2.3.4, without the root's dot */
    RESOLVER_LABEL_MAX_BYTES = 63,
    /* Over all attempts and servers; also bounds the wait behind evdns's own cap of requests. */
    RESOLVER_DEADLINE_MS = 10000,
    RESOLVER_NUMERIC_TTL_S = 3600,
    RESOLVER_HOSTS_TTL_S = 60,
    /* A route to IPv6 may appear after the start. */
    RESOLVER_IPV6_CHECK_MS = 60000,
};

struct resolver {
    struct loop *loop;
    struct evdns_base *dns;
    struct hosts_file hosts;
    struct list queries;
    bool has_ipv6;
    uint64_t ipv6_checked_ms;
};

struct resolver_question {
    struct resolver *resolver;
    struct resolver_query *query; /* NULL: nobody waits any more */
    struct evdns_request *request;
};

enum { QUESTION_A, QUESTION_AAAA, QUESTION_COUNT };

struct resolver_query {
    struct list link;
    struct resolver *resolver;
    resolver_done_fn on_done;
    void *owner;
    struct resolver_question *questions[QUESTION_COUNT];
    struct timer deadline;
    struct deferred finish; /* an answer that is known at once still comes later */
    uint32_t ttl_s;
    const char *error;
    size_t count;
    struct address addresses[LIMIT_DNS_ADDRESSES];
};

/* --- Life ------------------------------------------------------------------------------------- */

/* Connecting a datagram socket sends nothing; it only asks the routing table. */
static bool resolver_has_ipv6_route(void)
{
    struct address somewhere;
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd == -1) {
        return false;
    }
    (void)address_parse(STR("2001:db8::1"), 53, &somewhere); /* parses */
    bool has_route = connect(fd, &somewhere.sockaddr, somewhere.len) == 0;
    (void)close(fd);
    return has_route;
}

static void resolver_check_ipv6(struct resolver *resolver)
{
    if (resolver->ipv6_checked_ms == 0 ||
        now_mono_ms() - resolver->ipv6_checked_ms >= RESOLVER_IPV6_CHECK_MS) {
        resolver->ipv6_checked_ms = now_mono_ms();
        resolver->has_ipv6 = resolver_has_ipv6_route();
    }
}

static bool resolver_add_servers(struct resolver *resolver, struct str servers, struct err *err)
{
    struct str part;
    char server[ADDRESS_TEXT_BYTES];

    while (str_split_next(&servers, ',', &part)) {
        part = str_trim(part);
        if (part.len == 0) {
            continue;
        }
        (void)snprintf(server, sizeof(server), "%.*s", STR_ARG(part)); /* cut: refused below */
        if (part.len >= sizeof(server) ||
            evdns_base_nameserver_ip_add(resolver->dns, server) != 0) {
            err_set(err, ERR_USAGE, "\"%.*s\" is no name server; write ADDRESS or ADDRESS:PORT",
                    STR_ARG(part));
            return false;
        }
    }
    return true;
}

static void resolver_set_options(struct resolver *resolver)
{
    static const struct {
        const char *name;
        const char *value;
    } options[] = {
        /* Two tries of two seconds: a lost datagram is made good within a connect timeout. */
        { "timeout", "2" },
        { "attempts", "2" },
        /* Case as a cookie against forged answers (draft-vixie-dnsext-dns0x20). */
        { "randomize-case", "1" },
    };

    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (evdns_base_set_option(resolver->dns, options[i].name, options[i].value) != 0) {
            LOG_WARN("resolver", "the DNS library does not take %s", options[i].name);
        }
    }
}

struct resolver *resolver_new(struct loop *loop, const char *servers, struct err *err)
{
    struct resolver *resolver = mem_new(struct resolver);

    resolver->loop = loop;
    list_init(&resolver->queries);
    resolver->dns = evdns_base_new(loop_event_base(loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (resolver->dns == NULL) {
        err_set(err, ERR_SYSTEM, "cannot start the DNS resolver");
        mem_free(resolver);
        return NULL;
    }
    hosts_file_init(&resolver->hosts, "/etc/hosts");
    if (servers != NULL) {
        if (!resolver_add_servers(resolver, str_from_cstr(servers), err)) {
            resolver_free(resolver);
            return NULL;
        }
    } else if (evdns_base_resolv_conf_parse(resolver->dns,
                                            DNS_OPTION_SEARCH | DNS_OPTION_NAMESERVERS |
                                                DNS_OPTION_MISC | DNS_OPTION_NAMESERVERS_NO_DEFAULT,
                                            "/etc/resolv.conf") != 0) {
        /* Not fatal: numbers and /etc/hosts need no server, look-ups say what is wrong. */
        LOG_WARN("resolver", "no name server in /etc/resolv.conf");
    }
    resolver_set_options(resolver); /* after resolv.conf, whose options would win otherwise */
    return resolver;
}

void resolver_free(struct resolver *resolver)
{
    struct list *link;

    if (resolver == NULL) {
        return;
    }
    while ((link = list_first(&resolver->queries)) != NULL) {
        resolver_cancel(list_object(link, struct resolver_query, link));
    }
    /* Open questions are called back later with "shut down", and freed there. */
    evdns_base_free(resolver->dns, 1);
    hosts_file_cleanup(&resolver->hosts);
    mem_free(resolver);
}

/* --- Answers ---------------------------------------------------------------------------------- */

static const char *resolver_error_text(int result)
{
    switch (result) {
    case DNS_ERR_NONE:
    case DNS_ERR_NODATA:
        return "no address for this name";
    case DNS_ERR_FORMAT:
        return "the name server did not understand";
    case DNS_ERR_SERVERFAILED:
        return "the name server failed";
    case DNS_ERR_NOTEXIST:
        return "no such name";
    case DNS_ERR_NOTIMPL:
        return "the name server does not answer such questions";
    case DNS_ERR_REFUSED:
        return "the name server refused";
    case DNS_ERR_TRUNCATED:
        return "the answer is too long for a datagram";
    case DNS_ERR_TIMEOUT:
        return "timed out";
    default:
        return "unusable answer";
    }
}

static void resolver_drop_question(struct resolver_question *question)
{
    if (question != NULL) {
        question->query = NULL;
        evdns_cancel_request(question->resolver->dns, question->request);
    }
}

static void resolver_release(struct resolver_query *query)
{
    for (size_t i = 0; i < QUESTION_COUNT; i++) {
        resolver_drop_question(query->questions[i]);
        query->questions[i] = NULL;
    }
    timer_cancel(&query->deadline);
    loop_defer_cancel(&query->finish);
    list_remove(&query->link);
    loop_reap(query->resolver->loop, query, mem_free);
}

static void resolver_finish(void *arg)
{
    struct resolver_query *query = arg;

    resolver_release(query);
    query->on_done(query->owner, query->addresses, query->count,
                   query->count > 0 ? query->ttl_s : 0, query->count > 0 ? NULL : query->error);
}

static void resolver_on_deadline(void *arg)
{
    struct resolver_query *query = arg;

    query->error = resolver_error_text(DNS_ERR_TIMEOUT);
    resolver_finish(query); /* with the addresses that came, if any did */
}

static void resolver_add_answer(struct resolver_query *query, int type, int count, int ttl,
                                const void *answer)
{
    const unsigned char *bytes = answer;

    for (int i = 0; i < count && query->count < LIMIT_DNS_ADDRESSES; i++) {
        struct address *address = &query->addresses[query->count++];
        memset(address, 0, sizeof(*address));
        if (type == DNS_IPv4_A) {
            address->in4.sin_family = AF_INET;
            memcpy(&address->in4.sin_addr, bytes + (size_t)i * 4, 4);
            address->len = sizeof(address->in4);
        } else {
            address->in6.sin6_family = AF_INET6;
            memcpy(&address->in6.sin6_addr, bytes + (size_t)i * 16, 16);
            address->len = sizeof(address->in6);
        }
    }
    uint32_t ttl_s = ttl > 0 ? (uint32_t)ttl : 0;
    if (count > 0 && ttl_s < query->ttl_s) {
        query->ttl_s = ttl_s;
    }
}

static void resolver_on_answer(int result, char type, int count, int ttl, void *addresses,
                               void *arg)
{
    struct resolver_question *question = arg;
    struct resolver_query *query = question->query;

    if (query == NULL) {
        mem_free(question);
        return;
    }
    loop_enter(query->resolver->loop);
    bool is_a = query->questions[QUESTION_A] == question;
    query->questions[is_a ? QUESTION_A : QUESTION_AAAA] = NULL;
    mem_free(question);
    if (result == DNS_ERR_NONE && (type == DNS_IPv4_A || type == DNS_IPv6_AAAA)) {
        resolver_add_answer(query, type, count, ttl, addresses);
    }
    if (is_a || query->error == NULL) {
        query->error = resolver_error_text(result);
    }
    if (query->questions[QUESTION_A] == NULL && query->questions[QUESTION_AAAA] == NULL) {
        resolver_finish(query);
    }
}

/* --- Questions -------------------------------------------------------------------------------- */

static struct resolver_question *resolver_ask(struct resolver_query *query, int type,
                                              const char *name)
{
    struct resolver *resolver = query->resolver;
    struct resolver_question *question = mem_new(struct resolver_question);
    /* With ndots:5, as in Kubernetes, each full name would be asked for four times in vain. */
    int flags = strchr(name, '.') != NULL ? DNS_QUERY_NO_SEARCH : 0;

    question->resolver = resolver;
    question->query = query;
    question->request =
        type == DNS_IPv4_A
            ? evdns_base_resolve_ipv4(resolver->dns, name, flags, resolver_on_answer, question)
            : evdns_base_resolve_ipv6(resolver->dns, name, flags, resolver_on_answer, question);
    if (question->request == NULL) {
        mem_free(question);
        return NULL;
    }
    return question;
}

/* Addresses of the hosts file; IPv6 ones only where they are of use, or the only ones. */
static size_t resolver_find_in_hosts(struct resolver_query *query, struct str name)
{
    size_t count =
        hosts_file_find(&query->resolver->hosts, name, query->addresses, LIMIT_DNS_ADDRESSES);
    size_t kept = 0;

    for (size_t i = 0; i < count && !query->resolver->has_ipv6; i++) {
        if (address_family(&query->addresses[i]) == AF_INET) {
            query->addresses[kept++] = query->addresses[i];
        }
    }
    return kept > 0 ? kept : count;
}

/* RFC 1035 2.3.4: labels of 1 to 63 bytes; the underscore is no host name's, but it is in use. */
static bool resolver_is_name(struct str name)
{
    size_t label = 0;

    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--; /* the root */
    }
    if (name.len == 0 || name.len > RESOLVER_NAME_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = str_lower_char(name.ptr[i]);
        if (c == '.') {
            if (label == 0) {
                return false;
            }
            label = 0;
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_') {
            if (++label > RESOLVER_LABEL_MAX_BYTES) {
                return false;
            }
        } else {
            return false;
        }
    }
    return label > 0;
}

/* True: `count` or `error` is set, nobody needs to be asked. */
static bool resolver_answer_at_once(struct resolver_query *query, struct str name)
{
    if (address_is_ip_literal(name) && address_parse(name, 0, &query->addresses[0])) {
        query->count = 1;
        query->ttl_s = RESOLVER_NUMERIC_TTL_S;
        return true;
    }
    if (!resolver_is_name(name)) {
        query->error = "not a host name";
        return true;
    }
    query->count = resolver_find_in_hosts(query, name);
    if (query->count > 0) {
        query->ttl_s = RESOLVER_HOSTS_TTL_S;
        return true;
    }
    /* evdns would keep the question for ever. */
    if (evdns_base_count_nameservers(query->resolver->dns) == 0) {
        query->error = "no name server is configured";
        return true;
    }
    return false;
}

struct resolver_query *resolver_lookup(struct resolver *resolver, struct str name,
                                       resolver_done_fn on_done, void *owner)
{
    struct resolver_query *query = mem_new(struct resolver_query);
    char text[RESOLVER_NAME_MAX_BYTES + 2]; /* the root's dot and a NUL */

    query->resolver = resolver;
    query->on_done = on_done;
    query->owner = owner;
    query->ttl_s = UINT32_MAX;
    timer_init(&query->deadline, resolver_on_deadline, query);
    list_push_back(&resolver->queries, &query->link);
    resolver_check_ipv6(resolver);
    if (resolver_answer_at_once(query, name)) {
        loop_defer(resolver->loop, &query->finish, resolver_finish, query);
        return query;
    }
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    query->questions[QUESTION_A] = resolver_ask(query, DNS_IPv4_A, text);
    if (resolver->has_ipv6) {
        query->questions[QUESTION_AAAA] = resolver_ask(query, DNS_IPv6_AAAA, text);
    }
    if (query->questions[QUESTION_A] == NULL && query->questions[QUESTION_AAAA] == NULL) {
        query->error = "not a host name";
        loop_defer(resolver->loop, &query->finish, resolver_finish, query);
    } else {
        timer_arm(resolver->loop, &query->deadline, RESOLVER_DEADLINE_MS);
    }
    return query;
}

void resolver_cancel(struct resolver_query *query)
{
    if (query != NULL) {
        resolver_release(query);
    }
}
