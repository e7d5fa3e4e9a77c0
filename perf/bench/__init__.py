"""The scenarios of `make perf`: gatehouse beside its peers, in CPU time a piece of work."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The tests' certificates, objects and gateway serve here too.
sys.path.insert(0, str(ROOT / "tests/e2e"))
