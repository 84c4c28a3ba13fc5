"""Characters that are not seen: what spreadsheets, address books and right-to-left text leave around a value."""

from __future__ import annotations

__all__ = ["INVISIBLE", "trim"]

_RANGES = ((0xAD, 0xAD), (0x61C, 0x61C), (0x180E, 0x180E), (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F))

INVISIBLE = "".join(chr(code) for first, last in _RANGES for code in range(first, last + 1)) + "\ufeff"
"""Soft hyphens, zero-width and bidirectional marks, byte order marks: Unicode's category Cf, as far as it is met."""

_BLANK = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_AROUND = _BLANK + "\u2028\u2029\u202f\u205f\u3000" + INVISIBLE


def trim(text: str) -> str:
    """Take away what cannot be seen at both ends: blanks of every width, and `INVISIBLE` characters."""
    return text.strip() if text.isascii() else text.strip(_AROUND)
