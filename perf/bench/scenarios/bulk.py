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
    mode = "download"
    what = ("--path", f"/bytes/{SIZE}")

    def measure(self, bench, peer, proxy, directory):
        def run(count):
            return self.client(
                bench, proxy, directory, self.mode, "--count", count, "--connections", CONNECTIONS,
                *self.what,
            )  # fmt: skip

        return bulk_sample(self.paced(bench, peer, run, 0.02, CONNECTIONS))


class UploadTls(DownloadTls):
    key = "upload-tls"
    title = "Upload of 10 MB bodies over TLS 1.3, HTTP/1.1, 8 connections"
    figures = cost(0.80)
    mode = "upload"
    what = ("--size", SIZE)


class DownloadPlain(DownloadTls):
    key = "download-plain"
    title = "Download of 10 MB bodies in clear, HTTP/1.1, 8 connections"
    needs = frozenset({"plain"})
    figures = cost(0.35)


class PassthroughBulk(DownloadTls):
    key = "passthrough-bulk"
    title = "Download of 10 MB bodies passed through by SNI (the origin has TLS), 8 connections"
    needs = frozenset({"passthrough"})
    figures = cost(0.33)
