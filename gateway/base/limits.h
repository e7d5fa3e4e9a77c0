/* limits: every fixed cap of the program, each with its reason. Caps that an operator sets by
 * option have their default here. Bytes unless the name says otherwise. */
#ifndef GATEWAY_BASE_LIMITS_H
#define GATEWAY_BASE_LIMITS_H

/* --- Configuration input ---------------------------------------------------------------------- */
/* One file; etcd refuses objects beyond 1.5 MiB, a file may hold many. */
#define LIMIT_YAML_FILE_BYTES (64u * 1024u * 1024u)
/* Nodes of one document after aliases are expanded: stops "billion laughs". */
#define LIMIT_YAML_NODES (4u * 1000u * 1000u)
#define LIMIT_YAML_DEPTH 64u
#define LIMIT_YAML_ALIASES 1000u
#define LIMIT_YAML_DOCUMENTS 200000u
/* One scalar; a Secret's data is at most 1 MiB, base64 of it a third more. */
#define LIMIT_YAML_SCALAR_BYTES (4u * 1024u * 1024u)
#define LIMIT_CONFIG_FILES 200000u
#define LIMIT_CONFIG_DIR_DEPTH 16u
/* Findings kept per load; the rest is counted. */
#define LIMIT_FINDINGS 10000u
/* spec RL-48 */
#define LIMIT_REGEX_BYTES 1024u
/* Compiled size of one pattern, and the work one match may cost. */
#define LIMIT_REGEX_CODE_BYTES (256u * 1024u)
#define LIMIT_REGEX_MATCH_STEPS 100000u
#define LIMIT_REGEX_DEPTH 1000u
#define LIMIT_REGEX_HEAP_KIB 1024u
/* uriRegexRewrite (spec HT-74): replacements in one path, and what may come out of them. */
#define LIMIT_REGEX_REPLACEMENTS 1000u
#define LIMIT_REWRITTEN_PATH_BYTES (64u * 1024u)
/* spec HT-60 */
#define LIMIT_DIRECT_BODY_BYTES (1024u * 1024u)

/* --- Secrets ---------------------------------------------------------------------------------- */
#define LIMIT_SECRET_FILE_BYTES (1024u * 1024u)
#define LIMIT_SECRETS 100000u
#define LIMIT_CHAIN_CERTIFICATES 32u

/* --- TLS -------------------------------------------------------------------------------------- */
/* A ClientHello with post-quantum shares and ECH is about 4 KiB; BoringSSL's own cap is 16 KiB. */
#define LIMIT_CLIENT_HELLO_BYTES (16u * 1024u + 512u)
#define LIMIT_TLS_RECORD_BYTES (16u * 1024u)
#define DEFAULT_HANDSHAKE_TIMEOUT_MS 15000u /* spec TL-18 */
#define LIMIT_TICKET_LIFETIME_S 7200u
/* Sessions towards upstreams kept for one TLS policy, one a server name: a few KiB each. */
#define LIMIT_CLIENT_SESSIONS 64u

/* --- HTTP messages (spec CN-35; defaults of options) ------------------------------------------ */
#define DEFAULT_MAX_HEADER_BYTES (60u * 1024u)
#define LIMIT_MAX_HEADER_BYTES (1024u * 1024u)
#define DEFAULT_MAX_HEADERS 100u
#define LIMIT_MAX_HEADERS 1000u
/* A chunk line with its extensions: no peer needs more, and each is thrown away. */
#define LIMIT_CHUNK_LINE_BYTES 256u
/* Bytes of chunk extensions in one body before the peer is called hostile. */
#define LIMIT_CHUNK_EXTENSION_BYTES (16u * 1024u)
#define LIMIT_TRAILER_BYTES (16u * 1024u)
#define LIMIT_TRAILERS 100u
/* A method name; the longest registered one has 17 letters. */
#define LIMIT_METHOD_BYTES 32u
/* Host and :authority: a DNS name has at most 253 bytes, a port 6. */
#define LIMIT_AUTHORITY_BYTES 261u
/* Options in Connection: each is looked for among all fields. */
#define LIMIT_CONNECTION_OPTIONS 32u
/* Empty lines tolerated before a request line (RFC 9112 2.2). */
#define LIMIT_LEADING_EMPTY_LINES 2u
/* Interim responses (1xx) an origin may send for one request. */
#define LIMIT_INTERIM_RESPONSES 16u
/* Requests read ahead while an earlier answer is still under way: one is parsed, the rest waits in
 * the socket. */
