"""`Encoder`: from an item as it was read to an event that can be sent, or the reason why it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from airflow_provider_bik.events.columns import AT_ONCE, Columns
from airflow_provider_bik.events.contract import Contract
from airflow_provider_bik.events.hints import Hints
from airflow_provider_bik.events.item import EncodedEvent, InputEvent, Item, opened
from airflow_provider_bik.events.mapping import EventMapping, Plan, call_to_event, keeps_row
from airflow_provider_bik.events.mapping_fields import Column, Extractor, Row, RowGroup, extractor, is_empty
from airflow_provider_bik.events.reasons import Reason, Rejection, RejectionError
from airflow_provider_bik.events.values import plain

__all__ = ["Encoder"]

_MAPPING_MISSING = Rejection(reason=Reason.MAPPING_MISSING, detail="a row out of a file of rejected events")

Result = EncodedEvent | Rejection | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Makes events of items: the mapping first, if there is one, then the contract.

    With a mapping every item is a row, except an event in a file of rejected events; without one it is an event.

    Args:
        contract: Checks and encodes one event.
        mapping: Makes an event of a row.
    """

    contract: Contract
    mapping: EventMapping | None = None
    _plan: Plan | None = field(init=False, repr=False, compare=False)
    _columns: Columns | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        mapping, plan, columns = self.mapping, None, None
        if mapping is not None and mapping.to_event is None:
            plan = mapping.plan(self.contract.reading)
        if mapping is None or (plan is not None and mapping.where is None and mapping.group_by is None):
            columns = Columns(contract=self.contract, plan=plan)
        object.__setattr__(self, "_plan", plan)
        object.__setattr__(self, "_columns", columns)

    def encode_all(self, items: Iterable[Item]) -> Iterator[InputEvent]:
        """Make events of items, in their order; nothing that an item holds makes this raise.

        Each item gives one event and keeps its position, except with a ``group_by``: then the rows of one event give
        one, and positions are counted anew, from 0.
        """
        grouped = None if self.mapping is None else self.mapping.group_by
        if grouped is not None:
            events = self._encode_groups(items, grouped)
        elif self._columns is not None:
            events = self._encode_at_once(iter(items), self._columns)
        else:
            events = map(self.encode_one, items)
        return events if self.contract.hints is None else _concluded(events, self.contract.hints)

    def check_columns(self, columns: Sequence[str], where: str) -> None:
        """Check that the columns which the mapping uses are there, as `EventMapping.check_columns`."""
        if self.mapping is not None:
            self.mapping.check_columns(columns, where)

    @property
    def columns_check(self) -> Callable[[Sequence[str], str], None] | None:
        """`check_columns`; None without a mapping, for nobody knows then which keys of an event are needed."""
        return None if self.mapping is None else self.check_columns

    @property
    def fingerprint(self) -> str:
        """A digest, the same in every process, that changes with the mapping or with an option of the contract.

        It does not change with the time of the run. Of callables it knows the name only, not what they do.
        """
        parts = [repr(part) for part in (self.mapping, self.contract.rule, self.contract.reading)]
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()

    def encode_one(self, item: Item) -> InputEvent:
        """Make an event of an item, by the general rule; with a ``group_by``, of an item that is a whole group."""
        item = opened(item)
        is_row = self._is_row(item)
        result = item.problem or self._encode_raw(item.raw, is_row=is_row)
        return _input_event(item, item.position, result, is_row=is_row)

    def _encode_at_once(self, items: Iterator[Item], columns: Columns) -> Iterator[InputEvent]:
        while block := list(islice(items, AT_ONCE)):
            for item, event in zip(block, columns.encode(block), strict=True):
                if event is None:
                    yield self.encode_one(item)
                else:
                    yield InputEvent(
                        position=item.position, location=item.location, result=event, attempts=item.attempts
                    )

    def _is_row(self, item: Item) -> bool:
        return self.mapping is not None if item.is_row is None else item.is_row

    def _encode_raw(self, raw: object, *, is_row: bool) -> Result:
        if not is_row:
            return self.contract.encode(raw)
        if self.mapping is None:
            return _MAPPING_MISSING
        rows = raw if self.mapping.group_by is not None and isinstance(raw, list) else [raw]
        try:
            return self._encode_rows(self.mapping, rows)
        except RejectionError as error:
            return error.rejection

    def _encode_rows(self, mapping: EventMapping, given: Sequence[object]) -> Result:
        rows: list[Row] = []
        for row in given:
            if not isinstance(row, Mapping):
                raise RejectionError(Reason.NOT_A_ROW, f"it is of type {type(row).__name__}")
            if mapping.where is None or keeps_row(mapping.where, row):
                rows.append(row)
        if not rows:
            return None
        if self._plan is None:
            event = call_to_event(mapping, rows)
            return None if event is None else self.contract.encode(event)
        return self._encode_by(
            self._plan, rows[0] if mapping.group_by is None else RowGroup(rows, self.contract.reading.nulls)
        )

    def _encode_by(self, plan: Plan, row: Row) -> EncodedEvent:
        country = plan.phone_country
        return self.contract.encode_fields(plan.fields(row), phone_country=None if country is None else country(row))

    def _encode_groups(self, items: Iterable[Item], group_by: str) -> Iterator[InputEvent]:
        key = extractor(Column(group_by), self.contract.reading)
        for position, group in enumerate(_groups(map(opened, items), key, self.contract.reading.nulls)):
            first, is_row = group[0], self._is_row(group[0])
            if not is_row or first.problem is not None or isinstance(first.raw, list):
                result = first.problem or self._encode_raw(first.raw, is_row=is_row)
                yield _input_event(first, position, result, is_row=is_row)
                continue
            raw = [item.raw for item in group]
            problem = next((item.problem for item in group if item.problem is not None), None)
            if problem is None and is_empty(_key_of(first, key), self.contract.reading.nulls):
                problem = Rejection(reason=Reason.GROUP_MISSING, detail=f"column {group_by!r}")
            result = problem or self._encode_raw(raw, is_row=True)
            yield _input_event(msgspec.structs.replace(first, raw=raw), position, result, is_row=True)


def _concluded(events: Iterator[InputEvent], hints: Hints) -> Iterator[InputEvent]:
    yield from events
    hints.conclude()


def _groups(items: Iterable[Item], key: Extractor, nulls: frozenset[str]) -> Iterator[list[Item]]:
    """Gather the rows that follow each other and have one key.

    A row that cannot be read belongs to a group if that goes on behind it.
    """
    group: list[Item] = []
    unreadable: list[Item] = []
    group_key: object = None
    for item in items:
        if item.problem is not None and group:
            unreadable.append(item)
            continue
        item_key = _key_of(item, key)
        if group and not is_empty(item_key, nulls) and item_key == group_key:
            group += [*unreadable, item]
        else:
            yield from ([group] if group else [])
            yield from ([each] for each in unreadable)
            group, group_key = [item], item_key
        unreadable = []
    yield from ([group] if group else [])
    yield from ([each] for each in unreadable)


def _key_of(item: Item, key: Extractor) -> object:
    """The key of a row; null if it has none, or is no row."""
    if item.problem is not None or item.is_row is False or not isinstance(item.raw, Mapping):
        return None
    try:
        return plain(key(item.raw))
    except RejectionError:
        return None


def _input_event(item: Item, position: int, result: Result, *, is_row: bool) -> InputEvent:
    is_rejected = isinstance(result, Rejection)
    return InputEvent(
        position=position,
        location=item.location,
        result=result,
        raw=item.raw if is_rejected else None,
        is_row=is_row and is_rejected,
        attempts=item.attempts,
    )
