"""What happens to an event.

An event is **ready**, **waiting** for its next attempt, **running** under a lease, or it has ended: **succeeded**,
**dead-lettered** or **dropped** with a reason. Every step between them is one Redis script, so that a crash at any
instruction leaves it in exactly one of these places.

Read `invocation.py` and `function.py` (the nouns), `retry.py` (what is decided), `queue.py` (what is done), then
`executor.py` (one attempt from beginning to end), `runtime/` (the process that the handler lives in) and `celery.py`.
"""
