"""A kombu transport for Redis that loses nothing: what a consumer holds lies under its lease, on the server.

It is generic: it knows Celery messages, leases and delays, and nothing of functions or events. Lists keep the stock
transport's names, so a stock Celery producer, `LLEN` and Flower's broker page go on working.

Every move of a message is one Lua script of `scripts/`. Whoever builds on the transport may put scripts of the same
name before ours (`lua.Library`), above all `journal.lua`, which is told of every move.
"""
