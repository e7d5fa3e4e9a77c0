/* Fuzz target: tls/secret.c with pem.c and certificate.c. The input is certificate, key, CA, revocation
 * list and staple, each ended by a NUL. */
#include "tls/secret.h"

#include "gateway/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = str_from((const char *)data, size);
    struct str parts[5] = { { 0 } };
    struct str_vec warnings = { 0 };
    struct err err = { 0 };

    for (size_t i = 0; i < 5 && str_split_next(&rest, '\0', &parts[i]); i++) {
    }
    const struct secret_source source = {
        .name = STR("fuzz"),
        .origin = STR("fuzz"),
        .certificate_pem = parts[0],
        .key_pem = parts[1],
        .ca_pem = parts[2],
        .crl_pem = parts[3],
        .ocsp_staple_der = parts[4],
    };
    struct arena *arena = arena_new(1024);
    struct secret *secret = secret_parse(&source, 1800000000, &warnings, arena, &err);
    if (secret == NULL) {
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
    } else {
        CHECK(secret_has_pair(secret) == (secret_chain(secret)->count > 0));
        (void)secret_covers_host(secret, STR("a.example.com"));
        (void)secret_validity_at(secret, 0);
        secret_unref(secret);
    }
    arena_free(arena);
    return 0;
}
