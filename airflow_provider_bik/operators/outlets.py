"""What a delivery tells downstream: counts in the events of its assets, and lineage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_bik.delivery import ReportDict
from airflow_provider_bik.inputs.paths import lineage_uri
from airflow_provider_bik.inputs.reading import paths_in_memory

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["Delivered", "file_datasets", "tell_assets"]

_COUNTS = ("confirmed", "rejected", "skipped", "possible_duplicates", "already_delivered", "dry_run")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What a task has delivered.

    Attributes:
        host: Of BIK.
        name: The stream; without one, the pipeline argument.
        window: ISO 8601 ``start/end``, if there is one.
        report: What became of the events.
    """

    host: str
    name: str
    window: str | None
    report: ReportDict

    def extra(self) -> dict[str, Any]:
        """What the event of an asset says of it."""
        counts: dict[str, Any] = dict(self.report)
        return {"name": self.name, "window": self.window, **{key: counts[key] for key in _COUNTS}}

    def lineage(self, read: Sequence[Any]) -> Any:  # noqa: ANN401 - a class of a provider that may not be installed
        """The same for OpenLineage, with the number of rows; a dry run has delivered nothing.

        Args:
            read: Datasets from which it comes, as far as they are known.
        """
        from airflow.providers.common.compat.openlineage.facet import (  # noqa: PLC0415 - called by that provider only
            OutputDataset,
            OutputStatisticsOutputDatasetFacet,
        )
        from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - as above

        if self.report["dry_run"] or self.report["already_delivered"]:
            return OperatorLineage()
        rows = OutputStatisticsOutputDatasetFacet(rowCount=self.report["confirmed"])
        written = OutputDataset(
            namespace=f"bik://{self.host.lower()}", name=self.name, outputFacets={"outputStatistics": rows}
        )
        return OperatorLineage(inputs=list(read), outputs=[written])


def file_datasets(events: object) -> list[Any]:
    """The files of an input as datasets of OpenLineage, named as its rules say; for a pattern, their folder.

    Args:
        events: What `airflow_provider_bik.inputs.read_items` takes; events themselves say nothing of where they are
            from.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset  # noqa: PLC0415 - as in `Delivered.lineage`

    uris = dict.fromkeys(lineage_uri(path) for _, path in paths_in_memory(events))
    parts = [urlsplit(uri) for uri in uris]
    return [
        Dataset(namespace="file", name=each.path)
        if each.scheme == "file"
        else Dataset(namespace=f"{each.scheme}://{each.netloc}", name=each.path.removeprefix("/") or "/")
        for each in parts
    ]


def tell_assets(context: Context, outlets: Iterable[object], delivered: Delivered) -> None:
    """Put the counts into the events of the assets that are outlets of the task, under the key ``bik``."""
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra["bik"] = delivered.extra()
