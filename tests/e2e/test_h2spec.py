"""h2spec, the conformance tests of HTTP/2 and HPACK (RFC 9113, RFC 7541), against the HTTPS port and a
plain one. Must show 1. `make h2spec` fetches the program; where it is not there the test is skipped."""

import os
import re
import shutil
import subprocess

import pytest
from support import objects
from support.certificates import Authority, write_secret
from support.gateway import ROOT

TOOL = (
    os.environ.get("H2SPEC")
    or shutil.which("h2spec")
    or next((str(p) for p in [ROOT / "build/tools/h2spec"] if p.exists()), None)
)


def answer(origin, stream):
    """Whatever is asked for: enough bytes for the cases that look at flow control."""
    while stream.read_request() is not None:
        stream.answer(200, [("content-type", "text/plain")], b"x" * 4096)


@pytest.mark.skipif(TOOL is None, reason="h2spec is not installed: `make h2spec` fetches it")
@pytest.mark.parametrize("port", ["443", "80"])
def test_h2spec(new_gateway, new_origin, port):
    origin = new_origin(behaviour=answer)
    gateway = new_gateway(("--header-timeout", "5s"))
    write_secret(gateway.secrets / "cert", Authority().issue("localhost"))
    gateway.write(
        "all.yaml",
        objects.documents(
            objects.gateway(
                "gw", objects.http_server("*"), objects.https_server("*", credential="cert")
            ),
            objects.virtual_service("vs", objects.route("origin.test")),
            objects.service_entry("origin.test", origin.port),
        ),
    )
    gateway.start()
    command = [TOOL, "-h", "127.0.0.1", "-p", str(gateway.port(port)), "-o", "5"]
    if port == "443":
        command += ["-t", "-k"]
    done = subprocess.run(
        [*command, "generic", "hpack", "http2"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    report = done.stdout + done.stderr
    counts = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", report)
    assert counts, report[-4000:]
    print(f"\nh2spec on {port}: {counts.group(0)}")
    failed = set(re.findall(r"× \d+: (.*)", report))
    if port == "80":
        # What is no preface there is HTTP/1.1 (CN-39), and answered 400 as such.
        failed.discard("Sends invalid connection preface")
    else:
        assert int(counts.group(4)) == 0
    assert not failed and int(counts.group(3)) <= 1, report[-8000:]
    assert int(counts.group(1)) >= 100, counts.group(0)
