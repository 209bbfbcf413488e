"""One HTTP endpoint for all services: botocore's service models, read from the server's side.

`app.Gateway` is the ASGI application and reads as the list of its steps: route (`route.py`), authenticate
(`signature.py`), read the body (`body.py`), parse (`parse.py`), check (`validate.py`), call, serialize
(`serialize.py`). `model.py` prepares the models once, at start. Nothing here knows a single operation: what a service
implements is what its object has methods for, and which fields it obeys are the parameters of those methods.
"""

from producers.gateway.app import Gateway
from producers.gateway.model import implemented_operations

__all__ = ["Gateway", "implemented_operations"]
