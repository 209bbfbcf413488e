"""What moto makes of requests and results. Run as a script, because importing moto changes botocore for the process.

Reads a pickled list of questions from its input and writes a pickled list of answers to its output; see test_moto.py.
"""

import pickle
import sys
from typing import Any


def _parsed(question: dict[str, Any]) -> Any:
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.utils import get_service_model
    from werkzeug.datastructures import Headers, MultiDict

    operation = get_service_model(question["service"]).operation_model(question["operation"])
    fields = MultiDict([(name, value) for name, values in question["fields"].items() for value in values])
    request = {
        "body": question["body"],
        "headers": Headers(question["headers"]),
        "method": question["method"],
        "url_params": question["labels"],
        "url_path": question["path"],
        "values": fields,
    }
    return PROTOCOL_PARSERS[question["protocol"]](operation).parse(request)


def _serialized(question: dict[str, Any]) -> Any:
    from moto.core.serialize import get_serializer_class
    from moto.core.utils import get_service_model

    operation = get_service_model(question["service"]).operation_model(question["operation"])
    answer = get_serializer_class(question["service"], question["protocol"])(operation).serialize(question["result"])
    body = answer["body"]
    return answer["status_code"], dict(answer["headers"]), body.encode() if isinstance(body, str) else body


if __name__ == "__main__":
    asked = pickle.load(sys.stdin.buffer)
    opinions = [_parsed(question) if "body" in question else _serialized(question) for question in asked]
    sys.stdout.buffer.write(pickle.dumps(opinions))
