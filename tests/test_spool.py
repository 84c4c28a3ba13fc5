from __future__ import annotations

import gzip
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikStorageError
from airflow_provider_bik.spool import Spool, SpoolHeader
from airflow_provider_bik.storage import write_private

HEADER = SpoolHeader(query="q", columns=["a", "b"], series="run 2", base={"watermark": 5})
LINES = [b"[1]", b'{"before":[0,"x"]}', b"[2]", b'["end"]']


@pytest.fixture
def objects() -> Iterator[ObjectStoragePath]:
    MemoryFileSystem.store.clear()
    attach(protocol="memory", fs=MemoryFileSystem())
    yield ObjectStoragePath("memory://bucket/spool")
    MemoryFileSystem.store.clear()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"), "task")


def test_a_spool_gives_back_its_header_and_its_lines(spool: Spool) -> None:
    assert spool.find() is None
    spool.write(HEADER, LINES)
    assert spool.find() == HEADER
    assert list(spool.lines()) == LINES
    assert list(spool.rows()) == [b"[1]", b"[2]", b'["end"]']


def test_an_empty_result_is_a_whole_spool(spool: Spool) -> None:
    spool.write(HEADER, [])
    assert spool.find() == HEADER
    assert list(spool.lines()) == []


def test_only_its_owner_can_read_it_and_nothing_is_left_after_it_is_removed(spool: Spool, tmp_path: Path) -> None:
    spool.write(HEADER, LINES)
    [path] = (tmp_path / "spool").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert gzip.decompress(path.read_bytes()).count(b"\n") == len(LINES) + 2
    spool.remove()
    spool.remove()
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_result_that_breaks_off_leaves_nothing(spool: Spool, tmp_path: Path) -> None:
    def breaks_off() -> Iterator[bytes]:
        yield from LINES * 1000
        raise RuntimeError

    with pytest.raises(RuntimeError):
        spool.write(HEADER, breaks_off())
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_a_killed_writer_left_is_removed_by_the_next(spool: Spool, tmp_path: Path) -> None:
    spool.write(HEADER, LINES)
    [path] = (tmp_path / "spool").iterdir()
    left = path.parent / f".{path.name}.abcdef"
    other = path.parent / f".x{path.name}.abcdef"
    for file in (left, other):
        file.write_bytes(b"half")
    spool.write(HEADER, LINES)
    assert set(path.parent.iterdir()) == {path, other}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_spool_that_is_cut_or_changed_anywhere_never_passes_for_a_whole_one(
    spool: Spool, tmp_path: Path, data: st.DataObject
) -> None:
    spool.write(HEADER, LINES * 10)
    [path] = (tmp_path / "spool").iterdir()
    whole = path.read_bytes()
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        lines = gzip.decompress(whole).split(b"\n")
        del lines[data.draw(st.integers(0, len(lines) - 2))]
        path.write_bytes(gzip.compress(b"\n".join(lines)))
    assert spool.find() is None


def test_a_spool_that_is_cut_while_it_is_read_is_an_error_that_says_what_a_retry_does(
    spool: Spool, tmp_path: Path
) -> None:
    spool.write(HEADER, LINES)
    [path] = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BikStorageError, match=r"is not whole\. A retry is safe"):
        list(spool.lines())


def test_a_large_object_is_streamed_and_shown_only_when_it_is_whole(objects: ObjectStoragePath) -> None:
    target, store = objects / "large", MemoryFileSystem.store

    def pieces(*, breaks_off: bool = False) -> Iterator[bytes]:
        shown = len(store)
        for _ in range(30):
            assert target.exists() is bool(shown)
            yield os.urandom(1_000_000)
        assert len(store) == shown + 1, "it was not written while it was made"
        if breaks_off:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_private(target, pieces(breaks_off=True))
    assert not store
    write_private(target, pieces())
    content = target.read_bytes()
    assert len(content) == 30_000_000
    with pytest.raises(RuntimeError):
        write_private(target, pieces(breaks_off=True))
    assert target.read_bytes() == content
    assert len(store) == 1


def test_a_spool_works_on_an_object_store(objects: ObjectStoragePath) -> None:
    spool = Spool(str(objects), "task")
    assert spool.find() is None
    spool.write(HEADER, LINES)
    assert spool.find() == HEADER
    assert list(spool.lines()) == LINES
    spool.remove()
    assert spool.find() is None
