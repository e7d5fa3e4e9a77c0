"""A scenario: what the proxies are asked to be, what they are asked for, and what is read off."""

import dataclasses

from .. import load
from ..peers.base import Job


@dataclasses.dataclass(frozen=True)
class Figure:
    """One number of a scenario. Less is better unless `more_is_better`."""

    key: str
    title: str
    unit: str
    goal: float = None
    more_is_better: bool = False
    is_aside: bool = False  # not in the table of all scenarios

    def is_met(self, value):
        if self.goal is None:
            return None
        return value >= self.goal if self.more_is_better else value <= self.goal


class Sample:
    """Of one proxy in one round."""

    def __init__(self, figures, failed=0, shares=None):
        self.figures = figures
        self.failed = failed
        self.shares = shares or {}


MICROSECONDS = "µs"


class Scenario:
    key = ""
    group = ""
    title = ""
    needs = frozenset({"tls", "http"})
    figures = ()
    kind = "ecdsa"  # of the site's certificate
    # Proxies run side by side and take turns; where memory is read or start-up is what is measured,
    # each has the machine to itself.
    is_side_by_side = True
    max_rounds = 99
    peers_wanted = None  # names; None: whoever can
    # Does it matter whether an access log is written? Then gatehouse has a row without.
    is_about_requests = True
    goal_note = ""
    tool = None  # a program of others that it needs for its load

    def __init__(self):
        self._pace = {}

    def job(self, bench, directory, **more):
        """What each proxy is started for."""
        return Job(
            directory=directory,
            site=bench.material.site(self.kind),
            origin_port=bench.origin.port,
            origin_tls_port=bench.origin.tls_port,
            needs=self.needs,
            **more,
        )

    def prepare(self, bench):
        """Once, before the first proxy starts."""

    def is_for(self, peer):
        if self.peers_wanted is not None and peer.name.split(",")[0] not in self.peers_wanted:
            return False
        return self.needs <= peer.can and (self.is_about_requests or peer.has_access_log)

    def measure(self, bench, peer, proxy, directory):
        raise NotImplementedError

    def client(self, bench, proxy, directory, mode, *options, **more):
        more.setdefault("tls", "plain" not in self.needs)
        return load.client(proxy, bench.origin, directory, mode, *options, **more)

    def paced(self, bench, peer, run, guess_s, at_least=1):
        """Runs as much as takes about the seconds asked for. The first time a shorter run tells the
        pace, and warms the proxy up."""
        failed = 0
        if peer.name not in self._pace:
            result = run(max(at_least, int(bench.seconds * 0.2 / guess_s)))
            self._pace[peer.name] = result.seconds / max(result.done, 1)
            failed = result.failed
        result = run(max(at_least, int(bench.seconds / self._pace[peer.name])))
        result.failed += failed
        return result


def cost_sample(result, figure="cost"):
    return Sample({figure: result.us_each}, result.failed, result.shares)


def bulk_sample(result):
    return Sample({"cost": result.seconds_a_gb}, result.failed, result.shares)
