"""How the task ends: without an error, or with the one that tells the person on call what to do."""

from __future__ import annotations

from airflow_provider_bik.delivery.report import DeliveryReport, ranges
from airflow_provider_bik.delivery.settling import Stop
from airflow_provider_bik.errors import BikError, BikEndpointError, BikTooManyRejectedError, BikDeliveryIncompleteError

__all__ = ["verdict"]

FEW = 5
"""Ranges named in an error's text; all of them are in the report."""

_GOES_ON = "is safe: it goes on from the checkpoint"
_STARTS_OVER = "starts over, which sends the confirmed events again: set checkpoint_path"
_START_OVER = "To start over, delete the task's checkpoint and clear the task, which sends the confirmed events again"


def verdict(report: DeliveryReport, *, max_rejected: float, host: str, resumable: bool = False) -> BikError | None:
    """Decide how the task ends.

    Args:
        report: What became of the input.
        max_rejected: How many rejections are allowed: a number, or, as a float, a share of what was read.
        host: Who was asked, for the error's text.
        resumable: Whether a checkpoint is kept, so that a retry goes on where this try ended.

    Returns:
        The error to raise, or None if the task succeeded.
    """
    retry = _GOES_ON if resumable else _STARTS_OVER
    kept = f"Confirmed so far: {report.confirmed}, rejected: {report.rejected}."
    if report.failure is not None:
        sent = f" {kept} A retry {retry}." if report.confirmed and report.failure.retry_can_help else ""
        return type(report.failure)(f"{report.failure.message}{sent}")
    if report.stop is Stop.FATAL_ANSWER:
        return BikEndpointError(
            f"BIK at {host} refuses every request: {report.stop_detail} {kept} Delivery has stopped. A retry cannot "
            f"help before that is mended. Then clear the task, which {retry}."
        )
    if report.stop is Stop.NEARLY_ALL_REFUSED:
        return BikTooManyRejectedError(
            f"BIK at {host} refuses nearly every event, so delivery has stopped early: {report.stop_detail}. {kept} "
            f"{report.reasons_text()}. Very likely the mapping is wrong. Mend it; a retry cannot help. {_START_OVER}."
        )
    if report.stop is not None or report.unresolved or not report.complete:
        why = f": {report.stop_detail}" if report.stop_detail else ""
        return BikDeliveryIncompleteError(
            f"BIK at {host} did not confirm {len(report.unresolved)} of {report.read} events read{why}. {kept} "
            f"Positions without an outcome: {ranges(report.unresolved)[:FEW]}. A retry {retry}."
        )
    return _too_many(report, max_rejected, resumable=resumable)


def _too_many(report: DeliveryReport, max_rejected: float, *, resumable: bool) -> BikError | None:
    allowed = int(max_rejected * report.read) if isinstance(max_rejected, float) else max_rejected
    if not report.rejected or (report.rejected <= allowed and report.rejected < report.read):
        return None
    counts = f"{report.rejected} of {report.read} events were rejected, {allowed} allowed"
    reasons = report.reasons_text()
    if report.dry_run:
        text = f"Dry run: {counts}. {reasons}. Nothing was sent. Mend the events, or allow more."
        return BikTooManyRejectedError(text)
    where = "They were not kept: set dead_letter_path to have them written down"
    if report.dead_letter_path:
        where = f"The rejected events are in {report.dead_letter_path}; mend them and send that file on its own"
    again = "sends nothing again" if resumable else "would send the confirmed events a second time"
    return BikTooManyRejectedError(
        f"{counts}; all others were delivered. {reasons}. {where}. Running this task again {again}."
    )
