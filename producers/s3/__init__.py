"""S3: objects as files in the data folder, their records in Redis, and the events that they cause.

An object is there when its record is. So its bytes come first, into a file whose name nobody has used before
(`store.py`); then one MULTI/EXEC writes the record and hands over every event that the bucket's notification
configuration asks for (`catalog.py`, `notification.py`, `event.py`): object and events appear together or not at all.
What a crash leaves between the two steps is a file that no record names, and `S3.sweep_orphans` removes it.
"""
