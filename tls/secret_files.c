/* secret_files: reads the files of a secret. Whatever replaces them (a `..data` swap, a rename, a
 * rewrite in place) must not give us the certificate of one version with the key of another: what stat
 * says is compared before and after, and the reading repeated. Control thread. */
#include "tls/secret_files.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    SECRET_FILES_ATTEMPTS = 4,
    /* Time stamps of some file systems are as coarse as two seconds: a younger file may change again
     * and look the same. */
    SECRET_FILES_SETTLE_S = 2,
    FILES_LIST_BYTES = 4096,
};

/* One generation to read from: where, and which names. */
struct file_group {
    int dir_fd;          /* or AT_FDCWD */
    char link[PATH_MAX]; /* target of `..data`; empty: none */
    const char *paths[SECRET_FILES_MAX];
    const char *keys[SECRET_FILES_MAX];
    bool is_present[SECRET_FILES_MAX]; /* false: not there when it was looked for */
    size_t count;
};

/* Grows by one file at a time, in the order of the group. */
struct file_hash {
    SHA256_CTX sha256;
    time_t now_s;
    bool is_settled;
};

static void files_hash_begin(struct file_hash *hash, const struct file_group *group)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
    hash->now_s = now.tv_sec;
    hash->is_settled = true;
    (void)SHA256_Init(&hash->sha256); /* hashing never fails */
    (void)SHA256_Update(&hash->sha256, group->link, strlen(group->link));
}

static void files_hash_stat(struct file_hash *hash, size_t index, const struct stat *status)
{
    const int64_t facts[] = {
        (int64_t)index,
        (int64_t)status->st_dev,
        (int64_t)status->st_ino,
        (int64_t)status->st_size,
        (int64_t)status->st_mtim.tv_sec,
        (int64_t)status->st_mtim.tv_nsec,
        (int64_t)status->st_ctim.tv_sec,
        (int64_t)status->st_ctim.tv_nsec,
    };

    (void)SHA256_Update(&hash->sha256, facts, sizeof(facts));
    /* A clock that was set back leaves it unsettled, which only costs another reading. */
    if (status->st_ctim.tv_sec + SECRET_FILES_SETTLE_S >= hash->now_s) {
        hash->is_settled = false;
    }
}

static void files_hash_end(struct file_hash *hash, struct secret_files_signature *signature)
{
    (void)SHA256_Final(signature->bytes, &hash->sha256);
    signature->is_settled = hash->is_settled;
}

/* By name. Those that were not present are not looked for. */
static void files_sign(const struct file_group *group, struct secret_files_signature *signature)
{
    struct file_hash hash;

    files_hash_begin(&hash, group);
    for (size_t i = 0; i < group->count; i++) {
        struct stat status;
        if (group->is_present[i] && fstatat(group->dir_fd, group->paths[i], &status, 0) == 0) {
            files_hash_stat(&hash, i, &status);
        }
    }
    files_hash_end(&hash, signature);
}

static bool files_has_any(const struct file_group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->is_present[i]) {
            return true;
        }
    }
    return false;
}

/* One listing is cheaper than a question for each of the names there may be. False: cannot be listed. */
static bool files_list(struct file_group *group)
{
    _Alignas(struct dirent64) char buffer[FILES_LIST_BYTES];
    ssize_t len;

    memset(group->is_present, 0, sizeof(group->is_present));
    while ((len = getdents64(group->dir_fd, buffer, sizeof(buffer))) > 0) {
        for (ssize_t at = 0; at < len;) {
            const struct dirent64 *entry = (const struct dirent64 *)(const void *)(buffer + at);
            for (size_t i = 0; i < group->count; i++) {
                group->is_present[i] =
                    group->is_present[i] || strcmp(entry->d_name, group->keys[i]) == 0;
            }
            at += entry->d_reclen;
        }
    }
    return len == 0;
}

static bool files_is_same(const struct secret_files_signature *a,
                          const struct secret_files_signature *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* Reads from an open file that should have `size` bytes; what was appended since is left out, and seen
 * by whoever compares the signatures. */
static bool files_read_open(int fd, const char *path, size_t size, struct str *out, struct err *err)
{
    char *bytes = mem_alloc(size + 1);
    size_t len = 0;

    while (len < size) {
        ssize_t count = read(fd, bytes + len, size - len);
        if (count == -1 && errno == EINTR) {
            continue;
        }
        if (count == -1) {
            err_errno(err, "cannot read %s", path);
            mem_wipe(bytes, size + 1);
            mem_free(bytes);
            return false;
        }
        if (count == 0) {
            break;
        }
        len += (size_t)count;
    }
    *out = str_from(bytes, len);
    return true;
}

static bool files_read_one(int dir_fd, const char *path, struct stat *status, struct str *out,
                           struct err *err)
{
    /* Not to hang on a pipe that someone put there. */
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool is_read = false;

    if (fd == -1) {
        err_errno(err, "cannot open %s", path);
        return false;
    }
    if (fstat(fd, status) != 0) {
        err_errno(err, "cannot read %s", path);
    } else if (!S_ISREG(status->st_mode)) {
        err_set(err, ERR_INPUT, "%s is not a regular file", path);
    } else if (status->st_size > (off_t)LIMIT_SECRET_FILE_BYTES) {
        err_set(err, ERR_LIMIT, "%s is larger than %u bytes", path, LIMIT_SECRET_FILE_BYTES);
    } else {
        is_read = files_read_open(fd, path, (size_t)status->st_size, out, err);
    }
    (void)close(fd); /* only read from */
    return is_read;
}

void secret_files_cleanup(struct secret_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        /* Ours since files_read_open(); the view has no room for saying so. */
        char *bytes = (char *)(uintptr_t)files->parts[i].bytes.ptr;
        mem_wipe(bytes, files->parts[i].bytes.len);
        mem_free(bytes);
    }
    memset(files, 0, sizeof(*files));
}

