"""The console's own parts: reading templates, planning, packaging, and what a person types."""
