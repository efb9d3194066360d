"""The floor's rules as files beside the log, named by their digest.

The log says from where on which rules held (``FloorRulesAdopted``); replays and explanations
read them here. The file is on disk before the fact is written.
"""

from __future__ import annotations

import logging
import os
from hashlib import blake2b
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from engine.journal_file import sync_folder
from queues.rules import FloorRules

log = logging.getLogger(__name__)

RULES_MAX = 100  # files; the oldest leave


def encode(rules: FloorRules) -> bytes:
    """JSON, the same for equal rules however they were written down."""
    return msgspec.json.encode(rules, enc_hook=_plain, order="sorted")


def decode(text: bytes) -> FloorRules:
    """The rules of ``encode``. Raises msgspec.MsgspecError, ValueError for a zone not known."""
    return msgspec.json.decode(text, type=FloorRules, dec_hook=_rich)


def digest_of(text: bytes) -> str:
    return blake2b(text, digest_size=16).hexdigest()


class RulesKept:
    """``<folder>/rules-<digest>.json``. Rules that were read or saved last stay in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last: tuple[str, FloorRules] | None = None

    def save(self, rules: FloorRules) -> str:
        """Their digest, once the file is on disk. OSError where the disk does not take it."""
        text = encode(rules)
        digest = digest_of(text)
        path = self._path(digest)
        if path.exists():
            path.touch()  # as young as the fact that will name it
        else:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, text, sync=True)
        self._last = (digest, rules)
        return digest

    def load(self, digest: str) -> FloorRules | None:
        """None where the file left, or does not hold what its name says."""
        if self._last is not None and self._last[0] == digest:
            return self._last[1]
        try:
            text = self._path(digest).read_bytes()
            if digest_of(text) != digest:
                raise ValueError("the content is not what the name says")
            rules = decode(text)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("rules %s cannot be read: %s", digest, error)
            return None
        self._last = (digest, rules)
        return rules

    def trim(self, wanted: frozenset[str], since: float) -> None:
        """Remove rules not ``wanted`` and not adopted after ``since`` (unix seconds), and all
        but the newest ``RULES_MAX``."""
        ages = [(path.stat().st_mtime, path) for path in self._folder.glob("rules-*.json")]
        for at, (adopted, path) in enumerate(sorted(ages, reverse=True)):
            old = adopted < since and path.stem.removeprefix("rules-") not in wanted
            if at >= RULES_MAX or (at > 0 and old):
                path.unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self._folder / f"rules-{digest}.json"


def write_whole(path: Path, content: bytes, *, sync: bool) -> None:
    """The file is there with all of its content, or as before; with ``sync`` also after a
    power cut."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)
    if sync:
        sync_folder(path.parent)


def _plain(value: Any) -> Any:
    if isinstance(value, ZoneInfo):
        return value.key
    raise NotImplementedError(f"{type(value).__name__} in the floor's rules")


def _rich(kind: type, value: Any) -> Any:
    if kind is ZoneInfo:
        return ZoneInfo(value)
    raise NotImplementedError(f"{kind.__name__} in the floor's rules")
