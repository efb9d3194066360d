"""Sums that figures are made of, and the figures: every definition in one place."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, fields

from queues.events import CallbackEnd, VisitEnd

SERVICE_LEVELS = (
    "answered",
    "answered+abandoned",
    "connect",
    "genesys",
    "genesys+overflow",
    "strict",
)
HEADLINE = "strict"

WAIT_BUCKETS_S = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 300.0, 600.0)


@dataclass(slots=True)
class Tally:
    """Sums over queue visits; they add up, so an hour is four quarters.

    ``..._within`` counts those that ended within the queue's target (wait <= target);
    ``short`` are abandons below the queue's threshold, counted in ``abandoned`` too.
    ``handled`` are talks whose wrap-up is over, with their ``talk_s``, ``hold_s`` (not in
    talk_s) and ``wrap_up_s``. ``waits`` counts answered visits by ``WAIT_BUCKETS_S``, each
    bucket up to and including its bound, the last beyond all.

    ``callbacks...`` are the places that callbacks keep, counted apart from visits: placed, how
    often the caller was dialled in vain (``callbacks_missed``), and how the places ended.
    """

    offered: int = 0
    answered: int = 0
    answered_within: int = 0
    abandoned: int = 0
    abandoned_within: int = 0
    short: int = 0
    callback_requested: int = 0
    callback_within: int = 0
    overflowed: int = 0
    removed: int = 0
    answer_wait_s: float = 0.0
    longest_wait_s: float = 0.0
    handled: int = 0
    talk_s: float = 0.0
    hold_s: float = 0.0
    wrap_up_s: float = 0.0
    callbacks_placed: int = 0
    callbacks_missed: int = 0
    callbacks_connected: int = 0
    callbacks_abandoned: int = 0
    callbacks_gave_up: int = 0
    callbacks_expired: int = 0
    callbacks_cancelled: int = 0
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS_S) + 1))

    def ended(self, end: VisitEnd, waited_s: float, within: bool, short: bool) -> None:
        """Count a visit that is over."""
        if waited_s > self.longest_wait_s:
            self.longest_wait_s = waited_s
        match end:
            case "connected":
                self.answered += 1
                self.answered_within += within
                self.answer_wait_s += waited_s
                self.waits[bisect_left(WAIT_BUCKETS_S, waited_s)] += 1
            case "abandoned":
                self.abandoned += 1
                self.abandoned_within += within
                self.short += short
            case "callback-requested":
                self.callback_requested += 1
                self.callback_within += within
            case "overflowed":
                self.overflowed += 1
            case "removed":
                self.removed += 1

    def callback_ended(self, end: CallbackEnd) -> None:
        """Count a callback's place that is gone."""
        match end:
            case "connected":
                self.callbacks_connected += 1
            case "abandoned":
                self.callbacks_abandoned += 1
            case "gave-up":
                self.callbacks_gave_up += 1
            case "expired":
                self.callbacks_expired += 1
            case "cancelled":
                self.callbacks_cancelled += 1

    def handling(self, talk_s: float, hold_s: float, wrap_up_s: float) -> None:
        """Count a talk whose wrap-up is over."""
        self.handled += 1
        self.talk_s += talk_s
        self.hold_s += hold_s
        self.wrap_up_s += wrap_up_s

    def add(self, other: Tally) -> None:
        """Sum up; the longest wait is the longer of both."""
        longest = max(self.longest_wait_s, other.longest_wait_s)
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_wait_s = longest
        self.waits = [mine + theirs for mine, theirs in zip(self.waits, other.waits, strict=True)]

    @property
    def callbacks_waiting(self) -> int:
        """Places that callbacks still keep."""
        return self.callbacks_placed - (
            self.callbacks_connected
            + self.callbacks_abandoned
            + self.callbacks_gave_up
            + self.callbacks_expired
            + self.callbacks_cancelled
        )

    @property
    def decided(self) -> int:
        """Visits that are over, however."""
        return (
            self.answered
            + self.abandoned
            + self.overflowed
            + self.callback_requested
            + self.removed
        )


