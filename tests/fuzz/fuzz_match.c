/* fuzz_match: routes made of the input's lines, a path from its first line: with and without the
 * index the same route is found, and no pattern breaks the matcher.
 *     path
 *     e/exact  E/ignoring-case  p/prefix  P/ignoring-case  r/regex */
#include "gateway/base/check.h"
#include "gateway/route/match.h"
#include "gateway/route/route_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_ROUTES = 40 };

struct table {
    struct arena *arena;
    struct route routes[MAX_ROUTES];
    const struct route *order[MAX_ROUTES];
    struct virtual_host host;
};

static void add_line(struct table *table, struct str line)
{
    struct route *route = &table->routes[table->host.route_count];
    enum pattern_kind kind;
    struct err err = { 0 };

    if (line.len == 0) {
        return;
    }
    kind = str_lower_char(line.ptr[0]) == 'e'   ? PATTERN_EXACT
           : str_lower_char(line.ptr[0]) == 'p' ? PATTERN_PREFIX
                                                : PATTERN_REGEX;
    route->conditions.uri =
        pattern_new(table->arena, kind, str_skip(line, 1), line.ptr[0] < 'a', &err);
    if (route->conditions.uri != NULL) {
        table->order[table->host.route_count++] = route;
    } else {
        CHECK(err.code != ERR_NONE);
    }
}

static void rewrite(struct table *table, struct str path, struct str regex)
{
    struct text out = { 0 };
    struct err err = { 0 };
    struct pattern *pattern = pattern_new_search(table->arena, regex, &err);

    if (pattern != NULL && pattern_check_rewrite(pattern, STR("<\\0>"), &err)) {
        bool is_changed = pattern_replace_all(pattern, path, STR("<\\0>"), &out);

        CHECK(is_changed ? out.len >= path.len + 2 : str_equals(text_view(&out), path));
    }
    text_cleanup(&out);
    pattern_free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct table table;
    struct str rest = str_from((const char *)data, size);
    struct str path = STR("");
    struct str line;
    struct headers headers;
    struct virtual_host indexed;
    struct match_request request = { .method = STR("GET"), .headers = &headers };

    memset(&table, 0, sizeof(table));
    table.arena = arena_new(4096);
    table.host.routes = table.order;
    (void)str_split_next(&rest, '\n', &path); /* nothing is an empty path */
    headers_init(&headers, table.arena);
    while (table.host.route_count < MAX_ROUTES && str_split_next(&rest, '\n', &line)) {
        add_line(&table, line);
        if (line.len > 0 && line.ptr[0] == 'r') {
            rewrite(&table, path, str_skip(line, 1));
        }
    }
    request.path = path;
    indexed = table.host;
    route_index_build(table.arena, &indexed);
    CHECK(match_route(&table.host, &request) == match_route(&indexed, &request));
    for (size_t i = 0; i < table.host.route_count; i++) {
        pattern_free(table.routes[i].conditions.uri);
    }
    arena_free(table.arena);
    return 0;
}
