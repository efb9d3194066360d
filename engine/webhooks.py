"""The deliverers of webhooks: for each endpoint a task that posts what its outbox holds.

At least once, and in order for each call: an answer is written down after it came, so a crash
between the two sends the message again, under the same id. Nothing of the engine waits for any
of this; while the database is away, nothing is sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from config.webhooks import Endpoint
from config.webhooks import Webhooks as Common
from engine.clock import Clock
from engine.tasks import Tasks
from engine.timers import Timers
from tickets.webhook_lane import GIVEN_UP, WAITING, Answer, Lane, Message, Pace, Settled
from tickets.webhook_outbox import Limits, Outbox, OutboxStore

log = logging.getLogger(__name__)

SWEEP_S = 600.0
SWEEP_FULL_S = 60.0  # while more wait than may
STRANGERS_S = 3_600.0  # rows of endpoints that are configured no more
STORE_S, STORE_S_MAX = 0.5, 15.0  # pauses while the database is away
CLOSE_S = 1.0  # at the end, for answers that are on their way


class Sends(Protocol):
    async def send(self, message: Message) -> Answer: ...
    async def close(self) -> None: ...


MakeSender = Callable[[Endpoint], Sends]


@dataclass(slots=True)
class Figures:
    """Since the engine's start; ``backlog`` and ``kept`` (given up, not sent again) are now."""

    sent: int = 0
    failed: int = 0
    given_up: int = 0
    backlog: int = 0
    kept: int = 0


def limits_of(common: Common) -> Limits:
    """Those of a sweep. It gives up what could not even be tried, and later than the lane would:
    what stands behind a message that was given up still gets its own attempt."""
    return Limits(
        common.give_up_s + 2 * common.retry_max_s,
        common.backlog_max,
        common.keep_delivered_s,
        common.keep_given_up_s,
        common.kept_max,
    )


class Deliverer:
    """One endpoint. ``step`` is one round and says when the next is due; ``wake`` calls for one."""

    def __init__(
        self, name: str, store: OutboxStore, common: Common, now: Callable[[], float]
    ) -> None:
        self.name = name
        self.figures = Figures()
        self.lane = Lane(
            Pace(common.retry_first_s, common.retry_max_s, common.give_up_s, common.in_flight_max)
        )
        self.store_problem = ""
        self._store = store
        self._limits = limits_of(common)
        self._now = now
        self._random = random.Random()
        self._unwritten: list[Settled] = []
        self._swept_at = -SWEEP_S
        self._wake = asyncio.Event()
        self._ending = False

    def wake(self) -> None:
        self._wake.set()

    def end(self) -> None:
        """Let ``run`` return after its round."""
        self._ending = True
        self._wake.set()

    async def step(self, sender: Sends) -> float | None:
        """One round: look, send, write down. When the next is due; None: at the next ``wake``.

        What was answered is written down before anything else is looked at, so a database that
        comes and goes causes no repeats.
        """
        await self._write_down()
        now = self._now()
        if now >= self._sweep_at:
            await self._sweep(now)
        room = self.lane.room(now)
        if not room:
            return self._sweep_at if self.lane.gone else min(self.lane.quiet_until, self._sweep_at)
        heads = await self._store.heads(self.name, room)
        due = [message for message in heads if message.due_at <= now]
        if not due:
            return min([self._sweep_at, *(message.due_at for message in heads)])
        answers = await asyncio.gather(*(sender.send(message) for message in due))
        self._take(list(zip(due, answers, strict=True)))
        await self._write_down()
        return self._now()

    @property
    def _sweep_at(self) -> float:
        full = self.figures.backlog > self._limits.backlog_max
        return self._swept_at + (SWEEP_FULL_S if full else SWEEP_S)

    def _take(self, sent: list[tuple[Message, Answer]]) -> None:
        before = (self.lane.problem, self.lane.gone)
        self._unwritten = self.lane.settle(sent, self._now(), self._random.random())
        self._tell(*before)
        figures = self.figures
        taken = sum(answer.taken for _, answer in sent)
        given_up = sum(item.state == GIVEN_UP for item in self._unwritten)
        figures.sent += taken
        figures.failed += len(sent) - taken
        self._given_up(given_up)
        figures.backlog = max(figures.backlog - taken - given_up, 0)

    async def _write_down(self) -> None:
        if self._unwritten:
            await self._store.settle(self._unwritten)
            self._unwritten = []

    async def _sweep(self, now: float) -> None:
        swept = await self._store.sweep(self.name, now, self._limits)
        self._swept_at = now
        self.figures.backlog = swept.counts[WAITING]
        self.figures.kept = swept.counts[GIVEN_UP] - swept.given_up
        self._given_up(swept.given_up)

    def _given_up(self, count: int) -> None:
        self.figures.given_up += count
        self.figures.kept += count
        if count:
            log.error("webhook %s: %d messages given up", self.name, count)

    def _tell(self, problem: str, gone: bool) -> None:
        """Log what changed, once."""
        if self.lane.gone and not gone:
            log.error("webhook %s: the receiver wants nothing more (410)", self.name)
        elif self.lane.problem and self.lane.problem != problem:
            log.warning("webhook %s: %s, tried again", self.name, self.lane.problem)
        elif problem and not self.lane.problem:
            log.info("webhook %s: works again", self.name)

    async def run(self, make: Callable[[], Sends], timers: Timers) -> None:
        """Rounds until ``end``."""
        sender = await asyncio.to_thread(make)
        try:
            await self._rounds(sender, timers)
        finally:
            timers.clear(("webhooks", self.name))
            await sender.close()

    async def _rounds(self, sender: Sends, timers: Timers) -> None:
        pause_s = 0.0
        while not self._ending:
            self._wake.clear()
            try:
                at = await self.step(sender)
            except Exception as error:
                pause_s = min(max(pause_s * 2, STORE_S), STORE_S_MAX)
                at = self._now() + pause_s
                self._complain(type(error).__name__)
            else:
                pause_s = 0.0
                self._complain("")
            if at is not None:
                timers.set(("webhooks", self.name), at, self._wake.set)
            await self._wake.wait()

    def _complain(self, problem: str) -> None:
        if problem and problem != self.store_problem:
            log.warning("webhook %s cannot read or write its outbox: %s", self.name, problem)
        self.store_problem = problem


