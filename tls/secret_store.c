/* secret_store: finds the secrets there are and keeps the last good version of each. A load costs a
 * few calls of stat for each secret; only what changed is read, only what is new is parsed. Control
 * thread; the secrets themselves are shared with workers by count. */
#include "tls/secret_store.h"

#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/text.h"
#include "gateway/observe/log.h"
#include "tls/secret_slot.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* A Secret document, until the next load has looked at it; the bytes are then wiped and freed. */
struct store_document {
    struct secret_source source;
    char *texts[8];
    size_t lens[8];
};

struct secret_store {
    char *own_namespace;
    struct str_vec directories; /* owned texts */
    struct map slots;           /* by "NAMESPACE/NAME" */
    struct {
        VEC_FIELDS(struct secret_slot *);
    } order; /* by namespace and name */
    struct {
        VEC_FIELDS(struct store_document);
    } documents;
    bool has_new_documents; /* secret_store_begin_documents() was called since the last load */
    bool is_order_stale;
    bool is_limit_told;
    bool may_defer;
    size_t unchecked_count; /* keys whose check is due */
    size_t next_check;      /* in `order`; none is due before it */
    size_t foreign_count;   /* secrets of the last load that were no directories */
    uint64_t load_number;
};

const char *secret_state_name(enum secret_state state)
{
    switch (state) {
    case SECRET_GOOD:
        return "good";
    case SECRET_KEPT:
        return "kept";
    case SECRET_BAD:
        return "bad";
    case SECRET_EXPIRED:
        return "expired";
    case SECRET_NOT_YET:
        return "not-yet-valid";
    }
    return "unknown";
}

struct secret_store *secret_store_new(struct str own_namespace)
{
    struct secret_store *store = mem_new(struct secret_store);

    store->own_namespace =
        mem_copy_string(own_namespace.ptr != NULL ? own_namespace.ptr : "", own_namespace.len);
    return store;
}

static void store_drop_documents(struct secret_store *store)
{
    for (size_t i = 0; i < store->documents.count; i++) {
        struct store_document *document = &store->documents.items[i];
        for (size_t part = 0; part < 8; part++) {
            if (document->texts[part] != NULL) {
                mem_wipe(document->texts[part], document->lens[part]);
                mem_free(document->texts[part]);
            }
        }
    }
    vec_cleanup(&store->documents);
}

void secret_store_free(struct secret_store *store)
{
    size_t position = 0;
    struct str key;
    void *slot;

    if (store == NULL) {
        return;
    }
    while (map_next(&store->slots, &position, &key, &slot)) {
        secret_slot_free(slot);
    }
    map_cleanup(&store->slots);
    vec_cleanup(&store->order);
    store_drop_documents(store);
    for (size_t i = 0; i < store->directories.count; i++) {
        mem_free((void *)(uintptr_t)store->directories.items[i].ptr); /* ours, see add_directory */
    }
    vec_cleanup(&store->directories);
    mem_free(store->own_namespace);
    mem_free(store);
}

/* --- Slots ------------------------------------------------------------------------------------ */

/* The gateway's own namespace is the empty one here, however it was spelled. */
static struct str store_fold_namespace(const struct secret_store *store, struct str namespace_)
{
    return str_equals(namespace_, str_from_cstr(store->own_namespace)) ? STR("") : namespace_;
}

static struct secret_slot *store_find_slot(const struct secret_store *store, struct str namespace_,
                                           struct str name)
{
    struct str folded = store_fold_namespace(store, namespace_);
    struct text key = { 0 };

    text_printf(&key, "%.*s/%.*s", STR_ARG(folded), STR_ARG(name));
    struct secret_slot *slot = map_get(&store->slots, text_view(&key));
    text_cleanup(&key);
    return slot;
}

/* Found or made; NULL when there are too many. */
static struct secret_slot *store_get_slot(struct secret_store *store, struct str namespace_,
                                          struct str name)
{
    struct secret_slot *slot = store_find_slot(store, namespace_, name);

