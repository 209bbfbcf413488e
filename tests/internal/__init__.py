"""Tests of thrice's own pages, of the commands that ask for them, and of what causes what across the services."""
