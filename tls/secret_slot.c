/* secret_slot: one name's secret over time. A new version takes the place of the one in force only
 * when it passes all checks; whatever goes wrong is kept as words beside the last good one. Expiry that
 * comes near is told by daemon/certificate_watch.c. Owned by secret_store; control thread. */
#include "tls/secret_slot.h"

#include "gateway/base/arena.h"
#include "gateway/base/now.h"
#include "gateway/base/text.h"
#include "gateway/observe/log.h"

#include <openssl/sha.h>
#include <stdio.h>

enum { SLOT_WARNING_ARENA_BYTES = 1024 };

static char *slot_copy(struct str view)
{
    return mem_copy_string(view.ptr != NULL ? view.ptr : "", view.len);
}

static void slot_set(char **text, char *value)
{
    mem_free(*text);
    *text = value;
}

struct secret_slot *secret_slot_new(struct str namespace_, struct str name)
{
    struct secret_slot *slot = mem_new(struct secret_slot);
    struct text key = { 0 };

    text_printf(&key, "%.*s/%.*s", STR_ARG(namespace_), STR_ARG(name));
    slot->key = key.ptr;
    slot->name = slot_copy(name);
    slot->namespace_ = slot_copy(namespace_);
    slot->entry.name = str_from(slot->name, name.len);
    slot->entry.namespace_ = str_from(slot->namespace_, namespace_.len);
    slot->entry.origin = STR("");
    slot->entry.problem = STR("");
    slot->entry.state = SECRET_BAD;
    slot->has_changed = true;
    return slot;
}

void secret_slot_free(struct secret_slot *slot)
{
    secret_unref(slot->entry.secret);
    mem_free(slot->key);
    mem_free(slot->name);
    mem_free(slot->namespace_);
    mem_free(slot->origin);
    mem_free(slot->problem);
    mem_free(slot->failure);
    mem_free(slot->notes);
    mem_free(slot->shadow);
    mem_free(slot->certificate_path);
    mem_free(slot->key_path);
    mem_free(slot->ca_path);
    mem_free(slot);
}

const char *secret_slot_label(const struct secret_slot *slot)
{
    static _Thread_local char label[600];

    (void)snprintf(label, sizeof(label), "%s%s%s", slot->namespace_,
                   slot->namespace_[0] != '\0' ? "/" : "", slot->name);
    return label;
}

void secret_slot_set_origin(struct secret_slot *slot, struct str origin)
{
    if (!str_equals(slot->entry.origin, origin)) {
        slot_set(&slot->origin, slot_copy(origin));
        slot->entry.origin = str_from(slot->origin, origin.len);
    }
}

/* --- A new version ---------------------------------------------------------------------------- */

static void slot_hash_part(SHA256_CTX *hash, struct str part)
{
    uint64_t len = part.len;

    (void)SHA256_Update(hash, &len, sizeof(len)); /* hashing never fails */
    (void)SHA256_Update(hash, part.ptr, part.len);
}

/* True when these are other bytes than those last looked at. */
static bool slot_note_content(struct secret_slot *slot, const struct secret_source *source)
{
    unsigned char digest[SECRET_FILES_SIGNATURE_BYTES];
    SHA256_CTX hash;

    (void)SHA256_Init(&hash);
    slot_hash_part(&hash, source->certificate_pem);
    slot_hash_part(&hash, source->key_pem);
    slot_hash_part(&hash, source->ca_pem);
    slot_hash_part(&hash, source->crl_pem);
    slot_hash_part(&hash, source->ocsp_staple_der);
    (void)SHA256_Final(digest, &hash);
    if (slot->has_content && memcmp(digest, slot->content, sizeof(digest)) == 0) {
        return false;
    }
    memcpy(slot->content, digest, sizeof(digest));
    slot->has_content = true;
    return true;
}

static const struct secret_certificate *slot_leaf(const struct secret *secret)
{
    if (secret == NULL) {
        return NULL;
    }
    return secret_has_pair(secret) ? &secret_chain(secret)->items[0] : &secret_ca(secret)->items[0];
}

