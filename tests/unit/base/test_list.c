/* list: order, and removal inside the loop. */
#include "gateway/base/list.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

struct item {
    int number;
    struct list link;
};

static void empty_and_unlinked(void **state)
{
    struct list head;
    struct item item = { 0 };

    (void)state;
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_first(&head));
    assert_null(list_last(&head));
    assert_false(list_is_linked(&item.link));
    list_remove(&item.link);
    assert_false(list_is_linked(&item.link));
}

static void order_and_removal(void **state)
{
    struct list head;
    struct item items[4] = { { .number = 0 }, { .number = 1 }, { .number = 2 }, { .number = 3 } };
    int expected = 0;

    (void)state;
    list_init(&head);
    list_push_back(&head, &items[1].link);
    list_push_back(&head, &items[2].link);
    list_push_back(&head, &items[3].link);
    list_push_front(&head, &items[0].link);
    LIST_EACH (&head, link) {
        assert_int_equal(list_object(link, struct item, link)->number, expected);
        expected++;
        if (expected % 2 == 0) {
            list_remove(link);
        }
    }
    assert_int_equal(expected, 4);
    assert_ptr_equal(list_first(&head), &items[0].link);
    assert_ptr_equal(list_last(&head), &items[2].link);
    assert_false(list_is_linked(&items[3].link));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_unlinked),
        cmocka_unit_test(order_and_removal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
