#!/usr/bin/python3
"""Line coverage of the daemon's sources out of what gcov counted; the lines that nothing reached
stand in BUILD/report/FILE, to be read for holes.

  coverage_report.py BUILD
"""
import collections
import json
import os
import subprocess
import sys


def read_counts(build):
    counts = collections.defaultdict(lambda: collections.defaultdict(int))
    for folder, _, files in os.walk(os.path.join(build, "obj")):
        if "/tests" in folder:
            continue
        for name in files:
            if not name.endswith(".gcda"):
                continue
            done = subprocess.run(["gcov", "--json-format", "--stdout", os.path.join(folder, name)],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            if done.returncode != 0:
                continue
            for file in json.loads(done.stdout)["files"]:
                if not file["file"].startswith(("gateway/", "tls/", "config/")):
                    continue
                for line in file["lines"]:
                    counts[file["file"]][line["line_number"]] += line["count"]
    return counts


def write_holes(build, path, lines):
    target = os.path.join(build, "report", path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(path, encoding="utf-8") as source, open(target, "w", encoding="utf-8") as report:
        for number, text in enumerate(source, 1):
            mark = " " if number not in lines else "+" if lines[number] else "-"
            report.write(f"{mark} {number:>5}  {text}")


def main():
    build = sys.argv[1]
    layers = collections.defaultdict(lambda: [0, 0])
    total = [0, 0]
    for path, lines in sorted(read_counts(build).items()):
        reached = sum(1 for count in lines.values() if count)
        print(f"{100 * reached / len(lines):6.1f} %  {reached:>5} of {len(lines):>5}  {path}")
        write_holes(build, path, lines)
        for sums in (layers[os.path.dirname(path)], total):
            sums[0] += reached
            sums[1] += len(lines)
    print()
    for layer, (reached, lines) in sorted(layers.items()):
        print(f"{100 * reached / lines:6.1f} %  {reached:>5} of {lines:>5}  {layer}")
    if total[1]:
        print(f"{100 * total[0] / total[1]:6.1f} %  {total[0]:>5} of {total[1]:>5}  all")
    print(f"lines marked - in {build}/report were not reached")


if __name__ == "__main__":
    main()
