/* secret_slot: the place of one secret's name: the version in force, and what is wrong with the newest
 * one. Belongs to secret_store; control thread. */
#ifndef TLS_SECRET_SLOT_H
#define TLS_SECRET_SLOT_H

#include "tls/secret_files.h"
#include "tls/secret_store.h"

/* Names that promise CA certificates and no pair (TL-24, DR-64). */
#define SECRET_CA_SUFFIX "-cacert"
#define SECRET_CA_FILE_PREFIX "ca-file:"

enum secret_slot_source { SLOT_DIRECTORY, SLOT_FILES, SLOT_DOCUMENT };

struct secret_slot {
    struct secret_entry entry; /* what others see; views of the texts below */
    char *key;                 /* "NAMESPACE/NAME", in the store's map */
    char *name;
    char *namespace_;
    char *origin;
    char *problem;
    enum secret_slot_source source;
    uint64_t seen_load; /* the last load that found the source */
    struct secret_files_signature signature;
    unsigned char content[SECRET_FILES_SIGNATURE_BYTES]; /* hash of the bytes last looked at */
    bool has_content;
    char *failure;    /* why the newest version is not in force; NULL: it is */
    char *notes;      /* what is doubtful in the version in force, or NULL */
    char *shadow;     /* another source of the same name that is not used, or NULL */
    bool has_changed; /* since the last settling */
    /* SLOT_FILES */
    char *certificate_path;
    char *key_path;
    char *ca_path;
    bool is_wanted;
};

struct secret_slot *secret_slot_new(struct str namespace_, struct str name);
void secret_slot_free(struct secret_slot *slot);
void secret_slot_set_origin(struct secret_slot *slot, struct str origin);
/* The newest version: put in force when its bytes are new and it passes the checks. With `may_defer` one
 * that takes no other's place is put in force before its key is checked; secret_slot_check_key()
 * follows. */
void secret_slot_take(struct secret_slot *slot, const struct secret_source *source, bool may_defer,
                      int64_t wall_s);
/* Makes the check that was deferred, if it was. False: the key is broken, and the secret not in force
 * any more. */
bool secret_slot_check_key(struct secret_slot *slot);
/* The newest version cannot even be read; the one in force stays. */
void secret_slot_fail(struct secret_slot *slot, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* At the end of a load: brings the entry up to date; true when it differs from before. */
bool secret_slot_settle(struct secret_slot *slot, int64_t wall_s);
/* "name" or "namespace/name", for the log; good until the next call of this thread. */
const char *secret_slot_label(const struct secret_slot *slot);

#endif
