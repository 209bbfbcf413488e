"""boto3 for handlers."""

from concurrent.futures import ThreadPoolExecutor

from worker.runtime.layer import runtime_folder

NAMES = {"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"}


def test_folder_has_boto3_and_what_it_needs_and_nothing_else(folder):
    """Any number of workers may make it at once; each gets a complete one."""
    with ThreadPoolExecutor(8) as threads:
        made = list(
            threads.map(lambda _: {path.name for path in runtime_folder(folder).iterdir() if path.exists()}, range(8))
        )

    assert all(names >= NAMES for names in made)
    assert {path.name for path in (folder / "runtime" / "python").iterdir()} == NAMES


def test_links_of_an_installation_that_moved_are_replaced(folder):
    """A link that leads nowhere is made anew; making it again changes nothing."""
    stale = folder / "runtime" / "python" / "boto3"
    stale.parent.mkdir(parents=True)
    stale.symlink_to("/nowhere/boto3")

    runtime_folder(folder)
    links = {path: path.readlink() for path in stale.parent.iterdir()}
    runtime_folder(folder)

    assert (stale / "__init__.py").is_file()
    assert {path: path.readlink() for path in stale.parent.iterdir()} == links
