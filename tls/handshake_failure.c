/* handshake_failure: which error of the library is which word. A word is a label of a metric, so the
 * list is short and fixed; the detail has the rest. Pure. */
#include "tls/handshake_failure.h"

#include <stdio.h>

struct failure_word {
    int library_reason;
    const char *reason;
};

static const struct failure_word failure_words[] = {
    { SSL_R_NO_SHARED_CIPHER, "no_shared_cipher" },
    { SSL_R_NO_CIPHERS_PASSED, "no_shared_cipher" },
    { SSL_R_NO_CIPHERS_SPECIFIED, "no_shared_cipher" },
    { SSL_R_NO_SHARED_GROUP, "no_shared_group" },
    { SSL_R_WRONG_CURVE, "no_shared_group" },
    { SSL_R_MISSING_KEY_SHARE, "missing_extension" },
    { SSL_R_MISSING_EXTENSION, "missing_extension" },
    { SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS, "no_shared_signature" },
    { SSL_R_UNSUPPORTED_PROTOCOL, "unsupported_protocol" },
    { SSL_R_UNKNOWN_PROTOCOL, "unsupported_protocol" },
    { SSL_R_UNKNOWN_SSL_VERSION, "unsupported_protocol" },
    { SSL_R_WRONG_SSL_VERSION, "unsupported_protocol" },
    { SSL_R_INAPPROPRIATE_FALLBACK, "inappropriate_fallback" },
    { SSL_R_WRONG_VERSION_NUMBER, "wrong_version_number" },
    { SSL_R_HTTP_REQUEST, "http_request" },
    { SSL_R_HTTPS_PROXY_REQUEST, "http_request" },
    { SSL_R_DECODE_ERROR, "decode_error" },
    { SSL_R_BAD_PACKET_LENGTH, "decode_error" },
    { SSL_R_LENGTH_MISMATCH, "decode_error" },
    { SSL_R_CLIENTHELLO_PARSE_FAILED, "decode_error" },
    { SSL_R_CLIENTHELLO_TLSEXT, "decode_error" },
    { SSL_R_PARSE_TLSEXT, "decode_error" },
    { SSL_R_ERROR_PARSING_EXTENSION, "decode_error" },
    { SSL_R_INVALID_COMPRESSION_LIST, "decode_error" },
    { SSL_R_DUPLICATE_EXTENSION, "decode_error" },
    { SSL_R_DUPLICATE_KEY_SHARE, "decode_error" },
    { SSL_R_BAD_ECPOINT, "decode_error" },
    { SSL_R_BAD_ALERT, "decode_error" },
    { SSL_R_EXCESSIVE_MESSAGE_SIZE, "decode_error" },
    { SSL_R_RECORD_TOO_LARGE, "bad_record" },
    { SSL_R_DATA_LENGTH_TOO_LONG, "bad_record" },
    { SSL_R_ENCRYPTED_LENGTH_TOO_LONG, "bad_record" },
    { SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC, "bad_record" },
    { SSL_R_DECRYPTION_FAILED, "bad_record" },
    { SSL_R_DIGEST_CHECK_FAILED, "bad_record" },
    { SSL_R_TOO_MANY_EMPTY_FRAGMENTS, "bad_record" },
    { SSL_R_TOO_MANY_WARNING_ALERTS, "bad_record" },
    { SSL_R_INVALID_OUTER_RECORD_TYPE, "unexpected_message" },
    { SSL_R_UNEXPECTED_MESSAGE, "unexpected_message" },
    { SSL_R_UNEXPECTED_RECORD, "unexpected_message" },
    { SSL_R_EXCESS_HANDSHAKE_DATA, "unexpected_message" },
    { SSL_R_CCS_RECEIVED_EARLY, "unexpected_message" },
    { SSL_R_BAD_CHANGE_CIPHER_SPEC, "unexpected_message" },
#ifdef SSL_R_APPLICATION_DATA_INSTEAD_OF_HANDSHAKE /* gone from newer versions */
    { SSL_R_APPLICATION_DATA_INSTEAD_OF_HANDSHAKE, "unexpected_message" },
#endif
    { SSL_R_APP_DATA_IN_HANDSHAKE, "unexpected_message" },
    { SSL_R_INVALID_MESSAGE, "unexpected_message" },
    { SSL_R_CERTIFICATE_VERIFY_FAILED, "verify_failed" },
    { SSL_R_NO_CERTIFICATE_SET, "no_certificate" },
    { SSL_R_NO_CERTIFICATE_ASSIGNED, "no_certificate" },
    { SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "no_certificate" },
    { SSL_R_SSLV3_ALERT_CLOSE_NOTIFY, "peer_closed" },
    { SSL_R_TLSV1_ALERT_USER_CANCELLED, "peer_closed" },
    { SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "certificate_unknown" },
    { SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "bad_certificate" },
    { SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "bad_certificate" },
    { SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "bad_certificate" },
    { SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "certificate_expired" },
    { SSL_R_TLSV1_ALERT_UNKNOWN_CA, "unknown_ca" },
    { SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "alert_protocol_version" },
    { SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "alert_handshake_failure" },
};

