"""Builds the packages of a plan: from folders, zips, texts in the template, and objects in this system's buckets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from console.deploy.install import installed
from console.deploy.package import NoPackage, files_of, zip_of, zipped
from console.deploy.problem import Problem
from console.deploy.steps import Folder, Function, Inline, Layer, Object, Step, Zip


@dataclass(frozen=True, slots=True)
class Builder:
    """Makes packages. Paths of a plan are seen from `root`; `cache` keeps what was installed."""

    root: Path
    s3: Any
    cache: Path
    installs: bool

    def build(self, steps: tuple[Step, ...], note: Callable[[str], None]) -> tuple[dict[str, bytes], list[Problem]]:
        """The package of every function and layer, by its step's id, and what cannot be built."""
        packages: dict[str, bytes] = {}
        problems = []
        for step in steps:
            if isinstance(step, Function | Layer):
                try:
                    packages[key_of(step)] = self._package(step, note)
                except NoPackage as error:
                    problems.append(Problem(step.line, step.name, str(error)))
        return packages, problems

    def _package(self, step: Function | Layer, note: Callable[[str], None]) -> bytes:
        match step.code:
            case Inline(file=file, text=text):
                return zip_of({file: (text.encode(), False)})
            case Zip(path=path):
                return self._read(path)
            case Object(bucket=bucket, key=key):
                return self._fetch(bucket, key)
            case Folder(path=path):
                files = files_of(self.root / path)
                if isinstance(step, Function):
                    files = self._with_requirements(files, str(step.members.get("Runtime", "")), step.name, note)
                return zipped(files)

    def _with_requirements(
        self, files: dict[str, Path], runtime: str, name: str, note: Callable[[str], None]
    ) -> dict[str, Path]:
        requirements = files.get("requirements.txt")
        if requirements is None or not requirements.read_text().strip():
            return files
        if self.installs:
            return {**files_of(installed(requirements, runtime, self.cache)), **files}
        note(
            f"{name}: requirements.txt is not installed into the package. --install does that, or once by hand: "
            f"pip install --target {requirements.parent} -r {requirements}"
        )
        return files

    def _read(self, path: Path) -> bytes:
        try:
            return (self.root / path).read_bytes()
        except OSError as error:
            raise NoPackage(f"{self.root / path} cannot be read: {error.strerror}") from None

    def _fetch(self, bucket: str, key: str) -> bytes:
        try:
            return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            about = error.response["Error"]
            raise NoPackage(f"s3://{bucket}/{key} of this system: {about['Code']}: {about['Message']}") from None


def key_of(step: Function | Layer) -> str:
    """How a step's package is found."""
    return f"{type(step).__name__} {step.name}"


def watched(root: Path, steps: tuple[Step, ...]) -> Mapping[str, Path]:
    """The files whose change makes another package, by a name for each.

    Raises:
        NoPackage: a folder is gone.
    """
    found: dict[str, Path] = {}
    for step in steps:
        match step:
            case Function(code=Folder(path=path)) | Layer(code=Folder(path=path)):
                found |= {str(file): file for file in files_of(root / path).values()}
            case Function(code=Zip(path=path)) | Layer(code=Zip(path=path)):
                found[str(root / path)] = root / path
    return found
