#!/usr/bin/python3
"""Runs clang-tidy over the sources, two at a time; a file that was clean and has not changed since
(nor any header) is not checked again.

  run_tidy.py --build DIR SOURCE... -- COMPILER-FLAGS
"""
import argparse
import concurrent.futures
import glob
import os
import subprocess
import sys


def newest(paths):
    return max((os.path.getmtime(path) for path in paths), default=0.0)


def check(source, stamp, flags):
    done = subprocess.run(["clang-tidy", "--quiet", "--warnings-as-errors=*", source, "--"] + flags,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode == 0:
        os.makedirs(os.path.dirname(stamp), exist_ok=True)
        with open(stamp, "w", encoding="utf-8"):
            pass
        return ""
    # What clang-tidy says about suppressed warnings of system headers goes to standard error.
    return done.stdout or done.stderr


def main():
    split = sys.argv.index("--")
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("sources", nargs="+")
    arguments = parser.parse_args(sys.argv[1:split])
    flags = sys.argv[split + 1:]
    common = newest(glob.glob("gateway/*/*.h") + glob.glob("gateway/*/*.def") + glob.glob("tls/*.h")
                    + glob.glob("config/*.h") + [".clang-tidy"])
    due = []
    for source in arguments.sources:
        stamp = os.path.join(arguments.build, "tidy", source + ".clean")
        if not os.path.exists(stamp) or os.path.getmtime(stamp) < max(common, newest([source])):
            due.append((source, stamp))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for output in pool.map(lambda item: check(item[0], item[1], flags), due):
            if output:
                failed += 1
                print(output, end="")
    if failed:
        print(f"clang-tidy: {failed} of {len(due)} files have findings", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
