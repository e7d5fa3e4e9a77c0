/* regex_syntax: one pass over the bytes of a regex, no recursion: the nesting is a counter and an
 * array. Accepts by a list of what RE2 has; everything else is refused. */
#include "gateway/route/regex_syntax.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

/* RE2's own cap on x{n}, also for nested ones together. */
enum { REPEAT_MAX = 1000 };

struct scan {
    struct str in;
    size_t at;
    struct text out;
    struct err *err;
    /* Largest product of repetitions within each open group. */
    uint32_t repeats[LIMIT_REGEX_BYTES + 1];
    size_t depth;
    uint32_t atom_repeat; /* of what stands right before: 1 unless it is a group with some */
    bool has_atom;        /* something stands before that may be repeated */
    bool was_repeated;    /* a repetition stands right before */
};

static bool refuse(struct scan *scan, const char *what)
{
    err_set(scan->err, ERR_CONFIG, "not an RE2 expression: %s at offset %zu", what, scan->at);
    return false;
}

static char peek(const struct scan *scan, size_t ahead)
{
    return scan->at + ahead < scan->in.len ? scan->in.ptr[scan->at + ahead] : '\0';
}

static bool looking_at(const struct scan *scan, const char *text)
{
    return str_starts_with(str_skip(scan->in, scan->at), str_from_cstr(text));
}

static void take(struct scan *scan, size_t count)
{
    text_add(&scan->out, str_slice(scan->in, scan->at, count));
    scan->at += count;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void atom_done(struct scan *scan, uint32_t repeat)
{
    scan->has_atom = true;
    scan->was_repeated = false;
    scan->atom_repeat = repeat;
}

/* \pL, \p{Greek}, \p{^Lu}, \PN. pcre2's own properties (Xan, L&, bidi classes) are not RE2's. */
static bool scan_property(struct scan *scan)
{
    size_t len = 0;
    struct str name;

    if (is_letter(peek(scan, 2))) {
        take(scan, 3);
        return true;
    }
    if (peek(scan, 2) != '{') {
        return refuse(scan, "a broken \\p");
    }
    while (is_letter(peek(scan, 3 + len)) || peek(scan, 3 + len) == '_' ||
           (len == 0 && peek(scan, 3) == '^')) {
        len++;
    }
    name = str_slice(scan->in, scan->at + 3, len);
    if (len == 0 || peek(scan, 3 + len) != '}' ||
        (name.len > 1 && name.ptr[0] == 'X' && name.ptr[1] != 'i')) {
        return refuse(scan, "an unknown \\p class");
    }
    take(scan, len + 4);
    return true;
}

/* \x7F and \x{10FFFF}. */
static bool scan_hex(struct scan *scan)
{
    size_t len = 0;

    if (is_hex(peek(scan, 2)) && is_hex(peek(scan, 3))) {
        take(scan, 4);
        return true;
    }
    if (peek(scan, 2) != '{') {
        return refuse(scan, "a broken \\x");
    }
    while (is_hex(peek(scan, 3 + len))) {
        len++;
    }
    if (len == 0 || len > 8 || peek(scan, 3 + len) != '}') {
        return refuse(scan, "a broken \\x");
    }
    take(scan, len + 4);
    return true;
}

/* \0, \012, \123: spelled in hex, because pcre2 would take some for references. */
static bool scan_octal(struct scan *scan)
{
    unsigned value = 0;
    size_t len = 1;

    if (peek(scan, 1) != '0' && !is_octal(peek(scan, 2))) {
        return refuse(scan, "a back-reference");
    }
    for (; len <= 3 && is_octal(peek(scan, len)); len++) {
        value = value * 8 + (unsigned)(peek(scan, len) - '0');
    }
    text_printf(&scan->out, "\\x{%x}", value);
    scan->at += len;
    return true;
}

static bool scan_escape(struct scan *scan, bool in_class)
{
    char c = peek(scan, 1);

    if (scan->at + 1 >= scan->in.len) {
        return refuse(scan, "a backslash at the end");
    }
    switch (c) {
    case 'p':
    case 'P':
        return scan_property(scan);
    case 'x':
        return scan_hex(scan);
    case 'v': /* a vertical tab; in pcre2 a class */
        text_add_cstr(&scan->out, "\\x{b}");
        scan->at += 2;
        return true;
    case 'A':
    case 'b':
    case 'B':
    case 'z':
        if (in_class) {
            return refuse(scan, "an assertion inside a class");
        }
        take(scan, 2);
        return true;
    case 'a':
    case 'f':
    case 'n':
    case 'r':
    case 't':
    case 'd':
    case 'D':
    case 's':
    case 'S':
    case 'w':
    case 'W':
        take(scan, 2);
        return true;
    case 'k':
    case 'g':
        return refuse(scan, "a back-reference");
    default:
        break;
    }
    if (is_octal(c)) {
        return scan_octal(scan);
    }
    if (is_digit(c)) {
        return refuse(scan, "a back-reference");
    }
    if (is_letter(c) || (unsigned char)c < 0x20 || (unsigned char)c >= 0x7f) {
        return refuse(scan, "an unknown escape");
    }
    take(scan, 2); /* punctuation stands for itself */
    return true;
}

static bool scan_posix_class(struct scan *scan)
{
    static const char *const names[] = { "alnum", "alpha", "ascii", "blank", "cntrl",
                                         "digit", "graph", "lower", "print", "punct",
                                         "space", "upper", "word",  "xdigit" };
    size_t end = str_find(str_skip(scan->in, scan->at), STR(":]"));
    struct str name;

    if (end == SIZE_MAX) {
        text_add_cstr(&scan->out, "\\[");
        scan->at++;
        return true;
    }
    name = str_slice(scan->in, scan->at + 2, end - 2);
    if (name.len > 0 && name.ptr[0] == '^') {
        name = str_skip(name, 1);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_equals(name, str_from_cstr(names[i]))) {
            take(scan, end + 2);
            return true;
        }
    }
    return refuse(scan, "an unknown [:class:]");
}

