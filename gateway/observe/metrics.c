/* metrics: shards, series, and the page.
 *
 *   shard (one per thread) ── plain[id]   metrics without labels: one cell each
 *                          └─ families[id].first ─> series ─> series ─> ...   newest first
 *
 * The owner finds a series by its map; the scraper walks the lists. A series is complete before the
 * list's head shows it (release, acquire) and stays until metrics_cleanup(). A cell has one writer,
 * so "add" is a relaxed load and store. */
#include "gateway/observe/metrics.h"

#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/base/vec.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum metric_kind { KIND_COUNTER, KIND_GAUGE, KIND_HISTOGRAM };

enum { METRIC_LABELS_MAX = 32 };

struct metric_info {
    const char *name;
    enum metric_kind kind;
    struct str labels; /* joined by commas */
    const char *help;
};

static const struct metric_info metric_infos[METRIC_COUNT] = {
#define METRIC(id, name, kind, labels, help) { name, KIND_##kind, STR_INIT(labels), help },
#include "gateway/observe/metrics.def"
#undef METRIC
};

/* spec OB-21; the last bucket is +Inf */
static const double bounds[] = { 0.5,   1,      5,      10,      25,     50,    100,
                                 250,   500,    1000,   2500,    5000,   10000, 30000,
                                 60000, 300000, 600000, 1800000, 3600000 };
enum { BOUND_COUNT = sizeof(bounds) / sizeof(bounds[0]), BUCKET_COUNT = BOUND_COUNT + 1 };

/* A count, or the bits of a double for gauges and sums. */
struct cell {
    _Atomic uint64_t bits;
};

struct histogram {
    struct cell buckets[BUCKET_COUNT]; /* not cumulated */
    struct cell sum;
};

struct metric_series {
    struct metric_series *next;
    struct str key; /* see build_key() */
    enum metric_kind kind;
    _Atomic bool is_live; /* false: taken out of the page by metrics_clear_series() */
    struct cell value;
    struct histogram *histogram; /* of histograms only */
};

struct family {
    _Atomic(struct metric_series *) first;
    struct metric_series *other; /* shared by what is beyond the cap */
    size_t series_count;
};

struct metrics_shard {
    struct metrics_shard *next;
    struct cell plain[METRIC_COUNT];
    struct family families[METRIC_COUNT];
    /* The owner's alone. */
    struct arena *arena;
    struct map series_by_key;
    char *key; /* scratch of build_key() */
    size_t key_capacity;
};

static _Atomic(struct metrics_shard *) shards;

/* --- Cells ------------------------------------------------------------------------------------ */

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static uint64_t read_cell(const struct cell *cell)
{
    return atomic_load_explicit(&cell->bits, memory_order_relaxed);
}

static void write_cell(struct cell *cell, uint64_t value)
{
    atomic_store_explicit(&cell->bits, value, memory_order_relaxed);
}

static void add_count(struct cell *cell, uint64_t amount)
{
    write_cell(cell, read_cell(cell) + amount);
}

static void add_double(struct cell *cell, double amount)
{
    write_cell(cell, bits_of(double_of(read_cell(cell)) + amount));
}

static double cell_as_double(const struct cell *cell, enum metric_kind kind)
{
    uint64_t bits = read_cell(cell);

    return kind == KIND_COUNTER ? (double)bits : double_of(bits);
}

/* --- Shards ----------------------------------------------------------------------------------- */

struct metrics_shard *metrics_shard_new(void)
{
    struct metrics_shard *shard = mem_new(struct metrics_shard);

    shard->arena = arena_new(32 * 1024);
    shard->next = atomic_load(&shards);
    while (!atomic_compare_exchange_weak(&shards, &shard->next, shard)) {
    }
    return shard;
}

void metrics_cleanup(void)
{
    struct metrics_shard *shard = atomic_exchange(&shards, NULL);

    while (shard != NULL) {
        struct metrics_shard *next = shard->next;

        map_cleanup(&shard->series_by_key);
        mem_free(shard->key);
        arena_free(shard->arena);
        mem_free(shard);
        shard = next;
    }
}

void metrics_add(struct metrics_shard *shard, enum metric_id id, uint64_t amount)
{
    if (metric_infos[id].kind == KIND_GAUGE) {
        add_double(&shard->plain[id], (double)amount);
    } else {
        add_count(&shard->plain[id], amount);
    }
}

void metrics_sub(struct metrics_shard *shard, enum metric_id id, uint64_t amount)
{
    CHECK(metric_infos[id].kind == KIND_GAUGE);
    add_double(&shard->plain[id], -(double)amount);
}

