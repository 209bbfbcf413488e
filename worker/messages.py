"""The Celery messages of our tasks, written by hand: one string that the scripts fill in.

The form is Celery's protocol 2 in a kombu envelope, as the stock Redis transport reads it from a list. The body is
plain text (kombu's base64 is optional), so that a script can put a request id where `@request_id@` stands. Building it
so costs a hundredth of `apply_async`, and it can go into the same script as the event's record.
"""

import orjson

#: Celery task names. Their messages carry one argument, the request id.
ATTEMPT = "worker.tasks.attempt"
CALL = "worker.tasks.call"
DELIVER = "producers.tasks.deliver"

#: The function name under which records and dead letters on their way are kept; no user's function can be called so.
DELIVERY_FUNCTION = "thrice:delivery"

#: The function of the round trip that proves the system alive.
CANARY_FUNCTION = "thrice:canary"


def template(queue: str) -> str:
    """The message for `queue`, with `@request_id@` and `@task@` to be filled in."""
    return orjson.dumps(
        {
            "body": '[["@request_id@"],{},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}]',
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {
                "lang": "py",
                "task": "@task@",
                "id": "@request_id@",
                "root_id": "@request_id@",
                "parent_id": None,
                "group": None,
                "retries": 0,
                "eta": None,
                "expires": None,
                "timelimit": [None, None],
                "argsrepr": "('@request_id@',)",
                "kwargsrepr": "{}",
                "origin": "thrice",
                "ignore_result": True,
            },
            "properties": {
                "correlation_id": "@request_id@",
                "reply_to": None,
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
                "delivery_tag": "@request_id@",
            },
        }
    ).decode()


def fill(text: str, request_id: str, task: str) -> str:
    """The message of one event."""
    return text.replace("@request_id@", request_id).replace("@task@", task)
