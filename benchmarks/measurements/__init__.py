"""What is measured, in this order: one module each, with its figures and their goals.

A measurement runs thrice and its peer one after the other, each from nothing. What a run gives is a dictionary of
numbers; a `Figure` is the median, over the repetitions, of one of them or of its ratio to the peer's.
"""

from benchmarks.measurements import (
    accept,
    backlog,
    delayed,
    fairness,
    idle,
    no_op,
    parts,
    producer,
    waiting,
    warm_handler,
)  # fmt: skip
from benchmarks.measurements.measurement import Measurement

ALL: tuple[Measurement, ...] = (
    idle.MEASUREMENT, warm_handler.MEASUREMENT, no_op.MEASUREMENT, producer.MEASUREMENT, accept.MEASUREMENT,
    delayed.MEASUREMENT, *fairness.MEASUREMENTS, backlog.MEASUREMENT, waiting.MEASUREMENT, parts.MEASUREMENT,
)  # fmt: skip
