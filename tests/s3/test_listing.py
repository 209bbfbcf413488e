"""Listings: order, prefixes, delimiters and pages, against a plain reading of the rules."""

from bisect import bisect_left
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from producers.s3.listing import Entry, read_page
from tests.s3.system import System, refused

NAMES = st.text(alphabet="ab/ü🎉", min_size=1, max_size=5)


class Names:
    """A sorted list that can be asked like a Redis set."""

    def __init__(self, names: set[str]) -> None:
        self._names = sorted(name.encode() for name in names)

    def fetch(self, start: bytes, stop: bytes, count: int) -> list[bytes]:
        """As ZRANGEBYLEX does."""
        low = 0 if start == b"-" else bisect_left(self._names, start[1:])
        if start[:1] == b"(" and self._names[low : low + 1] == [start[1:]]:
            low += 1
        high = len(self._names) if stop == b"+" else bisect_left(self._names, stop[1:])
        return self._names[low:high][:count]


def expected_entries(names: set[str], prefix: str, delimiter: str) -> list[Entry]:
    """All entries, by reading every name."""
    entries: list[Entry] = []
    for name in sorted(names, key=str.encode):
        if not name.startswith(prefix):
            continue
        head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
        entry = Entry(prefix + head + delimiter, True) if found else Entry(name, False)
        if entry not in entries:
            entries.append(entry)
    return entries


@given(st.sets(NAMES, max_size=30), st.text(alphabet="ab/", max_size=3), st.sampled_from(["", "/", "b/"]))
def test_one_page_holds_all(names: set[str], prefix: str, delimiter: str):
    """Every name that begins with the prefix, in the order of bytes, grouped by delimiter."""
    page = read_page(Names(names).fetch, prefix=prefix, delimiter=delimiter, after="", limit=100)

    assert (list(page.entries), page.is_truncated) == (expected_entries(names, prefix, delimiter), False)


