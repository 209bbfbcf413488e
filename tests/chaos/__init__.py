"""Everything is killed, frozen, cut off and filled up under load, and at the end the books are compared.

Every event has a number, and its handler writes the number down before it answers. What was accepted must have run, and
every structure in Redis must agree with the ledger, at the end and at any moment before. `make chaos` is the long form.
"""
