"""The Lua scripts: every step of an event and of a message is one of them.

Each file begins with a comment that lists the keys it touches. What belongs to any queue is in the scripts of the
transport; here is what thrice adds, and its own `journal.lua`, by which the transport's moves reach the ledger.
"""

from pathlib import Path

from worker.transport.lua import TRANSPORT, Library

#: All scripts of thrice; ours come before the transport's.
LIBRARY = Library(Path(__file__).parent, TRANSPORT)

source = LIBRARY.source
