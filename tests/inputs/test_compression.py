from __future__ import annotations

import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest
from backports import zstd

from airflow_provider_bik.errors import BikConfigError, BikStorageError
from tests.inputs.support import COMPRESSIONS, ndjson, read, rows_in, stream

ROWS = [{"id": f"{zlib.crc32(b'%d' % n):x}"} for n in range(50_000)]
PACKED = [packed for packed in COMPRESSIONS if packed]


@pytest.mark.parametrize("packed", PACKED)
def test_parts_that_were_packed_one_by_one_and_joined_are_one_file(tmp_path: Path, packed: str) -> None:
    pack = COMPRESSIONS[packed]
    (tmp_path / f"a.ndjson{packed}").write_bytes(pack(ndjson(ROWS[:9])) + pack(b"") + pack(ndjson(ROWS[9:])))
    assert rows_in(tmp_path / f"a.ndjson{packed}") == ROWS


def test_a_frame_that_zstd_has_to_skip_is_skipped(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00\x01\x02\x03\x04"
    (tmp_path / "a.ndjson.zst").write_bytes(skipped + zstd.compress(ndjson(ROWS)))
    assert rows_in(tmp_path / "a.ndjson.zst") == ROWS


@pytest.mark.parametrize("packed", PACKED)
def test_the_content_tells_the_compression_and_not_the_name(tmp_path: Path, packed: str) -> None:
    (tmp_path / f"unpacked-on-the-way.ndjson{packed}").write_bytes(ndjson(ROWS[:9]))
    (tmp_path / "packed.ndjson").write_bytes(COMPRESSIONS[packed](ndjson(ROWS[:9])))
    assert rows_in(tmp_path / f"unpacked-on-the-way.ndjson{packed}") == ROWS[:9]
    assert rows_in(tmp_path / "packed.ndjson") == ROWS[:9]


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("cut", [0, 1, 10, 40_000])
def test_a_packed_file_that_is_cut_short_is_an_error_after_what_can_be_read(
    tmp_path: Path, packed: str, cut: int
) -> None:
    whole = COMPRESSIONS[packed](ndjson(ROWS))
    (tmp_path / f"a.ndjson{packed}").write_bytes(whole[: len(whole) - cut] if cut else b"")
    source = stream(tmp_path / f"a.ndjson{packed}")
    seen = list[object]()
    with pytest.raises(BikStorageError, match=rf"a.ndjson{packed} in .* cannot be read: it is cut short"):
        seen.extend(item.raw for item in source)
    assert seen == ROWS[: len(seen)]


@pytest.mark.parametrize("packed", PACKED)
def test_a_packed_file_with_damage_in_it_is_an_error_that_names_it(tmp_path: Path, packed: str) -> None:
    content = bytearray(COMPRESSIONS[packed](ndjson(ROWS)))
    content[len(content) // 2 :] = bytes(255 - byte for byte in content[len(content) // 2 :])
    (tmp_path / f"a.ndjson{packed}").write_bytes(content)
    with pytest.raises(BikStorageError, match=rf"a.ndjson{packed} in .* cannot be read"):
        read(tmp_path / f"a.ndjson{packed}")


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", ["bomb.ndjson", "bomb.csv"])
def test_a_file_that_unpacks_to_far_more_than_its_size_takes_little_memory(
    tmp_path: Path, packed: str, name: str
) -> None:
    header, line = (b"a,b\n", b"1,2") if name == "bomb.csv" else (b"{", b"{}")
    (tmp_path / f"{name}{packed}").write_bytes(COMPRESSIONS[packed](header + b"x" * 50_000_000 + b"\n" + line))
    tracemalloc.start()
    items = read(tmp_path / f"{name}{packed}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(items) == 2
    assert peak < 30_000_000


@pytest.mark.parametrize("packed", PACKED)
def test_a_small_file_may_be_of_one_repeated_line(tmp_path: Path, packed: str) -> None:
    (tmp_path / f"a.ndjson{packed}").write_bytes(COMPRESSIONS[packed](b'{"a":1}\n' * 500_000))
    assert len(read(tmp_path / f"a.ndjson{packed}")) == 500_000


def test_without_the_library_for_zstd_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.ndjson.zst").write_bytes(zstd.compress(b"{}"))
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.delattr("backports.zstd")
    with pytest.raises(BikConfigError, match=r"a.ndjson.zst in .*airflow-provider-bik\[zstd\]"):
        read(tmp_path / "a.ndjson.zst")


def test_what_follows_the_compressed_data_is_damage(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson.gz").write_bytes(COMPRESSIONS[".gz"](ndjson(ROWS[:9])) + b"something else")
    with pytest.raises(BikStorageError, match="is damaged"):
        read(str(tmp_path / "a.ndjson.gz"))
