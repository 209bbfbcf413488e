"""Works on numbered jobs. Some always fail, as a payload that nobody thought of does."""


def handler(event, context):
    number = event["number"]
    if "customer" not in event:
        raise ValueError(f"job {number} has no customer")
    return {"number": number, "customer": event["customer"], "square": number**2}
