"""Counts the words of a text file that was put into a bucket, and stores the result as JSON in another bucket."""

import collections
import json
import os
import re
import urllib.parse

import boto3

s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8")

        words = re.findall(r"\w+", text.lower())
        result = {
            "source": f"s3://{bucket}/{key}",
            "lines": text.count("\n"),
            "words": len(words),
            "distinct": len(set(words)),
            "most_common": collections.Counter(word for word in words if len(word) > 3).most_common(3),
        }
        target = os.environ["RESULTS_BUCKET"]
        s3.put_object(Bucket=target, Key=f"{key}.json", Body=json.dumps(result), ContentType="application/json")
        print(f"{key}: {result['words']} words, {result['distinct']} distinct")
