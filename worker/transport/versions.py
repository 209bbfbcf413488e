"""The versions of the libraries whose inner parts the transport relies on, and on which it was tested."""

from importlib.metadata import version

from packaging.specifiers import SpecifierSet

#: Distribution -> versions that the tests of `tests/transport/test_contract.py` were run on.
TESTED = {
    "celery": SpecifierSet(">=5.7,<5.8"),
    "kombu": SpecifierSet(">=5.7,<5.8"),
    "redis": SpecifierSet(">=8.1,<9"),
}


class VersionUnusable(RuntimeError):
    """An installed library is not one that the transport was tested with."""


def check() -> None:
    """Refuse libraries that were not tested.

    Raises:
        VersionUnusable: one of them is installed.
    """
    for name, tested in TESTED.items():
        installed = version(name)
        if not tested.contains(installed, prereleases=True):
            raise VersionUnusable(
                f"{name} {installed} is installed, but the transport relies on parts of it that are not public, and "
                f"was tested with {tested}. Messages could be lost. Install '{name}{tested}'."
            )
