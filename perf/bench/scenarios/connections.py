"""New connections: handshakes, and connections with one request each."""

from .base import MICROSECONDS, Figure, Scenario, cost_sample

CONNECTIONS = 64  # at once


class HandshakeEcdsa(Scenario):
    key = "handshake-ecdsa"
    group = "connections"
    title = "New connection, full TLS 1.3 handshake with a P-256 certificate, one request, close"
    needs = frozenset({"tls"})
    figures = (Figure("cost", "CPU time of the proxy a connection", MICROSECONDS, 245.0),)
    options = ()

    def measure(self, bench, peer, proxy, directory):
        def run(count):
            return self.client(
                bench, proxy, directory, "connect", "--count", count, "--connections", CONNECTIONS,
                *self.options,
            )  # fmt: skip

        result = self.paced(bench, peer, run, 500e-6, CONNECTIONS * 4)
        sample = cost_sample(result)
        if "--resume" in self.options:
            # What was not resumed is another scenario.
            sample.failed += max(0, result.done - CONNECTIONS - result.told["resumed"])
        return sample


class HandshakeRsa(HandshakeEcdsa):
    key = "handshake-rsa"
    title = "The same with an RSA-2048 certificate"
    kind = "rsa"
    figures = (Figure("cost", "CPU time of the proxy a connection", MICROSECONDS, 830.0),)
    goal_note = "the library's RSA decides: OpenSSL has AVX-512 code for it, BoringSSL has not"


class HandshakeResumed(HandshakeEcdsa):
    key = "handshake-resumed"
    title = "New connection, TLS 1.3 resumed by a ticket, one request, close"
    figures = (Figure("cost", "CPU time of the proxy a connection", MICROSECONDS, 160.0),)
    options = ("--resume",)


class ConnectPlain(HandshakeEcdsa):
    key = "connect-plain"
    title = "New connection in clear, one request, close"
    needs = frozenset({"plain"})
    figures = (Figure("cost", "CPU time of the proxy a connection", MICROSECONDS, 28.0),)


class PassthroughConnect(HandshakeEcdsa):
    key = "passthrough-connect"
    title = "New connection passed through by SNI (the origin has TLS, resumed), one request, close"
    needs = frozenset({"passthrough"})
    options = ("--resume",)  # or the load would be busy with handshakes
    figures = (Figure("cost", "CPU time of the proxy a connection", MICROSECONDS, 50.0),)
