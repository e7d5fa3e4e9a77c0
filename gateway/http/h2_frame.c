/* h2_frame: bytes of an HTTP/2 connection cut into frames, so that each is judged by its header before the
 * library sees it: floods (h2_guard.c), and frames of streams that are gone, which the library alone passes
 * over. Part of an h2_conn, its loop's. */
#include "gateway/base/limits.h"
#include "gateway/http/h2_conn_state.h"

#include <nghttp2/nghttp2.h>

enum {
    H2_FRAME_TYPE_BYTE = 3,
    H2_FRAME_FLAGS_BYTE = 4,
    H2_FRAME_STREAM_BYTE = 5,
};

static struct h2_leg *h2_frame_leg(struct h2_conn *h2)
{
    int32_t stream_id = h2->frame.stream_id;

    if (stream_id == 0 || (!h2->is_client && stream_id > h2->last_stream_id)) {
        return NULL;
    }
    return nghttp2_session_get_stream_user_data(h2->session, stream_id);
}

/* --- Streams that are gone (RFC 9113 5.1, 5.1.1) ---------------------------------------------- */

static uint8_t *h2_frame_closed_slot(struct h2_conn *h2, int32_t stream_id)
{
    return &h2->closed_how[((uint32_t)stream_id >> 1) % H2_CLOSED_WINDOW];
}

static bool h2_frame_is_client_id(int32_t stream_id)
{
    return (stream_id & 1) != 0;
}

/* A higher id than all before: those between are closed without having been used. */
static void h2_frame_note_opened(struct h2_conn *h2, int32_t stream_id)
{
    int32_t oldest = stream_id - 2 * (H2_CLOSED_WINDOW - 1);
    int32_t skipped = h2->last_stream_id == 0 ? 1 : h2->last_stream_id + 2;

    for (skipped = skipped > oldest ? skipped : oldest; skipped < stream_id; skipped += 2) {
        if (skipped > 0) {
            *h2_frame_closed_slot(h2, skipped) = H2_CLOSED_SKIPPED;
        }
    }
    /* Until it is known better: a stream that is not taken is gone for us before the client knows. */
    *h2_frame_closed_slot(h2, stream_id) = H2_CLOSED_BY_US;
    h2->last_stream_id = stream_id;
}

void h2_frame_note_closed(struct h2_conn *h2, int32_t stream_id, enum h2_closed how)
{
    if (h2->last_stream_id - stream_id < 2 * H2_CLOSED_WINDOW) {
        *h2_frame_closed_slot(h2, stream_id) = (uint8_t)how;
    }
}

/* DATA or HEADERS of a stream we do not have. The library passes over them; the RFC asks for an error where
 * the client must have known. False: the connection is to end. */
static bool h2_frame_judge_late(struct h2_conn *h2)
{
    const struct h2_frame_reader *frame = &h2->frame;
    bool is_head = frame->type == NGHTTP2_HEADERS;

    if (frame->stream_id > h2->last_stream_id) {
        if (is_head) {
            h2_frame_note_opened(h2, frame->stream_id);
        }
        return true; /* DATA of an idle stream is the library's to refuse */
    }
    if ((h2->last_stream_id - frame->stream_id) / 2 >= H2_CLOSED_WINDOW) {
        return h2_conn_count(h2, H2_DEED_UNKNOWN_FRAME); /* too long ago to say whose fault it is */
    }
    switch ((enum h2_closed) * h2_frame_closed_slot(h2, frame->stream_id)) {
    case H2_CLOSED_SKIPPED:
        if (is_head) {
            h2_conn_blame(h2, "http2.stream_id_goes_down", NGHTTP2_PROTOCOL_ERROR);
        } else {
            h2_conn_blame(h2, "http2.stream_closed", NGHTTP2_STREAM_CLOSED);
        }
        return false;
    case H2_CLOSED_COMPLETE:
        h2_conn_blame(h2, "http2.stream_closed", NGHTTP2_STREAM_CLOSED);
        return false;
    case H2_CLOSED_BY_RESET:
        /* A stream error; the block of a head still has to go through HPACK. */
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, frame->stream_id,
                                        NGHTTP2_STREAM_CLOSED); /* memory only */
        h2_conn_later(h2);
        return true;
    case H2_CLOSED_BY_US:
    default:
        return true; /* was under way when we reset it */
    }
}

/* --- Frames as they begin and end ------------------------------------------------------------- */

static bool h2_frame_judge_reset(struct h2_conn *h2, const struct h2_leg *leg)
{
    if (h2->is_client) {
        return true;
    }
    if (leg == NULL) {
        return h2_conn_count(h2, H2_DEED_UNKNOWN_FRAME);
    }
    return leg->leg.is_response_started || h2_conn_count(h2, H2_DEED_RESET);
}

