"""What the journal hands to whoever folds it: the four packages beside each other see it so."""

from __future__ import annotations

from typing import Protocol


class Entry(Protocol):
    """One entry of the journal: number from 1, unix time, call id ("" for none), event."""

    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> float: ...
    @property
    def call(self) -> str: ...
    @property
    def event(self) -> object: ...
