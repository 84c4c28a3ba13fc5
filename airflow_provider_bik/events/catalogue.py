"""The events of BIK's catalogue that are publicly known, and hints where mapped events look unlike them.

Only ever hints: the full catalogue comes from BIK's account manager, and what is public contradicts itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal
from enum import Enum
from uuid import UUID

from airflow_provider_bik.events.values import is_null, plain

__all__ = ["CATALOGUE", "CatalogueHints", "Property"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """What is publicly known of a property.

    Attributes:
        type: ``string``, ``number``, ``string[]``, or None if it is not known.
        required: Whether BIK's documentation says so, in a table or in an example of an error.
        in_sample: Whether BIK's own sample of the event has it; if not, the documentation contradicts itself.
    """

    type: str | None = "string"
    required: bool = False
    in_sample: bool = True


_TEXT, _NUMBER = Property(), Property(type="number")
_NEEDED_TEXT, _NEEDED_NUMBER = Property(required=True), Property(type="number", required=True)

CATALOGUE: Mapping[str, Mapping[str, Property]] = {
    "abandonedCartCreated": {
        "cartValue": _NEEDED_NUMBER,
        "cartId": _NEEDED_TEXT,
        "totalNumberOfItems": _NEEDED_NUMBER,
        "customerId": _NEEDED_TEXT,
        "currency": _TEXT,
        "url": _TEXT,
        "broadcastName": _TEXT,
        "productNames": Property(type="string[]"),
    },
    "catalogViewed": {"catalogId": _TEXT, "catalogName": _TEXT},
    "customerCreated": {"customerSource": _TEXT, "customerSourceDetails": _TEXT},
    "ordered": {
        "orderDate": Property(required=True, in_sample=False),
        "shippingAddress": Property(type=None, required=True, in_sample=False),
        "billingAddress": Property(type=None, required=True, in_sample=False),
        "customerId": _TEXT,
        "orderValue": _TEXT,
        "orderId": _TEXT,
        "orderName": _TEXT,
        "currency": _TEXT,
        "type": _TEXT,
        "totalNumberOfItems": Property(type=None),
    },
    "purchasedAProduct": {
        "productId": _TEXT,
        "orderId": _TEXT,
        "orderName": _TEXT,
        "productName": _TEXT,
        "itemPrice": _NUMBER,
        "currency": _TEXT,
        "customerId": _TEXT,
        "variantId": Property(required=True, in_sample=False),
    },
}
"""The name of an event -> its properties, as BIK's documentation and samples have them."""


class CatalogueHints:
    """Counts where mapped events look unlike the catalogue, without keeping any value of them."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._missing: Counter[tuple[str, str]] = Counter()
        self._mistyped: Counter[tuple[str, str]] = Counter()
        self._unknown = 0

    def look(self, event: Mapping[str, object]) -> None:
        """Compare one event, as the mapping made it; nothing in it makes this raise."""
        name, properties = event.get("eventName"), event.get("eventProperties")
        if not isinstance(name, str) or not isinstance(properties, dict | Mapping):
            return
        known = CATALOGUE.get(name)
        if known is None:
            self._unknown += 1
            return
        self._seen[name] += 1
        for key, expected in known.items():
            value = properties.get(key)
            if type(value) in _SURE[expected.type]:
                continue
            if value is None or is_null(value):
                if expected.required:
                    self._missing[name, key] += 1
            elif expected.type is not None and not _FITS[expected.type](value):
                self._mistyped[name, key] += 1

    def warnings(self) -> list[str]:
        """One sentence for each event, property and kind of difference, with its count; no values.

        The thread that reads may still be at it when delivery has ended early.
        """
        said = []
        if self._unknown:
            said.append(
                f"{self._unknown} events have an eventName that is not publicly known; {', '.join(CATALOGUE)} are. BIK "
                "takes a fixed set of names: compare it with the list that your account manager gave you"
            )
        for (name, key), count in list(self._missing.items()):
            sample = "" if CATALOGUE[name][key].in_sample else ", though BIK's own sample leaves it out"
            said.append(
                f"{name}: {key} is missing in {count} of {self._seen[name]} events. BIK's documentation calls it "
                f"required{sample}"
            )
        for (name, key), count in list(self._mistyped.items()):
            said.append(
                f"{name}: {key} is no {CATALOGUE[name][key].type} in {count} of {self._seen[name]} events, as it is in "
                "BIK's documentation. A cast in the mapping may mend it"
            )
        return said


def _is_text(value: object) -> bool:
    return isinstance(_bare(value), str | date | time | UUID)


def _is_number(value: object) -> bool:
    bare = _bare(value)
    return isinstance(bare, int | float | Decimal) and not isinstance(bare, bool)


def _is_texts(value: object) -> bool:
    bare = _bare(value)
    return isinstance(bare, list | tuple) and all(is_null(item) or _is_text(item) for item in bare)


def _bare(value: object) -> object:
    value = plain(value)
    return value.value if isinstance(value, Enum) else value


_FITS: Mapping[str, Callable[[object], bool]] = {"string": _is_text, "number": _is_number, "string[]": _is_texts}

_SURE: Mapping[str | None, frozenset[type]] = {
    "string": frozenset({str}),
    "number": frozenset({int, float, Decimal}),
    "string[]": frozenset(),
    None: frozenset({str, dict}),
}
"""Classes of which nearly all values are, and which need no closer look."""
