"""Request ids: lower-case UUIDs of version 4, as AWS's are. The same id stands on every attempt of an event."""

import uuid_utils


def new_request_id() -> str:
    """An id that was never given before."""
    return str(uuid_utils.uuid4())
