/* tls_bio: the library's way to the bytes of a transport. Each thread makes its BIO at its first
 * connection and lets go of it when it ends; connections hold references. */
#include "tls/tls_bio.h"

#include "gateway/base/check.h"
#include "tls/transport_tls_state.h"

#include <pthread.h>
#include <string.h>

static BIO_METHOD *tls_bio_method;
static pthread_key_t tls_bio_key;
static pthread_once_t tls_bio_once = PTHREAD_ONCE_INIT;
static _Thread_local struct transport_tls *tls_bio_current;

static int tls_bio_read(BIO *bio, char *out, int len)
{
    struct transport_tls *tls = tls_bio_current;
    size_t count = len > 0 ? (size_t)len : 0;

    BIO_clear_retry_flags(bio);
    if (tls->input_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    count = count < tls->input_len ? count : tls->input_len;
    memcpy(out, tls->input, count);
    tls->input += count;
    tls->input_len -= count;
    return (int)count;
}

static int tls_bio_write(BIO *bio, const char *bytes, int len)
{
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    /* Always all of it: what the kernel does not take is the transport's to keep. */
    transport_send_wire(tls_bio_current->transport, (const unsigned char *)bytes, (size_t)len);
    return len;
}

static long tls_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static void tls_bio_on_thread_end(void *bio)
{
    (void)BIO_free(bio); /* ours was one reference */
}

static void tls_bio_init(void)
{
    /* Fails only where a program has a thousand keys. */
    CHECK(pthread_key_create(&tls_bio_key, tls_bio_on_thread_end) == 0);
    tls_bio_method = BIO_meth_new(0, "transport");
    if (tls_bio_method != NULL) {
        (void)BIO_meth_set_read(tls_bio_method, tls_bio_read); /* these three only store */
        (void)BIO_meth_set_write(tls_bio_method, tls_bio_write);
        (void)BIO_meth_set_ctrl(tls_bio_method, tls_bio_ctrl);
    }
}

BIO *tls_bio_ref(void)
{
    (void)pthread_once(&tls_bio_once, tls_bio_init); /* cannot fail */
    BIO *bio = pthread_getspecific(tls_bio_key);

    if (bio == NULL) {
        bio = tls_bio_method != NULL ? BIO_new(tls_bio_method) : NULL;
        if (bio == NULL || pthread_setspecific(tls_bio_key, bio) != 0) {
            (void)BIO_free(bio); /* NULL is fine */
            return NULL;
        }
        BIO_set_init(bio, 1);
    }
    (void)BIO_up_ref(bio); /* always 1 */
    return bio;
}

void tls_bio_enter(struct transport_tls *tls)
{
    tls_bio_current = tls;
}
