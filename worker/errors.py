"""What can go wrong below the services, each with its own name."""


class StoreUnavailable(Exception):
    """Raised when Redis did not take what was to be stored. Nothing was accepted; the caller may try again."""


class FunctionNotFound(Exception):
    """Raised when the function of an event does not exist at the moment at which it is to be stored."""
