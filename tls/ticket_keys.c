/* ticket_keys: resumption keys of the process. Owned by the daemon, used by the handshakes of all
 * workers. A reader-writer lock guards them: it is taken once a ticket, never on a request's way. */
#include "tls/ticket_keys.h"

#include "gateway/base/mem.h"
#include "tls/ticket_keys_ssl.h"

#include <openssl/aes.h>
#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum {
    TICKET_NAME_BYTES = 16, /* SSL_TICKET_KEY_NAME_LEN */
    TICKET_CIPHER_KEY_BYTES = 16,
    TICKET_MAC_KEY_BYTES = 32,
    TICKET_IV_BYTES = 16,
};

struct ticket_key {
    uint8_t name[TICKET_NAME_BYTES];
    uint8_t cipher_key[TICKET_CIPHER_KEY_BYTES];
    uint8_t mac_key[TICKET_MAC_KEY_BYTES];
};

struct ticket_keys {
    pthread_rwlock_t lock;
    struct ticket_key current;
    struct ticket_key former;
    bool has_former;
};

static void ticket_key_fill(struct ticket_key *key)
{
    /* RAND_bytes() never fails in BoringSSL: it ends the process instead. */
    (void)RAND_bytes((uint8_t *)key, sizeof(*key));
}

struct ticket_keys *ticket_keys_new(void)
{
    struct ticket_keys *keys = mem_new(struct ticket_keys);

    (void)pthread_rwlock_init(&keys->lock, NULL); /* cannot fail with default attributes */
    ticket_key_fill(&keys->current);
    return keys;
}

void ticket_keys_free(struct ticket_keys *keys)
{
    if (keys == NULL) {
        return;
    }
    (void)pthread_rwlock_destroy(&keys->lock); /* nobody holds it */
    mem_wipe(keys, sizeof(*keys));
    mem_free(keys);
}

void ticket_keys_rotate(struct ticket_keys *keys)
{
    struct ticket_key fresh;

    ticket_key_fill(&fresh);
    (void)pthread_rwlock_wrlock(&keys->lock); /* cannot fail: never taken twice by one thread */
    keys->former = keys->current;
    keys->has_former = true;
    keys->current = fresh;
    (void)pthread_rwlock_unlock(&keys->lock);
    mem_wipe(&fresh, sizeof(fresh));
}

/* 1: found; 2: found, but it is the former one and the ticket should be renewed; 0: unknown. */
static int ticket_keys_find(struct ticket_keys *keys, const uint8_t *name, struct ticket_key *found)
{
    int result = 0;

    (void)pthread_rwlock_rdlock(&keys->lock);
    if (CRYPTO_memcmp(name, keys->current.name, TICKET_NAME_BYTES) == 0) {
        *found = keys->current;
        result = 1;
    } else if (keys->has_former && CRYPTO_memcmp(name, keys->former.name, TICKET_NAME_BYTES) == 0) {
        *found = keys->former;
        result = 2;
    }
    (void)pthread_rwlock_unlock(&keys->lock);
    return result;
}

/* The library's contract: -1 ends the handshake, 0 means "no such ticket, do a full one". */
static int ticket_keys_on_ticket(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher,
                                 HMAC_CTX *mac, int is_encrypting)
{
    struct ticket_keys *keys = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ticket_key key;
    int result = 1;

    if (is_encrypting) {
        (void)pthread_rwlock_rdlock(&keys->lock);
        key = keys->current;
        (void)pthread_rwlock_unlock(&keys->lock);
        memcpy(name, key.name, TICKET_NAME_BYTES);
        (void)RAND_bytes(iv, TICKET_IV_BYTES);
    } else {
        result = ticket_keys_find(keys, name, &key);
        if (result == 0) {
            return 0;
        }
    }
    if (!EVP_CipherInit_ex(cipher, EVP_aes_128_cbc(), NULL, key.cipher_key, iv, is_encrypting) ||
        !HMAC_Init_ex(mac, key.mac_key, sizeof(key.mac_key), EVP_sha256(), NULL)) {
        result = -1;
    }
    mem_wipe(&key, sizeof(key));
    return result;
}

void ticket_keys_install(struct ticket_keys *keys, SSL_CTX *ssl_ctx)
{
    (void)SSL_CTX_set_app_data(ssl_ctx, keys); /* fails only for want of memory */
    (void)SSL_CTX_set_tlsext_ticket_key_cb(ssl_ctx, ticket_keys_on_ticket);
}
