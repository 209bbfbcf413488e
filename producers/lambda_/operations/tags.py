"""Tags of functions."""

from collections.abc import Sequence

from producers.lambda_ import configuration
from producers.lambda_.errors import invalid_parameter
from producers.lambda_.names import FunctionName as Name
from producers.lambda_.operations.steps import Answer, Operations
from producers.seams import Request
from worker.function import FunctionConfiguration


class Tags(Operations):
    """TagResource, UntagResource, ListTags."""

    def list_tags(self, request: Request, Resource: str) -> Answer:
        """A function's tags."""
        return {"Tags": self._function(self._tagged(request, Resource)).tags}

    def tag_resource(self, request: Request, Resource: str, Tags: dict[str, str]) -> Answer:
        """Add tags to a function."""
        self._update(self._tagged(request, Resource), lambda function: configuration.with_tags(function, Tags))
        return {}

    def untag_resource(self, request: Request, Resource: str, TagKeys: Sequence[str]) -> Answer:
        """Remove tags from a function."""

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            tags = {key: value for key, value in function.tags.items() if key not in TagKeys}
            return function.model_copy(update={"tags": tags})

        self._update(self._tagged(request, Resource), change)
        return {}

    def _tagged(self, request: Request, arn: str) -> Name:
        name = self._name(request, arn)
        if name.qualifier is not None:
            raise invalid_parameter(
                "Tags on function aliases and versions are not supported. Please specify a function ARN."
            )
        return name
