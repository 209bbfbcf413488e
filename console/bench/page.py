"""A result as one HTML file that needs nothing else: no script, no font, no picture from elsewhere. Pure.

It can be kept, sent and read without a network, in light and in dark; on paper it is the light one.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from console.bench import table
from console.bench.chart import Line, histogram_chart, legend, lines_chart
from console.bench.result import HISTOGRAMS, Result
from console.bench.table import length, ratio
from console.bench.thresholds import LENGTHS, METRICS, PERCENTILES

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --paper: #fbfbfa; --card: #ffffff; --edge: #dfe2e6;
  --good: #1a7f4b; --bad: #c0262d; --c0: #2563c9; --c1: #c2580c; --c2: #0f8a77; --c3: #8b3fc4; --c4: #b0912a;
  --c5: #6b7480; }
@media screen and (prefers-color-scheme: dark) { :root { --ink: #e4e7ec; --soft: #9aa4b2; --paper: #14171c;
  --card: #1c2027; --edge: #323843; --good: #4cc38a; --bad: #ff7a7f; --c0: #6ea2ff; --c1: #f0964b; --c2: #4cc7b0;
  --c3: #c490f0; --c4: #d9bd5a; --c5: #98a2b0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 28px 24px 48px; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 24px; margin: 0; } h2 { font-size: 16px; margin: 0 0 8px; } h1 small { color: var(--soft);
  font-weight: normal; font-size: 15px; }
p { margin: 4px 0; } .soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 16px; }
section { background: var(--card); border: 1px solid var(--edge); border-radius: 8px; padding: 16px 18px;
  margin-top: 16px; overflow-x: auto; } .cards section { margin: 0; } .cards { margin-top: 16px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { padding: 3px 10px; text-align: right; white-space: nowrap; } th { color: var(--soft); font-weight: 500; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tbody tr + tr td { border-top: 1px solid var(--edge); }
td small { color: var(--soft); margin-left: 6px; } .good { color: var(--good); } .bad { color: var(--bad); }
.verdicts { list-style: none; margin: 14px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 8px; }
.verdicts li { border: 1px solid currentColor; border-radius: 999px; padding: 1px 12px; font-size: 14px; }
svg { display: block; width: 100%; height: auto; } svg text.mark { fill: var(--soft); font-size: 11px; }
svg .grid { stroke: var(--edge); stroke-width: 1; } svg .bar { fill: var(--c0); }
svg .ghost { fill: none; stroke: var(--c1); stroke-width: 1.5; }
svg .line { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; }
svg .dot { fill: currentColor; }
.c0 { color: var(--c0); } .c1 { color: var(--c1); } .c2 { color: var(--c2); } .c3 { color: var(--c3); }
.c4 { color: var(--c4); } .c5 { color: var(--c5); }
.legend { list-style: none; margin: 6px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 16px;
  font-size: 13px; }
.legend i { display: inline-block; width: 14px; height: 3px; margin-right: 6px; vertical-align: middle;
  background: currentColor; }
"""


def page(result: Result, earlier: Result | None) -> str:
    """The whole page; with the earlier run's outlines and ratios, if there is one."""
    name = escape(str(result.plan["function"]))
    body = "\n".join(
        part
        for part in (
            _head(result, earlier),
            _percentiles(result, earlier),
            f'<div class="cards">{_account(result)}{_rates(result, earlier)}</div>',
            f'<div class="cards">{_histograms(result, earlier)}</div>',
            f'<div class="cards">{_series(result)}</div>',
        )
        if part
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>thrice bench {name}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _head(result: Result, earlier: Result | None) -> str:
    plan, machine = result.plan, result.machine
    pace = f"{plan['rate']:g} a second, {plan['arrivals']}, open loop" if plan["rate"] else "as fast as answered"
    kind = "synchronous requests" if result.is_synchronous else "events"
    connections = f"{plan['connections']} connections"
    workers = f"{machine['workers']} workers of {machine['concurrency']} at a time"
    host = f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}"
    facts = [
        f"{result.counts['sent']:,} {kind} of {plan['payload_bytes']:,} bytes, {pace}, {connections}",
        f"thrice {result.version}, {workers}, {host}",
    ]
    if earlier is not None:
        facts.append(f"compared with the run of {earlier.at} of {earlier.plan['function']}: ×2 is twice as much")
    lines = "".join(f'<p class="soft">{escape(fact)}</p>' for fact in facts)
    verdicts = "".join(_verdict(verdict) for verdict in result.verdicts)
    title = f"<h1>thrice bench {escape(str(plan['function']))} <small>{escape(result.at)}</small></h1>"
    return f'<header>{title}{lines}<ul class="verdicts">{verdicts}</ul></header>'


def _verdict(verdict: Mapping[str, Any]) -> str:
    metric = str(verdict["threshold"])
    about = escape(next((what for name, what in METRICS.items() if metric.startswith(name)), ""))
    kind, sign = ("good", "✔") if verdict["held"] else ("bad", "✘")
    return f'<li class="{kind}" title="{about}">{escape(metric)} {sign} {escape(str(verdict["found_text"]))}</li>'