void metrics_set(struct metrics_shard *shard, enum metric_id id, double value)
{
    CHECK(metric_infos[id].kind == KIND_GAUGE);
    write_cell(&shard->plain[id], bits_of(value));
}

/* --- Series ----------------------------------------------------------------------------------- */

static size_t label_count(enum metric_id id)
{
    /* Counted by whoever comes first: all come to the same. */
    static _Atomic unsigned char counts[METRIC_COUNT]; /* count + 1; 0: not counted */
    unsigned known = atomic_load_explicit(&counts[id], memory_order_relaxed);
    struct str labels = metric_infos[id].labels;
    size_t count = labels.len != 0 ? 1 : 0;

    if (known != 0) {
        return known - 1;
    }
    for (size_t i = 0; i < labels.len; i++) {
        count += labels.ptr[i] == ',' ? 1 : 0;
    }
    atomic_store_explicit(&counts[id], (unsigned char)(count + 1), memory_order_relaxed);
    return count;
}

/* The metric's number and each value behind its length: no two sets of values make one key. Done
 * for each finished request, hence one measure and plain copies. */
static struct str build_key(struct metrics_shard *shard, enum metric_id id,
                            const struct str *values, size_t count)
{
    uint16_t number = (uint16_t)id;
    size_t needed = sizeof(number);
    char *at;

    for (size_t i = 0; i < count; i++) {
        needed += sizeof(uint32_t) + values[i].len;
    }
    shard->key = vec_grow(shard->key, &shard->key_capacity, needed, 1);
    at = mempcpy(shard->key, &number, sizeof(number));
    for (size_t i = 0; i < count; i++) {
        uint32_t len = (uint32_t)values[i].len;

        at = mempcpy(at, &len, sizeof(len));
        if (len != 0) {
            at = mempcpy(at, values[i].ptr, len);
        }
    }
    return str_from(shard->key, needed);
}

/* The next value of a key, *rest beginning behind the metric's number. */
static struct str key_next_value(struct str *rest)
{
    uint32_t len;
    struct str value;

    CHECK(rest->len >= sizeof(len));
    memcpy(&len, rest->ptr, sizeof(len));
    *rest = str_skip(*rest, sizeof(len));
    value = str_slice(*rest, 0, len);
    *rest = str_skip(*rest, len);
    return value;
}

static struct metric_series *series_new(struct metrics_shard *shard, enum metric_id id,
                                        struct str key)
{
    struct metric_series *series = arena_new_object(shard->arena, struct metric_series);
    struct family *family = &shard->families[id];

    series->key = arena_copy_str(shard->arena, key);
    series->kind = metric_infos[id].kind;
    atomic_init(&series->is_live, true);
    if (series->kind == KIND_HISTOGRAM) {
        series->histogram = arena_new_object(shard->arena, struct histogram);
    }
    (void)map_set(&shard->series_by_key, series->key, series); /* was not in it */
    series->next = atomic_load_explicit(&family->first, memory_order_relaxed);
    atomic_store_explicit(&family->first, series, memory_order_release);
    family->series_count++;
    return series;
}

static struct metric_series *other_series(struct metrics_shard *shard, enum metric_id id,
                                          size_t count)
{
    struct family *family = &shard->families[id];

    if (family->other == NULL) {
        struct str values[METRIC_LABELS_MAX];
        struct str key;

        for (size_t i = 0; i < count; i++) {
            values[i] = STR("other");
        }
        key = build_key(shard, id, values, count);
        family->other = map_get(&shard->series_by_key, key);
        if (family->other == NULL) {
            family->other = series_new(shard, id, key);
        }
    }
    return family->other;
}

struct metric_series *metrics_series(struct metrics_shard *shard, enum metric_id id,
                                     const struct str *values, size_t count)
{
    struct metric_series *series;
    struct str key;

    CHECK(count == label_count(id) && count <= METRIC_LABELS_MAX);
    key = build_key(shard, id, values, count);
    series = map_get(&shard->series_by_key, key);
    if (series != NULL) {
        return series;
    }
    if (shard->families[id].series_count >= LIMIT_METRIC_SERIES) {
        return other_series(shard, id, count);
    }
    return series_new(shard, id, key);
}

static void make_live(struct metric_series *series)
{
    atomic_store_explicit(&series->is_live, true, memory_order_relaxed);
}

