/* document: YAML to trees: what is refused, what places and texts come out (spec RL-10, RL-14). */
#include "config/document.h"

#include "gateway/base/limits.h"
#include "gateway/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct parsed {
    struct arena *arena;
    struct document document;
    enum document_status status;
};

static struct parsed parse(struct str bytes)
{
    struct parsed parsed = { .arena = arena_new(4096) };
    struct document_stream *stream = document_stream_open(bytes);

    parsed.status = document_stream_next(stream, parsed.arena, &parsed.document);
    document_stream_close(stream);
    return parsed;
}

static void broken_text_names_its_place(void **state)
{
    static const struct {
        const char *yaml;
        enum document_problem_kind kind;
        unsigned line;
    } rows[] = {
        { "a: [1, 2\nb: 3\n", DOCUMENT_PROBLEM_SYNTAX, 2 },
        { "a: b: c\n", DOCUMENT_PROBLEM_SYNTAX, 1 },
        { "a:\n\t- tab\n", DOCUMENT_PROBLEM_SYNTAX, 2 },
        { "\"open\n", DOCUMENT_PROBLEM_SYNTAX, 2 },
        { "a: \x01\n", DOCUMENT_PROBLEM_SYNTAX, 1 },
        { "a: \xff\xfe\n", DOCUMENT_PROBLEM_SYNTAX, 1 },
        { "a: *nothing\n", DOCUMENT_PROBLEM_SYNTAX, 1 },
        { "a: &x [*x]\n", DOCUMENT_PROBLEM_SYNTAX, 1 }, /* a circle */
        { "a: 1\n? [b]\n: 2\n", DOCUMENT_PROBLEM_SYNTAX, 2 },
        { "a:\n  b: 1\n  c: 2\n  b: 3\n", DOCUMENT_PROBLEM_DUPLICATE_KEY, 4 },
        { "{\"a\": 1, \"a\": 2}", DOCUMENT_PROBLEM_DUPLICATE_KEY, 1 },
        { "a: 1\nb: 1\nc: 1\nd: 1\ne: 1\nf: 1\ng: 1\nh: 1\ni: 1\na: 1\n",
          DOCUMENT_PROBLEM_DUPLICATE_KEY, 10 },
        { "a: {<<: 3}\n", DOCUMENT_PROBLEM_SYNTAX, 1 },
    };

    (void)state; /* RL-14 */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct parsed parsed = parse(str_from_cstr(rows[i].yaml));

        if (parsed.document.problem.kind != rows[i].kind ||
            parsed.document.problem.place.line != rows[i].line) {
            fail_msg("row %zu: kind %d line %u: %s", i, (int)parsed.document.problem.kind,
                     parsed.document.problem.place.line, parsed.document.problem.text);
        }
        assert_true(parsed.document.problem.text[0] != '\0');
        arena_free(parsed.arena);
    }
}

static void caps_hold(void **state)
{
    struct text deep = { 0 };
    struct text bomb = { 0 };
    struct text aliases = { 0 };
    struct text merges = { 0 };

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        text_add_char(&deep, '[');
    }
    text_add_cstr(&bomb, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for (unsigned i = 1; i < 12; i++) {
        text_printf(&bomb, "a%u: &a%u [", i, i);
        for (unsigned j = 0; j < 10; j++) {
            text_printf(&bomb, "%s*a%u", j > 0 ? "," : "", i - 1);
        }
        text_add_cstr(&bomb, "]\n");
    }
    text_add_cstr(&aliases, "a: &a x\nb: [");
    for (unsigned i = 0; i <= LIMIT_YAML_ALIASES; i++) {
        text_add_cstr(&aliases, "*a,");
    }
    text_add_cstr(&aliases, "]\n");
    text_add_cstr(&merges, "m0: &m0 {a: 1}\n");
    for (unsigned i = 1; i < 80; i++) {
        text_printf(&merges, "m%u: &m%u {k%u: *m%u}\n", i, i, i, i - 1);
    }
    const struct str rows[] = { text_view(&deep), text_view(&bomb), text_view(&aliases),
                                text_view(&merges) };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct parsed parsed = parse(rows[i]);

        assert_int_equal(parsed.status, DOCUMENT_BROKEN);
        assert_int_equal(parsed.document.problem.kind, DOCUMENT_PROBLEM_LIMIT);
        arena_free(parsed.arena);
    }
    text_cleanup(&deep);
    text_cleanup(&bomb);
    text_cleanup(&aliases);
    text_cleanup(&merges);
}

static void bombs_add_up_over_documents(void **state)
{
    struct text yaml = { 0 };
    struct arena *arena = arena_new(4096);
    struct document document;
    enum document_status status;
    unsigned read_count = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        text_add_cstr(&yaml, "---\na: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\n"
                             "c: &c [*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c]\n"
                             "e: &e [*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e]\n");
    }
    struct document_stream *stream = document_stream_open(text_view(&yaml));

    while ((status = document_stream_next(stream, arena, &document)) == DOCUMENT_READ) {
        read_count++;
    }
    assert_int_equal(status, DOCUMENT_BROKEN);
    assert_in_range(read_count, 1, 99);
    assert_int_equal(document_stream_next(stream, arena, &document), DOCUMENT_END);
    document_stream_close(stream);
    arena_free(arena);
    text_cleanup(&yaml);
}

