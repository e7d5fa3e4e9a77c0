"""The scenarios, in the order in which they run and are reported."""

from . import bulk, connections, requests

GROUPS = {
    "connections": "New connections and handshakes",
    "requests": "Small requests",
    "bulk": "Bulk",
}


def all_scenarios():
    return [
        connections.HandshakeEcdsa(),
        connections.HandshakeRsa(),
        connections.HandshakeResumed(),
        connections.ConnectPlain(),
        connections.PassthroughConnect(),
        requests.Http1Tls(),
        requests.Http1TlsLog(),
        requests.Http2Tls(),
        requests.Http1Plain(),
        requests.RegexRoutes(),
        requests.WebSocket(),
        bulk.DownloadTls(),
        bulk.UploadTls(),
        bulk.DownloadPlain(),
        bulk.PassthroughBulk(),
    ]
