"""Prompts and music in memory: raw mu-law files, the least recently used go first."""

from __future__ import annotations

import os

from config.errors import PeerError

FILE_BYTES_MAX = 16 * 1024 * 1024  # 34 minutes
CACHE_BYTES_MAX = 32 * 1024 * 1024


class AudioError(PeerError):
    """A file to play is missing, unreadable or too long."""


class AudioCache:
    """Reads a file once, and again when its time or size changed.

    A file stays in use by those who play it after it left the cache. Kept as mu-law alone:
    translating a packet to A-law costs less than keeping everything twice.
    """

    def __init__(self, bytes_max: int = CACHE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._files: dict[str, tuple[tuple[int, int], bytes]] = {}

    def load(self, path: str) -> bytes:
        """The file's samples. Raises AudioError."""
        try:
            status = os.stat(path)
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._files.pop(path, None)
            if known is not None and known[0] == stamp:
                self._files[path] = known
                return known[1]
            if known is not None:
                self._bytes -= len(known[1])
            if status.st_size > FILE_BYTES_MAX:
                raise AudioError(f"{path}: longer than {FILE_BYTES_MAX} bytes")
            with open(path, "rb") as file:
                samples = file.read(FILE_BYTES_MAX)
        except (OSError, ValueError) as error:
            raise AudioError(f"{path}: {error}") from None
        self._files[path] = stamp, samples
        self._bytes += len(samples)
        while self._bytes > self._bytes_max and len(self._files) > 1:
            _, dropped = self._files.pop(next(iter(self._files)))
            self._bytes -= len(dropped)
        return samples
