"""Programs that the harness starts: each pinned to a core, ended with all its descendants."""

import os
import signal
import socket
import subprocess
import time

from . import proc

PROXY_CORE = min(os.sched_getaffinity(0))
LOAD_CORE = max(os.sched_getaffinity(0))
START_DEADLINE_S = 180.0  # of ten thousand hosts


class Failed(Exception):
    """A program did not do what it was asked to; the text says which and how."""


def wait_until(condition, what, deadline_s=START_DEADLINE_S, pause_s=0.002):
    end = time.monotonic() + deadline_s
    while not (found := condition()):
        if time.monotonic() > end:
            raise Failed(f"waited {deadline_s:.0f} s for {what}")
        time.sleep(pause_s)
    return found


def free_port():
    """A port for peers that cannot let the kernel pick one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Program:
    """A running program. Its output goes to `log`, unless `pipe` asks to talk to it."""

    running = []

    def __init__(self, command, log, cores=(PROXY_CORE,), pipe=False, **more):
        self.command = [str(word) for word in command]
        self.log = log
        pinned = ["taskset", "-c", ",".join(map(str, cores)), *self.command]
        self.started_at = time.monotonic()
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                pinned,
                stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else out,
                stderr=out,
                start_new_session=True,
                text=True,
                **more,
            )
        self.pid = self.process.pid
        Program.running.append(self)

    def last_words(self):
        with open(self.log, errors="replace") as file:
            lines = file.read().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def check_alive(self):
        if self.process.poll() is not None:
            raise Failed(
                f"{self.command[0]} ended with status {self.process.returncode}: {self.last_words()}"
            )

    def wait_port(self, port, deadline_s=START_DEADLINE_S):
        def is_up():
            self.check_alive()
            return accepts(port)

        wait_until(is_up, f"{self.command[0]} on port {port}", deadline_s)

    def read_line(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(10)
            raise Failed(f"{' '.join(self.command[:2])}: {self.last_words()}")
        return line.strip()

    def mark(self):
        return proc.CpuMark(self.pid)

    def stop(self):
        """At once, with its descendants: nobody is served any more, a drain would only take time."""
        if self in Program.running:
            Program.running.remove(self)
        family = proc.descendants(self.pid)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for pid in family[1:]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()


def stop_all():
    for program in list(Program.running):
        program.stop()
