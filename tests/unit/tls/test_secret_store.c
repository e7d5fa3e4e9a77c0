/* Tests of tls/secret_store.c, with secret_slot.c and secret_files.c under it. TL-21, TL-26, TL-29,
 * TL-30, TL-32, TL-33, HR-11: directories, generations swapped by `..data`, files and documents; the
 * last good version of each name. */
#include "tls/secret_store.h"

#include "tests/unit/support/make_certificate.h"
#include "tests/unit/support/temp_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct made_certificate a;
static struct made_certificate b;
static struct made_certificate old;
static int64_t now_s;
static struct temp_dir dir;
static struct secret_store *store;

static void put(const char *name, const char *text)
{
    char *path = temp_dir_path(&dir, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    mem_free(path);
}

static void make_dir(const char *name)
{
    char *path = temp_dir_path(&dir, name);

    assert_int_equal(mkdir(path, 0755), 0);
    mem_free(path);
}

static void drop(const char *name)
{
    char *path = temp_dir_path(&dir, name);

    assert_int_equal(remove(path), 0);
    mem_free(path);
}

static void put_pair(const char *secret, const struct made_certificate *made)
{
    char name[100];

    (void)snprintf(name, sizeof(name), "%s/tls.crt", secret);
    put(name, made->certificate_pem);
    (void)snprintf(name, sizeof(name), "%s/tls.key", secret);
    put(name, made->key_pem);
}

/* As the kubelet does it: a new directory, then the link renamed over the old one. */
static void swap_generation(const char *secret, const char *generation,
                            const struct made_certificate *certificate,
                            const struct made_certificate *key)
{
    char name[100];

    (void)snprintf(name, sizeof(name), "%s/%s", secret, generation);
    make_dir(name);
    (void)snprintf(name, sizeof(name), "%s/%s/tls.crt", secret, generation);
    put(name, certificate->certificate_pem);
    (void)snprintf(name, sizeof(name), "%s/%s/tls.key", secret, generation);
    put(name, key->key_pem);
    (void)snprintf(name, sizeof(name), "%s/..data_tmp", secret);
    char *temporary = temp_dir_path(&dir, name);
    (void)snprintf(name, sizeof(name), "%s/..data", secret);
    char *link = temp_dir_path(&dir, name);
    assert_int_equal(symlink(generation, temporary), 0);
    assert_int_equal(rename(temporary, link), 0);
    mem_free(temporary);
    mem_free(link);
}

static const struct secret_entry *entry_of(const char *name)
{
    return secret_store_find_entry(store, STR(""), str_from_cstr(name));
}

static struct str fingerprint_of(const char *name)
{
    const struct secret *secret = secret_store_find(store, STR(""), str_from_cstr(name));

    assert_non_null(secret);
    return secret_chain(secret)->items[0].fingerprint;
}

static void assert_state(const char *name, enum secret_state state, const char *words)
{
    const struct secret_entry *entry = entry_of(name);

    assert_non_null(entry);
    if (entry->state != state || str_find(entry->problem, str_from_cstr(words)) == SIZE_MAX) {
        fail_msg("%s is %s: '%.*s'", name, secret_state_name(entry->state),
                 STR_ARG(entry->problem));
    }
}

static void test_bad_pairs_touch_only_their_names(void **state) /* TL-30, HR-11 */
{
    char *fifo = temp_dir_path(&dir, "pipe/tls.crt");

    (void)state;
    make_dir("good");
    put_pair("good", &a);
    make_dir("half");
    put("half/tls.key", a.key_pem);
    make_dir("mixed");
    put("mixed/tls.crt", a.certificate_pem);
    put("mixed/tls.key", b.key_pem);
    make_dir("garbage");
    put("garbage/tls.crt", "garbage");
    put("garbage/tls.key", "garbage");
    make_dir("expired");
    put_pair("expired", &old);
    make_dir("nothing");
    put("nothing/readme.txt", "no key of ours");
    make_dir("pipe");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    mem_free(fifo);
    make_dir("large");
    put("large/tls.key", a.key_pem);
    char *large = temp_dir_path(&dir, "large/tls.crt");
    assert_int_equal(close(open(large, O_CREAT | O_WRONLY | O_CLOEXEC, 0644)), 0);
    assert_int_equal(truncate(large, 2 * 1024 * 1024), 0);
    mem_free(large);
    put("file", "not a directory");
    make_dir(".hidden");
    put_pair(".hidden", &a);

    assert_true(secret_store_load(store, now_s));
    assert_int_equal(secret_store_count(store), 7);
    assert_state("good", SECRET_GOOD, "");
    assert_int_equal(entry_of("good")->problem.len, 0);
    assert_state("half", SECRET_BAD, "no certificate");
    assert_state("mixed", SECRET_BAD, "does not fit");
    assert_state("garbage", SECRET_BAD, "no PEM");
    assert_state("expired", SECRET_EXPIRED, "expired on"); /* TL-26: served all the same */
    assert_state("pipe", SECRET_BAD, "not a regular file");
    assert_state("large", SECRET_BAD, "larger than");
    assert_true(entry_of("half")->is_error && entry_of("expired")->is_error);
    assert_false(entry_of("good")->is_error);
    assert_null(secret_store_find(store, STR(""), STR("half")));
    assert_non_null(secret_store_find(store, STR(""), STR("expired")));
    assert_null(entry_of("nothing"));
    assert_null(entry_of(".hidden"));

    /* Nothing changed: nothing is said to have changed. */
    assert_false(secret_store_load(store, now_s));
    /* It heals by itself, and only it changed. */
    const struct secret *good = secret_store_find(store, STR(""), STR("good"));
    put("half/tls.crt", a.certificate_pem);
    assert_true(secret_store_load(store, now_s));
    assert_state("half", SECRET_GOOD, "");
    assert_ptr_equal(secret_store_find(store, STR(""), STR("good")), good);
}

static void test_the_last_good_version_stays(void **state) /* TL-29, TL-30 */
{
    (void)state;
    make_dir("shop");
    put_pair("shop", &a);
    assert_true(secret_store_load(store, now_s));
    const struct secret *first = secret_store_find(store, STR(""), STR("shop"));

    put("shop/tls.crt", b.certificate_pem); /* half renewed */
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_KEPT, "does not fit");
    assert_state("shop", SECRET_KEPT, "last good");
    assert_ptr_equal(secret_store_find(store, STR(""), STR("shop")), first);
    assert_false(secret_store_load(store, now_s));

    put("shop/tls.key", b.key_pem); /* now whole */
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_ptr_not_equal(secret_store_find(store, STR(""), STR("shop")), first);

    drop("shop/tls.crt"); /* as cert-manager may leave it while issuing */
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_KEPT, "no certificate");
    drop("shop/tls.key");
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_KEPT, "gone");
    drop("shop");
    assert_false(secret_store_load(store, now_s));
    assert_state("shop", SECRET_KEPT, "gone");
    const struct secret *kept = secret_store_find(store, STR(""), STR("shop"));
    assert_non_null(kept);

    /* The same pair comes back: the same object, so no context is made anew. */
    make_dir("shop");
    put_pair("shop", &b);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_ptr_equal(secret_store_find(store, STR(""), STR("shop")), kept);
}

