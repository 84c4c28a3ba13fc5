"""``sandbox``: what ``python -m airflow_provider_bik.sandbox`` does."""

from __future__ import annotations

from airflow_provider_bik.sandbox.__main__ import describe

__all__ = ["describe"]
