"""Deployment packages: what is accepted, how it is unpacked, and how many workers share it."""

import io
import os
import stat
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from config import limits
from worker.errors import StoreUnavailable
from worker.runtime.code import CodeMissing, CodeStore, Reason, UnusablePackage, check_zip

FILE, LINK, FIFO = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644


def package(*entries, system=3):
    """A zip of (name, content[, mode])."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, *mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system = system
            info.external_attr = (mode[0] if mode else FILE) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            with warnings.catch_warnings(action="ignore"):  # a name that is there already is what a test may want
                archive.writestr(info, content)
    return buffer.getvalue()


def damaged():
    """A zip whose content does not have its checksum."""
    good = bytearray(package(("app.py", os.urandom(1000))))
    good[200] ^= 0xFF
    return bytes(good)


def encrypted():
    """A zip that says that it is encrypted."""
    secret = bytearray(package(("app.py", b"x")))
    secret[6] |= 1
    secret[secret.index(b"PK\x01\x02") + 8] |= 1
    return bytes(secret)


def bomb():
    """Little that would be much."""
    return package(*((f"{number}", b"\0" * (limits.MAX_UNZIPPED // 4)) for number in range(4)), ("over", b"x"))


def crowd():
    """More files than may be, each of them empty."""
    return package(*((f"{number:x}", b"") for number in range(limits.MAX_ZIP_ENTRIES + 1)))


def liar():
    """A zip that says of a large file that it is small."""
    honest = bytearray(package(("app.py", b"\0" * (1 << 20))))
    size = (1 << 20).to_bytes(4, "little")
    return bytes(honest.replace(size, (10).to_bytes(4, "little")))


UNUSABLE = {
    "too many files": (crowd, Reason.TOO_LARGE),
    "larger than it says": (liar, Reason.NOT_A_ZIP),
    "no zip": (lambda: b"no", Reason.NOT_A_ZIP),
    "nothing": (lambda: b"", Reason.NOT_A_ZIP),
    "damaged": (damaged, Reason.NOT_A_ZIP),
    "cut off": (lambda: package(("app.py", b"x" * 100))[:-30], Reason.NOT_A_ZIP),
    "encrypted": (encrypted, Reason.NOT_A_ZIP),
    "bomb": (bomb, Reason.TOO_LARGE),
    "parent": (lambda: package(("../evil", b"x")), Reason.TRAVERSAL),
    "parent inside": (lambda: package(("a/../../evil", b"x")), Reason.TRAVERSAL),
    "absolute": (lambda: package(("/etc/evil", b"x")), Reason.TRAVERSAL),
    "absolute link": (lambda: package(("l", b"/etc/passwd", LINK)), Reason.TRAVERSAL),
    "link outside": (lambda: package(("a/l", b"../../x", LINK)), Reason.TRAVERSAL),
    "link outside over a link": (
        lambda: package(("d/e/l", b"../..", LINK), ("m", b"d/e/l/..", LINK)),
        Reason.TRAVERSAL,
    ),
    "link to itself": (lambda: package(("l", b"l", LINK)), Reason.TRAVERSAL),
    "file below a link": (lambda: package(("l", b"d", LINK), ("l/f", b"x")), Reason.CONFLICT),
    "file and folder": (lambda: package(("a", b"x"), ("a/b", b"x")), Reason.CONFLICT),
    "pipe": (lambda: package(("p", b"", FIFO)), Reason.CONFLICT),
    "name too long": (lambda: package(("n" * 256, b"x")), Reason.CONFLICT),
    "empty link": (lambda: package(("l", b"", LINK)), Reason.CONFLICT),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_package(case):
    """Refused, for its own reason, before anything is written."""
    make, reason = UNUSABLE[case]

    with pytest.raises(UnusablePackage) as caught:
        check_zip(make())

    assert caught.value.reason == reason


@pytest.fixture
def store(redis, keys, folder):
    return CodeStore(redis, keys, folder)


def put(store, redis, content):
    with redis.pipeline(transaction=True) as pipe:
        sha256 = store.put(pipe, content)
        pipe.execute()
    return sha256


def contents(root):
    """Every file and link below `root`: its mode, and its content or target."""
    found = {}
    for path in root.rglob("*"):
        if path.is_symlink():
            found[str(path.relative_to(root))] = ("link", str(path.readlink()))
        elif path.is_file():
            found[str(path.relative_to(root))] = (oct(path.stat().st_mode & 0o777), path.read_bytes())
    return found


def test_package_is_unpacked_once(store, redis):
    """Files are read-only, executable ones stay so, links that stay inside are kept; the second time it is there."""
    content = package(
        ("app.py", b"first of its name"),
        ("app.py", b"pass"),
        ("bin/tool", b"#!", stat.S_IFREG | 0o755),
        ("lib/tool", b"../bin/tool", LINK),
        ("empty/", b"", stat.S_IFDIR | 0o755),
    )
    sha256 = put(store, redis, content)

    root = store.root(sha256)
    made_at = root.stat().st_mtime_ns

    assert contents(root) == {
        "app.py": ("0o444", b"pass"),
        "bin/tool": ("0o555", b"#!"),
        "lib/tool": ("link", "../bin/tool"),
    }
    assert (root / "empty").is_dir()
    assert store.root(sha256) == root
    assert root.stat().st_mtime_ns == made_at


def test_zip_of_windows_has_no_modes(store, redis):
    """What such a zip says of modes means something else: its files are files."""
    sha256 = put(store, redis, package(("app.py", b"pass", LINK), system=0))

    assert contents(store.root(sha256)) == {"app.py": ("0o444", b"pass")}


def test_many_workers_unpack_at_once(redis, keys, folder):
    """All get the same complete folder, and nothing else is left."""
    files = [(f"f{number}.py", b"x" * 1000) for number in range(50)]
    stores = [CodeStore(redis, keys, folder) for _ in range(8)]
    sha256 = put(stores[0], redis, package(*files))

    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(lambda store: len(contents(store.root(sha256))), stores))

    assert seen == [50] * 8
    assert [path.name for path in (folder / "code").iterdir()] == [sha256]


def test_package_that_redis_does_not_have(store, redis, keys):
    """A missing package, and one that is not what its name says, are both missing."""
    redis.set(keys.code("1" * 64), b"something else")

    for sha256 in ("0" * 64, "1" * 64):
        with pytest.raises(CodeMissing, match=sha256):
            store.root(sha256)


def test_redis_that_does_not_answer(keys, folder):
    """It is the store that is unavailable; nobody else is to blame."""
    from redis import Redis

    away = Redis(unix_socket_path=str(folder / "nowhere.sock"), retry=None)

    with pytest.raises(StoreUnavailable) as caught:
        CodeStore(away, keys, folder).root("0" * 64)

    assert isinstance(caught.value.__cause__, RedisConnectionError)
    away.close()


def paths(root):
    """What is in a folder: the text of each file, where each link leads, and folders as they are."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        found[name] = path.readlink() if path.is_symlink() else None if path.is_dir() else path.read_text()
    return {name: str(value) for name, value in found.items() if value is not None}


