/* log: levels, the shape of a line, and the brake on repeats. Any thread; what is shared is atomic
 * and only ever added to. */
#include "gateway/observe/log.h"

#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/now.h"
#include "gateway/observe/log_writer.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum {
    LOG_MODULES_MAX = 64,
    LOG_MODULE_NAME_BYTES = 32,
    /* Kinds of line are (module, format) pairs of the source: a few hundred. */
    LOG_KINDS_MAX = 1024,
    /* Lines of one kind let through per second: different objects share a format. */
    LOG_BURST_LINES = 20,
};

struct module_level {
    char name[LOG_MODULE_NAME_BYTES];
    _Atomic int level;
};

static struct {
    _Atomic int everything;
    _Atomic int lowest; /* of all; most debug lines end at this one load */
    struct module_level modules[LOG_MODULES_MAX];
    _Atomic size_t module_count;
} levels = { .everything = LOG_LEVEL_INFO, .lowest = LOG_LEVEL_INFO };

static _Atomic(struct log_sink *) sink; /* NULL: straight to standard error */
static _Atomic int line_format = LOG_FORMAT_TEXT;

static const char *const level_names[] = { "debug", "info", "warn", "error", "off" };

/* --- Levels ----------------------------------------------------------------------------------- */

static struct module_level *find_module(struct str name)
{
    size_t count = atomic_load_explicit(&levels.module_count, memory_order_acquire);

    for (size_t i = 0; i < count; i++) {
        if (str_equals(str_from_cstr(levels.modules[i].name), name)) {
            return &levels.modules[i];
        }
    }
    return NULL;
}

bool log_is_enabled(enum log_level level, const char *module)
{
    const struct module_level *own;

    if ((int)level < atomic_load_explicit(&levels.lowest, memory_order_relaxed)) {
        return false;
    }
    if (atomic_load_explicit(&levels.module_count, memory_order_relaxed) != 0) {
        own = find_module(str_from_cstr(module));
        if (own != NULL) {
            return (int)level >= atomic_load_explicit(&own->level, memory_order_relaxed);
        }
    }
    return (int)level >= atomic_load_explicit(&levels.everything, memory_order_relaxed);
}

