"""From a template to the steps of a deployment, with templates as people write them."""

from pathlib import Path

import pytest

from console.deploy import plan, source, template
from console.deploy.intrinsics import later
from console.deploy.plan import Plan
from console.deploy.problem import Problem
from console.deploy.references import Place
from console.deploy.steps import (
    KINDS,
    Alias,
    Bucket,
    EventInvoke,
    Folder,
    Function,
    Inline,
    Layer,
    Notification,
    Object,
    Permission,
    Subscription,
    Topic,
    Version,
)
from producers.cloudformation import tags

TEMPLATES = Path(__file__).parent / "templates"
PLACE = Place("us-east-1", "000000000000", "http://127.0.0.1:4566")
ARN = "arn:aws:lambda:us-east-1:000000000000:function:"
SQS = "arn:aws:sqs:us-east-1:000000000000:"
SNS = "arn:aws:sns:us-east-1:000000000000:"


def planned(name: str, *, skips: bool = False, **parameters: str) -> tuple[Plan, list[Problem]]:
    text = (TEMPLATES / name).read_text() if name.endswith((".yaml", ".json")) else name
    read = source.parse(text, is_json=name.endswith(".json"))
    return plan.plan(template.read(read, PLACE, "shop", parameters, skips=skips), skips=skips)


def steps(name: str, **parameters: str) -> dict[str, list]:
    """The steps of a template that has no problems, by their kind."""
    made, problems = planned(name, **parameters)
    assert problems == []
    found: dict[str, list] = {}
    for step in made.steps:
        found.setdefault(KINDS[type(step)], []).append(step)
    return found


def test_every_kind_of_resource_of_an_upload_pipeline():
    """Globals, parameters, conditions, references both ways, and what SAM makes of a function's members."""
    made = steps("thumbnails.yaml")
    arn = f"{ARN}shop-Resize"

    assert {queue.name: queue.attributes for queue in made["queue"]} == {
        "shop-Unreadable": {},
        "shop-DeadLetters": {
            "MessageRetentionPeriod": "1209600",
            "RedrivePolicy": f'{{"deadLetterTargetArn":"{SQS}shop-Unreadable","maxReceiveCount":5}}',
        },
        "shop-ResizeEventInvokeConfigOnFailureQueue": {},
    }
    assert made["topic"] == [Topic("shop-Done", {"DisplayName": "Done"})]
    assert made["bucket"] == [Bucket("000000000000-uploads-dev")]
    assert made["function"] == [
        Function(
            "shop-Resize",
            Folder(Path("src/resize")),
            {
                "Runtime": "python3.11",
                "Handler": "app.handler",
                "Timeout": 30,
                "MemorySize": 256,
                "Environment": {
                    "Variables": {
                        "STAGE": "dev", "VERBOSE": "true", "TARGET": "000000000000-thumbnails-dev", "ACCOUNT": "0012",
                    }
                },
                "Role": "arn:aws:iam::000000000000:role/shop-ResizeRole",
                "DeadLetterConfig": {"TargetArn": f"{SQS}shop-DeadLetters"},
            },
            {"project": "thumbnails", tags.STACK: "shop", tags.LOGICAL_ID: "Resize"},
            None,
            21,
            "Resize",
        )
    ]  # fmt: skip
    assert made["event invoke"] == [
        EventInvoke(
            "shop-Resize",
            None,
            {
                "MaximumRetryAttempts": 1,
                "MaximumEventAgeInSeconds": 3600,
                "DestinationConfig": {
                    "OnSuccess": {"Destination": f"{SNS}shop-Done"},
                    "OnFailure": {"Destination": f"{SQS}shop-ResizeEventInvokeConfigOnFailureQueue"},
                },
            },
        )
    ]
    assert made["subscription"] == [Subscription(f"{SNS}shop-Done", "sqs", f"{SQS}shop-Unreadable")]
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]
    assert made["notification"] == [
        Notification(
            "000000000000-uploads-dev",
            {
                "LambdaFunctionConfigurations": [
                    {
                        "Id": "ResizePhoto",
                        "LambdaFunctionArn": arn,
                        "Events": ["s3:ObjectCreated:*"],
                        "Filter": {"Key": {"FilterRules": rules}},
                    }
                ]
            },
        )
    ]
    assert [step.members["SourceArn"] for step in made["permission"]] == ["arn:aws:s3:::000000000000-uploads-dev"]


