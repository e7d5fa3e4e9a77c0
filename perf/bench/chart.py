"""Bars as SVG: one block a figure, one bar a peer, a whisker from lowest to highest, a line where
the goal is. Colours follow the reader's light or dark scheme."""

from xml.sax.saxutils import escape

from .numbers import text_of

WIDTH = 860
LABEL = 190
RIGHT = 110
BAR = 16
STEP = 22
HEAD = 54  # of a block
TOP = 56

COLOURS = (  # class, property, light, dark
    (".paper", "fill", "#ffffff", "#0d1117"),
    ("text", "fill", "#1f2328", "#e6edf3"),
    (".soft", "fill", "#59636e", "#9198a1"),
    (".own", "fill", "#0969da", "#4493f8"),
    (".own2", "fill", "#54aeff", "#1f6feb"),
    (".peer", "fill", "#afb8c1", "#565d66"),
    (".floor", "fill", "#d8dee4", "#30363d"),
    (".whisker", "stroke", "#1f2328", "#e6edf3"),
    (".goal", "stroke", "#bc4c00", "#f0883e"),
    (".goaltext", "fill", "#bc4c00", "#f0883e"),
)
SHAPES = """\
text { font: 13px system-ui, sans-serif; } .head { font-size: 18px; font-weight: 600; }
.title { font-weight: 600; } .unit { font-weight: 400; } .goaltext { font-size: 11px; }
.whisker { stroke-width: 1.2; opacity: .7; } .goal { stroke-width: 1.6; stroke-dasharray: 4 3; }
"""


def style():
    light = "".join(f"{name} {{ {what}: {value}; }}\n" for name, what, value, _ in COLOURS)
    dark = "".join(f"{name} {{ {what}: {value}; }}\n" for name, what, _, value in COLOURS)
    return f"{SHAPES}{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n"


def colour(name):
    if name == "gatehouse":
        return "own"
    if name.startswith("gatehouse"):
        return "own2"
    return "floor" if name == "null" else "peer"


def blocks_of(outcomes):
    """(title, unit, goal, [(peer, spread)]) of each figure that somebody has."""
    for outcome in outcomes:
        for figure in outcome.scenario.figures:
            bars = [(row.peer.name, row.spread(figure.key)) for row in outcome.rows]
            bars = [(name, spread) for name, spread in bars if spread is not None]
            if bars:
                title = outcome.scenario.title
                if len(outcome.scenario.figures) > 1:
                    title = f"{outcome.scenario.key}: {figure.title}"
                unit = figure.unit + (" (longer is better)" if figure.more_is_better else "")
                yield title, unit, figure.goal, bars


def draw(title, outcomes):
    blocks = list(blocks_of(outcomes))
    height = TOP + sum(HEAD + STEP * len(bars) for *_, bars in blocks) + 12
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>\n{style()}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="head" x="16" y="32">{escape(title)}</text>',
        f'<text class="soft" x="{WIDTH - 16}" y="32" text-anchor="end">shorter is better</text>',
    ]
    y = TOP
    for block in blocks:
        parts += draw_block(y, *block)
        y += HEAD + STEP * len(block[3])
    return "\n".join([*parts, "</svg>", ""])


def draw_block(y, title, unit, goal, bars):
    largest = max([spread.high for _, spread in bars] + [goal or 0]) or 1
    scale = (WIDTH - LABEL - RIGHT) / largest
    parts = [
        f'<text class="title" x="16" y="{y + 18}">{escape(title)}'
        f'<tspan class="soft unit">\u00a0– {escape(unit)}</tspan></text>'
    ]
    top = y + HEAD - 12
    for i, (name, spread) in enumerate(bars):
        parts += draw_bar(top + i * STEP, name, spread, scale)
    if goal:
        x = LABEL + goal * scale
        bottom = top + STEP * len(bars) - (STEP - BAR)
        parts.append(
            f'<line class="goal" x1="{x:.1f}" x2="{x:.1f}" y1="{top - 3}" y2="{bottom + 3}"/>'
        )
        parts.append(
            f'<text class="goaltext" x="{x + 3:.1f}" y="{top - 4}">goal {text_of(goal)}</text>'
        )
    return parts


def draw_bar(y, name, spread, scale):
    middle = y + BAR / 2
    low, high = LABEL + spread.low * scale, LABEL + spread.high * scale
    end = LABEL + spread.median * scale
    return [
        f'<text x="{LABEL - 8}" y="{middle + 4.5}" text-anchor="end">{escape(name)}</text>',
        f'<rect class="{colour(name)}" x="{LABEL}" y="{y}" width="{max(end - LABEL, 1):.1f}" '
        f'height="{BAR}" rx="2"/>',
        f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>',
        f'<text x="{max(high, end) + 6:.1f}" y="{middle + 4.5}">{text_of(spread.median)}</text>',
    ]
