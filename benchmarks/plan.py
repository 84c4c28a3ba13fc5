"""What is measured: cases, sizes and repetitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from benchmarks.made_events import ARRAY, CSV, FLAT, INPUTS, PARQUET, READ, RETRY, SQL
from benchmarks.orders import BATCH

__all__ = [
    "BATCHES",
    "BY_HAND",
    "DLT",
    "DLT_ARROW",
    "DRT",
    "GATHER",
    "LARGE",
    "MEMORY_KINDS",
    "ROWS",
    "SINGLE",
    "SMALLEST",
    "THIS",
    "Case",
    "Plan",
    "plan",
]

SINGLE = "HttpHook.run, one event each"
BATCHES = "HttpHook.run, batches of 100"
GATHER = "HttpAsyncHook.session, gather"
BY_HAND = "aiohttp + msgspec by hand"
ROWS = "PostgresHook.get_records + HttpHook.run, batches of 100"
THIS = "this package"
DLT = "dlt, sql_database to a custom destination, batches of 100"
DLT_ARROW = "dlt, the same with its pyarrow backend"
DRT = "drt, rest_api, blocks of 5,000 in batches of 100"

LARGE = 1_000_000
"""Events from which on a case is measured once: it takes long, and its memory hardly varies."""

MEMORY_KINDS = (FLAT, ARRAY, CSV, READ, PARQUET, SQL)
"""Kinds of input whose memory is to stay the same, however many events there are."""

SMALLEST = 100_000
"""Events with which the memory of more of them is compared."""

_SECONDS = 4
"""About how long a case should take that latency alone holds back."""

_QUICK = {(0, 1), (0, 8)}
_LEAST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to measure.

    Attributes:
        latency: Milliseconds until the server answers.
        concurrency: Requests in flight.
        contestant: Its name.
        events: Events in the file.
        kind: Of the input.
    """

    latency: int
    concurrency: int
    contestant: str
    events: int
    kind: str = FLAT

    @property
    def ceiling(self) -> float | None:
        """Events a second that the latency allows; None without latency."""
        size = 1 if self.contestant == SINGLE else BATCH
        return self.concurrency * size * 1000 / self.latency if self.latency else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that one run measures.

    Attributes:
        kinds: Cases of the kinds of input, each beside the pipeline by hand for the same input.
        compared: Cases of the comparison.
        sizes: Cases of this package alone; those of one kind by rising number of events.
        repeats: How often each case is measured; the median counts.
    """

    kinds: tuple[Case, ...]
    compared: tuple[Case, ...]
    sizes: tuple[Case, ...]
    repeats: int


def plan(*, quick: bool = False, full: bool = False, peers: bool = False, repeats: int | None = None) -> Plan:
    """Make the plan.

    Args:
        quick: A small one that only shows that everything works; its figures mean nothing.
        full: Also 1 and 5 million events of each kind in `MEMORY_KINDS`, which takes about an hour and 8 GB of disk.
        peers: Also dlt and drt.
        repeats: Instead of the usual number of repetitions.
    """
    sizes = [2_000, 10_000] if quick else [10_000, 100_000, 500_000]
    return Plan(
        kinds=(*_kinds(2_000 if quick else 100_000, peers=peers), *_slow_rows(quick=quick)),
        compared=tuple(_compared(quick=quick)),
        sizes=(*(_alone(FLAT, size) for size in sizes), *(_memory() if full else ())),
        repeats=repeats or (1 if quick else 3),
    )


def _kinds(events: int, *, peers: bool) -> Iterator[Case]:
    one_at_a_time = {ROWS, DLT, DLT_ARROW, DRT}
    others = (ROWS, *((DLT, DLT_ARROW, DRT) if peers else ()))
    for kind in INPUTS:
        for name in (BY_HAND, *(others if kind == SQL else ()), THIS):
            if (kind, name) != (RETRY, BY_HAND):
                # Whoever writes a pipeline by hand runs the query again: a retry costs what the first try does.
                concurrency = 1 if name in one_at_a_time else 8
                yield Case(latency=0, concurrency=concurrency, contestant=name, events=events, kind=kind)


def _memory() -> Iterator[Case]:
    for kind in MEMORY_KINDS:
        for size in (SMALLEST, 1_000_000, 5_000_000):
            if (kind, size) != (FLAT, SMALLEST):
                # That one is there without `full`, too.
                yield _alone(kind, size)


def _alone(kind: str, events: int) -> Case:
    return Case(latency=0, concurrency=8, contestant=THIS, events=events, kind=kind)


def _slow_rows(*, quick: bool) -> Iterator[Case]:
    for name in (BY_HAND, THIS):
        yield Case(latency=50, concurrency=8, contestant=name, events=2_000 if quick else 64_000, kind=SQL)


def _compared(*, quick: bool) -> Iterator[Case]:
    usual = {SINGLE: 2_000, BATCHES: 50_000, GATHER: 50_000, BY_HAND: 200_000, THIS: 200_000}
    for latency in (0, 50):
        for concurrency in (1, 8, 64):
            for name, events in usual.items():
                alone = name in {SINGLE, BATCHES}
                if alone is not (concurrency == 1):
                    continue
                if quick and (latency, concurrency) not in _QUICK:
                    continue
                case = Case(latency=latency, concurrency=concurrency, contestant=name, events=events)
                number = events if case.ceiling is None else int(case.ceiling * _SECONDS)
                yield replace(case, events=max(_LEAST, number // 100) if quick else number)
