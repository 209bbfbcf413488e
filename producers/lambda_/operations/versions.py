"""PublishVersion and ListVersionsByFunction. A version is deleted by DeleteFunction, as on AWS."""

from producers.lambda_ import configuration
from producers.lambda_.operations.functions import Functions
from producers.lambda_.operations.steps import Answer, check_revision
from producers.lambda_.pages import page
from producers.lambda_.version import Publication, check_code
from producers.seams import Request
from worker.function import FunctionConfiguration
from worker.identity import new_request_id


class Versions(Functions):
    """What there is of a function besides `$LATEST`."""

    def publish_version(
        self,
        request: Request,
        FunctionName: str,
        CodeSha256: str | None = None,
        Description: str | None = None,
        RevisionId: str | None = None,
    ) -> Answer:
        """Keep `$LATEST` as it is under the next number, unless it was kept already and has not changed since."""
        name = self._name(request, FunctionName)
        publication = Publication(Description, new_request_id())

        def change(function: FunctionConfiguration) -> FunctionConfiguration:
            check_revision(function.revision_id, RevisionId)
            check_code(function, CodeSha256)
            return publication.made_of(function, self._last(function))

        self._update(name, change, publish=publication.new_version)
        assert publication.version is not None
        return configuration.described(publication.version, arn=publication.version.qualified_arn)

    def list_versions_by_function(
        self, request: Request, FunctionName: str, Marker: str | None = None, MaxItems: int | None = None
    ) -> Answer:
        """One page of a function's versions: `$LATEST`, then the others by their numbers."""
        name = self._name(request, FunctionName)
        function = self._function(name)
        numbers = (0, *sorted(map(int, function.published)))
        wanted, marker = page(numbers, lambda each: (each,), Marker, MaxItems, "ListVersionsByFunction")
        found = (self._registry.version(name.name, str(number)) if number else function for number in wanted)
        listed = [configuration.listed(each, arn=each.qualified_arn) for each in found if each is not None]
        return {"Versions": listed} | ({"NextMarker": marker} if marker else {})
