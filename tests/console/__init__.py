"""The command line: what of it is no process."""
