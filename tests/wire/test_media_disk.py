"""A recording's disk is full: its call goes on, and the segment says what is missing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from pathlib import Path

import pytest

from router.media.protocol import Bridge, Record, StopRecord
from router.media.recording import read_recording
from tests.router.media.stage import continuous
from tests.wire.media_peers import Engine, Pacing, Peer, worker

pytestmark = pytest.mark.wire

FILE_BYTES_MAX = 20_000  # half a second of two sides


async def test_at_the_limit_of_a_file_the_call_goes_on(tmp_path: Path) -> None:
    peers = [Peer(1), Peer(2)]
    with contextlib.ExitStack() as stack:
        for peer in peers:
            stack.callback(peer.socket.close)
        made = stack.enter_context(worker(tmp_path, 50))
        engine = await Engine().connect(made.path, 1)
        resource.prlimit(made.process.pid, resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))
        for session, peer in zip(("a", "b"), peers, strict=True):
            await engine.admit(session, peer)
        path = str(tmp_path / "r")
        await engine.done(Bridge("a", "b"), Record("r", path, "a", "b"))
        pacing = Pacing(peers, peers)
        await asyncio.sleep(1.5)
        await engine.done(StopRecord("r"))
        await asyncio.sleep(0.3)
        await pacing.end()
        (segment,) = engine.segments()
        engine.client.close()
    assert segment.error == os.strerror(27), "EFBIG"
    with read_recording(path) as reading:
        assert 80 < len(list(reading)) < 120
    for peer in peers:
        assert continuous([heard.packet for heard in peer.heard])
        assert len(peer.heard) >= pacing.ticks - 10
