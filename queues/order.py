"""A line: unique keys in order, cheap at both ends and in the middle."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=tuple[Any, ...])

BLOCK_MAX = 512


class Line(Generic[Key]):
    """Sorted unique keys in blocks of at most ``BLOCK_MAX``.

    Adding, removing and finding cost two binary searches and a move within one block, so
    100,000 calls cost little more than a hundred. KeyError where a key is not in the line.
    """

    __slots__ = ("_blocks", "_lasts", "_length")

    def __init__(self) -> None:
        self._blocks: list[list[Key]] = []
        self._lasts: list[Key] = []  # the greatest key of each block
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Key]:
        for block in self._blocks:
            yield from block

    def first(self) -> Key | None:
        """The smallest key, or None in an empty line."""
        return self._blocks[0][0] if self._blocks else None

    def add(self, key: Key) -> None:
        """Put a key in its place; it must not be in the line yet."""
        self._length += 1
        if not self._blocks:
            self._blocks.append([key])
            self._lasts.append(key)
            return
        at = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        block = self._blocks[at]
        insort(block, key)
        if len(block) > BLOCK_MAX:
            half = len(block) // 2
            self._blocks.insert(at + 1, block[half:])
            self._lasts.insert(at + 1, block[-1])
            del block[half:]
        self._lasts[at] = block[-1]

    def remove(self, key: Key) -> None:
        """Take a key out."""
        at, inside = self._find(key)
        block = self._blocks[at]
        del block[inside]
        self._length -= 1
        if block:
            self._lasts[at] = block[-1]
        else:
            del self._blocks[at]
            del self._lasts[at]

    def index(self, key: Key) -> int:
        """How many keys are smaller: 0 for the first."""
        at, inside = self._find(key)
        return sum(len(block) for block in self._blocks[:at]) + inside

    def _find(self, key: Key) -> tuple[int, int]:
        at = bisect_left(self._lasts, key)
        if at < len(self._blocks):
            block = self._blocks[at]
            inside = bisect_left(block, key)
            if block[inside] == key:
                return at, inside
        raise KeyError(key)
