/* admin_control: pages that change something. POST only; admin.c has checked who asks. Control
 * thread. */
#include "gateway/admin/admin_page.h"
#include "gateway/observe/log.h"

static bool admin_control_set_level(struct str module, struct str level_name,
                                    struct page_reply *reply)
{
    enum log_level level;

    if (!log_parse_level(level_name, &level)) {
        admin_page_say(reply, 400, "\"%.*s\" is no log level", STR_ARG(level_name));
        return false;
    }
    log_set_level(module, level);
    return true;
}

/* "MODULE:LEVEL,MODULE:LEVEL" */
static bool admin_control_set_paths(struct str paths, struct page_reply *reply)
{
    struct str part;

    while (str_split_next(&paths, ',', &part)) {
        struct str module;
        struct str level = part;
        if (!str_split_next(&level, ':', &module) || level.ptr == NULL || module.len == 0) {
            admin_page_say(reply, 400, "\"%.*s\" is not MODULE:LEVEL", STR_ARG(part));
            return false;
        }
        if (!admin_control_set_level(module, level, reply)) {
            return false;
        }
    }
    return true;
}

void admin_control_logging(struct admin *admin, const struct page_request *request,
                           struct page_reply *reply)
{
    struct str rest = request->query;
    struct str pair;
    struct text value = { 0 };
    bool is_good = true;

    (void)admin;
    while (is_good && str_split_next(&rest, '&', &pair)) {
        char name[64];
        size_t equals = str_find_char(pair, '=');
        if (equals == SIZE_MAX || equals == 0 || equals >= sizeof(name)) {
            is_good = pair.len == 0;
            if (!is_good) {
                admin_page_say(reply, 400, "use level=LEVEL, MODULE=LEVEL or paths=MODULE:LEVEL");
            }
            continue;
        }
        memcpy(name, pair.ptr, equals);
        name[equals] = '\0';
        struct str text = admin_page_query(request, name, &value);
        if (strcmp(name, "paths") == 0) {
            is_good = admin_control_set_paths(text, reply);
        } else {
            struct str module = strcmp(name, "level") == 0 ? STR("") : str_from(name, equals);
            is_good = admin_control_set_level(module, text, reply);
        }
    }
    if (is_good) {
        log_describe_levels(&reply->body);
    }
    text_cleanup(&value);
}

void admin_control_drain_listeners(struct admin *admin, const struct page_request *request,
                                   struct page_reply *reply)
{
    struct text value = { 0 };
    bool is_graceful = page_query_get(request->query, "graceful", &value);

    text_cleanup(&value);
    admin->actions->drain_listeners(admin->actions->owner, is_graceful);
    admin_page_say(reply, 200, "OK");
}

void admin_control_quit(struct admin *admin, const struct page_request *request,
                        struct page_reply *reply)
{
    (void)request;
    admin->actions->quit(admin->actions->owner);
    admin_page_say(reply, 200, "OK");
}

void admin_control_health_fail(struct admin *admin, const struct page_request *request,
                               struct page_reply *reply)
{
    (void)request;
    admin->actions->set_health(admin->actions->owner, true);
    admin_page_say(reply, 200, "OK");
}

void admin_control_health_ok(struct admin *admin, const struct page_request *request,
                             struct page_reply *reply)
{
    (void)request;
    admin->actions->set_health(admin->actions->owner, false);
    admin_page_say(reply, 200, "OK");
}