static void test_generations(void **state) /* TL-33 */
{
    (void)state;
    make_dir("shop");
    swap_generation("shop", "..1", &a, &a);
    /* What stands beside the link is not the secret. */
    put("shop/tls.crt", "stale");
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_false(secret_store_load(store, now_s));

    struct str former = fingerprint_of("shop");
    char kept[65];
    memcpy(kept, former.ptr, 65);
    swap_generation("shop", "..2", &b, &b);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_string_not_equal(fingerprint_of("shop").ptr, kept);

    swap_generation("shop", "..3", &a, &b);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_KEPT, "does not fit");

    /* A link to nowhere. */
    drop("shop/..3/tls.crt");
    drop("shop/..3/tls.key");
    drop("shop/..3");
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_KEPT, "..data");

    swap_generation("shop", "..4", &a, &a);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_string_equal(fingerprint_of("shop").ptr, kept);
}

static void test_namespaces_and_order(void **state) /* TL-21 */
{
    struct temp_dir second;

    (void)state;
    temp_dir_init(&second);
    secret_store_add_directory(store, second.path);
    make_dir("zebra");
    put_pair("zebra", &a);
    make_dir("apps");
    make_dir("apps/shop");
    put_pair("apps/shop", &a);
    make_dir("istio-system");
    make_dir("istio-system/own");
    put_pair("istio-system/own", &b);
    make_dir("ca-only-cacert");
    put("ca-only-cacert/ca.crt", a.certificate_pem);
    make_dir("ca-only");
    put("ca-only/cacert", a.certificate_pem);
    /* The same name in the second directory is not used. */
    struct temp_dir first = dir;
    dir = second;
    make_dir("zebra");
    put_pair("zebra", &b);
    dir = first;
    assert_true(secret_store_load(store, now_s));

    static const char *const order[] = { "ca-only", "ca-only-cacert", "own", "zebra", "shop" };
    assert_int_equal(secret_store_count(store), 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(str_equals(secret_store_at(store, i)->name, str_from_cstr(order[i])));
    }
    assert_non_null(secret_store_find(store, STR("apps"), STR("shop")));
    assert_null(secret_store_find(store, STR(""), STR("shop")));
    assert_non_null(secret_store_find(store, STR(""), STR("own")));
    assert_ptr_equal(secret_store_find(store, STR("istio-system"), STR("own")),
                     secret_store_find(store, STR(""), STR("own")));
    assert_state("zebra", SECRET_GOOD, "not used");
    assert_true(str_starts_with(entry_of("zebra")->origin, str_from_cstr(dir.path)));
    assert_false(entry_of("zebra")->is_error);
    /* A CA alone is fine, but no pair. */
    assert_state("ca-only", SECRET_GOOD, "CA only");
    assert_null(secret_store_find(store, STR(""), STR("ca-only")));
    assert_int_equal(entry_of("ca-only-cacert")->problem.len, 0);
    assert_non_null(entry_of("ca-only-cacert")->secret);
    temp_dir_cleanup(&second);
    assert_true(secret_store_load(store, now_s));
    assert_int_equal(entry_of("zebra")->problem.len, 0);
}

