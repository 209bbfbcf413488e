"""SQS: what a message may be, what becomes of it, and what the operations answer."""
