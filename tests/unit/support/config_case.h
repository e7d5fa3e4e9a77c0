/* config_case: rows of "this YAML gives that finding", for the tests of config. */
#ifndef TESTS_UNIT_SUPPORT_CONFIG_CASE_H
#define TESTS_UNIT_SUPPORT_CONFIG_CASE_H

#include "config/resource_set.h"

/* As `code`: the object is good and there is nothing to say about it. */
#define CONFIG_CASE_CLEAN FINDING_CODE_COUNT

struct config_case {
    const char *rule; /* spec ids, printed when the row fails */
    const char *spec; /* YAML flow text of the object's spec */
    enum finding_code code;
    const char *field;   /* NULL: not looked at */
    const char *message; /* part of the message; NULL: not looked at */
};

/* Loads each row as an object `name` of networking.istio.io/v1 and looks for the finding. An error
 * must refuse the object, anything less must not. */
void config_case_run(const char *kind, const struct config_case *cases, size_t count);

/* A load of one text; cleaned up by config_case_close(). */
struct config_load {
    struct report report;
    struct resource_set *set;
};
void config_case_open(struct config_load *load, const char *yaml,
                      const struct resource_set *previous);
void config_case_close(struct config_load *load);
/* The first finding of a code, or NULL. */
const struct finding *config_case_find(const struct config_load *load, enum finding_code code);
/* Fails the test, with all findings printed, when there is an error. */
void config_case_assert_no_error(const struct config_load *load);
/* The text of a literal equals the view. */
#define assert_str(view, literal)                                                                  \
    assert_true((view).ptr != NULL && str_equals((view), str_from_cstr(literal)))

#endif
