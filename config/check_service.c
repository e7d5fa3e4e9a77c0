/* check_service: what a Service must have to be a destination (spec SV-10, SV-13). The API server
 * checks the rest before such an object exists. Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"

void check_service(struct reader *reader, const struct service *service)
{
    size_t former = reader_enter(reader, "spec");

    for (size_t i = 0; i < service->ports.count; i++) {
        size_t inner = reader_enter_item(reader, "ports", i);

        if (!value_is_port(service->ports.items[i].port)) {
            reader_fail(reader, "port", FINDING_SERVICE_PORT,
                        "port number %u must be in the range 1..65535",
                        service->ports.items[i].port);
        }
        reader_leave(reader, inner);
    }
    if (str_equals(service->type, STR("ExternalName")) && !value_is_fqdn(service->external_name) &&
        !value_is_ip(service->external_name)) {
        reader_fail(reader, "externalName", FINDING_SERVICE_PORT,
                    "a Service of type ExternalName needs a domain name");
    }
    reader_leave(reader, former);
}
