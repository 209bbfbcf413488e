"""CloudWatch Logs over the logs of the functions."""