    if (slot != NULL) {
        return slot;
    }
    if (store->slots.count >= LIMIT_SECRETS) {
        if (!store->is_limit_told) {
            LOG_ERROR("secret_store", "more than %u secrets; the rest is left out", LIMIT_SECRETS);
        }
        store->is_limit_told = true;
        return NULL;
    }
    slot = secret_slot_new(store_fold_namespace(store, namespace_), name);
    (void)map_set(&store->slots, str_from_cstr(slot->key), slot); /* was absent */
    store->is_order_stale = true;
    return slot;
}

/* The first source of a name in a load has it; later ones are only mentioned. */
static bool store_claim_slot(const struct secret_store *store, struct secret_slot *slot,
                             enum secret_slot_source source, struct str origin)
{
    if (slot->seen_load == store->load_number) {
        if (slot->shadow == NULL) {
            struct text text = { 0 };
            text_printf(&text, "another one of this name is not used: %.*s", STR_ARG(origin));
            slot->shadow = text.ptr;
        }
        return false;
    }
    slot->seen_load = store->load_number;
    if (slot->source != source || !str_equals(slot->entry.origin, origin)) {
        slot->source = source;
        slot->signature.is_settled = false;
    }
    mem_free(slot->shadow);
    slot->shadow = NULL;
    secret_slot_set_origin(slot, origin);
    return true;
}

/* --- Directories ------------------------------------------------------------------------------ */

void secret_store_add_directory(struct secret_store *store, const char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        len--;
    }
    vec_push(&store->directories, str_from(mem_copy_string(path, len), len));
}

static void store_take_files(const struct secret_store *store, struct secret_slot *slot,
                             struct secret_files *files, int64_t wall_s)
{
    struct secret_source source = { .name = slot->entry.name,
                                    .namespace_ = slot->entry.namespace_,
                                    .origin = slot->entry.origin };

    secret_source_from_parts(&source, files->parts, files->count);
    secret_slot_take(slot, &source, store->may_defer, wall_s);
    slot->signature = files->signature;
    secret_files_cleanup(files);
}

/* Whether `path` is the directory of a secret; if so it is loaded. */
static bool store_load_secret(struct secret_store *store, struct str namespace_, struct str name,
                              struct str path, int64_t wall_s)
{
    struct secret_slot *slot = store_find_slot(store, namespace_, name);
    struct secret_files_signature none = { .is_settled = false };
    struct secret_files files = { .count = 0 };
    struct err err = { 0 };
    bool is_known = slot != NULL && slot->source == SLOT_DIRECTORY &&
                    slot->seen_load != store->load_number && str_equals(slot->entry.origin, path);
    enum secret_files_result result =
        secret_files_read_directory(path.ptr, is_known ? &slot->signature : &none, &files, &err);

    if (result == SECRET_FILES_NONE ||
        (result == SECRET_FILES_FAILED && slot == NULL && err.code == ERR_PERMISSION)) {
        /* Unreadable and never a secret: it may be anything; the reason is worth a line. */
        if (result == SECRET_FILES_FAILED) {
            LOG_WARN("secret_store", "%.*s: %s", STR_ARG(path), err.text);
        }
        return result != SECRET_FILES_NONE;
    }
    slot = store_get_slot(store, namespace_, name);
    if (slot != NULL && store_claim_slot(store, slot, SLOT_DIRECTORY, path)) {
        if (result == SECRET_FILES_READ) {
            store_take_files(store, slot, &files, wall_s);
        } else if (result == SECRET_FILES_FAILED) {
            secret_slot_fail(slot, "%s", err.text);
        }
    }
    secret_files_cleanup(&files);
    return true;
}

static bool store_is_directory(const char *path, unsigned char type)
{
    struct stat status;

    if (type == DT_DIR) {
        return true;
    }
    /* A link, or a file system that does not tell. */
    return (type == DT_LNK || type == DT_UNKNOWN) && stat(path, &status) == 0 &&
           S_ISDIR(status.st_mode);
}

typedef void (*store_child_fn)(struct secret_store *store, struct str parent_name, struct str name,
                               struct str path, int64_t wall_s);

