"""Folders on a local disk and on an object store: files are whole or not there, private, and errors are translated."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_bik.errors import BikConfigError, BikStorageError
from airflow_provider_bik.state.storage import Folder, shown_path
from tests.versions import attach

LARGE = 30


@pytest.fixture
def objects() -> Iterator[Folder]:
    MemoryFileSystem.store.clear()
    attach(MemoryFileSystem())
    yield Folder("memory://bucket/state")
    MemoryFileSystem.store.clear()


@pytest.fixture
def disk(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "state"))


@pytest.fixture(params=["disk", "objects"])
def folder(request: pytest.FixtureRequest) -> Folder:
    """Each of them."""
    found: Folder = request.getfixturevalue(request.param)
    return found


def test_a_folder_that_does_not_exist_holds_nothing(folder: Folder) -> None:
    assert folder.names() == []
    assert folder.read("record.json") is None
    assert folder.folder("below").names() == []
    folder.remove(["record.json"])
    with pytest.raises(FileNotFoundError), folder.open("record.json"):
        pass


def test_what_is_written_is_read_listed_and_removed(folder: Folder) -> None:
    folder.write("a", [b"1", b"", b"2"])
    folder.folder("below").write("b", [])
    assert folder.read("a") == b"12"
    with folder.open("a") as file:
        assert file.read() == b"12"
    assert folder.names() == ["a", "below"]
    assert folder.names("below") == folder.folder("below").names() == ["b"]
    assert folder.folder("below").read("b") == b""
    folder.write("a", [b"3"])
    assert folder.read("a") == b"3"
    folder.remove(["a", "a"])
    assert folder.names() == ["below"]


def test_the_folder_above_is_the_one_it_lies_in(folder: Folder) -> None:
    assert folder.folder("below").parent.path == folder.path
    assert folder.file("a") == f"{folder.path}/a"


def test_a_file_in_the_way_of_a_folder_is_no_folder(disk: Folder) -> None:
    disk.write("a", [b"1"])
    assert disk.folder("a").names() == []
    assert disk.folder("a").read("record.json") is None
    with pytest.raises(BikStorageError, match=r"record.json in .* cannot be written \(\w+\)"):
        disk.folder("a").folder("b").write("record.json", [b"1"])


def test_files_and_folders_on_a_disk_are_private(disk: Folder, tmp_path: Path) -> None:
    disk.folder("x").folder("y").write("a", [b"1"])
    for path in (tmp_path / "state", *(tmp_path / "state").rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_what_breaks_off_while_it_is_written_leaves_what_was_there(folder: Folder) -> None:
    def breaks_off() -> Iterator[bytes]:
        yield b"half" * 5_000_000
        raise RuntimeError

    for before in (None, b"whole"):
        if before:
            folder.write("a", [before])
        with pytest.raises(RuntimeError):
            folder.write("a", breaks_off())
        assert folder.read("a") == before
        assert folder.names() == (["a"] if before else [])


def test_a_large_object_is_streamed_and_shown_only_when_it_is_whole(objects: Folder) -> None:
    store = MemoryFileSystem.store

    def pieces() -> Iterator[bytes]:
        for _ in range(LARGE):
            assert objects.read("large") is None
            yield os.urandom(1_000_000)
        assert len(store) == 1, "it was not written while it was made"

    objects.write("large", pieces())
    assert len(objects.read("large") or b"") == LARGE * 1_000_000
    assert len(store) == 1


class _Failing:
    """A call of a file system that fails for a while.

    Args:
        original: The call.
        errors: What it raises, one after the other, before it works.
    """

    def __init__(self, original: Any, errors: list[Exception]) -> None:
        self._original, self._errors = original, list(errors)

    def __call__(self, *given: Any, **named: Any) -> Any:
        if self._errors:
            raise self._errors.pop(0)
        return self._original(*given, **named)


class EndpointConnectionError(Exception):
    """As botocore's, which is no `OSError`."""

    __module__ = "botocore.exceptions"


MOMENTARY = [OSError(errno.EIO, "a moment"), EndpointConnectionError(), TimeoutError()]


@pytest.mark.parametrize(
    ("call", "act"),
    [
        ("cat_file", lambda folder: folder.read("a")),
        ("ls", lambda folder: folder.names()),
        ("pipe_file", lambda folder: folder.write("a", [b"1"])),
        ("rm_file", lambda folder: folder.remove(["a"])),
    ],
)
def test_a_call_that_fails_for_a_moment_is_repeated_and_one_that_goes_on_failing_is_translated(
    objects: Folder, monkeypatch: pytest.MonkeyPatch, call: str, act: Any
) -> None:
    objects.write("a", [b"1"])
    original = getattr(MemoryFileSystem(), call)
    monkeypatch.setattr(MemoryFileSystem, call, staticmethod(_Failing(original, MOMENTARY)))
    act(objects)
    monkeypatch.setattr(MemoryFileSystem, call, staticmethod(_Failing(original, MOMENTARY * 2)))
    with pytest.raises(BikStorageError, match=r"cannot be \w+ \(\w+\)\. .*a retry is safe") as caught:
        act(objects)
    assert caught.value.__cause__ is not None


def test_what_will_not_change_is_not_tried_again(disk: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def denied(_: object, path: object) -> None:
        calls.append(path)
        raise PermissionError

    monkeypatch.setattr(LocalFileSystem, "rm_file", denied)
    with pytest.raises(BikStorageError, match="PermissionError"):
        disk.remove(["a"])
    assert len(calls) == 1


def test_a_defect_is_no_storage_error(objects: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError

    monkeypatch.setattr(MemoryFileSystem, "cat_file", broken)
    with pytest.raises(KeyError):
        objects.read("a")


@pytest.mark.parametrize("path", ["nosuch://bucket/state", "nosuch://key:secret@bucket/state"])
def test_a_path_that_nothing_can_open_is_named_by_its_scheme_alone(path: str) -> None:
    with pytest.raises(BikConfigError, match="scheme 'nosuch' cannot be opened") as caught:
        Folder(path)
    assert "secret" not in str(caught.value)


def test_credentials_in_a_url_are_in_no_message(objects: Folder) -> None:
    assert "secret" not in shown_path(ObjectStoragePath("memory://key:secret@bucket/state"))
    assert shown_path(ObjectStoragePath("/data/state")) == "/data/state"


@pytest.mark.parametrize(("path", "local"), [("/x", True), ("file:///x", True), ("memory://b/x", True)])
def test_a_local_path_is_known_as_such(objects: Folder, path: str, local: bool) -> None:
    assert Folder(path).is_local is local
