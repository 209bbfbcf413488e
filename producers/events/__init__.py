"""EventBridge: rules on the default event bus, which hand matching and scheduled events to their targets.

Read `rule.py` (what is stored), `pattern.py` and `schedule.py` (what is decided), `target_input.py` (what a target
receives), `dispatch.py` (how it is handed over) and `api.py` (what a client may call). The schedules are fired by
`producers.scheduler`.
"""
