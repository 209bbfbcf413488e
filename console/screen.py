"""What `thrice up` prints: a line for each thing that happens, and the table of parts when the system is ready."""

import shlex
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from config.settings import Settings
from console.up import Ready


class Screen:
    """A terminal, or a file that takes its place."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._console = Console(highlight=False, soft_wrap=True)
        self._console.print(f"thrice {version('thrice')}   data: {settings.folder} (kept between runs)")

    def line(self, text: str) -> None:
        """Show one line."""
        self._console.print(f"thrice: {text}", markup=False)

    def ready(self, ready: Ready) -> None:
        """Show the parts, what was left over, and what to type next."""
        settings = self._settings
        left = ready.left_over
        table = Table.grid(padding=(0, 3))
        table.add_row("  redis", ready.redis, "append-only file, no eviction" if settings.redis_url is None else "")
        several = f" ({ready.gateways} processes)" if ready.gateways > 1 else ""
        table.add_row("  gateway", f"{ready.url}{several}", "Lambda SQS SNS S3 EventBridge Logs CloudWatch")
        table.add_row(
            "  workers",
            f"{ready.workers} × {settings.concurrency} at a time",
            f"a canary event took {ready.round_trip_ms:g} ms",
        )
        table.add_row("  scheduler", "running", "cron(…) and rate(…) rules")
        self._console.print()
        self._console.print(table)
        self._console.print(
            f"\n  left over from the last run: {left.ready + left.running} queued, "
            f"{left.waiting} waiting for their next attempt, {ready.dead} dead-lettered"
        )
        self._console.print(f"  attempts start after {_countdowns(settings)}, then the dead-letter queue")
        self._console.print(f"\nReady after {ready.took:.1f} s. In another terminal:\n")
        self._console.print(f"  export AWS_SHARED_CREDENTIALS_FILE={shlex.quote(_short(settings.credentials_file))}")
        self._console.print(f"  aws --endpoint-url {ready.url} lambda list-functions\n")
        self._console.print("Ctrl-C stops everything; data stays.")


def _countdowns(settings: Settings) -> str:
    return ", ".join(f"{seconds:g} s" for seconds in settings.retry_countdowns)


def _short(path: Path) -> str:
    """`path` as one would type it here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
