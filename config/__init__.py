"""What an operator decides: settings, Celery's options, AWS's limits, and the way to Redis."""
