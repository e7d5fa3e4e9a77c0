/* local_reply: answers of the gateway's own. Pure; memory is the caller's arena. */
#include "gateway/proxy/local_reply.h"

#include "gateway/http/status.h"

/* LR-20. */
static struct str local_reply_reset_body(const struct outcome *outcome,
                                         const struct local_reply_reset *reset, struct arena *arena)
{
    return arena_printf(
        arena,
        "upstream connect error or disconnect/reset before headers. %sreset reason: %s%s%.*s",
        reset->is_retried ? "retried and the latest " : "", outcome->reset_reason,
        reset->transport_failure.len > 0 ? ", transport failure reason: " : "",
        STR_ARG(reset->transport_failure));
}

void local_reply_from_outcome(struct local_reply *reply, enum outcome_id id,
                              const struct local_reply_reset *reset, struct arena *arena)
{
    const struct outcome *outcome = outcome_get(id);

    *reply = (struct local_reply){ .status = outcome->status };
    reply->body = outcome->reset_reason != NULL ? local_reply_reset_body(outcome, reset, arena)
                                                : str_from_cstr(outcome->body);
    reply->is_overloaded = id == OUTCOME_UPSTREAM_OVERFLOW;
}

struct str local_reply_reset_details(const struct outcome *outcome, struct str transport_failure,
                                     bool is_response_started, struct arena *arena)
{
    const char *reason = outcome->reset_reason != NULL ? outcome->reset_reason : outcome->details;
    struct str details =
        arena_printf(arena, "upstream_reset_%s_response_started{%s%s%.*s}",
                     is_response_started ? "after" : "before", reason,
                     transport_failure.len > 0 ? "," : "", STR_ARG(transport_failure));
    char *bytes = arena_alloc(arena, details.len + 1);

    /* One word in the log, as Envoy writes it. */
    for (size_t i = 0; i < details.len; i++) {
        bytes[i] = (char)(details.ptr[i] == ' ' ? '_' : details.ptr[i]);
    }
    return str_from(bytes, details.len);
}

/* gRPC over HTTP/2, "Responses": the message is percent-encoded, space to tilde but for '%' stay.
 */
static struct str local_reply_encode_grpc_message(struct str message, struct arena *arena)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, message.len * 3 + 1);
    size_t len = 0;

    for (size_t i = 0; i < message.len; i++) {
        unsigned char byte = (unsigned char)message.ptr[i];
        if (byte >= ' ' && byte <= '~' && byte != '%') {
            out[len++] = (char)byte;
        } else {
            out[len++] = '%';
            out[len++] = digits[byte >> 4];
            out[len++] = digits[byte & 15];
        }
    }
    return str_from(out, len);
}

/* LR-30, LR-31: "trailers only", in the head. */
static void local_reply_build_grpc(const struct local_reply *reply, struct head *head,
                                   struct arena *arena)
{
    head->status = 200;
    headers_add_id(&head->headers, HEADER_CONTENT_TYPE, STR("application/grpc"));
    headers_add_id(&head->headers, HEADER_GRPC_STATUS,
                   arena_printf(arena, "%d", (int)status_to_grpc(reply->status)));
    if (reply->body.len > 0) {
        headers_add_id(&head->headers, HEADER_GRPC_MESSAGE,
                       local_reply_encode_grpc_message(reply->body, arena));
    }
}

struct str local_reply_build(const struct local_reply *reply, enum http_method method,
                             struct head *head, struct arena *arena)
{
    struct str none = { 0 };

    head_init(head, arena);
    head->version = HTTP_VERSION_1_1;
    if (reply->location.len > 0) {
        headers_add_id(&head->headers, HEADER_LOCATION, reply->location);
    }
    if (reply->is_overloaded) {
        headers_add(&head->headers, STR("x-envoy-overloaded"), STR("true"));
    }
    if (reply->is_grpc) {
        local_reply_build_grpc(reply, head, arena);
    } else {
        head->status = reply->status;
    }
    head->reason = status_reason(head->status);
    if (reply->is_grpc) {
        head->framing = BODY_NONE; /* the head is the end: no length is told where none is needed */
        return none;
    }
    /* GET stands for any method that may have a body in its answer: what is left is the status. */
    if (head_response_has_no_body(METHOD_GET, head->status)) {
        head->framing = BODY_NONE;
        return none;
    }
    if (reply->body.len > 0) {
        headers_add_id(&head->headers, HEADER_CONTENT_TYPE, STR("text/plain")); /* LR-24 */
    }
    head->framing = BODY_LENGTH;
    head->has_content_length = true;
    head->content_length = reply->body.len;
    return method == METHOD_HEAD ? none : reply->body; /* LR-26 */
}
