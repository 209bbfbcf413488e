"""Bringing a folder, a zip or a template into a running system: read, plan, look, apply."""