def makes_senders(
    keys: Mapping[str, Sequence[bytes]], common: Common, clock: Clock, version: str
) -> MakeSender:
    """Real senders. Their HTTP client is loaded when the first is made: off the loop."""

    def make(endpoint: Endpoint) -> Sends:
        from engine.webhook_sender import Sender

        return Sender(endpoint, keys[endpoint.name], common, clock.now, version)

    return make


class Webhooks:
    """All endpoints of this node. ``outbox`` is for the reader that writes it."""

    def __init__(self, database: AsyncEngine, clock: Clock, timers: Timers, common: Common) -> None:
        self.store = OutboxStore(database)
        self.endpoints = {endpoint.name: endpoint for endpoint in common.endpoints}
        self.deliverers = {
            name: Deliverer(name, self.store, common, clock.now) for name in self.endpoints
        }
        self._clock = clock
        self._timers = timers
        self._common = common
        self._tasks = Tasks("webhooks")
        self._running: list[asyncio.Task[None]] = []
        self._tidy = asyncio.Event()
        self._ending = False
        self.outbox = Outbox(common.endpoints, clock.now)
        self.outbox.on_rows = self._written

    def start(self, make: MakeSender) -> None:
        """Begin to deliver; ``make`` gives an endpoint's sender, in a thread."""
        for name, deliverer in self.deliverers.items():
            endpoint = self.endpoints[name]

            def sender(endpoint: Endpoint = endpoint) -> Sends:
                return make(endpoint)

            self._running.append(self._tasks.start(deliverer.run(sender, self._timers)))
        self._running.append(self._tasks.start(self._tidy_up()))

    async def close(self) -> None:
        """Stop. What is not answered within CLOSE_S is sent again, under its id, by the next."""
        self._ending = True
        self._tidy.set()
        for deliverer in self.deliverers.values():
            deliverer.end()
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_S)
        await self._tasks.close()

    async def again(self, endpoint: str, message: str | None) -> int:
        """Send once more one message, or all that were given up; how many will be."""
        count = await self.store.again(endpoint, message, self._clock.now())
        deliverer = self.deliverers.get(endpoint)
        if deliverer is not None and count:
            deliverer.figures.backlog += count
            deliverer.wake()
        return count

    def resume(self, endpoint: str) -> None:
        """Try an endpoint that had a pause, or was gone, now. KeyError for one not configured."""
        deliverer = self.deliverers[endpoint]
        deliverer.lane.resume()
        deliverer.wake()

    def _written(self, rows: Mapping[str, int]) -> None:
        for name, count in rows.items():
            deliverer = self.deliverers[name]
            deliverer.figures.backlog += count
            deliverer.wake()

    async def _tidy_up(self) -> None:
        """What endpoints left that are configured no more grows old like the rest."""
        pause_s = SWEEP_S
        while not self._ending:
            self._tidy.clear()
            self._timers.set(("webhooks",), self._clock.now() + pause_s, self._tidy.set)
            await self._tidy.wait()
            pause_s = STRANGERS_S
            if not self._ending:
                await self._tidy_once()

    async def _tidy_once(self) -> None:
        try:
            for name in set(await self.store.counts()) - set(self.deliverers):
                await self.store.sweep(name, self._clock.now(), limits_of(self._common))
        except Exception as error:
            log.debug("old webhooks stay: %s", type(error).__name__)
