"""`thrice ledger`: what became of every accepted event."""

import orjson
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from config import redis as config_redis
from config.settings import Settings
from worker.keys import Keys
from worker.ledger import Account, Ledger


def show(settings: Settings, *, as_json: bool) -> int:
    """Print the ledger; return the exit status: 0 if it balances, 1 if not, 2 if Redis does not answer."""
    redis = config_redis.connect(settings)
    try:
        ledger = Ledger.of(redis.hgetall(Keys().ledger))
    except RedisError as error:
        print(f"thrice: Redis does not answer: {error}. Is `thrice up` running with this data folder?")
        return 2
    finally:
        redis.close()
    if as_json:
        print(orjson.dumps(ledger.document(), option=orjson.OPT_INDENT_2).decode())
    else:
        Console().print(table(ledger))
        for reason, count in sorted(ledger.total.dropped.items()):
            print(f"dropped: {count:,} × {reason}")
        for what, count in _not_delivered(ledger.total):
            print(f"not delivered: {count:,} × {what}")
    return 0 if ledger.total.is_balanced else 1


def _not_delivered(total: Account) -> list[tuple[str, int]]:
    """What nobody took at the end of events; nothing where all was taken."""
    counts = [("dead letter", total.dead_letter_errors), ("destination record", total.destination_delivery_failures)]
    return [(what, count) for what, count in counts if count]


def table(ledger: Ledger) -> Table:
    """The ledger as a table: a row for each function, and the sum."""
    view = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold underline")
    view.add_column("function", no_wrap=True)
    for column in ("accepted", "succeeded", "retried", "dead-lettered", "dropped", "in hand", "lost"):
        view.add_column(column, justify="right", no_wrap=True)
    for name, account in sorted(ledger.functions.items()):
        view.add_row(name, *_cells(account))
    view.add_row("all", *_cells(ledger.total), style="bold")
    return view


def _cells(account: Account) -> list[str]:
    dropped = sum(account.dropped.values())
    lost = account.accepted - account.succeeded - account.dead_lettered - dropped - account.in_hand
    numbers = [account.accepted, account.succeeded, account.retried, account.dead_lettered]
    return [
        *(f"{number:,}" for number in numbers),
        f"{dropped:,}",
        f"{account.in_hand:,}",
        f"{lost:,}",
    ]
