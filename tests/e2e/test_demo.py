"""What `make run` starts: the demo serves, and the lines it prints answer as they say. Must show 1."""

import os
import re
import subprocess

from support.gateway import ROOT


def test_demo_lines_answer_as_said(tmp_path):
    env = dict(os.environ, DEMO_CHECK="1", DEMO_DIR=str(tmp_path / "demo"), DEMO_PORTS="pick")
    result = subprocess.run(
        ["bash", str(ROOT / "deploy/demo/run.sh")],
        env=env, capture_output=True, text=True, timeout=180, check=False,
        stdin=subprocess.DEVNULL, cwd=ROOT,
    )  # fmt: skip
    text = result.stdout + result.stderr
    assert result.returncode == 0, text[-6000:]
    for status in ("200", "301", "404"):
        assert re.search(rf"\b{status}\b", text), text[-6000:]