@given(
    st.sets(NAMES, max_size=30),
    st.text(alphabet="ab/", max_size=3),
    st.sampled_from(["", "/", "b/"]),
    st.integers(1, 4),
)
def test_pages_together_hold_all(names: set[str], prefix: str, delimiter: str, limit: int):
    """Page after page gives the same, nothing twice, and only the last one is not truncated."""
    entries: list[Entry] = []
    after, is_truncated = "", True
    while is_truncated:
        page = read_page(Names(names).fetch, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        entries += page.entries
        is_truncated = page.is_truncated
        if is_truncated:
            assert len(page.entries) == limit
            after = page.last

    assert entries == expected_entries(names, prefix, delimiter)


@given(st.sets(NAMES, max_size=30), st.text(alphabet="ab/ü", max_size=4))
def test_page_begins_behind_any_name(names: set[str], after: str):
    """The name need not exist."""
    page = read_page(Names(names).fetch, prefix="", delimiter="", after=after, limit=100)

    assert page.keys == [name for name in sorted(names, key=str.encode) if name.encode() > after.encode()]


def test_no_name_under_a_prefix_that_was_told_comes_again():
    """A page that begins at a common prefix, or at a name under it, begins behind all of its names."""
    names = Names({"a/1", "a/2", "b"})

    for after in ("a/", "a/1"):
        page = read_page(names.fetch, prefix="", delimiter="/", after=after, limit=10)
        assert page.entries == (Entry("b", False),)


def test_names_under_a_prefix_are_jumped_over():
    """A page of prefixes does not read the names under them: the cost is that of what is told."""
    names = Names({f"{group}/{number:04}" for group in "abc" for number in range(2_000)})
    read: list[bytes] = []

    def fetch(start: bytes, stop: bytes, count: int) -> list[bytes]:
        found = names.fetch(start, stop, count)
        read.extend(found)
        return found

    page = read_page(fetch, prefix="", delimiter="/", after="", limit=10)

    assert page.prefixes == ["a/", "b/", "c/"]
    assert len(read) < 40


def without_dates(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"Contents": [{"Key": each["Key"], "Size": each["Size"]} for each in answer["Contents"]]}


def test_second_version(system: System):
    """Counts, prefixes and tokens; the token of one page begins the next."""
    for key in ("a", "dir/1", "dir/2", "z"):
        system.put("bucket", key)

    first = system.s3.list_objects_v2(system.request(), "bucket", Delimiter="/", MaxKeys=2)
    token = first["NextContinuationToken"]
    second = system.s3.list_objects_v2(
        system.request(), "bucket", Delimiter="/", MaxKeys=2, ContinuationToken=token, StartAfter="zzz"
    )

    assert without_dates(first) == {
        "Name": "bucket",
        "Prefix": "",
        "Delimiter": "/",
        "MaxKeys": 2,
        "KeyCount": 2,
        "IsTruncated": True,
        "Contents": [{"Key": "a", "Size": 1}],
        "CommonPrefixes": [{"Prefix": "dir/"}],
        "NextContinuationToken": token,
    }
    assert without_dates(second) == {
        "Name": "bucket",
        "Prefix": "",
        "Delimiter": "/",
        "MaxKeys": 2,
        "KeyCount": 1,
        "IsTruncated": False,
        "Contents": [{"Key": "z", "Size": 1}],
        "ContinuationToken": token,
        "StartAfter": "zzz",
    }


def test_first_version(system: System):
    """The marker of the next page is told only with a delimiter; every object has its owner."""
    for key in ("a", "dir/1", "z"):
        system.put("bucket", key)

    with_delimiter = system.s3.list_objects(system.request(), "bucket", Delimiter="/", MaxKeys=2)
    without = system.s3.list_objects(system.request(), "bucket", MaxKeys=2, Marker="a")
    end = system.s3.list_objects(system.request(), "bucket", Delimiter="/", Marker="dir/")

    assert (with_delimiter["NextMarker"], with_delimiter["IsTruncated"]) == ("dir/", True)
    assert ("NextMarker" in without, without["Marker"], without["IsTruncated"]) == (False, "a", False)
    assert [each["Key"] for each in without["Contents"]] == ["dir/1", "z"]
    assert [(each["Key"], set(each["Owner"])) for each in end["Contents"]] == [("z", {"ID"})]


def test_one_object_in_full(system: System):
    """What a listing says of an object."""
    system.put("bucket", "k", b"abc")

    answer = system.s3.list_objects_v2(system.request(), "bucket", FetchOwner=True)

    modified = system.s3.head_object(system.request(), "bucket", "k").members["LastModified"]
    owner = system.s3.list_buckets(system.request())["Owner"]
    assert answer["Contents"] == [
        {
            "Key": "k",
            "LastModified": modified,
            "ETag": '"900150983cd24fb0d6963f7d28e17f72"',
            "Size": 3,
            "StorageClass": "STANDARD",
            "ChecksumAlgorithm": ["CRC32"],
            "ChecksumType": "FULL_OBJECT",
            "Owner": owner,
        }
    ]
    assert modified.microsecond == 0


def test_names_are_encoded_on_request(system: System):
    """XML cannot hold each character; boto3 always asks for encoding, and decodes with `unquote_plus`."""
    system.put("bucket", "a b+c/\x01ü")
    system.put("bucket", "a b")

    answer = system.s3.list_objects_v2(
        system.request(), "bucket", Prefix="a b", Delimiter="+c", StartAfter="a ", EncodingType="url"
    )

    assert [each["Key"] for each in answer["Contents"]] == ["a+b"]
    assert (answer["Prefix"], answer["Delimiter"], answer["StartAfter"], answer["CommonPrefixes"]) == (
        "a+b",
        "%2Bc",
        "a+",
        [{"Prefix": "a+b%2Bc"}],
    )


def test_order_is_that_of_bytes(system: System):
    """Not that of code points in UTF-16, nor of any language."""
    keys = ["~", "é", "Z", "a", "日", "🎉", "\uffff", "0"]
    for key in keys:
        system.put("bucket", key)

    assert system.listed("bucket") == sorted(keys, key=str.encode)


def test_pages_have_at_most_1000_entries(system: System):
    """MaxKeys is cut to 1,000; 0 lists nothing; below is refused."""
    answer = system.s3.list_objects_v2(system.request(), "bucket", MaxKeys=5_000)
    nothing = system.s3.list_objects_v2(system.request(), "bucket", MaxKeys=0)

    assert (answer["MaxKeys"], nothing["MaxKeys"], nothing["IsTruncated"]) == (1_000, 0, False)
    assert refused(system.s3.list_objects_v2, system.request(), "bucket", MaxKeys=-1)[0] == "InvalidArgument"


def test_token_of_somebody_else_is_refused(system: System):
    """It is no name to begin behind."""
    for token in ("%%%", "", "/w=="):
        code, _, members = refused(system.s3.list_objects_v2, system.request(), "bucket", ContinuationToken=token)
        assert (code, members["ArgumentName"]) == ("InvalidArgument", "continuation-token")
