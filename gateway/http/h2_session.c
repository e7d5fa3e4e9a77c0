/* h2_session: the library's session of an HTTP/2 connection: its memory, its options, our SETTINGS. Part of
 * an h2_conn, its loop's. */
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/http/h2_conn_state.h"

#include <nghttp2/nghttp2.h>

static void *h2_session_alloc(size_t size, void *context)
{
    return h2_memory_alloc(context, size);
}

static void h2_session_free(void *memory, void *context)
{
    h2_memory_free(context, memory);
}

static void *h2_session_alloc_array(size_t count, size_t size, void *context)
{
    return h2_memory_alloc_array(context, count, size);
}

static void *h2_session_resize(void *memory, size_t size, void *context)
{
    return h2_memory_resize(context, memory, size);
}

/* What the library watches for us, besides our own guard. */
static nghttp2_option *h2_session_options(void)
{
    nghttp2_option *option;

    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1); /* windows open as bodies are taken */
    nghttp2_option_set_no_closed_streams(option, 1);     /* no memory for streams that are gone */
    nghttp2_option_set_peer_max_concurrent_streams(option, 100);
    nghttp2_option_set_max_outbound_ack(option, LIMIT_H2_OUTBOUND_CONTROL_FRAMES);
    nghttp2_option_set_max_settings(option, LIMIT_H2_SETTINGS_ENTRIES);
    nghttp2_option_set_max_continuations(option, LIMIT_H2_CONTINUATIONS);
    nghttp2_option_set_max_send_header_block_length(option, LIMIT_H2_HEADER_BLOCK_BYTES);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, LIMIT_HPACK_TABLE_BYTES);
    /* CVE-2023-44487: behind h2_guard's own count, which knows which resets are honest. */
    nghttp2_option_set_stream_reset_rate_limit(option, 10000, 1000);
    return option;
}

static void h2_session_create(struct h2_conn *h2)
{
    nghttp2_mem memory = {
        .mem_user_data = &h2->memory,
        .malloc = h2_session_alloc,
        .free = h2_session_free,
        .calloc = h2_session_alloc_array,
        .realloc = h2_session_resize,
    };
    nghttp2_option *option = h2_session_options();
    nghttp2_session_callbacks *callbacks;
    int result;

    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    h2_receive_set_callbacks(callbacks);
    h2_send_set_callbacks(callbacks);
    result = h2->is_client
                 ? nghttp2_session_client_new3(&h2->session, callbacks, h2, option, &memory)
                 : nghttp2_session_server_new3(&h2->session, callbacks, h2, option, &memory);
    CHECK(result == 0); /* fails only for want of memory */
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
}

static void h2_session_send_settings(struct h2_conn *h2)
{
    uint32_t window = h2->limits.stream_window_bytes;
    nghttp2_settings_entry entries[5];
    size_t count = 0;

    entries[count++] =
        (nghttp2_settings_entry){ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, LIMIT_HPACK_TABLE_BYTES };
    entries[count++] =
        (nghttp2_settings_entry){ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                  window > 0 ? window : DEFAULT_STREAM_WINDOW_BYTES };
    entries[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                                                 (uint32_t)h2->limits.max_header_bytes };
    if (h2->is_client) {
        entries[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 };
    } else {
        /* To the client goes h2_conn_stream_limit(): see h2_send_tell_stream_limit(). */
        entries[count++] =
            (nghttp2_settings_entry){ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                      h2_conn_stream_limit(h2) + LIMIT_H2_OUTBOUND_CONTROL_FRAMES };
        entries[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 };
    }
    /* Both fail only for values out of range, which these are not, or want of memory. */
    CHECK(nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, count) == 0);
    CHECK(nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)LIMIT_H2_CONNECTION_WINDOW_BYTES) == 0);
}

void h2_session_start(struct h2_conn *h2)
{
    h2_session_create(h2);
    h2_session_send_settings(h2);
}