_SUMS = tuple(item.name for item in fields(Tally) if item.name != "waits")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a tally says. Shares are 0..1; None where there is nothing to divide by.

    ``waiting`` are its visits under way: offered = decided + waiting at every instant. Of these
    ``undecided`` may yet be answered within the target: they are left out of every service
    level. ``tally.offered`` counts them. ``open_wait_s`` is the longest wait of theirs until now.
    """

    tally: Tally
    undecided: int = 0
    waiting: int = 0
    open_wait_s: float = 0.0

    @property
    def longest_wait_s(self) -> float:
        """The longest of the visits that are over, and of those under way until now."""
        return max(self.tally.longest_wait_s, self.open_wait_s)

    @property
    def service_levels(self) -> dict[str, float | None]:
        """All six by name, in the order of ``SERVICE_LEVELS``."""
        t = self.tally
        decided = t.offered - self.undecided
        kept = t.answered + t.abandoned - t.short
        within = t.answered_within
        parts = (
            (within, t.answered),
            (within + t.abandoned_within, t.answered + t.abandoned),
            (within + t.abandoned_within + t.callback_within, decided),
            (within, kept),
            (within, kept + t.overflowed + t.callback_requested),
            (within, decided),
        )
        return {
            name: share(part, whole)
            for name, (part, whole) in zip(SERVICE_LEVELS, parts, strict=True)
        }

    @property
    def service_level(self) -> float | None:
        """The headline figure: answered within the target of all offered."""
        return self.service_levels[HEADLINE]

    @property
    def asa_s(self) -> float | None:
        """Mean wait of connected visits, enqueue to connect."""
        return share(self.tally.answer_wait_s, self.tally.answered)

    @property
    def aht_s(self) -> float | None:
        """(talk + hold + wrap-up) / handled."""
        t = self.tally
        return share(t.talk_s + t.hold_s + t.wrap_up_s, t.handled)

    @property
    def abandon_rate(self) -> float | None:
        """Abandoned (short included) / offered."""
        return share(self.tally.abandoned, self.tally.offered)


@dataclass(slots=True)
class WorkTally:
    """One agent's sums. ``seconds`` by presence; "own-call" is talking outside any queue.

    ``breaks`` are the seconds of "on-break" by reason, ``overruns`` counts breaks that passed
    their limit. ``handled`` with its seconds counts as in ``Tally``. ``offers`` counts by how
    they ended: "withdrawn" (the caller left, somebody else of a ring-all queue answered) is
    nobody's refusal.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    offers: dict[str, int] = field(default_factory=dict)
    breaks: dict[str, float] = field(default_factory=dict)
    overruns: int = 0
    handled: int = 0
    talk_s: float = 0.0
    hold_s: float = 0.0
    wrap_up_s: float = 0.0

    def spend(self, label: str, reason: str, seconds: float) -> None:
        """Add time in a presence; ``reason`` counts on a break."""
        self.seconds[label] = self.seconds.get(label, 0.0) + seconds
        if label == "on-break":
            self.breaks[reason] = self.breaks.get(reason, 0.0) + seconds

    def offer(self, end: str) -> None:
        """Count an offer by its end."""
        self.offers[end] = self.offers.get(end, 0) + 1

    def handling(self, talk_s: float, hold_s: float, wrap_up_s: float) -> None:
        """Count a talk whose wrap-up is over."""
        self.handled += 1
        self.talk_s += talk_s
        self.hold_s += hold_s
        self.wrap_up_s += wrap_up_s

    def add(self, other: WorkTally) -> None:
        """Sum up."""
        for name, seconds in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        for end, count in other.offers.items():
            self.offers[end] = self.offers.get(end, 0) + count
        for reason, seconds in other.breaks.items():
            self.breaks[reason] = self.breaks.get(reason, 0.0) + seconds
        self.overruns += other.overruns
        self.handled += other.handled
        self.talk_s += other.talk_s
        self.hold_s += other.hold_s
        self.wrap_up_s += other.wrap_up_s

    @property
    def aht_s(self) -> float | None:
        """(talk + hold + wrap-up) / handled."""
        return share(self.talk_s + self.hold_s + self.wrap_up_s, self.handled)

    @property
    def handling_s(self) -> float:
        """Talking (hold included), wrap-up, and reserved: held for a caller whom we dial, and
        for nobody else."""
        seconds = self.seconds
        return sum(seconds.get(label, 0.0) for label in ("talking", "wrap-up", "reserved"))

    @property
    def idle_s(self) -> float:
        """Available, and being offered a call."""
        return self.seconds.get("available", 0.0) + self.seconds.get("offered", 0.0)

    @property
    def occupancy(self) -> float | None:
        """Handling / (handling + idle). Breaks and own calls are in neither."""
        return share(self.handling_s, self.handling_s + self.idle_s)


def share(part: float, whole: float) -> float | None:
    """``part / whole``, None for nothing of nothing."""
    return part / whole if whole else None
