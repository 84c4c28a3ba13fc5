"""What can go wrong, as data: single faults, and the plan that says when they strike."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, Self, get_args

Kind = Literal["status", "reset", "hang", "slow_body", "not_json", "truncated", "inner_status", "success_false"]
When = Literal["before", "after"]
OnBadEvent = Literal["refuse_batch", "accept_others"]

ROUNDING = 1e-9
"""Probabilities such as ten times 0.1 may add up to a little more than one."""


def _demand(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise ValueError(message)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_line(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isprintable()


def _is_status(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599  # noqa: PLR2004 - HTTP's range


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong with one request.

    Attributes:
        kind: What happens.
            ``status`` answers with HTTP `status` (500 unless given) and BIK's error shape;
            ``reset`` ends the connection with a TCP reset and no answer;
            ``hang`` holds the answer back for `seconds` (for ever unless given), then goes on as if nothing had
            happened, unless the client has gone by then;
            ``slow_body`` sends the headers at once and the body in pieces over `seconds` (1 unless given);
            ``not_json`` answers 200 with an HTML page;
            ``truncated`` announces more bytes than it sends, then closes;
            ``inner_status`` answers HTTP 200 with a body that says `status` (400 unless given) and errors;
            ``success_false`` answers 200 with ``{"status": 200, "success": false}``.
        when: Before or after the events are stored: whether a client that cannot know the outcome has lost them or not.
            ``slow_body`` without `status` is an ordinary, slow answer, for which this has no meaning.
        status: The HTTP status; for ``inner_status`` the one inside the body.
        retry_after: Value of the ``Retry-After`` header: seconds or an HTTP date, sent as it is.
        seconds: Duration, for ``hang`` and ``slow_body``.
        location: Where a 3xx points to; a path of the sandbox unless given.
        message: Text of the error; a fitting one unless given.

    Raises:
        ValueError: A value is outside its range.
    """

    kind: Kind
    when: When = "before"
    status: int | None = None
    retry_after: str | None = None
    seconds: float | None = None
    location: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        _demand(self.kind in get_args(Kind), f"kind: one of {', '.join(get_args(Kind))}, not {self.kind!r}")
        _demand(self.when in get_args(When), f"when: 'before' or 'after', not {self.when!r}")
        _demand(self.status is None or _is_status(self.status), f"status: 200 to 599, not {self.status!r}")
        _demand(
            self.seconds is None or (_is_number(self.seconds) and self.seconds >= 0),
            f"seconds: a number of 0 or more, not {self.seconds!r}",
        )
        for name in ("retry_after", "location", "message"):
            value = getattr(self, name)
            _demand(value is None or _is_line(value), f"{name}: a string of one line, not {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """When faults strike. The same plan over the same requests, one after the other, gives the same faults.

    Attributes:
        seed: Seeds the random draws.
        script: One entry a request in order of arrival; ``None`` is a request without fault. Comes first.
        rates: Once the script is used up: faults with their probabilities, which add up to 1 at most.
        latency: Every request waits between so many seconds, drawn evenly.
        requests_per_second: More than that is answered with 429. One second's worth may come in a burst.
        retry_after: ``Retry-After`` of the answers that `requests_per_second` and `max_concurrent` cause.
        max_concurrent: More requests at a time than that are answered with `over_limit_status`.
        over_limit_status: 503 or 429.
        on_bad_event: What becomes of a batch with a bad event; BIK does not say. ``refuse_batch`` stores nothing;
            ``accept_others`` stores the good events. Both answer 400.

    Raises:
        ValueError: A value is outside its range.
    """

    seed: int = 0
    script: tuple[Fault | None, ...] = ()
    rates: tuple[tuple[Fault, float], ...] = ()
    latency: tuple[float, float] = (0.0, 0.0)
    requests_per_second: float | None = None
    retry_after: str | None = None
    max_concurrent: int | None = None
    over_limit_status: int = 503
    on_bad_event: OnBadEvent = "refuse_batch"

    def __post_init__(self) -> None:
        _demand(isinstance(self.seed, int), f"seed: an integer, not {self.seed!r}")
        odds = [probability for _, probability in self.rates]
        _demand(
            all(_is_number(each) and each >= 0 for each in odds) and sum(odds) <= 1 + ROUNDING,
            "rates: probabilities of 0 or more that add up to 1 at most",
        )
        low_high = self.latency
        _demand(
            len(low_high) == 2 and all(map(_is_number, low_high)) and 0 <= low_high[0] <= low_high[1],  # noqa: PLR2004 - a pair
            "latency: two numbers of seconds, the lower one first",
        )
        rate, limit = self.requests_per_second, self.max_concurrent
        _demand(rate is None or (_is_number(rate) and rate > 0), f"requests_per_second: above 0, not {rate!r}")
        _demand(limit is None or (isinstance(limit, int) and limit > 0), f"max_concurrent: 1 or more, not {limit!r}")
        _demand(_is_status(self.over_limit_status), f"over_limit_status: 200 to 599, not {self.over_limit_status!r}")
        _demand(
            self.on_bad_event in get_args(OnBadEvent),
            f"on_bad_event: 'refuse_batch' or 'accept_others', not {self.on_bad_event!r}",
        )
        _demand(
            self.retry_after is None or _is_line(self.retry_after),
            f"retry_after: a string of one line, not {self.retry_after!r}",
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a plan from JSON: an object with the names of the attributes above.

        A fault is an object with the names of :class:`Fault`; in `rates` it also carries ``probability``.

        Args:
            text: The JSON text, such as
                ``{"seed": 7, "script": [null, {"kind": "reset"}], "rates": [{"kind": "hang", "probability": 0.1}]}``.

        Raises:
            ValueError: Not JSON, an unknown name, or a value outside its range; the text says which.
        """
        plan = _named(json.loads(text), cls, "plan")
        if "script" in plan:
            entries = _entries(plan["script"], "script")
            plan["script"] = tuple(None if entry is None else _fault(entry, "script") for entry in entries)
        if "rates" in plan:
            plan["rates"] = tuple(_rate(entry) for entry in _entries(plan["rates"], "rates"))
        if "latency" in plan:
            plan["latency"] = tuple(_entries(plan["latency"], "latency"))
        return cls(**plan)  # type: ignore[arg-type]  # checked by __post_init__


def _entries(value: object, place: str) -> list[object]:
    if not isinstance(value, list):
        message = f"{place}: a list"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for whatever is wrong with the text
    return value


def _named(value: object, kind: type[Fault | FaultPlan], place: str) -> dict[str, object]:
    if not isinstance(value, Mapping):
        message = f"{place}: an object"
        raise ValueError(message)  # noqa: TRY004 - one kind of error for whatever is wrong with the text
    known = {field.name for field in fields(kind)}
    unknown = sorted(str(name) for name in value if name not in known)
    _demand(not unknown, f"{place}: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    return dict(value)


def _fault(value: object, place: str) -> Fault:
    named = _named(value, Fault, place)
    _demand("kind" in named, f"{place}: a fault needs its kind")
    return Fault(**named)  # type: ignore[arg-type]  # checked by __post_init__


def _rate(value: object) -> tuple[Fault, float]:
    if not isinstance(value, Mapping) or not _is_number(value.get("probability")):
        message = "rates: objects with a probability"
        raise ValueError(message)
    return _fault({name: each for name, each in value.items() if name != "probability"}, "rates"), value["probability"]
