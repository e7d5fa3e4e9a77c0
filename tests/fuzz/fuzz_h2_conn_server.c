/* fuzz_h2_conn_server: our server's side of HTTP/2 and a client that sends anything behind its preface. */
#include "tests/fuzz/fuzz_h2_conn.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    fuzz_run(false, bytes, size, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
    return 0;
}
