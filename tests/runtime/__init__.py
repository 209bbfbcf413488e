"""The execution environments: real handlers in real processes."""
