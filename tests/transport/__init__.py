"""The transport by itself: its scripts, its connections, and real Celery workers on it."""
