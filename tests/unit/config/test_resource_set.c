/* resource_set: identity, duplicates, and the last good version (spec RL-4, RL-14, RL-31). */
#include "config/resource_set.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/config_case.h"
#include "tests/unit/support/temp_dir.h"

#include <stdio.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RULE(name, host)                                                                           \
    "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: " name "}\n"      \
    "spec: {host: " host "}\n---\n"
#define RULE_KEY(name) KIND_DESTINATION_RULE, STR("default"), STR(name)

static struct str host_of(const struct config_load *load, struct str name)
{
    const struct object_meta *object =
        resource_set_find(load->set, KIND_DESTINATION_RULE, STR("default"), name);

    return object != NULL ? ((const struct destination_rule *)(const void *)object)->host
                          : (struct str){ NULL, 0 };
}

static void the_later_of_two_counts(void **state)
{
    struct config_load load;
    const struct finding *finding;

    (void)state; /* RL-4 */
    config_case_open(&load, RULE("a", "one") RULE("b", "two") RULE("a", "three"), NULL);
    assert_int_equal(resource_set_count(load.set, KIND_DESTINATION_RULE), 2);
    assert_str(host_of(&load, STR("a")), "three");
    finding = config_case_find(&load, FINDING_OBJECT_DUPLICATE);
    assert_non_null(finding);
    assert_int_equal(finding->place.line, 11);
    assert_non_null(strstr(finding->message.ptr, "test.yaml:1:1"));
    /* Load order stays. */
    assert_str(resource_set_destination_rule(load.set, 0)->meta.name, "a");
    config_case_close(&load);
}

static void a_bad_version_leaves_the_good_one(void **state)
{
    struct config_load first;
    struct config_load second;
    struct config_load third;
    const struct finding *finding;

    (void)state; /* RL-31 */
    config_case_open(&first, RULE("a", "one") RULE("b", "two"), NULL);
    config_case_assert_no_error(&first);
    config_case_open(&second, RULE("b", "zwei") RULE("a", "a..b"), first.set);
    assert_str(host_of(&second, STR("a")), "one");
    assert_str(host_of(&second, STR("b")), "zwei"); /* one bad object does not hold up the other */
    assert_int_equal(second.set->refused_count, 1);
    assert_int_equal(second.set->kept_count, 1);
    finding = config_case_find(&second, FINDING_OBJECT_KEPT);
    assert_non_null(finding);
    assert_int_equal(finding->place.line, 6);
    assert_str(finding->object, "DestinationRule default/a");
    /* It outlives the set that made it, and goes on to the next load. */
    config_case_close(&first);
    assert_str(host_of(&second, STR("a")), "one");
    config_case_open(&third, RULE("a", "'*.*'") RULE("b", "two"), second.set);
    config_case_close(&second);
    assert_str(host_of(&third, STR("a")), "one");
    config_case_close(&third);
}

static void without_a_good_version_there_is_none(void **state)
{
    struct config_load load;

    (void)state; /* RL-31 */
    config_case_open(&load, RULE("a", "a..b") RULE("b", "two"), NULL);
    assert_null(host_of(&load, STR("a")).ptr);
    assert_str(host_of(&load, STR("b")), "two");
    assert_null(config_case_find(&load, FINDING_OBJECT_KEPT));
    config_case_close(&load);
}

static void what_is_gone_is_deleted(void **state)
{
    struct config_load first;
    struct config_load second;

    (void)state; /* RL-31 */
    config_case_open(&first, RULE("a", "one") RULE("b", "two"), NULL);
    config_case_open(&second, RULE("b", "two"), first.set);
    assert_null(host_of(&second, STR("a")).ptr);
    assert_int_equal(second.set->kept_count, 0);
    config_case_close(&first);
    config_case_close(&second);
}

static void a_broken_file_keeps_its_objects(void **state)
{
    static const char *const broken[] = {
        RULE("b", "zwei") "a: [\n",                  /* syntax: b was read before it */
        RULE("b", "zwei") "kind: DestinationRule\n", /* whose is it? */
        RULE("b", "zwei") "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
                          "metadata: {name: 1}\n",
    };

    (void)state; /* RL-31 */
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct config_load first;
        struct config_load second;

        config_case_open(&first, RULE("a", "one") RULE("b", "two"), NULL);
        config_case_open(&second, broken[i], first.set);
        assert_str(host_of(&second, STR("a")), "one");
        assert_str(host_of(&second, STR("b")), "zwei");
        assert_non_null(config_case_find(&second, FINDING_OBJECT_KEPT));
        config_case_close(&first);
        config_case_close(&second);
    }
}

static void a_document_with_a_duplicate_key_is_refused(void **state)
{
    struct config_load first;
    struct config_load second;

    (void)state; /* RL-14, RL-31 */
    config_case_open(&first, RULE("a", "one"), NULL);
    config_case_open(&second,
                     "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
                     "metadata: {name: a}\nspec: {host: x, host: y}\n---\n" RULE("b", "two"),
                     first.set);
    assert_str(host_of(&second, STR("a")), "one");
    assert_str(host_of(&second, STR("b")), "two");
    assert_int_equal(config_case_find(&second, FINDING_YAML_DUPLICATE_KEY)->place.line, 4);
    config_case_close(&first);
    config_case_close(&second);
}

