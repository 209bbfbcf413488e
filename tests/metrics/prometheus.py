"""A strict reader of Prometheus' text form 0.0.4: what it does not understand, it does not accept."""

import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (-?(?:\d+(?:\.\d+)?(?:e[-+]\d+)?))")
_SUFFIXES = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> tuple[dict[str, str], Samples]:
    """The types of all families, and the value of every sample by its name and labels.

    Raises:
        AssertionError: the text is not as the form wants it.
    """
    kinds: dict[str, str] = {}
    samples: Samples = {}
    family, helped = "", ""
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            assert helped not in kinds, f"{helped} comes twice"
        elif line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family == helped
            assert kind != "counter" or family.endswith("_total")
            kinds[family] = kind
        else:
            found = _SAMPLE.fullmatch(line)
            assert found is not None, line
            name, inside, value = found.groups()
            assert name.startswith(family)
            assert name.removeprefix(family) in _SUFFIXES[kinds[family]], line
            labels = _labels(inside or "")
            assert (name, labels) not in samples, f"{line} comes twice"
            samples[name, labels] = float(value)
    _check_histograms(kinds, samples)
    return kinds, samples


def _labels(inside: str) -> frozenset[tuple[str, str]]:
    labels = {}
    while inside:
        found = _LABEL.match(inside)
        assert found is not None, inside
        labels[found[1]] = found[2]
        inside = inside[found.end() :]
    return frozenset(labels.items())


def _check_histograms(kinds: dict[str, str], samples: Samples) -> None:
    for (name, labels), value in samples.items():
        family = name.removesuffix("_count")
        if kinds.get(family) != "histogram" or family == name:
            continue
        buckets = sorted(
            (float(dict(of)["le"]), count)
            for (bucket, of), count in samples.items()
            if bucket == f"{family}_bucket" and labels < of
        )
        counts = [count for _, count in buckets]
        assert counts == sorted(counts)
        assert buckets[-1] == (float("inf"), value)
        assert (f"{family}_sum", labels) in samples
