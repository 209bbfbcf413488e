"""The layout of the project: which file may know what."""

import config
import console
import producers
import worker


def test_our_packages_are_ours():
    """`config` and `worker` are names that others use as well; these are ours."""
    roots = {package.__file__.rsplit("/", 2)[0] for package in (config, worker, producers, console)}

    assert len(roots) == 1