static void store_each_child(struct secret_store *store, struct str parent_name, const char *path,
                             int64_t wall_s, store_child_fn on_child)
{
    DIR *dir = opendir(path);
    struct dirent *child;

    if (dir == NULL) {
        if (errno != ENOENT) {
            LOG_WARN("secret_store", "cannot read the directory %s: %s", path, strerror(errno));
        }
        return;
    }
    struct text child_path = { 0 };
    while ((child = readdir(dir)) != NULL) {
        if (child->d_name[0] == '.') {
            continue; /* also `..data` and the generations of a mounted volume */
        }
        text_clear(&child_path);
        text_printf(&child_path, "%s/%s", path, child->d_name);
        if (store_is_directory(child_path.ptr, child->d_type)) {
            on_child(store, parent_name, str_from_cstr(child->d_name), text_view(&child_path),
                     wall_s);
        }
    }
    text_cleanup(&child_path);
    (void)closedir(dir); /* only read from */
}

/* DIR/NAMESPACE/NAME */
static void store_on_namespaced(struct secret_store *store, struct str parent_name, struct str name,
                                struct str path, int64_t wall_s)
{
    (void)store_load_secret(store, parent_name, name, path,
                            wall_s); /* other directories are fine */
}

/* DIR/NAME, or DIR/NAMESPACE when it holds no secret itself */
static void store_on_top(struct secret_store *store, struct str parent_name, struct str name,
                         struct str path, int64_t wall_s)
{
    if (!store_load_secret(store, parent_name, name, path, wall_s)) {
        store_each_child(store, name, path.ptr, wall_s, store_on_namespaced);
    }
}

/* --- Files ------------------------------------------------------------------------------------ */

static void store_set_path(char **slot_path, struct str path)
{
    mem_free(*slot_path);
    *slot_path = mem_copy_string(path.ptr != NULL ? path.ptr : "", path.len);
}

static struct str store_want(struct secret_store *store, struct str name,
                             struct str certificate_path, struct str key_path, struct str ca_path)
{
    struct secret_slot *slot = store_get_slot(store, STR(""), name);

    if (slot == NULL) {
        return STR("");
    }
    /* Servers that name the same certificate mean the same pair; the first one's key is used. */
    if (!slot->is_wanted) {
        slot->is_wanted = true;
        slot->source = SLOT_FILES;
        store_set_path(&slot->certificate_path, certificate_path);
        store_set_path(&slot->key_path, key_path);
        store_set_path(&slot->ca_path, ca_path);
    }
    return slot->entry.name;
}

struct str secret_store_want_files(struct secret_store *store, struct str certificate_path,
                                   struct str key_path, struct str ca_path)
{
    struct text name = { 0 };

    text_printf(&name, "file:%.*s", STR_ARG(certificate_path));
    struct str entered = store_want(store, text_view(&name), certificate_path, key_path, ca_path);
    text_cleanup(&name);
    return entered;
}

struct str secret_store_want_ca_file(struct secret_store *store, struct str ca_path)
{
    struct text name = { 0 };

    text_printf(&name, SECRET_CA_FILE_PREFIX "%.*s", STR_ARG(ca_path));
    struct str entered = store_want(store, text_view(&name), STR(""), STR(""), ca_path);
    text_cleanup(&name);
    return entered;
}

/* The path that stands for all of them in messages. */
static struct str store_files_origin(const struct secret_slot *slot)
{
    return str_from_cstr(slot->certificate_path[0] != '\0' ? slot->certificate_path
                                                           : slot->ca_path);
}

static void store_load_files(struct secret_store *store, int64_t wall_s)
{
    size_t position = 0;
    struct str key;
    void *value;

    while (map_next(&store->slots, &position, &key, &value)) {
        struct secret_slot *slot = value;
        if (slot->source != SLOT_FILES || !slot->is_wanted ||
            !store_claim_slot(store, slot, SLOT_FILES, store_files_origin(slot))) {
            continue;
        }
        struct secret_files files = { .count = 0 };
        struct err err = { 0 };
        switch (secret_files_read_paths(slot->certificate_path, slot->key_path, slot->ca_path,
                                        &slot->signature, &files, &err)) {
        case SECRET_FILES_READ:
            store_take_files(store, slot, &files, wall_s);
            break;
        case SECRET_FILES_FAILED:
            secret_slot_fail(slot, "%s", err.text);
            break;
        case SECRET_FILES_NONE:
            secret_slot_fail(slot, "there is no such file");
            break;
        case SECRET_FILES_UNCHANGED:
            break;
        }
    }
}

