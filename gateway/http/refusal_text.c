/* refusal_text: what a refused request is told. Pure. */
#include "gateway/http/refusal_text.h"

#include "gateway/http/status.h"

struct str refusal_text(const struct refusal *refusal)
{
    if (refusal->status == 426 || refusal->status == 403 || refusal->status == 404 ||
        strcmp(refusal->detail, "missing_host_header") == 0) {
        return STR(""); /* spec LR-10, LR-12, LR-14, LR-16 */
    }
    if (strcmp(refusal->detail, "request_header_timeout") == 0) {
        return STR("request header timeout"); /* LR-18 */
    }
    if (refusal->status == 408) {
        return STR("request timeout");
    }
    return status_reason(refusal->status); /* LR-11, LR-13 */
}
