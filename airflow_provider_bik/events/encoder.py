"""`Encoder`: from an item as it was read to an event that can be sent, or the reason why it cannot."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from airflow_provider_bik.events.contract import Contract
from airflow_provider_bik.events.item import REJECTED_EVENT_KEY, EncodedEvent, InputEvent, Item
from airflow_provider_bik.events.mapping import EventMapping, Plan, call_to_event
from airflow_provider_bik.events.reasons import Reason, Rejection, RejectionError

__all__ = ["Encoder"]

_MAPPING_MISSING = Rejection(reason=Reason.MAPPING_MISSING, detail="a row in a file of rejected events")

_decode = msgspec.json.Decoder().decode


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

    def __post_init__(self) -> None:
        mapping = self.mapping
        has_plan = mapping is not None and mapping.to_event is None
        object.__setattr__(self, "_plan", mapping.plan(self.contract.reading) if mapping and has_plan else None)

    def encode_all(self, items: Iterable[Item]) -> Iterator[InputEvent]:
        """Make events of items, one of each, in their order. Nothing that an item holds makes this raise."""
        return map(self._encode, items)

    def check_columns(self, columns: Sequence[str], where: str) -> None:
        """Check that the columns which the mapping uses are there.

        Args:
            columns: The names that are there.
            where: The file or query that has them, for the error.

        Raises:
            BikConfigError: One is not there. The text names it, those that are there, and the nearest of them.
        """
        if self.mapping is not None:
            self.mapping.check_columns(columns, where)

    @property
    def fingerprint(self) -> str:
        """A digest, the same in every process, that changes with the mapping or with an option of the contract.

        It does not change with the time of the run. Of a ``to_event`` it knows the name only, not what it does.
        """
        rule, reading = self.contract.rule, self.contract.reading
        parts = {
            "mapping": None if self.mapping is None else repr(self.mapping),
            "rule": repr(rule),
            "reading": repr(reading),
        }
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()

    def _encode(self, item: Item) -> InputEvent:
        is_row = self.mapping is not None
        if item.line is not None:
            if not is_row and item.problem is None:
                result = self.contract.encode_line(item.line)
                if isinstance(result, EncodedEvent):
                    return InputEvent(
                        position=item.position, location=item.location, result=result, attempts=item.attempts
                    )
            item = _decoded(item)
        item = _unwrapped(item)
        if item.is_row is not None:
            is_row = item.is_row
        result = item.problem or self._encode_raw(item.raw, is_row=is_row)
        is_rejected = isinstance(result, Rejection)
        return InputEvent(
            position=item.position,
            location=item.location,
            result=result,
            raw=item.raw if is_rejected else None,
            is_row=is_row and is_rejected,
            attempts=item.attempts,
        )

    def _encode_raw(self, raw: object, *, is_row: bool) -> EncodedEvent | Rejection:
        if not is_row:
            return self.contract.encode(raw)
        if self.mapping is None:
            return _MAPPING_MISSING
        try:
            if not isinstance(raw, Mapping):
                raise RejectionError(Reason.NOT_A_ROW, f"it is of type {type(raw).__name__}")  # noqa: TRY301 - one way out
            if self._plan is None:
                return self.contract.encode(call_to_event(self.mapping, raw))
            expects_date = self.mapping.created_at is not None
            return self.contract.encode_fields(self._plan(raw), expects_date=expects_date)
        except RejectionError as error:
            return error.rejection


def _decoded(item: Item) -> Item:
    """Decode the line of an item; what is not a JSON object becomes an item with a problem."""
    line = item.line or b""
    problem, raw = item.problem, None
    if problem is None:
        try:
            raw = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            problem = Rejection(reason=Reason.UNPARSABLE, detail="not JSON")
        else:
            if not isinstance(raw, dict):
                problem = Rejection(reason=Reason.UNPARSABLE, detail="not a JSON object")
    return Item(
        position=item.position,
        location=item.location,
        raw=raw if problem is None else line.decode("utf-8", "replace"),
        problem=problem,
        attempts=item.attempts,
        is_row=item.is_row,
    )


def _unwrapped(item: Item) -> Item:
    """Take an event or a row out of the line of a file of rejected events."""
    raw = item.raw
    if not isinstance(raw, Mapping) or item.is_row is not None or raw.get(REJECTED_EVENT_KEY) != 1:
        return item
    if ("event" in raw) is ("row" in raw):
        return item
    attempts = raw.get("attempts")
    return Item(
        position=item.position,
        location=item.location,
        raw=raw["row"] if "row" in raw else raw["event"],
        problem=item.problem,
        attempts=attempts if isinstance(attempts, int) else 0,
        is_row="row" in raw,
    )
