"""Why an event is not delivered: the reason codes, once, as data. The docs print this table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

__all__ = ["REASONS", "Reason", "Rejection"]


class Reason(StrEnum):
    """A stable code, with a sentence that says what it means and what to mend."""

    explanation: str

    def __new__(cls, code: str, explanation: str) -> Self:
        """Make a member whose value is the code and which carries its explanation."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    UNPARSABLE = (
        "unparsable",
        "The line, item or row of a file cannot be read; the detail says why. Mend it in the file.",
    )
    NOT_AN_EVENT = "not_an_event", "The item is not a mapping with text keys. Give one mapping an event."
    UNKNOWN_FIELD = (
        "unknown_field",
        "BIK has no such top-level field; a typo here could lose a date. Rename or remove it.",
    )
    NOT_A_ROW = "not_a_row", "The item is not a mapping of column names to values. Give one mapping a row."
    CAST_FAILED = "cast_failed", "A column holds a value that the mapping's cast cannot read. Mend it or drop the cast."
    TO_EVENT_FAILED = (
        "to_event_failed",
        "The mapping's to_event raised an exception on this row. Only its class is named: its text may hold the row.",
    )
    MAPPING_MISSING = (
        "mapping_missing",
        "The dead letter holds a row of a table, and the task has no mapping. Give it the mapping of the first task.",
    )
    FIELD_MISSING = "field_missing", "A field that BIK requires is absent, null or empty. Fill it."
    FIELD_TYPE = "field_type", "A top-level field has a type that BIK does not take. Convert it."
    IDENTITY_MISSING = "identity_missing", "Both email and phoneNumber are empty; BIK needs one of the two."
    PHONE_INVALID = "phone_invalid", "phoneNumber is not a telephone number of 5 to 15 digits. Mend or empty it."
    PHONE_WITHOUT_COUNTRY = (
        "phone_without_country",
        "phoneNumber starts with neither + nor 00, so its country is unknown. Set default_region or add the +.",
    )
    CREATED_AT_INVALID = (
        "created_at_invalid",
        "createdAt is not ISO 8601, a datetime, or epoch seconds or milliseconds.",
    )
    CREATED_AT_RANGE = (
        "created_at_range",
        "createdAt is before 1990 or in the future; often an epoch in microseconds or a placeholder date.",
    )
    CREATED_AT_UNWANTED = (
        "created_at_unwanted",
        "BIK's real-time stream rejects an event with createdAt. Use pipeline auto or migration, or created_at='drop'.",
    )
    CREATED_AT_MISSING = (
        "created_at_missing",
        "A migrated event without createdAt gets the time of ingestion: its history would be lost. Give its date.",
    )
    FLAG_CONFLICT = "flag_conflict", "The event's own isMigration contradicts the pipeline that the rule chose for it."
    VALUE_TYPE = "value_type", "A property has a type that JSON cannot carry, such as bytes. Convert or leave it out."
    NUMBER_NOT_FINITE = "number_not_finite", "A property is NaN or infinite. Make it null or a number."
    INTEGER_TOO_LARGE = (
        "integer_too_large",
        "A property is an integer beyond 2^53, which JSON readers round. Send it as text.",
    )
    TEXT_NOT_UNICODE = "text_not_unicode", "A text holds half of a surrogate pair and has no UTF-8 form. Clean it."
    TOO_DEEP = "too_deep", "eventProperties is nested deeper than allowed, or contains itself. Flatten it."
    EVENT_TOO_LARGE = (
        "event_too_large",
        "The event alone exceeds the size of one request, here or at BIK. Make it smaller.",
    )
    REFUSED = "refused", "BIK refused this event when it stood alone; its message is in the dead letter."
    UNCONFIRMED = (
        "unconfirmed",
        "It may have reached BIK, and on_unconfirmed='hold' forbids sending it again. Check in BIK.",
    )


REASONS = {reason.value: reason for reason in Reason}
"""Every reason by its code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An event that does not go out, and why.

    Attributes:
        reason: The code; its explanation is ``reason.explanation``.
        detail: Which field and which limit; never a value, which may be personal data.
    """

    reason: Reason
    detail: str

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value
