"""What the command `thrice` says by itself, without a system that runs."""
