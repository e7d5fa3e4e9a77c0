"""What the kernel accounts to a process and its descendants: CPU time and memory."""

import os
import pathlib

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def parse_stat(text):
    """(parent, user + system ticks, those of children that were waited for) of a /proc/PID/stat
    line. The name in brackets may hold anything, so what counts starts behind the last one."""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14])


def parse_sizes(text):
    """{name: KiB} of a smaps_rollup or status page."""
    sizes = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2] == "kB":
            sizes[words[0].rstrip(":")] = int(words[1])
    return sizes


def _read(*parts):
    try:
        return pathlib.Path("/proc", *map(str, parts)).read_text(errors="replace")
    except OSError:
        return None


def descendants(pid):
    """The process and all below it."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (text := _read(name, "stat")) is not None:
            children.setdefault(parse_stat(text)[0], []).append(int(name))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, ()))
    return found


class CpuMark:
    """CPU time of a process tree at one moment. Threads' own clocks run in nanoseconds; where a
    thread has ended between two marks, the coarser clocks of the processes count. A child that has
    ended is in what its parent has waited for."""

    def __init__(self, root):
        self.threads = {}
        self.own_ticks = 0
        self.waited_ticks = 0
        for pid in descendants(root):
            self._add(pid)

    def _add(self, pid):
        text = _read(pid, "stat")
        if text is None:
            return
        _, own, waited = parse_stat(text)
        self.own_ticks += own
        self.waited_ticks += waited
        try:
            names = os.listdir(f"/proc/{pid}/task")
        except OSError:
            return
        for name in names:
            clock = _read(pid, "task", name, "schedstat")
            if clock:
                self.threads[int(name)] = int(clock.split()[0])

    def seconds_since(self, former):
        ticks = self.waited_ticks - former.waited_ticks
        if self.threads and set(former.threads) <= set(self.threads):
            precise = sum(self.threads.values()) - sum(former.threads.values())
        else:
            precise = 0
            ticks += self.own_ticks - former.own_ticks
        return (precise + ticks * TICK_NS) / 1e9

    def seconds_of_life(self):
        """Since the processes began, in whole ticks."""
        return (self.own_ticks + self.waited_ticks) * TICK_NS / 1e9


def memory_kib(root):
    """Proportional set size of the tree: pages that its processes share count once."""
    total = 0
    for pid in descendants(root):
        text = _read(pid, "smaps_rollup")
        if text:
            total += parse_sizes(text).get("Pss", 0)
    return total
