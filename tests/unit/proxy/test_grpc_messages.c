/* Tests of gateway/proxy/grpc_messages.c: bodies whole, in single bytes, and what is not gRPC. */
#include "gateway/proxy/grpc_messages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct grpc_messages count_in_pieces(struct str body, size_t piece)
{
    struct grpc_messages messages = { 0 };

    for (size_t at = 0; at < body.len; at += piece) {
        size_t len = body.len - at < piece ? body.len - at : piece;
        grpc_messages_add(&messages, (const unsigned char *)body.ptr + at, len);
    }
    return messages;
}

static void test_counts_over_pieces_of_any_size_OB_20(void **state)
{
    static const struct {
        struct str body;
        uint64_t count;
        bool is_broken;
    } CASES[] = {
        /* Not gRPC: the count ends, nothing is read beyond. */
        { STR_INIT("<html>\0\0\0"), 0, true },
        { STR_INIT("\0\0\0\0\1x\2\0\0\0\1x\0\0\0\0\1x"), 1, true },
        /* A prefix that is cut is no message yet; a message that is cut has begun. */
        { STR_INIT(""), 0, false },
        { STR_INIT("\0\0\0\0"), 0, false },
        { STR_INIT("\0\xff\xff\xff\xff"), 1, false },
        { STR_INIT("\0\xff\xff\xff\xffxyz"), 1, false },
        { STR_INIT("\0\0\0\0\0"), 1, false },
        { STR_INIT("\0\0\0\0\0\0\0\0\0\0"), 2, false },
        { STR_INIT("\0\0\0\0\3abc\1\0\0\0\2de"), 2, false }, /* the second is compressed */
        { STR_INIT("\0\0\0\0\5\0\0\0\0\0\0\0\0\0\1x"), 2, false },
        /* gRPC-Web: trailers in the body are no message, plain or compressed. */
        { STR_INIT("\0\0\0\0\1x\x80\0\0\0\5a: b\n"), 1, false },
        { STR_INIT("\x81\0\0\0\1x"), 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        for (size_t piece = 1; piece <= CASES[i].body.len + 1; piece++) {
            struct grpc_messages messages = count_in_pieces(CASES[i].body, piece);
            if (messages.count != CASES[i].count || messages.is_broken != CASES[i].is_broken) {
                fail_msg("case %zu in pieces of %zu: %llu", i, piece,
                         (unsigned long long)messages.count);
            }
        }
    }
}

static void test_length_is_of_all_four_bytes(void **state)
{
    static const unsigned char piece[4096];
    static const unsigned char prefix[] = { 0, 0, 1, 0, 0 }; /* 65536 */
    struct grpc_messages messages = { 0 };

    (void)state;
    grpc_messages_add(&messages, prefix, sizeof(prefix));
    for (int i = 0; i < 16; i++) {
        grpc_messages_add(&messages, piece, sizeof(piece));
    }
    assert_int_equal(messages.left, 0);
    assert_int_equal(messages.count, 1);
    grpc_messages_add(&messages, prefix, sizeof(prefix));
    assert_int_equal(messages.count, 2);
}

static void test_kinds_by_content_type_LR_30(void **state)
{
    static const struct {
        const char *type; /* NULL: none */
        enum grpc_kind kind;
    } CASES[] = {
        { NULL, GRPC_KIND_NONE },
        { "", GRPC_KIND_NONE },
        { "text/plain", GRPC_KIND_NONE },
        { "application/grp", GRPC_KIND_NONE },
        { "application/grpcx", GRPC_KIND_NONE },
        { "application/grpc;charset=utf-8", GRPC_KIND_NONE },
        { "application/grpc-websocket", GRPC_KIND_NONE },
        { "application/grpc", GRPC_KIND_NATIVE },
        { "Application/GRPC+proto", GRPC_KIND_NATIVE },
        { "application/grpc+", GRPC_KIND_NATIVE },
        { "application/grpc-web", GRPC_KIND_WEB },
        { "application/grpc-web+proto", GRPC_KIND_WEB },
        { "application/grpc-web-text", GRPC_KIND_WEB_TEXT },
        { "application/grpc-web-text+proto", GRPC_KIND_WEB_TEXT },
    };
    struct arena *arena = arena_new(1024);

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct headers headers;
        headers_init(&headers, arena);
        if (CASES[i].type != NULL) {
            headers_add_id(&headers, HEADER_CONTENT_TYPE, str_from_cstr(CASES[i].type));
        }
        if (grpc_messages_kind(&headers) != CASES[i].kind) {
            fail_msg("%s", CASES[i].type != NULL ? CASES[i].type : "none");
        }
    }
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_over_pieces_of_any_size_OB_20),
        cmocka_unit_test(test_length_is_of_all_four_bytes),
        cmocka_unit_test(test_kinds_by_content_type_LR_30),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
