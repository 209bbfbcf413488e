"""A bad night: a whole system under constant load, while its parts die, stand still and are filled up.

A seed decides what happens when. Numbered events are sent at fixed moments, handlers tell a journal of ours when they
begin and when they are about to answer, and at the end all books are compared: what was accepted, what ran, what the
ledger says, what lies where, which processes are left. `python -m tests.soak` is the command, docs/soak.md its manual.
"""
