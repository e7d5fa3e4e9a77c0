"""One gateway under strace or callgrind, and what they saw between two moments."""

import collections
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from support import gateway as gateway_module
from support import wait
from support.certificates import Authority, write_secret
from support.gateway import Gateway

from counting.scenarios import NAME

SYSTEM_CALLS = {
    "read calls": ("read", "recvfrom", "recvmsg", "readv"),
    "write calls": ("write", "sendto", "sendmsg", "writev"),
    "splice": ("splice",),
    "epoll_wait": ("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    "epoll_ctl": ("epoll_ctl",),
    "accept to close": ("accept4", "socket", "bind", "connect", "shutdown", "close"),
    "socket options": ("setsockopt", "getsockopt", "getsockname", "getpeername", "fcntl", "ioctl"),
    "clock, timers": ("clock_gettime", "gettimeofday", "timerfd_settime"),
    "futex": ("futex",),
    "memory": ("brk", "mmap", "munmap", "madvise", "mprotect"),
}
ALLOCATORS = ("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign")
SETTLED_POLLS = 5
START_DEADLINE_S = 120.0
# A string instruction counts once a byte under valgrind, and which copies use one differs between
# processors: none does here.
TUNABLES = {
    "GLIBC_TUNABLES": "glibc.cpu.x86_rep_movsb_threshold=4294967296"
    ":glibc.cpu.x86_rep_stosb_threshold=4294967296"
}


class Run:
    """One gateway of one worker as the child of a tool. Use as a context manager."""

    def __init__(self, scenario, directory, prefix, env=None):
        self.scenario = scenario
        self.gateway = Gateway(directory, ("--workers", "1", "--log-level", "warn"), env)
        write_secret(self.gateway.secrets / "a-cert", Authority().issue(NAME))
        self.gateway.write("all.yaml", scenario.objects())
        plain_command = self.gateway.command
        self.gateway.command = lambda: [*prefix, *plain_command()]

    def __enter__(self):
        gateway_module.START_DEADLINE_S = START_DEADLINE_S
        self.gateway.start()
        tool = self.gateway.process.pid
        children = pathlib.Path(f"/proc/{tool}/task/{tool}/children").read_text().split()
        self.pid = int(children[0]) if children else tool  # valgrind becomes what it runs
        self.scenario.open(self.gateway)
        self.settle()
        return self

    def __exit__(self, *_):
        self.scenario.close()
        if self.gateway.process.poll() is None:
            subprocess.run(["kill", "-TERM", str(self.pid)], check=False)
        self.gateway.process.wait(120)

    def settle(self):
        """Until the process has used no CPU for a few looks: the end of one connection is not
        counted with the beginning of the next phase."""
        seen = []

        def is_settled():
            fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            seen.append(fields[11:13])
            return seen[-SETTLED_POLLS:].count(seen[-1]) == SETTLED_POLLS

        wait.until(is_settled, "a process at rest", START_DEADLINE_S, 0.02)

    def thread_of_worker(self):
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "worker-0":
                return int(task.name)
        raise AssertionError("no thread is named worker-0")


# --- strace ---------------------------------------------------------------------------------------


def strace_refusal():
    """Why system calls cannot be counted here; None when they can."""
    try:
        done = subprocess.run(
            ["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "strace is not installed"
    return None if done.returncode == 0 else f"strace is refused: {done.stderr.strip()}"


def system_calls(scenario):
    """[(name, count)]: those of the worker by group, then those of all other threads."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "strace.txt"
        prefix = ["strace", "-f", "-ttt", "-s", "0", "-e", "signal=none", "-o", str(out)]
        with Run(scenario, directory, prefix) as run:
            worker = run.thread_of_worker()
            begin = time.time()
            scenario.drive(scenario.amounts[0])
            run.settle()
            end = time.time()
        calls = collections.Counter()
        others = 0
        for line in out.open(encoding="ascii", errors="replace"):
            found = re.match(r"(\d+) +([\d.]+) (\w+)\(", line)
            if found is None or not begin <= float(found[2]) <= end:
                continue
            if int(found[1]) == worker:
                calls[found[3]] += 1
            else:
                others += 1
    rows = [(name, sum(calls.pop(x, 0) for x in row)) for name, row in SYSTEM_CALLS.items()]
    rows += [("other calls", sum(calls.values())), ("other threads", others)]
    share = scenario.amounts[0] / scenario.per
    return [(name, count / share) for name, count in rows]


# --- callgrind ------------------------------------------------------------------------------------


def callgrind_refusal():
    try:
        subprocess.run(["valgrind", "--version"], capture_output=True, check=True)
    except FileNotFoundError:
        return "valgrind is not installed"
    return None


def tell(pid, *words):
    """A word to the callgrind of a process."""
    subprocess.run(["vgdb", f"--pid={pid}", *words], capture_output=True, check=True, timeout=120)


def read_profile(path):
    """(instructions, allocations) of a dump. A call that one allocator makes of another is not a
    second allocation."""
    names = {}
    allocations = total = 0
    caller = callee = None
    for line in path.open(encoding="utf-8", errors="replace"):
        if found := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?", line):
            if found[3] is not None:
                names[found[2]] = found[3].partition("'")[0]
            if found[1]:
                callee = names[found[2]]
            else:
                caller = names[found[2]]
        elif line.startswith("calls="):
            if callee in ALLOCATORS and caller not in ALLOCATORS:
                allocations += int(line[6:].split()[0])
        elif found := re.match(r"(?:totals|summary): (\d+)", line):
            total = int(found[1])
    return total, allocations


def instructions(scenario):
    """[(name, count)]: allocations and instructions of the whole process."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "callgrind.out"
        prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "-q"]
        with Run(scenario, directory, prefix, TUNABLES) as run:
            tell(run.pid, "zero")
            scenario.drive(scenario.amounts[1])
            run.settle()
            tell(run.pid, "dump")
            total, allocations = read_profile(pathlib.Path(f"{out}.1"))
    share = scenario.amounts[1] / scenario.per
    return [("allocations", allocations / share), ("instructions", total / share)]
