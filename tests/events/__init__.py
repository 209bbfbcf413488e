"""EventBridge: patterns, schedules, the form of events and inputs, and the service on a real Redis."""
