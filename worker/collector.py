"""Python's garbage collector, told what a service does: what is loaded once stays, and little of the rest is cyclic."""

import gc


def spare_the_collector() -> None:
    """What is loaded by now stays: the collector need not look through it again and again while events go by."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
