"""SNS: topics, subscriptions, filters, and what arrives of a published message."""
