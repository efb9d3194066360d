"""What agents do with their time: presence by interval, and talks billed to whoever talked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from queues.events import AgentPresence
from queues.figures.ledger import INTERVAL_S, Ledger, interval_of
from queues.figures.tallies import WorkTally


@dataclass(slots=True)
class Handling:
    """One call in one agent's hands. ``queue`` and ``enqueued`` are those of the visit that
    led here, "" and the start of the talk for a call put through in person."""

    agent: str
    call: str
    queue: str
    enqueued: float
    began: float
    talk_s: float = 0.0
    hold_s: float = 0.0
    wrap_up_s: float = 0.0
    talking: bool = True
    held: set[str] = field(default_factory=set)
    held_since: float = 0.0

    def is_of(self, call: str) -> bool:
        """Whether a fact of this call is about this talk. The floor knows no call of a talk in
        person that a phone began, so "" is about that one."""
        return call == self.call or (not call and not self.queue and self.talking)

    def hold(self, leg: str, at: float) -> None:
        """A leg put the other on hold; hold counts while at least one does."""
        if self.talking and not self.held:
            self.held_since = at
        self.held.add(leg)

    def resume(self, leg: str, at: float) -> None:
        """Hold time ends with the last leg that held."""
        if leg in self.held:
            self.held.remove(leg)
            if self.talking and not self.held:
                self.hold_s += at - self.held_since

    def stop(self, at: float) -> None:
        """The talk is over, once."""
        if not self.talking:
            return
        if self.held:
            self.hold_s += at - self.held_since
        self.talking = False
        self.talk_s = at - self.began - self.hold_s


@dataclass(slots=True)
class Worker:
    """One agent as the log tells: in this presence ``since``, of which the time up to ``spent``
    is counted. ``over``: the break has passed its limit."""

    presence: str = "signed-out"
    since: float = 0.0
    spent: float = 0.0
    reason: str = ""
    own: bool = False
    over: bool = False
    handling: Handling | None = None


@dataclass(slots=True)
class WorkTime:
    """Folds presence and talks into one tally for each agent and quarter of an hour.

    ``talkers`` are who talks, by call; ``overruns`` counts breaks over their limit since the
    first entry folded.
    """

    ledger: Ledger[WorkTally] = field(default_factory=lambda: Ledger(WorkTally))
    workers: dict[str, Worker] = field(default_factory=dict)
    talkers: dict[str, Handling] = field(default_factory=dict)
    overruns: int = 0

    def offer_ended(self, agent: str, end: str, at: float) -> None:
        for tally in self.ledger.cells(agent, at):
            tally.offer(end)

    def overrun(self, agent: str, at: float) -> None:
        """The agent's break passed its limit."""
        self.overruns += 1
        for tally in self.ledger.cells(agent, at):
            tally.overruns += 1
        worker = self.workers.get(agent)
        if worker is not None and worker.presence == "on-break":
            worker.over = True

    def presence(
        self, call: str, event: AgentPresence, enqueued: float, at: float
    ) -> Handling | None:
        """An agent's presence changed; returns a handling that is complete by it, to be booked.

        ``enqueued`` is when the call's visit began, for a talk that begins here.
        """
        worker = self.workers.get(event.agent)
        if worker is None:
            worker = self.workers[event.agent] = Worker(since=at, spent=at)
        self._spend(event.agent, worker, at)
        handling = worker.handling
        if handling is not None and worker.presence == "wrap-up":
            handling.wrap_up_s += at - worker.since
        if (worker.presence, worker.reason) != (event.presence, event.reason):
            worker.over = False  # else the same break, told again
        worker.presence, worker.since, worker.reason = event.presence, at, event.reason
        talks_on = event.presence == "talking" and handling is not None and handling.is_of(call)
        worker.own = event.presence == "talking" and not call and not talks_on
        done = None
        if handling is not None and not talks_on:
            self._stop(handling, at)
            # An own call made in wrap-up puts it aside; all else ends the handling.
            if event.presence != "wrap-up" and not worker.own:
                done, worker.handling = self._book(handling), None
        if event.presence == "talking" and call and not talks_on:
            self._begin(worker, Handling(event.agent, call, event.queue, enqueued, at))
        return done

    def connected(self, call: str, agent: str, at: float) -> Handling | None:
        """Bridged: a call put through in person is in this agent's hands from here. Returns the
        handling whose wrap-up was put aside for it, to be booked."""
        worker = self.workers.get(agent)
        if worker is None or not worker.own:
            return None
        self._spend(agent, worker, at)
        worker.since, worker.own = at, False
        done = self._book(worker.handling) if worker.handling is not None else None
        self._begin(worker, Handling(agent, call, "", at, at))
        return done

    def transferred(self, call: str, by: str, at: float) -> None:
        """From here on ``by`` does not talk to the call any more."""
        handling = self.talkers.get(call)
        if handling is not None and handling.agent == by:
            self._stop(handling, at)

    def held(self, call: str, leg: str, at: float) -> None:
        handling = self.talkers.get(call)
        if handling is not None:
            handling.hold(leg, at)

    def resumed(self, call: str, leg: str, at: float) -> None:
        handling = self.talkers.get(call)
        if handling is not None:
            handling.resume(leg, at)

    def open_spans(self, agent: str, now: float) -> Iterator[tuple[float, str, str, float]]:
        """(interval, label, reason, seconds) of the agent's presence that is not counted yet."""
        worker = self.workers.get(agent)
        if worker is not None and worker.presence != "signed-out":
            for interval, seconds in _split(worker.spent, now):
                yield interval, _label(worker), worker.reason, seconds

    def spend_until(self, at: float) -> None:
        """Count the presence of all up to now, so that no interval grows when it is long over."""
        for agent, worker in self.workers.items():
            self._spend(agent, worker, at)

    def _begin(self, worker: Worker, handling: Handling) -> None:
        worker.handling = handling
        self.talkers[handling.call] = handling

    def _stop(self, handling: Handling, at: float) -> None:
        handling.stop(at)
        if self.talkers.get(handling.call) is handling:
            del self.talkers[handling.call]

    def _book(self, handling: Handling) -> Handling:
        for tally in self.ledger.cells(handling.agent, handling.began):
            tally.handling(handling.talk_s, handling.hold_s, handling.wrap_up_s)
        return handling

    def _spend(self, agent: str, worker: Worker, at: float) -> None:
        if worker.presence != "signed-out":
            for interval, seconds in _split(worker.spent, at):
                for tally in self.ledger.cells(agent, interval):
                    tally.spend(_label(worker), worker.reason, seconds)
        worker.spent = max(worker.spent, at)


def _label(worker: Worker) -> str:
    return "own-call" if worker.own else worker.presence


def _split(start: float, end: float) -> Iterator[tuple[float, float]]:
    """(interval, seconds in it) of a span; nothing for an empty one."""
    while start < end:
        stop = min(interval_of(start) + INTERVAL_S, end)
        yield interval_of(start), stop - start
        start = stop
