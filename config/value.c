/* value: the validators of spec section 1.4; pure, any thread. */
#include "config/value.h"

#include <arpa/inet.h>

#define MAX_LABEL_BYTES 63u
#define MAX_NAME_BYTES 255u

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool value_is_dns_label(struct str text)
{
    if (text.len == 0 || text.len > MAX_LABEL_BYTES || !is_alphanumeric(text.ptr[0]) ||
        !is_alphanumeric(text.ptr[text.len - 1])) {
        return false;
    }
    for (size_t i = 1; i + 1 < text.len; i++) {
        if (!is_alphanumeric(text.ptr[i]) && text.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool is_all_digits(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return text.len > 0;
}

/* Labels between dots, one empty label at the end allowed, the last one not a number. */
static bool are_labels(struct str text)
{
    struct str rest = text;
    struct str label;
    struct str last = { NULL, 0 };
    bool has_ended = false;

    while (str_split_next(&rest, '.', &label)) {
        if (has_ended) {
            return false; /* the empty label was not the last */
        }
        if (label.len == 0 && last.len > 0) {
            has_ended = true;
            continue;
        }
        if (!value_is_dns_label(label)) {
            return false;
        }
        last = label;
    }
    return last.len > 0 && !is_all_digits(last);
}

bool value_is_fqdn(struct str text)
{
    return text.len > 0 && text.len <= MAX_NAME_BYTES && are_labels(text);
}

/* `*`, `*abc`, `*-abc` or a plain label. */
static bool is_wildcard_label(struct str label)
{
    if (label.len == 0 || label.ptr[0] != '*') {
        return value_is_dns_label(label);
    }
    struct str rest = str_skip(label, 1);

    if (rest.len > 0 && rest.ptr[0] == '-') {
        rest = str_skip(rest, 1);
        return value_is_dns_label(rest);
    }
    return rest.len == 0 || value_is_dns_label(rest);
}

bool value_is_wildcard_domain(struct str text)
{
    size_t dot = str_find_char(text, '.');

    if (text.len == 0 || text.len > MAX_NAME_BYTES) {
        return false;
    }
    if (dot == SIZE_MAX) {
        return is_wildcard_label(text);
    }
    return is_wildcard_label(str_slice(text, 0, dot)) && are_labels(str_skip(text, dot + 1));
}

bool value_is_partial_wildcard(struct str text)
{
    return text.len > 1 && str_find_char(text, '*') != SIZE_MAX &&
           !str_starts_with(text, STR("*."));
}

bool value_is_port(uint32_t number)
{
    return number >= 1 && number <= 65535;
}

bool value_is_ip(struct str text)
{
    char buffer[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (text.len == 0 || text.len >= sizeof(buffer) || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(buffer, text.ptr, text.len);
    buffer[text.len] = '\0';
    return inet_pton(AF_INET, buffer, &address) == 1 || inet_pton(AF_INET6, buffer, &address) == 1;
}

bool value_is_cidr(struct str text)
{
    size_t slash = str_find_char(text, '/');
    uint32_t bits = 0;

    if (slash == SIZE_MAX || !value_is_ip(str_slice(text, 0, slash)) ||
        !str_parse_u32(str_skip(text, slash + 1), &bits)) {
        return false;
    }
    return bits <= (str_find_char(text, ':') == SIZE_MAX ? 32u : 128u);
}

bool value_is_unix_address(struct str text)
{
    return (str_starts_with(text, STR("unix:///")) && text.len > STR("unix:///").len) ||
           (str_starts_with(text, STR("unix://@")) && text.len > STR("unix://@").len);
}

const char *value_duration_problem(const struct optional_duration *duration)
{
    if (!duration->is_set) {
        return NULL;
    }
    if (duration->ms < 1) {
        return "duration must be greater than 1ms";
    }
    if (duration->rest_ns != 0) {
        return "only durations to ms precision are supported";
    }
    return NULL;
}

/* --- labels ----------------------------------------------------------------------------------- */

static bool is_qualified(struct str text)
{
    if (text.len == 0 || !is_alphanumeric(text.ptr[0]) ||
        !is_alphanumeric(text.ptr[text.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!is_alphanumeric(c) && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return true;
}

bool value_is_label_key(struct str text)
{
    size_t slash = str_find_char(text, '/');

    if (slash == SIZE_MAX) {
        return is_qualified(text);
    }
    return value_is_fqdn(str_slice(text, 0, slash)) && is_qualified(str_skip(text, slash + 1));
}

bool value_is_label_value(struct str text)
{
    return text.len == 0 || is_qualified(text);
}

/* --- headers ---------------------------------------------------------------------------------- */

bool value_is_header_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!is_alphanumeric(text.ptr[i]) &&
            (text.ptr[i] == '\0' || strchr("!#$%&'*+-.^_`|~", text.ptr[i]) == NULL)) {
            return false;
        }
    }
    return text.len > 0;
}

bool value_is_claim_name(struct str text)
{
    return str_starts_with_nocase(text, STR("@request.auth.claims."))
               ? text.len > STR("@request.auth.claims.").len
               : str_starts_with_nocase(text, STR("@request.auth.claims["));
}

bool value_is_header_match_name(struct str text)
{
    static const struct str pseudo[] = {
        STR_INIT(":method"), STR_INIT(":scheme"), STR_INIT(":authority"),
        STR_INIT(":path"),   STR_INIT(":status"),
    };

    for (size_t i = 0; i < sizeof(pseudo) / sizeof(pseudo[0]); i++) {
        if (str_equals(text, pseudo[i])) {
            return true;
        }
    }
    return value_is_header_name(text) || value_is_claim_name(text);
}

/* What stands after a `%`: `%`, or NAME, NAME(args), NAME:9, each closed by `%`. Returns the index
 * behind it, or 0 when it is malformed. */
static size_t skip_operator(struct str text, size_t at)
{
    size_t start = at;

    if (at < text.len && text.ptr[at] == '%') {
        return at + 1;
    }
    while (at < text.len && (is_alphanumeric(text.ptr[at]) || text.ptr[at] == '_')) {
        at++;
    }
    if (at == start) {
        return 0;
    }
    if (at < text.len && text.ptr[at] == '(') {
        size_t close = str_find_char(str_skip(text, at), ')');

        if (close == SIZE_MAX) {
            return 0;
        }
        at += close + 1;
    }
    if (at < text.len && text.ptr[at] == ':') {
        size_t digits = at + 1;

        for (at = digits; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';) {
            at++;
        }
        if (at == digits) {
            return 0;
        }
    }
    return at < text.len && text.ptr[at] == '%' ? at + 1 : 0;
}

const char *value_header_value_problem(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return "header value must not contain control characters";
        }
    }
    for (size_t i = 0; i < text.len;) {
        if (text.ptr[i] != '%') {
            i++;
            continue;
        }
        i = skip_operator(text, i + 1);
        if (i == 0) {
            return "a % in a header value must be written %%, or be a command such as "
                   "%REQ(name)%";
        }
    }
    return NULL;
}

bool value_host_contains(struct str a, struct str b)
{
    if (str_equals(a, b) || str_equals(a, STR("*"))) {
        return true;
    }
    if (a.len == 0 || a.ptr[0] != '*') {
        return false;
    }
    struct str suffix = str_skip(a, 1);

    if (b.len > 0 && b.ptr[0] == '*') {
        return str_ends_with(str_skip(b, 1), suffix);
    }
    /* The wildcard stands for at least one character (spec SN-32, SN-52). */
    return b.len > suffix.len && str_ends_with(b, suffix);
}
