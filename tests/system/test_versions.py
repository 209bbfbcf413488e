"""Versions, aliases and layers where all parts meet: what is named is what runs, as unmodified boto3 asks for it."""

import json
from collections import Counter

import pytest

from tests.system.running import ROLE, RunningSystem, zipped

SAYS = """
import json, words
def handler(event, context):
    told = [words.WORD, context.function_version, context.invoked_function_arn.split(":", 7)[7:], {own!r}]
    print(json.dumps(told))
    return told
"""


def layer(word: str) -> bytes:
    """A layer with the module `words`."""
    return zipped(f"WORD = {word!r}\n", "python/words.py")


@pytest.mark.parity(
    "invoke.qualifier.version", "invoke.qualifier.alias", "record.version", "alias.context", "alias.weights",
    "control.create.layers", "control.create.s3-code", "version.publish",
)  # fmt: skip
def test_versions_aliases_and_layers_run(up: RunningSystem):
    """Each version runs with its own code and layers, an alias shares its invocations out, and events go by it too."""
    lambda_, s3 = up.client("lambda"), up.client("s3")
    s3.create_bucket(Bucket="packages")
    s3.put_object(Bucket="packages", Key="layer.zip", Body=layer("one"))
    s3.put_object(Bucket="packages", Key="code.zip", Body=zipped(SAYS.format(own="first")))
    content = {"S3Bucket": "packages", "S3Key": "layer.zip"}
    one = lambda_.publish_layer_version(LayerName="words", Content=content)["LayerVersionArn"]
    two = lambda_.publish_layer_version(LayerName="words", Content={"ZipFile": layer("two")})["LayerVersionArn"]
    lambda_.create_function(
        FunctionName="speaker", Runtime="python3.11", Role=ROLE, Handler="app.handler", Layers=[one], Publish=True,
        Code={"S3Bucket": "packages", "S3Key": "code.zip"},
    )  # fmt: skip
    lambda_.get_waiter("published_version_active").wait(FunctionName="speaker", Qualifier="1")
    lambda_.update_function_configuration(FunctionName="speaker", Layers=[two])
    lambda_.get_waiter("function_updated_v2").wait(FunctionName="speaker")
    lambda_.update_function_code(FunctionName="speaker", ZipFile=zipped(SAYS.format(own="second")), Publish=True)
    lambda_.update_function_code(FunctionName="speaker", ZipFile=zipped(SAYS.format(own="latest")))
    lambda_.create_alias(
        FunctionName="speaker", Name="live", FunctionVersion="1",
        RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
    )  # fmt: skip
    lambda_.delete_layer_version(LayerName="words", VersionNumber=1)

    def call(qualifier: str) -> tuple[str, list]:
        answer = lambda_.invoke(FunctionName="speaker", Qualifier=qualifier)
        return answer["ExecutedVersion"], json.load(answer["Payload"])

    assert call("1") == ("1", ["one", "1", ["1"], "first"])
    assert call("2") == ("2", ["two", "2", ["2"], "second"])
    assert call("$LATEST") == ("$LATEST", ["two", "$LATEST", ["$LATEST"], "latest"])
    shared = [call("live") for _ in range(40)]
    told = {"1": ["one", "1", ["live"], "first"], "2": ["two", "2", ["live"], "second"]}
    assert all(payload == told[version] for version, payload in shared)
    assert Counter(version for version, _ in shared).keys() == {"1", "2"}

    lambda_.update_alias(FunctionName="speaker", Name="live", FunctionVersion="2", RoutingConfig={})
    lambda_.invoke(FunctionName="speaker:live", InvocationType="Event")
    lambda_.put_function_event_invoke_config(
        FunctionName="speaker", Qualifier="live",
        DestinationConfig={"OnSuccess": {"Destination": up.create_queue("spoken")[1]}},
    )  # fmt: skip
    lambda_.invoke(FunctionName="speaker:live", InvocationType="Event")
    url = up.client("sqs").get_queue_url(QueueName="spoken")["QueueUrl"]
    record = json.loads(up.receive(url, timeout=60)["Body"])

    assert record["requestContext"]["functionArn"].endswith(":function:speaker:live")
    assert record["responseContext"]["executedVersion"] == "2"
    assert record["responsePayload"] == ["two", "2", ["live"], "second"]
