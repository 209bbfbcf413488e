"""What the demonstration does, step by step, as a user with boto3 would; and what it holds the system to."""

import io
import json
import threading
import urllib.request
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3.session
from botocore.config import Config
from rich.console import Console
from rich.json import JSON
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from config import redis as config_redis
from config.credentials import read_credentials
from config.settings import Settings
from console.ledger import table
from worker import virtual_clock
from worker.arn import function_arn
from worker.clock import SystemClock
from worker.keys import Keys
from worker.ledger import Account, Ledger
from worker.runtime.interpreter import own_runtime

#: How many invocations are fired at once, and which of them always fail: every FAILING-th has no customer.
INVOCATIONS = 1_000
FAILING = 50

#: How long any step may take, in seconds.
PATIENCE = 90.0

ROLE = "arn:aws:iam::000000000000:role/demo"


class DemoFailed(Exception):
    """Raised when the system did not keep what it promises, or was interrupted. The text says what."""


@dataclass(frozen=True, slots=True)
class Clients:
    """boto3's clients, pointed at the system."""

    lambda_: Any
    s3: Any
    sns: Any
    sqs: Any
    events: Any


class Demonstration:
    """The steps. `given_up` ends the waiting when it is set."""

    def __init__(self, settings: Settings, console: Console, examples: Path, given_up: threading.Event) -> None:
        self._settings = settings
        self._console = console
        self._examples = examples
        self._given_up = given_up
        self._clock = SystemClock()
        self._clients = _clients(settings)
        self._redis = config_redis.connect(settings)

    def run(self) -> int:
        """Do everything; return the exit status."""
        dead_letters = self._deploy()
        with self._progress() as progress:
            self._upload_files(progress)
            self._publish(progress)
            self._let_the_schedule_fire(progress)
            started = self._clock.monotonic()
            self._fire_invocations(progress)
            self._wait_for_all(progress)
        took = self._clock.monotonic() - started
        return self._conclude(dead_letters, took)

    def _deploy(self) -> str:
        """Create the functions under examples/ and what they need; return the dead-letter queue's URL."""
        clients = self._clients
        clients.s3.create_bucket(Bucket="texts")
        clients.s3.create_bucket(Bucket="results")
        queue = clients.sqs.create_queue(QueueName="dead-letters")["QueueUrl"]
        queue_arn = clients.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
        dead_letters = queue_arn["Attributes"]["QueueArn"]
        self._create("word-count", dead_letters, environment={"RESULTS_BUCKET": "results"}, timeout=10)
        for name in ("order", "heartbeat", "flaky"):
            self._create(name, dead_letters)
        self._console.print("deployed   word-count, order, heartbeat, flaky   (examples/, by boto3)")
        return str(queue)

    def _create(
        self, name: str, dead_letters: str, environment: dict[str, str] | None = None, timeout: int = 3
    ) -> None:
        self._clients.lambda_.create_function(
            FunctionName=name,
            Runtime=own_runtime(),
            Handler="app.handler",
            Role=ROLE,
            Code={"ZipFile": _zipped(self._examples / name)},
            Timeout=timeout,
            DeadLetterConfig={"TargetArn": dead_letters},
            Environment={"Variables": environment or {}},
        )

    def _upload_files(self, progress: Progress) -> None:
        """Files go into a bucket, its notification runs a handler, and the handler's results come into another."""
        clients = self._clients
        arn = self._arn("word-count")
        notification = {"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": _suffix(".txt")}
        clients.s3.put_bucket_notification_configuration(
            Bucket="texts", NotificationConfiguration={"LambdaFunctionConfigurations": [notification]}
        )
        files = sorted((self._examples / "word-count" / "samples").iterdir())
        task = progress.add_task("files put into a bucket, results in another", total=len(files))
        for file in files:
            clients.s3.upload_file(str(file), "texts", file.name)
        wanted = {f"{file.name}.json" for file in files}

        def results() -> set[str]:
            listing = clients.s3.list_objects_v2(Bucket="results")
            return wanted & {entry["Key"] for entry in listing.get("Contents", [])}

        self._wait(lambda: _moved(progress, task, len(results())) == len(files), "every file has its result")

    def _publish(self, progress: Progress) -> None:
        """An order is published to a topic that the function is subscribed to."""
        clients = self._clients
        task = progress.add_task("orders published to a topic", total=1)
        topic = clients.sns.create_topic(Name="orders")["TopicArn"]
        clients.sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=self._arn("order"))
        order = {"id": "A-1", "lines": [{"price": 12.5, "quantity": 2}, {"price": 3.2, "quantity": 5}]}
        clients.sns.publish(TopicArn=topic, Message=json.dumps(order))
        self._wait(lambda: _moved(progress, task, self._account("order").succeeded) >= 1, "the order is booked")

    def _let_the_schedule_fire(self, progress: Progress) -> None:
        """A rule for every full minute; its clock is put forward to the next one, so that nobody has to wait."""
        clients = self._clients
        task = progress.add_task("schedule fired (clock put forward)", total=1)
        clients.events.put_rule(Name="every-minute", ScheduleExpression="cron(* * * * ? *)")
        clients.events.put_targets(Rule="every-minute", Targets=[{"Id": "1", "Arn": self._arn("heartbeat")}])
        now = self._clock.now()
        minute = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        virtual_clock.advance(self._redis, Keys(), (minute - now).total_seconds())
        self._wait(lambda: _moved(progress, task, self._account("heartbeat").succeeded) >= 1, "the schedule fired")
        clients.events.remove_targets(Rule="every-minute", Ids=["1"])
        clients.events.delete_rule(Name="every-minute")

    def _fire_invocations(self, progress: Progress) -> None:
        """Invocations from sixteen threads at once."""
        failing = INVOCATIONS // FAILING
        task = progress.add_task(f"invocations accepted ({failing} of them bad)", total=INVOCATIONS)

        def invoke(number: int) -> None:
            job = {"number": number} | ({} if number % FAILING == 0 else {"customer": f"customer-{number % 7}"})
            answer = self._clients.lambda_.invoke(FunctionName="flaky", InvocationType="Event", Payload=json.dumps(job))
            if answer["StatusCode"] != 202:
                raise DemoFailed(f"invocation {number} was answered {answer['StatusCode']} instead of 202")
            progress.advance(task)

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(invoke, range(INVOCATIONS)))

    def _wait_for_all(self, progress: Progress) -> None:
        """Wait until no event is in hand any more."""
        task = progress.add_task("events ended", total=self._ledger().total.accepted)

        def nothing_is_in_hand() -> bool:
            total = self._ledger().total
            progress.update(task, total=total.accepted, completed=total.accepted - total.in_hand)
            return total.in_hand == 0

        self._wait(nothing_is_in_hand, "every event has ended")

    def _conclude(self, dead_letters: str, took: float) -> int:
        """Show the ledger and one dead letter, and hold the system to its promise."""
        ledger = self._ledger()
        self._console.print(table(ledger))
        self._console.print(
            f"\n{INVOCATIONS:,} invocations were accepted, run, retried and ended in {took:.1f} s, the waits of 1 s "
            f"and 2 s\nbefore the second and third attempt included: {INVOCATIONS / took:,.0f} a second.\n"
        )
        messages = self._dead_letters(dead_letters)
        self._show(messages[0] if messages else None)
        problems = self._problems(ledger, len(messages))
        for problem in problems:
            self._console.print(f"thrice: {problem}", style="red", markup=False)
        if not problems:
            self._console.print("accepted = succeeded + dead-lettered + dropped + in hand.  Lost: [bold]0[/bold]\n")
        return 1 if problems else 0

    def _problems(self, ledger: Ledger, dead_letters: int) -> list[str]:
        total, expected = ledger.total, INVOCATIONS // FAILING
        problems = []
        if not total.is_balanced:
            problems.append("the ledger does not balance: events are unaccounted for")
        if ledger.functions["flaky"].accepted != INVOCATIONS:
            problems.append(f"{ledger.functions['flaky'].accepted} events are on the ledger, not {INVOCATIONS}")
        if not total.dead_lettered == dead_letters == expected:
            problems.append(f"{dead_letters} dead letters ({total.dead_lettered} on the ledger), not {expected}")
        if total.retried != 2 * expected:
            problems.append(f"{total.retried} retries, not {2 * expected}: two for each dead letter")
        return problems

    def _dead_letters(self, queue: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            answer = self._clients.sqs.receive_message(
                QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            )
            if "Messages" not in answer:
                return found
            found += answer["Messages"]

    def _show(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        letter = {"Body": message["Body"], "MessageAttributes": attributes}
        self._console.print("One dead letter whole, as the queue [bold]dead-letters[/bold] holds it:")
        self._console.print(JSON.from_data(letter))
        self._console.print("Its three attempts:")
        for attempt in self._get(f"/_thrice/events/{attributes['RequestID']}")["attempts"]:
            self._console.print(
                f"  {attempt['attempt']}  {attempt['started_at']}  {attempt['duration_ms']:.1f} ms  "
                f"{attempt['error_type']}: {attempt['error_message']}",
                markup=False,
            )
        self._console.print()

    def _account(self, function: str) -> Account:
        return self._ledger().functions.get(function, Account())

    def _ledger(self) -> Ledger:
        return Ledger.of(self._redis.hgetall(Keys().ledger))

    def _arn(self, function: str) -> str:
        return function_arn(self._settings.region, self._settings.account_id, function)

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(self._settings.gateway_url + path, timeout=5) as answer:  # noqa: S310 - ours
            return json.load(answer)

    def _wait(self, is_true: Callable[[], bool], what: str) -> None:
        """Look ten times a second until `is_true`.

        Raises:
            DemoFailed: it was not in time, or the demonstration was interrupted.
        """
        deadline = self._clock.monotonic() + PATIENCE
        while not is_true():
            if self._clock.monotonic() > deadline:
                raise DemoFailed(f"waited {PATIENCE:g} s in vain until {what}")
            if self._given_up.wait(0.1):
                raise DemoFailed("interrupted")

    def _progress(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
        return Progress(*columns, console=self._console)


def _moved(progress: Progress, task: TaskID, completed: int) -> int:
    """Move a bar, and return where it is now."""
    progress.update(task, completed=completed)
    return completed


def _suffix(value: str) -> dict[str, Any]:
    return {"Key": {"FilterRules": [{"Name": "suffix", "Value": value}]}}


def _zipped(folder: Path) -> bytes:
    """The handler of an example as a deployment package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.glob("*.py")):
            archive.write(file, file.name)
    return buffer.getvalue()


def _clients(settings: Settings) -> Clients:
    credentials = read_credentials(settings)
    session = boto3.session.Session(
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        region_name=settings.region,
    )
    config = Config(max_pool_connections=16)
    names = ("lambda", "s3", "sns", "sqs", "events")
    return Clients(*(session.client(name, endpoint_url=settings.gateway_url, config=config) for name in names))
