/* scalar: pure parsing of scalar texts; any thread. */
#include "config/scalar.h"

#include <math.h>
#include <stdlib.h>

/* One of the words in its lower, Capital and UPPER spelling, as YAML 1.1 lists them. */
static bool is_word(struct str text, struct str lower)
{
    if (!str_equals_nocase(text, lower)) {
        return false;
    }
    size_t upper_count = 0;

    for (size_t i = 0; i < text.len; i++) {
        upper_count += text.ptr[i] >= 'A' && text.ptr[i] <= 'Z';
    }
    return upper_count == 0 || upper_count == text.len ||
           (upper_count == 1 && text.ptr[0] >= 'A' && text.ptr[0] <= 'Z');
}

bool scalar_parse_bool(struct str text, bool *value)
{
    if (is_word(text, STR("true")) || is_word(text, STR("yes")) || is_word(text, STR("on"))) {
        *value = true;
        return true;
    }
    if (is_word(text, STR("false")) || is_word(text, STR("no")) || is_word(text, STR("off"))) {
        *value = false;
        return true;
    }
    return false;
}

/* --- numbers ---------------------------------------------------------------------------------- */

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = str_lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

static int take_base(struct str *digits)
{
    if (digits->len < 2 || digits->ptr[0] != '0') {
        return 10;
    }
    switch (digits->ptr[1]) {
    case 'x':
    case 'X':
        *digits = str_skip(*digits, 2);
        return 16;
    case 'o':
    case 'O':
        *digits = str_skip(*digits, 2);
        return 8;
    case 'b':
    case 'B':
        *digits = str_skip(*digits, 2);
        return 2;
    default:
        *digits = str_skip(*digits, 1);
        return 8;
    }
}

bool scalar_parse_int(struct str text, int64_t *value)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    struct str digits =
        text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? str_skip(text, 1) : text;
    int base = take_base(&digits);
    uint64_t magnitude = 0;
    bool has_digit = false;
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);

    for (size_t i = 0; i < digits.len; i++) {
        if (digits.ptr[i] == '_' && has_digit) {
            continue;
        }
        int digit = digit_value(digits.ptr[i]);

        if (digit >= base || magnitude > (limit - (uint64_t)digit) / (uint64_t)base) {
            return false;
        }
        magnitude = magnitude * (uint64_t)base + (uint64_t)digit;
        has_digit = true;
    }
    if (!has_digit) {
        return false;
    }
    if (!is_negative) {
        *value = (int64_t)magnitude;
    } else {
        *value = magnitude == 0 ? 0 : -(int64_t)(magnitude - 1) - 1;
    }
    return true;
}