static void long_values_are_refused(void **state)
{
    struct text yaml = { 0 };

    (void)state;
    text_add_cstr(&yaml, "a: \"");
    for (unsigned i = 0; i <= LIMIT_YAML_SCALAR_BYTES; i += 64) {
        text_add_cstr(&yaml, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    }
    text_add_cstr(&yaml, "\"\n");
    struct parsed parsed = parse(text_view(&yaml));

    assert_int_equal(parsed.document.problem.kind, DOCUMENT_PROBLEM_LIMIT);
    arena_free(parsed.arena);
    text_cleanup(&yaml);
}

static void earlier_documents_survive_a_syntax_error(void **state)
{
    struct str yaml = STR("a: 1\n---\n---\n# only a comment\n---\nb: 2\n---\nc: [\n---\nd: 4\n");
    struct arena *arena = arena_new(4096);
    struct document document;
    struct document_stream *stream = document_stream_open(yaml);

    (void)state; /* RL-10 */
    assert_int_equal(document_stream_next(stream, arena, &document), DOCUMENT_READ);
    assert_non_null(document_find(document.root, STR("a")));
    assert_int_equal(document_stream_next(stream, arena, &document), DOCUMENT_READ);
    assert_null(document.root); /* empty */
    assert_int_equal(document_stream_next(stream, arena, &document), DOCUMENT_READ);
    assert_null(document.root);
    assert_int_equal(document_stream_next(stream, arena, &document), DOCUMENT_READ);
    assert_non_null(document_find(document.root, STR("b")));
    assert_int_equal(document_stream_next(stream, arena, &document), DOCUMENT_BROKEN);
    assert_int_equal(document.problem.place.line, 9);
    assert_int_equal(document_stream_next(stream, arena, &document), DOCUMENT_END);
    document_stream_close(stream);
    arena_free(arena);
}

static void nodes_have_places_and_styles(void **state)
{
    struct parsed parsed =
        parse(STR("top:\n  plain: yes\n  quoted: \"yes\"\n  tagged: !!str yes\n"
                  "  block: |\n    two\n    lines\n  list:\n  - one\n  - two\n"));
    const struct node *top = document_find(parsed.document.root, STR("top"));
    const struct node *plain = document_find(top, STR("plain"));
    const struct node *list = document_find(top, STR("list"));

    (void)state;
    assert_int_equal(parsed.status, DOCUMENT_READ);
    assert_true(plain->is_plain);
    assert_int_equal(plain->place.line, 2);
    assert_int_equal(plain->place.column, 10);
    assert_false(document_find(top, STR("quoted"))->is_plain);
    assert_false(document_find(top, STR("tagged"))->is_plain);
    assert_false(document_find(top, STR("block"))->is_plain);
    assert_true(str_equals(document_find(top, STR("block"))->scalar, STR("two\nlines\n")));
    assert_int_equal(list->kind, NODE_SEQUENCE);
    assert_int_equal(list->count, 2);
    assert_int_equal(list->items[1]->place.line, 10);
    assert_null(document_find(list, STR("one")));
    assert_null(document_find(NULL, STR("one")));
    arena_free(parsed.arena);
}

static void json_is_yaml(void **state)
{
    struct parsed parsed = parse(STR("{\"a\": {\"b\": [1, \"two\", null, true]}}"));
    const struct node *b = document_find(document_find(parsed.document.root, STR("a")), STR("b"));

    (void)state; /* RL-10 */
    assert_int_equal(b->count, 4);
    assert_true(b->items[0]->is_plain);
    assert_false(b->items[1]->is_plain);
    arena_free(parsed.arena);
}

static void aliases_and_merge_keys_are_resolved(void **state)
{
    struct parsed parsed = parse(STR("base: &base {a: 1, b: 2}\nother: &other {b: 9, c: 3}\n"
                                     "use: *base\nmerged: {<<: *base, b: 5}\n"
                                     "both: {<<: [*base, *other]}\n"));
    const struct node *root = parsed.document.root;
    const struct node *merged = document_find(root, STR("merged"));
    const struct node *both = document_find(root, STR("both"));

    (void)state;
    assert_int_equal(parsed.document.problem.kind, DOCUMENT_PROBLEM_NONE);
    assert_ptr_equal(document_find(root, STR("use")), document_find(root, STR("base")));
    assert_int_equal(merged->count, 2);
    assert_true(str_equals(document_find(merged, STR("a"))->scalar, STR("1")));
    assert_true(str_equals(document_find(merged, STR("b"))->scalar, STR("5")));
    assert_int_equal(both->count, 3);
    assert_true(str_equals(document_find(both, STR("b"))->scalar, STR("2"))); /* the first wins */
    arena_free(parsed.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_text_names_its_place),
        cmocka_unit_test(caps_hold),
        cmocka_unit_test(bombs_add_up_over_documents),
        cmocka_unit_test(long_values_are_refused),
        cmocka_unit_test(earlier_documents_survive_a_syntax_error),
        cmocka_unit_test(nodes_have_places_and_styles),
        cmocka_unit_test(json_is_yaml),
        cmocka_unit_test(aliases_and_merge_keys_are_resolved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
