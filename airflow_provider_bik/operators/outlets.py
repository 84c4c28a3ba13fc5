"""What a delivery tells downstream: counts in the events of its assets, and lineage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import Asset

from airflow_provider_bik.delivery import ReportDict

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

__all__ = ["Delivered", "tell_assets"]

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

    def lineage(self) -> Any:  # noqa: ANN401 - a class of a provider that may not be installed
        """The same for OpenLineage, with the number of rows; a dry run has delivered nothing."""
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
        return OperatorLineage(outputs=[written])


def tell_assets(context: Context, outlets: Iterable[object], delivered: Delivered) -> None:
    """Put the counts into the events of the assets that are outlets of the task, under the key ``bik``."""
    for outlet in outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra["bik"] = delivered.extra()