void metric_series_add(struct metric_series *series, uint64_t amount)
{
    CHECK(series->kind != KIND_HISTOGRAM);
    if (series->kind == KIND_GAUGE) {
        add_double(&series->value, (double)amount);
        make_live(series);
    } else {
        add_count(&series->value, amount);
    }
}

void metric_series_sub(struct metric_series *series, uint64_t amount)
{
    CHECK(series->kind == KIND_GAUGE);
    add_double(&series->value, -(double)amount);
    make_live(series);
}

void metric_series_set(struct metric_series *series, double value)
{
    CHECK(series->kind == KIND_GAUGE);
    write_cell(&series->value, bits_of(value));
    make_live(series);
}

void metric_series_observe(struct metric_series *series, double value)
{
    size_t low = 0;
    size_t high = BOUND_COUNT;

    CHECK(series->kind == KIND_HISTOGRAM);
    /* The first bound that is not below the value. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (bounds[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    add_count(&series->histogram->buckets[low], 1);
    add_double(&series->histogram->sum, value);
}

void metrics_clear_series(struct metrics_shard *shard, enum metric_id id)
{
    struct metric_series *series =
        atomic_load_explicit(&shard->families[id].first, memory_order_relaxed);

    CHECK(metric_infos[id].kind == KIND_GAUGE);
    for (; series != NULL; series = series->next) {
        atomic_store_explicit(&series->is_live, false, memory_order_relaxed);
        write_cell(&series->value, bits_of(0));
    }
}

/* --- Merge and print -------------------------------------------------------------------------- */

/* One set of values, summed over the shards. */
struct merged {
    struct str key;
    double gauge;
    uint64_t count; /* counters */
    uint64_t buckets[BUCKET_COUNT];
    double sum;
};

struct page {
    struct arena *arena;
    struct map by_key;
    struct {
        VEC_FIELDS(struct merged *);
    } rows;
};

static void merge_series(struct page *page, const struct metric_series *series)
{
    struct merged *row = map_get(&page->by_key, series->key);

    if (row == NULL) {
        row = arena_new_object(page->arena, struct merged);
        row->key = series->key;
        (void)map_set(&page->by_key, row->key, row); /* was not in it */
        vec_push(&page->rows, row);
    }
    switch (series->kind) {
    case KIND_COUNTER:
        row->count += read_cell(&series->value);
        break;
    case KIND_GAUGE:
        row->gauge += double_of(read_cell(&series->value));
        break;
    case KIND_HISTOGRAM:
        for (size_t i = 0; i < BUCKET_COUNT; i++) {
            row->buckets[i] += read_cell(&series->histogram->buckets[i]);
        }
        row->sum += double_of(read_cell(&series->histogram->sum));
        break;
    }
}

static int compare_rows(const void *a, const void *b)
{
    const struct merged *const *x = a;
    const struct merged *const *y = b;

    return str_compare((*x)->key, (*y)->key);
}

static void merge_family(struct page *page, enum metric_id id)
{
    for (struct metrics_shard *shard = atomic_load(&shards); shard != NULL; shard = shard->next) {
        const struct metric_series *series =
            atomic_load_explicit(&shard->families[id].first, memory_order_acquire);

        for (; series != NULL; series = series->next) {
            if (atomic_load_explicit(&series->is_live, memory_order_relaxed)) {
                merge_series(page, series);
            }
        }
    }
    if (page->rows.count > 1) {
        qsort(page->rows.items, page->rows.count, sizeof(*page->rows.items), compare_rows);
    }
}

/* Label values: `\`, `"` and the line feed are escaped; what is not UTF-8 would cost the scraper
 * the whole page. */
static void add_label_value(struct text *out, struct str value)
{
    while (value.len != 0) {
        size_t len = str_utf8_length(value);

        if (len == 0) {
            text_add_cstr(out, "\xef\xbf\xbd");
            len = 1;
        } else if (value.ptr[0] == '\n') {
            text_add_cstr(out, "\\n");
        } else {
            if (value.ptr[0] == '"' || value.ptr[0] == '\\') {
                text_add_char(out, '\\');
            }
            text_add(out, str_slice(value, 0, len));
        }
        value = str_skip(value, len);
    }
}

/* label="value",... without braces. */
static void add_labels(struct text *out, enum metric_id id, struct str key)
{
    struct str names = metric_infos[id].labels;
    struct str rest = str_skip(key, sizeof(uint16_t));
    struct str name;
    bool is_first = true;

    while (str_split_next(&names, ',', &name)) {
        if (!is_first) {
            text_add_char(out, ',');
        }
        is_first = false;
        text_add(out, name);
        text_add_cstr(out, "=\"");
        add_label_value(out, key_next_value(&rest));
        text_add_char(out, '"');
    }
}

static void add_double_text(struct text *out, double value)
{
    if (isinf(value)) {
        text_add_cstr(out, value > 0 ? "+Inf" : "-Inf");
    } else if (isnan(value)) {
        text_add_cstr(out, "NaN");
    } else {
        text_printf(out, "%.15g", value);
    }
}

static void write_histogram(struct text *out, enum metric_id id, const struct merged *row,
                            struct text *labels)
{
    const char *name = metric_infos[id].name;
    uint64_t count = 0;

    text_clear(labels);
    add_labels(labels, id, row->key);
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        count += row->buckets[i];
        text_printf(out, "%s_bucket{%s%sle=\"", name, labels->ptr, labels->len != 0 ? "," : "");
        add_double_text(out, i < BOUND_COUNT ? bounds[i] : (double)INFINITY);
        text_add_cstr(out, "\"} ");
        text_add_u64(out, count);
        text_add_char(out, '\n');
    }
    text_printf(out, "%s_sum{%s} ", name, labels->ptr);
    add_double_text(out, row->sum);
    text_printf(out, "\n%s_count{%s} ", name, labels->ptr);
    text_add_u64(out, count);
    text_add_char(out, '\n');
}

