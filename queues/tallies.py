"""Sums that figures are made of, and the figures: every definition in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

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
    waits: list[int] = field(default_factory=lambda: [0] * (len(WAIT_BUCKETS_S) + 1))

    def add(self, other: Tally) -> None:
        """Sum up; the longest wait is the longer of both."""
        longest = max(self.longest_wait_s, other.longest_wait_s)
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest_wait_s = longest
        self.waits = [mine + theirs for mine, theirs in zip(self.waits, other.waits, strict=True)]


_SUMS = tuple(item.name for item in fields(Tally) if item.name != "waits")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a tally says. Shares are 0..1; None where there is nothing to divide by.

    ``undecided`` wait still and may yet be answered within the target: they are left out of
    every service level. ``tally.offered`` counts them.
    """

    tally: Tally
    undecided: int = 0

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

    ``handled`` with its seconds counts as in ``Tally``. ``offers`` counts by how they ended.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    offers: dict[str, int] = field(default_factory=dict)
    handled: int = 0
    talk_s: float = 0.0
    hold_s: float = 0.0
    wrap_up_s: float = 0.0

    def add(self, other: WorkTally) -> None:
        """Sum up."""
        for name, seconds in other.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        for end, count in other.offers.items():
            self.offers[end] = self.offers.get(end, 0) + count
        self.handled += other.handled
        self.talk_s += other.talk_s
        self.hold_s += other.hold_s
        self.wrap_up_s += other.wrap_up_s

    @property
    def aht_s(self) -> float | None:
        """(talk + hold + wrap-up) / handled."""
        return share(self.talk_s + self.hold_s + self.wrap_up_s, self.handled)

    @property
    def occupancy(self) -> float | None:
        """Handling / (handling + idle): talking (hold included) and wrap-up against available
        and being offered. Breaks and own calls are in neither."""
        handling = self.seconds.get("talking", 0.0) + self.seconds.get("wrap-up", 0.0)
        idle = self.seconds.get("available", 0.0) + self.seconds.get("offered", 0.0)
        return share(handling, handling + idle)


def share(part: float, whole: float) -> float | None:
    """``part / whole``, None for nothing of nothing."""
    return part / whole if whole else None
