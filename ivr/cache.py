"""A folder of made audio, named by what it was made from; every file is made once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

PRUNE_EVERY = 100
STALE_S = 3600.0  # a temporary file this old is of a writer that died


class AudioCache:
    """At most ``files_max`` files, the least recently used go first; none unused for ``age_s``."""

    def __init__(self, folder: Path, *, files_max: int, age_s: float) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._files_max = files_max
        self._age_s = age_s
        self._making: dict[str, asyncio.Task[Path]] = {}
        self._counting = threading.Lock()
        self._until_prune = 0

    def find(self, key: str) -> Path | None:
        """The file of this key, marked as used now."""
        path = self._path(key)
        try:
            os.utime(path)
        except OSError:
            return None
        return path

    async def get(self, key: str, make: Callable[[], Awaitable[bytes]]) -> Path:
        """The file of this key, made where it is not there. Who comes meanwhile waits for it."""
        if (found := self.find(key)) is not None:
            return found
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._store(key, make))
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def _store(self, key: str, make: Callable[[], Awaitable[bytes]]) -> Path:
        sound = await make()
        await asyncio.to_thread(self._write, self._path(key), sound)
        return self._path(key)

    def _write(self, path: Path, sound: bytes) -> None:
        with self._counting:
            due = self._until_prune == 0
            self._until_prune = (self._until_prune or PRUNE_EVERY) - 1
        if due:
            self.prune()
        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(sound)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise

    def prune(self) -> None:
        """Remove what is over the limits of number and age."""
        used = []
        now = time.time()
        for entry in os.scandir(self._folder):
            try:
                age = now - entry.stat().st_mtime
            except FileNotFoundError:  # another thread finished or removed it
                continue
            if age > (STALE_S if entry.name.endswith(".part") else self._age_s):
                Path(entry.path).unlink(missing_ok=True)
            elif entry.name.endswith(".ulaw"):
                used.append((age, entry.path))
        for _, path in sorted(used)[max(0, self._files_max - PRUNE_EVERY) :]:
            Path(path).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.ulaw"


def key_of(*parts: str | bytes) -> str:
    """A file name from everything that decides the content."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return digest.hexdigest()[:40]