def _percentiles(result: Result, earlier: Result | None) -> str:
    now = result.measured()
    before = earlier.measured() if earlier else {}
    rows = []
    for prefix in LENGTHS:
        if HISTOGRAMS[prefix] in result.histograms:
            cells = [_cell(now[f"{prefix}{name}"], before.get(f"{prefix}{name}")) for name in PERCENTILES]
            rows.append([escape(_heading(result, prefix)), *cells])
    return _section("Latency", _table(["", *(_percentile(name) for name in PERCENTILES)], rows))


def _cell(now: float | None, before: float | None) -> str:
    return f"{length(now)}{_small(ratio(now, before))}"


def _small(text: str) -> str:
    return f"<small>{escape(text)}</small>" if text else ""


def _account(result: Result) -> str:
    rows = [[escape(name), f"{count:,}"] for name, count in table.account_of(result)]
    is_right = table.is_accounted_for(result)
    kind, words = ("good", "every one is accounted for") if is_right else ("bad", "it does not balance")
    rows.append([f'<b class="{kind}">{words}</b>', ""])
    return _section("Account", _table(["", ""], rows))


def _rates(result: Result, earlier: Result | None) -> str:
    rows = []
    for name, called in (("rate", "accepted a second"), ("throughput", "ended a second")):
        if name == "throughput" and result.is_synchronous:
            continue
        compared = ratio(result.rates[name], earlier.rates[name]) if earlier else ""
        rows.append([called, f"{result.rates[name]:,.1f}{_small(compared)}"])
    rows += [[f"{attempts} attempt{'s' * (attempts > 1)}", f"{events:,}"] for attempts, events in _attempts(result)]
    found = result.bottleneck
    notes = [f"Bottleneck: {found['part']}; {found['why']}.", *table.notes_of(result)]
    text = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return _section("Rates, attempts, and what was the limit", _table(["", ""], rows) + text)


def _attempts(result: Result) -> list[tuple[int, int]]:
    return sorted(result.attempts.items())


def _histograms(result: Result, earlier: Result | None) -> str:
    parts = []
    for prefix in LENGTHS:
        histogram = result.histograms.get(HISTOGRAMS[prefix])
        if histogram is None or not histogram.total:
            continue
        before = earlier.histograms.get(HISTOGRAMS[prefix]) if earlier else None
        heading = _heading(result, prefix)
        drawn = histogram_chart(histogram, before, length, f"{heading}: share of all by length of time")
        about = f"{histogram.total:,} measured, mean {length(histogram.mean_ms)}"
        about += "; the outline is the earlier run" if before is not None and before.total else ""
        parts.append(_section(heading.capitalize(), f'{drawn}<p class="soft">{escape(about)}</p>'))
    return "".join(parts)


def _heading(result: Result, prefix: str) -> str:
    return table.SYNCHRONOUS if result.is_synchronous else table.HEADINGS[prefix]


# --- over time


def _series(result: Result) -> str:
    seconds, samples = result.seconds, result.samples
    rates = [
        Line("answered", 0, [(second["second"], second["accepted"]) for second in seconds]),
        Line(
            "refused or unanswered", 3, [(second["second"], second["errors"]) for second in seconds if result.reasons]
        ),
    ]
    accept = [
        Line("median", 0, [(second["second"], second["p50_ms"]) for second in seconds if second["accepted"]]),
        Line("99th percentile", 1, [(second["second"], second["p99_ms"]) for second in seconds if second["accepted"]]),
    ]
    if not result.is_synchronous:
        rates.insert(1, Line("ended", 2, _ended_a_second(samples)))
    depth = [
        Line(name, colour, [(sample["at"], sample[name]) for sample in samples])
        for name, colour in (("ready", 0), ("running", 2), ("waiting", 4))
    ]
    charts = [("Events a second", rates, _number), ("Time until the answer", accept, lambda value: f"{value:g} ms")]
    if not result.is_synchronous:
        charts.append(("Events in hand", depth, _number))
    charts.append(("Cores in use", _cores(result.usages), lambda value: f"{value:.3g}"))
    return "".join(
        _section(title, drawn + legend(lines))
        for title, lines, spelled in charts
        if (drawn := lines_chart(lines, spelled, f"{title} over time"))
    )


def _ended_a_second(samples: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    """Of samples that are a second apart, or so."""
    points: list[tuple[float, float]] = []
    before: Mapping[str, Any] | None = None
    for sample in samples:
        if before is None:
            before = sample
        elif sample["at"] - before["at"] >= 1:
            points.append((sample["at"], (sample["ended"] - before["ended"]) / (sample["at"] - before["at"])))
            before = sample
    return points


def _cores(usages: Sequence[Mapping[str, Any]]) -> list[Line]:
    shown = ("environments", "workers", "gateway", "redis", "clients", "machine")
    lines = []
    for colour, part in enumerate(shown):
        points = [(usage["at"], usage["cores"][part]) for usage in usages if part in usage["cores"]]
        lines.append(Line(part, colour, points))
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def _percentile(name: str) -> str:
    return "p99.9" if name == "p999" else name


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head) if any(head) else ""
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{titles}</tr></thead>' if titles else ''}<tbody>{lines}</tbody></table>"
