"""What becomes of the forms in which people have their data: a table of examples, which these pages print.

Every row is run by a test, so the table cannot say what is not so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from airflow_provider_bik.events.reasons import Reason

__all__ = ["FORMS", "Form"]


@dataclass(frozen=True, slots=True)
class Form:
    """One form of a value.

    Attributes:
        field: BIK's name of the field; ``property`` for what stands in ``eventProperties``.
        form: What the form is called.
        example: A value of that form; of a number with no country, in a run with ``default_region="IN"``.
        result: The value as it is sent; None if it is null; or why it is rejected. A bad e-mail address or telephone
            number beside a good one is left out instead, if ``on_bad_identity`` is ``drop``.
    """

    field: Literal["email", "phoneNumber", "createdAt", "property"]
    form: str
    example: object
    result: object

    @property
    def outcome(self) -> Literal["accepted", "changed", "dropped", "rejected"]:
        """What becomes of it, in one word."""
        if isinstance(self.result, Reason):
            return "rejected"
        if self.result is None:
            return "dropped"
        return "accepted" if self.result == self.example else "changed"


_PHONE, _EMAIL, _TIME = "+919812345670", "asha@example.com", "2026-01-15T10:30:00.000Z"

FORMS: tuple[Form, ...] = (
    Form("email", "an address", _EMAIL, _EMAIL),
    Form("email", "a domain in capitals", "Asha@Example.com", "Asha@example.com"),
    Form("email", "blanks around it, of any width", " asha@example.com\u00a0", _EMAIL),
    Form("email", "marks that are not seen around it", "\u200basha@example.com\ufeff", _EMAIL),
    Form("email", "mailto:", "mailto:asha@example.com", _EMAIL),
    Form("email", "null, blank, or a text that means null", r"\N", None),
    Form("email", "two addresses", "asha@example.com;ravi@example.com", Reason.EMAIL_INVALID),
    Form("email", "a display name", "Asha <asha@example.com>", Reason.EMAIL_INVALID),
    Form("email", "no @", "asha(at)example.com", Reason.EMAIL_INVALID),
    Form("email", "a domain that no mail can reach", "asha@shop.invalid", Reason.EMAIL_INVALID),
    Form("phoneNumber", "plus and digits", _PHONE, _PHONE),
    Form("phoneNumber", "blanks, dots, hyphens, brackets", "+91 (98123) 456-70", _PHONE),
    Form("phoneNumber", "00 for the plus", "0091 98123 45670", _PHONE),
    Form("phoneNumber", "a trunk zero behind the country", "+91 098123 45670", _PHONE),
    Form("phoneNumber", "a number of the default region", "098123 45670", _PHONE),
    Form("phoneNumber", "a whole number", 919812345670, _PHONE),
    Form("phoneNumber", "a whole number as float", 9812345670.0, _PHONE),
    Form("phoneNumber", "a float as text", "919812345670.0", _PHONE),
    Form("phoneNumber", "scientific, with all digits", "9.19812345670E+11", _PHONE),
    Form("phoneNumber", "scientific, with digits lost", "9.19812E+11", Reason.PHONE_INVALID),
    Form("phoneNumber", "the apostrophe of a spreadsheet", "'+919812345670", _PHONE),
    Form("phoneNumber", "the formula of a spreadsheet", '="+919812345670"', _PHONE),
    Form("phoneNumber", "tel:", "tel:+91-98123-45670", _PHONE),
    Form("phoneNumber", "signs of full width or other scripts", "\uff0b९१ 98123 45670", _PHONE),
    Form("phoneNumber", "an extension, which is left out", "+91 98123 45670 x12", _PHONE),
    Form("phoneNumber", "a slash within one number", "+91 98123/45670", _PHONE),
    Form("phoneNumber", "null, blank, or a text that means null", "NULL", None),
    Form("phoneNumber", "two numbers", "9812345670 / 9812345671", Reason.PHONE_INVALID),
    Form("phoneNumber", "letters", "98123 4567O", Reason.PHONE_INVALID),
    Form("phoneNumber", "a wrong length", "+91 98123 4567", Reason.PHONE_INVALID),
    Form("phoneNumber", "a number of another country, without plus", "447911123456", Reason.PHONE_INVALID),
    Form("createdAt", "ISO 8601", "2026-01-15T10:30:00.000Z", _TIME),
    Form("createdAt", "UTC behind a blank", "2026-01-15 10:30:00 UTC", _TIME),
    Form("createdAt", "an offset behind a blank", "2026-01-15 16:00:00 +0530", _TIME),
    Form("createdAt", "no zone: the one of the reading", "2026-01-15 10:30:00", _TIME),
    Form("createdAt", "a date: its midnight", "2026-01-15", "2026-01-15T00:00:00.000Z"),
    Form("createdAt", "epoch seconds", 1768473000, _TIME),
    Form("createdAt", "epoch microseconds, as text", "1768473000000000", _TIME),
    Form("createdAt", "the name of a zone", "2026-01-15 16:00:00 IST", Reason.CREATED_AT_INVALID),
    Form("createdAt", "another form, without a Column that says it", "1/15/2026 10:30", Reason.CREATED_AT_INVALID),
    Form("createdAt", "a serial date of a spreadsheet", 45361, Reason.CREATED_AT_RANGE),
    Form("createdAt", "before 1990, or in the future", "1970-01-01T00:00:00Z", Reason.CREATED_AT_RANGE),
    Form("createdAt", "null, blank, or a text that means null", "", Reason.CREATED_AT_MISSING),
    Form("property", "text", " To the letter ", " To the letter "),
    Form("property", "null, NaN, or a text that means null", float("nan"), None),
    Form("property", "a whole number up to 2^53", 2**53, 2**53),
    Form("property", "a whole number beyond 2^53", 2**53 + 1, Reason.INTEGER_TOO_LARGE),
    Form("property", "an infinite number", float("inf"), Reason.NUMBER_NOT_FINITE),
    Form("property", "bytes", b"bytes", Reason.VALUE_TYPE),
)
"""Forms by field; those that are read first."""
