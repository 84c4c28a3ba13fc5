"""``validate``: what the operator would make of a file, with neither Connection nor network nor Airflow's database."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from airflow_provider_bik.cli.masking import masked
from airflow_provider_bik.cli.screen import show_table
from airflow_provider_bik.delivery.counts import Counts
from airflow_provider_bik.errors import BikConfigError, BikError
from airflow_provider_bik.events import (
    Contract,
    EncodedEvent,
    Encoder,
    EventMapping,
    Hints,
    InputEvent,
    Mode,
    PipelineRule,
    Reading,
    Reason,
    Rejection,
)
from airflow_provider_bik.events.reading import FILE_FORMATS

__all__ = ["describe"]

_SAMPLES = 3

_READING = ("timezone", "default_region", "file_format", "encoding", "delimiter", "json_path")


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments; without an option, the operator's own default counts."""
    parser.description = (
        "Read a file as the operator would, and say what would be sent and what would be rejected, and why. It needs "
        "no Connection, no network and no database of Airflow, and sends nothing. Personal data is masked."
    )
    parser.epilog = "Exit code: 0 if all of it would be sent, 1 if not, 2 if the arguments are wrong."
    parser.set_defaults(run=_run, parser=parser)
    option = parser.add_argument
    option("file", metavar="FILE", help="a file of events or rows on this machine, or a pattern of files in quotes")
    option("--mapping", metavar="M.json", help="the JSON form of an EventMapping, if the file holds rows")
    option("--pipeline", choices=[mode.value for mode in Mode], default="auto", help="(default: %(default)s)")
    option("--timezone", metavar="ZONE", help="what times without a zone are in, such as Asia/Kolkata (default: UTC)")
    option("--default-region", metavar="CODE", help="country of telephone numbers that do not say it, such as IN")
    option("--file-format", choices=FILE_FORMATS, help="(default: what the file's name or beginning says)")
    option("--encoding", metavar="NAME", help="of a text file, such as cp1252 (default: utf-8)")
    option("--delimiter", metavar="CHARACTER", type=_character, help=r"between the cells of CSV; \t for a tab")
    option("--json-path", metavar="PATH", help="the keys that lead to the events in a JSON file, joined by dots")
    option("--show-personal-data", action="store_true", help="do not mask the sample events")


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


def _character(text: str) -> str:
    return {r"\t": "\t"}.get(text, text)


def _run(given: argparse.Namespace) -> int:
    found = _Findings()
    try:
        reading = Reading(**{name: getattr(given, name) for name in _READING if getattr(given, name) is not None})
        mapping = None if given.mapping is None else _mapping(given.mapping)
        rule = PipelineRule(mode=cast("Mode", given.pipeline))
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


def _mapping(path: str) -> EventMapping:
    """Read the JSON form of a mapping.

    Raises:
        BikConfigError: The file cannot be read, or holds none.
    """
    try:
        return EventMapping.of(json.loads(Path(path).read_text("utf-8")))
    except (OSError, ValueError) as error:
        message = f"--mapping: {path} cannot be read as JSON ({type(error).__name__}). Nothing was sent."
        raise BikConfigError(message) from error


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
