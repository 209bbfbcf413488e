"""The scheduler: every tick once, with many schedulers, killed schedulers, and a Redis that goes away."""
