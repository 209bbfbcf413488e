"""Charts as SVG, drawn here so that a report needs nothing from elsewhere: a histogram, and lines over time. Pure.

Colours are variables of the page's style sheet, so that they follow its light and its dark form. Everything that is
drawn can be pointed at: a title says the value.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from console.bench.histogram import Histogram

#: The size of a chart, and the room for the numbers beside and below it, in units of the drawing.
WIDTH, HEIGHT = 560, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 10, 26

#: A histogram's bars: so many for each tenfold.
_BARS = 12

#: A line has at most so many points: more are not to be told apart.
_POINTS = 360


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart over time. `colour` is a number, of the page's palette."""

    name: str
    colour: int
    points: Sequence[tuple[float, float]]  # seconds since the start, value


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places in the drawing."""

    low: float
    high: float
    begin: float
    end: float
    is_logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (self._bent(number) for number in (self.low, self.high, value))
        return self.begin + (value - low) / (high - low) * (self.end - self.begin)

    def _bent(self, value: float) -> float:
        return math.log10(value) if self.is_logarithmic else value


def histogram_chart(now: Histogram, before: Histogram | None, spelled: Callable[[float], str], label: str) -> str:
    """Bars over a logarithmic axis of lengths of time; those of an earlier run as an outline, as shares of all.

    What is shorter than a hundredth of a millisecond stands at that.
    """
    shares = _shares(now)
    earlier = _shares(before) if before is not None and before.total else {}
    if not shares:
        return ""
    first, last = min({*shares, *earlier}), max({*shares, *earlier})
    x = _Scale(_edge(first), _edge(last + 1), _LEFT, WIDTH - _RIGHT, is_logarithmic=True)
    y = _Scale(0.0, max([*shares.values(), *earlier.values()]), HEIGHT - _BOTTOM, _TOP)
    drawn = [_grid(y, lambda share: f"{share:.0%}" if y.high > 0.05 else f"{share:.1%}"), _log_axis(x)]
    for bar, share in sorted(shares.items()):
        drawn.append(_bar(x, y, bar, share, "bar", spelled))
    for bar, share in sorted(earlier.items()):
        drawn.append(_bar(x, y, bar, share, "ghost", spelled))
    return _svg(drawn, label)


def lines_chart(lines: Sequence[Line], spelled: Callable[[float], str], label: str) -> str:
    """Lines over time, in seconds since the start; "" if there is nothing to draw."""
    shown = [Line(line.name, line.colour, _thinned(line.points)) for line in lines if line.points]
    if not shown:
        return ""
    end = max(1e-3, *(point[0] for line in shown for point in line.points))
    most = max(value for line in shown for _, value in line.points)
    x = _Scale(0.0, end, _LEFT, WIDTH - _RIGHT)
    y = _Scale(0.0, most or 1.0, HEIGHT - _BOTTOM, _TOP)
    drawn = [_grid(y, spelled), _time_axis(x)]
    for line in shown:
        places = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in line.points)
        greatest = spelled(max(value for _, value in line.points))
        title = f"<title>{escape(line.name)}: at most {escape(greatest)}</title>"
        if len(line.points) == 1:
            at, value = line.points[0]
            drawn.append(
                f'<circle class="dot c{line.colour}" cx="{x(at):.1f}" cy="{y(value):.1f}" r="3">{title}</circle>'
            )
        else:
            drawn.append(f'<polyline class="line c{line.colour}" points="{places}">{title}</polyline>')
    return _svg(drawn, label)


def legend(lines: Sequence[Line]) -> str:
    """The names of the lines, with their colours."""
    items = "".join(f'<li><i class="c{line.colour}"></i>{escape(line.name)}</li>' for line in lines if line.points)
    return f'<ul class="legend">{items}</ul>'


def _svg(drawn: Sequence[str], label: str) -> str:
    head = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
    return "\n".join([head, *drawn, "</svg>"])


# --- bars


def _shares(histogram: Histogram) -> dict[int, float]:
    """Bar -> its share of all. A bar's number says between which powers of ten it lies."""
    shares: dict[int, float] = {}
    for low, high, count in histogram.buckets():
        bar = math.floor(math.log10(max(0.01, (low + high) / 2)) * _BARS)
        shares[bar] = shares.get(bar, 0.0) + count / histogram.total
    return shares


def _edge(bar: int) -> float:
    """Where a bar begins, in ms."""
    return float(10 ** (bar / _BARS))


def _bar(x: _Scale, y: _Scale, bar: int, share: float, kind: str, spelled: Callable[[float], str]) -> str:
    left, right, top = x(_edge(bar)), x(_edge(bar + 1)), y(share)
    title = f"{spelled(_edge(bar))} to {spelled(_edge(bar + 1))}: {share:.2%}"
    return (
        f'<rect class="{kind}" x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(1.0, right - left - 1):.1f}" '
        f'height="{max(0.0, y.begin - top):.1f}"><title>{escape(title)}</title></rect>'
    )


def _log_axis(x: _Scale) -> str:
    """Marks at 1, 2 and 5 times the powers of ten; fewer where they would touch."""
    factors = (1, 2, 5) if x.high / x.low < 2_000 else (1,)
    powers = range(math.floor(math.log10(x.low)), math.ceil(math.log10(x.high)) + 1)
    values = [factor * 10.0**power for power in powers for factor in factors]
    return "".join(_mark(x(value), _tick(value)) for value in values if x.low <= value <= x.high)


# --- axes


def _tick(milliseconds: float) -> str:
    """A round length of time."""
    return f"{milliseconds / 1000:g} s" if milliseconds >= 1000 else f"{milliseconds:g} ms"


def _time_axis(x: _Scale) -> str:
    return "".join(_mark(x(value), f"{value:g} s") for value in _round_numbers(x.high, 8))


def _mark(place: float, text: str) -> str:
    anchor = "end" if place > WIDTH - _RIGHT - 16 else "middle"
    return f'<text class="mark" x="{place:.1f}" y="{HEIGHT - 8}" text-anchor="{anchor}">{escape(text)}</text>'


def _grid(y: _Scale, spelled: Callable[[float], str]) -> str:
    drawn = []
    for value in _round_numbers(y.high, 4):
        place = y(value)
        drawn.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>')
        text = escape(spelled(value))
        drawn.append(f'<text class="mark" x="{_LEFT - 6}" y="{place + 4:.1f}" text-anchor="end">{text}</text>')
    return "".join(drawn)


def _round_numbers(most: float, wanted: int) -> list[float]:
    """About `wanted` round numbers from 0 to `most`."""
    rough = most / wanted
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(math.floor(most / step + 1e-9) + 1)]


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most _POINTS points, of each group the one with the greatest value: peaks are what is looked for."""
    group = -(-len(points) // _POINTS)
    return [max(points[first : first + group], key=lambda point: point[1]) for first in range(0, len(points), group)]
