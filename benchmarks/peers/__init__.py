"""thrice beside what a user would pick instead: the same work given to each, in one run on one machine.

`python -m benchmarks.peers` (`make bench-peers`) installs each peer in a virtual environment of its own below
`build/peers`, then measures all in turn, in another order in every repetition. `roster.py` says who takes part and in
which configuration, `system.py` what each must be able to do, `measure.py` what is done with it, and `programs/` is
the code that runs inside the peers. docs/comparison.md says what the figures mean and what they do not.
"""
