"""Assets of the scheme ``bik``: ``bik://<host>/<stream or pipeline>``, what Airflow knows of data that is in BIK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, urlsplit

if TYPE_CHECKING:
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.common.compat.sdk import Asset

__all__ = ["asset_uri", "convert_asset_to_openlineage", "create_asset", "sanitize_uri"]


def asset_uri(host: str, name: str) -> str:
    """The URI of an asset.

    Args:
        host: Of BIK, with its port if it has one.
        name: A stream or a pipeline.
    """
    return f"bik://{host.lower()}/{quote(name, safe='')}"


def create_asset(*, host: str, name: str, extra: dict[str, Any] | None = None) -> Asset:
    """Make an asset; Airflow calls it.

    Args:
        host: As for `asset_uri`.
        name: As for `asset_uri`.
        extra: What else is known of the asset.
    """
    from airflow.providers.common.compat.sdk import Asset  # noqa: PLC0415 - the provider info names this module

    return Asset(uri=asset_uri(host, name), extra=extra)


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Bring a URI to the one form of its asset; Airflow calls it.

    Raises:
        ValueError: It has no host or not exactly one name, or more than these.
    """
    name = uri.path.removeprefix("/")
    if not uri.hostname or not name or "/" in name or uri.query or uri.fragment:
        message = "An asset in BIK is written bik://host/name, where name is a stream or a pipeline."
        raise ValueError(message)
    return uri._replace(netloc=uri.netloc.lower())


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> Dataset:  # noqa: ARG001 - as Airflow calls it
    """The same as a dataset of OpenLineage."""
    from airflow.providers.common.compat.openlineage.facet import Dataset  # noqa: PLC0415 - only if it is installed

    uri = urlsplit(asset.uri)
    return Dataset(namespace=f"bik://{uri.netloc}", name=uri.path.removeprefix("/"))