def test_dead_letter_queue_comes_before_the_queue_that_needs_it():
    """And all queues before the functions, the functions before what points at them."""
    made, _ = planned("thumbnails.yaml")
    names = [step.name for step in made.steps]

    assert names.index("shop-Unreadable") < names.index("shop-DeadLetters") < names.index("shop-Resize")
    assert [type(step) for step in made.steps][-1] is Notification


def test_parameter_decides_conditions():
    """In production other numbers hold, and an alarm is wanted that is not to be had."""
    made, problems = planned("thumbnails.yaml", skips=True, Stage="prod")

    assert problems == []
    assert made.functions[0].members["Timeout"] == 60
    assert made.functions[0].concurrency == 50
    assert any("AWS::CloudWatch::Alarm" in note for note in made.notes)
    assert "AllowedValues dev, prod" in planned("thumbnails.yaml", Stage="none")[1][0].text
    assert "there are: Stage, MemoryInMb" in planned("thumbnails.yaml", Stag="dev")[1][0].text


def test_published_alias_is_what_everything_invokes():
    """Versions, layers, code in a bucket and in the template, and the three sources beside S3."""
    made = steps("orders.yaml")
    live = f"{ARN}book-order:live"

    assert made["version"] == [Version("Book", "book-order")]
    assert made["alias"] == [Alias("book-order", "live", {"FunctionVersion": later("Book.Version")})]
    assert made["layer"] == [
        Layer("Shared", "shop-Shared", Folder(Path("layer")), {"CompatibleRuntimes": ["python3.11"]}, 38)
    ]
    book, audit = made["function"]
    assert book.code == Inline("index.py", "def handler(event, context):\n    return event\n")
    assert audit.code == Object("code", "audit.zip")
    assert audit.members["Layers"] == [later("Shared.Arn")]
    assert audit.members["Environment"] == {"Variables": {"BOOK_ARN": live}}
    policy = '{"kind":["book",{"prefix":"b"}]}'
    assert made["subscription"] == [Subscription(f"{SNS}orders", "lambda", live, {"FilterPolicy": policy})]
    nightly, paid = made["rule"]
    assert (nightly.name, nightly.members, nightly.targets) == (
        "nightly",
        {"ScheduleExpression": "cron(0 3 * * ? *)", "State": "DISABLED"},
        ({"Id": "BookNightlyLambdaTarget", "Arn": live, "Input": '{"full": true}'},),
    )
    assert paid.members["EventPattern"] == '{"source":["shop"],"detail":{"total":[{"numeric":[">",100]}]}}'
    assert paid.targets == ({"Id": "BookPaidLambdaTarget", "Arn": live, "InputPath": "$.detail"},)
    assert {step.qualifier for step in made["permission"]} == {"live"}


def test_plain_cloudformation_in_json():
    """Every function of the language that has a meaning here."""
    made = steps("plain.json")

    (function,) = made["function"]
    assert function.code == Inline("index.py", "def handler(event, context):\n    return 1")
    assert (function.tags, function.members) == (
        {"team": "one", tags.STACK: "shop", tags.LOGICAL_ID: "F"},
        {
            "Runtime": "python3.11",
            "Handler": "index.handler",
            "Description": "b",
            "Timeout": 20,
            "Role": "arn:aws:iam::000000000000:role/shop-Role",
            "DeadLetterConfig": {"TargetArn": f"{SQS}there"},
        },
    )
    assert made["alias"] == [Alias("shop-F", "live", {"FunctionVersion": later("V.Version")})]
    assert made["event invoke"] == [EventInvoke("shop-F", None, {"MaximumRetryAttempts": 0})]
    assert made["rule"][0].targets == ({"Id": "1", "Arn": f"{ARN}shop-F:live"},)
    assert made["permission"] == [
        Permission(
            "shop-F",
            "live",
            "May",
            {
                "Action": "lambda:InvokeFunction",
                "Principal": "events.amazonaws.com",
                "SourceArn": "arn:aws:events:us-east-1:000000000000:rule/shop-Rule",
            },
        )
    ]
    assert made["notification"][0].bucket == "shop-bucket"


def test_all_problems_are_told_at_once_with_their_lines():
    """What thrice does not have, what is not there, what lacks a value: each where it stands."""
    _, problems = planned("impossible.yaml")

    told = {(problem.line, problem.where): problem for problem in problems}
    assert sorted(told) == [
        (3, "Parameters.Needed"),
        (5, "Table"),
        (10, "F"),
        (13, "F.ProvisionedConcurrencyConfig"),
        (16, "F.Environment.Variables.TABLE"),
        (17, "F.Environment.Variables.WHO"),
        (19, "F.Events.Work"),
        (24, "Q.FifoQueue"),
        (28, "Topic.Subscription.0"),
        (31, "Secret.DisplayName"),
    ]
    left_out = {where for (_, where), problem in told.items() if problem.can_be_left_out}
    assert left_out == {"Table", "F.Events.Work", "F.Environment.Variables.TABLE", "Topic.Subscription.0"}


