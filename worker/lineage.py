"""Which event caused which, as it travels in a trace header. Pure.

An event's *root* is the event that caused it all: itself, if nobody caused it. A handler finds its root's request id in
the `Lineage` segment of its X-Amzn-Trace-Id; boto3 sends that header along with every call that the handler makes, and
each service hands it on to what the call causes. So nobody has to change a handler for it.

AWS has a segment of this name of its own, in another form. It says nothing about events of ours and is left out.
"""

import re

_LINEAGE = re.compile(r"Lineage=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ROOT = re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}")


def root_of(trace_header: str | None) -> str | None:
    """The request id of the event that caused all this; None if the header does not tell."""
    for segment in _segments(trace_header):
        found = _LINEAGE.fullmatch(segment)
        if found:
            return found[1]
    return None


def with_root(trace_header: str | None, request_id: str, root: str) -> str:
    """The trace header of the event `request_id`, with its lineage; `root` is empty if nobody caused it.

    What a caller sent stays as it is. Where he sent no trace, one begins that is named after the root, so that all that
    belongs together has one trace; it is not sampled, since nobody collects it.
    """
    root = root or request_id
    kept = [segment for segment in _segments(trace_header) if not segment.startswith("Lineage=")]
    if not any(_ROOT.fullmatch(segment) for segment in kept):
        digits = root.replace("-", "")
        kept = [f"Root=1-{digits[:8]}-{digits[8:]}", f"Parent={request_id.replace('-', '')[:16]}", "Sampled=0"]
    return ";".join((*kept, f"Lineage={root}"))


def inherited(own: str | None, callers: str | None) -> str | None:
    """The trace of something that brings its `own` header, or else has that of the call that makes it.

    One that it brings is given the lineage of the call, unless it has one.
    """
    root = root_of(callers)
    if not own or root is None or root_of(own) is not None:
        return own or callers
    kept = [segment for segment in _segments(own) if not segment.startswith("Lineage=")]
    return ";".join((*kept, f"Lineage={root}"))


def _segments(trace_header: str | None) -> list[str]:
    return [segment.strip() for segment in (trace_header or "").split(";") if segment.strip()]
