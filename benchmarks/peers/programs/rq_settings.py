"""Where the server is, for `rq worker -c`."""

import os

REDIS_URL = os.environ["PEER_URL"]
