"""Write docs/aws-coverage.md: every AWS operation that works, with the fields that it obeys, from the code itself."""

import inspect
import sys
from pathlib import Path

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from producers.events.api import Events
from producers.gateway import implemented_operations
from producers.lambda_.api import Lambda
from producers.logs.api import Logs
from producers.s3.api import S3
from producers.sns.api import Sns
from producers.sqs.api import Sqs

SERVICES = {"lambda": Lambda, "sqs": Sqs, "sns": Sns, "s3": S3, "events": Events, "logs": Logs}
PAGE = Path(__file__).parents[1] / "docs" / "aws-coverage.md"

HEAD = """# AWS coverage

Operation by operation, with the fields of the request that are obeyed. `scripts/coverage.py` writes this page from the
code. **A field that is not listed is refused by its name, and an operation that is not listed is answered with
`NotImplemented` and its name**: nothing is accepted and ignored. Where answers differ from AWS's:
[differences.md](differences.md).
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for service, operations in implemented_operations(SERVICES).items():
        parts += _section(service, operations)
    return "\n".join(parts)


def _section(service: str, operations: list[str]) -> list[str]:
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    missing = sorted(set(model.operation_names) - set(operations))
    rows = [f"| {name} | {_fields(service, name)} |" for name in sorted(operations)]
    return [
        f"## {model.metadata.get('serviceId', service)}\n",
        "| operation | fields |\n|---|---|",
        *rows,
        f"\nNot implemented: {', '.join(missing)}.\n",
    ]


def _fields(service: str, operation: str) -> str:
    method = getattr(SERVICES[service], xform_name(operation))
    names = list(inspect.signature(method).parameters)[2:]  # after self and the request
    return ", ".join(f"`{name}`" for name in names) or "none"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"wrote {PAGE}\n")
