"""What runs inside the peers: one module each, with the application, its one task, and how events are published.

They run in the peers' own environments, on the interpreter and the packages there, so they import the peer, the
standard library, and `job` and `producing` beside them. Variables tell them the rest:

- `PEER_URL`: the server, as redis-py spells it; a Unix socket
- `PEER_TUNED`: not empty if the configuration is the tuned one of two
- `PEER_VARIANT`: which broker or worker, where a peer has several
- those of `job.py` and `producing.py`
"""
