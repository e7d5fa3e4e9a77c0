/* Tests of gateway/proxy/exchange_shed.c: who goes when memory is short (hardening). Both legs are
 * fakes. */
#include "tests/unit/support/exchange_case.h"

#include "gateway/base/limits.h"

static void begin(struct exchange_case *self)
{
    fake_leg_request(&self->leg, "GET", "a.com", "/");
    exchange_case_without_origin(self);
    exchange_case_publish(self);
    exchange_case_begin(self, false);
    exchange_case_connect(self, HTTP_VERSION_1_1, false);
}

static void test_who_holds_little_stays(void **state)
{
    struct exchange_case *self = *state;

    begin(self);
    exchange_shed_greediest(&self->worker); /* nothing at all */
    self->leg.queued_bytes = LIMIT_SHED_BYTES / 2;
    self->upstream.queued_bytes = LIMIT_SHED_BYTES / 2 - 1;
    exchange_shed_greediest(&self->worker);
    assert_false(self->upstream.is_released);
    fake_leg_head(&self->upstream, fake_leg_response(&self->upstream, 204), true);
    assert_int_equal(self->leg.status, 204);
}

static void test_before_the_answer_it_is_a_503(void **state)
{
    struct exchange_case *self = *state;

    begin(self);
    self->upstream.queued_bytes = LIMIT_SHED_BYTES;
    exchange_shed_greediest(&self->worker);
    assert_int_equal(self->leg.status, 503);
    assert_true(self->upstream.is_released);
    assert_false(self->leg.is_aborted);
    exchange_shed_greediest(&self->worker); /* it is over */
}

static void test_in_the_middle_of_the_answer_it_is_cut(void **state)
{
    struct exchange_case *self = *state;

    begin(self);
    fake_leg_head(&self->upstream, fake_leg_response(&self->upstream, 200), false);
    fake_leg_body(&self->upstream, "a part");
    self->leg.queued_bytes = LIMIT_SHED_BYTES;
    exchange_shed_greediest(&self->worker);
    assert_true(self->leg.is_aborted);
    assert_true(self->leg.is_released);
    assert_true(self->upstream.is_released);
    assert_false(self->leg.is_ended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_holds_little_stays, exchange_case_setup,
                                        exchange_case_teardown),
        cmocka_unit_test_setup_teardown(test_before_the_answer_it_is_a_503, exchange_case_setup,
                                        exchange_case_teardown),
        cmocka_unit_test_setup_teardown(test_in_the_middle_of_the_answer_it_is_cut,
                                        exchange_case_setup, exchange_case_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
