"""CloudWatch Logs, for reading: the logs of the functions, as groups `/aws/lambda/<function>`.

`api.py` has the operations, `events.py` reads the log events from where the workers write them, `filter_pattern.py`
says which of them a caller wants, and `pages.py` gives them out in pages.
"""
