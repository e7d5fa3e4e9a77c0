#!/usr/bin/python3
"""Which rules of docs/istio-semantics.md are named by a test, section by section.

Rules of docs/not-built.md do not count. A rule is defined where its id starts a list item or a table row: `- GW-1 ...`, `| TL-12 | ...`. A
test names it in a comment, a name or a string. `--missing` alone prints only the ids not named;
`--minimum SECTION=PERCENT` (repeatable) exits 1 below that.
"""
import argparse
import os
import re
import sys

SPEC = "docs/istio-semantics.md"
NOT_BUILT = "docs/not-built.md"
SECTION = re.compile(r"^## (\d+)\. (.*)")
RULE = re.compile(r"^\s*(?:[-*]|\|)\s*\**([A-Z]{2}-\d+[a-z]?)\b")
ID = re.compile(r"\b([A-Z]{2})[-_](\d+[a-z]?)\b")
# "GW-20 to GW-23", "GW-20..23", "GW-20 to 23"
RANGE = re.compile(r"\b([A-Z]{2})-(\d+)\s*(?:to|\.\.|-|–)\s*(?:\1-)?(\d+)\b")


def read_rules():
    sections = []
    seen = set()
    with open(SPEC, encoding="utf-8") as spec:
        for line in spec:
            section = SECTION.match(line)
            if section:
                sections.append((section.group(1), section.group(2).strip(), []))
                continue
            rule = RULE.match(line)
            if rule and sections and rule.group(1) not in seen:
                seen.add(rule.group(1))
                sections[-1][2].append(rule.group(1))
    return [section for section in sections if section[2]]


def find_ids(text):
    ids = {f"{prefix}-{number}" for prefix, number in ID.findall(text)}
    for prefix, first, last in RANGE.findall(text):
        # A range in a comment names each of its rules; more than twenty is a section.
        if 0 < int(last) - int(first) <= 20:
            ids.update(f"{prefix}-{n}" for n in range(int(first), int(last) + 1))
    return ids


def read_not_built():
    with open(NOT_BUILT, encoding="utf-8") as page:
        # The first column only: the second may name what is built.
        return find_ids("\n".join(line.split("|")[1] for line in page if line.startswith("| ")))


def read_named():
    named = set()
    for folder, _, files in os.walk("tests"):
        for name in files:
            if not name.endswith((".c", ".h", ".py", ".yaml")) or "lint" in folder.split("/"):
                continue
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                text = file.read()
            named |= find_ids(text)
    return named


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    parser = argparse.ArgumentParser()
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--minimum", action="append", default=[])
    arguments = parser.parse_args()
    minimum = dict(item.split("=") for item in arguments.minimum)
    named = read_named()
    not_built = read_not_built()
    total = covered = 0
    is_low = False
    for number, title, every_rule in read_rules():
        rules = [rule for rule in every_rule if rule not in not_built]
        later = len(every_rule) - len(rules)
        if not rules:
            print(f"{number:>3}    not built: {later:>2}      {title}")
            continue
        missing = [rule for rule in rules if rule not in named]
        count = len(rules) - len(missing)
        percent = 100 * count // len(rules)
        total += len(rules)
        covered += count
        if number in minimum and percent < int(minimum[number]):
            is_low = True
        if not arguments.missing:
            print(f"{number:>3}  {count:>3} of {len(rules):>3}  {percent:>3} %  {title}"
                  + (f"; {later} not built" if later else ""))
        if missing:
            print(f"     not named: {' '.join(missing)}")
    print(f"     {covered} of {total} rules that are built are named by a test")
    return 1 if is_low else 0


if __name__ == "__main__":
    sys.exit(main())
