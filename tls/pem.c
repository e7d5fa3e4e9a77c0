/* pem: reads PEM text block by block. BoringSSL wipes what it frees, so the bytes of a key do not
 * stay behind; the text itself is the caller's to wipe. Control thread. */
#include "tls/pem.h"

#include <openssl/bio.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <string.h>

struct pem_block {
    char *label; /* "CERTIFICATE" */
    char *header;
    uint8_t *bytes;
    long len;
};

enum pem_step { PEM_BLOCK, PEM_END, PEM_BAD };

static BIO *pem_open(struct str pem)
{
    /* Files and scalars are capped (limits.h) far below INT_MAX. */
    return BIO_new_mem_buf(pem.ptr != NULL ? pem.ptr : "", (int)pem.len);
}

static enum pem_step pem_next(BIO *bio, struct pem_block *block, struct err *err)
{
    ERR_clear_error();
    if (PEM_read_bio(bio, &block->label, &block->header, &block->bytes, &block->len) == 1) {
        return PEM_BLOCK;
    }
    uint32_t code = ERR_peek_last_error();
    if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) {
        ERR_clear_error();
        return PEM_END;
    }
    library_err(err, "a PEM block is damaged");
    return PEM_BAD;
}

static void pem_free_block(struct pem_block *block)
{
    OPENSSL_free(block->label);
    OPENSSL_free(block->header);
    OPENSSL_free(block->bytes);
}

static bool pem_is_certificate(const char *label)
{
    return strcmp(label, "CERTIFICATE") == 0 || strcmp(label, "X509 CERTIFICATE") == 0;
}

static bool pem_add_certificate(const struct pem_block *block, size_t limit,
                                struct x509_vec *certificates, struct err *err)
{
    const uint8_t *at = block->bytes;

    if (certificates->count >= limit) {
        err_set(err, ERR_LIMIT, "more than %zu certificates", limit);
        return false;
    }
    X509 *certificate = d2i_X509(NULL, &at, block->len);
    if (certificate == NULL || at != block->bytes + block->len) {
        err_set(err, ERR_INPUT, "certificate %zu cannot be read", certificates->count + 1);
        X509_free(certificate);
        return false;
    }
    vec_push(certificates, certificate);
    return true;
}

bool pem_read_certificates(struct str pem, size_t limit, struct x509_vec *certificates,
                           struct err *err)
{
    BIO *bio = pem_open(pem);
    struct pem_block block;
    enum pem_step step;
    bool is_good = true;

    while (is_good && (step = pem_next(bio, &block, err)) != PEM_END) {
        if (step == PEM_BAD) {
            is_good = false;
            break;
        }
        if (pem_is_certificate(block.label)) {
            is_good = pem_add_certificate(&block, limit, certificates, err);
        }
        pem_free_block(&block);
    }
    ERR_clear_error();
    BIO_free(bio);
    return is_good;
}

void pem_free_certificates(struct x509_vec *certificates)
{
    for (size_t i = 0; i < certificates->count; i++) {
        X509_free(certificates->items[i]);
    }
    vec_cleanup(certificates);
}

static bool pem_check_key_label(const struct pem_block *block, struct err *err)
{
    if (strcmp(block->label, "ENCRYPTED PRIVATE KEY") == 0 ||
        strstr(block->header, "ENCRYPTED") != NULL) {
        err_set(err, ERR_INPUT,
                "the private key is encrypted; it must be stored without a passphrase");
        return false;
    }
    if (strcmp(block->label, "PRIVATE KEY") != 0 && strcmp(block->label, "RSA PRIVATE KEY") != 0 &&
        strcmp(block->label, "EC PRIVATE KEY") != 0) {
        err_set(err, ERR_INPUT,
                "the private key is a %.40s; PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY can be "
                "used",
                block->label);
        return false;
    }
    return true;
}

uint8_t *pem_read_key(struct str pem, size_t *len, struct err *err)
{
    BIO *bio = pem_open(pem);
    struct pem_block block;
    uint8_t *der = NULL;
    bool is_found = false;

    err_set(err, ERR_NOT_FOUND, "no private key in it");
    while (!is_found && pem_next(bio, &block, err) == PEM_BLOCK) {
        is_found = strstr(block.label, "PRIVATE KEY") != NULL;
        if (is_found && pem_check_key_label(&block, err)) {
            der = block.bytes;
            *len = (size_t)block.len;
            block.bytes = NULL;
        }
        pem_free_block(&block);
    }
    BIO_free(bio);
    return der;
}

EVP_PKEY *pem_parse_key(const uint8_t *der, size_t len, struct err *err)
{
    ERR_clear_error();
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &der, (long)len);
    if (key == NULL) {
        library_err(err, "the private key cannot be read");
    }
    return key;
}

bool pem_read_crls(struct str pem, struct crl_vec *crls, struct err *err)
{
    BIO *bio = pem_open(pem);
    struct pem_block block;
    enum pem_step step;
    bool is_good = true;

    while (is_good && (step = pem_next(bio, &block, err)) != PEM_END) {
        if (step == PEM_BAD) {
            is_good = false;
            break;
        }
        if (strcmp(block.label, "X509 CRL") == 0) {
            const uint8_t *at = block.bytes;
            X509_CRL *crl = d2i_X509_CRL(NULL, &at, block.len);
            is_good = crl != NULL;
            if (is_good) {
                vec_push(crls, crl);
            } else {
                library_err(err, "a revocation list cannot be read");
            }
        }
        pem_free_block(&block);
    }
    ERR_clear_error();
    BIO_free(bio);
    return is_good;
}

void pem_free_crls(struct crl_vec *crls)
{
    for (size_t i = 0; i < crls->count; i++) {
        X509_CRL_free(crls->items[i]);
    }
    vec_cleanup(crls);
}
