#!/usr/bin/python3
"""Checks the rules of the tree that a compiler does not: layers, doors, names.

Prints one line per finding, FILE:LINE: text, and exits 1 when there is one.
"""
import os
import re
import sys

LAYERS = ["base", "observe", "net", "tls", "http", "route", "config", "upstream", "proxy",
          "admin", "daemon", "main"]
GENERATED = {"features.h", "version.h"}

# What may include which library: a pattern of the header, and of the files that are its door.
DOORS = [
    (r"yaml\.h", r"config/document\.c"),
    (r"pcre2(posix)?\.h", r"gateway/route/pattern\.c"),
    (r"nghttp2/.*", r"gateway/http/h2_\w+\.c"),
    (r"openssl/.*", r"tls/\w+\.[ch]"),
    # The byte queue is everywhere (`struct evbuffer`); the rest of libevent is the net layer's.
    (r"event2/(?!buffer\.h).*|event\.h|evhttp\.h|evdns\.h", r"gateway/net/\w+\.[ch]"),
]
# Entry points whose names are given from outside.
GIVEN_NAMES = {"main", "LLVMFuzzerTestOneInput"}
# One word, two layers: the form of a message, the sense of a configuration.
TWICE = {"validate"}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
# A definition starts in the first column; its parameters may go on for some lines, its body opens
# in the first column too.
DEFINITION = re.compile(r"^(?!static\b|typedef\b|#|/|\s|\}|else\b)[A-Za-z_][\w\s\*]*?\b(\w+)\(")
TO_DO = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\s*\(?#\d+)")
FOREIGN_PATH = re.compile(r"(?<![\w.])/(work|root|home/\w+)/")

TYPE = re.compile(r"^(?:struct|enum)\s+(\w+)\s*(?:\{|;|$)", re.M)

findings = []


def find(path, line, text):
    findings.append(f"{path}:{line}: {text}")


def layer_of(path):
    """The layer's index, or None for what is no part of the daemon."""
    parts = path.split("/")
    if path == "gateway/main.c":
        return LAYERS.index("main")
    if parts[0] in ("tls", "config"):
        return LAYERS.index(parts[0])
    if parts[0] == "gateway" and len(parts) > 2 and parts[1] in LAYERS:
        return LAYERS.index(parts[1])
    return None


def check_include(path, number, quote, name):
    if quote == '"':
        if name in GENERATED:
            return
        if not os.path.isfile(name):
            find(path, number, f'"{name}" is not spelled from the root of the tree')
            return
        own = layer_of(path)
        other = layer_of(name)
        if own is not None and (other is None or other > own):
            where = LAYERS[other] if other is not None else "no layer"
            find(path, number, f'layer {LAYERS[own]} may not include "{name}" ({where})')
    for header, door in DOORS:
        if layer_of(path) is not None and re.fullmatch(header, name):
            if not re.fullmatch(door, path):
                find(path, number, f"<{name}> may be included only by {door}")


def is_named_after(path, name):
    """By its file (`exchange_begin` in exchange.c), by its file's family (`read_pod` in read_core.c),
    by its folder (`tls_policy_compile` in tls/policy.c), or by a type that the family's headers declare (`timer_arm` in loop.c, for `struct timer`)."""
    folder, file = os.path.split(path)
    stem = os.path.splitext(file)[0]
    family = stem.split("_")[0]
    if name == stem or name.startswith((stem + "_", family + "_", os.path.basename(folder) + "_")):
        return True
    for header in sorted(os.listdir(folder)):
        if header.endswith(".h") and header.startswith(family):
            with open(os.path.join(folder, header), encoding="utf-8") as text:
                types = TYPE.findall(text.read())
            if name.startswith(tuple(kind + "_" for kind in types)):
                return True
    return False


def check_definitions(path, lines):
    for index, line in enumerate(lines):
        match = DEFINITION.match(line)
        if not match:
            continue
        head = ""
        for follow in lines[index:index + 12]:
            head += follow
            if follow.rstrip().endswith((";", "{")) or follow.startswith("{"):
                break
        name = match.group(1)
        if head.rstrip().endswith("{") and name not in GIVEN_NAMES and not is_named_after(path, name):
            find(path, index + 1, f"{name}() is not static and not named after its file or a type "
                 "of its header")


def check_text(path, lines):
    for number, line in enumerate(lines, 1):
        if TO_DO.search(line):
            find(path, number, "a to-do carries its issue number: TODO(#12)")
        if FOREIGN_PATH.search(line):
            find(path, number, "a path of somebody's machine")
        if "\t" in line and path.endswith((".c", ".h", ".py")):
            find(path, number, "a tab")
        if line.rstrip("\n") != line.rstrip("\n").rstrip():
            find(path, number, "blanks at the end of the line")


def check_c(path, lines):
    for number, line in enumerate(lines, 1):
        match = INCLUDE.match(line)
        if match:
            check_include(path, number, match.group(1), match.group(2))
    if layer_of(path) is not None:
        if path.endswith(".c"):
            check_definitions(path, lines)
        if not lines or not lines[0].startswith("/*"):
            find(path, 1, "a file begins with a comment: what it is, who owns it, which thread")


def check_unique(paths):
    places = {}
    for path in paths:
        if layer_of(path) is None:
            continue
        base, ending = os.path.splitext(path)
        if ending in (".c", ".h"):
            places.setdefault(os.path.basename(base), set()).add(base)
    for name, bases in sorted(places.items()):
        if len(bases) > 1 and name not in TWICE:
            find(sorted(bases)[1], 1, f"{name} is the name of another file: {sorted(bases)[0]}")


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    paths = []
    for top in ("gateway", "tls", "config", "tests", "perf", "deploy"):
        for folder, folders, files in os.walk(top):
            folders[:] = sorted(f for f in folders
                                if f not in ("corpus", "__pycache__", "node_modules", "dist"))
            paths += [os.path.join(folder, name) for name in sorted(files)]
    for path in paths:
        if not path.endswith((".c", ".h", ".py", ".sh", ".def", ".yaml")):
            continue
        if path == "tests/lint/check_layers.py":
            continue  # names what it forbids
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
        check_text(path, lines)
        if path.endswith((".c", ".h")):
            check_c(path, lines)
    check_unique(paths)
    for finding in findings:
        print(finding)
    if findings:
        print(f"check_layers: {len(findings)} findings", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
