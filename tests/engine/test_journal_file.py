"""Recovery: whatever happened to the last bytes, what stands before them survives."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.journal import Entry, Journal, JournalError
from engine.journal_file import (
    CLOSES,
    HEADER_BYTES,
    MAGIC,
    Header,
    path_of,
    record,
    recover,
    segments,
)
from tests.engine.journal_fakes import Spoken, registry


def spoken(count: int) -> list[Spoken]:
    return [Spoken(f"word {n}", n) for n in range(count)]


def written(folder: Path, events: list[Spoken], start: float = 100.0) -> list[Entry]:
    """Append the events in one start of the journal and close it."""

    async def write() -> list[Entry]:
        journal = Journal.open(folder, registry(), sync=False)
        entries = []
        for n, event in enumerate(events):  # each a group of its own
            entries.append(journal.append("c", event, start + n))
            await journal.flush()
        await journal.close()
        return entries

    return asyncio.run(write())


def everything(folder: Path) -> list[Entry]:
    """What a start finds (before it writes anything)."""
    journal = Journal.open(folder, registry(), sync=False)
    journal._durable_seq = journal.last_seq
    try:
        return list(journal.read())
    finally:
        journal.abandon()


def test_an_empty_folder_begins_at_one(tmp_path: Path) -> None:
    entries = written(tmp_path, spoken(3))
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert everything(tmp_path) == entries


def test_starts_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    entries = [entry for n in range(4) for entry in written(tmp_path, spoken(3), 100.0 * n)]
    assert [entry.seq for entry in entries] == list(range(1, 13))
    assert everything(tmp_path) == entries
    found = recover(tmp_path, registry())
    assert (found.last_seq, found.last_at, found.generation) == (12, 302.0, 4)
    assert segments(tmp_path) == [1, 4, 7, 10]


def test_cut_at_every_byte_the_whole_records_survive(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    entries = written(tmp_path / "whole", spoken(4))
    whole = path_of(tmp_path / "whole", 1).read_bytes()
    ends = [HEADER_BYTES]
    while ends[-1] < len(whole):
        ends.append(
            ends[-1] + 8 + (int.from_bytes(whole[ends[-1] : ends[-1] + 4], "big") & ~CLOSES)
        )
    for size in range(len(whole) + 1):
        caplog.clear()
        folder = tmp_path / str(size)
        folder.mkdir()
        path_of(folder, 1).write_bytes(whole[:size])
        left = sum(end <= size for end in ends[1:])
        assert everything(folder) == entries[:left], size
        assert bool(caplog.records) == (size not in ends)
        again = written(folder, spoken(2))
        assert everything(folder) == entries[:left] + again, size
        shutil.rmtree(folder)


def test_any_corrupt_byte_leaves_the_records_before_it(tmp_path: Path) -> None:
    entries = written(tmp_path / "whole", spoken(4))
    whole = path_of(tmp_path / "whole", 1).read_bytes()
    for at in range(len(whole)):
        folder = tmp_path / str(at)
        folder.mkdir()
        path_of(folder, 1).write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        found = everything(folder)
        before = [entry for entry in entries if _end(whole, entry.seq) <= at]
        assert found[: len(before)] == before, at
        assert [entry for entry in entries if entry in found] == found, at
        again = written(folder, spoken(2))
        assert everything(folder) == found + again, at
        shutil.rmtree(folder)


def _end(data: bytes, records: int) -> int:
    end = HEADER_BYTES
    for _ in range(records):
        end += 8 + (int.from_bytes(data[end : end + 4], "big") & ~CLOSES)
    return end


def test_one_rotten_record_between_sound_ones_costs_only_itself(tmp_path: Path) -> None:
    entries = written(tmp_path, spoken(5))
    path = path_of(tmp_path, 1)
    data = bytearray(path.read_bytes())
    data[_end(bytes(data), 2) + 20] ^= 1
    path.write_bytes(data)
    entries += written(tmp_path, spoken(2))
    assert [entry.seq for entry in everything(tmp_path)] == [1, 2, 4, 5, 6, 7]


def test_a_damaged_old_segment_does_not_hide_the_next(tmp_path: Path) -> None:
    first, second = written(tmp_path, spoken(3)), written(tmp_path, spoken(3))
    path_of(tmp_path, 1).write_bytes(b"gone")
    assert everything(tmp_path) == second
    assert first[-1].seq + 1 == second[0].seq


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tail=st.binary(max_size=200))
def test_whatever_stands_behind_the_end_is_cut(tmp_path: Path, tail: bytes) -> None:
    shutil.rmtree(tmp_path)
    entries = written(tmp_path, spoken(2))
    with path_of(tmp_path, 1).open("ab") as file:
        file.write(tail)
    assert everything(tmp_path) == entries
    entries += written(tmp_path, spoken(1))
    assert everything(tmp_path) == entries


def test_a_segment_without_a_sound_record_is_kept_aside(tmp_path: Path) -> None:
    path_of(tmp_path, 1).write_bytes(Header(3, 1, 0, 0.0).pack() + b"torn")
    entries = written(tmp_path, spoken(1))
    assert everything(tmp_path) == entries
    assert path_of(tmp_path, 1).with_suffix(".cut").read_bytes().endswith(b"torn")
    assert recover(tmp_path, registry()).generation == 4


def test_the_time_of_the_last_entry_survives_an_empty_segment(tmp_path: Path) -> None:
    path_of(tmp_path, 8).write_bytes(Header(3, 8, 0, 1234.5).pack())
    found = recover(tmp_path, registry())
    assert (found.last_seq, found.last_at) == (7, 1234.5)


def test_a_newer_format_is_refused_in_words(tmp_path: Path) -> None:
    good = Header(1, 1, 0, 0.0)
    head = bytearray(good.pack())
    head[len(MAGIC) + 1] = 9
    from zlib import crc32

    head[-4:] = crc32(head[:-4]).to_bytes(4, "big")
    path_of(tmp_path, 1).write_bytes(head)
    with pytest.raises(JournalError, match="format 9"):
        Journal.open(tmp_path, registry())


def test_two_engines_do_not_share_a_journal(tmp_path: Path) -> None:
    first = Journal.open(tmp_path, registry(), sync=False)
    with pytest.raises(JournalError, match="another engine"):
        Journal.open(tmp_path, registry(), sync=False)
    first.abandon()
    Journal.open(tmp_path, registry(), sync=False).abandon()


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    written(tmp_path / "journal", spoken(1))
    assert (tmp_path / "journal").stat().st_mode & 0o077 == 0
    assert path_of(tmp_path / "journal", 1).stat().st_mode & 0o077 == 0


def test_what_was_appended_together_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    async def write() -> list[int]:
        journal = Journal.open(tmp_path, registry(), sync=False)
        sizes = []
        for group in range(4):
            for event in spoken(group + 1):
                journal.append("c", event, 1.0)
            await journal.flush()
            sizes.append(path_of(tmp_path, 1).stat().st_size)
        await journal.close()
        return sizes

    sizes = asyncio.run(write())
    whole = path_of(tmp_path, 1).read_bytes()
    assert len(everything(tmp_path)) == 10
    for size in range(HEADER_BYTES, len(whole)):
        folder = tmp_path / f"cut-{size}"
        folder.mkdir()
        path_of(folder, 1).write_bytes(whole[:size])
        groups = sum(end <= size for end in sizes)
        kept = sum(range(1, groups + 1))
        assert recover(folder, registry()).last_seq == kept
        assert len(everything(folder)) == kept


def test_a_log_of_the_version_before_is_read_record_by_record(tmp_path: Path) -> None:
    body = registry().encode(1, 5.0, "c", Spoken("old", 1))
    header = Header(3, 1, 0, 0.0)
    packed = header.pack()
    head = packed[:8] + (1).to_bytes(2, "big") + packed[10 : HEADER_BYTES - 4]
    data = head + crc32(head).to_bytes(4, "big") + record(body, closes=False)
    path_of(tmp_path, 1).write_bytes(data)
    (entry,) = everything(tmp_path)
    assert (entry.seq, entry.event) == (1, Spoken("old", 1))
    assert recover(tmp_path, registry()).generation == 3
