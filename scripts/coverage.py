"""Write docs/aws-coverage.md: every AWS operation that works, with the fields that it obeys, from the code itself."""

import sys
from pathlib import Path

from producers.cloudformation.api import CloudFormation
from producers.cloudwatch.api import CloudWatch
from producers.events.api import Events
from producers.gateway import implemented_operations
from producers.gateway.model import Operation, load_services
from producers.gateway.validate import CHECKSUMS_OBEYED_HERE, OBEYED_HERE
from producers.lambda_.api import Lambda
from producers.logs.api import Logs
from producers.s3.api import S3
from producers.sns.api import Sns
from producers.sqs.api import Sqs

SERVICES = {
    "lambda": Lambda,
    "sqs": Sqs,
    "sns": Sns,
    "s3": S3,
    "events": Events,
    "logs": Logs,
    "cloudformation": CloudFormation,
    "cloudwatch": CloudWatch,
}
PAGE = Path(__file__).parents[1] / "docs" / "aws-coverage.md"

HEAD = """# AWS coverage

Operation by operation, with the fields of the request that are obeyed. `scripts/coverage.py` writes this page from the
code. **A field that is not listed is refused by its name, and an operation that is not listed is answered with
`NotImplemented` and its name**: nothing is accepted and ignored, but for fields that AWS's model does not know either,
which the query protocol (SNS, older SQS clients) passes over as AWS does. Where answers differ from AWS's:
[differences.md](differences.md).
"""


def page() -> str:
    """The whole page."""
    implemented = implemented_operations(SERVICES)
    # SQS comes twice, once for each protocol that it speaks; its operations and fields are the same in both.
    services = {service.name: service for service in load_services(SERVICES)}
    parts = [HEAD]
    for name, names in implemented.items():
        service = services[name]
        missing = sorted(service.operations.keys() - set(names))
        parts += [
            f"## {service.model.metadata.get('serviceId', name)}\n",
            "| operation | fields |\n|---|---|",
            *(f"| {each} | {_fields(service.operations[each])} |" for each in names),
            f"\nNot implemented: {', '.join(missing)}.\n",
        ]
    return "\n".join(parts)


def _fields(operation: Operation) -> str:
    """The members that the method takes, then those that the gateway obeys before it calls the method."""
    shape = operation.model.input_shape
    members = list(shape.members) if shape else []
    taken = [name for name in members if name in operation.accepts]
    obeyed = OBEYED_HERE | (CHECKSUMS_OBEYED_HERE if operation.checks_body else frozenset())
    taken += [name for name in members if operation.service.name == "s3" and name in obeyed - operation.accepts]
    return ", ".join(f"`{name}`" for name in taken) or "none"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"wrote {PAGE}\n")
