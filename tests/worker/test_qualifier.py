"""Which version an invocation runs, by the qualifier that its function was named with."""

import pytest

from tests.worker.conftest import System, function
from worker.function import Alias, EventInvokeConfig, FunctionConfiguration
from worker.identity import new_request_id
from worker.invocation import Invocation
from worker.qualifier import find, qualifier_of

CONFIG = EventInvokeConfig(maximum_retry_attempts=0)

ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


@pytest.fixture
def published() -> FunctionConfiguration:
    """A function with two versions, an alias, and what is set for one qualifier."""
    return function(
        published={"1": "r1", "2": "r2"},
        aliases={
            "live": Alias(version="1", revision_id="a"),
            "canary": Alias(version="1", weights={"2": 0.25}, revision_id="b"),
            "head": Alias(version="$LATEST", revision_id="c"),
            "stale": Alias(version="7", revision_id="d"),
        },
        event_invoke_configs={"live": CONFIG},
        dead_letter_arn="latest's",
        dead_letter_arns={"1": "first's"},
        event_invoke_config=EventInvokeConfig(maximum_retry_attempts=1),
        reserved_concurrency=3,
    )


@pytest.mark.parametrize(("arn", "qualifier"), [(ARN, None), (f"{ARN}:live", "live"), (f"{ARN}:$LATEST", "$LATEST")])
def test_qualifier_is_what_follows_the_name(arn: str, qualifier: str | None):
    """An ARN says which qualifier the caller wrote, or that he wrote none."""
    assert qualifier_of(arn) == qualifier


@pytest.mark.parity("versions.no-inheritance", "version.concurrency")
@pytest.mark.parametrize(
    ("qualifier", "version", "revision", "retries"),
    [
        (None, "$LATEST", "r", 1),
        ("$LATEST", "$LATEST", "r", 1),
        ("2", "2", "r2", None),
        ("live", "1", "r1", 0),
        ("head", "$LATEST", "r", None),
    ],
)
def test_qualifier_finds_version_and_settings(
    published: FunctionConfiguration, qualifier: str | None, version: str, revision: str, retries: int | None
):
    """Each qualifier has a version and settings of its own and inherits none; concurrency is the function's."""
    found = find(published, qualifier, "x")

    assert found is not None
    assert (found.version, found.revision_id, found.maximum_retry_attempts) == (version, revision, retries)
    assert found.reserved_concurrency == 3
    assert found.qualified_arn == f"{ARN}:{qualifier or '$LATEST'}"


@pytest.mark.parity("dlq.versions")
@pytest.mark.parametrize(
    ("qualifier", "target"),
    [(None, "latest's"), ("$LATEST", "latest's"), ("head", "latest's"), ("1", "first's"), ("live", "first's"),
     ("2", None)],
)  # fmt: skip
def test_version_has_the_dead_letter_queue_that_it_was_published_with(
    published: FunctionConfiguration, qualifier: str | None, target: str | None
):
    """Or none, whatever `$LATEST` has now."""
    found = find(published, qualifier, "x")

    assert found is not None
    assert found.dead_letter_arn == target


@pytest.mark.parity("async.alias-at-run-time")
def test_alias_is_looked_up_when_an_event_runs(system: System):
    """An event that was queued for an alias runs on what the alias points to by then."""
    live = Alias(version="1", revision_id="a")
    system.define(function(published={"1": "r1", "2": "r2"}, aliases={"live": live}))
    system.queue.enqueue_all([Invocation(new_request_id(), "f", f"{ARN}:live", b"{}", system.clock.now())])
    moved = Alias(version="2", revision_id="b")
    system.define(function(published={"1": "r1", "2": "r2"}, aliases={"live": moved}))

    (claimed,) = system.worker.claim()

    assert claimed.function is not None
    assert (claimed.function.version, claimed.function.revision_id) == ("2", "r2")


@pytest.mark.parametrize("qualifier", ["3", "nobody", "stale"])
def test_what_is_not_there_is_not_found(published: FunctionConfiguration, qualifier: str):
    """Neither a version, nor an alias, nor what an alias points to."""
    assert find(published, qualifier, "x") is None


@pytest.mark.parity("alias.weights")
def test_weighted_alias_gives_the_second_version_its_share(published: FunctionConfiguration):
    """A quarter of many request ids goes to version 2, and each id always to the same."""
    ids = [new_request_id() for _ in range(4000)]

    versions = [find(published, "canary", request_id) for request_id in ids]

    share = sum(found is not None and found.version == "2" for found in versions) / len(ids)
    assert 0.2 < share < 0.3
    assert versions == [find(published, "canary", request_id) for request_id in ids]