static bool scan_class(struct scan *scan)
{
    size_t start = scan->at;
    bool is_first = true;

    take(scan, 1);
    if (peek(scan, 0) == '^') {
        take(scan, 1);
    }
    while (scan->at < scan->in.len && (peek(scan, 0) != ']' || is_first)) {
        char c = peek(scan, 0);

        is_first = false;
        if (c == '\\') {
            if (!scan_escape(scan, true)) {
                return false;
            }
        } else if (c == '[' && peek(scan, 1) == ':') {
            if (!scan_posix_class(scan)) {
                return false;
            }
        } else if (c == '[' || c == ']') {
            /* Bare in RE2; pcre2 would look for [. and [= after it. */
            text_add_char(&scan->out, '\\');
            take(scan, 1);
        } else {
            take(scan, 1);
        }
    }
    if (scan->at >= scan->in.len) {
        scan->at = start;
        return refuse(scan, "a class that is not closed");
    }
    take(scan, 1);
    atom_done(scan, 1);
    return true;
}

static bool open_group(struct scan *scan, size_t prefix_len)
{
    take(scan, prefix_len);
    scan->repeats[++scan->depth] = 1;
    scan->has_atom = false;
    scan->was_repeated = false;
    return true;
}

/* (?P<name>, (?<name>, (?flags) and (?flags: are all that RE2 has. */
static bool scan_special_group(struct scan *scan)
{
    size_t len = 2;

    if (looking_at(scan, "(?P<") || looking_at(scan, "(?<")) {
        size_t name = looking_at(scan, "(?P<") ? 4 : 3;

        for (len = name;
             is_letter(peek(scan, len)) || is_digit(peek(scan, len)) || peek(scan, len) == '_';
             len++) {
        }
        if (peek(scan, name) == '=' || peek(scan, name) == '!') {
            return refuse(scan, "look-behind");
        }
        if (len == name || peek(scan, len) != '>') {
            return refuse(scan, "a broken group name");
        }
        return open_group(scan, len + 1);
    }
    while (peek(scan, len) != '\0' && strchr("imsU-", peek(scan, len)) != NULL) {
        len++;
    }
    if (peek(scan, len) == ':') {
        return open_group(scan, len + 1);
    }
    if (peek(scan, len) == ')' && len > 2) {
        take(scan, len + 1);
        scan->has_atom = false;
        scan->was_repeated = false;
        return true;
    }
    switch (peek(scan, 2)) {
    case '=':
    case '!':
        return refuse(scan, "look-ahead");
    case '>':
        return refuse(scan, "an atomic group");
    case '(':
        return refuse(scan, "a conditional");
    case '#':
        return refuse(scan, "a comment");
    default:
        break;
    }
    return refuse(scan, "an unknown kind of group");
}