static void test_files(void **state) /* TL-32, TL-33 */
{
    char *certificate = temp_dir_path(&dir, "server.pem");
    char *key = temp_dir_path(&dir, "server-key.pem");
    struct str_vec paths = { 0 };

    (void)state;
    put("server.pem", a.certificate_pem);
    struct str name =
        secret_store_want_files(store, str_from_cstr(certificate), str_from_cstr(key), STR(""));
    assert_true(str_starts_with(name, STR("file:/")));
    char kept[120];
    (void)snprintf(kept, sizeof(kept), "%.*s", STR_ARG(name));
    assert_true(secret_store_load(store, now_s));
    assert_state(kept, SECRET_BAD, "no private key");
    secret_store_watched_paths(store, &paths);
    assert_int_equal(paths.count, 2);
    assert_true(str_equals(paths.items[0], str_from_cstr(dir.path)));
    vec_cleanup(&paths);

    put("server-key.pem", a.key_pem);
    (void)secret_store_want_files(store, str_from_cstr(certificate), str_from_cstr(key), STR(""));
    assert_true(secret_store_load(store, now_s));
    assert_state(kept, SECRET_GOOD, "");
    drop("server.pem");
    drop("server-key.pem");
    (void)secret_store_want_files(store, str_from_cstr(certificate), str_from_cstr(key), STR(""));
    assert_true(secret_store_load(store, now_s));
    assert_state(kept, SECRET_KEPT, "no such file");
    /* Not asked for any more: forgotten. */
    assert_true(secret_store_load(store, now_s));
    assert_int_equal(secret_store_count(store), 0);
    assert_null(entry_of(kept));
    mem_free(certificate);
    mem_free(key);
}

