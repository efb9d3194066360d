"""Pictures of the floor beside the log, so that a replay may begin in the middle of it.

``<journal>/floor/<seq, 20 digits>-<digest of the rules in force>.picture``: CRC32, then msgpack
of the program's version and the floor as it was when entry ``seq`` was the last one appended. One
at each start, one every ``EVERY`` entries.
"""

from __future__ import annotations

import logging
import struct
from pathlib import Path
from zlib import crc32

import msgspec

from engine.journal_file import segments
from engine.rules_kept import RulesKept, write_whole
from queues.rules import FloorRules
from queues.why.picture import Picture

log = logging.getLogger(__name__)

EVERY = 20_000  # entries from one picture to the next
PICTURES_MAX = 256  # the oldest leave: decisions before the first one are counted, not checked
_CRC = struct.Struct(">I")


class Taken(msgspec.Struct, frozen=True):
    """What a file holds."""

    version: str
    floor: Picture


class Pictures:
    """The pictures and rules of one journal. Only the engine writes; anybody may read."""

    def __init__(self, journal: Path, version: str) -> None:
        self.kept = RulesKept(journal / "floor")
        self.journal = journal
        self._folder = journal / "floor"
        self._version = version
        self._digest = ""
        self._last = 0

    def adopt(self, rules: FloorRules) -> str:
        """The rules that hold from now on are on disk: the digest for the fact. "" where the
        disk did not take them, which costs explanations and nothing else."""
        try:
            self._digest = self.kept.save(rules)
        except OSError as error:
            log.error("the floor's rules could not be kept: %s", error)
            self._digest = ""
        return self._digest

    def is_due(self, seq: int) -> bool:
        return seq - self._last >= EVERY

    def save(self, seq: int, floor: Picture) -> None:
        """``floor`` as it was when ``seq`` was the last entry appended."""
        self._last = seq
        if not self._digest:
            return
        body = msgspec.msgpack.encode(Taken(self._version, floor))
        path = self._folder / f"{seq:020d}-{self._digest}.picture"
        try:
            write_whole(path, _CRC.pack(crc32(body)) + body, sync=False)
            self._trim()
        except OSError as error:
            log.error("a picture of the floor could not be kept: %s", error)

    def cut(self, last_seq: int) -> None:
        """At a start: pictures of entries that never reached the disk are of no life that was."""
        for seq, path in self._all().items():
            if seq > last_seq:
                path.unlink(missing_ok=True)

    def seqs(self) -> list[int]:
        """After which entries there are pictures, rising."""
        return list(self._all())

    def load(self, seq: int) -> tuple[Picture, FloorRules] | None:
        """The picture after this entry with its rules; None where there is none, it is damaged,
        or another version of the program took it: that one may have decided otherwise."""
        path = self._all().get(seq)
        if path is None:
            return None
        try:
            data = path.read_bytes()
            if len(data) < _CRC.size or crc32(data[_CRC.size :]) != _CRC.unpack_from(data)[0]:
                raise ValueError("its checksum is wrong")
            taken = msgspec.msgpack.decode(data[_CRC.size :], type=Taken)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            log.warning("picture %d of the floor cannot be read: %s", seq, error)
            return None
        if taken.version != self._version:
            return None
        rules = self.kept.load(_digest_in(path))
        return (taken.floor, rules) if rules is not None else None

    def _all(self) -> dict[int, Path]:
        found = [path for path in self._folder.glob("*-*.picture") if path.stem[:20].isdigit()]
        return {int(path.stem[:20]): path for path in sorted(found)}

    def _trim(self) -> None:
        """Remove what lies before the log, and the oldest of too many."""
        first = min(segments(self.journal), default=1)
        every = self._all()
        keep = [path for seq, path in every.items() if seq + 1 >= first][-PICTURES_MAX:]
        for path in set(every.values()) - set(keep):
            path.unlink(missing_ok=True)
        wanted = frozenset({_digest_in(keep[0]), self._digest})
        self.kept.trim(wanted, keep[0].stat().st_mtime)


def _digest_in(path: Path) -> str:
    return path.stem[21:]
