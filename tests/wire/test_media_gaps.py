"""The engine dies and another takes its place: what callers hear and what is recorded of it."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from router.media.protocol import Bridge, Command, ListSessions, Play, Record, Sessions, StopRecord
from router.media.recording import Packet, read_recording
from tests.router.media.stage import continuous
from tests.wire.media_peers import Engine, Pacing, Peer, breaks, gaps_ms, worker

pytestmark = pytest.mark.wire

PLAYING, CALLS = 100, 20
GAP_MS_P99 = 60.0
MISSING_PACKETS = 2  # 40 ms


async def _story(folder: Path, path: str) -> tuple[list[Peer], list[Peer], list[str], Pacing]:
    prompt, music = folder / "prompt", folder / "music"
    prompt.write_bytes(b"p" * 12_000)  # 1.5 s: it ends while no engine is there
    music.write_bytes(b"m" * 4_000)
    listening = [Peer(number) for number in range(1, PLAYING + 1)]
    talking = [Peer(1000 + number) for number in range(2 * CALLS)]
    engine = await Engine().connect(path, 1)
    for number, peer in enumerate(listening):
        await engine.admit(f"p{number}", peer)
    for number, peer in enumerate(talking):
        await engine.admit(f"t{number}", peer)
    pacing = Pacing(talking, listening + talking)
    last: list[Command] = [
        Play(f"p{number}", "x", (str(prompt),), (str(music),)) for number in range(PLAYING)
    ]
    for number in range(CALLS):
        pair = f"t{2 * number}", f"t{2 * number + 1}"
        last += [
            Bridge(*pair, (str(music),)),
            Record(f"r{number}", str(folder / f"r{number}"), *pair),
        ]
    await engine.done(*last)
    await asyncio.sleep(1.0)
    engine.die()
    await asyncio.sleep(1.0)
    following = await Engine().connect(path, 2)
    sessions = await following.client.ask(ListSessions())
    assert isinstance(sessions, Sessions)
    assert len(sessions.sessions) == PLAYING + 2 * CALLS
    await following.done(*last)
    await asyncio.sleep(1.0)
    await following.done(*(StopRecord(f"r{number}") for number in range(CALLS)))
    await pacing.end()
    for _ in range(100):
        if len(following.segments()) == CALLS:
            break
        await asyncio.sleep(0.02)
    paths = [segment.path for segment in following.segments()]
    assert not any(segment.error for segment in following.segments())
    ended = [report for report in following.reports.values() if not hasattr(report, "path")]
    assert len(ended) == PLAYING, "each end of a prompt is told once"
    following.client.close()
    return listening, talking, paths, pacing


async def test_an_engines_death_is_not_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with worker(tmp_path, PLAYING + 2 * CALLS) as made, contextlib.ExitStack() as stack:
        listening, talking, paths, pacing = await _story(tmp_path, made.path)
        for peer in (*listening, *talking):
            stack.callback(peer.socket.close)
    gaps = []
    for peer in (*listening, *talking):
        assert continuous([heard.packet for heard in peer.heard]), (peer.ssrc, breaks(peer.heard))
        marked = [at for at, heard in enumerate(peer.heard) if heard.packet.marker]
        assert marked == [0], (peer.ssrc, len(peer.heard))
        gaps += gaps_ms(peer.heard)
    for peer in listening:
        said = b"".join(heard.packet.payload for heard in peer.heard)
        assert said == b"p" * 12_000 + b"m" * (len(said) - 12_000)
    missing = 0
    assert len(paths) == CALLS
    for path in paths:
        with read_recording(path) as reading:
            numbers: list[list[int]] = [[], []]
            for record in reading:
                if isinstance(record, Packet):
                    numbers[record.side].append(record.sequence)
        for side in numbers:
            missing = max(missing, side[-1] - side[0] + 1 - len(side))
    played = max(gap for peer in listening for gap in gaps_ms(peer.heard))
    gaps.sort()
    p99 = gaps[len(gaps) * 99 // 100]
    with capsys.disabled():
        print(
            f"\nengine's death: {len(gaps)} gaps, largest {gaps[-1]:.1f} ms"
            f" (where music plays {played:.1f} ms, the talkers' own {pacing.late_ms:.1f} ms),"
            f" p99 {p99:.1f} ms, packets missing from a recording at most {missing}"
        )
    assert p99 < GAP_MS_P99
    assert missing <= MISSING_PACKETS
