"""The memory that reading takes does not grow with the file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest

from airflow_provider_bik.events.reading import Reading
from airflow_provider_bik.inputs import read_items
from tests.inputs.support import COMPRESSIONS, WRITERS

ROWS = 100_000


def peak(path: Path) -> int:
    """The most bytes that were held while a file was read, pyarrow's included."""
    read_items(str(path), Reading()).__next__()  # so that what is imported and compiled once does not count
    tracemalloc.start()
    most, number = 0, 0
    try:
        for number, _ in enumerate(read_items(str(path), Reading()), start=1):
            if number % 500 == 1:
                most = max(most, pa.total_allocated_bytes())
        return most + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "name", ["rows.ndjson.zst", "pretty.json.gz", "rows.csv", "rows.parquet", "behind-each-other.ndjson"]
)
def test_ten_times_the_rows_take_no_more_memory(tmp_path: Path, name: str) -> None:
    packed = Path(name).suffix if Path(name).suffix in COMPRESSIONS else ""
    plain = name.removesuffix(packed)
    rows = [{"email": f"customer{n}@example.com", "id": str(n * 7919)} for n in range(ROWS)]
    peaks = []
    for part in (rows[: ROWS // 10], rows):
        path = tmp_path / f"{len(part)}{name}"
        path.write_bytes(COMPRESSIONS[packed](WRITERS[plain](part)))
        peaks.append(peak(path))
    assert peaks[1] < 1.5 * peaks[0]
