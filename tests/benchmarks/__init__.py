"""The benchmark suite: it runs to its end and leaves nothing behind. What it measures is no business of a test."""