static size_t skip_digits(struct str text, size_t at)
{
    while (at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9') {
        at++;
    }
    return at;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool looks_like_float(struct str text)
{
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    size_t whole_end = skip_digits(text, at);
    size_t digit_count = whole_end - at;

    at = whole_end;
    if (at < text.len && text.ptr[at] == '.') {
        size_t fraction_end = skip_digits(text, at + 1);

        digit_count += fraction_end - at - 1;
        at = fraction_end;
    }
    if (digit_count == 0) {
        return false;
    }
    if (at < text.len && str_lower_char(text.ptr[at]) == 'e') {
        at++;
        if (at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+')) {
            at++;
        }
        size_t exponent_end = skip_digits(text, at);

        if (exponent_end == at) {
            return false;
        }
        at = exponent_end;
    }
    return at == text.len;
}

static bool is_special_float(struct str text)
{
    struct str word =
        text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? str_skip(text, 1) : text;

    return (word.len == 4 && word.ptr[0] == '.' && is_word(str_skip(word, 1), STR("inf"))) ||
           str_equals(text, STR(".nan")) || str_equals(text, STR(".NaN")) ||
           str_equals(text, STR(".NAN"));
}

bool scalar_parse_double(struct str text, double *value)
{
    char buffer[64];
    int64_t whole = 0;

    if (!looks_like_float(text)) {
        if (!scalar_parse_int(text, &whole)) {
            return false; /* infinities and not-a-number have no meaning in any of our fields */
        }
        *value = (double)whole;
        return true;
    }
    if (text.len >= sizeof(buffer)) {
        return false;
    }
    memcpy(buffer, text.ptr, text.len);
    buffer[text.len] = '\0';
    double parsed = strtod(buffer, NULL);

    if (!isfinite(parsed)) {
        return false;
    }
    *value = parsed;
    return true;
}

enum scalar_type scalar_type_of(struct str text)
{
    bool flag = false;
    int64_t whole = 0;

    if (text.len == 0 || str_equals(text, STR("~")) || is_word(text, STR("null"))) {
        return SCALAR_NULL;
    }
    if (scalar_parse_bool(text, &flag)) {
        return SCALAR_BOOL;
    }
    if (scalar_parse_int(text, &whole)) {
        return SCALAR_INT;
    }
    if (looks_like_float(text) || is_special_float(text)) {
        return SCALAR_FLOAT;
    }
    return SCALAR_STRING;
}

const char *scalar_type_name(enum scalar_type type)
{
    switch (type) {
    case SCALAR_STRING:
        return "a string";
    case SCALAR_NULL:
        return "null";
    case SCALAR_BOOL:
        return "a boolean";
    case SCALAR_INT:
        return "an integer";
    case SCALAR_FLOAT:
        return "a number";
    }
    return "a value";
}

/* --- durations -------------------------------------------------------------------------------- */

struct duration_unit {
    struct str name;
    int64_t ns;
};

/* Longer names first where one begins another. */
static const struct duration_unit duration_units[] = {
    { STR_INIT("ms"), 1000000 },
    { STR_INIT("us"), 1000 },
    { STR_INIT("\xc2\xb5s"), 1000 }, /* micro sign */
    { STR_INIT("\xce\xbcs"), 1000 }, /* Greek mu */
    { STR_INIT("ns"), 1 },
    { STR_INIT("h"), 3600 * INT64_C(1000000000) },
    { STR_INIT("m"), 60 * INT64_C(1000000000) },
    { STR_INIT("s"), INT64_C(1000000000) },
};

/* Cuts "1.5h" off the front and adds it to *total_ns. */
static bool take_duration_part(struct str *rest, int64_t *total_ns)
{
    size_t whole_end = skip_digits(*rest, 0);
    size_t number_end = whole_end;
    uint64_t whole = 0;
    double fraction = 0;
    double scale = 1;

    if (number_end < rest->len && rest->ptr[number_end] == '.') {
        number_end = skip_digits(*rest, number_end + 1);
    }
    if (number_end == 0 || (whole_end == 0 && number_end == 1)) {
        return false; /* no digit at all */
    }
    if (whole_end > 0 && !str_parse_u64(str_slice(*rest, 0, whole_end), &whole)) {
        return false;
    }
    for (size_t i = whole_end + 1; i < number_end && i <= whole_end + 15; i++) {
        fraction = fraction * 10 + (rest->ptr[i] - '0');
        scale *= 10;
    }
    *rest = str_skip(*rest, number_end);
    for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
        const struct duration_unit *unit = &duration_units[i];

        if (!str_starts_with(*rest, unit->name)) {
            continue;
        }
        *rest = str_skip(*rest, unit->name.len);
        if (whole > (uint64_t)((INT64_MAX - *total_ns) / unit->ns)) {
            return false;
        }
        *total_ns += (int64_t)whole * unit->ns;
        int64_t part_ns = (int64_t)(fraction * ((double)unit->ns / scale));

        if (part_ns > INT64_MAX - *total_ns) {
            return false;
        }
        *total_ns += part_ns;
        return true;
    }
    return false; /* a number without a unit */
}