void secret_store_watched_paths(const struct secret_store *store, struct str_vec *paths)
{
    size_t position = 0;
    struct str key;
    void *value;

    while (map_next(&store->slots, &position, &key, &value)) {
        const struct secret_slot *slot = value;
        const char *const files[] = { slot->certificate_path, slot->key_path, slot->ca_path };
        for (size_t i = 0; slot->source == SLOT_FILES && i < 3; i++) {
            if (files[i] == NULL || files[i][0] == '\0') {
                continue;
            }
            struct str path = str_from_cstr(files[i]);
            size_t slash = str_find_last_char(path, '/');
            vec_push(paths,
                     slash == SIZE_MAX ? STR(".") : str_slice(path, 0, slash > 0 ? slash : 1));
        }
    }
}

/* --- Documents -------------------------------------------------------------------------------- */

void secret_store_begin_documents(struct secret_store *store)
{
    store_drop_documents(store);
    store->has_new_documents = true;
}

static struct str store_copy_part(struct store_document *document, size_t part, struct str view)
{
    document->texts[part] = mem_copy_string(view.ptr != NULL ? view.ptr : "", view.len);
    document->lens[part] = view.len;
    return str_from(document->texts[part], view.len);
}

void secret_store_add_document(struct secret_store *store, const struct secret_source *source)
{
    struct store_document document = { .source = *source };
    struct secret_source *copy = &document.source;

    copy->name = store_copy_part(&document, 0, source->name);
    copy->namespace_ = store_copy_part(&document, 1, source->namespace_);
    copy->origin = store_copy_part(&document, 2, source->origin);
    copy->certificate_pem = store_copy_part(&document, 3, source->certificate_pem);
    copy->key_pem = store_copy_part(&document, 4, source->key_pem);
    copy->ca_pem = store_copy_part(&document, 5, source->ca_pem);
    copy->crl_pem = store_copy_part(&document, 6, source->crl_pem);
    copy->ocsp_staple_der = store_copy_part(&document, 7, source->ocsp_staple_der);
    vec_push(&store->documents, document);
}

static void store_load_documents(struct secret_store *store, int64_t wall_s)
{
    for (size_t i = 0; i < store->documents.count; i++) {
        struct secret_source source = store->documents.items[i].source;
        struct secret_slot *slot = store_get_slot(store, source.namespace_, source.name);
        if (slot == NULL || !store_claim_slot(store, slot, SLOT_DOCUMENT, source.origin)) {
            continue;
        }
        source.name = slot->entry.name;
        source.namespace_ = slot->entry.namespace_;
        secret_slot_take(slot, &source, store->may_defer, wall_s);
    }
    store_drop_documents(store);
}

/* --- The load --------------------------------------------------------------------------------- */

static bool store_is_unchecked(const struct secret_slot *slot)
{
    return slot->entry.secret != NULL && secret_is_key_unchecked(slot->entry.secret);
}

static bool store_forgets(const struct secret_slot *slot)
{
    return slot->entry.secret == NULL || slot->source == SLOT_FILES;
}

/* What no source has any more. A file pair nobody asks for is forgotten; everything else stays in
 * force (TL-29), because a provider that re-creates a secret takes it away for a moment. */
