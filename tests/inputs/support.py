"""Files for the tests of sources, and what reading them gives."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from airflow.providers.common.compat.sdk import ObjectStoragePath
from backports import zstd

from airflow_provider_bik.errors import BikConfigError
from airflow_provider_bik.events.item import Item, opened
from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.events.reasons import Reason, Rejection
from airflow_provider_bik.inputs import read_items
from airflow_provider_bik.inputs.tables import CheckColumns

__all__ = [
    "COMPRESSIONS",
    "WRITERS",
    "columns_checker",
    "decoded",
    "details",
    "read",
    "rows_in",
    "stored",
    "stream",
    "tarred",
    "zipped",
]

Rows = Sequence[Mapping[str, Any]]


def ndjson(rows: Rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def json_array(rows: Rows) -> bytes:
    return json.dumps(rows).encode()


def pretty_json_array(rows: Rows) -> bytes:
    return json.dumps(rows, indent=2).encode() + b"\n"


def zipped(**members: bytes) -> bytes:
    """A zip archive of files by name."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target.getvalue()


def tarred(**members: bytes) -> bytes:
    """A tar archive of files by name."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def delimited(rows: Rows, delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet(rows: Rows) -> bytes:
    target = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), target, row_group_size=10_000)
    return target.getvalue()


WRITERS: Mapping[str, Callable[[Rows], bytes]] = {
    "rows.ndjson": ndjson,
    "rows.jsonl": ndjson,
    "rows.json": json_array,
    "pretty.json": pretty_json_array,
    "lines.json": ndjson,
    "rows.csv": delimited,
    "rows.tsv": lambda rows: delimited(rows, "\t"),
    "rows.parquet": parquet,
    "rows": ndjson,
    "behind-each-other.ndjson": lambda rows: ndjson(rows).replace(b"\n", b""),
}
"""The name of a file -> what makes its content."""

COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda plain: plain,
    ".gz": gzip.compress,
    ".zst": zstd.compress,
}


def read(given: object, **options: Any) -> list[Item]:
    """Everything that an input holds, decoded; a local path may be given as a `Path`."""
    return list(stream(given, **options))


def stream(given: object, *, needs: Sequence[str] | None = None, **options: Any) -> Iterator[Item]:
    """The items of an input, one after the other.

    Args:
        given: The input.
        needs: Columns that a mapping uses; None if there is none.
        options: Of `Reading`.
    """
    check = None if needs is None else columns_checker(needs)
    items = read_items(str(given) if isinstance(given, Path) else given, Reading(**options), check)
    return map(decoded, items)


def columns_checker(needs: Sequence[str]) -> CheckColumns:
    """What checks columns as a mapping does that uses these."""

    def check(columns: Sequence[str], where: str) -> None:
        missing = [name for name in needs if name not in columns]
        if missing:
            message = f"{where}: there is no column {', '.join(missing)}; there are {', '.join(columns)}"
            raise BikConfigError(message)

    return check


def decoded(item: Item) -> Item:
    """The item as a mapping, with its line decoded as the encoder does it."""
    if item.line is None:
        return opened(item)
    raw, problem = None, None
    try:
        raw = msgspec.json.decode(item.line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        problem = "not JSON"
    else:
        problem = None if isinstance(raw, dict) else "not a JSON object"
    rejection = Rejection(reason=Reason.UNPARSABLE, detail=problem) if problem else None
    return Item(position=item.position, location=item.location, raw=raw, problem=rejection)


def rows_in(given: object, **options: Any) -> list[object]:
    """What was read, which has to be without problems."""
    items = read(given, **options)
    assert [item.problem for item in items if item.problem] == []
    assert [item.position for item in items] == list(range(len(items)))
    return [item.raw for item in items]


def details(items: Iterable[Item]) -> dict[str, str]:
    """The location of each item that could not be read -> why."""
    return {item.location: item.problem.detail for item in items if item.problem}


def stored(path: ObjectStoragePath, content: bytes) -> ObjectStoragePath:
    """Put a file anywhere."""
    with path.open("wb") as file:  # type: ignore[no-untyped-call]
        file.write(content)
    return path
