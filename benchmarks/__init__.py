"""thrice beside stock Celery: what it costs and what it gives, in one run on one machine.

`python -m benchmarks` (`make bench`) measures both in turn, three times each, prints one table of ratios beside their
goals, and writes every single run to `build/bench.json`. Read `measurements/__init__.py` for what is measured,
`runner.py` for how, and `celery_app.py` for the peer; README.md says what the figures mean and what they do not.
"""
