/* websocket: heads of every length (RFC 6455 5.2), whole and byte by byte; the mask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "perf/tools/websocket.h"

static const uint8_t mask[4] = { 1, 2, 3, 4 };

static const struct {
    uint64_t len;
    size_t head;
} lengths[] = {
    { 0, 2 },
    { 1, 2 },
    { 125, 2 },
    { 126, 4 },
    { 65535, 4 },
    { 65536, 10 },
    { UINT64_C(1) << 40, 10 },
};

static void test_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (int masked = 0; masked < 2; masked++) {
            uint8_t bytes[WEBSOCKET_HEAD_MAX + 1] = { 0 };
            struct websocket_head whole = { 0 };
            struct websocket_head pieces = { 0 };
            size_t head = lengths[i].head + (masked ? 4 : 0);

            assert_int_equal(
                websocket_write_head(bytes, 0x81, lengths[i].len, masked ? mask : NULL), head);
            assert_int_equal(websocket_read_head(&whole, bytes, sizeof(bytes)), head);
            for (size_t at = 0; at < head; at++) {
                assert_false(pieces.complete);
                assert_int_equal(websocket_read_head(&pieces, bytes + at, 1), 1);
            }
            assert_memory_equal(&whole, &pieces, sizeof(whole));
            assert_true(whole.complete);
            assert_int_equal(whole.first, 0x81);
            assert_int_equal(whole.masked, masked);
            assert_int_equal(whole.len, lengths[i].len);
            assert_memory_equal(whole.mask, masked ? mask : (const uint8_t[4]){ 0 }, 4);
        }
    }
}

/* RFC 6455 5.7: "Hello", masked. */
static void test_mask(void **state)
{
    static const uint8_t key[4] = { 0x37, 0xfa, 0x21, 0x3d };
    uint8_t bytes[] = { 0x7f, 0x9f, 0x4d, 0x51, 0x58 };

    (void)state;
    websocket_mask(key, 0, bytes, 2);
    websocket_mask(key, 2, bytes + 2, 3);
    assert_memory_equal(bytes, "Hello", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_mask),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
