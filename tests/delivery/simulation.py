"""Runs the real delivery against a simulated BIK in virtual time, and measures it.

``python -m tests.delivery.simulation [name …]`` prints the figures of the scenarios in ``scenarios/`` as a table.
"""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import msgspec

from airflow_provider_bik.delivery import Answer, Delivery, DeliveryReport, RejectedEvent, Sending, deliver
from airflow_provider_bik.delivery.answers import classify
from airflow_provider_bik.events.item import EncodedEvent, InputEvent
from airflow_provider_bik.events.pipeline import Pipeline
from tests.delivery.virtual_time import VirtualLoop

SCENARIOS = Path(__file__).parent / "scenarios"

GOOD = b'{"status": 200, "success": true}'

AT_ONCE = 0.01
"""Seconds that an answer takes which the server need not think about."""

SMOOTHING = 5
"""Seconds over which throughput is averaged before it is compared with the capacity."""

REACHED = 0.8
"""Share of the capacity at which it counts as reached."""


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a simulated BIK can do, at some time.

    Attributes:
        latency: Mean seconds of an answer.
        jitter: How latency is spread around its mean.
        spread: For ``uniform`` the share by which it is lower or higher at most; for ``lognormal`` the sigma.
        errors: Share of requests that are answered with 500.
        rate: Requests a second that are let through; None for no limit.
        window: Seconds of a fixed window, in which ``rate * window`` requests are let through; None for a token bucket.
        burst: Tokens that the bucket holds.
        tells: Whether a 429 says in Retry-After when to come back.
        slots: Requests that are worked on at once.
        over: What happens to further ones: refused with that status, queueing, or slowing all others down as well.
        down: An outage.
    """

    latency: float = 0.2
    jitter: Literal["none", "uniform", "lognormal"] = "none"
    spread: float = 0.0
    errors: float = 0.0
    rate: float | None = None
    window: float | None = None
    burst: float = 1.0
    tells: bool = True
    slots: int | None = None
    over: Literal["429", "503", "queue", "collapse"] = "queue"
    down: Literal["no", "refused", "hanging", "500"] = "no"

    def capacity(self, settings: Sending) -> float:
        """Good answers a second that the best of all clients could get, with these settings."""
        if self.down != "no":
            return 0.0
        at_once = min(settings.max_concurrency, self.slots or math.inf)
        rate = min(self.rate or math.inf, settings.max_requests_per_second or math.inf)
        return min(at_once / self.latency, rate) * (1 - self.errors)


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From some second on, the server is different."""

    at: float
    to: dict[str, Any]


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The ranges that the measured figures must lie in; the defaults are what pacing is held to.

    Attributes:
        duration: In ideal durations.
        throttled: Share of requests answered with 429.
        failed: Share of requests without a clear answer, 429 included.
        outage_requests: Requests during all outages together.
        recovery: Seconds until 80 % of the capacity is reached again, the longest of all changes.
    """

    duration: tuple[float, float] = (0.95, 2.0)
    throttled: tuple[float, float] = (0.0, 0.02)
    failed: tuple[float, float] = (0.0, 0.05)
    outage_requests: tuple[int, int] = (0, 40)
    recovery: tuple[float, float] = (0.0, 60.0)


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file in ``scenarios/``.

    Attributes:
        about: What it is there for.
        exception: Why it is held to something else than the usual, if it is.
        requests: Full batches in the input.
        seeds: One run each.
        patience: Seconds after which the client gives a request up.
        settings: The user's choices.
        server: How the server is at the start.
        change: How it changes.
        expect: What must come out.
    """

    about: str
    exception: str = ""
    requests: int
    seeds: list[int]
    patience: float = 30.0
    settings: dict[str, Any]
    server: Server = Server()
    change: list[Change] = msgspec.field(default_factory=list)
    expect: Expected = Expected()

    def sending(self) -> Sending:
        return msgspec.convert(self.settings, Sending)

    def phases(self) -> Iterator[tuple[float, float, Server]]:
        """From when, until when, what the server is like."""
        server, since = self.server, 0.0
        for change in self.change:
            yield since, change.at, server
            server = msgspec.convert(msgspec.to_builtins(server) | change.to, Server)
            since = change.at
        yield since, math.inf, server

    def ideal(self) -> float:
        """Seconds that the best of all clients would need: one that knows the capacity at every moment, and uses it."""
        left = self.requests - (self.server.burst if self.server.rate and not self.server.window else 0.0)
        for since, until, server in self.phases():
            capacity = server.capacity(self.sending())
            if left <= capacity * (until - since):
                return since + left / capacity
            left -= capacity * (until - since)
        raise AssertionError


