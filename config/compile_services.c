/* compile_services: which VirtualServices the gateway sees (SN-42), in which order (SN-70), with
 * which hosts (SN-43) and entries (5.12), and by which Gateway they are asked for (SN-40, SN-41). */
#include "config/compiler.h"

#include <stdlib.h>

enum visibility { VISIBLE_PRIVATE, VISIBLE_EXPORTED, VISIBLE_PUBLIC, VISIBLE_NOT };

struct ranked_service {
    const struct virtual_service *object;
    enum visibility visibility;
};

static enum visibility visibility_of(const struct virtual_service *object, struct str own_namespace)
{
    bool is_own = str_equals(object->meta.namespace, own_namespace);
    enum visibility visibility = VISIBLE_NOT;

    if (object->export_to.count == 0) {
        return VISIBLE_PUBLIC;
    }
    for (size_t i = 0; i < object->export_to.count; i++) {
        struct str to = object->export_to.items[i];

        if (str_equals(to, STR("*"))) {
            return VISIBLE_PUBLIC;
        }
        if (is_own && (str_equals(to, STR(".")) || str_equals(to, own_namespace))) {
            visibility = VISIBLE_PRIVATE;
        } else if (str_equals(to, own_namespace)) {
            visibility = VISIBLE_EXPORTED;
        }
    }
    return visibility;
}

static int compare_services(const void *a, const void *b)
{
    const struct ranked_service *left = a;
    const struct ranked_service *right = b;

    if (left->visibility != right->visibility) {
        return left->visibility < right->visibility ? -1 : 1;
    }
    return resource_set_compare_age(&left->object->meta, &right->object->meta);
}

struct str compile_services_gateway_key(struct arena *arena, struct str name, struct str namespace)
{
    size_t slash = str_find_char(name, '/');
    size_t dot = str_find_char(name, '.');

    if (str_equals(name, STR("mesh"))) {
        return STR("");
    }
    if (slash != SIZE_MAX) {
        return str_starts_with(name, STR("./"))
                   ? arena_printf(arena, "%.*s/%.*s", STR_ARG(namespace),
                                  STR_ARG(str_skip(name, 2)))
                   : name;
    }
    if (dot != SIZE_MAX) {
        struct str rest = str_skip(name, dot + 1);
        size_t end = str_find_char(rest, '.');

        return arena_printf(arena, "%.*s/%.*s", STR_ARG(str_slice(rest, 0, end)),
                            STR_ARG(str_slice(name, 0, dot)));
    }
    return arena_printf(arena, "%.*s/%.*s", STR_ARG(namespace), STR_ARG(name));
}

static struct gateway_services *gateway_of(struct compiler *compiler, struct str key)
{
    struct gateway_services *services = map_get(&compiler->gateways, key);

    if (services == NULL) {
        services = arena_new_object(compiler->scratch, struct gateway_services);
        host_index_init(&services->hosts, compiler->scratch);
        (void)map_set(&compiler->gateways, key, services); /* was absent */
    }
    return services;
}

static bool is_named_before(const struct virtual_service *object, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (str_equals(object->gateways.items[i], object->gateways.items[index])) {
            return true;
        }
    }
    return false;
}

static void bind_to_gateways(struct compiler *compiler, size_t index)
{
    const struct bound_service *bound = &compiler->services.items[index];
    const struct virtual_service *object = bound->object;

    for (size_t i = 0; i < object->gateways.count; i++) {
        struct str key = compile_services_gateway_key(compiler->scratch, object->gateways.items[i],
                                                      object->meta.namespace);
        struct gateway_services *gateway;

        if (str_is_empty(key) || is_named_before(object, i)) {
            continue;
        }
        gateway = gateway_of(compiler, key);
        for (size_t k = 0; k < bound->hosts.count; k++) {
            host_index_add(&gateway->hosts, bound->hosts.items[k], index);
        }
    }
}

static void bind_service(struct compiler *compiler, const struct virtual_service *object)
{
    struct bound_service bound = { .object = object };

    for (size_t i = 0; i < object->hosts.count; i++) {
        vec_push_in_arena(compiler->scratch, &bound.hosts,
                          service_registry_expand(compiler->scratch, object->hosts.items[i],
                                                  object->meta.namespace,
                                                  compiler->options->domain));
    }
    delegate_expand(compiler->scratch, compiler->resources, object, &bound.http, NULL, NULL);
    vec_push_in_arena(compiler->scratch, &compiler->services, bound);
    bind_to_gateways(compiler, compiler->services.count - 1);
}

void compile_services(struct compiler *compiler)
{
    size_t count = resource_set_count(compiler->resources, KIND_VIRTUAL_SERVICE);
    struct ranked_service *ranked = mem_alloc_array(count + 1, sizeof(*ranked));
    size_t ranked_count = 0;
    size_t position = 0;
    void *value;

    for (size_t i = 0; i < count; i++) {
        const struct virtual_service *object = resource_set_virtual_service(compiler->resources, i);
        enum visibility visibility = visibility_of(object, compiler->options->own_namespace);

        /* Without hosts it is a delegate, which serves only through its root. */
        if (visibility != VISIBLE_NOT && object->hosts.count != 0) {
            ranked[ranked_count++] = (struct ranked_service){ object, visibility };
        }
    }
    qsort(ranked, ranked_count, sizeof(*ranked), compare_services);
    for (size_t i = 0; i < ranked_count; i++) {
        bind_service(compiler, ranked[i].object);
    }
    mem_free(ranked);
    while (map_next(&compiler->gateways, &position, NULL, &value)) {
        host_index_seal(&((struct gateway_services *)value)->hosts);
    }
}

void compile_services_cleanup(struct compiler *compiler)
{
    size_t position = 0;
    void *value;

    while (map_next(&compiler->gateways, &position, NULL, &value)) {
        host_index_cleanup(&((struct gateway_services *)value)->hosts);
    }
    map_cleanup(&compiler->gateways);
}