static bool scan_group(struct scan *scan)
{
    if (peek(scan, 1) == '*') {
        return refuse(scan, "a verb");
    }
    if (peek(scan, 1) == '?') {
        return scan_special_group(scan);
    }
    return open_group(scan, 1);
}

static bool close_group(struct scan *scan)
{
    uint32_t inner;

    if (scan->depth == 0) {
        return refuse(scan, "a ')' without '('");
    }
    inner = scan->repeats[scan->depth--];
    take(scan, 1);
    atom_done(scan, inner);
    return true;
}

/* Counts a repetition into the group around it. */
static bool count_repeat(struct scan *scan, uint32_t count)
{
    uint64_t product = (uint64_t)scan->atom_repeat * (count > 0 ? count : 1);

    if (product > REPEAT_MAX) {
        return refuse(scan, "more than 1000 repetitions");
    }
    if (product > scan->repeats[scan->depth]) {
        scan->repeats[scan->depth] = (uint32_t)product;
    }
    return true;
}

/* Length of {n}, {n,} or {n,m}, or 0: then the brace is a plain character. */
static size_t read_braces(const struct scan *scan, uint32_t *largest)
{
    uint32_t values[2] = { 0, 0 };
    size_t len = 1;

    for (size_t i = 0; i < 2; i++) {
        size_t start = len;

        for (; is_digit(peek(scan, len)); len++) {
            values[i] =
                values[i] < 100000 ? values[i] * 10 + (uint32_t)(peek(scan, len) - '0') : values[i];
        }
        if (i == 0 && len == start) {
            return 0;
        }
        if (peek(scan, len) == '}') {
            *largest = values[0] > values[1] ? values[0] : values[1];
            return len + 1;
        }
        if (peek(scan, len) != ',' || i == 1) {
            return 0;
        }
        len++;
    }
    return 0;
}

static bool scan_repetition(struct scan *scan, size_t len, uint32_t count)
{
    if (scan->was_repeated) {
        return refuse(scan, peek(scan, 0) == '+' ? "a possessive repetition"
                                                 : "a repetition of a repetition");
    }
    if (!scan->has_atom) {
        return refuse(scan, "a repetition of nothing");
    }
    if (!count_repeat(scan, count)) {
        return false;
    }
    take(scan, len);
    if (peek(scan, 0) == '?') {
        take(scan, 1);
    }
    scan->was_repeated = true;
    return true;
}

/* \Q...\E: each byte by itself, so that a repetition behind it means the last character. */
static void scan_quoted(struct scan *scan)
{
    size_t end;

    scan->at += 2;
    end = str_find(str_skip(scan->in, scan->at), STR("\\E"));
    end = end == SIZE_MAX ? scan->in.len : scan->at + end;
    while (scan->at < end) {
        char c = peek(scan, 0);

        if ((unsigned char)c < 0x80 && !is_letter(c) && !is_digit(c)) {
            text_add_char(&scan->out, '\\');
        }
        take(scan, 1);
        atom_done(scan, 1);
    }
    scan->at += looking_at(scan, "\\E") ? 2 : 0;
}