static bool h2_frame_judge_continuation(struct h2_conn *h2)
{
    if (++h2->continuation_count > LIMIT_H2_CONTINUATIONS) {
        h2_conn_blame(h2, "http2.continuation_flood", NGHTTP2_ENHANCE_YOUR_CALM);
        return false;
    }
    return h2->frame.length > 0 || (h2->frame.flags & NGHTTP2_FLAG_END_HEADERS) != 0 ||
           h2_conn_count(h2, H2_DEED_EMPTY_FRAME);
}

/* The header of a frame is there, the library has not seen it. False: the connection is to end. */
static bool h2_frame_judge(struct h2_conn *h2)
{
    struct h2_frame_reader *frame = &h2->frame;
    struct h2_leg *leg = h2_frame_leg(h2);

    if (leg != NULL) {
        leg->leg.wire_received_bytes += H2_FRAME_HEADER_BYTES + frame->length;
    }
    switch (frame->type) {
    case NGHTTP2_HEADERS:
        h2->is_in_block = true;
        h2->continuation_count = 0;
        h2->block_bytes = 0;
        break;
    case NGHTTP2_DATA:
        /* Told from the frame, not by what the library hands on: of a stream that we reset it hands on
         * nothing, and what was under way then is the peer's good right. */
        frame->has_content = frame->length > 0;
        break;
    case NGHTTP2_RST_STREAM:
        return h2_frame_judge_reset(h2, leg);
    case NGHTTP2_CONTINUATION:
        return h2_frame_judge_continuation(h2);
    case NGHTTP2_PRIORITY:
        return h2_conn_count(h2, H2_DEED_PRIORITY);
    case NGHTTP2_SETTINGS:
        return h2_conn_count(h2, H2_DEED_SETTINGS);
    case NGHTTP2_PING:
        return h2_conn_count(h2, H2_DEED_PING);
    case NGHTTP2_WINDOW_UPDATE:
        return h2_conn_count(h2, H2_DEED_WINDOW_UPDATE);
    default:
        return h2_conn_count(h2, H2_DEED_UNKNOWN_FRAME);
    }
    return leg != NULL || h2->is_client || !h2_frame_is_client_id(frame->stream_id) ||
           h2_frame_judge_late(h2);
}

void h2_frame_end(struct h2_conn *h2)
{
    struct h2_frame_reader *frame = &h2->frame;

    frame->header_bytes = 0;
    if ((frame->type == NGHTTP2_HEADERS || frame->type == NGHTTP2_CONTINUATION) &&
        (frame->flags & NGHTTP2_FLAG_END_HEADERS) != 0) {
        h2->is_in_block = false;
        h2_conn_end_block(h2);
    }
    if (frame->type == NGHTTP2_DATA && !frame->has_content &&
        (frame->flags & NGHTTP2_FLAG_END_STREAM) == 0) {
        (void)h2_conn_count(h2, H2_DEED_EMPTY_FRAME); /* notes the blame itself */
    }
}

static uint32_t h2_frame_u24(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 8 | bytes[2];
}

static void h2_frame_read_header(struct h2_frame_reader *frame)
{
    const unsigned char *header = frame->header;

    frame->length = h2_frame_u24(header);
    frame->type = header[H2_FRAME_TYPE_BYTE];
    frame->flags = header[H2_FRAME_FLAGS_BYTE];
    frame->stream_id = (int32_t)((uint32_t)(header[H2_FRAME_STREAM_BYTE] & 0x7f) << 24 |
                                 h2_frame_u24(header + H2_FRAME_STREAM_BYTE + 1));
    frame->payload_left = frame->length;
}

size_t h2_frame_next_step(struct h2_conn *h2, const unsigned char *bytes, size_t len)
{
    struct h2_frame_reader *frame = &h2->frame;
    size_t step = 0;

    if (frame->preface_left > 0) {
        step = frame->preface_left < len ? frame->preface_left : len;
        frame->preface_left -= step;
        return step;
    }
    if (frame->header_bytes < H2_FRAME_HEADER_BYTES) {
        size_t missing = H2_FRAME_HEADER_BYTES - frame->header_bytes;

        step = missing < len ? missing : len;
        memcpy(frame->header + frame->header_bytes, bytes, step);
        frame->header_bytes += step;
        if (step < missing) {
            return step;
        }
        h2_frame_read_header(frame);
        if (!h2_frame_judge(h2)) {
            return 0;
        }
    }
    size_t part = frame->payload_left < len - step ? frame->payload_left : len - step;

    if (part > 0 && frame->payload_left == frame->length && frame->type == NGHTTP2_DATA &&
        (frame->flags & NGHTTP2_FLAG_PADDED) != 0) {
        frame->has_content = frame->length > 1u + bytes[step]; /* Pad Length (RFC 9113 6.1) */
    }
    frame->payload_left -= part;
    return step + part;
}

bool h2_frame_is_whole(const struct h2_conn *h2)
{
    const struct h2_frame_reader *frame = &h2->frame;

    return frame->header_bytes == H2_FRAME_HEADER_BYTES && frame->payload_left == 0;
}
