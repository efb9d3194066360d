"""Callers who are treated otherwise: the lists of VIPs and of the blocked, by number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings

ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the lists say of a caller in a queue. ``rank`` None keeps the queue's class."""

    blocked: bool = False
    priority: int = 0
    rank: int | None = None


COMMON = Treatment()
BLOCKED = Treatment(blocked=True)


class Numbers:
    """A set of numbers and beginnings of numbers; a leading plus does not matter, as trunks
    differ. ``anonymous`` stands for every caller without a number."""

    __slots__ = ("_beginnings", "_lengths", "_whole")

    def __init__(self, numbers: Iterable[str]) -> None:
        bare = [number.removeprefix("+") for number in numbers]
        self._whole = frozenset(number for number in bare if not number.endswith("*"))
        self._beginnings = frozenset(number[:-1] for number in bare if number.endswith("*"))
        self._lengths = sorted({len(number) for number in self._beginnings})

    def has(self, caller: str) -> bool:
        """Whether the caller's number is in the set."""
        bare = caller.removeprefix("+") if is_number(caller) else ANONYMOUS
        return bare in self._whole or any(
            bare[:length] in self._beginnings for length in self._lengths if length <= len(bare)
        )


def is_number(caller: str) -> bool:
    """Whether somebody can be called back there, and recognised by it."""
    return caller != ANONYMOUS and any(sign.isdigit() for sign in caller)


@dataclass(frozen=True, slots=True)
class _Listed:
    numbers: Numbers
    queues: frozenset[str]
    treatment: Treatment

    def fits(self, caller: str, queue: str) -> bool:
        return (not self.queues or queue in self.queues) and self.numbers.has(caller)


class Lists:
    """All lists, the blocked before the VIPs; within each the first that fits counts."""

    def __init__(self, settings: Settings) -> None:
        self._listed = tuple(
            _Listed(Numbers(item.numbers), frozenset(item.queues), BLOCKED)
            for item in settings.callers.blocked
        ) + tuple(
            _Listed(
                Numbers(item.numbers),
                frozenset(item.queues),
                Treatment(priority=item.priority, rank=item.rank),
            )
            for item in settings.callers.vip
        )

    def treat(self, caller: str, queue: str) -> Treatment:
        """How this caller is treated in this queue; ``COMMON`` for everybody else."""
        for listed in self._listed:
            if listed.fits(caller, queue):
                return listed.treatment
        return COMMON
