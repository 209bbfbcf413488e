"""Layers: packages that functions share. A worker lays those of a function over each other and shows them to it.

Whoever may call may use every layer of the account, so layers have no policies.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from producers.lambda_ import layer
from producers.lambda_.configuration import moment
from producers.lambda_.errors import invalid_parameter
from producers.lambda_.layer import StoredLayer
from producers.lambda_.operations.steps import Answer, Operations
from producers.lambda_.package import checked_size, fetched, sha256_of
from producers.lambda_.pages import page
from producers.lambda_.version import base64_of
from producers.seams import Request


class Layers(Operations):
    """PublishLayerVersion to DeleteLayerVersion."""

    def publish_layer_version(
        self,
        request: Request,
        LayerName: str,
        Content: Mapping[str, Any],
        Description: str | None = None,
        CompatibleRuntimes: Sequence[str] | None = None,
        LicenseInfo: str | None = None,
        CompatibleArchitectures: Sequence[str] | None = None,
    ) -> Answer:
        """Make the next version of a layer."""
        name = layer.layer_name(LayerName, self._place)
        package = fetched(Content, self._seams.read_object)
        unzipped = checked_size(package)
        made = StoredLayer(
            name=name,
            number=self._layers.next_number(name),
            arn=layer.layer_arn(self._place, name),
            code_sha256=sha256_of(package),
            code_size=len(package),
            unzipped_size=unzipped,
            description=Description or "",
            runtimes=tuple(CompatibleRuntimes or ()),
            architectures=tuple(CompatibleArchitectures or ()),
            license_info=LicenseInfo,
            created=moment(self._clock.now()),
        )
        self._layers.put(made, package)
        return self._described(request, made)

    def get_layer_version(self, request: Request, LayerName: str, VersionNumber: int) -> Answer:
        """A version of a layer, and where its package is."""
        if VersionNumber < 1:
            raise invalid_parameter("Layer Version Cannot be less than 1")
        return self._described(request, self._layer(layer.layer_name(LayerName, self._place), VersionNumber))

    def get_layer_version_by_arn(self, request: Request, Arn: str) -> Answer:
        """The same, by its ARN."""
        return self._described(request, self._layer(*layer.version_of(Arn, self._place)))

    def list_layers(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        CompatibleRuntime: str | None = None,
        Marker: str | None = None,
        MaxItems: int | None = None,
        CompatibleArchitecture: str | None = None,
    ) -> Answer:
        """One page of the layers by name, each with the latest version that matches."""
        latest = {
            each.name: each for each in self._layers.all() if each.is_for(CompatibleRuntime, CompatibleArchitecture)
        }
        wanted, marker = page(list(latest.values()), lambda each: (each.name,), Marker, MaxItems, "ListLayers")
        listed = [
            {"LayerName": each.name, "LayerArn": each.arn, "LatestMatchingVersion": layer.listed(each)}
            for each in wanted
        ]
        return {"Layers": listed} | ({"NextMarker": marker} if marker else {})

    def list_layer_versions(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        LayerName: str,
        CompatibleRuntime: str | None = None,
        Marker: str | None = None,
        MaxItems: int | None = None,
        CompatibleArchitecture: str | None = None,
    ) -> Answer:
        """One page of a layer's versions, the newest first."""
        name = layer.layer_name(LayerName, self._place)
        versions = [
            each
            for each in reversed(self._layers.all())
            if each.name == name and each.is_for(CompatibleRuntime, CompatibleArchitecture)
        ]
        wanted, marker = page(versions, lambda each: (-each.number,), Marker, MaxItems, "ListLayerVersions")
        return {"LayerVersions": [layer.listed(each) for each in wanted]} | ({"NextMarker": marker} if marker else {})

    def delete_layer_version(
        self,
        request: Request,  # noqa: ARG002 - every method is handed its request
        LayerName: str,
        VersionNumber: int,
    ) -> Answer:
        """Remove a version, if it is there. Functions that have it go on with it."""
        if VersionNumber < 1:
            raise invalid_parameter("Layer Version Cannot be less than 1")
        self._layers.delete(layer.layer_name(LayerName, self._place), VersionNumber)
        return {}

    def _layer(self, name: str, number: int) -> StoredLayer:
        found = self._layers.find(name, number)
        if found is None:
            raise layer.no_version()
        return found

    def _described(self, request: Request, found: StoredLayer) -> Answer:
        content = {
            "Location": self._location(request, found.code_sha256),
            "CodeSha256": base64_of(found.code_sha256),
            "CodeSize": found.code_size,
        }
        return {"Content": content, "LayerArn": found.arn} | layer.listed(found)
