from __future__ import annotations

import io
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_bik.errors import BikInputError, BikStorageError
from airflow_provider_bik.events.reasons import Reason
from airflow_provider_bik.inputs import json_items
from airflow_provider_bik.inputs import text as module
from airflow_provider_bik.inputs.files import item_of_text
from airflow_provider_bik.inputs.text import MAX_LINE_BYTES, buffered
from tests.inputs.support import details, read, rows_in, stream

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet='a"\\[]{},: é\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='b"\\]}'), inner),
    max_leaves=10,
)
OBJECTS = st.lists(st.dictionaries(st.text(alphabet='b"\\]}'), JSON))
EVENT = b'{"email":"a","eventName":"b","eventProperties":{}}'


def texts(content: bytes, block: int = 1 << 18, path: str | None = None) -> list[tuple[str, bytes]]:
    """What is found in a file that is read in blocks of this size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", max(block, 16))
        file = buffered(io.BytesIO(content))
        patch.setattr(module, "BLOCK_BYTES", block)
        patch.setattr(json_items, "BLOCK_BYTES", block)
        return list(json_items.texts_of(file, "f", path, lambda *_: None))


def decoded(found: list[tuple[str, bytes]]) -> list[object]:
    return [json.loads(text) for _, text in found]


FLAT = st.lists(JSON).filter(lambda items: not items or not isinstance(items[0], list))


@given(items=FLAT, indent=st.none() | st.integers(0, 3), block=st.integers(1, 9))
def test_the_items_of_an_array_are_found_wherever_a_block_ends(items: list[object], indent: int, block: int) -> None:
    content = b" \n" + json.dumps(items, indent=indent, ensure_ascii=False).encode() + b"\n "
    found = texts(content, block)
    assert decoded(found) == items
    assert [where for where, _ in found] == [str(number) for number in range(1, len(items) + 1)]


@given(objects=OBJECTS, between=st.sampled_from([b"", b" ", b"\n", b"\r\n", b"\n\n"]), block=st.integers(32, 99))
def test_objects_are_found_whatever_stands_between_them(objects: list[object], between: bytes, block: int) -> None:
    content = between.join(json.dumps(item, ensure_ascii=False).encode() for item in objects)
    found = texts(content, block)
    assert decoded(found) == objects
    at = itertools.groupby(int(where.partition("#")[0]) for where, _ in found)
    assert [where for where, _ in found] == [
        str(line) if nth == 1 else f"{line}#{nth}" for line, group in at for nth, _ in enumerate(group, start=1)
    ]


@given(objects=OBJECTS.filter(len), indent=st.integers(1, 3))
def test_objects_over_several_lines_are_found_where_they_begin(objects: list[object], indent: int) -> None:
    written = [json.dumps(item, indent=indent, ensure_ascii=False).encode() for item in objects]
    starts = list(itertools.accumulate((text.count(b"\n") + 1 for text in written[:-1]), initial=1))
    found = texts(b"\n".join(written))
    assert decoded(found) == objects
    if b"\n" in written[0]:
        assert [where for where, _ in found] == [str(line) for line in starts]


@given(
    before=JSON,
    items=st.lists(JSON),
    after=JSON,
    pages=st.integers(1, 3),
    indent=st.none() | st.just(2),
    size=st.integers(40, 99),
)
def test_the_array_at_a_path_is_read_wherever_it_stands(
    before: object, items: list[object], after: object, pages: int, indent: int | None, size: int
) -> None:
    document = {"b": before, "data": {"x": before, "or ders": items, "y": [after]}, "c": {"or ders": [after]}}
    content = json.dumps(document, indent=indent, ensure_ascii=False).encode() + b"\n"
    assert decoded(texts(content * pages, size, "data.or ders")) == items * pages
    assert decoded(texts(content * pages, size, "$.data.or ders[*]")) == items * pages


@given(
    items=FLAT | st.lists(st.lists(JSON)),
    block=st.integers(1, 9),
    path=st.sampled_from([None, "a.b"]),
    data=st.data(),
)
def test_an_array_that_is_cut_short_never_passes_for_a_whole_one(
    items: list[object], block: int, path: str | None, data: st.DataObject
) -> None:
    whole = json.dumps(items if path is None else {"a": {"b": items}}).encode()
    kept = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(EOFError):
        texts(whole[:kept], block, path)


@given(written=st.lists(st.sampled_from([b"", b" \t", b"\r", b"{}", b'{"a":1}', b"{" * 30])), block=st.integers(16, 40))
@example(written=[*[b""] * 10, b" \t", b"{" * 30], block=16)
def test_locations_count_the_lines(written: list[bytes], block: int) -> None:
    found = texts(b"{}\n" + b"\n".join(written), block)
    kept = [(str(number), line) for number, line in enumerate(written, start=2) if line.strip()]
    assert found == [("1", b"{}"), *kept]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "orders.json"


def test_an_item_that_is_no_object_is_a_rejection_and_its_neighbours_are_read(file: Path) -> None:
    file.write_bytes(b'[{"a":1}, {"a":nope}, 5, , "x", [1], {"a":\xff}, {"a":2},]')
    items = read(file)
    assert [item.raw for item in items if not item.problem and item.raw] == [{"a": 1}, {"a": 2}]
    assert details(items) == {
        "orders.json:2": "not JSON",
        "orders.json:3": "not a JSON object",
        "orders.json:4": "not JSON",
        "orders.json:5": "not a JSON object",
        "orders.json:6": "not a JSON object",
        "orders.json:7": "not JSON",
        "orders.json:9": "not JSON",
    }


def test_a_broken_object_among_others_in_one_line_is_one_rejection(file: Path) -> None:
    file.write_bytes(b'{"a":1}{"a":nope}{"a":2}\n{"a":3} x {"a":4}{"a":[5}\n{"a":6}')
    items = read(file)
    assert [item.raw for item in items if not item.problem] == [{"a": 1}, {"a": 2}, {"a": 3}, {"a": 6}]
    assert list(details(items)) == ["orders.json:1#2", "orders.json:2#2", "orders.json:2#3"]


def test_text_that_only_looks_like_two_objects_is_one(file: Path) -> None:
    file.write_bytes(b'{"a":"} {"}\n{"a":"}{"}\n')
    assert rows_in(file) == [{"a": "} {"}, {"a": "}{"}]


def test_a_long_file_without_line_ends_is_read_as_a_stream(file: Path) -> None:
    rows = [{"id": number, "text": "x" * 100} for number in range(50_000)]
    file.write_bytes(b"".join(json.dumps(row).encode() for row in rows))
    items = read(file)
    assert [item.raw for item in items] == rows
    assert [item.location for item in items[-2:]] == ["orders.json:1#49999", "orders.json:1#50000"]


def test_an_item_of_an_array_that_is_too_long_ends_the_file_after_those_before(file: Path) -> None:
    file.write_bytes(b'[{"a":1},{"a":"' + b'\\"[{,' * MAX_LINE_BYTES + b'"},{"a":2}]')
    source = stream(file)
    assert next(source).raw == {"a": 1}
    with pytest.raises(BikInputError, match=r"orders.json in .* is broken in item 2: it is longer than 4194304 bytes"):
        next(source)


@pytest.mark.parametrize("more", [0, 1, MAX_LINE_BYTES])
def test_a_line_that_is_too_long_is_never_sent_even_if_its_beginning_is_an_event(more: int) -> None:
    line = EVENT + b" " * (MAX_LINE_BYTES - len(EVENT) + more)
    (_, _), (_, text), after = texts(b"{}\n" + line + b"\n" + EVENT)
    item = item_of_text(text, 7, "f:1")
    assert (item.position, item.location) == (7, "f:1")
    assert after == ("3", EVENT)
    if more:
        assert item.line is None
        assert item.problem is not None
        assert item.problem.reason is Reason.UNPARSABLE
    else:
        assert item.line == line


def test_a_line_with_more_objects_than_can_be_held_is_no_rejection_of_one(file: Path) -> None:
    file.write_bytes(b'{"a":1}\n' + b'{"a":2}' * 1_000_000)
    source = stream(file)
    assert next(source).raw == {"a": 1}
    with pytest.raises(BikInputError, match="holds several objects in line 2, which is longer than"):
        next(source)


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        (b'{"a":[2}, {"a":3}]', "its brackets do not match"),
        (b'{"a":2}}, {"a":3}]', "its brackets do not match"),
        (b'{"a":2}] {"a":3}', "something follows its end"),
        (b'{"a":2}] x', "something follows its end"),
        (b"[" * 5_000_000, "its brackets do not match"),
    ],
)
def test_an_array_whose_items_cannot_be_told_apart_is_an_error_after_those_before(
    file: Path, rest: bytes, says: str
) -> None:
    file.write_bytes(b'[{"a":1}, ' + rest)
    source = stream(file)
    assert next(source).raw == {"a": 1}
    with pytest.raises(BikInputError, match=rf"orders.json in .* is broken in item [23]: .*{says}"):
        list(source)


def test_an_array_that_is_cut_short_is_an_error_after_what_can_be_read(file: Path) -> None:
    file.write_bytes(b'[{"a":1}, {"a":2}, {"a"')
    source = stream(file)
    assert [next(source).raw, next(source).raw] == [{"a": 1}, {"a": 2}]
    with pytest.raises(BikStorageError, match=r"orders.json in .* cannot be read: it is cut short"):
        next(source)


def test_arrays_one_behind_the_other_are_read_as_one(file: Path) -> None:
    file.write_bytes(b'[{"a":1}]\n[]\n[{"a":2},{"a":3}]\n')
    items = read(file)
    assert [(item.location, item.raw) for item in items] == [(f"orders.json:{n}", {"a": n}) for n in (1, 2, 3)]


WRAPPED = {"count": 2, "secret": "asha@example.com", "data": {"orders": [{"id": 1}, {"id": 2}]}, "tags": ["x"]}


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("needs", [None, ["id"]])
@pytest.mark.parametrize("more", [0, 300_000])
def test_an_array_in_an_object_is_refused_with_the_path_to_say(
    file: Path, indent: int | None, needs: list[str] | None, more: int
) -> None:
    data = {"orders": [{"id": 1}, {"id": 2}, *[{"id": 3, "x": "y" * 100}] * (more // 100)]}
    file.write_text(json.dumps({**WRAPPED, "data": data}, indent=indent))
    with pytest.raises(BikInputError, match=r"stand at: 'data\.orders'\. .*json_path") as caught:
        read(file, needs=needs)
    assert "asha" not in str(caught.value)
    assert [item.raw for item in read(file, needs=needs, json_path="data.orders")][:2] == [{"id": 1}, {"id": 2}]


def test_a_path_that_leads_to_no_array_is_refused_with_those_that_do(file: Path) -> None:
    file.write_text(json.dumps(WRAPPED))
    for path in ("orders", "data", "tags.x"):
        with pytest.raises(BikInputError, match=rf"holds no array at '{path}'\. .* stand at: 'data\.orders'"):
            read(file, json_path=path)
    file.write_text("[1]")
    with pytest.raises(BikInputError, match="is an array itself"):
        read(file, json_path="orders")
    assert len(read(file, json_path="$")) == 1


def test_a_page_that_lacks_the_array_of_the_others_is_an_error(file: Path) -> None:
    file.write_text('{"orders":[{"id":1}]}\n{"error":"asha@example.com"}\n')
    source = stream(file, json_path="orders")
    assert next(source).raw == {"id": 1}
    with pytest.raises(BikInputError, match="holds no array at 'orders'"):
        next(source)


@pytest.mark.parametrize("indent", [None, 2])
def test_an_event_or_a_row_may_hold_arrays(file: Path, indent: int | None) -> None:
    event = {"eventName": "ordered", "eventProperties": {"items": [{"sku": "a"}]}}
    file.write_text(json.dumps(event, indent=indent))
    assert rows_in(file) == [event]
    row = {"email": "asha@example.com", "lines": [{"sku": "a"}]}
    file.write_text(json.dumps(row, indent=indent))
    assert rows_in(file, needs=["email"]) == [row]


def test_lines_that_cannot_be_read_are_rejections_and_the_others_are_read(file: Path) -> None:
    file.write_bytes(b'{"a":1\n{"a":2}\n5\n"x"\n[1]\n{"a":"\xff"}\n{"a":3}')
    items = read(file)
    assert [item.raw for item in items if not item.problem] == [{"a": 2}, {"a": 3}]
    assert list(details(items)) == [f"orders.json:{line}" for line in (1, 3, 4, 5, 6)]


@given(pages=st.lists(st.lists(JSON)), indent=st.none() | st.integers(0, 3), block=st.integers(16, 99))
def test_arrays_within_an_array_are_read_as_one(pages: list[list[object]], indent: int, block: int) -> None:
    found = texts(json.dumps(pages, indent=indent, ensure_ascii=False).encode(), block)
    assert decoded(found) == [item for page in pages for item in page]
    assert [where for where, _ in found] == [str(number) for number in range(1, len(found) + 1)]


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b'[[{"a": 1}], {"a": 2}]', BikInputError),
        (b'[[{"a": 1}]] x', BikInputError),
        (b'[[{"a": 1}] {"a": 2}]', BikInputError),
        (b'[[{"a": 1}], ', BikStorageError),
        (b'[[{"a": 1}, ', BikStorageError),
        (b'[[{"a": 1}]', BikStorageError),
    ],
)
def test_what_is_no_array_among_arrays_is_an_error_after_those_before(
    file: Path, content: bytes, error: type[Exception]
) -> None:
    file.write_bytes(content)
    items = stream(file)
    assert next(items).location == "orders.json:1"
    with pytest.raises(error):
        next(items)


ODD = st.sampled_from([*'{}[],:" \n\r1a-', '"a":1', "null", "NaN", "{}", "[]", '{"a":', "\ufeff"])


@st.composite
def nearly_json(draw: st.DrawFn) -> str:
    """A document as files hold them, or one in which something was lost, moved or put in between."""
    items = draw(
        st.lists(st.sampled_from([{}, {"a": 1}, {"a": [{"b": "}"}]}, {"a\n": None}, 1, [], [{"c": "]"}]]), max_size=4)
    )
    indent = draw(st.sampled_from([None, 1]))
    between = draw(st.sampled_from(["\n", "", " ", "\r\n"]))
    text = draw(st.sampled_from([json.dumps(items, indent=indent), between.join(json.dumps(item) for item in items)]))
    for _ in range(draw(st.integers(0, 2))):
        at, lost = draw(st.integers(0, len(text))), draw(st.integers(0, 2))
        text = text[:at] + draw(ODD | st.just("")) + text[at + lost :]
    return text


def documents(text: str) -> list[object] | None:
    """The documents that the json module finds one behind the other; None if it finds anything else."""

    def no_json(constant: str) -> object:
        raise ValueError(constant)

    decoder, found, at = json.JSONDecoder(parse_constant=no_json), [], 0
    text = text.rstrip(" \t\r\n")
    while at < len(text):
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n"))
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError:
            return None
        found.append(document)
    return found


def items_of(found: list[object]) -> list[object]:
    """What a file of these documents holds: they themselves, or what their arrays hold."""
    if not found or not isinstance(found[0], list):
        return found
    arrays = [item for document in found if isinstance(document, list) for item in document]
    nested = bool(found[0]) and isinstance(found[0][0], list)
    return [item for array in arrays for item in array] if nested else arrays


@settings(max_examples=500)
@given(text=nearly_json())
@example(text="null[\n {}\n]")
def test_what_is_accepted_is_what_the_json_module_reads(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "property.json"
    file.write_bytes(text.encode())
    found = documents(text.removeprefix("\ufeff"))
    try:
        items = read(str(file))
    except (BikInputError, BikStorageError):
        # Where each document is an object, nothing may be refused but one object around others.
        assert found is None or len(found) < 2 or not all(isinstance(document, dict) for document in found)
        return
    accepted = [item.raw for item in items if item.problem is None]
    if found is None:
        assert len(accepted) < len(items)
        return
    expected = items_of(found)
    if all(isinstance(item, dict) for item in expected):
        assert accepted == expected
    else:
        # Beside what is no object, an object may be lost, but not unseen. One of an array may have a line of its own.
        assert len(accepted) < len(items)
        left = (each for item in expected for each in [item, *(item if isinstance(item, list) else [])])
        assert all(item in left for item in accepted)
