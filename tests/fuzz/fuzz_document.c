/* fuzz_document: any bytes as a configuration file: YAML, readers, checks, the printed findings, and a
 * second load of the same bytes that keeps from the first what it can. */
#include "config/resource_set.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_from((const char *)data, size);
    struct report report;
    struct text text = { 0 };
    struct resource_set *first;
    struct resource_set *second;

    report_init(&report);
    first = resource_set_load_text(STR("a.yaml"), bytes, NULL, NULL, &report);
    /* The second load lacks the end of the file, so some objects are kept, dropped or cut. */
    second = resource_set_load_text(STR("a.yaml"), str_slice(bytes, 0, size - size / 3), NULL,
                                    first, &report);
    resource_set_free(first);
    report_sort(&report);
    report_print(&report, &text);
    resource_set_free(second);
    report_cleanup(&report);
    text_cleanup(&text);
    return 0;
}