static const char *failure_find_word(int library_reason)
{
    for (size_t i = 0; i < sizeof(failure_words) / sizeof(failure_words[0]); i++) {
        if (failure_words[i].library_reason == library_reason) {
            return failure_words[i].reason;
        }
    }
    return library_reason >= SSL_AD_REASON_OFFSET ? "alert_other" : "other";
}

static const char *failure_name_reason(int ssl_error, uint32_t code)
{
    if (ssl_error == SSL_ERROR_ZERO_RETURN) {
        return "peer_closed";
    }
    if (code == 0 || ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return code == 0 ? "other" : "internal_error";
    }
    return failure_find_word(ERR_GET_REASON(code));
}

void handshake_failure_read(int ssl_error, struct handshake_failure *failure)
{
    char words[LIBRARY_ERROR_BYTES];
    uint32_t code = ERR_peek_error();
    int alert = code != 0 && ERR_GET_LIB(code) == ERR_LIB_SSL
                    ? ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET
                    : -1;

    failure->reason = failure_name_reason(ssl_error, code);
    /* All of these fit. */
    if (ssl_error == SSL_ERROR_ZERO_RETURN) {
        (void)snprintf(failure->detail, sizeof(failure->detail), "the peer said close_notify");
    } else if (alert >= 0) {
        (void)snprintf(failure->detail, sizeof(failure->detail), "the peer sent the alert: %s",
                       SSL_alert_desc_string_long(alert));
    } else {
        (void)snprintf(failure->detail, sizeof(failure->detail), "%s", library_take_error(words));
    }
    ERR_clear_error();
}

/* NULL for a code the library has no words for. */
static const char *failure_or_unknown(const char *words)
{
    return words != NULL ? words : "unknown";
}

void handshake_failure_read_upstream(int ssl_error, const char *verify_words,
                                     struct handshake_failure *failure)
{
    size_t room = sizeof(failure->detail);
    size_t len = 0;
    uint32_t code = ERR_peek_error();

    failure->reason = failure_name_reason(ssl_error, code);
    if (code == 0) {
        (void)snprintf(failure->detail, room, "%s",
                       ssl_error == SSL_ERROR_ZERO_RETURN ? "the peer said close_notify"
                                                          : "no reason given"); /* fits */
        return;
    }
    len = (size_t)snprintf(failure->detail, room, "TLS_error:");
    while ((code = ERR_get_error()) != 0 && len < room) {
        len += (size_t)snprintf(failure->detail + len, room - len, "|%u:%s:%s:%s", code,
                                failure_or_unknown(ERR_lib_error_string(code)),
                                failure_or_unknown(ERR_func_error_string(code)),
                                failure_or_unknown(ERR_reason_error_string(code)));
    }
    ERR_clear_error();
    if (verify_words != NULL && len < room) {
        (void)snprintf(failure->detail + len, room - len, ":%s", verify_words); /* cut is fine */
    }
}
