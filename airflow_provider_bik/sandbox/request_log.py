"""What was asked of the sandbox and what it answered, request by request."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One request to BIK's endpoints, or to a path that does not exist.

    Attributes:
        endpoint: ``sendEvent``, ``sendEvents``, ``authPartnerViaKey``, or the path as asked.
        status: The HTTP status answered; ``None`` while, or because, there was no answer.
        events: Events in the body; 0 if it could not be read.
        authorized: Whether the credentials were right.
        fault: Kind of the fault that struck, ``limit`` if the plan's limits turned the request away, else ``None``.
        received_at: When it arrived, in seconds of ``time.monotonic()``.
        body: The body as received, if bodies are kept and personal data may still be.
    """

    endpoint: str
    status: int | None
    events: int
    authorized: bool
    fault: str | None
    received_at: float
    body: bytes | None


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request while it is being answered; becomes a `RequestRecord`."""

    endpoint: str
    authorized: bool
    received_at: float
    status: int | None = None
    events: int = 0
    fault: str | None = None
    body: bytes | None = None
    body_since: float = math.inf

    def record(self) -> RequestRecord:
        """Freeze what is known by now."""
        return RequestRecord(
            endpoint=self.endpoint,
            status=self.status,
            events=self.events,
            authorized=self.authorized,
            fault=self.fault,
            received_at=self.received_at,
            body=self.body,
        )


class RequestLog:
    """The last requests in order of arrival, and counts of all of them. Safe to read from any thread.

    Args:
        keep_bodies: Whether bodies are kept.
        retain: Seconds after which kept bodies are dropped, for they hold personal data.
        limit: How many requests are kept; the oldest go first.
        clock: Seconds, for `retain`.
    """

    def __init__(self, *, keep_bodies: bool, retain: float, limit: int, clock: Callable[[], float]) -> None:
        self._lock = threading.Lock()
        self._keep_bodies = keep_bodies and retain > 0
        self._retain = retain
        self._clock = clock
        self._exchanges: deque[Exchange] = deque(maxlen=limit)
        self._with_bodies: deque[Exchange] = deque(maxlen=limit)
        self.statuses: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()

    def begin(self, exchange: Exchange) -> None:
        """Note that a request has arrived."""
        with self._lock:
            self._exchanges.append(exchange)

    def keep_body(self, exchange: Exchange, body: bytes) -> None:
        """Keep the body of a request, if bodies are kept."""
        if not self._keep_bodies:
            return
        with self._lock:
            exchange.body = body
            exchange.body_since = self._clock()
            self._with_bodies.append(exchange)

    def end(self, exchange: Exchange) -> None:
        """Note that a request is done with, answered or not."""
        with self._lock:
            self.statuses[str(exchange.status or "none")] += 1
            if exchange.fault:
                self.faults[exchange.fault] += 1

    def refuse(self, reasons: list[str]) -> None:
        """Count why something was refused."""
        with self._lock:
            self.refusals.update(reasons)

    def snapshot(self) -> list[RequestRecord]:
        """List the requests, oldest first."""
        self.purge()
        with self._lock:
            return [exchange.record() for exchange in self._exchanges]

    def counted(self) -> tuple[dict[str, int], dict[str, int], list[tuple[str, int]]]:
        """Count all requests by status and by fault, and the refusals by reason, most frequent first."""
        with self._lock:
            return dict(self.statuses), dict(self.faults), self.refusals.most_common(20)

    def purge(self) -> None:
        """Drop the bodies that have been kept for long enough."""
        until = self._clock() - self._retain
        with self._lock:
            while self._with_bodies and self._with_bodies[0].body_since <= until:
                self._with_bodies.popleft().body = None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._exchanges.clear()
            self._with_bodies.clear()
            self.statuses.clear()
            self.faults.clear()
            self.refusals.clear()
