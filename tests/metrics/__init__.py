"""Metrics: what the scripts count, as CloudWatch's clients and Prometheus read it."""
