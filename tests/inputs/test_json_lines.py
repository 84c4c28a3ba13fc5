from __future__ import annotations

import io
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_bik.events import Contract, Reason
from airflow_provider_bik.inputs import MAX_LINE_BYTES
from airflow_provider_bik.inputs import ndjson as module
from airflow_provider_bik.inputs.ndjson import read_lines
from tests.events.test_fast_path import NOW

EVENT = b'{"email":"a","eventName":"b","eventProperties":{}}'


@given(lines=st.lists(st.sampled_from([b"", b" \t", b"\r", b"{}", b'{"a":1}', b"x" * 30])), block=st.integers(1, 40))
def test_positions_count_the_items_and_locations_count_the_lines(lines: list[bytes], block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_BYTES", block)
        items = list(read_lines(io.BytesIO(b"\n".join(lines)), name="f", positions=count(5)))
    kept = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    assert [(item.location, item.line) for item in items] == [(f"f:{number}", line) for number, line in kept]
    assert [item.position for item in items] == list(range(5, 5 + len(kept)))


@pytest.mark.parametrize("more", [0, 1, MAX_LINE_BYTES])
def test_a_line_that_is_too_long_is_never_sent_even_if_its_beginning_is_an_event(more: int) -> None:
    line = EVENT + b" " * (MAX_LINE_BYTES - len(EVENT) + more)
    item, after = read_lines(io.BytesIO(line + b"\n" + EVENT), name="f", positions=count())
    if more:
        assert item.line is None
        assert item.problem is not None
        assert item.problem.reason is Reason.NOT_READABLE
    else:
        assert Contract(now=NOW).encode_line(item.line or b"") is not None
    assert after.line == EVENT


@pytest.mark.parametrize("line", [b"{", b"[1]", b"5", b'"a"', b'{"a":"\xff"}', b"[" * 5000])
def test_a_line_that_is_no_object_says_so_once_it_is_decoded(line: bytes) -> None:
    (item,) = read_lines(io.BytesIO(line), name="f", positions=count())
    decoded = item.decoded()
    assert (decoded.position, decoded.location, decoded.line) == (0, "f:1", None)
    assert decoded.problem is not None
    assert decoded.problem.reason is Reason.NOT_READABLE
    assert Contract(now=NOW).encode_line(line) is None