static void slot_format_time(int64_t unix_s, char out[32])
{
    (void)now_format_utc(unix_s > 0 ? (uint64_t)unix_s * 1000000u : 0, 0, out, 32);
}

static void slot_log_version(const struct secret_slot *slot, const struct secret *former)
{
    const struct secret_certificate *leaf = slot_leaf(slot->entry.secret);
    const struct secret_certificate *old = slot_leaf(former);
    char until[32];

    slot_format_time(leaf->not_after, until);
    LOG_INFO("secret_store", "%s: %s, fingerprint %.16s%s%.16s, serial %.*s, valid until %s",
             secret_slot_label(slot), old == NULL ? "loaded" : "replaced",
             old != NULL ? old->fingerprint.ptr : "", old != NULL ? " -> " : "",
             leaf->fingerprint.ptr, STR_ARG(leaf->serial_hex), until);
}

static bool slot_has_ca_name(const struct secret_slot *slot)
{
    return str_ends_with(slot->entry.name, STR(SECRET_CA_SUFFIX)) ||
           str_starts_with(slot->entry.name, STR(SECRET_CA_FILE_PREFIX));
}

/* The leaf's validity is left out here: it changes with time and is told by slot_compose_problem(). */
static char *slot_join_notes(const struct secret_slot *slot, const struct secret *secret,
                             const struct str_vec *warnings, int64_t wall_s)
{
    struct text text = { 0 };
    size_t first = secret_validity_at(secret, wall_s) != SECRET_VALID ? 1 : 0;

    for (size_t i = first; i < warnings->count; i++) {
        text_printf(&text, "%s%.*s", text.len > 0 ? "; " : "", STR_ARG(warnings->items[i]));
    }
    if (!secret_has_pair(secret) && !slot_has_ca_name(slot)) {
        text_printf(&text, "%sholds a CA only and cannot serve a host", text.len > 0 ? "; " : "");
    }
    return text.ptr;
}

void secret_slot_take(struct secret_slot *slot, const struct secret_source *source, bool may_defer,
                      int64_t wall_s)
{
    bool is_deferred = may_defer && slot->entry.secret == NULL;
    struct str_vec warnings = { 0 };
    struct err err = { 0 };

    secret_slot_set_origin(slot, source->origin);
    if (!slot_note_content(slot, source)) {
        return;
    }
    struct arena *arena = arena_new(SLOT_WARNING_ARENA_BYTES);
    struct secret *secret = is_deferred
                                ? secret_parse_deferred(source, wall_s, &warnings, arena, &err)
                                : secret_parse(source, wall_s, &warnings, arena, &err);
    if (secret == NULL) {
        secret_slot_fail(slot, "%s", err.text);
        slot->has_content = true; /* the same bytes are not worth another look */
        arena_free(arena);
        return;
    }
    struct secret *former = slot->entry.secret;
    bool is_healed = slot->failure != NULL;
    slot_set(&slot->failure, NULL);
    slot_set(&slot->notes, slot_join_notes(slot, secret, &warnings, wall_s));
    slot->has_changed = true;
    if (former != NULL && !secret_is_key_unchecked(former) &&
        str_equals(secret_identity(former), secret_identity(secret))) {
        /* Other bytes, the same content: the contexts made of it stay. */
        secret_unref(secret);
        if (is_healed) {
            LOG_INFO("secret_store", "%s: the version in force is the newest again",
                     secret_slot_label(slot));
        }
    } else {
        slot->entry.secret = secret;
        slot_log_version(slot, former);
        secret_unref(former);
    }
    if (slot->notes != NULL) {
        LOG_WARN("secret_store", "%s: %s (%.*s)", secret_slot_label(slot), slot->notes,
                 STR_ARG(slot->entry.origin));
    }
    arena_free(arena);
}

