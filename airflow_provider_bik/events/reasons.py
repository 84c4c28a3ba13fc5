"""Why an event is not delivered: the reason codes, once, as data. The docs print this table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

__all__ = ["REASONS", "Reason", "Rejection", "RejectionError"]


class Reason(StrEnum):
    """A stable code, with a sentence that says what it means and what to fix."""

    explanation: str

    def __new__(cls, code: str, explanation: str) -> Self:
        """Make a member whose value is the code and which carries its explanation."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    UNPARSABLE = (
        "unparsable",
        "The line, item or row of a file cannot be read; the detail says why. Fix it in the file.",
    )
    NOT_AN_EVENT = "not_an_event", "The item is not a mapping with text keys. Give one mapping an event."
    UNKNOWN_FIELD = (
        "unknown_field",
        "BIK has no such top-level field; a typo here could lose a date. Rename or remove it.",
    )
    NOT_A_ROW = "not_a_row", "The item is not a mapping of column names to values. Give one mapping a row."
    CAST_FAILED = "cast_failed", "A column holds a value that the mapping's cast cannot read. Fix it or drop the cast."
    TO_EVENT_FAILED = (
        "to_event_failed",
        "The mapping's to_event raised an exception on this row. Only its class is named: its text may hold the row.",
    )
    WHERE_FAILED = (
        "where_failed",
        "The mapping's where raised an exception on this row, or returned neither true nor false. Fix the callable.",
    )
    GROUP_MISSING = (
        "group_missing",
        "The column of group_by is empty, so nobody knows which rows belong together. Fill it, or leave the row out.",
    )
    MAPPING_MISSING = (
        "mapping_missing",
        "It is a row out of a file of rejected events, and the task has no mapping. Give it the first task's mapping.",
    )
    FIELD_MISSING = "field_missing", "A field that BIK requires is absent, null or empty. Fill it."
    FIELD_TYPE = "field_type", "A top-level field has a type that BIK does not take. Convert it."
    IDENTITY_MISSING = "identity_missing", "Both email and phoneNumber are empty; BIK needs one of the two."
    EMAIL_INVALID = (
        "email_invalid",
        "email is not exactly one address, such as asha@example.com without a display name. Fix or empty it.",
    )
    PHONE_INVALID = (
        "phone_invalid",
        "phoneNumber is not exactly one telephone number that its country could have given out. Fix or empty it.",
    )
    PHONE_COUNTRY_MISSING = (
        "phone_country_missing",
        "phoneNumber starts with neither + nor 00, so its country is unknown. Set default_region or phone_country.",
    )
    CREATED_AT_INVALID = (
        "created_at_invalid",
        "createdAt is no time in a form that is read. Give a Column with cast='datetime' and a format or unit.",
    )
    CREATED_AT_RANGE = (
        "created_at_range",
        "createdAt is before 1990 or in the future: often a placeholder date, or a number that counts something else.",
    )
    CREATED_AT_NOT_ALLOWED = (
        "created_at_not_allowed",
        "BIK's real-time stream rejects an event with createdAt. Use pipeline auto or migration, or on_dated='drop'.",
    )
    CREATED_AT_MISSING = (
        "created_at_missing",
        "The event should have a date and has none: BIK would take it for new. Give it, or on_undated='realtime'.",
    )
    IS_MIGRATION_CONFLICT = (
        "is_migration_conflict",
        "The event's own isMigration contradicts the pipeline that the rule chose for it.",
    )
    VALUE_TYPE = "value_type", "A property has a type that JSON cannot carry, such as bytes. Convert or leave it out."
    NUMBER_NOT_FINITE = "number_not_finite", "A property is an infinite number. Make it null or a number."
    INTEGER_TOO_LARGE = (
        "integer_too_large",
        "A property is an integer beyond 2^53, or a decimal with such a whole part: readers round it. Send it as text.",
    )
    INVALID_UNICODE = "invalid_unicode", "A text holds half of a surrogate pair and has no UTF-8 form. Clean it."
    NESTING_TOO_DEEP = (
        "nesting_too_deep",
        "eventProperties is nested deeper than allowed, or contains itself. Flatten it.",
    )
    EVENT_TOO_LARGE = (
        "event_too_large",
        "The event alone exceeds the size of one request, here or at BIK. Make it smaller.",
    )
    REJECTED_BY_BIK = (
        "rejected_by_bik",
        "BIK said no to this event when it stood alone; its message is in the file of rejected events.",
    )
    DELIVERY_UNKNOWN = (
        "delivery_unknown",
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


class RejectionError(Exception):
    """Carries a `Rejection` out of nested values; it never leaves this folder.

    Args:
        reason: Why the event does not go out.
        detail: As in `Rejection`.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.rejection = Rejection(reason=reason, detail=detail)