def load(name: str) -> Scenario:
    return msgspec.toml.decode((SCENARIOS / f"{name}.toml").read_bytes(), type=Scenario)


def names() -> list[str]:
    return sorted(path.stem for path in SCENARIOS.glob("*.toml"))


@dataclass(slots=True)
class SimulatedBik:
    """Answers as its parameters say; the state is what a server would have, and what a witness would note."""

    scenario: Scenario
    rng: random.Random
    started: list[float] = field(default_factory=list)
    confirmed: Counter[int] = field(default_factory=Counter)
    statuses: Counter[int | None] = field(default_factory=Counter)
    inside: int = 0
    tokens: float | None = None
    filled: float = 0.0
    phases: list[tuple[float, float, Server]] = field(init=False)

    def __post_init__(self) -> None:
        self.phases = list(self.scenario.phases())

    async def send(self, bodies: Sequence[bytes]) -> Answer:
        assert bodies
        now = asyncio.get_running_loop().time()
        self.started.append(now)
        answer = await self._answer(self._server(now), now)
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.confirmed[int(asyncio.get_running_loop().time())] += 1
        return answer

    def _server(self, now: float) -> Server:
        return next(server for _, until, server in self.phases if now < until)

    async def _answer(self, server: Server, now: float) -> Answer:
        if server.down == "refused":
            await asyncio.sleep(AT_ONCE)
            return Answer.not_sent("refused")
        if server.down == "hanging":
            await asyncio.sleep(self.scenario.patience)
            return Answer.lost("timeout")
        wait = self._throttle(server, now)
        if wait:
            await asyncio.sleep(AT_ONCE)
            return classify(429, b"", retry_after=math.ceil(wait) if server.tells else None)
        if server.slots and self.inside >= server.slots and server.over.isdigit():
            await asyncio.sleep(AT_ONCE)
            return classify(int(server.over), b"")
        self.inside += 1
        took = self._latency(server)
        await asyncio.sleep(min(took, self.scenario.patience))
        self.inside -= 1
        if took > self.scenario.patience:
            return Answer.lost("timeout")
        bad = server.down == "500" or self.rng.random() < server.errors
        return classify(500, b"") if bad else classify(200, GOOD)

    def _latency(self, server: Server) -> float:
        took = server.latency
        if server.jitter == "uniform":
            took *= 1 + server.spread * self.rng.uniform(-1, 1)
        elif server.jitter == "lognormal":
            took *= math.exp(self.rng.gauss(-(server.spread**2) / 2, server.spread))
        overload = max(1.0, self.inside / server.slots) if server.slots else 1.0
        return took * (overload**2 if server.over == "collapse" else overload)

    def _throttle(self, server: Server, now: float) -> float:
        """Seconds until the next request would be let through; 0 if this one is."""
        if server.rate is None:
            return 0.0
        if server.window is not None:
            number = now // server.window
            if self.tokens is None or number > self.filled // server.window:
                self.tokens = round(server.rate * server.window)
            wait = (number + 1) * server.window - now
        else:
            full = self.tokens is None
            self.tokens = server.burst if full else min(server.burst, self._left + (now - self.filled) * server.rate)
            wait = (1 - self.tokens) / server.rate
        self.filled = now
        # A hair's breadth of rounding must not refuse a request that is in time.
        if self._left < 1 - 1e-9:
            return wait
        self.tokens = self._left - 1
        return 0.0

    @property
    def _left(self) -> float:
        return self.tokens or 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured in one run; the names are those of `Expected`."""

    seconds: float
    ideal: float
    requests: int
    throttled: float
    failed: float
    outage_requests: int
    recovery: float
    report: DeliveryReport

    @property
    def duration(self) -> float:
        return self.seconds / self.ideal


def run(scenario: Scenario, seed: int) -> Figures:
    """Deliver the scenario's input once."""
    server = SimulatedBik(scenario, random.Random(seed))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        report = runner.run(_deliver(scenario, server, random.Random(-seed)))
    failed = sum(count for status, count in server.statuses.items() if status != 200)
    down = [(since, until) for since, until, state in scenario.phases() if state.down != "no"]
    return Figures(
        seconds=report.counts.seconds,
        ideal=scenario.ideal(),
        requests=len(server.started),
        throttled=server.statuses[429] / len(server.started),
        failed=failed / len(server.started),
        outage_requests=sum(since <= at < until for at in server.started for since, until in down),
        recovery=max(_recoveries(scenario, server.confirmed), default=0.0),
        report=report,
    )


