/* delegate: see the header. A merged entry is a copy of the delegate's with what the root adds. */
#include "config/delegate.h"

#include "config/compiler.h"

struct expansion {
    struct arena *arena;
    const struct resource_set *resources;
    const struct virtual_service *root;
    struct http_entries *out;
    delegate_problem_fn on_problem;
    void *owner;
};

static void tell(const struct expansion *expansion, size_t entry, enum delegate_problem problem,
                 size_t delegate_entry)
{
    if (expansion->on_problem != NULL) {
        expansion->on_problem(expansion->owner, expansion->root, entry, problem, delegate_entry);
    }
}

/* --- Conflicts (HT-143) ----------------------------------------------------------------------- */

/* The delegate must be at least as narrow as the root. */
static bool string_conflicts(const struct string_match *root, const struct string_match *delegate)
{
    if (root == NULL || delegate == NULL) {
        return false;
    }
    if (root->kind == MATCH_REGEX || delegate->kind == MATCH_REGEX) {
        return true;
    }
    switch (root->kind) {
    case MATCH_PREFIX:
        return delegate->kind == MATCH_PRESENT || !str_starts_with(delegate->value, root->value);
    case MATCH_EXACT:
        return delegate->kind != MATCH_EXACT || !str_equals(delegate->value, root->value);
    case MATCH_PRESENT:
    case MATCH_REGEX:
        break;
    }
    return false;
}

static const struct string_match *find_named(const struct named_match_vec *matches, struct str name)
{
    for (size_t i = 0; i < matches->count; i++) {
        if (str_equals_nocase(matches->items[i].name, name)) {
            return &matches->items[i].match;
        }
    }
    return NULL;
}

static bool named_conflict(const struct named_match_vec *root,
                           const struct named_match_vec *delegate)
{
    for (size_t i = 0; i < root->count; i++) {
        if (string_conflicts(&root->items[i].match, find_named(delegate, root->items[i].name))) {
            return true;
        }
    }
    return false;
}

static bool gateways_conflict(const struct str_vec *root, const struct str_vec *delegate)
{
    for (size_t i = 0; root->count != 0 && i < delegate->count; i++) {
        bool is_found = false;

        for (size_t k = 0; k < root->count && !is_found; k++) {
            is_found = str_equals(root->items[k], delegate->items[i]);
        }
        if (!is_found) {
            return true;
        }
    }
    return false;
}

static bool matches_conflict(const struct http_match *root, const struct http_match *delegate)
{
    if (root->uri != NULL && delegate->uri != NULL &&
        root->ignore_uri_case != delegate->ignore_uri_case) {
        return true;
    }
    if (root->port != 0 && delegate->port != 0 && root->port != delegate->port) {
        return true;
    }
    if (!str_is_empty(root->source_namespace) && !str_is_empty(delegate->source_namespace) &&
        !str_equals(root->source_namespace, delegate->source_namespace)) {
        return true;
    }
    return string_conflicts(root->uri, delegate->uri) ||
           string_conflicts(root->scheme, delegate->scheme) ||
           string_conflicts(root->method, delegate->method) ||
           string_conflicts(root->authority, delegate->authority) ||
           named_conflict(&root->headers, &delegate->headers) ||
           named_conflict(&root->without_headers, &delegate->without_headers) ||
           named_conflict(&root->query_params, &delegate->query_params) ||
           gateways_conflict(&root->gateways, &delegate->gateways);
}

/* --- Merging ---------------------------------------------------------------------------------- */

static struct named_match_vec unite_named(struct arena *arena, const struct named_match_vec *root,
                                          const struct named_match_vec *delegate)
{
    struct named_match_vec all = { 0 };

    for (size_t i = 0; i < delegate->count; i++) {
        vec_push_in_arena(arena, &all, delegate->items[i]);
    }
    for (size_t i = 0; i < root->count; i++) {
        if (find_named(delegate, root->items[i].name) == NULL) {
            vec_push_in_arena(arena, &all, root->items[i]);
        }
    }
    return all;
}

