"""Runs a scenario: starts the peers, takes the rounds in turns, keeps what each showed."""

import collections
import os
import pathlib
import shutil
import tempfile

from . import programs
from .material import Material
from .numbers import Spread
from .programs import Failed
from .tools import Origin


class Row:
    """A peer's rounds in one scenario."""

    def __init__(self, peer):
        self.peer = peer
        self.samples = []
        self.failure = None

    def spread(self, key):
        values = [s.figures[key] for s in self.samples if s.figures.get(key) is not None]
        return Spread(values) if values else None

    @property
    def failed(self):
        return sum(s.failed for s in self.samples)

    def share(self, who):
        values = [s.shares[who] for s in self.samples if who in s.shares]
        return Spread(values).median if values else None


class Outcome:
    def __init__(self, scenario, rows):
        self.scenario = scenario
        self.rows = rows

    @property
    def base(self):
        """The row that ratios are of."""
        return next((row for row in self.rows if row.peer.name == "gatehouse"), None)


class Bench:
    """What scenarios share during one run."""

    def __init__(self, peers, rounds, seconds, say=print):
        self.peers = peers
        self.rounds = rounds
        self.seconds = seconds
        self.say = say
        self.origin = None
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="gatehouse-perf-"))
        # Peers that give up root must reach their files.
        self.directory.chmod(0o755)
        # In memory, as a kubelet mounts secrets: a start is not to wait for this machine's disk.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else self.directory
        self.material_directory = pathlib.Path(
            tempfile.mkdtemp(prefix="gatehouse-perf-", dir=memory)
        )
        self.material_directory.chmod(0o755)
        self.material = Material(self.material_directory)
        self._count = collections.Counter()

    def close(self):
        programs.stop_all()
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.rmtree(self.material_directory, ignore_errors=True)

    def fresh_directory(self, name):
        self._count[name] += 1
        found = self.directory / f"{name}-{self._count[name]}".replace(" ", "-").replace(",", "")
        found.mkdir()
        return found

    def run(self, scenario):
        rows = [Row(peer) for peer in self.peers if scenario.is_for(peer)]
        rounds = min(self.rounds, scenario.max_rounds)
        home = self.fresh_directory(scenario.key)
        self.origin = Origin(home, self.material.site(scenario.kind))
        try:
            scenario.prepare(self)
            if scenario.is_side_by_side:
                self._take_turns(scenario, rows, rounds)
            else:
                self._one_by_one(scenario, rows, rounds)
        finally:
            self.origin.stop()
            programs.stop_all()
            shutil.rmtree(home, ignore_errors=True)
        return Outcome(scenario, rows)

    def _start(self, scenario, row):
        directory = self.fresh_directory(f"{scenario.key}-{row.peer.name}")
        try:
            job = scenario.job(self, directory)
            proxy = row.peer.start(job)
            proxy.job = job
            return proxy, directory
        except (Failed, OSError) as error:
            self._give_up(scenario, row, error)
            return None, directory

    def _measure(self, scenario, row, proxy, directory):
        try:
            row.samples.append(scenario.measure(self, row.peer, proxy, directory))
        except (Failed, OSError, ValueError, AssertionError) as error:
            self._give_up(scenario, row, error)

    def _give_up(self, scenario, row, error):
        row.failure = str(error)
        self.say(f"{scenario.key}, {row.peer.name}: {error}")

    def _take_turns(self, scenario, rows, rounds):
        started = [(row, *self._start(scenario, row)) for row in rows]
        for _ in range(rounds):
            for row, proxy, directory in started:
                if row.failure is None:
                    self._measure(scenario, row, proxy, directory)
        for _, proxy, _ in started:
            if proxy is not None:
                proxy.stop()

    def _one_by_one(self, scenario, rows, rounds):
        for _ in range(rounds):
            for row in rows:
                if row.failure is None:
                    proxy, directory = self._start(scenario, row)
                    if proxy is not None:
                        self._measure(scenario, row, proxy, directory)
                        proxy.stop()
                    shutil.rmtree(directory, ignore_errors=True)
