"""Write docs/parity.md: `python -m tests.parity`."""

import sys

from tests.parity import catalogue, marks
from tests.parity.page import PAGE, page

PAGE.write_text(page(catalogue.read(), marks.read()))
sys.stdout.write(f"wrote {PAGE}\n")