static struct str_pair_vec unite_labels(struct arena *arena, const struct str_pair_vec *root,
                                        const struct str_pair_vec *delegate)
{
    struct str_pair_vec all = { 0 };

    for (size_t i = 0; i < delegate->count; i++) {
        vec_push_in_arena(arena, &all, delegate->items[i]);
    }
    for (size_t i = 0; i < root->count; i++) {
        vec_push_in_arena(arena, &all, root->items[i]);
    }
    return all;
}

static struct http_match merge_match(struct arena *arena, const struct http_match *root,
                                     const struct http_match *delegate)
{
    struct http_match merged = *delegate;

    if (!str_is_empty(root->name)) {
        merged.name =
            str_is_empty(delegate->name)
                ? root->name
                : arena_printf(arena, "%.*s-%.*s", STR_ARG(root->name), STR_ARG(delegate->name));
    }
    if (merged.uri == NULL) {
        merged.uri = root->uri;
        merged.ignore_uri_case = root->ignore_uri_case;
    }
    merged.scheme = merged.scheme != NULL ? merged.scheme : root->scheme;
    merged.method = merged.method != NULL ? merged.method : root->method;
    merged.authority = merged.authority != NULL ? merged.authority : root->authority;
    merged.port = merged.port != 0 ? merged.port : root->port;
    if (merged.gateways.count == 0) {
        merged.gateways = root->gateways;
    }
    if (str_is_empty(merged.source_namespace)) {
        merged.source_namespace = root->source_namespace;
    }
    merged.headers = unite_named(arena, &root->headers, &delegate->headers);
    merged.without_headers = unite_named(arena, &root->without_headers, &delegate->without_headers);
    merged.query_params = unite_named(arena, &root->query_params, &delegate->query_params);
    merged.source_labels = unite_labels(arena, &root->source_labels, &delegate->source_labels);
    return merged;
}

/* SN-40: names of Gateways are read in the namespace of the object that has them. Done before two
 * objects are compared and merged: afterwards nobody knows whose a name was. */
static struct http_match_vec resolve_gateways(struct arena *arena,
                                              const struct http_match_vec *matches,
                                              struct str namespace)
{
    struct http_match_vec resolved = { 0 };

    for (size_t i = 0; i < matches->count; i++) {
        struct http_match match = matches->items[i];
        struct str_vec gateways = { 0 };

        for (size_t k = 0; k < match.gateways.count; k++) {
            struct str name = match.gateways.items[k];
            struct str key = compile_services_gateway_key(arena, name, namespace);

            vec_push_in_arena(arena, &gateways, str_is_empty(key) ? name : key);
        }
        match.gateways = gateways;
        vec_push_in_arena(arena, &resolved, match);
    }
    return resolved;
}

/* HT-142. False: no pair is left. */
static bool merge_matches(struct arena *arena, const struct http_match_vec *root,
                          const struct http_match_vec *delegate, struct http_match_vec *out)
{
    if (root->count == 0 || delegate->count == 0) {
        *out = root->count == 0 ? *delegate : *root;
        return true;
    }
    for (size_t i = 0; i < delegate->count; i++) {
        for (size_t k = 0; k < root->count; k++) {
            const struct http_match *ours = &root->items[k];
            const struct http_match *theirs = &delegate->items[i];

            if (!matches_conflict(ours, theirs)) {
                vec_push_in_arena(arena, out, merge_match(arena, ours, theirs));
            }
        }
    }
    return out->count != 0;
}

