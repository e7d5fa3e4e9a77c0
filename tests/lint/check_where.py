#!/usr/bin/python3
"""Checks docs/where.md: each `FILE:FUNCTION` in backticks names a file of the tree (its end is
enough: `route/match.c`) and something defined in it. Exits 1 when one does not."""
import os
import re
import sys

PLACE = re.compile(r"`([\w./-]+\.(?:[ch]|def|py|sh))(?::(\w+)(?:\(\))?)?`")


def read_tree():
    paths = []
    for top in ("gateway", "tls", "config", "tests", "perf", "deploy"):
        for folder, _, files in os.walk(top):
            paths += [os.path.join(folder, name) for name in files]
    return paths


def check_place(paths, file, symbol):
    found = [path for path in paths if path == file or path.endswith("/" + file)]
    if not found:
        return f"there is no {file}"
    if len(found) > 1:
        return f"{file} is not one file: {' '.join(sorted(found))}"
    if symbol:
        with open(found[0], encoding="utf-8") as source:
            if not re.search(rf"^[^\s/*#].*\b{symbol}\b|^#define {symbol}\b|^\s*(?:X|OUTCOME|METRIC)"
                             rf"\({symbol}\b|^    {symbol}\b", source.read(), re.M):
                return f"{found[0]} does not define {symbol}"
    return ""


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    paths = read_tree()
    failed = 0
    with open("docs/where.md", encoding="utf-8") as page:
        for number, line in enumerate(page, 1):
            for file, symbol in PLACE.findall(line):
                text = check_place(paths, file, symbol)
                if text:
                    failed += 1
                    print(f"docs/where.md:{number}: {text}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
