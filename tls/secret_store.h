/* secret_store: all secrets there are, by namespace and name; the last good version of each.
 * Sources: mounted directories (DIR/NAME/..., DIR/NAMESPACE/NAME/...; `..data` resolved once so that
 * a generation is read as one), files named by a Gateway, Secret documents. Control thread. */
#ifndef TLS_SECRET_STORE_H
#define TLS_SECRET_STORE_H

#include "tls/secret.h"

struct secret_store;

enum secret_state {
    SECRET_GOOD,    /* newest version in force */
    SECRET_KEPT,    /* newest version bad or gone: last good one in force */
    SECRET_BAD,     /* bad, and never was good */
    SECRET_EXPIRED, /* in force, but past its validity */
    SECRET_NOT_YET, /* in force, but before its validity */
};

struct secret_entry {
    struct str name;
    struct str namespace_; /* empty: the gateway's own */
    struct str origin;
    enum secret_state state;
    struct secret *secret; /* NULL when BAD */
    struct str problem;    /* why the newest version is not in force, or a warning; empty: none */
    bool is_error;         /* the problem is an error, not a warning */
};

struct secret_store *secret_store_new(struct str own_namespace);
void secret_store_free(struct secret_store *store);
/* Secret directories of the command line, in order; an earlier one wins. */
void secret_store_add_directory(struct secret_store *store, const char *path);
/* Files named by serverCertificate/privateKey[/caCertificates] (TL-32). Entered under the name
 * "file:CERTIFICATE_PATH"; asked for again at each load, forgotten when not. */
struct str secret_store_want_files(struct secret_store *store, struct str certificate_path,
                                   struct str key_path, struct str ca_path);
/* A file of CA certificates named by a DestinationRule's caCertificates (DR-64). Entered as
 * "ca-file:CA_PATH"; otherwise as above. */
struct str secret_store_want_ca_file(struct secret_store *store, struct str ca_path);
/* From now on a secret that replaces none is put in force before its key is checked, the dearest of its
 * checks: so ten thousand are served in a blink. A broken key fails its handshakes; the caller calls
 * secret_store_check_keys() soon, until none is left. */
void secret_store_defer_keys(struct secret_store *store);
/* Keys whose check is due. */
size_t secret_store_unchecked_count(const struct secret_store *store);
/* Checks `limit` of them at most. False when one is broken: its secret is BAD from the next load on, and
 * not found any more from now on. */
bool secret_store_check_keys(struct secret_store *store, size_t limit);
/* Secret documents of the resources; begin forgets the former ones once load is done. */
void secret_store_begin_documents(struct secret_store *store);
void secret_store_add_document(struct secret_store *store, const struct secret_source *source);
/* Reads everything again; unchanged bytes are not parsed again. Returns whether anything changed
 * (a secret in force, a state, a problem). Logs each load, refusal and replacement with name, old and
 * new fingerprint and expiry. */
bool secret_store_load(struct secret_store *store, int64_t wall_s);
/* The key pair in force. `namespace_` empty: own. Keeps no reference for the caller. NULL: none; the
 * entry says why (bad, unknown when there is no entry, or a CA only). */
struct secret *secret_store_find(const struct secret_store *store, struct str namespace_,
                                 struct str name);
/* What holds the CA certificates that go with a credentialName, or a name of
 * secret_store_want_ca_file(): the entry NAME-cacert where there is one, else NAME (TL-23, TL-24). As
 * secret_store_find(); NULL also when that entry holds no CA, without falling back. */
struct secret *secret_store_find_ca(const struct secret_store *store, struct str namespace_,
                                    struct str name);
/* All about a name, good until the next load; NULL: no source has it. */
const struct secret_entry *secret_store_find_entry(const struct secret_store *store,
                                                   struct str namespace_, struct str name);
/* secret_store_load() when nothing changed but in these directories: reads only secrets that are there,
 * or all when it takes more to follow. What time alone changes shows at the next full load. */
bool secret_store_load_changed(struct secret_store *store, const struct str_vec *paths,
                               int64_t wall_s);
/* All entries in the order of namespace and name; valid until the next load. */
size_t secret_store_count(const struct secret_store *store);
const struct secret_entry *secret_store_at(const struct secret_store *store, size_t index);
const char *secret_state_name(enum secret_state state); /* "good", "kept", "bad", ... */
/* Directories to watch, in addition to those of the command line (files asked for). */
void secret_store_watched_paths(const struct secret_store *store, struct str_vec *paths);

#endif