static void write_series(struct text *out, enum metric_id id, const struct merged *row)
{
    text_add_cstr(out, metric_infos[id].name);
    text_add_char(out, '{');
    add_labels(out, id, row->key);
    text_add_cstr(out, "} ");
    if (metric_infos[id].kind == KIND_GAUGE) {
        add_double_text(out, row->gauge);
    } else {
        text_add_u64(out, row->count);
    }
    text_add_char(out, '\n');
}

static void write_plain(struct text *out, enum metric_id id)
{
    text_printf(out, "%s ", metric_infos[id].name);
    if (metric_infos[id].kind == KIND_GAUGE) {
        add_double_text(out, metrics_total(id));
    } else {
        uint64_t count = 0;

        for (struct metrics_shard *shard = atomic_load(&shards); shard != NULL;
             shard = shard->next) {
            count += read_cell(&shard->plain[id]);
        }
        text_add_u64(out, count);
    }
    text_add_char(out, '\n');
}

static void write_head(struct text *out, enum metric_id id)
{
    static const char *const kinds[] = { "counter", "gauge", "histogram" };
    const struct metric_info *info = &metric_infos[id];

    text_printf(out, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name,
                kinds[info->kind]);
}

static void write_family(struct text *out, enum metric_id id, struct text *labels)
{
    struct page page = { .arena = arena_new(16 * 1024) };

    merge_family(&page, id);
    if (page.rows.count != 0) {
        write_head(out, id);
    }
    for (size_t i = 0; i < page.rows.count; i++) {
        if (metric_infos[id].kind == KIND_HISTOGRAM) {
            write_histogram(out, id, page.rows.items[i], labels);
        } else {
            write_series(out, id, page.rows.items[i]);
        }
    }
    vec_cleanup(&page.rows);
    map_cleanup(&page.by_key);
    arena_free(page.arena);
}

void metrics_write_prometheus(struct text *out)
{
    struct text labels = { 0 };

    for (size_t i = 0; i < METRIC_COUNT; i++) {
        enum metric_id id = (enum metric_id)i;

        if (label_count(id) == 0) {
            write_head(out, id);
            write_plain(out, id);
        } else {
            write_family(out, id, &labels);
        }
    }
    text_cleanup(&labels);
}

static double series_total(const struct metric_series *series)
{
    double total = 0;

    if (series->kind != KIND_HISTOGRAM) {
        return cell_as_double(&series->value, series->kind);
    }
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        total += (double)read_cell(&series->histogram->buckets[i]);
    }
    return total;
}

double metrics_total(enum metric_id id)
{
    double total = 0;

    for (struct metrics_shard *shard = atomic_load(&shards); shard != NULL; shard = shard->next) {
        const struct metric_series *series =
            atomic_load_explicit(&shard->families[id].first, memory_order_acquire);

        total += cell_as_double(&shard->plain[id], metric_infos[id].kind);
        for (; series != NULL; series = series->next) {
            if (atomic_load_explicit(&series->is_live, memory_order_relaxed)) {
                total += series_total(series);
            }
        }
    }
    return total;
}
