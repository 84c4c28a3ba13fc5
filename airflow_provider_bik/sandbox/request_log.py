"""What was asked of the sandbox and what it answered, request by request."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(slots=True, kw_only=True)
class RequestRecord:
    """One request to BIK's endpoints, or to a path that does not exist.

    Attributes:
        endpoint: ``sendEvent``, ``sendEvents``, ``authPartnerViaKey``, or the path as asked.
        authorized: Whether the credentials were right.
        received_at: When it arrived, in seconds of ``time.monotonic()``.
        status: The HTTP status answered; ``None`` while, or because, there was no answer.
        events: Events in the body; 0 if it could not be read.
        fault: Kind of the fault that struck, ``limit`` if the plan's limits turned the request away, else ``None``.
        body: The body as received, if bodies are kept.
    """

    endpoint: str
    authorized: bool
    received_at: float
    status: int | None = None
    events: int = 0
    fault: str | None = None
    body: bytes | None = None


class RequestLog:
    """The last requests in order of arrival, and counts of all of them. Safe to read from any thread.

    Args:
        limit: How many requests are kept; the oldest go first.
    """

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._records: deque[RequestRecord] = deque(maxlen=limit)
        self.statuses: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.rejections: Counter[str] = Counter()

    def begin(self, record: RequestRecord) -> None:
        """Note that a request has arrived; what it becomes is written into its record."""
        with self._lock:
            self._records.append(record)

    def end(self, record: RequestRecord) -> None:
        """Note that a request is done with, answered or not."""
        with self._lock:
            self.statuses[str(record.status or "none")] += 1
            if record.fault:
                self.faults[record.fault] += 1

    def reject(self, reasons: Iterable[str]) -> None:
        """Count why something was rejected."""
        with self._lock:
            self.rejections.update(reasons)

    def snapshot(self) -> list[RequestRecord]:
        """Copies of the requests, oldest first."""
        with self._lock:
            return [replace(record) for record in self._records]

    def counted(self) -> dict[str, object]:
        """Count all requests by status and by fault, and the rejections by reason, most frequent first; as JSON."""
        with self._lock:
            rejections = [{"reason": reason, "count": count} for reason, count in self.rejections.most_common(20)]
            return {"statuses": dict(self.statuses), "faults": dict(self.faults), "rejections": rejections}

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            for each in (self._records, self.statuses, self.faults, self.rejections):
                each.clear()
