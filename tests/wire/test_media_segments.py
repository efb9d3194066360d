"""kill -9 of a worker: same ports, a new source, and a recording whose gap is as long as it was."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from recordings.finish import finish
from recordings.measure import read_wav
from router.media.g711 import ULAW_DECODED
from router.media.protocol import Bridge, Record, StopRecord
from router.media.recording import read_recording
from tests.router.media.stage import continuous
from tests.wire.media_peers import FRAME_S, Engine, Heard, Pacing, Peer, Worker, gaps_ms, worker

pytestmark = pytest.mark.wire

RATE = 8000
FRAME = 160
APART_MS = 20.0
AWAY_S_MAX = 2.0
SESSIONS = ("caller", "agent")


async def _join(engine: Engine, peers: list[Peer], path: Path) -> None:
    for session, peer in zip(SESSIONS, peers, strict=True):
        await engine.admit(session, peer)
    await engine.done(Bridge(*SESSIONS), Record("r", str(path), *SESSIONS))


async def _story(folder: Path, made: Worker, peers: list[Peer]) -> tuple[Pacing, float, float]:
    """Two talk for 2 s, the worker dies, they talk for 2 s more."""
    await _join(await Engine().connect(made.path, 1), peers, folder / "r")
    pacing = Pacing(peers, peers)
    await asyncio.sleep(2.0)
    killed = time.time()
    made.kill(signal.SIGKILL)
    made.start()
    engine = await Engine().connect(made.path, 1)
    await _join(engine, peers, folder / "r.part2")
    back = time.time()
    await asyncio.sleep(2.0)
    await engine.done(StopRecord("r"))
    await pacing.end()
    engine.client.close()
    return pacing, killed, back


def _off_ms(samples: list[int], pacing: Pacing, origin: float) -> list[tuple[float, float]]:
    """Each frame of the channel: when it was sent, and how far from there it stands."""
    code_of = {ULAW_DECODED[code]: code for code in range(1, 101)}
    found = []
    at = 0
    while at < len(samples):
        code = code_of.get(samples[at])
        if code is None:
            at += 1
            continue
        end = at
        while end < len(samples) and samples[end] == samples[at]:
            end += 1
        stands = origin + (end - FRAME) / RATE  # a first frame may be cut at its head
        tick = round((stands - pacing.began) / FRAME_S)
        near = range(max(0, tick - 50), tick + 50)
        sent = next(number for number in near if pacing.code(number) == code)
        due = pacing.began + sent * FRAME_S
        found.append((due, (stands - due) * 1000))
        at = end
    return found


def _fresh(heard: list[Heard]) -> int:
    """Where the second worker's packets begin."""
    first = heard[0].packet.ssrc
    return next(at for at, item in enumerate(heard) if item.packet.ssrc != first)


async def test_a_recording_joins_over_a_workers_death(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peers = [Peer(1), Peer(2)]
    with worker(tmp_path, 50) as made:
        pacing, killed, back = await _story(tmp_path, made, peers)
    for peer in peers:
        peer.socket.close()
        cut = _fresh(peer.heard)
        for part in (peer.heard[:cut], peer.heard[cut:]):
            assert continuous([item.packet for item in part])
            assert [item.packet.marker for item in part[:3]] == [True, False, False]
    away = max(max(gaps_ms(peer.heard)) for peer in peers)
    finished = finish([str(tmp_path / "r"), str(tmp_path / "r.part2")], str(tmp_path / "r.wav"))
    assert finished.warning == "a part was cut short"
    wav = read_wav(tmp_path / "r.wav")
    origin = _origin(tmp_path / "r")
    offs = []
    for channel in wav.channels:
        frames = _off_ms(list(channel), pacing, origin)
        offs += [off for _, off in frames]
        last = max(due for due, _ in frames if due < killed)
        first = min(due for due, _ in frames if due > killed)
        assert killed - last < 0.25, "100 ms wait to be written"
        assert first - back < 0.2
        silent = slice(round((last + FRAME_S - origin) * RATE), round((first - origin) * RATE))
        inner = list(channel)[silent][FRAME:-FRAME]
        assert set(inner) <= {0}
    worst = max(offs, key=abs)
    with capsys.disabled():
        print(
            f"\nworker's death: callers hear nothing for {away:.0f} ms; of {len(offs)} frames in"
            f" the WAV the one farthest from its place on the wire is off by {worst:.1f} ms"
        )
    assert away < AWAY_S_MAX * 1000
    assert abs(worst) <= APART_MS


def _origin(path: Path) -> float:
    with read_recording(path) as reading:
        return reading.header.started
