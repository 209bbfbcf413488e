"""The life of an event: what is decided, by tables; what is done, on a real Redis."""
