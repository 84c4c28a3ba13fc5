"""The names in a mapping: what they may be, and which one was meant if there is no such one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import NoReturn

from airflow_provider_bik.errors import BikConfigError

__all__ = ["check_columns", "check_keys", "has_utf8", "name_of", "nearest", "refuse"]

_LONGEST_SHOWN = 64
_MOST_SHOWN = 50
"""Columns named in an error."""


def check_columns(needed: Iterable[str], there: Iterable[object]) -> None:
    """Check that a mapping's columns are there; names are matched exactly.

    Args:
        needed: By the mapping.
        there: The names that the source has.

    Raises:
        BikConfigError: One is not there. The text names it, those that are there, and the nearest of them.
    """
    columns = dict.fromkeys(name for name in there if isinstance(name, str))
    missing = [name for name in needed if name not in columns]
    if missing:
        known = [name for name in columns if _looks_like_a_name(name)]
        said = "; ".join(_missing(name, known) for name in missing)
        shown = [repr(name) for name in known[:_MOST_SHOWN]]
        if more := len(columns) - len(shown):
            shown.append(f"{more} more")
        message = (
            f"The mapping does not fit the input: {said}. The columns are: {', '.join(shown) or 'none'}. Names are "
            "matched exactly, upper and lower case included. Mend the mapping or the input, then clear the task."
        )
        raise BikConfigError(message)


def _missing(name: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    return f"there is no column {name!r}" + (f"; the nearest is {meant!r}" if meant else "")


def _looks_like_a_name(column: str) -> bool:
    """Without its header line, a file's first row of data would be taken for names, and shown in the error."""
    return len(column) <= _LONGEST_SHOWN and re.sub(r"[ ./-]", "_", column).isidentifier()


def name_of(value: object, what: str) -> str:
    """Check a name.

    Raises:
        BikConfigError: It is not text, or blank, or has no UTF-8 form.
    """
    if not isinstance(value, str):
        refuse(f"{what} is of type {type(value).__name__} and must be text")
    if not value.strip():
        refuse(f"{what} is empty")
    if not has_utf8(value):
        refuse(f"{what} has no UTF-8 form")
    return str.__str__(value)


def has_utf8(text: str) -> bool:
    """Tell whether a text can be sent; half of a surrogate pair cannot."""
    return text.encode("utf-8", "ignore").decode() == text


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that was most likely meant; upper and lower case count as the same."""
    folded = {choice.casefold(): choice for choice in choices}
    found = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[found[0]] if found else None


def check_keys(given: Mapping[object, object], known: Iterable[str], place: str) -> None:
    """Refuse unknown keys by name.

    Raises:
        BikConfigError: One is not among the known, or not text.
    """
    known = list(known)
    for key in given:
        if key not in known:
            hint = nearest(key, known) if isinstance(key, str) else None
            meant = f"; {hint!r} may be meant" if hint else ""
            refuse(f"{place} has the unknown key {key!r:.80}{meant}. The keys are {', '.join(known)}")


def refuse(what: str) -> NoReturn:
    """Refuse a mapping that can never work.

    Raises:
        BikConfigError: Always.
    """
    message = f"The mapping is wrong: {what}. Mend it where the DAG makes it; nothing was sent."
    raise BikConfigError(message)
