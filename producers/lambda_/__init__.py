"""Lambda: functions, what is to become of their events, and Invoke.

`api.py` has the operations. What they check and answer is in pure modules beside it: `names.py` (which function is
meant), `configuration.py` (what a function may declare), `event_invoke.py`, `policy.py` and `payload.py`.
"""