/* DR-64: a file of CA certificates for calls to an upstream. */
static void test_wanted_ca_files(void **state)
{
    char *path = temp_dir_path(&dir, "roots.pem");
    struct str_vec paths = { 0 };
    char name[120];

    (void)state;
    struct str entered = secret_store_want_ca_file(store, str_from_cstr(path));
    (void)snprintf(name, sizeof(name), "%.*s", STR_ARG(entered));
    assert_true(str_starts_with(entered, STR("ca-file:/")));
    assert_true(secret_store_load(store, now_s));
    assert_state(name, SECRET_BAD, "no such file");
    assert_null(secret_store_find_ca(store, STR(""), str_from_cstr(name)));
    secret_store_watched_paths(store, &paths);
    assert_int_equal(paths.count, 1);
    assert_true(str_equals(paths.items[0], str_from_cstr(dir.path)));
    vec_cleanup(&paths);

    put("roots.pem", "no certificate");
    (void)secret_store_want_ca_file(store, str_from_cstr(path));
    assert_true(secret_store_load(store, now_s));
    assert_state(name, SECRET_BAD, "no PEM certificate");

    put("roots.pem", a.certificate_pem);
    (void)secret_store_want_ca_file(store, str_from_cstr(path));
    assert_true(secret_store_load(store, now_s));
    assert_state(name, SECRET_GOOD, "");
    assert_int_equal(entry_of(name)->problem.len, 0); /* it is meant to hold no pair */
    assert_true(str_equals(entry_of(name)->origin, str_from_cstr(path)));
    const struct secret *ca = secret_store_find_ca(store, STR(""), str_from_cstr(name));
    assert_non_null(ca);
    assert_int_equal(secret_ca(ca)->count, 1);
    assert_null(secret_store_find(store, STR(""), str_from_cstr(name)));

    /* Replaced; then asked for by nobody. */
    char *both = make_joined(a.certificate_pem, b.certificate_pem, NULL);
    put("roots.pem", both);
    (void)secret_store_want_ca_file(store, str_from_cstr(path));
    assert_true(secret_store_load(store, now_s));
    ca = secret_store_find_ca(store, STR(""), str_from_cstr(name));
    assert_int_equal(secret_ca(ca)->count, 2);
    assert_true(secret_store_load(store, now_s));
    assert_null(entry_of(name));
    mem_free(both);
    mem_free(path);
}

/* TL-23, TL-24: NAME-cacert goes first, and does not fall back when it holds no CA. */
static void test_the_ca_of_a_name(void **state)
{
    (void)state;
    make_dir("both");
    put_pair("both", &a);
    put("both/ca.crt", a.certificate_pem);
    make_dir("plain");
    put_pair("plain", &a);
    make_dir("apart");
    put_pair("apart", &a);
    put("apart/ca.crt", a.certificate_pem);
    make_dir("apart-cacert");
    put("apart-cacert/cacert", b.certificate_pem);
    make_dir("wrong");
    put("wrong/ca.crt", a.certificate_pem);
    make_dir("wrong-cacert");
    put_pair("wrong-cacert", &b);
    assert_true(secret_store_load(store, now_s));

    assert_null(secret_store_find_ca(store, STR(""), STR("nowhere")));
    assert_null(secret_store_find_ca(store, STR(""), STR("plain")));
    assert_null(secret_store_find_ca(store, STR(""), STR("wrong")));
    assert_null(secret_store_find_ca(store, STR("other"), STR("both")));
    assert_ptr_equal(secret_store_find_ca(store, STR(""), STR("both")), entry_of("both")->secret);
    assert_ptr_equal(secret_store_find_ca(store, STR(""), STR("apart")),
                     entry_of("apart-cacert")->secret);
    assert_ptr_equal(secret_store_find_ca(store, STR(""), STR("apart-cacert")),
                     entry_of("apart-cacert")->secret);
}

static void test_documents(void **state)
{
    struct secret_source source = {
        .name = STR("shop"),
        .namespace_ = STR("istio-system"),
        .origin = STR("shop.yaml:3"),
        .certificate_pem = str_from_cstr(a.certificate_pem),
        .key_pem = str_from_cstr(a.key_pem),
    };

    (void)state;
    secret_store_begin_documents(store);
    secret_store_add_document(store, &source);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_true(str_equals(entry_of("shop")->origin, STR("shop.yaml:3")));
    /* Not told again: as it was. Told again: the same. */
    assert_false(secret_store_load(store, now_s));
    secret_store_begin_documents(store);
    secret_store_add_document(store, &source);
    assert_false(secret_store_load(store, now_s));
    /* A directory of the name wins. */
    make_dir("shop");
    put_pair("shop", &b);
    secret_store_begin_documents(store);
    secret_store_add_document(store, &source);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "shop.yaml:3");
    /* And without it the document is used again. */
    drop("shop/tls.crt");
    drop("shop/tls.key");
    secret_store_begin_documents(store);
    secret_store_add_document(store, &source);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_true(str_equals(entry_of("shop")->origin, STR("shop.yaml:3")));
    secret_store_begin_documents(store);
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_KEPT, "gone");
}

