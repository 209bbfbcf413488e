"""The execution environments: where the handlers of the functions run.

A handler never runs inside the worker. It has a process of its own, started with the plain base interpreter, which
imports the handler once (`bootstrap.py`, the only file here that runs inside) and then answers one invocation after
the other over a socket pair. When it is too slow, too big or dead, it is killed with everything it started, and the
next invocation gets a new one.

Read `environment.py` (one environment from start to end), `process.py` (the process, as the worker sees it),
`bootstrap.py` (the same from inside), `pool.py` and `shelf.py` (which environments stay warm), `code.py` and
`layer.py` (what a handler can import).
"""
