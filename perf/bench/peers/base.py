"""A proxy to be measured: what it can do, how it is started, and the running thing."""

import ctypes
import dataclasses
import pathlib
import re
import shutil
import subprocess
import typing

from .. import programs


@dataclasses.dataclass
class Job:
    """What a proxy is asked to be. One listener, one origin."""

    directory: pathlib.Path
    site: typing.Any  # material.Site
    origin_port: int  # plain HTTP/1.1
    origin_tls_port: int = 0
    needs: frozenset = frozenset({"tls"})  # of what Peer.can lists
    workers: int = 1
    cores: tuple = (programs.PROXY_CORE,)
    patterns: tuple = ()  # regex routes, the last of which is asked for
    hosts: typing.Any = None  # material.Hosts
    more_names: tuple = ()  # further virtual hosts, each with a route of its own

    @property
    def is_tls(self):
        """Is TLS terminated here?"""
        return "tls" in self.needs

    @property
    def is_passthrough(self):
        return "passthrough" in self.needs

    @property
    def is_websocket(self):
        return "websocket" in self.needs

    @property
    def has_log(self):
        return "log" in self.needs


class Proxy:
    """A started peer."""

    def __init__(self, program, port):
        self.program = program
        self.port = port
        self.job = None  # what it was started for

    def stop(self):
        self.program.stop()


class Peer:
    """`can` names what a scenario may need: tls http http2 plain passthrough websocket regex hosts
    log renew reload. A peer that cannot do it has no row there."""

    name = ""
    binary = ""
    package = ""
    can = frozenset()
    has_access_log = True  # where a scenario asks for one

    def path(self):
        return shutil.which(self.binary)

    def is_there(self):
        return self.path() is not None

    def how_to_install(self):
        return f"apt-get install {self.package or self.binary}"

    def version(self):
        return ""

    def library(self):
        return library_of(self.path())

    def start(self, job):
        raise NotImplementedError

    def renew(self, proxy, name):
        """Makes the renewed certificate of a host (None: the site's), which lies in its files
        already, served, the way this peer documents."""
        raise NotImplementedError

    def reload(self, proxy):
        """Reads its configuration anew, the way this peer documents."""
        raise NotImplementedError


def output_of(*command):
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, check=False, timeout=30
    )
    return done.stdout + done.stderr


def first_match(pattern, text):
    found = re.search(pattern, text)
    return found[1] if found else "?"


def library_of(binary):
    """The TLS library that a program is linked with, as the library itself says; of BoringSSL, which
    has no versions, the package."""
    found = re.search(r"libcrypto\S* => (\S+)", output_of("ldd", binary))
    if not found:
        return "TLS library linked in"
    library = ctypes.CDLL(found[1], mode=ctypes.RTLD_LOCAL)
    library.OpenSSL_version.restype = ctypes.c_char_p
    text = library.OpenSSL_version(0).decode()
    if "BoringSSL" in text and shutil.which("dpkg-query"):
        package = output_of("dpkg-query", "-S", found[1]).partition(":")[0]
        text += f", {output_of('dpkg-query', '-W', package).strip()}".replace("\t", " ")
    return text
