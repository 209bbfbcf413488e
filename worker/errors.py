"""What can go wrong below the services, each with its own name."""


class StoreUnavailable(Exception):
    """Raised when Redis did not take what was to be stored. Nothing was accepted; the caller may try again."""
