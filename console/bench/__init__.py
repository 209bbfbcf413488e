"""`thrice bench`: a load test of a function, through the real endpoint, with a verdict.

`plan.py` says what was asked for, `arrivals.py` when each request is to be sent. Client processes (`client.py`,
`connection.py`, `signing.py`) send them and measure; `run.py` starts them, watches the system meanwhile (`watch.py`,
`processes.py`), waits until the events have ended and reads their records (`records.py`, `collector.py`). What comes
out is a `Result`: `thresholds.py` and `bottleneck.py` judge it, `table.py` prints it, `page.py` makes a page of it.
"""