def test_web_api_of_a_beginners_project_is_left_out_if_that_is_wanted():
    """The one trigger is a problem; with --skip it is a note, and the function is there."""
    _, problems = planned("hello.yaml")
    made, none = planned("hello.yaml", skips=True)

    assert [(problem.line, problem.where) for problem in problems] == [(19, "HelloWorldFunction.Events.HelloWorld")]
    assert none == []
    assert [step.name for step in made.steps] == ["shop-HelloWorldFunction"]
    assert any("type Api" in note for note in made.notes)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{Fn::Transform: x}", "the function Fn::Transform is not offered"),
        ("!Sub '${Nothing}'", "no parameter and no resource 'Nothing'"),
        ("!Sub '${Q.Colour}'", "has no attribute 'Colour' here; there are: QueueUrl, QueueName, Arn"),
        ("!If [Missing, a, b]", "there is no condition 'Missing'"),
        ("!If [Round, a, b]", "asks for itself"),
        ("!Select [7, [a]]", "no item 7"),
        ("!FindInMap [M, a, b]", "Mappings has no M.a.b"),
        ("!Ref AWS::Colour", "AWS::Colour has no value"),
        ("!GetAtt V.Version", "known only after publishing"),
    ],
)
def test_function_that_means_nothing_is_told(body: str, words: str):
    """The text says what is wrong with it."""
    _, problems = planned(
        "Conditions: {Round: !Condition Round}\n"
        "Resources:\n"
        "  Q: {Type: AWS::SQS::Queue}\n"
        "  V: {Type: AWS::Lambda::Version, Properties: {FunctionName: f}}\n"
        "  T: {Type: AWS::SNS::Topic, Properties: {DisplayName: " + body + "}}\n"
    )

    assert [problem for problem in problems if words in problem.text] == problems
    assert problems


@pytest.mark.parametrize(
    ("kind", "member", "value", "words"),
    [
        ("AWS::Serverless::Function", "Events", "[a]", "mapping"),
        ("AWS::Serverless::Function", "Events", "{E: {Type: S3, Properties: x}}", "mapping"),
        ("AWS::Serverless::Function", "Events", "{E: x}", "mapping with the member Type"),
        ("AWS::Serverless::Function", "Events", "{E: {Type: SNS}}", "Topic is missing"),
        ("AWS::Serverless::Function", "Environment", "x", "mapping"),
        ("AWS::Serverless::Function", "DeadLetterQueue", "x", "mapping"),
        ("AWS::Serverless::Function", "EventInvokeConfig", "{DestinationConfig: {OnFailure: x}}", "mapping"),
        ("AWS::Serverless::Function", "ReservedConcurrentExecutions", "many", "no number"),
        ("AWS::SNS::Topic", "Subscription", "{Protocol: sqs}", "list of mappings"),
        ("AWS::Events::Rule", "Targets", "[x]", "list of mappings"),
        ("AWS::S3::Bucket", "NotificationConfiguration", "{LambdaConfigurations: {}}", "list of mappings"),
        ("AWS::S3::Bucket", "NotificationConfiguration", "{QueueConfigurations: [{Event: e}]}", "Queue is missing"),
        ("AWS::S3::Bucket", "BucketName", "No_Bucket", "no name of a bucket"),
    ],
)
def test_member_of_another_form_is_a_problem(kind: str, member: str, value: str, words: str):
    """Whatever a template holds, it is told; nothing is raised."""
    rest = "InlineCode: x, Handler: index.handler, " if kind.endswith("Function") else ""
    _, problems = planned(f"Resources:\n  R: {{Type: {kind}, Properties: {{{rest}{member}: {value}}}}}\n")

    assert [words in problem.text for problem in problems] == [True]


def test_circle_of_dead_letter_queues_is_told():
    """Neither could be made first."""
    policy = "{RedrivePolicy: {deadLetterTargetArn: !GetAtt %s.Arn, maxReceiveCount: 1}}"
    one = f"{{Type: AWS::SQS::Queue, Properties: {policy}}}"
    _, problems = planned(f"Resources:\n  A: {one % 'B'}\n  B: {one % 'A'}\n")

    assert ["each other's" in problem.text for problem in problems] == [True]