bool scalar_parse_duration(struct str text, struct optional_duration *value)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    struct str rest = is_negative ? str_skip(text, 1) : text;
    int64_t total_ns = 0;

    if (rest.len == 0) {
        return false;
    }
    while (rest.len > 0) {
        if (!take_duration_part(&rest, &total_ns)) {
            return false;
        }
    }
    value->is_set = true;
    value->ms = total_ns / 1000000;
    value->rest_ns = (uint32_t)(total_ns % 1000000);
    if (is_negative) {
        value->ms = -value->ms;
    }
    return true;
}

/* --- times ------------------------------------------------------------------------------------ */

static bool take_number(struct str text, size_t at, size_t digits, int64_t *value)
{
    uint32_t number = 0;

    if (at + digits > text.len || !str_parse_u32(str_slice(text, at, digits), &number)) {
        return false;
    }
    *value = number;
    return true;
}

/* Days since 1970-01-01 of a date in the Gregorian calendar; years count from March so that the
 * leap day is the last of a year. */
static int64_t days_since_1970(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted_year = month <= 2 ? year - 1 : year;
    int64_t era = shifted_year / 400;
    int64_t year_of_era = shifted_year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static bool parse_zone(struct str zone, int64_t *offset_s)
{
    int64_t hours = 0;
    int64_t minutes = 0;

    if (str_equals_nocase(zone, STR("z"))) {
        *offset_s = 0;
        return true;
    }
    if (zone.len != 6 || (zone.ptr[0] != '+' && zone.ptr[0] != '-') || zone.ptr[3] != ':' ||
        !take_number(zone, 1, 2, &hours) || !take_number(zone, 4, 2, &minutes) || hours > 23 ||
        minutes > 59) {
        return false;
    }
    *offset_s = (hours * 60 + minutes) * 60 * (zone.ptr[0] == '-' ? -1 : 1);
    return true;
}

bool scalar_parse_time(struct str text, int64_t *seconds)
{
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    int64_t offset_s = 0;

    if (text.len < 20 || text.ptr[4] != '-' || text.ptr[7] != '-' ||
        str_lower_char(text.ptr[10]) != 't' || text.ptr[13] != ':' || text.ptr[16] != ':' ||
        !take_number(text, 0, 4, &year) || !take_number(text, 5, 2, &month) ||
        !take_number(text, 8, 2, &day) || !take_number(text, 11, 2, &hour) ||
        !take_number(text, 14, 2, &minute) || !take_number(text, 17, 2, &second)) {
        return false;
    }
    size_t zone_at = text.ptr[19] == '.' ? skip_digits(text, 20) : 19;

    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60 ||
        !parse_zone(str_skip(text, zone_at), &offset_s)) {
        return false;
    }
    *seconds =
        days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset_s;
    return true;
}

/* --- base64 ----------------------------------------------------------------------------------- */

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    if (c == '+') {
        return 62;
    }
    return c == '/' ? 63 : -1;
}

bool scalar_parse_base64(struct arena *arena, struct str text, struct str *bytes)
{
    char *out = arena_alloc(arena, text.len / 4 * 3 + 4);
    size_t out_len = 0;
    uint32_t bits = 0;
    size_t symbol_count = 0;
    size_t padding = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '\n' || c == '\r') {
            continue;
        }
        symbol_count++;
        if (c == '=') {
            padding++;
            bits <<= 6;
        } else {
            int value = base64_value(c);

            if (value < 0 || padding > 0) {
                return false;
            }
            bits = bits << 6 | (uint32_t)value;
        }
        if (symbol_count % 4 == 0) {
            out[out_len++] = (char)(bits >> 16 & 0xff);
            out[out_len++] = (char)(bits >> 8 & 0xff);
            out[out_len++] = (char)(bits & 0xff);
            bits = 0;
        }
    }
    if (symbol_count % 4 != 0 || padding > 2) {
        return false;
    }
    *bytes = str_from(out, out_len - padding);
    return true;
}
