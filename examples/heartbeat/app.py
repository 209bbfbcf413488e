"""Runs on a schedule, and says when it was due."""


def handler(event, context):
    print(f"due at {event['time']}, started by {event['resources'][0]}")
    return {"due": event["time"]}
