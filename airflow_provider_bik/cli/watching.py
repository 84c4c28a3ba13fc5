"""What a person sees of a delivery at a terminal: a bar, lines of the log, and an end in order at Ctrl-C."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

__all__ = ["Watching", "ended_by_signals"]

_LOGGERS = ("airflow_provider_bik", "airflow.task")


class _Lines(logging.Handler):
    """Messages of the log, as they are, above the bar."""

    def emit(self, record: logging.LogRecord) -> None:
        print(record.getMessage(), file=sys.stderr)  # noqa: T201 - for the person at the terminal


class Watching:
    """Shows a delivery: on a terminal a bar and warnings, else the lines of the log; use as a context manager.

    Attributes:
        store: Stands where Airflow's task state store stands, in which the operator notes how far it has come.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("Reading", total=None)
        self._lines = _Lines(logging.WARNING if self._console.is_terminal else logging.INFO)
        self._before: list[tuple[logging.Logger, int, bool, list[logging.Handler]]] = []
        self.store = _Store(self._show)

    def __enter__(self) -> Self:
        for logger in map(logging.getLogger, _LOGGERS):
            self._before.append((logger, logger.level, logger.propagate, logger.handlers))
            logger.setLevel(logging.INFO)
            logger.propagate, logger.handlers = False, [self._lines]
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        for logger, level, propagate, handlers in self._before:
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers

    def _show(self, progress: dict[str, Any]) -> None:
        """Show a document of the progress: a sentence, and numbers where the operator gives them."""
        settled = sum(progress.get(name, 0) for name in ("confirmed", "rejected", "skipped"))
        self._bar.update(
            self._task,
            description=str(progress.get("note", "")),
            completed=settled,
            total=progress.get("total"),
        )


class _Store:
    """A task state store that lasts as long as the command: the record lies in a folder."""

    def __init__(self, show: Callable[[dict[str, Any]], None]) -> None:
        self._show = show
        self._values: dict[str, Any] = {}

    def get(self, key: str) -> Any:  # noqa: ANN401 - any JSON
        return self._values.get(key)

    def set(self, key: str, value: Any) -> None:  # noqa: ANN401 - any JSON
        self._values[key] = value
        if key.endswith("/progress"):
            self._show(value)

    def delete(self, key: str) -> None:
        self._values.pop(key, None)


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[list[int]]:
    """Let SIGINT and SIGTERM end a delivery in order; the second one ends the process at once.

    Args:
        end: Orders the end; does not wait for it.

    Yields:
        The signals that have come.
    """
    came: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def handle(number: int, _: object) -> None:
        came.append(number)
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        end()

    for number in numbers:
        signal.signal(number, handle)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