static bool store_settle_slots(struct secret_store *store, int64_t wall_s)
{
    bool has_changed = false;
    struct {
        VEC_FIELDS(struct secret_slot *);
    } gone = { 0 };
    size_t position = 0;
    struct str key;
    void *value;

    store->unchecked_count = 0;
    store->next_check = 0;
    store->foreign_count = 0;
    while (map_next(&store->slots, &position, &key, &value)) {
        struct secret_slot *slot = value;
        /* Documents are told once and hold until the next telling. */
        bool is_untold = slot->source == SLOT_DOCUMENT && !store->has_new_documents;
        if (slot->seen_load != store->load_number && !is_untold) {
            if (store_forgets(slot)) {
                vec_push(&gone, slot);
                continue;
            }
            secret_slot_fail(slot, "the source is gone");
        }
        slot->is_wanted = false;
        store->foreign_count += slot->source != SLOT_DIRECTORY ? 1 : 0;
        store->unchecked_count += store_is_unchecked(slot) ? 1 : 0;
        has_changed = secret_slot_settle(slot, wall_s) || has_changed;
    }
    for (size_t i = 0; i < gone.count; i++) {
        LOG_INFO("secret_store", "%s: forgotten", secret_slot_label(gone.items[i]));
        (void)map_remove(&store->slots, str_from_cstr(gone.items[i]->key));
        secret_slot_free(gone.items[i]);
        store->is_order_stale = true;
        has_changed = true;
    }
    vec_cleanup(&gone);
    return has_changed;
}

static int store_compare(const void *a, const void *b)
{
    const struct secret_slot *left = *(struct secret_slot *const *)a;
    const struct secret_slot *right = *(struct secret_slot *const *)b;
    int order = str_compare(left->entry.namespace_, right->entry.namespace_);

    return order != 0 ? order : str_compare(left->entry.name, right->entry.name);
}

static void store_sort(struct secret_store *store)
{
    size_t position = 0;
    struct str key;
    void *slot;

    if (!store->is_order_stale) {
        return;
    }
    store->order.count = 0;
    while (map_next(&store->slots, &position, &key, &slot)) {
        vec_push(&store->order, slot);
    }
    if (store->order.count > 0) {
        qsort(store->order.items, store->order.count, sizeof(*store->order.items), store_compare);
    }
    store->is_order_stale = false;
}

bool secret_store_load(struct secret_store *store, int64_t wall_s)
{
    store->load_number++;
    for (size_t i = 0; i < store->directories.count; i++) {
        store_each_child(store, STR(""), store->directories.items[i].ptr, wall_s, store_on_top);
    }
    store_load_files(store, wall_s);
    store_load_documents(store, wall_s);
    bool has_changed = store_settle_slots(store, wall_s);
    store->has_new_documents = false;
    store_sort(store);
    return has_changed;
}

/* The slot whose directory is at or above `path`. */
static struct secret_slot *store_slot_at(const struct secret_store *store, struct str directory,
                                         struct str path)
{
    struct str rest = str_skip(path, directory.len + 1);
    struct str first = { 0 };
    struct str second = { 0 };

    if (!str_split_next(&rest, '/', &first)) {
        return NULL;
    }
    struct secret_slot *slot = store_find_slot(store, STR(""), first);
    struct str origin = str_slice(path, 0, directory.len + 1 + first.len);
    if ((slot == NULL || !str_equals(slot->entry.origin, origin)) &&
        str_split_next(&rest, '/', &second)) {
        slot = store_find_slot(store, first, second);
        origin = str_slice(path, 0, origin.len + 1 + second.len);
    }
    return slot != NULL && str_equals(slot->entry.origin, origin) ? slot : NULL;
}

/* False: `path` is in one of the directories, but where it takes a full load to follow. */
static bool store_find_changed(const struct secret_store *store, struct str path,
                               struct secret_slot **slot)
{
    const struct str *inside = NULL;

    *slot = NULL;
    for (size_t i = 0; i < store->directories.count; i++) {
        const struct str *directory = &store->directories.items[i];
        if (str_equals(path, *directory)) {
            return false; /* secrets come and go */
        }
        if (path.len > directory->len && path.ptr[directory->len] == '/' &&
            str_starts_with(path, *directory)) {
            if (inside != NULL) {
                return false; /* one in another: the secret has two names */
            }
            inside = directory;
        }
    }
    if (inside == NULL) {
        return true; /* nothing of ours */
    }
    *slot = store_slot_at(store, *inside, path);
    /* A shadow: the directory of a name that is used elsewhere as well. */
    return *slot != NULL && (*slot)->shadow == NULL;
}