static bool scan_brace(struct scan *scan)
{
    uint32_t count = 0;
    size_t len = read_braces(scan, &count);

    if (len != 0) {
        return scan_repetition(scan, len, count);
    }
    text_add_char(&scan->out, '\\');
    take(scan, 1);
    atom_done(scan, 1);
    return true;
}

static bool scan_one(struct scan *scan)
{
    switch (peek(scan, 0)) {
    case '\\':
        if (peek(scan, 1) == 'Q') {
            scan_quoted(scan);
            return true;
        }
        if (!scan_escape(scan, false)) {
            return false;
        }
        atom_done(scan, 1);
        return true;
    case '[':
        return scan_class(scan);
    case '(':
        return scan_group(scan);
    case ')':
        return close_group(scan);
    case '*':
    case '+':
    case '?':
        return scan_repetition(scan, 1, 1);
    case '{':
        return scan_brace(scan);
    case '|':
        take(scan, 1);
        scan->has_atom = false;
        scan->was_repeated = false;
        return true;
    default:
        break;
    }
    take(scan, 1);
    atom_done(scan, 1);
    return true;
}

/* The plain characters at the start; the last one goes when a repetition may take it away. An
 * alternative at top level ends all certainty. */
static struct str find_literal_start(struct arena *arena, struct str regex, bool *ignores_case)
{
    struct text text = { 0 };
    struct str start;
    size_t at = 0;

    *ignores_case = str_starts_with(regex, STR("(?i)"));
    at = *ignores_case ? 4 : 0;
    at += at < regex.len && regex.ptr[at] == '^' ? 1 : 0;
    if (str_find_char(regex, '|') != SIZE_MAX || str_find(regex, STR("\\Q")) != SIZE_MAX) {
        return STR("");
    }
    while (at < regex.len && strchr("[](){}*+?.^$", regex.ptr[at]) == NULL) {
        bool is_escape = regex.ptr[at] == '\\';

        if (is_escape &&
            (at + 1 == regex.len || is_letter(regex.ptr[at + 1]) || is_digit(regex.ptr[at + 1]))) {
            break;
        }
        /* Folding beyond ASCII is not for us: in UTF-8 the Kelvin sign is a "k". */
        if ((unsigned char)regex.ptr[at] >= 0x80 ||
            (*ignores_case && strchr("kKsS", regex.ptr[at]) != NULL)) {
            break;
        }
        at += is_escape ? 1 : 0;
        text_add_char(&text, regex.ptr[at++]);
    }
    if (text.len > 0 && at < regex.len && strchr("*?{", regex.ptr[at]) != NULL) {
        text.len--;
    }
    start = arena_copy_str(arena, text_view(&text));
    text_cleanup(&text);
    return start;
}

bool regex_syntax_translate(struct arena *arena, struct str regex, struct regex_syntax *syntax,
                            struct err *err)
{
    struct scan scan = { .in = regex, .err = err };
    bool is_good = true;

    if (regex.len > LIMIT_REGEX_BYTES) {
        err_set(err, ERR_LIMIT, "a regular expression may have %u bytes, this one has %zu",
                LIMIT_REGEX_BYTES, regex.len);
        return false;
    }
    scan.repeats[0] = 1;
    while (is_good && scan.at < regex.len) {
        is_good = scan_one(&scan);
    }
    if (is_good && scan.depth != 0) {
        is_good = refuse(&scan, "a '(' that is not closed");
    }
    if (is_good) {
        syntax->translated = arena_copy_str(arena, text_view(&scan.out));
        syntax->literal_start = find_literal_start(arena, regex, &syntax->ignores_case);
    }
    text_cleanup(&scan.out);
    return is_good;
}
