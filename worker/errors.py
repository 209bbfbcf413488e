"""What can go wrong below the services, each with its own name."""


class StoreUnavailable(Exception):
    """Raised when Redis did not take what was to be stored. Nothing was accepted; the caller may try again."""


class SchemaMismatch(Exception):
    """Raised when the data in Redis was written by a thrice whose layout this one does not know."""
