/* client_log: the connection's part of a log record. In the worker's thread. */
#include "gateway/proxy/client_log.h"

void client_log_fill(struct client *client, struct format_record *record)
{
    struct tls_session_facts tls;

    client_describe(client);
    *record = (struct format_record){ 0 };
    record->duration_us = UINT64_MAX;
    record->request_duration_us = UINT64_MAX;
    record->response_duration_us = UINT64_MAX;
    record->upstream_service_us = UINT64_MAX;
    record->downstream_local_address = client_text(client, CLIENT_LOCAL_TEXT);
    record->downstream_remote_address = client_text(client, CLIENT_PEER_TEXT);
    record->downstream_direct_remote_address = client_text(client, CLIENT_DIRECT_TEXT);
    record->requested_server_name = client->server_name;
    record->connection_id = client->id;
    if (client->is_tls && client->transport != NULL &&
        transport_tls_facts(client->transport, &tls)) {
        record->downstream_tls_version = str_from_cstr(tls.version);
        record->downstream_tls_cipher = str_from_cstr(tls.cipher);
    }
}
