"""The names of BIK's events that are publicly known; the full list comes from BIK's account manager."""

from __future__ import annotations

__all__ = ["KNOWN_EVENTS"]

KNOWN_EVENTS = ("abandonedCartCreated", "catalogViewed", "customerCreated", "ordered", "purchasedAProduct")
"""From BIK's documentation and samples. Another name may be right: it is worth a hint, never a rejection."""
