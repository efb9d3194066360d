"""A disk that fails as told, and small events, for the journal's tests."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from pathlib import Path

from engine.journal_writer import OsFiles
from engine.registry import Registry


@dataclass(frozen=True, slots=True)
class Spoken:
    words: str
    count: int = 0
    tags: tuple[str, ...] = ()
    levels: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Silent:
    pass


def registry() -> Registry:
    return Registry((Spoken, Silent))


class WeakDisk(OsFiles):
    """A disk of ``room`` bytes; ``broken`` makes every sync fail."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room
        self.broken = False
        self.syncs = 0

    def write(self, fd: int, data: memoryview, offset: int) -> int:
        room = self.room - offset
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(fd, data[:room], offset)

    def sync(self, fd: int) -> None:
        self.syncs += 1
        if self.broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def sync_folder(self, folder: Path) -> None:
        pass