bool log_parse_level(struct str name, enum log_level *level)
{
    static const struct {
        struct str name;
        enum log_level level;
    } known[] = {
        { STR_INIT("debug"), LOG_LEVEL_DEBUG },  { STR_INIT("info"), LOG_LEVEL_INFO },
        { STR_INIT("warn"), LOG_LEVEL_WARN },    { STR_INIT("error"), LOG_LEVEL_ERROR },
        { STR_INIT("off"), LOG_LEVEL_OFF },      { STR_INIT("trace"), LOG_LEVEL_DEBUG },
        { STR_INIT("warning"), LOG_LEVEL_WARN }, { STR_INIT("critical"), LOG_LEVEL_ERROR },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (str_equals_nocase(name, known[i].name)) {
            *level = known[i].level;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

static void update_lowest(void)
{
    size_t count = atomic_load(&levels.module_count);
    int lowest = atomic_load(&levels.everything);

    for (size_t i = 0; i < count; i++) {
        int level = atomic_load(&levels.modules[i].level);

        lowest = level < lowest ? level : lowest;
    }
    atomic_store(&levels.lowest, lowest);
}

void log_set_level(struct str module, enum log_level level)
{
    size_t count = atomic_load(&levels.module_count);
    struct module_level *own;

    if (module.len == 0) {
        /* For all means for all: what was said of single modules before no longer counts. */
        atomic_store(&levels.everything, (int)level);
        for (size_t i = 0; i < count; i++) {
            atomic_store(&levels.modules[i].level, (int)level);
        }
        update_lowest();
        return;
    }
    own = find_module(module);
    if (own == NULL) {
        if (count == LOG_MODULES_MAX || module.len >= LOG_MODULE_NAME_BYTES) {
            return; /* no module of ours has such a name */
        }
        own = &levels.modules[count];
        memcpy(own->name, module.ptr, module.len);
        own->name[module.len] = '\0';
    }
    atomic_store(&own->level, (int)level);
    if (own == &levels.modules[count]) {
        atomic_store_explicit(&levels.module_count, count + 1, memory_order_release);
    }
    update_lowest();
}

void log_describe_levels(struct text *out)
{
    size_t count = atomic_load(&levels.module_count);

    text_printf(out, "default: %s\n", level_names[atomic_load(&levels.everything)]);
    for (size_t i = 0; i < count; i++) {
        text_printf(out, "%s: %s\n", levels.modules[i].name,
                    level_names[atomic_load(&levels.modules[i].level)]);
    }
}

/* --- The brake on repeats --------------------------------------------------------------------- */

/* One kind of line. Claimed once by its key and kept: kinds are literals of the program. */
struct line_kind {
    _Atomic uint64_t key; /* 0: free */
    _Atomic uint64_t second;
    _Atomic unsigned count; /* of lines in that second */
};

static struct line_kind kinds[LOG_KINDS_MAX];

static struct line_kind *find_kind(const char *module, const char *format)
{
    uint64_t key =
        ((uint64_t)(uintptr_t)format * UINT64_C(0x9e3779b97f4a7c15)) ^ (uint64_t)(uintptr_t)module;
    size_t at = (size_t)(key >> 32) % LOG_KINDS_MAX;

    for (size_t tries = 0; tries < 16; tries++) {
        struct line_kind *kind = &kinds[(at + tries) % LOG_KINDS_MAX];
        uint64_t found = 0;

        if (atomic_compare_exchange_strong(&kind->key, &found, key) || found == key) {
            return kind;
        }
    }
    return NULL; /* no room: the line is not braked */
}

/* False when the line is one too many. *untold is how many of its kind were left out before it. */
static bool pass_brake(const char *module, const char *format, uint64_t wall_us, unsigned *untold)
{
    struct line_kind *kind = find_kind(module, format);
    uint64_t second = wall_us / 1000000u;
    uint64_t former;

    *untold = 0;
    if (kind == NULL) {
        return true;
    }
    former = atomic_load(&kind->second);
    if (former != second && atomic_compare_exchange_strong(&kind->second, &former, second)) {
        unsigned count = atomic_exchange(&kind->count, 1);

        *untold = count > LOG_BURST_LINES ? count - LOG_BURST_LINES : 0;
        return true;
    }
    return atomic_fetch_add(&kind->count, 1) < LOG_BURST_LINES;
}

/* --- Lines ------------------------------------------------------------------------------------ */

void log_start(enum log_format format)
{
    struct log_sink *opened;

    atomic_store(&line_format, (int)format);
    if (!log_writer_is_running()) {
        return;
    }
    opened = log_sink_open("2", NULL);
    atomic_store(&sink, opened);
}

static void shape_text(struct text *line, enum log_level level, const char *module,
                       struct str message, const char *time)
{
    text_printf(line, "%s\t%s\t%s\t", time, level_names[level], module);
    text_add_escaped(line, message, false);
}

static void shape_json(struct text *line, enum log_level level, const char *module,
                       struct str message, const char *time)
{
    struct json json;

    json_init(&json, line, false);
    json_open_object(&json);
    json_put_cstr(&json, "time", time);
    json_put_cstr(&json, "level", level_names[level]);
    json_put_cstr(&json, "scope", module);
    json_put_str(&json, "msg", message);
    json_close_object(&json);
}

static void write_line(struct str line)
{
    struct log_sink *opened = atomic_load(&sink);

    if (opened != NULL && log_writer_is_running()) {
        (void)log_sink_write(opened, line); /* a dropped line is counted there */
        return;
    }
    while (line.len != 0) {
        ssize_t written = write(STDERR_FILENO, line.ptr, line.len);

        if (written <= 0) {
            return; /* nobody is left to tell */
        }
        line = str_skip(line, (size_t)written);
    }
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
    uint64_t wall_us = now_wall_fresh_us();
    struct text message = { 0 };
    struct text line = { 0 };
    char time[32];
    unsigned untold = 0;
    va_list args;

    if (level != LOG_LEVEL_DEBUG && !pass_brake(module, format, wall_us, &untold)) {
        return;
    }
    va_start(args, format);
    text_vprintf(&message, format, args);
    va_end(args);
    /* Escaping makes four bytes of one at most. */
    if (message.len > LIMIT_LOG_LINE_BYTES / 4) {
        message.len = LIMIT_LOG_LINE_BYTES / 4;
        text_add_cstr(&message, "...");
    }
    if (untold != 0) {
        text_printf(&message, " (and %u more like it)", untold);
    }
    (void)now_format_utc(wall_us, 6, time, sizeof(time));
    if (atomic_load(&line_format) == LOG_FORMAT_JSON) {
        shape_json(&line, level, module, text_view(&message), time);
    } else {
        shape_text(&line, level, module, text_view(&message), time);
    }
    text_add_char(&line, '\n');
    write_line(text_view(&line));
    text_cleanup(&message);
    text_cleanup(&line);
}
