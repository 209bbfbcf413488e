"""One HTTP endpoint for all services: botocore's service models, read from the server's side.

`app.Gateway` is the ASGI application and reads as the list of its steps: route (`route.py`), authenticate
(`signature.py`), read the body (`body.py`), parse (`parse.py` and the `from_…` readers), check (`validate.py`), call,
serialize (`serialize.py`, `errors.py`, `markup.py`). `model.py` prepares the models once, at start.

No operation is written out here, but for a few short tables of what the models do not say. What a service implements is
what its object has methods for; which fields it obeys are the parameters of those methods.
"""

from producers.gateway.app import Gateway
from producers.gateway.model import implemented_operations

__all__ = ["Gateway", "implemented_operations"]