static void test_time_passes(void **state) /* TL-26 */
{
    (void)state;
    make_dir("shop");
    put_pair("shop", &a);
    assert_true(secret_store_load(store, now_s - 100 * 86400));
    assert_state("shop", SECRET_NOT_YET, "not valid before");
    assert_true(secret_store_load(store, now_s));
    assert_state("shop", SECRET_GOOD, "");
    assert_int_equal(entry_of("shop")->problem.len, 0);
    assert_true(secret_store_load(store, now_s + 100 * 86400));
    assert_state("shop", SECRET_EXPIRED, "expired on");
    assert_false(secret_store_load(store, now_s + 100 * 86400));
    assert_string_equal(secret_state_name(SECRET_KEPT), "kept");
}

static bool load_changed(const char *first, const char *second)
{
    const char *const names[] = { first, second };
    struct str_vec paths = { 0 };
    char *texts[2] = { NULL, NULL };

    for (size_t i = 0; i < 2 && names[i] != NULL; i++) {
        texts[i] = names[i][0] == '/' ? mem_copy_string(names[i], strlen(names[i]))
                                      : temp_dir_path(&dir, names[i]);
        size_t len = strlen(texts[i]);
        while (texts[i][len - 1] == '/') {
            len--;
        }
        vec_push(&paths, str_from(texts[i], len));
    }
    bool has_changed = secret_store_load_changed(store, &paths, now_s);
    mem_free(texts[0]);
    mem_free(texts[1]);
    vec_cleanup(&paths);
    return has_changed;
}

/* Only what is told is looked at, unless it takes more to follow. */
static void test_load_changed(void **state) /* TL-29 */
{
    (void)state;
    make_dir("one");
    make_dir("two");
    make_dir("ns");
    make_dir("ns/three");
    swap_generation("one", "..1", &a, &a);
    put_pair("two", &a);
    put_pair("ns/three", &a);
    assert_true(load_changed("elsewhere", NULL)); /* the first is a full one */
    assert_int_equal(secret_store_count(store), 3);
    assert_false(load_changed("one", "two"));

    swap_generation("one", "..2", &b, &b);
    put_pair("two", &b);
    put_pair("ns/three", &b);
    assert_false(load_changed("/elsewhere", NULL)); /* not under the directory */
    assert_true(load_changed("one/..data", NULL));
    assert_false(str_equals(fingerprint_of("one"), fingerprint_of("two")));
    assert_true(load_changed("two", "ns/three"));
    assert_true(str_equals(fingerprint_of("one"), fingerprint_of("two")));
    assert_false(load_changed("two", NULL));

    /* A bad version, and the directory of another that is gone. */
    put("two/tls.key", a.key_pem);
    assert_true(load_changed("two", NULL));
    assert_int_equal(entry_of("two")->state, SECRET_KEPT);
    put("two/tls.key", b.key_pem);
    drop("ns/three/tls.crt");
    drop("ns/three/tls.key");
    drop("ns/three");
    assert_true(load_changed("ns/three", NULL)); /* a full one: "two" is seen too */
    assert_int_equal(entry_of("two")->state, SECRET_GOOD);
    assert_int_equal(secret_store_find_entry(store, STR("ns"), STR("three"))->state, SECRET_KEPT);

    make_dir("four");
    put_pair("four", &a);
    assert_true(load_changed("four", NULL)); /* not known yet */
    assert_int_equal(secret_store_count(store), 4);
}