/* HT-144: what the delegate does not say, the root says. */
static void merge_fields(struct arena *arena, const struct http_route *root,
                         struct http_route *merged)
{
    if (!str_is_empty(root->name)) {
        merged->name =
            str_is_empty(merged->name)
                ? root->name
                : arena_printf(arena, "%.*s-%.*s", STR_ARG(root->name), STR_ARG(merged->name));
    }
    merged->rewrite = merged->rewrite != NULL ? merged->rewrite : root->rewrite;
    if (merged->routes.count == 0 && merged->redirect == NULL && merged->direct_response == NULL) {
        merged->direct_response = root->direct_response;
    }
    merged->timeout = merged->timeout.is_set ? merged->timeout : root->timeout;
    merged->retries = merged->retries != NULL ? merged->retries : root->retries;
    merged->fault = merged->fault != NULL ? merged->fault : root->fault;
    merged->mirror = merged->mirror != NULL ? merged->mirror : root->mirror;
    if (merged->mirrors.count == 0) {
        merged->mirrors.items = root->mirrors.items;
        merged->mirrors.count = root->mirrors.count;
    }
    merged->cors_policy = merged->cors_policy != NULL ? merged->cors_policy : root->cors_policy;
    merged->headers = merged->headers != NULL ? merged->headers : root->headers;
}

static const struct virtual_service *find_delegate(const struct expansion *expansion,
                                                   const struct http_delegate *reference,
                                                   enum delegate_problem *problem)
{
    struct str root_namespace = expansion->root->meta.namespace;
    struct str namespace =
        str_is_empty(reference->namespace) ? root_namespace : reference->namespace;
    const struct virtual_service *found =
        (const struct virtual_service *)(const void *)resource_set_find(
            expansion->resources, KIND_VIRTUAL_SERVICE, namespace, reference->name);

    *problem = DELEGATE_GOOD;
    if (found == NULL) {
        *problem = DELEGATE_ABSENT;
    } else if (found->hosts.count != 0) {
        *problem = DELEGATE_HAS_HOSTS;
    } else if (!service_registry_is_exported(&found->export_to, found->meta.namespace,
                                             root_namespace)) {
        *problem = DELEGATE_NOT_EXPORTED;
    }
    return *problem == DELEGATE_GOOD ? found : NULL;
}

static void expand_entry(struct expansion *expansion, size_t index)
{
    const struct http_route *root = &expansion->root->http.items[index];
    enum delegate_problem problem;
    const struct virtual_service *delegate = find_delegate(expansion, root->delegate, &problem);

    if (delegate == NULL) {
        tell(expansion, index, problem, 0);
        return;
    }
    struct http_match_vec ours =
        resolve_gateways(expansion->arena, &root->matches, expansion->root->meta.namespace);
    for (size_t i = 0; i < delegate->http.count; i++) {
        struct http_route *merged = arena_new_object(expansion->arena, struct http_route);
        struct http_match_vec matches = { 0 };

        *merged = delegate->http.items[i];
        if (merged->delegate != NULL) {
            tell(expansion, index, DELEGATE_HAS_DELEGATE, i);
            continue;
        }
        struct http_match_vec theirs =
            resolve_gateways(expansion->arena, &merged->matches, delegate->meta.namespace);
        if (!merge_matches(expansion->arena, &ours, &theirs, &matches)) {
            tell(expansion, index, DELEGATE_CONFLICTS, i);
            continue;
        }
        merged->matches = matches;
        merge_fields(expansion->arena, root, merged);
        vec_push_in_arena(
            expansion->arena, expansion->out,
            (struct http_entry){ merged, &delegate->meta, i, delegate->meta.namespace });
    }
}

void delegate_expand(struct arena *arena, const struct resource_set *resources,
                     const struct virtual_service *root, struct http_entries *out,
                     delegate_problem_fn on_problem, void *owner)
{
    struct expansion expansion = { arena, resources, root, out, on_problem, owner };

    for (size_t i = 0; i < root->http.count; i++) {
        if (root->http.items[i].delegate != NULL) {
            expand_entry(&expansion, i);
        } else {
            vec_push_in_arena(
                arena, out,
                (struct http_entry){ &root->http.items[i], &root->meta, i, root->meta.namespace });
        }
    }
}
