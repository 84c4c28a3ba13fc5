"""``validate``: what the operator would make of a file, with neither Connection nor network nor Airflow's database."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow_provider_bik.cli.file_arguments import add_file_arguments, mapping_of, reading_of
from airflow_provider_bik.cli.screen import masked, show_table
from airflow_provider_bik.delivery import Counts
from airflow_provider_bik.errors import BikConfigError, BikError
from airflow_provider_bik.events import (
    Contract,
    EncodedEvent,
    Encoder,
    Hints,
    InputEvent,
    PipelineRule,
    Reason,
    Rejection,
)

__all__ = ["describe"]

_SAMPLES = 3


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments; without an option, the operator's own default counts."""
    parser.description = (
        "Read a file as the operator would, and say what would be sent and what would be rejected, and why. It needs "
        "no Connection, no network and no database of Airflow, and sends nothing. Personal data is masked."
    )
    parser.epilog = "Exit code: 0 if all of it would be sent, 1 if not, 2 if the arguments are wrong."
    parser.set_defaults(run=_run, parser=parser)
    add_file_arguments(parser, meaning="a file of events or rows on this machine, or a pattern of files in quotes")
    parser.add_argument("--show-personal-data", action="store_true", help="do not mask the sample events")


@dataclass(kw_only=True)
class _Findings:
    """What was found.

    Attributes:
        counts: Of all events; as for a dry run.
        samples: The first events that would be sent, as they would be.
        hints: What is worth a hint.
        error: Why the file was not read, or not to its end.
    """

    counts: Counts = field(default_factory=Counts)
    samples: list[dict[str, Any]] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    error: BikError | None = None

    @property
    def read(self) -> int:
        return self.counts.passed + self.counts.rejected + self.counts.skipped

    def note(self, event: InputEvent) -> None:
        match event.result:
            case EncodedEvent() as encoded:
                self.counts.pipelines[encoded.pipeline] += 1
                self.counts.note_dropped(encoded, event.location)
                if len(self.samples) < _SAMPLES:
                    self.samples.append(json.loads(encoded.body))
            case Rejection() as rejection:
                self.counts.note_rejected(rejection, event.location)
            case None:
                self.counts.skipped += 1


def _run(given: argparse.Namespace) -> int:
    found = _Findings()
    try:
        reading, mapping = reading_of(given), mapping_of(given)
        rule = PipelineRule.of(given.pipeline)
    except BikConfigError as error:
        given.parser.error(error.message)
    if "://" in given.file:
        given.parser.error("FILE must be on this machine: validate uses no network. Copy it here first.")
    contract = Contract(now=datetime.now(UTC), rule=rule, reading=reading, hints=Hints(found.hints.append))
    try:
        for event in _events(given.file, Encoder(contract=contract, mapping=mapping)):
            found.note(event)
    except BikError as error:
        found.error = error
    _show(given.file, found, show_personal_data=given.show_personal_data)
    return 1 if found.error is not None or found.counts.rejected else 0


def _events(path: str, encoder: Encoder) -> Iterator[InputEvent]:
    from airflow_provider_bik.inputs import read_items  # noqa: PLC0415 - it imports Airflow, which --help can do without

    return encoder.encode_all(read_items(path, encoder.contract.reading, encoder.columns_check))


def _show(file: str, found: _Findings, *, show_personal_data: bool) -> None:
    counts = found.counts
    _say(
        f"{file}: {found.read} events read, {counts.passed} would be sent, {counts.rejected} rejected, "
        f"{counts.skipped} skipped. Nothing was sent.\n"
    )
    pipelines = [(pipeline.value, count) for pipeline, count in counts.pipelines.items() if count]
    show_table("Would be sent", ("pipeline", "events"), pipelines)
    show_table("Would be rejected", ("reason", "events", "first at", "what it means"), _reasons(counts))
    show_table("Would be left out of events that are sent", ("what", "how many", "first at"), _dropped(counts))
    for sentence in (*counts.warnings(dry_run=True), *found.hints):
        _say(f"Note: {sentence}\n")
    for number, event in enumerate(found.samples, start=1):
        shown = event if show_personal_data else masked(event)
        _say(f"Sample event {number}{'' if show_personal_data else ', masked'}:")
        _say(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    if found.error is not None:
        print(found.error.message, file=sys.stderr)  # noqa: T201 - for the person at the terminal


def _say(text: str) -> None:
    print(text)  # noqa: T201 - for the person at the terminal


def _reasons(counts: Counts) -> list[tuple[object, ...]]:
    return [
        (reason.value, count, ", ".join(counts.examples[reason]), reason.explanation)
        for reason, count in sorted(counts.reasons.items(), key=lambda item: -item[1])
    ]


def _dropped(counts: Counts) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (f"{_IDENTITY.get(reason, 'e-mail address or telephone number')}: {reason.value}", count, ", ".join(first))
        for reason, count, first in (
            (reason, count, counts.dropped_identity_examples[reason])
            for reason, count in counts.dropped_identities.items()
        )
    ]
    others = {"null values": counts.dropped_nulls, "dates": counts.dropped_created_at}
    return rows + [(what, count, "") for what, count in others.items() if count]


_IDENTITY = {
    Reason.EMAIL_INVALID: "e-mail address",
    Reason.PHONE_INVALID: "telephone number",
    Reason.PHONE_COUNTRY_MISSING: "telephone number",
}
