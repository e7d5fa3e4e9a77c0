"""Medians, spreads and how a figure is written."""

import statistics


class Spread:
    """Median and range of the rounds."""

    def __init__(self, values):
        self.values = sorted(values)
        self.median = statistics.median(self.values)
        self.low = self.values[0]
        self.high = self.values[-1]

    def __repr__(self):
        return f"Spread({self.values})"


def ratio(spread, base):
    """Of medians; None when there is nothing to compare with."""
    if spread is None or base is None or base.median == 0:
        return None
    return spread.median / base.median


def text_of(value):
    """Three digits that matter, no exponent."""
    if value is None:
        return "-"
    size = abs(value)
    if float(value).is_integer() and size < 1000:
        return f"{value:.0f}"
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}"
