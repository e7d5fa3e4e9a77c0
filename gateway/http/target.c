/* target: the request target: forms (RFC 9112 3.2), path normalisation (spec CN-20 to CN-24), query
 * look-up. Pure; every step is linear in the length of the target. */
#include "gateway/http/target.h"

#include "gateway/http/validate.h"

static const struct str normalization_names[] = {
    [PATH_NORMALIZATION_NONE] = STR_INIT("none"),
    [PATH_NORMALIZATION_BASE] = STR_INIT("base"),
    [PATH_NORMALIZATION_MERGE_SLASHES] = STR_INIT("merge-slashes"),
    [PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES] = STR_INIT("decode-and-merge-slashes"),
};

bool path_normalization_from(struct str text, enum path_normalization *mode)
{
    for (size_t i = 0; i < sizeof(normalization_names) / sizeof(normalization_names[0]); i++) {
        if (str_equals(text, normalization_names[i])) {
            *mode = (enum path_normalization)i;
            return true;
        }
    }
    return false;
}

struct str path_normalization_name(enum path_normalization mode)
{
    return normalization_names[mode];
}

/* --- Forms ------------------------------------------------------------------------------------ */

/* Visible ASCII. What RFC 3986 leaves out beyond that ('"', '<', '{', ...) is sent by real clients
 * and harms nobody; it is forwarded as it came. */
static bool target_is_visible_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= 0x20 || c >= 0x7f) {
            return false;
        }
    }
    return true;
}

static void target_split_query(struct head *head, struct str path_and_query)
{
    size_t mark = str_find_char(path_and_query, '?');

    head->has_query = mark != SIZE_MAX;
    head->path = str_slice(path_and_query, 0, mark);
    head->query = head->has_query ? str_skip(path_and_query, mark + 1) : (struct str){ 0 };
}

static bool target_parse_absolute(struct head *head, struct str target)
{
    if (str_starts_with_nocase(target, STR("http://"))) {
        head->scheme = STR("http");
    } else if (str_starts_with_nocase(target, STR("https://"))) {
        head->scheme = STR("https");
    } else {
        return false;
    }
    struct str rest = str_skip(target, head->scheme.len + 3);
    size_t end = 0;

    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?') {
        end++;
    }
    head->authority = str_slice(rest, 0, end);
    rest = str_skip(rest, end);
    if (rest.len == 0 && head->method == METHOD_OPTIONS) {
        head->path = STR("*"); /* RFC 9112 3.2.4 */
    } else {
        target_split_query(head, rest);
        if (head->path.len == 0) {
            head->path = STR("/");
        }
    }
    return validate_authority(head->authority);
}

bool target_parse(struct head *head)
{
    /* CN-23: a fragment never belongs in a target; it is cut off and not forwarded. */
    struct str target = str_slice(head->target, 0, str_find_char(head->target, '#'));

    head->path = (struct str){ 0 };
    head->query = (struct str){ 0 };
    head->has_query = false;
    if (target.len == 0 || !target_is_visible_ascii(target)) {
        return false;
    }
    if (head->method == METHOD_CONNECT) {
        head->authority = target;
        return validate_authority(target) && target_authority_port(target).len > 0;
    }
    if (target.ptr[0] == '/') {
        target_split_query(head, target);
        return true;
    }
    if (target.ptr[0] == '*') {
        head->path = target;
        return target.len == 1 && head->method == METHOD_OPTIONS;
    }
    return target_parse_absolute(head, target);
}

/* --- Path normalisation ----------------------------------------------------------------------- */

static int target_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = str_lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool target_is_unreserved(unsigned c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* What a first look over the path finds. */
struct path_traits {
    bool has_escape;
    bool has_dot_segment; /* perhaps: "/." */
    bool has_double_slash;
};

/* The refusals of every mode. */
static bool target_inspect_path(struct str path, struct path_traits *traits)
{
    char previous = '\0';

    if (path.len == 0 || path.ptr[0] != '/') {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        if ((unsigned char)c <= 0x20 || (unsigned char)c >= 0x7f || c == '\\') {
            return false;
        }
        if (c == '%') {
            traits->has_escape = true;
            if (path.len - i < 3 || target_hex_value(path.ptr[i + 1]) < 0 ||
                target_hex_value(path.ptr[i + 2]) < 0 ||
                (path.ptr[i + 1] == '0' && path.ptr[i + 2] == '0')) {
                return false;
            }
        }
        traits->has_dot_segment |= c == '.' && previous == '/';
        traits->has_double_slash |= c == '/' && previous == '/';
        previous = c;
    }
    return true;
}

/* Escapes were checked. Decodes the unreserved, writes the hex of the others in upper case, and
 * with `decodes_slashes` turns both slashes into "/". Returns the length. */
static size_t target_decode_path(struct str path, bool decodes_slashes, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;

    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] != '%') {
            out[len++] = path.ptr[i];
            continue;
        }
        unsigned value =
            (unsigned)(target_hex_value(path.ptr[i + 1]) * 16 + target_hex_value(path.ptr[i + 2]));

        i += 2;
        if (target_is_unreserved(value)) {
            out[len++] = (char)value;
        } else if (decodes_slashes && (value == '/' || value == '\\')) {
            out[len++] = '/';
        } else {
            out[len++] = '%';
            out[len++] = digits[(value >> 4) & 15];
            out[len++] = digits[value & 15];
        }
    }
    return len;
}

