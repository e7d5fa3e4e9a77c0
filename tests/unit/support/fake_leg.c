/* fake_leg: records what is done to a leg. */
#include "tests/unit/support/fake_leg.h"

static struct fake_leg *fake_leg_of(struct leg *leg)
{
    return list_object(leg, struct fake_leg, leg);
}

static void fake_leg_send_head(struct leg *leg, const struct head *head, bool is_end)
{
    struct fake_leg *fake = fake_leg_of(leg);

    if (head->status == 0) {
        text_printf(&fake->heads, "%.*s %.*s ", STR_ARG(head->method_text), STR_ARG(head->path));
    } else {
        text_printf(&fake->heads, "%u ", head->status);
    }
    for (size_t i = 0; i < head->headers.count; i++) {
        text_printf(&fake->heads, "%.*s: %.*s; ", STR_ARG(head->headers.items[i].name),
                    STR_ARG(head->headers.items[i].value));
    }
    text_add_char(&fake->heads, '\n');
    fake->upgrade = head->upgrade;
    if (head->status > 0 && head->status < 200 && head->status != 101) {
        fake->interim_count++;
        return;
    }
    fake->status = head->status;
    fake->is_head_end = is_end;
    leg->is_response_started = true;
}

static void fake_leg_send_body(struct leg *leg, const unsigned char *bytes, size_t len)
{
    text_add(&fake_leg_of(leg)->body, str_from((const char *)bytes, len));
}

static void fake_leg_send_end(struct leg *leg, const struct headers *trailers)
{
    struct fake_leg *fake = fake_leg_of(leg);

    fake->is_ended = true;
    for (size_t i = 0; trailers != NULL && i < trailers->count; i++) {
        text_printf(&fake->trailers, "%.*s: %.*s; ", STR_ARG(trailers->items[i].name),
                    STR_ARG(trailers->items[i].value));
    }
}

static void fake_leg_abort(struct leg *leg, enum leg_abort why)
{
    fake_leg_of(leg)->is_aborted = true;
    fake_leg_of(leg)->abort_reason = why;
}

static void fake_leg_pause(struct leg *leg)
{
    fake_leg_of(leg)->is_paused = true;
}

static void fake_leg_resume(struct leg *leg)
{
    fake_leg_of(leg)->is_paused = false;
}

static bool fake_leg_is_above_high(const struct leg *leg)
{
    return ((const struct fake_leg *)(const void *)leg)->is_full; /* its first member */
}

static size_t fake_leg_queued_bytes(const struct leg *leg)
{
    return ((const struct fake_leg *)leg)->queued_bytes;
}

static void fake_leg_release(struct leg *leg)
{
    fake_leg_of(leg)->is_released = true;
    leg->handler = NULL;
}

static const struct leg_ops fake_leg_ops = {
    .send_head = fake_leg_send_head,
    .send_body = fake_leg_send_body,
    .send_end = fake_leg_send_end,
    .abort = fake_leg_abort,
    .pause = fake_leg_pause,
    .resume = fake_leg_resume,
    .is_above_high = fake_leg_is_above_high,
    .queued_bytes = fake_leg_queued_bytes,
    .release = fake_leg_release,
};

static void fake_leg_drain(struct conn *conn)
{
    list_object(conn, struct fake_leg, conn)->is_drained_conn = true;
}

static const struct conn_ops fake_leg_conn_ops = {
    .drain = fake_leg_drain,
};

void fake_leg_init(struct fake_leg *fake)
{
    *fake = (struct fake_leg){ 0 };
    fake->arena = arena_new(4096);
    fake->leg.ops = &fake_leg_ops;
    fake->leg.conn = &fake->conn;
    fake->conn.ops = &fake_leg_conn_ops;
    fake->conn.version = HTTP_VERSION_1_1;
    head_init(&fake->request, fake->arena);
    fake_leg_request(fake, "GET", "a.com", "/");
}

void fake_leg_cleanup(struct fake_leg *fake)
{
    arena_free(fake->arena);
    text_cleanup(&fake->heads);
    text_cleanup(&fake->body);
    text_cleanup(&fake->trailers);
}

void fake_leg_request(struct fake_leg *fake, const char *method, const char *authority,
                      const char *path)
{
    struct head *request = &fake->request;
    struct str target = str_from_cstr(path);
    size_t mark = str_find_char(target, '?');

    request->version = HTTP_VERSION_1_1;
    request->method_text = str_from_cstr(method);
    request->method = http_method_from(request->method_text);
    request->authority = str_from_cstr(authority);
    headers_set_id(&request->headers, HEADER_HOST, request->authority);
    request->target = target;
    request->path = str_slice(target, 0, mark);
    request->has_query = mark != SIZE_MAX;
    request->query = request->has_query ? str_skip(target, mark + 1) : str_from(NULL, 0);
}

struct head *fake_leg_response(struct fake_leg *fake, unsigned status)
{
    struct head *response = arena_new_object(fake->arena, struct head);

    head_init(response, fake->arena);
    response->version = fake->conn.version;
    response->status = status;
    return response;
}

void fake_leg_head(struct fake_leg *fake, struct head *head, bool is_end)
{
    if (fake->leg.handler != NULL) {
        fake->leg.handler->on_head(fake->leg.owner, &fake->leg, head, is_end);
    }
}

void fake_leg_bytes(struct fake_leg *fake, struct str bytes)
{
    if (fake->leg.handler != NULL) {
        fake->leg.handler->on_body(fake->leg.owner, &fake->leg, (const unsigned char *)bytes.ptr,
                                   bytes.len);
    }
}

void fake_leg_body(struct fake_leg *fake, const char *bytes)
{
    fake_leg_bytes(fake, str_from_cstr(bytes));
}

void fake_leg_complete_with(struct fake_leg *fake, const struct headers *trailers)
{
    if (fake->leg.handler != NULL) {
        fake->leg.handler->on_complete(fake->leg.owner, &fake->leg, trailers);
    }
}

void fake_leg_complete(struct fake_leg *fake)
{
    fake_leg_complete_with(fake, NULL);
}

void fake_leg_drained(struct fake_leg *fake)
{
    fake->is_full = false;
    if (fake->leg.handler != NULL) {
        fake->leg.handler->on_drained(fake->leg.owner, &fake->leg);
    }
}

void fake_leg_end(struct fake_leg *fake, enum leg_end end)
{
    if (fake->leg.handler != NULL) {
        fake->leg.handler->on_end(fake->leg.owner, &fake->leg, end);
    }
}

bool fake_leg_saw(const struct fake_leg *fake, const char *text)
{
    return fake->heads.ptr != NULL && strstr(fake->heads.ptr, text) != NULL;
}
