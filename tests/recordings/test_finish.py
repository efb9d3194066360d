"""The WAV on disk: whole or not at all, joined from its parts, with its sum."""

from __future__ import annotations

import fcntl
import hashlib
import resource
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recordings.finish import Finished, UnfinishableError, finish, wav_header
from recordings.measure import read_wav
from recordings.timeline import Timeline
from router.media import recording as log
from router.media.g711 import ALAW_DECODED, ULAW_DECODED
from tests.recordings.speakers import Beeps, speak, write_log
from tests.recordings.test_alignment import beginnings


def test_size_sum_and_duration(tmp_path: Path) -> None:
    target = tmp_path / "made" / "deep.wav"
    path = write_log(tmp_path / "a", speak(Beeps(), 0, 3), end=3.25)
    done = finish([path], str(target))
    data = target.read_bytes()
    assert done == Finished(hashlib.sha256(data).hexdigest(), 3.25, len(data), "")
    assert read_wav(target).duration_s == 3.25
    assert [p.name for p in target.parent.iterdir()] == ["deep.wav"]
    assert target.stat().st_mode & 0o077 == 0


def test_the_process_of_a_killed_engine_ends_its_job_first(tmp_path: Path) -> None:
    """Two engines' finishing processes have the same job: neither spoils the other's file."""
    target = tmp_path / "out.wav"
    path = write_log(tmp_path / "a", speak(Beeps(), 0, 3), end=3.25)
    part = Path(f"{target}.part")
    with part.open("wb") as theirs, ThreadPoolExecutor(1) as pool:
        fcntl.flock(theirs, fcntl.LOCK_EX)
        ours = pool.submit(finish, [path], str(target))
        for _ in range(100):
            theirs.write(b"x" * 1000)
        theirs.flush()
        assert not ours.done()
        part.rename(target)
        theirs.close()
        done = ours.result(10)
    assert done.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert read_wav(target).duration_s == 3.25
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "out.wav"]


def test_parts_join_with_silence_between(tmp_path: Path) -> None:
    """A worker died at 5 s; another went on at 7.25 s."""
    first = write_log(tmp_path / "a", speak(Beeps(), 0, 5))
    second = write_log(tmp_path / "b", speak(Beeps(), 0, 5), started=1_000_007.25, end=5.5)
    target = tmp_path / "out.wav"
    done = finish([first, second], str(target))
    assert done.duration_s == 12.75
    assert done.warning == "a part was cut short"
    found = beginnings(read_wav(target).channels[0])
    wanted = [s + 0.35 for s in range(5)] + [7.25 + s + 0.35 for s in range(5)]
    assert found == pytest.approx(wanted, abs=0.002)


def test_part_that_starts_before_the_first_is_laid_at_the_start(tmp_path: Path) -> None:
    first = write_log(tmp_path / "a", speak(Beeps(), 0, 2), end=2.0)
    second = write_log(tmp_path / "b", speak(Beeps(), 0, 2), started=999_999.0, end=2.0)
    assert finish([first, second], str(tmp_path / "out.wav")).duration_s >= 2.0


def test_nothing_was_said(tmp_path: Path) -> None:
    target = tmp_path / "out.wav"
    done = finish([write_log(tmp_path / "a", [], end=0.25)], str(target))
    assert done.duration_s == 0.25
    assert not any(read_wav(target).channels[0])


def test_cut_file_counts_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_log(path, speak(Beeps(), 0, 4), end=4.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = finish([str(path)], str(tmp_path / "out.wav"))
    assert 1.9 < done.duration_s < 2.2
    assert done.warning == "a part was cut short"


def test_damaged_file_counts_up_to_the_damage(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_log(path, speak(Beeps(), 0, 4), end=4.0)
    data = bytearray(path.read_bytes())
    record = log.PREFIX.size + log.RTP.size + 160
    header = len(data) - log.PREFIX.size - 200 * record
    data[header + 100 * record] = 77
    path.write_bytes(data)
    done = finish([str(path)], str(tmp_path / "out.wav"))
    assert 1.9 < done.duration_s < 2.2
    assert "damaged" in done.warning


@pytest.mark.parametrize("paths", [[], ["missing"], ["foreign"]])
def test_nothing_to_finish(tmp_path: Path, paths: list[str]) -> None:
    (tmp_path / "foreign").write_bytes(b"RIFF....")
    target = tmp_path / "out.wav"
    with pytest.raises(UnfinishableError):
        finish([str(tmp_path / path) for path in paths], str(target))
    assert [p.name for p in tmp_path.iterdir()] == ["foreign"]


def test_header_is_a_wav_of_two_sides() -> None:
    header = wav_header(10)
    assert len(header) == 44
    assert struct.unpack_from("<HHIIHH", header, 20) == (1, 2, 8000, 32_000, 4, 16)
    assert header[40:] == (40).to_bytes(4, "little")


@pytest.mark.parametrize(("codec", "decoded"), [(0, ULAW_DECODED), (8, ALAW_DECODED)])
def test_every_code_is_decoded(codec: int, decoded: tuple[int, ...]) -> None:
    timeline = Timeline()
    timeline.put(1, 2, codec, bytes(range(256)))
    samples = struct.unpack("<516h", b"".join(timeline.give(258)))
    assert samples[:4] == (0, 0, 0, 0)
    assert samples[5::2] == decoded
    assert not any(samples[0::2])


def test_what_comes_too_late_is_clipped_and_counted() -> None:
    timeline = Timeline()
    assert len(b"".join(timeline.give(100))) == 400
    timeline.put(0, 40, 0, b"\x00" * 100)
    timeline.put(0, 0, 0, b"\x00" * 50)
    assert timeline.clipped == 110
    assert len(b"".join(timeline.give(140))) == 160


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    packets=st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 3_000_000),
            st.integers(0, 0xFFFF),
            st.integers(0, 0xFFFFFFFF),
            st.integers(0, 12),
            st.sampled_from((0, 8, 13, 96)),
            st.integers(0, 400),
        ),
        max_size=120,
    )
)
def test_no_packets_can_break_it(tmp_path: Path, packets: list[tuple[int, ...]]) -> None:
    """Anything from the wire, in any order: a WAV of the recording's time comes out."""
    path, now = tmp_path / "a", 0
    with path.open("wb") as file:
        file.write(log.encode_header(log.RecordingHeader("r", 5.0, "l", "r")))
        for side, pause, sequence, stamp, ssrc, codec, size in packets:
            now += pause
            header = log.RTP.pack(0x80, codec, sequence, stamp, ssrc)
            file.write(log.encode_packet(side, now, header + bytes(size)))
        file.write(log.encode_mark(log.END, now))
    done = finish([str(path)], str(tmp_path / "out.wav"))
    assert now / 1e6 - 0.001 <= done.duration_s <= now / 1e6 + 1.0


def test_long_silence_takes_no_memory(tmp_path: Path) -> None:
    """Twenty hours of hold between two words: 2.3 GB of silence would not fit otherwise."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    talk = speak(Beeps(), 0, 1) + speak(Beeps(), 1800, 1801, ssrc=5)
    done = finish([write_log(tmp_path / "a", talk)], str(tmp_path / "out.wav"))
    assert done.duration_s > 1800
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
