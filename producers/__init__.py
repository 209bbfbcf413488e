"""What makes events happen: one HTTP endpoint for all services, and the services behind it.

`gateway/` takes a request apart by botocore's own service models and calls the service's method of that name;
`services.py` puts the services together. Each service folder has the same two files: `api.py`, what a client may call,
and `event.py`, the JSON that a function receives.
"""
