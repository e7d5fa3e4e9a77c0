"""A polite client in a process of its own: how long its requests take, while this process's threads are
busy with an attack. `python3 pacer.py PORT COUNT TARGET` prints the seconds of each as JSON."""

import json
import pathlib
import subprocess
import sys
import time


def measure(port, count=40, target="/other"):
    """Seconds that each of `count` requests took, one after the other on one connection."""
    done = subprocess.run(
        [sys.executable, __file__, str(port), str(count), target],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def typical(port, count):
    """What four fifths of them stayed below: a stall shows in many, a busy machine's hiccup in a few."""
    return sorted(measure(port, count))[count * 4 // 5]


def main(port, count, target):
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
    from support import raw

    times = []
    with raw.Client(port) as client:
        for _ in range(count):
            start = time.monotonic()
            answer = client.request(target)
            times.append(time.monotonic() - start)
            assert answer is not None and answer.status == 200
            time.sleep(0.005)  # a client's own pace
    print(json.dumps(times))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
