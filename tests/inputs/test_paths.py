from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import fsspec  # type: ignore[import-untyped]
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_bik.errors import BikConfigError, BikInputError, BikStorageError
from airflow_provider_bik.events.item import opened
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.inputs import read_items
from airflow_provider_bik.inputs.paths import shown
from airflow_provider_bik.state.storage import storage_errors
from tests.inputs.support import WRITERS, read, rows_in, stored
from tests.versions import attach


@pytest.fixture(params=["a local directory", "an object storage"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStoragePath]:
    """Where files are: on this disk, or in a store that knows only keys."""
    if request.param == "a local directory":
        yield ObjectStoragePath(str(tmp_path))
        return
    memory = fsspec.filesystem("memory", skip_instance_cache=True)
    attach(memory)
    yield ObjectStoragePath("memory://bucket/orders")
    memory.store.clear()
    memory.pseudo_dirs.clear()


def names(items: object) -> list[str]:
    return [item.location for item in read(items)]


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_read_wherever_it_is(place: ObjectStoragePath, name: str) -> None:
    rows = [{"id": f"{n}"} for n in range(2000)]
    assert rows_in(stored(place / name, WRITERS[name](rows))) == rows
    assert rows_in(str(place / name)) == rows


def test_a_pattern_means_its_files_sorted_by_name_whatever_their_formats(place: ObjectStoragePath) -> None:
    for name, content in {
        "b.csv": b"id\n1\n",
        "c.json": b'[{"id":"2"}]',
        "a.ndjson": b'{"id":"0"}',
        "B.csv": b"i",
    }.items():
        stored(place / name, content)
    assert rows_in(str(place / "[abc].*")) == [{"id": "0"}, {"id": "1"}, {"id": "2"}]
    assert rows_in(place / "?.json") == [{"id": "2"}]
    assert names([str(place / "*.ndjson"), str(place / "*.csv")]) == ["a.ndjson:1", "b.csv:2"]


def test_a_pattern_may_reach_over_directories(place: ObjectStoragePath) -> None:
    for day in ("2026-03-01", "2026-03-02", "2026-04-01"):
        (place / day).mkdir(parents=True, exist_ok=True)
        stored(place / day / "orders.csv", f"day\n{day}\n".encode())
    assert rows_in(str(place / "2026-03-*" / "orders.csv")) == [{"day": "2026-03-01"}, {"day": "2026-03-02"}]


def test_a_pattern_leaves_out_directories_and_hidden_files(place: ObjectStoragePath) -> None:
    (place / "part-of-it").mkdir(parents=True)
    stored(place / "part-of-it" / "x.ndjson", b"{}")
    stored(place / "part-1", b'{"id":1}')
    stored(place / ".part-2", b'{"id":2}')
    assert rows_in(str(place / "*")) == [{"id": 1}]
    assert rows_in(str(place / ".part*")) == [{"id": 2}]


def test_the_files_of_a_pattern_are_opened_with_the_same_connection() -> None:
    memory = fsspec.filesystem("memory", skip_instance_cache=True)
    attach(memory, conn_id="shop")
    memory.pipe("/bucket/orders/1.csv", b"id\n1\n")
    try:
        assert rows_in("memory://shop@bucket/orders/*.csv") == [{"id": "1"}]
    finally:
        memory.store.clear()


def test_a_pattern_that_matches_nothing_is_an_error_that_names_it(place: ObjectStoragePath) -> None:
    stored(place / "orders.csv", b"id\n")
    with pytest.raises(BikInputError, match=r"No file matches the pattern orders-\*\.csv in .*(test_|bucket/orders)"):
        read(str(place / "orders-*.csv"))


def test_a_pattern_that_is_not_understood_is_an_error_that_names_it(place: ObjectStoragePath) -> None:
    with pytest.raises(BikInputError, match=r"The pattern a\*\*\.csv in .* is not understood"):
        read(str(place / "a**.csv"))


@pytest.mark.parametrize(
    "name", ["orders[1].csv", "what?.csv", "a*b.csv", "#1 of 2, 50%.csv", "a%201.csv", "März 10:30:00.CSV"]
)
def test_a_file_is_a_file_even_if_its_name_looks_like_a_pattern(place: ObjectStoragePath, name: str) -> None:
    stored(place / name, b"id\n1\n")
    stored(place / "orders1.csv", b"id\n2\n")
    assert rows_in(str(place / name)) == [{"id": "1"}]
    assert {"id": "1"} in rows_in(str(place / "*.[cC][sS][vV]"))


def test_a_directory_is_an_error_that_suggests_a_pattern(place: ObjectStoragePath) -> None:
    directory = place / "daily"
    directory.mkdir(parents=True)
    stored(directory / "orders.csv", b"id\n")
    with pytest.raises(BikInputError, match=r"daily in .* is a directory. Give a pattern .* daily/\*"):
        read(str(directory))


def test_a_missing_file_is_named_with_its_directory(place: ObjectStoragePath) -> None:
    with pytest.raises(BikStorageError, match=r"^missing.csv in .*(test_|bucket/orders).* \(FileNotFoundError\)"):
        read(str(place / "missing.csv"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret.csv").touch(mode=0)
    with pytest.raises(BikStorageError, match=r"^secret.csv in .* cannot be read \(PermissionError\)"):
        read(tmp_path / "secret.csv")


@pytest.mark.parametrize("path", ["nosuch://bucket/key", "nosuch://bucket/*.csv", "zip://bucket/key", "zip://b/*"])
def test_a_scheme_that_airflow_has_no_provider_for_is_a_mistake_of_configuration(path: str) -> None:
    with pytest.raises(BikConfigError, match=r"scheme '(nosuch|zip)' cannot be opened"):
        read(path)


def test_a_path_in_a_message_shows_neither_who_opens_it_nor_the_signature_of_a_url() -> None:
    assert shown("s3://key:secret@bucket/orders/may.csv") == "may.csv in s3://bucket/orders"
    assert shown("https://host/orders/may.csv?X-Amz-Signature=abc/def") == "may.csv in https://host/orders"
    assert shown("/may.csv") == "may.csv in /"
    assert shown("may.csv") == "may.csv"


def test_files_of_one_name_are_told_apart_by_their_directories(place: ObjectStoragePath) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        (place / day).mkdir(parents=True, exist_ok=True)
        stored(place / day / "orders.csv", b"id\n1\n")
    assert names(str(place / "*" / "orders.csv")) == ["2026-03-01/orders.csv:2", "2026-03-02/orders.csv:2"]


class BotoCoreError(Exception):
    """As s3fs lets it through: no OSError."""

    __module__ = "botocore.exceptions"


def test_an_error_of_a_storage_that_is_no_os_error_is_one_of_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory", skip_instance_cache=True)
    attach(memory)
    memory.pipe("/bucket/orders.csv", b"id\n" + b"1\n" * 500_000)

    def fail(*_: object, **__: object) -> bytes:
        raise BotoCoreError

    for method, path in (("exists", "memory://bucket/o*.csv"), ("glob", "memory://bucket/p*.csv")):
        monkeypatch.setattr(type(memory), method, fail)
        with pytest.raises(BikStorageError, match=r"csv in memory://bucket cannot be .* \(BotoCoreError\)"):
            read(path)
        monkeypatch.undo()

    def read_half(file: io.BytesIO, size: int = -1) -> bytes:
        return io.BytesIO.read(file, size) if file.tell() < 500_000 else fail()

    monkeypatch.setattr(type(memory.open("/bucket/orders.csv")), "read", read_half)
    items = read_items("memory://bucket/orders.csv", Reading())
    assert opened(next(items)).raw == {"id": "1"}
    with pytest.raises(BikStorageError, match=r"orders.csv in memory:///?bucket cannot be read \(BotoCoreError\)"):
        list(items)
    memory.store.clear()


def test_an_error_that_is_not_of_a_storage_is_not_called_one() -> None:
    with pytest.raises(KeyError), storage_errors("orders.csv cannot be read"):
        raise KeyError


@pytest.mark.parametrize("text", ["asha@example.com", "mailto:asha@example.com", "+91 98123 45670", '"orders.csv"'])
def test_what_can_only_be_data_is_no_path_and_is_not_repeated(text: str) -> None:
    for events in (text, [text]):
        with pytest.raises(BikInputError, match="not a path") as caught:
            read(events)
        assert text not in str(caught.value)


@pytest.mark.parametrize("name", ["orders@example.csv", "a+b.ndjson", "orders@2026"])
def test_a_name_with_signs_of_an_address_is_a_path(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('{"id":1}' if ".csv" not in name else "id\n1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert len(read(name)) == 1
