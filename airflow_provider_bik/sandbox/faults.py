"""What can go wrong, as data: single faults, and the plan that says when they strike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, StrictFloat, StrictInt, TypeAdapter, ValidationError
from pydantic import model_validator as validated
from pydantic.dataclasses import dataclass

Kind = Literal["status", "reset", "hang", "slow_body", "not_json", "truncated", "inner_status", "success_false"]
When = Literal["before", "after"]
OnBadEvent = Literal["refuse_batch", "accept_others"]

ROUNDING = 1e-9
"""Probabilities such as ten times 0.1 may add up to a little more than one."""

_Line = Annotated[str, Field(pattern=r"^[ -~]*$")]
_Status = Annotated[StrictInt, Field(ge=200, le=599)]
_Seconds = Annotated[StrictFloat, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
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
    status: _Status | None = None
    retry_after: _Line | None = None
    seconds: _Seconds | None = None
    location: _Line | None = None
    message: _Line | None = None


def _pair(rate: object) -> object:
    """In JSON, a fault carries its probability."""
    if not isinstance(rate, Mapping):
        return rate
    if "probability" not in rate:
        message = "a fault of rates needs its probability"
        raise ValueError(message)
    return {name: value for name, value in rate.items() if name != "probability"}, rate["probability"]


@dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
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

    seed: StrictInt = 0
    script: tuple[Fault | None, ...] = ()
    rates: tuple[Annotated[tuple[Fault, _Seconds], BeforeValidator(_pair)], ...] = ()
    latency: tuple[_Seconds, _Seconds] = (0.0, 0.0)
    requests_per_second: Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)] | None = None
    retry_after: _Line | None = None
    max_concurrent: Annotated[StrictInt, Field(gt=0)] | None = None
    over_limit_status: _Status = 503
    on_bad_event: OnBadEvent = "refuse_batch"

    @validated(mode="after")
    def _adds_up(self) -> Self:
        if sum(probability for _, probability in self.rates) > 1 + ROUNDING:
            message = "the probabilities of rates must add up to 1 at most"
            raise ValueError(message)
        if self.latency[0] > self.latency[1]:
            message = "latency needs the lower number first"
            raise ValueError(message)
        return self

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read a plan from JSON: an object with the names of the attributes above.

        A fault is an object with the names of :class:`Fault`; in `rates` it also carries ``probability``.

        Args:
            text: The JSON text, such as
                ``{"seed": 7, "script": [null, {"kind": "reset"}], "rates": [{"kind": "hang", "probability": 0.1}]}``.

        Raises:
            ValueError: Not JSON, an unknown name, or a value outside its range; the text says which, in one line.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            said = [(".".join(map(str, each["loc"])) or "plan", each["msg"]) for each in error.errors()]
            raise ValueError("; ".join(f"{place}: {message}" for place, message in said)) from None
