"""S3: objects, listings, notifications, and what a crash leaves behind."""
