"""A developer's day with `thrice deploy`, `dev`, `invoke` and `logs`, against one running system."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from tests.system.running import RunningSystem
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"

HANDLER = """
import json

def handler(event, context):
    print(json.dumps(event))
    if event.get("fails"):
        raise ValueError("as it was told")
    return "first"
"""

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String}
Globals:
  Function: {Runtime: RUNTIME, Timeout: 30}
Resources:
  Inbox:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub 'loop-inbox-${Stage}'}
  News:
    Type: AWS::SNS::Topic
  DeadLetters:
    Type: AWS::SQS::Queue
  Work:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: work/
      Handler: app.handler
      Environment: {Variables: {STAGE: !Ref Stage}}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt DeadLetters.Arn}
      EventInvokeConfig: {MaximumRetryAttempts: 1}
      Events:
        Upload:
          Type: S3
          Properties:
            Bucket: !Ref Inbox
            Events: s3:ObjectCreated:*
            Filter: {S3Key: {Rules: [{Name: suffix, Value: .txt}]}}
        Message:
          Type: SNS
          Properties: {Topic: !Ref News, FilterPolicy: {kind: [big]}}
        Hourly:
          Type: Schedule
          Properties: {Schedule: rate(1 hour), Input: '{"from": "schedule"}'}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project called shop."""
    folder = tmp_path_factory.mktemp("projects") / "shop"
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "app.py").write_text(HANDLER)
    (folder / "template.yaml").write_text(TEMPLATE.replace("RUNTIME", RUNTIME))
    return folder


def thrice(system: RunningSystem, *arguments: str, code: int = 0, text: str | None = None) -> str:
    """Run the command in this process, see its exit status, and return what it printed."""
    done = CliRunner().invoke(app, list(arguments), input=text, env=variables(system))
    assert done.exit_code == code, (arguments, done.stdout, done.stderr, done.exception)
    return done.stdout + done.stderr if code else done.stdout


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "console.cli", *arguments]


def variables(system: RunningSystem) -> dict[str, str]:
    return {**system.variables, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def deployed(system: RunningSystem, project: Path, *options: str) -> list[str]:
    """Deploy the project; the signs of the plan's lines."""
    printed = thrice(system, "deploy", str(project), "--parameter", "Stage=dev", *options)
    return [line.split()[0] for line in printed.splitlines() if line.startswith(("  + ", "  ~ ", "  = "))]


def test_template_is_deployed_once_and_works(quick: RunningSystem, project: Path):
    """A plan that is only shown changes nothing; deployed twice it is the same; file, message and failure arrive."""
    client = quick.client("lambda")

    shown = deployed(quick, project, "--dry-run")
    assert "shop-Work" not in [each["FunctionName"] for each in client.list_functions()["Functions"]]
    first = deployed(quick, project)
    second = deployed(quick, project)

    assert shown == first == ["+"] * 11
    assert second == ["="] * 11
    quick.client("s3").put_object(Bucket="loop-inbox-dev", Key="a.txt", Body=b"x")
    sns = quick.client("sns")
    topic = sns.create_topic(Name="shop-News")["TopicArn"]
    for kind in ("small", "big"):
        sns.publish(
            TopicArn=topic,
            Message=kind,
            MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}},
        )
    printed = thrice(quick, "invoke", "shop-Work", '{"fails": true}', "--wait", code=1)
    assert "attempt 2" in printed
    assert "attempt 3" not in printed
    assert "dead-lettered (RetriesExhausted) after 2 attempts: ValueError: as it was told" in printed
    url = quick.client("sqs").get_queue_url(QueueName="shop-DeadLetters")["QueueUrl"]
    assert json.loads(quick.receive(url)["Body"]) == {"fails": True}

    def log() -> str:
        return thrice(quick, "logs", "shop-Work", "--since", "1h")

    wait_until(lambda: "ObjectCreated:Put" in log() and '"Message": "big"' in log(), "the file and the message came")
    assert '"Message": "small"' not in log()
    rule = quick.client("events").describe_rule(Name="shop-WorkHourly")
    assert (rule["ScheduleExpression"], rule["State"]) == ("rate(1 hour)", "ENABLED")


def test_what_changed_is_changed_and_said(quick: RunningSystem, project: Path):
    """A number in the template and a policy: two lines of the plan differ, and the system has them."""
    deployed(quick, project)
    template = project / "template.yaml"
    text = template.read_text()
    template.write_text(text.replace("Timeout: 30", "Timeout: 20").replace("kind: [big]", "kind: [huge]"))
    try:
        printed = thrice(quick, "deploy", str(template), "--name", "shop", "--parameter", "Stage=dev")
    finally:
        template.write_text(text)

    assert "Timeout 30 → 20" in printed
    assert "FilterPolicy" in printed
    assert "2 updated, 9 as before" in printed
    configuration = quick.client("lambda").get_function_configuration(FunctionName="shop-Work")
    assert configuration["Timeout"] == 20


