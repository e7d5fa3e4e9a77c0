/* validate: what a well-formed message is: bytes of fields, framing, Host, hop-by-hop fields. Every
 * decision on how a body is delimited is taken here and nowhere else (RFC 9112 6.3). Pure. */
#ifndef GATEWAY_HTTP_VALIDATE_H
#define GATEWAY_HTTP_VALIDATE_H

#include "gateway/http/head.h"

/* Why a message is not accepted. `status` is the answer to a client; of an origin's message only
 * `detail` counts, and 431 for "too large". `detail` is a stable word for logs and metrics. */
struct refusal {
    unsigned status;
    const char *detail;
};

/* RFC 9110 5.6.2: one byte at least, token characters only. */
bool validate_is_token(struct str text);
/* A field name of HTTP/2 (RFC 9113 8.2.1): a token without upper case. */
bool validate_is_lower_token(struct str text);
/* RFC 9110 5.5: no control byte but the tab. Empty is fine. */
bool validate_is_field_value(struct str text);
/* A host with optional port as Host and :authority carry it: a name of letters, digits, "-._~", an
 * IPv4 address, or an IPv6 address in brackets; no user information, no list, a port of 1 to 65535.
 */
bool validate_authority(struct str authority);

/* A token of bounded length: 400 or 501. */
bool validate_method(struct str method, enum http_version version, struct refusal *refusal);
/* Three digits, 100 to 599: the rest has no meaning (RFC 9110 15). */
bool validate_status(struct str digits, unsigned *status);

/* A complete request head of HTTP/1: version, Host against the target's authority, framing,
 * Connection, Expect, Upgrade. Fills framing, content_length, wants_close, expects_continue,
 * authority, upgrade; an absolute-form target replaces Host (spec HD-12). False: *refusal says why.
 */
bool validate_request(struct head *head, struct refusal *refusal);
/* The same decisions on a head of HTTP/2, whose pseudo-headers were taken apart: authority is
 * :authority or empty, upgrade is :protocol (method is GET then). `is_end_stream`: no body follows. */
bool validate_request_of_stream(struct head *head, bool is_end_stream, struct refusal *refusal);

/* A complete response head, for a request of this method; `asked_upgrade` is that request's upgrade:
 * a 101 is believed where it names it, and begins a tunnel. Fills framing, content_length, upgrade
 * and wants_close. False: the origin cannot be believed; *refusal says why. */
bool validate_response(struct head *head, enum http_method request_method, struct str asked_upgrade,
                       struct refusal *refusal);
/* HTTP/2: a 2xx to an extended CONNECT is what 101 is to HTTP/1.1, and becomes one (RFC 8441 5). */
bool validate_response_of_stream(struct head *head, enum http_method request_method,
                                 struct str asked_upgrade, bool is_end_stream,
                                 struct refusal *refusal);

/* May a writer send this field as it stands? Not what ends at this hop or is written anew from what
 * was decided (Host, framing, Connection, TE), and not what a rule of the configuration may have
 * built although no message can carry it: such a field is left out. */
bool validate_may_send(const struct header *header);

/* What to do with a field of a trailer section (RFC 9110 6.5.1). */
enum trailer_verdict {
    TRAILER_KEEP,
    TRAILER_DROP,   /* belongs in a head: credentials, cookies, routing, what a proxy sets */
    TRAILER_REFUSE, /* framing or Host: somebody tries to smuggle */
};
enum trailer_verdict validate_trailer(const struct header *field);

#endif