static bool store_reload_slot(struct secret_store *store, struct secret_slot *slot, int64_t wall_s)
{
    char *path = mem_copy_string(slot->entry.origin.ptr, slot->entry.origin.len);

    slot->seen_load = store->load_number - 1; /* not yet in this one */
    store->unchecked_count -= store_is_unchecked(slot) ? 1 : 0;
    bool is_there = store_load_secret(store, slot->entry.namespace_, slot->entry.name,
                                      str_from_cstr(path), wall_s);
    store->unchecked_count += store_is_unchecked(slot) ? 1 : 0;
    store->next_check = 0;
    mem_free(path);
    return is_there;
}

bool secret_store_load_changed(struct secret_store *store, const struct str_vec *paths,
                               int64_t wall_s)
{
    bool has_changed = false;
    bool is_simple = store->load_number > 0 && store->foreign_count == 0 &&
                     store->documents.count == 0 && !store->is_order_stale;

    for (size_t i = 0; i < paths->count && is_simple; i++) {
        struct secret_slot *slot;
        is_simple = store_find_changed(store, paths->items[i], &slot);
        if (slot != NULL && is_simple) {
            is_simple = store_reload_slot(store, slot, wall_s);
            has_changed = secret_slot_settle(slot, wall_s) || has_changed;
        }
    }
    if (!is_simple) {
        return secret_store_load(store, wall_s) || has_changed;
    }
    store->has_new_documents = false;
    return has_changed;
}

/* --- Keys that were not checked yet ----------------------------------------------------------- */

void secret_store_defer_keys(struct secret_store *store)
{
    store->may_defer = true;
}

size_t secret_store_unchecked_count(const struct secret_store *store)
{
    return store->unchecked_count;
}

bool secret_store_check_keys(struct secret_store *store, size_t limit)
{
    bool is_good = true;
    size_t checked = 0;

    for (; store->next_check < store->order.count && checked < limit; store->next_check++) {
        struct secret_slot *slot = store->order.items[store->next_check];

        if (store_is_unchecked(slot)) {
            checked++;
            store->unchecked_count--;
            is_good = secret_slot_check_key(slot) && is_good;
        }
    }
    return is_good;
}

/* --- Looking up ------------------------------------------------------------------------------- */

const struct secret_entry *secret_store_find_entry(const struct secret_store *store,
                                                   struct str namespace_, struct str name)
{
    const struct secret_slot *slot = store_find_slot(store, namespace_, name);

    return slot != NULL ? &slot->entry : NULL;
}

struct secret *secret_store_find(const struct secret_store *store, struct str namespace_,
                                 struct str name)
{
    const struct secret_entry *entry = secret_store_find_entry(store, namespace_, name);
    bool can_serve = entry != NULL && entry->secret != NULL && secret_has_pair(entry->secret);

    return can_serve ? entry->secret : NULL;
}

struct secret *secret_store_find_ca(const struct secret_store *store, struct str namespace_,
                                    struct str name)
{
    const struct secret_entry *entry = NULL;

    if (!str_ends_with(name, STR(SECRET_CA_SUFFIX))) {
        struct text ca_name = { 0 };
        text_printf(&ca_name, "%.*s" SECRET_CA_SUFFIX, STR_ARG(name));
        entry = secret_store_find_entry(store, namespace_, text_view(&ca_name));
        text_cleanup(&ca_name);
    }
    if (entry == NULL) {
        entry = secret_store_find_entry(store, namespace_, name);
    }
    bool has_ca = entry != NULL && entry->secret != NULL && secret_ca(entry->secret)->count > 0;

    return has_ca ? entry->secret : NULL;
}

size_t secret_store_count(const struct secret_store *store)
{
    return store->order.count;
}

const struct secret_entry *secret_store_at(const struct secret_store *store, size_t index)
{
    return &store->order.items[index]->entry;
}
