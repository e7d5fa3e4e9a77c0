"""Large bodies."""

from .base import Figure, Scenario, bulk_sample

SIZE = 10_000_000
CONNECTIONS = 8


def cost(goal):
    return (Figure("cost", "CPU time of the proxy a GB", "s/GB", goal),)


class DownloadTls(Scenario):
    key = "download-tls"
    group = "bulk"
    title = "Download of 10 MB bodies over TLS 1.3, HTTP/1.1, 8 connections"
    needs = frozenset({"tls"})
    figures = cost(0.60)
    guess_s_a_gb = 0.8
    mode = "download"
    what = ("--path", f"/bytes/{SIZE}")

    def measure(self, bench, peer, proxy, directory):
        count = max(CONNECTIONS, int(bench.seconds / self.guess_s_a_gb * 1e9 / SIZE))
        return bulk_sample(
            self.client(
                bench, proxy, directory, self.mode, "--count", count, "--connections", CONNECTIONS,
                *self.what,
            )
        )  # fmt: skip


class UploadTls(DownloadTls):
    key = "upload-tls"
    title = "Upload of 10 MB bodies over TLS 1.3, HTTP/1.1, 8 connections"
    figures = cost(0.80)
    guess_s_a_gb = 1.0
    mode = "upload"
    what = ("--size", SIZE)


class DownloadPlain(DownloadTls):
    key = "download-plain"
    title = "Download of 10 MB bodies in clear, HTTP/1.1, 8 connections"
    needs = frozenset({"plain"})
    figures = cost(0.35)
    guess_s_a_gb = 0.5


class PassthroughBulk(DownloadTls):
    key = "passthrough-bulk"
    title = "Download of 10 MB bodies passed through by SNI (the origin has TLS), 8 connections"
    needs = frozenset({"passthrough"})
    figures = cost(0.33)
    guess_s_a_gb = 1.0  # the load's