/* A secret of two names, because one directory of secrets lies in another. */
static void test_load_changed_in_nested_directories(void **state)
{
    (void)state;
    make_dir("ns");
    make_dir("ns/three");
    put_pair("ns/three", &a);
    char *inner = temp_dir_path(&dir, "ns");
    secret_store_add_directory(store, inner);
    mem_free(inner);
    assert_true(secret_store_load(store, now_s));
    assert_int_equal(secret_store_count(store), 2);
    put_pair("ns/three", &b);
    assert_true(load_changed("ns/three", NULL));
    assert_true(str_equals(
        fingerprint_of("three"),
        secret_chain(secret_store_find(store, STR("ns"), STR("three")))->items[0].fingerprint));
}

/* Only what replaces nothing is served unchecked, and a broken key is found all the same. */
static void test_deferred_keys(void **state) /* TL-30 */
{
    char *broken = make_broken_key(&b);

    (void)state;
    secret_store_defer_keys(store);
    make_dir("good");
    put_pair("good", &a);
    make_dir("broken");
    put_pair("broken", &b);
    put("broken/tls.key", broken);
    make_dir("unfit");
    put_pair("unfit", &a);
    put("unfit/tls.key", b.key_pem);
    assert_true(secret_store_load(store, now_s));
    assert_int_equal(entry_of("unfit")->state, SECRET_BAD);
    assert_int_equal(entry_of("broken")->state, SECRET_GOOD);
    assert_int_equal(secret_store_unchecked_count(store), 2);

    assert_false(secret_store_check_keys(store, 1)); /* "broken" is the first by name */
    assert_int_equal(secret_store_unchecked_count(store), 1);
    assert_null(secret_store_find(store, STR(""), STR("broken")));
    assert_true(secret_store_check_keys(store, 100));
    assert_int_equal(secret_store_unchecked_count(store), 0);
    assert_true(secret_store_load(store, now_s));
    assert_int_equal(entry_of("broken")->state, SECRET_BAD);
    assert_int_equal(entry_of("good")->state, SECRET_GOOD);
    assert_false(secret_store_load(store, now_s));

    /* A renewal is checked before it replaces anything. */
    put_pair("good", &b);
    put("good/tls.key", broken);
    assert_true(secret_store_load(store, now_s));
    assert_int_equal(entry_of("good")->state, SECRET_KEPT);
    assert_int_equal(secret_store_unchecked_count(store), 0);
    mem_free(broken);
}

/* The certificate is the same, so what is public does not tell the two versions apart. */
static void test_a_deferred_key_is_mended(void **state)
{
    char *broken = make_broken_key(&a);

    (void)state;
    secret_store_defer_keys(store);
    make_dir("shop");
    put_pair("shop", &a);
    put("shop/tls.key", broken);
    assert_true(secret_store_load(store, now_s));
    put("shop/tls.key", a.key_pem);
    assert_true(secret_store_load(store, now_s));
    assert_int_equal(secret_store_unchecked_count(store), 0);
    assert_int_equal(entry_of("shop")->state, SECRET_GOOD);
    mem_free(broken);
}

static void test_no_directory(void **state)
{
    (void)state;
    secret_store_add_directory(store, "/nonexistent/directory");
    assert_false(secret_store_load(store, now_s));
    assert_int_equal(secret_store_count(store), 0);
}

static int set_up(void **state)
{
    (void)state;
    temp_dir_init(&dir);
    store = secret_store_new(STR("istio-system"));
    secret_store_add_directory(store, dir.path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    secret_store_free(store);
    temp_dir_cleanup(&dir);
    return 0;
}

static int set_up_all(void **state)
{
    (void)state;
    now_s = (int64_t)time(NULL);
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:a.example" }, &a);
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:b.example" }, &b);
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:old.example",
                                                         .not_before = 1000000000,
                                                         .not_after = 1500000000 },
                     &old);
    return 0;
}

static int tear_down_all(void **state)
{
    (void)state;
    made_certificate_cleanup(&a);
    made_certificate_cleanup(&b);
    made_certificate_cleanup(&old);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_pairs_touch_only_their_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_good_version_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_generations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_namespaces_and_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wanted_ca_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_ca_of_a_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_documents, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_time_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_load_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_load_changed_in_nested_directories, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deferred_keys, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_deferred_key_is_mended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_directory, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
