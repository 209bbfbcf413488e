"""Lambda: functions, what is to become of their events, and Invoke.

`api.py` is the service, `operations/` has its operations by subject. What they check and answer is in pure modules:
`names.py` (which function is meant), `configuration.py` (what a function may declare), `version.py`, `layer.py`,
`event_invoke.py`, `policy.py`, `payload.py` and `pages.py`.
"""
