/* secret_files: the files of one secret, read as one generation however they are replaced meanwhile.
 * For secret_store; control thread. */
#ifndef TLS_SECRET_FILES_H
#define TLS_SECRET_FILES_H

#include "gateway/base/err.h"
#include "tls/secret.h"

enum { SECRET_FILES_MAX = 10, SECRET_FILES_SIGNATURE_BYTES = 32 };

/* What stat says of a generation: equal signatures, equal bytes, once `is_settled`. */
struct secret_files_signature {
    unsigned char bytes[SECRET_FILES_SIGNATURE_BYTES];
    bool is_settled; /* false: so young that a further change may not show in it; or none */
};

struct secret_files {
    struct secret_part parts[SECRET_FILES_MAX];
    size_t count;
    struct secret_files_signature signature;
};

enum secret_files_result {
    SECRET_FILES_READ,
    SECRET_FILES_UNCHANGED, /* as `known` says; nothing was read */
    SECRET_FILES_NONE,      /* not a directory, or none of secret_part_keys in it */
    SECRET_FILES_FAILED,    /* err says why */
};

/* The keys of a Secret in `path`. With a `..data` link (a mounted volume) the directory it leads to is
 * resolved once, and all files are read there (TL-33). */
enum secret_files_result secret_files_read_directory(const char *path,
                                                     const struct secret_files_signature *known,
                                                     struct secret_files *files, struct err *err);
/* Single files, as a Gateway names them (TL-32); empty paths are left out. Entered as tls.crt, tls.key
 * and ca.crt. */
enum secret_files_result secret_files_read_paths(const char *certificate_path, const char *key_path,
                                                 const char *ca_path,
                                                 const struct secret_files_signature *known,
                                                 struct secret_files *files, struct err *err);
/* Wipes and frees the bytes. */
void secret_files_cleanup(struct secret_files *files);

#endif
