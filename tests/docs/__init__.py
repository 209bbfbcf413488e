"""Documents say what the code does: what is undocumented, and what is documented and not there, fails here."""