static void restore_puts_the_former_version_back(void **state)
{
    struct config_load first;
    struct config_load second;
    const struct object_meta *object;

    (void)state; /* RL-31 */
    config_case_open(&first, RULE("a", "one"), NULL);
    config_case_open(&second, RULE("a", "uno") RULE("b", "due") RULE("c", "tre"), first.set);
    object =
        resource_set_restore(second.set, resource_set_find(second.set, RULE_KEY("a")), first.set);
    assert_non_null(object);
    assert_str(host_of(&second, STR("a")), "one");
    assert_null(
        resource_set_restore(second.set, resource_set_find(second.set, RULE_KEY("b")), first.set));
    assert_null(host_of(&second, STR("b")).ptr);
    assert_int_equal(resource_set_count(second.set, KIND_DESTINATION_RULE), 2);
    assert_str(resource_set_destination_rule(second.set, 1)->host, "tre");
    /* The former version itself: there is nothing before it. */
    assert_null(resource_set_restore(second.set, object, first.set));
    assert_null(
        resource_set_restore(second.set, resource_set_find(second.set, RULE_KEY("c")), NULL));
    assert_int_equal(resource_set_count(second.set, KIND_DESTINATION_RULE), 0);
    assert_int_equal(second.set->refused_count, 4);
    config_case_close(&second);
    assert_str(host_of(&first, STR("a")), "one");
    config_case_close(&first);
}

static void long_names_are_found(void **state)
{
    struct config_load load;
    struct text yaml = { 0 };
    struct text name = { 0 };

    (void)state;
    for (unsigned i = 0; i < 600; i++) {
        text_add_char(&name, 'n');
    }
    text_printf(&yaml, "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n", name.ptr);
    config_case_open(&load, yaml.ptr, NULL);
    assert_non_null(resource_set_find(load.set, KIND_POD, STR("default"), text_view(&name)));
    config_case_close(&load);
    text_cleanup(&yaml);
    text_cleanup(&name);
}

/* --- files ------------------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void files_that_cannot_be_read_keep_their_objects(void **state)
{
    struct temp_dir dir;
    struct config_load first;
    struct config_load second;
    char *a;
    char *b;
    struct str path;

    (void)state; /* RL-31 */
    temp_dir_init(&dir);
    a = temp_dir_path(&dir, "a.yaml");
    b = temp_dir_path(&dir, "b.yaml");
    write_file(a, RULE("a", "one"));
    write_file(b, RULE("b", "two"));
    path = str_from_cstr(dir.path);
    report_init(&first.report);
    first.set = resource_set_load(&path, 1, NULL, NULL, &first.report);
    config_case_assert_no_error(&first);
    assert_int_equal(first.set->file_count, 2);

    assert_int_equal(unlink(a), 0);
    assert_int_equal(symlink("nowhere", a), 0); /* cannot be read, and was not deleted */
    assert_int_equal(unlink(b), 0);             /* deleted */
    report_init(&second.report);
    second.set = resource_set_load(&path, 1, NULL, first.set, &second.report);
    assert_str(host_of(&second, STR("a")), "one");
    assert_null(host_of(&second, STR("b")).ptr);
    assert_int_equal(second.report.counts[SEVERITY_ERROR], 1);
    config_case_close(&second);

    /* The whole path is gone, as when a volume is not mounted: all stays. */
    temp_dir_cleanup(&dir);
    report_init(&second.report);
    second.set = resource_set_load(&path, 1, NULL, first.set, &second.report);
    assert_str(host_of(&second, STR("a")), "one");
    assert_str(host_of(&second, STR("b")), "two");
    config_case_close(&second);
    config_case_close(&first);
    mem_free(a);
    mem_free(b);
}

static void a_file_given_twice_is_read_once(void **state)
{
    struct temp_dir dir;
    struct config_load load;
    char *a;

    (void)state;
    temp_dir_init(&dir);
    a = temp_dir_path(&dir, "a.yaml");
    write_file(a, RULE("a", "one"));
    const struct str paths[] = { str_from_cstr(dir.path), str_from_cstr(a) };

    report_init(&load.report);
    load.set = resource_set_load(paths, 2, NULL, NULL, &load.report);
    assert_int_equal(load.report.findings.count, 0);
    assert_int_equal(load.set->file_count, 1);
    config_case_close(&load);
    mem_free(a);
    temp_dir_cleanup(&dir);
}

/* Istio's own samples: every one is valid, so none may be refused. */
static void samples_of_istio_load(void **state)
{
    struct str path = STR("../shared/corpus/istio-samples");
    struct config_load load;

    (void)state;
    if (access(path.ptr, R_OK) != 0) {
        print_message("skipped: Istio's samples are not beside this tree\n");
        skip();
    }
    report_init(&load.report);
    load.set = resource_set_load(&path, 1, NULL, NULL, &load.report);
    config_case_assert_no_error(&load);
    assert_int_equal(config_case_find(&load, FINDING_FIELD_UNKNOWN) != NULL, 0);
    assert_int_equal(load.set->refused_count, 0);
    assert_true(resource_set_count(load.set, KIND_GATEWAY) >= 10);
    assert_true(resource_set_count(load.set, KIND_VIRTUAL_SERVICE) >= 20);
    for (size_t i = 0; i < load.report.findings.count; i++) {
        assert_true(load.report.findings.items[i].place.line > 0);
    }
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_later_of_two_counts),
        cmocka_unit_test(a_bad_version_leaves_the_good_one),
        cmocka_unit_test(without_a_good_version_there_is_none),
        cmocka_unit_test(what_is_gone_is_deleted),
        cmocka_unit_test(a_broken_file_keeps_its_objects),
        cmocka_unit_test(a_document_with_a_duplicate_key_is_refused),
        cmocka_unit_test(restore_puts_the_former_version_back),
        cmocka_unit_test(long_names_are_found),
        cmocka_unit_test(files_that_cannot_be_read_keep_their_objects),
        cmocka_unit_test(a_file_given_twice_is_read_once),
        cmocka_unit_test(samples_of_istio_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