#define LIMIT_PIPELINED_BYTES (64u * 1024u)

/* --- HTTP/2 (spec CN-38, CN-40) ---------------------------------------------------------------- */
#define DEFAULT_MAX_STREAMS 1024u
#define LIMIT_MAX_STREAMS 100000u
/* What a client may send on one stream before the upstream has taken it. */
#define DEFAULT_STREAM_WINDOW_BYTES (256u * 1024u)
/* One frame fits at least; more than the largest would let one stream hold what a thousand may. */
#define LIMIT_STREAM_WINDOW_MIN_BYTES (16u * 1024u)
#define LIMIT_STREAM_WINDOW_MAX_BYTES (16u * 1024u * 1024u)
/* Bodies that paused legs of one connection hold together; beyond that the connection's window is not
 * opened further. */
#define LIMIT_H2_HELD_BYTES (4u * 1024u * 1024u)
#define LIMIT_H2_CONNECTION_WINDOW_BYTES (1024u * 1024u)
/* An upstream that let a request go unanswered, and sent nothing else, has so long to answer a PING; not
 * more often than servers of gRPC bear with. */
#define LIMIT_H2_DOUBT_MS 10000u
#define LIMIT_H2_DOUBT_INTERVAL_MS 300000u
/* HPACK: what a peer may make us remember. */
#define LIMIT_HPACK_TABLE_BYTES 4096u
#define LIMIT_H2_CONTINUATIONS 8u
#define LIMIT_H2_SETTINGS_ENTRIES 32u
/* Frames of ours that wait because the peer reads nothing (answers to PING, SETTINGS, resets). */
#define LIMIT_H2_OUTBOUND_CONTROL_FRAMES 1000u
/* A header block as it unpacks, beyond what is answered with 431: a few bytes of HPACK can name the same
 * 4 KiB again and again. */
#define LIMIT_H2_HEADER_BLOCK_BYTES (2u * LIMIT_MAX_HEADER_BYTES)
/* Many streams behind one slow reader: once their bodies together pass LIMIT_H2_HELD_BYTES, each may queue
 * only so much. */
#define LIMIT_H2_CROWDED_BYTES (16u * 1024u)
/* Frames gather to so much before they go to the transport; with one more they fill 128 KiB. */
#define LIMIT_H2_OUTBOX_BYTES (111u * 1024u)
/* Ended streams whose memory is kept for the next ones of the connection. */
#define LIMIT_H2_SPARE_LEGS 16u
/* The same for the library's memory, half a KiB each at most; given back when the connection is idle. */
#define LIMIT_H2_SPARE_BLOCKS 64u

/* Short of memory, so many exchanges of a worker are given up at each look (a second), if each holds as
 * much as makes a difference. */
#define LIMIT_SHED_EXCHANGES 16u
#define LIMIT_SHED_BYTES (32u * 1024u)

/* --- PROXY protocol, tunnels ------------------------------------------------------------------- */
/* A header of version 2 with its TLVs; 536 bytes are usual, certificates in TLVs are not. */
#define LIMIT_PROXY_HEADER_BYTES 4096u
#define DEFAULT_TUNNEL_IDLE_TIMEOUT_MS 3600000u /* spec TT-26 */
/* Pipes of one worker that hold bytes on their way from socket to socket; each two descriptors and up to
 * 1 MiB of the kernel's. A direction that gets none is copied. */
#define LIMIT_SPLICE_PIPES 64u
/* Fewer where descriptors are few: one pipe, of two, for so many. */
#define LIMIT_SPLICE_PIPE_SHARE 128u
#define LIMIT_SPLICE_IDLE_PIPES 8u
/* The rest of a body goes by splice from so many bytes on: below, a read or two are as cheap. */
#define LIMIT_SPLICE_BODY_BYTES (256u * 1024u)

/* --- Bytes in flight -------------------------------------------------------------------------- */
/* Bodies wait in the out queue of the other leg: above high it is paused, below low resumed.
 * 256 KiB per stream is the promise: high and one usual read on top, or one large read of which
 * nothing could be passed on (loop_note_wait()). */
