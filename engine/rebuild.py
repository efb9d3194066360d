"""A media worker died: its sessions are made again in the one that took its place."""

from __future__ import annotations

import logging

from engine.leg_io import LegIo
from engine.legs import Legs
from engine.taping import Taping
from engine.turns import Turns
from router import inputs as on
from router.media import protocol as media
from router.media.client import WorkerClient

log = logging.getLogger(__name__)


class Rebuild:
    """Same session, same port, same far end, same sound; the caller hears a short gap."""

    def __init__(self, turns: Turns, legs: Legs, taping: Taping, timeout_s: float) -> None:
        self._turns = turns
        self._legs = legs
        self._taping = taping
        self._timeout_s = timeout_s

    def back(self, name: str, client: WorkerClient, there: set[str], closed: set[str]) -> None:
        """``there``: the sessions that the worker has (all of them, if it only reconnected).
        ``closed``: those that it was told to close."""
        mine = [io for io in self._legs.by_id.values() if io.worker.name == name]
        for io in mine:
            io.worker = client
            io.media_over = io.id in closed
        lost = [io for io in mine if io.port and io.id not in there | closed]
        if lost:
            self._make(name, client, lost)
        for io in mine:  # behind them, for a port of theirs may be free now
            io.ask_again()

    def _make(self, name: str, client: WorkerClient, lost: list[LegIo]) -> None:
        log.warning("media worker %s: %d sessions are made again", name, len(lost))
        for io in lost:
            self._legs.ask(
                io,
                media.Open(io.id, io.ipv6, io.port, self._timeout_s),
                lambda answer, io=io: self._opened(client, io, answer),  # type: ignore[misc]
            )
            if io.far_end is not None:
                client.send(io.far_end)
        ears = dict.fromkeys(io.ear for io in lost if io.ear is not None)
        for ear in sorted(ears, key=lambda ear: isinstance(ear, media.Play)):
            client.send(ear)  # who hears something else than the bridge hears it after it
        self._turns.together(lambda: self._taping.go_on({io.id for io in lost}))

    def _opened(self, client: WorkerClient, io: LegIo, answer: media.Answer) -> None:
        """Somebody else has the port now: this leg cannot be saved. Where the worker died once
        more, the next one is asked."""
        if not isinstance(answer, media.Opened) and client.connected:
            self._turns.feed(io.call, on.LegGone(io.id, "lost", "media worker died"))
