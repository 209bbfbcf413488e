"""CloudWatch: the metrics of AWS/Lambda, for reading. What is in them is told in docs/metrics.md."""
