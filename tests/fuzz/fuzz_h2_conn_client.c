/* fuzz_h2_conn_client: our client's side of HTTP/2 and an origin that answers anything. */
#include "tests/fuzz/fuzz_h2_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_run(true, bytes, size, STR("\0\0\6\4\0\0\0\0\0\0\x08\0\0\0\1"));
    return 0;
}