static bool target_is_dot_segment(const char *segment, size_t len)
{
    return (len == 1 && segment[0] == '.') || (len == 2 && segment[0] == '.' && segment[1] == '.');
}

/* "%2F" or "%5C" stands here; escapes are in upper case. */
static bool target_is_escaped_slash(const char *path, size_t len, size_t at)
{
    return len - at >= 3 && path[at] == '%' &&
           ((path[at + 1] == '2' && path[at + 2] == 'F') ||
            (path[at + 1] == '5' && path[at + 2] == 'C'));
}

/* An origin that decodes "%2f" would see a dot segment where our rules saw a file name:
 * "/a/..%2fadmin" walks around a rule on "/admin". */
static bool target_hides_dot_segment(const char *path, size_t len)
{
    size_t start = 0;
    bool is_start_escaped = false;

    for (size_t i = 0; i <= len; i++) {
        bool is_escaped = i < len && target_is_escaped_slash(path, len, i);

        if (i < len && path[i] != '/' && !is_escaped) {
            continue;
        }
        if ((is_start_escaped || is_escaped) && target_is_dot_segment(path + start, i - start)) {
            return true;
        }
        i += is_escaped ? 2 : 0;
        start = i + 1;
        is_start_escaped = is_escaped;
    }
    return false;
}

/* RFC 3986 5.2.4, in place. The path starts with a slash. Returns the length. */
static size_t target_remove_dot_segments(char *path, size_t len)
{
    size_t out = 0;
    size_t next;

    for (size_t at = 0; at < len; at = next) {
        const char *slash = memchr(path + at + 1, '/', len - at - 1);

        next = slash != NULL ? (size_t)(slash - path) : len;

        size_t segment_len = next - at - 1;

        if (!target_is_dot_segment(path + at + 1, segment_len)) {
            memmove(path + out, path + at, segment_len + 1);
            out += segment_len + 1;
            continue;
        }
        if (segment_len == 2) {
            /* Above the root there is nothing: clamped (CN-22). */
            while (out > 0 && path[--out] != '/') {
            }
        }
        if (next == len) {
            path[out++] = '/';
        }
    }
    if (out == 0) {
        path[out++] = '/';
    }
    return out;
}

static size_t target_merge_slashes(char *path, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        if (path[i] != '/' || out == 0 || path[out - 1] != '/') {
            path[out++] = path[i];
        }
    }
    return out;
}

bool target_normalize_path(struct str path, enum path_normalization mode, struct arena *arena,
                           struct str *normal)
{
    struct path_traits traits = { 0 };
    bool merges = mode == PATH_NORMALIZATION_MERGE_SLASHES ||
                  mode == PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES;

    if (str_equals(path, STR("*"))) {
        *normal = path;
        return true;
    }
    if (!target_inspect_path(path, &traits)) {
        return false;
    }
    *normal = path;
    if (mode == PATH_NORMALIZATION_NONE ||
        (!traits.has_escape && !traits.has_dot_segment && !(merges && traits.has_double_slash))) {
        return true;
    }
    char *out = arena_alloc(arena, path.len + 1); /* a final dot segment leaves a slash */
    size_t len = target_decode_path(path, mode == PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES, out);

    if (target_hides_dot_segment(out, len)) {
        return false;
    }
    len = target_remove_dot_segments(out, len);
    if (merges) {
        len = target_merge_slashes(out, len);
    }
    *normal = str_from(out, len);
    return true;
}

/* --- Writing ---------------------------------------------------------------------------------- */

size_t target_written_bytes_max(const struct head *head)
{
    return 3 * (head->path.len + head->query.len) + sizeof("/?");
}

static size_t target_write_part(struct str part, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t len = 0;

    for (size_t i = 0; i < part.len; i++) {
        unsigned char c = (unsigned char)part.ptr[i];

        if (c <= 0x20 || c >= 0x7f || c == '#') {
            out[len++] = '%';
            out[len++] = digits[c >> 4];
            out[len++] = digits[c & 15];
        } else {
            out[len++] = (char)c;
        }
    }
    return len;
}

size_t target_write(const struct head *head, char *out)
{
    size_t len = target_write_part(head->path.len > 0 ? head->path : STR("/"), out);

    if (head->has_query) {
        out[len++] = '?';
        len += target_write_part(head->query, out + len);
    }
    return len;
}

/* --- Query and authority ---------------------------------------------------------------------- */

bool target_query_get(struct str query, struct str name, struct str *value)
{
    struct str parameter;

    while (str_split_next(&query, '&', &parameter)) {
        size_t equals = str_find_char(parameter, '=');

        if (parameter.len > 0 && str_equals(str_slice(parameter, 0, equals), name)) {
            *value = equals == SIZE_MAX ? str_from("", 0) : str_skip(parameter, equals + 1);
            return true;
        }
    }
    return false;
}

struct str target_authority_host(struct str authority)
{
    size_t end;

    if (authority.len > 0 && authority.ptr[0] == '[') {
        end = str_find_char(authority, ']');
        return end == SIZE_MAX ? authority : str_slice(authority, 0, end + 1);
    }
    return str_slice(authority, 0, str_find_char(authority, ':'));
}

struct str target_authority_port(struct str authority)
{
    /* The host is followed by a colon or by nothing. */
    return str_skip(authority, target_authority_host(authority).len + 1);
}
