"""A line: unique keys in order, cheap at both ends and in the middle."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=tuple[Any, ...])

BLOCK_MAX = 512


class Line(Generic[Key]):
    """Sorted unique keys: one list, and beyond ``BLOCK_MAX`` blocks of at most so many.

    Adding, removing and finding cost two binary searches and a move within one block, so
    100,000 calls cost little more than a hundred. KeyError where a key is not in the line.
    """

    __slots__ = ("_blocks", "_keys", "_lasts")

    def __init__(self) -> None:
        self._keys: list[Key] = []  # all of them, while there are no blocks
        self._blocks: list[list[Key]] | None = None
        self._lasts: list[Key] = self._keys  # the greatest key of each block

    def __len__(self) -> int:
        return len(self._keys) if self._blocks is None else sum(map(len, self._blocks))

    def __bool__(self) -> bool:
        return bool(self._keys) or self._blocks is not None

    def __iter__(self) -> Iterator[Key]:
        if self._blocks is None:
            return iter(self._keys)
        return (key for block in self._blocks for key in block)

    def first(self) -> Key | None:
        """The smallest key, or None in an empty line."""
        if self._blocks is None:
            return self._keys[0] if self._keys else None
        return self._blocks[0][0]

    def add(self, key: Key) -> None:
        """Put a key in its place; it must not be in the line yet."""
        if self._blocks is None:
            insort(self._keys, key)
            if len(self._keys) > BLOCK_MAX:
                self._blocks, self._keys = [self._keys], []
                self._lasts = [self._blocks[0][-1]]
                self._split(0)
            return
        at = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
        insort(self._blocks[at], key)
        self._lasts[at] = self._blocks[at][-1]
        if len(self._blocks[at]) > BLOCK_MAX:
            self._split(at)

    def _split(self, at: int) -> None:
        assert self._blocks is not None
        block = self._blocks[at]
        half = len(block) // 2
        self._blocks[at : at + 1] = block[:half], block[half:]
        self._lasts[at : at + 1] = block[half - 1], block[-1]

    def remove(self, key: Key) -> None:
        """Take a key out."""
        if self._blocks is None:
            del self._keys[_place(self._keys, key)]
            return
        at = self._block_of(key)
        block = self._blocks[at]
        del block[_place(block, key)]
        if block:
            self._lasts[at] = block[-1]
            return
        del self._blocks[at], self._lasts[at]
        if len(self._blocks) == 1:
            self._keys, self._blocks = self._blocks[0], None
            self._lasts = self._keys

    def index(self, key: Key) -> int:
        """How many keys are smaller: 0 for the first."""
        if self._blocks is None:
            return _place(self._keys, key)
        at = self._block_of(key)
        return sum(map(len, self._blocks[:at])) + _place(self._blocks[at], key)

    def below(self, key: Any) -> int:
        """How many keys are smaller than one that need not be in the line; the beginning of a
        key will do."""
        if self._blocks is None:
            return bisect_left(self._keys, key)
        at = self._block_of(key)
        return sum(map(len, self._blocks[:at])) + bisect_left(self._blocks[at], key)

    def _block_of(self, key: Key) -> int:
        assert self._blocks is not None
        return min(bisect_left(self._lasts, key), len(self._blocks) - 1)


def _place(block: list[Key], key: Key) -> int:
    at = bisect_left(block, key)
    if at < len(block) and block[at] == key:
        return at
    raise KeyError(key)