void secret_slot_fail(struct secret_slot *slot, const char *format, ...)
{
    struct text text = { 0 };
    va_list args;

    va_start(args, format);
    text_vprintf(&text, format, args);
    va_end(args);
    /* When it can be read again it is looked at again, even if the bytes are those of before. */
    slot->has_content = false;
    slot->signature.is_settled = false;
    if (slot->failure != NULL && strcmp(slot->failure, text.ptr) == 0) {
        text_cleanup(&text);
        return;
    }
    slot_set(&slot->failure, text.ptr);
    slot->has_changed = true;
    LOG_WARN("secret_store", "%s: %s (%.*s); %s", secret_slot_label(slot), slot->failure,
             STR_ARG(slot->entry.origin),
             slot->entry.secret != NULL ? "serving the last good version"
                                        : "the names that use it cannot be served");
}

bool secret_slot_check_key(struct secret_slot *slot)
{
    struct secret *secret = slot->entry.secret;
    struct err err = { 0 };

    if (secret == NULL || !secret_is_key_unchecked(secret) || secret_check_key(secret, &err)) {
        return true;
    }
    bool is_settled = slot->signature.is_settled;
    slot->entry.secret = NULL;
    secret_slot_fail(slot, "%s", err.text);
    /* The same bytes are not worth another look. */
    slot->has_content = true;
    slot->signature.is_settled = is_settled;
    secret_unref(secret);
    return false;
}

/* --- State ------------------------------------------------------------------------------------ */

static enum secret_state slot_judge(const struct secret_slot *slot, int64_t wall_s)
{
    if (slot->entry.secret == NULL) {
        return SECRET_BAD;
    }
    if (slot->failure != NULL) {
        return SECRET_KEPT;
    }
    switch (secret_validity_at(slot->entry.secret, wall_s)) {
    case SECRET_IS_EXPIRED:
        return SECRET_EXPIRED;
    case SECRET_IS_NOT_YET:
        return SECRET_NOT_YET;
    case SECRET_VALID:
        break;
    }
    return SECRET_GOOD;
}

static void slot_add_problem(struct text *problem, const char *words)
{
    if (words != NULL) {
        text_printf(problem, "%s%s", problem->len > 0 ? "; " : "", words);
    }
}

static void slot_compose_problem(const struct secret_slot *slot, int64_t wall_s,
                                 struct text *problem)
{
    const struct secret *secret = slot->entry.secret;
    char when[32];

    slot_add_problem(problem, slot->failure);
    if (secret != NULL) {
        enum secret_validity validity = secret_validity_at(secret, wall_s);
        if (slot->failure != NULL) {
            slot_add_problem(problem, "serving the last good version");
        }
        if (validity == SECRET_IS_EXPIRED) {
            slot_format_time(slot_leaf(secret)->not_after, when);
            text_printf(problem, "%sthe certificate expired on %s", problem->len > 0 ? "; " : "",
                        when);
        } else if (validity == SECRET_IS_NOT_YET) {
            slot_format_time(slot_leaf(secret)->not_before, when);
            text_printf(problem, "%sthe certificate is not valid before %s",
                        problem->len > 0 ? "; " : "", when);
        }
        slot_add_problem(problem, slot->notes);
    }
    slot_add_problem(problem, slot->shadow);
}

bool secret_slot_settle(struct secret_slot *slot, int64_t wall_s)
{
    struct secret_entry *entry = &slot->entry;
    enum secret_state state = slot_judge(slot, wall_s);
    struct text problem = { 0 };
    bool has_changed = slot->has_changed || state != entry->state;

    slot_compose_problem(slot, wall_s, &problem);
    has_changed = has_changed || !str_equals(text_view(&problem), entry->problem);
    entry->state = state;
    entry->is_error = slot->failure != NULL || state == SECRET_EXPIRED;
    slot_set(&slot->problem, problem.ptr);
    entry->problem = problem.len > 0 ? text_view(&problem) : STR("");
    slot->has_changed = false;
    return has_changed;
}