def test_what_cannot_be_done_is_told_before_anything_is_changed(quick: RunningSystem, tmp_path: Path):
    """Problems of the template and refusals of the system alike, with their lines; nothing is made."""
    (tmp_path / "app.py").write_text(HANDLER)
    (tmp_path / "template.yaml").write_text(
        "Resources:\n"
        "  Q: {Type: AWS::SQS::Queue}\n"
        "  F:\n"
        "    Type: AWS::Lambda::Function\n"
        "    Properties: {Code: ., Handler: app.handler, Runtime: cobol85, Role: 'arn:aws:iam::000000000000:role/r'}\n"
    )

    printed = thrice(quick, "deploy", str(tmp_path), "--name", "never", code=2)

    assert "template.yaml:3  never-F:" in printed
    assert "cobol85" in printed
    assert "Nothing was changed." in printed
    assert "QueueUrls" not in quick.client("sqs").list_queues(QueueNamePrefix="never")


def test_folder_becomes_a_function_that_is_invoked_and_read(quick: RunningSystem, tmp_path: Path):
    """Handler and runtime are found; an event's id finds its log; a call prints its result; junk stays outside."""
    folder = tmp_path / "hello"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "__pycache__" / "app.pyc").write_bytes(b"x")
    (folder / "app.py").write_text(HANDLER)

    assert "+ function  hello   " + RUNTIME + " app.handler" in thrice(quick, "deploy", str(folder), "--env", "KEY=v")
    assert "1 as before" in thrice(quick, "deploy", str(folder))
    assert thrice(quick, "invoke", "hello", "-", "--sync", text='{"a": 1}') == '"first"\n'
    assert "as it was told" in thrice(quick, "invoke", "hello", '{"fails": 1}', "--sync", code=1)
    request_id = thrice(quick, "invoke", "hello", '{"mine": 1}').strip()
    thrice(quick, "await", request_id)
    lines = thrice(quick, "logs", "hello", "--request", request_id).splitlines()

    assert [line.split(" ")[1] for line in lines] == ["START", '{"mine":', "END", "REPORT"]
    assert "\t" in lines[3]
    assert "mine" in thrice(quick, "logs", "hello", "--filter", "mine", "--request", request_id)
    assert "There are: hello" in thrice(quick, "invoke", "hell", code=2)
    assert "column 7" in thrice(quick, "invoke", "hello", '{"a": }', code=2)


def test_every_save_is_deployed_and_a_broken_file_is_not(quick: RunningSystem, tmp_path: Path):
    """The new code answers after a save; a syntax error is shown and the old code goes on; Ctrl-C ends it."""
    folder = tmp_path / "dev"
    folder.mkdir()
    file = folder / "app.py"
    file.write_text(HANDLER)

    with developing(quick, folder) as (process, output):
        wait_until(lambda: "Watching." in output.read_text(), "it watches", 60)
        thrice(quick, "invoke", "dev", '{"seen": 1}', "--wait")
        wait_until(lambda: '{"seen": 1}' in output.read_text(), "the log is shown")
        file.write_text(HANDLER.replace("first", "second"))
        wait_until(lambda: output.read_text().count("Deployed in") == 2, "it was deployed again", 60)
        second = thrice(quick, "invoke", "dev", "--sync")
        file.write_text(HANDLER.replace("return", "retrun"))
        wait_until(lambda: "Not deployed" in output.read_text(), "the error is shown", 60)
        still = thrice(quick, "invoke", "dev", "--sync")
        (folder / "other.py").write_text("x = 1\n")
        wait_until(lambda: output.read_text().count("Not deployed") == 2, "the other file does not deploy it", 60)
        file.write_text(HANDLER.replace("first", "third"))
        wait_until(lambda: output.read_text().count("Deployed in") == 3, "it is mended", 60)
        third = thrice(quick, "invoke", "dev", "--sync")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0

    assert (second, still, third) == ('"second"\n', '"second"\n', '"third"\n')
    assert "SyntaxError" in output.read_text()


@contextmanager
def developing(system: RunningSystem, folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """`thrice dev` on a folder, and the file that it prints to."""
    output = folder.parent / "dev.txt"
    with output.open("wb") as printed:
        process = subprocess.Popen(
            command("dev", str(folder)), env=variables(system), stdout=printed, stderr=subprocess.STDOUT, cwd=os.sep
        )
    try:
        yield process, output
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def test_without_a_system_it_says_what_to_do(tmp_path: Path, quick: RunningSystem):
    """Another folder has no credentials; another port has no gateway."""
    (tmp_path / "app.py").write_text(HANDLER)
    for variable, value, words in (
        ("THRICE_DATA_DIR", str(tmp_path / "none"), "set THRICE_DATA_DIR"),
        ("THRICE_PORT", "9", "does not answer at http://127.0.0.1:9"),
    ):
        done = subprocess.run(
            command("deploy", str(tmp_path)),
            env={**variables(quick), variable: value}, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert done.returncode in (1, 2)
        assert words in done.stderr
        assert "Traceback" not in done.stderr
