/* handshake_failure: the library's error as a word for metrics and a text for the log. For tls/
 * only. */
#ifndef TLS_HANDSHAKE_FAILURE_H
#define TLS_HANDSHAKE_FAILURE_H

#include "tls/library.h"

/* Room for the sentence of DR-69 and a server name in it. */
enum { HANDSHAKE_DETAIL_BYTES = 512 };

struct handshake_failure {
    /* One of: no_shared_cipher no_shared_group no_shared_signature unsupported_protocol
     * inappropriate_fallback wrong_version_number http_request decode_error bad_record
     * unexpected_message no_certificate missing_extension peer_closed verify_failed internal_error other; and for
     * alerts of the peer: certificate_unknown bad_certificate certificate_expired unknown_ca
     * alert_protocol_version alert_handshake_failure alert_other. Static. */
    const char *reason;
    char detail[HANDSHAKE_DETAIL_BYTES];
};

/* Takes the error that SSL_get_error() gave `ssl_error` for; the queue is empty afterwards. */
void handshake_failure_read(int ssl_error, struct handshake_failure *failure);
/* The same towards an upstream, with the detail in the form of spec DR-69:
 * "TLS_error:|CODE:LIBRARY:FUNCTION:REASON[|...][:WORDS]". `verify_words` say what was wrong with the
 * certificate; NULL: nothing was. */
void handshake_failure_read_upstream(int ssl_error, const char *verify_words,
                                     struct handshake_failure *failure);

#endif
