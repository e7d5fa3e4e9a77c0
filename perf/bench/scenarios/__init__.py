"""The scenarios, in the order in which they run and are reported."""

from . import bulk, connections, hosts, latency, memory, requests, scale

GROUPS = {
    "connections": "New connections and handshakes",
    "requests": "Small requests",
    "bulk": "Bulk",
    "memory": "Memory",
    "hosts": "Ten thousand hosts",
    "latency": "Latency at a fixed rate",
    "scale": "Two workers",
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
        memory.Idle(),
        memory.Storm(),
        hosts.Hosts(),
        hosts.Renew(),
        latency.Latency(),
        latency.LatencyReload(),
        latency.LatencyRenewal(),
        scale.Scale(),
        scale.Balance(),
    ]