@pytest.mark.parity("layer.opt")
def test_layers_lie_over_each_other(redis, keys, folder):
    """Of files with one path the last layer's counts; a set in an order has one folder, which shares the files."""
    store = CodeStore(redis, keys, folder)
    lower = package(("python/a.py", b"1"), ("python/b.py", b"1"), ("bin/run", b"1"))
    upper = package(("python/b.py", b"2"), ("lib/c", b"2"))
    with redis.pipeline() as pipe:
        one, two = store.put(pipe, lower), store.put(pipe, upper)
        pipe.execute()

    root = store.layers_root([one, two])

    assert paths(root) == {"python/a.py": "1", "python/b.py": "2", "bin/run": "1", "lib/c": "2"}
    assert paths(store.layers_root([two, one]))["python/b.py"] == "1"
    assert store.layers_root([one, two]) == root
    assert (root / "bin/run").samefile(store.root(one) / "bin/run")
    assert (store.layers_root([one]), store.layers_root([])) == (store.root(one), None)


def test_a_layer_may_replace_a_folder_by_a_file(redis, keys, folder):
    """And a file by a folder; nothing is written through the link of another layer."""
    store = CodeStore(redis, keys, folder)
    layers = [
        package(("a/x", b"1"), ("b", b"1"), ("l", b"real", LINK), ("real/x", b"1")),
        package(("a", b"2"), ("b/x", b"2"), ("l/y", b"2")),
    ]
    with redis.pipeline() as pipe:
        names = [store.put(pipe, layer) for layer in layers]
        pipe.execute()

    root = store.layers_root(names)

    assert paths(root) == {"a": "2", "b/x": "2", "l/y": "2", "real/x": "1"}
    assert paths(store.root(names[0])) == {"a/x": "1", "b": "1", "l": "real", "real/x": "1"}
