"""SQS: standard queues, for dead letters, for destination records, and for whatever else a system keeps in queues.

`attributes.py` says what a queue may be told, `message.py` what may be in a message; both are pure. `long_poll.py`
waits for messages, `api.py` is what a client may call. The messages themselves are kept by `worker/message_store.py`.
"""
