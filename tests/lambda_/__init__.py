"""The Lambda API: names, configurations, policies, Invoke, and the registry below them."""
