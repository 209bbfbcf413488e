"""Which event caused which, as it travels in a trace header. Pure.

An event's *root* is the event that caused it all: itself, if nobody caused it. A handler finds its root's request id in
the `Lineage` segment of its X-Amzn-Trace-Id; boto3 sends that header along with every call that the handler makes, and
each service hands it on to what the call causes. So nobody has to change a handler for it.

Behind the root stands which functions have run in the chain of events that led here, and how often each:
`Lineage=<root>.<function>:3.<function>:2`, a function being eight hex digits of its name's checksum. By that a function
that calls itself, through whatever services, is known from one that many events of one root are for. The entry of a
function that was stopped for it ends with `:stopped`.

AWS has a segment of this name of its own, in another form. It says nothing about events of ours and is left out. Ours
has nothing but what clients send on as it is: they percent-encode AWS's.
"""

import re
import zlib
from functools import lru_cache
from typing import NamedTuple

_ROOT_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_LINEAGE = re.compile(rf"Lineage=({_ROOT_ID})((?:\.[0-9a-f]{{8}}:[0-9]{{1,9}}(?::stopped)?)*)")
_ROOT = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}")

#: So many functions of a chain are remembered, those that ran last: a trace header has some 500 characters at the most.
MOST_FUNCTIONS = 24


class Runs(NamedTuple):
    """How a function ran in a chain."""

    times: int = 0
    was_stopped: bool = False  # as the cause of a loop


#: Of a function that did not.
NEVER = Runs()


def root_of(trace_header: str | None) -> str | None:
    """The request id of the event that caused all this; None if the header does not tell."""
    found = _lineage(trace_header)
    return found[1] if found else None


def runs_of(trace_header: str | None, function: str) -> Runs:
    """How often `function` has run in the chain that led here."""
    found = _lineage(trace_header)
    return _chain(found).get(_digits(function), NEVER) if found else NEVER


def with_root(trace_header: str | None, request_id: str, root: str, function: str | None = None) -> str:
    """The trace header of the event `request_id`, with its lineage; `root` is empty if nobody caused it.

    What a caller sent stays as it is. Where he sent no trace, one begins that is named after the root, so that all that
    belongs together has one trace; it is not sampled, since nobody collects it. `function` is what the event is for: it
    has run once more for whoever gets the header.
    """
    root = root or request_id
    kept = [segment for segment in _segments(trace_header) if not segment.startswith("Lineage=")]
    if not any(_ROOT.fullmatch(segment) for segment in kept):
        digits = root.replace("-", "")
        kept = [f"Root=1-{digits[:8]}-{digits[8:]}", f"Parent={request_id.replace('-', '')[:16]}", "Sampled=0"]
    found = _lineage(trace_header)
    if function is None:
        chain = found[2] if found else ""
    elif found is None or not found[2]:
        chain = f".{_digits(function)}:1"
    else:
        runs = _chain(found)
        before = runs.pop(_digits(function), NEVER)
        runs[_digits(function)] = Runs(before.times + 1, before.was_stopped)
        chain = _written(runs)
    return ";".join((*kept, f"Lineage={root}{chain}"))


def with_stop(trace_header: str, function: str) -> str:
    """The header of what is told of an event that was not run, because `function` has run too often in its chain."""
    found = _lineage(trace_header)
    if found is None:
        return trace_header
    runs = _chain(found)
    runs[_digits(function)] = Runs(runs.get(_digits(function), NEVER).times, was_stopped=True)
    return trace_header.replace(found[0], f"Lineage={found[1]}{_written(runs)}")


def inherited(own: str | None, callers: str | None) -> str | None:
    """The trace of something that brings its `own` header, or else has that of the call that makes it.

    One that it brings is given the lineage of the call, unless it has one.
    """
    lineage = _lineage(callers)
    if not own or lineage is None or _lineage(own) is not None:
        return own or callers
    kept = [segment for segment in _segments(own) if not segment.startswith("Lineage=")]
    return ";".join((*kept, lineage[0]))


def _segments(trace_header: str | None) -> list[str]:
    return [segment.strip() for segment in (trace_header or "").split(";") if segment.strip()]


def _lineage(trace_header: str | None) -> re.Match[str] | None:
    if trace_header and "Lineage=" in trace_header:
        for segment in _segments(trace_header):
            found = _LINEAGE.fullmatch(segment)
            if found:
                return found
    return None


def _chain(lineage: re.Match[str]) -> dict[str, Runs]:
    """The functions of a chain, the one that ran last at the end."""
    runs = {}
    for entry in lineage[2].split(".")[1:]:
        digits, count, *stop = entry.split(":")
        runs[digits] = Runs(int(count), bool(stop))
    return runs


def _written(runs: dict[str, Runs]) -> str:
    latest = list(runs.items())[-MOST_FUNCTIONS:]
    return "".join(f".{digits}:{of.times}{':stopped' if of.was_stopped else ''}" for digits, of in latest)


@lru_cache(maxsize=4096)
def _digits(function: str) -> str:
    return f"{zlib.crc32(function.encode()):08x}"
