"""What the gateway answers below `/_thrice/`: pages about the system itself, in JSON, for people, scripts and tests.

`app.py` finds the page and reads its request; `pages.py` are those that only look something up; `clock.py` reads and
moves the clock; `awaiting.py` answers when an event, and all that it caused, has ended.
"""
