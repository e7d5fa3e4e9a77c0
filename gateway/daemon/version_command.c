/* version_command: what this binary is made of. */
#include "gateway/daemon/version_command.h"

#include "config/document.h"
#include "gateway/base/json.h"
#include "gateway/http/h2_conn.h"
#include "gateway/net/libevent_version.h"
#include "gateway/route/pattern.h"
#include "tls/context.h"

#include <stdio.h>

/* Made by the Makefile; a plain compiler call goes without. */
#if defined(__has_include)
#if __has_include("version.h")
#include "version.h"
#endif
#endif
#ifndef GATEHOUSE_VERSION
#define GATEHOUSE_VERSION "unknown"
#define GATEHOUSE_COMMIT "unknown"
#endif

const char *version_command_version(void)
{
    return GATEHOUSE_VERSION;
}

const char *version_command_commit(void)
{
    return GATEHOUSE_COMMIT;
}

struct version_library {
    const char *name;
    const char *version;
};

static void version_command_write_text(const struct version_library *libraries, size_t count,
                                       struct text *out)
{
    text_printf(out, "gatehouse %s (commit %s)\n", GATEHOUSE_VERSION, GATEHOUSE_COMMIT);
    for (size_t i = 0; i < count; i++) {
        text_printf(out, "%s %s\n", libraries[i].name, libraries[i].version);
    }
    text_printf(out, "TLS features: %s\n", tls_library_features());
}

static void version_command_write_json(const struct version_library *libraries, size_t count,
                                       struct text *out)
{
    struct json json;

    json_init(&json, out, true);
    json_open_object(&json);
    json_put_cstr(&json, "version", GATEHOUSE_VERSION);
    json_put_cstr(&json, "commit", GATEHOUSE_COMMIT);
    json_key(&json, "libraries");
    json_open_object(&json);
    for (size_t i = 0; i < count; i++) {
        json_put_cstr(&json, libraries[i].name, libraries[i].version);
    }
    json_close_object(&json);
    json_put_cstr(&json, "tls_features", tls_library_features());
    json_close_object(&json);
    text_add_char(out, '\n');
}

int version_command_run(bool is_json)
{
    const struct version_library libraries[] = {
        { tls_library_name(), tls_library_version() }, { "libevent", libevent_version() },
        { "libyaml", document_library_version() },     { "pcre2", pattern_library_version() },
        { "nghttp2", h2_conn_library_version() },
    };
    const size_t count = sizeof(libraries) / sizeof(libraries[0]);
    struct text out = { 0 };

    if (is_json) {
        version_command_write_json(libraries, count, &out);
    } else {
        version_command_write_text(libraries, count, &out);
    }
    bool is_written = fwrite(out.ptr, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    text_cleanup(&out);
    return is_written ? 0 : 1;
}