/* The signature is what was said of each file as it was opened. */
static bool files_read_group(const struct file_group *group, struct secret_files *files,
                             struct err *err)
{
    struct file_hash hash;

    files_hash_begin(&hash, group);
    for (size_t i = 0; i < group->count; i++) {
        struct stat status;
        struct str bytes;
        if (!group->is_present[i]) {
            continue;
        }
        if (!files_read_one(group->dir_fd, group->paths[i], &status, &bytes, err)) {
            if (err->code == ERR_NOT_FOUND) {
                continue; /* a link to nowhere, or gone since it was listed */
            }
            secret_files_cleanup(files);
            return false;
        }
        files_hash_stat(&hash, i, &status);
        files->parts[files->count++] = (struct secret_part){ str_from_cstr(group->keys[i]), bytes };
    }
    files_hash_end(&hash, &files->signature);
    return true;
}

/* Whether `..data` still leads where it led. */
static bool files_is_same_link(int dir_fd, const char *link)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(dir_fd, "..data", target, sizeof(target) - 1);

    target[len > 0 ? len : 0] = '\0';
    return strcmp(target, link) == 0;
}

/* A file that comes while others are read belongs to a later state: what was read is the state before. */
static enum secret_files_result files_read_once(const struct file_group *group,
                                                const struct secret_files_signature *known,
                                                struct secret_files *files, struct err *err,
                                                bool *is_torn)
{
    struct secret_files_signature now;

    *is_torn = false;
    if (!files_has_any(group)) {
        return SECRET_FILES_NONE;
    }
    if (known->is_settled) {
        files_sign(group, &now);
        if (files_is_same(&now, known)) {
            return SECRET_FILES_UNCHANGED;
        }
    }
    if (!files_read_group(group, files, err)) {
        return SECRET_FILES_FAILED;
    }
    files_sign(group, &now);
    *is_torn = !files_is_same(&files->signature, &now);
    if (*is_torn) {
        secret_files_cleanup(files);
        err_set(err, ERR_INPUT, "the files keep changing while they are read");
        return SECRET_FILES_FAILED;
    }
    return files->count > 0 ? SECRET_FILES_READ : SECRET_FILES_NONE;
}

/* The directory to read in: where `..data` leads, else `dir_fd` itself. -1: gone in between. */
static int files_open_generation(int dir_fd, struct file_group *group)
{
    ssize_t len = readlinkat(dir_fd, "..data", group->link, sizeof(group->link) - 1);

    group->link[len > 0 ? len : 0] = '\0';
    return openat(dir_fd, len > 0 ? group->link : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

enum secret_files_result secret_files_read_directory(const char *path,
                                                     const struct secret_files_signature *known,
                                                     struct secret_files *files, struct err *err)
{
    struct file_group group = { 0 };
    enum secret_files_result result = SECRET_FILES_NONE;
    bool is_torn = true;

    for (size_t i = 0; i < SECRET_FILES_MAX && secret_part_keys[i] != NULL; i++) {
        group.paths[group.count] = secret_part_keys[i];
        group.keys[group.count++] = secret_part_keys[i];
    }
    int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd == -1) {
        if (errno == ENOTDIR || errno == ENOENT) {
            return SECRET_FILES_NONE;
        }
        err_errno(err, "cannot open it");
        return SECRET_FILES_FAILED;
    }
    for (int attempt = 0; attempt < SECRET_FILES_ATTEMPTS && is_torn; attempt++) {
        secret_files_cleanup(files);
        group.dir_fd = files_open_generation(dir_fd, &group);
        if (group.dir_fd == -1) {
            /* Swapped between the two calls, or a link to nowhere. */
            err_errno(err, "cannot open ..data");
            result = SECRET_FILES_FAILED;
            continue;
        }
        is_torn = false;
        if (files_list(&group)) {
            result = files_read_once(&group, known, files, err, &is_torn);
        } else {
            err_errno(err, "cannot list it");
            result = SECRET_FILES_FAILED;
        }
        is_torn = is_torn || !files_is_same_link(dir_fd, group.link);
        (void)close(group.dir_fd); /* only read from */
    }
    (void)close(dir_fd);
    if (is_torn && result != SECRET_FILES_FAILED) {
        secret_files_cleanup(files);
        err_set(err, ERR_INPUT, "..data keeps changing while it is read");
        result = SECRET_FILES_FAILED;
    }
    return result;
}

enum secret_files_result secret_files_read_paths(const char *certificate_path, const char *key_path,
                                                 const char *ca_path,
                                                 const struct secret_files_signature *known,
                                                 struct secret_files *files, struct err *err)
{
    struct file_group group = {
        .dir_fd = AT_FDCWD,
        .paths = { certificate_path[0] != '\0' ? certificate_path : NULL,
                   key_path[0] != '\0' ? key_path : NULL, ca_path[0] != '\0' ? ca_path : NULL },
        .keys = { "tls.crt", "tls.key", "ca.crt" },
        .count = 3,
    };
    enum secret_files_result result = SECRET_FILES_NONE;
    bool is_torn = true;

    for (size_t i = 0; i < group.count; i++) {
        group.is_present[i] = group.paths[i] != NULL; /* as far as anybody knows */
    }
    for (int attempt = 0; attempt < SECRET_FILES_ATTEMPTS && is_torn; attempt++) {
        result = files_read_once(&group, known, files, err, &is_torn);
    }
    return result;
}