#define LIMIT_STREAM_HIGH_BYTES (128u * 1024u)
#define LIMIT_STREAM_LOW_BYTES (32u * 1024u)
/* One read: at first, and in bulk, where each read is filled and all of it passed on at once. On loopback
 * 64 KiB a read cost 0.72 CPU seconds a GB through TLS, 128 KiB 0.66, 256 KiB 0.60. */
#define LOOP_READ_BYTES (64u * 1024u)
#define LOOP_READ_BUFFER_BYTES (256u * 1024u)
/* A peer that makes us queue more than this outside bodies is cut off. */
#define LIMIT_TRANSPORT_QUEUE_BYTES (1024u * 1024u)

/* --- Deadlines, ms (spec 9.6; cli.md) --------------------------------------------------------- */
#define DEFAULT_HEADER_TIMEOUT_MS 60000u
#define DEFAULT_BODY_TIMEOUT_MS 60000u
/* A whole request: long enough for the largest upload, an end to the slowest one. */
#define DEFAULT_REQUEST_TIMEOUT_MS 3600000u
#define DEFAULT_WRITE_TIMEOUT_MS 60000u
#define DEFAULT_IDLE_TIMEOUT_MS 3600000u
#define DEFAULT_CONNECT_TIMEOUT_MS 10000u
#define DEFAULT_DRAIN_TIME_MS 5000u
#define LIMIT_LISTENER_DRAIN_MS                                                                    \
    45000u                           /* spec HR-5: what a listener that went away still has open */
#define LIMIT_DELAYED_CLOSE_MS 1000u /* lingering close, so that a refusal is read */
/* A client that half-closed after its request and gets nothing for so long is taken for gone. */
#define LIMIT_HALF_CLOSED_MS 1000u
/* Requests under way at one moment take turns with so many blocks of memory; in a larger crowd the rest
 * is allocated and freed. */
#define LIMIT_SPARE_ARENAS 64u
/* An idle HTTP/2 connection keeps its request memory for so long before giving it back. */
#define LIMIT_IDLE_ARENA_MS 2000u
#define LIMIT_LINGER_BYTES (256u * 1024u)
#define LOOP_TIMER_TICK_MS 16u

/* --- Upstreams -------------------------------------------------------------------------------- */
/* Requests in flight come back in waves: a pool that keeps fewer connections than a wave needs dials the
 * rest each time. HTTP/2 clients have hundreds in flight easily. */
#define LIMIT_POOL_IDLE_PER_ENDPOINT 1024u
#define LIMIT_POOL_IDLE_MS 60000u
/* After a crowd has left: the connections that nothing went through for so long are closed, all but a few
 * for each endpoint. */
#define LIMIT_POOL_UNUSED_MS 1000u
#define LIMIT_POOL_WARM 4u
/* A connection that told a PROXY header is of no use to other clients (spec DR-80): it is kept only for
 * the next request of a client that is at it. */
#define LIMIT_POOL_CLIENT_IDLE_MS 5000u
/* Streams an HTTP/2 upstream is taken to allow before its SETTINGS say (RFC 9113 6.5.2 recommends at
 * least so many). */
#define LIMIT_POOL_ASSUMED_STREAMS 100u
#define LIMIT_PENDING_REQUESTS 1024u
#define LIMIT_RETRY_STALE 2u
/* A request body up to here is kept so a stale pooled connection can be replaced. */
#define LIMIT_REPLAY_BODY_BYTES (64u * 1024u)
#define LIMIT_DNS_ADDRESSES 64u
#define DNS_REFRESH_MS 60000u /* spec SV-35 */
#define DNS_MIN_TTL_MS 1000u

/* --- Observation ------------------------------------------------------------------------------ */
#define LIMIT_METRIC_SERIES 20000u /* per family; what is beyond is counted as other */
#define LOG_RING_BYTES (1024u * 1024u)
#define LIMIT_LOG_LINE_BYTES (16u * 1024u)
/* One value in an access log line: a path of 60 KiB helps nobody who reads logs. */
#define LIMIT_LOG_VALUE_BYTES (4u * 1024u)

/* --- Process ---------------------------------------------------------------------------------- */
#define LIMIT_WORKERS 256u
#define LIMIT_LISTENERS 1024u
/* Descriptors kept back from client connections: listeners, upstreams, logs, files. */
#define RESERVED_DESCRIPTORS 64u

#endif
