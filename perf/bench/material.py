"""What proxies are given: certificates as files, and the ten thousand hosts."""

import os
import pathlib

from support.certificates import Authority, write_secret

NAME = "bench.example.com"
MORE = "more.example.com"  # further virtual hosts lie below it


class Site:
    """One certificate in the shapes that proxies want: two files, both in one, a secret."""

    def __init__(self, directory, pair):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.cert = self.directory / "tls.crt"
        self.key = self.directory / "tls.key"
        self.both = self.directory / "both.pem"
        self.pair = pair
        self.write(pair)

    def write(self, pair):
        self.pair = pair
        self.cert.write_bytes(pair.cert_pem)
        self.key.write_bytes(pair.key_pem)
        self.both.write_bytes(pair.cert_pem + pair.key_pem)


class Material:
    """Made once a run, for all peers alike."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.authority = Authority()
        self._sites = {}
        self._hosts = {}

    def site(self, kind):
        if kind not in self._sites:
            pair = self.authority.issue(NAME, kind=kind)
            self._sites[kind] = Site(self.directory / kind, pair)
        return self._sites[kind]

    def hosts(self, count):
        if count not in self._hosts:
            self._hosts[count] = Hosts(self.directory / f"hosts-{count}", self.authority, count)
        return self._hosts[count]


class Hosts:
    """Many names with a certificate each: as mounted secrets, and as one file each with both."""

    def __init__(self, directory, authority, count):
        self.names = [f"host-{i:05}.example.com" for i in range(count)]
        self.authority = authority
        self.secrets = directory / "secrets"
        self.combined = directory / "combined"
        self.combined.mkdir(parents=True)
        for name in self.names:
            self.write(name, authority.issue(name))

    def cert(self, name):
        return self.secrets / name / "tls.crt"

    def key(self, name):
        return self.secrets / name / "tls.key"

    def both(self, name):
        return self.combined / f"{name}.pem"

    def write(self, name, pair):
        """Both shapes, each replaced as a whole."""
        write_secret(self.secrets / name, pair)
        fresh = self.combined / f".{name}.new"
        fresh.write_bytes(pair.cert_pem + pair.key_pem)
        os.rename(fresh, self.both(name))

    def renew(self, name):
        pair = self.authority.issue(name)
        self.write(name, pair)
        return pair
