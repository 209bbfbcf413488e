"""The execution environments: where the handlers of the functions run.

A handler never runs inside the worker. It has a process of its own, which loads the handler once and then answers one
invocation after the other. When it is too slow, too big or dead, it is killed with everything it started, and the next
invocation gets a new one. A Python handler is asked over a socket pair (`bootstrap.py`); everything else is a client of
AWS's Runtime API: Node.js through ours (`bootstrap.mjs`), `provided` by itself (`entry_point.py` says which is which).

The worker's half lives in the thread of its event loop (`worker/transport/loop.py`), in which nothing waits; what may
block is done among the `chores`. Only `bootstrap.py`, `bootstrap.mjs` and `forkserver.py` run inside, in the function's
interpreter.

Read `environment.py` (one environment from start to end), `process.py` (the process, as the worker sees it),
`bootstrap.py` (the same from inside), `api_process.py` and `runtime_api.py` (the other way to speak to one),
`launcher.py`, `child.py` and `forking.py` (how a process starts and ends), `pool.py` and `shelf.py` (which environments
stay warm), `code.py` and `layer.py` (what a handler can import).
"""
