"""Tests: pure parts by tables, everything else on a real Redis, real processes and real clients."""