async def _deliver(scenario: Scenario, server: SimulatedBik, rng: random.Random) -> DeliveryReport:
    sending = scenario.sending()
    delivery = Delivery(sending=sending, rejected=_NothingRejected())
    return await deliver(_events(scenario.requests, sending.batch_size), delivery, send=server.send, rng=rng)


async def _events(batches: int, size: int) -> AsyncIterator[Sequence[InputEvent]]:
    result = EncodedEvent(body=b'{"eventName":"ordered"}', pipeline=Pipeline.REALTIME)
    for start in range(0, batches * size, size):
        yield [InputEvent(position=at, location=f"[{at}]", result=result) for at in range(start, start + size)]


class _NothingRejected:
    """No simulated answer rejects an event."""

    @property
    def files(self) -> list[str]:
        return []

    async def write(self, events: Sequence[RejectedEvent]) -> None:
        assert not events


def _recoveries(scenario: Scenario, confirmed: Counter[int]) -> Iterator[float]:
    """For each change to another capacity: seconds until the average of the last few seconds was near enough."""
    settings, end = scenario.sending(), max(confirmed, default=0)
    for (_, _, before), (since, until, server) in pairwise(scenario.phases()):
        capacity = server.capacity(settings)
        if capacity in (0.0, before.capacity(settings)):
            continue
        wanted = REACHED * capacity * SMOOTHING
        last = int(min(until, end)) - SMOOTHING
        starts = range(math.ceil(since), last + 1)
        good = (at for at in starts if sum(confirmed[at + second] for second in range(SMOOTHING)) >= wanted)
        yield next(good, math.inf) - since


def main(chosen: Sequence[str]) -> None:
    """Print a table, a line for each scenario: the worst of its seeds."""
    print("| scenario | requests | ideal s | duration / ideal | 429 % | failed % | in outage | recovery s |")  # noqa: T201
    print("|---|---|---|---|---|---|---|---|")  # noqa: T201
    for name in chosen or names():
        scenario, began = load(name), time.perf_counter()
        runs = [run(scenario, seed) for seed in scenario.seeds]
        worst = {key: max(getattr(figures, key) for figures in runs) for key in Expected.__struct_fields__}
        recovery = f"{worst['recovery']:.0f}" if worst["recovery"] else ""
        outage = worst["outage_requests"] or ""
        print(  # noqa: T201
            f"| {name} | {max(figures.requests for figures in runs)} | {runs[0].ideal:.0f} | {worst['duration']:.2f} "
            f"| {100 * worst['throttled']:.1f} | {100 * worst['failed']:.1f} | {outage} | {recovery} |"
        )
        if any(figures.report.unresolved or figures.report.stop for figures in runs):
            print([figures.report.summary() for figures in runs], [f.report.stop_detail for f in runs])  # noqa: T201
        print(f"  {name}: {time.perf_counter() - began:.1f} s of real time", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
