"""Results as text: a file a group, and one table of all."""

import datetime
import pathlib
import platform
import re

from .numbers import ratio, text_of

WHO = ("proxy", "client", "origin")


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    models = re.findall(r"^model name\s*: (.*)$", text, re.M) or [platform.machine()]
    return f"{len(models)} × {models[0]}, Linux {platform.release()}"


def header(bench, note):
    lines = [
        f"made by make perf, {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC",
        machine(),
        f"one worker on core 0, load and origin on core 1; {bench.rounds} rounds of about "
        f"{bench.seconds:g} s in turns; median (lowest to highest)",
    ]
    if note:
        lines.append(note)
    width = max(len(peer.name) for peer in bench.peers)
    lines += [
        f"  {peer.name:{width}}  {peer.version()}  {peer.library()}".rstrip()
        for peer in bench.peers
    ]
    return "\n".join(lines) + "\n"


def table(outcome):
    """One scenario."""
    scenario = outcome.scenario
    lines = [f"{scenario.key}: {scenario.title}"]
    heads = ["", *(column(f) for f in scenario.figures)]
    has_shares = any(row.share("proxy") is not None for row in outcome.rows)
    if has_shares:
        heads += [f"{who} %" for who in WHO]
    heads.append("failed")
    body = [cells(outcome, row, has_shares) for row in outcome.rows]
    lines += aligned([heads, *body])
    lines += [f"  {row.peer.name}: {row.failure}" for row in outcome.rows if row.failure]
    lines += verdicts(outcome)
    return "\n".join(lines) + "\n"


def column(figure):
    return f"{figure.title}, {figure.unit}"


def cells(outcome, row, has_shares):
    found = [row.peer.name]
    for figure in outcome.scenario.figures:
        spread = row.spread(figure.key)
        if spread is None:
            found.append("-")
            continue
        text = text_of(spread.median)
        if spread.low != spread.high:
            text += f" ({text_of(spread.low)} to {text_of(spread.high)})"
        times = ratio(spread, outcome.base.spread(figure.key)) if outcome.base else None
        if times is not None and row is not outcome.base:
            text += f" ×{times:.2f}"
        found.append(text)
    if has_shares:
        found += ["-" if row.share(w) is None else f"{100 * row.share(w):.0f}" for w in WHO]
    found.append(f"{row.failed}" if row.samples else "-")
    return found


def aligned(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  " + "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]  # fmt: skip


def verdicts(outcome):
    found = []
    for figure in outcome.scenario.figures:
        spread = outcome.base.spread(figure.key) if outcome.base else None
        if figure.goal is None or spread is None:
            continue
        sign = "≥" if figure.more_is_better else "≤"
        word = "met" if figure.is_met(spread.median) else "not met"
        found.append(
            f"  goal {sign} {figure.goal:g} {figure.unit}: {word} ({text_of(spread.median)})"
        )
    if outcome.scenario.goal_note:
        found.append(f"  {outcome.scenario.goal_note}")
    return found


def summary(outcomes, peers):
    """All scenarios in one table, for README.md: medians, and the ratio of the best peer."""
    heads = ["scenario", "unit", *(peer.name for peer in peers), "goal", "best peer"]
    lines = [heads, ["---"] * len(heads)]
    for outcome in outcomes:
        for figure in outcome.scenario.figures:
            if not figure.is_aside:
                lines.append(summary_row(outcome, figure, peers))
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def summary_row(outcome, figure, peers):
    by_name = {row.peer.name: row for row in outcome.rows}
    name = outcome.scenario.key
    if len(outcome.scenario.figures) > 1:
        name += f", {figure.title}"
    row = [name, figure.unit]
    row += [summary_cell(by_name.get(peer.name), figure) for peer in peers]
    row.append(f"{'≥' if figure.more_is_better else '≤'} {figure.goal:g}" if figure.goal else "–")
    row.append(best_peer(by_name, figure))
    return row


def summary_cell(row, figure):
    spread = row.spread(figure.key) if row else None
    if spread is None:
        return "failed" if row and row.failure else "–"
    if row.failure:
        return f"{text_of(spread.median)} (then failed)"
    return text_of(spread.median) + (f" ({row.failed} failed)" if row.failed else "")


def best_peer(by_name, figure):
    """Of those that served all they were asked for."""
    good = {
        name: row.spread(figure.key)
        for name, row in by_name.items()
        if row.spread(figure.key) and not row.failed and not row.failure
    }
    own = good.get("gatehouse")
    others = {n: s for n, s in good.items() if n != "null" and not n.startswith("gatehouse")}
    if not others or own is None:
        return "–"
    pick = max if figure.more_is_better else min
    name = pick(others, key=lambda n: others[n].median)
    times = ratio(others[name], own)
    return f"{name} ×{times:.2f}" if times is not None else f"{name} {text_of(others[name].median)}"
