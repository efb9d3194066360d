"""Who has the ear of each leg: what we play to it, or its bridge.

Commands come again when a new engine takes over (it performs once more what the dead one may
have left undone), so a play is known by its id: one that runs goes on, one that ended or gave
way to another never begins again, one that a bridge interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from router.media.audio import AudioCache
from router.media.leg import Leg
from router.media.playout import STEPS_PER_FRAME, Playlist
from router.media.protocol import (
    Answer,
    Bridge,
    Digit,
    Done,
    Play,
    PlayEnded,
    Refused,
    Report,
    Unbridge,
)
from router.media.upkeep import Clock

PLAYS_KEPT = 32  # ids of past plays a leg remembers; a turn of the engine has a few
TOGETHER = 64  # players at one step, about half a millisecond of work


class Aside(NamedTuple):
    """A play that a bridge took the ear from."""

    play: str
    playlist: Playlist
    told_end: bool
    stop_on_digit: bool


class Ears:
    """Performs Play, Bridge and Unbridge on the legs of a worker."""

    def __init__(self, legs: dict[str, Leg], clock: Clock, emit: Callable[[Report], None]) -> None:
        self.legs = legs
        self.clock = clock
        self.emit = emit
        self.audio = AudioCache()
        self.alone = False
        self.players: list[dict[Leg, None]] = [{} for _ in range(STEPS_PER_FRAME)]

    # --- commands -----------------------------------------------------------------------------

    def play(self, command: Play) -> Answer:
        leg = self.legs.get(command.session)
        if leg is None:
            return Refused(f"unknown session {command.session}")
        if command.play == leg.play or command.play in leg.past_plays:
            return Done()
        aside = leg.aside
        if aside is not None and aside.play == command.play:
            playlist, told_end, stop_on_digit = aside[1:]
        else:
            files, then = self._load(command.files), self._load(command.then)
            playlist = Playlist(files, then, self._load(command.alone))
            told_end, stop_on_digit = False, command.stop_on_digit
            if aside is not None:
                _remember(leg, aside.play)
        _remember(leg, leg.play)
        leg.aside = None
        leg.play = command.play
        leg.stop_on_digit = stop_on_digit
        leg.told_end = told_end
        self._set(leg, playlist)
        return Done()

    def bridge(self, command: Bridge) -> Answer:
        left, right = self.legs.get(command.left), self.legs.get(command.right)
        if left is None or right is None:
            return Refused(f"unknown session {command.right if left else command.left}")
        if left is right:
            return Refused("a session has no bridge to itself")
        then = self._load(command.then)
        fresh = left.peer is not right
        if fresh:
            self.part(left, left.bridge_then)
            self.part(right, right.bridge_then)
            left.peer, right.peer = right, left
        for leg in (left, right):
            leg.bridge_then = then
            if fresh or not leg.stands_in:
                self._put_aside(leg)
                self._hand_to_bridge(leg)
        return Done()

    def unbridge(self, command: Unbridge) -> Answer:
        leg = self.legs.get(command.session)
        if leg is None or leg.peer is None:
            return Done()
        then = self._load(command.then)
        self.part(leg, then)
        self._fall_back(leg, then)
        return Done()

    def _load(self, files: tuple[str, ...]) -> tuple[bytes, ...]:
        return tuple(self.audio.load(path) for path in files)

    # --- what happens -------------------------------------------------------------------------

    def play_ended(self, leg: Leg, by_digit: bool) -> None:
        leg.told_end = True
        self.emit(PlayEnded(leg.session, leg.play, by_digit, self.clock.unix()))
        if leg.peer is not None and leg.playlist is not None and not leg.playlist.loops:
            self._hand_to_bridge(leg)

    def pressed(self, leg: Leg, key: str) -> None:
        self.emit(Digit(leg.session, key, self.clock.unix()))
        if leg.stop_on_digit and leg.playlist is not None and not leg.told_end:
            leg.playlist.skip()
            self.play_ended(leg, True)

    def fell_silent(self, leg: Leg) -> None:
        """Nothing comes from this leg any more: who is bridged to it hears music instead."""
        if leg.peer is not None and leg.peer.playlist is None:
            self._hand_to_bridge(leg.peer)

    def media_returned(self, leg: Leg) -> None:
        if leg.peer is not None and leg.peer.stands_in:
            self._set(leg.peer, None)

    def keep_company(self, alone: bool) -> None:
        """No engine has been there for a while, or one is there again."""
        self.alone = alone
        for leg in self.legs.values():
            aside = leg.aside.playlist if leg.aside is not None else None
            for playlist in (leg.playlist, aside):
                if playlist is not None:
                    playlist.keep_company(alone)

    def part(self, leg: Leg, then: tuple[bytes, ...]) -> None:
        """End the bridge of a leg; the other one hears ``then``."""
        peer = leg.peer
        if peer is None:
            return
        leg.inbound.release()
        peer.inbound.release()
        leg.peer = peer.peer = None
        leg.bridge_then = peer.bridge_then = ()
        self._fall_back(peer, then)

    def leave(self, leg: Leg) -> None:
        """A leg closes."""
        self.part(leg, leg.bridge_then)
        self._set(leg, None)
        self.players[leg.phase].pop(leg, None)

    # --- steps --------------------------------------------------------------------------------

    def step(self, number: int) -> None:
        """The packets of those who play, every 20 ms."""
        now_us = self.clock.now_us
        players = self.players[number % STEPS_PER_FRAME]
        for leg in tuple(players):
            leg.play_step(now_us)
            if leg.playlist is None and leg.digits_out is None:
                del players[leg]

    def skipped(self) -> None:
        """Steps were lost to a stall: timestamps make up for it with the next packet."""
        for players in self.players:
            for leg in players:
                leg.out.flowing = False

    def seat(self, leg: Leg) -> None:
        """Step this leg every 20 ms from now on: few share a phase, many spread over all."""
        if leg not in self.players[leg.phase]:
            shares = [len(players) // TOGETHER for players in self.players]
            leg.phase = shares.index(min(shares))
            self.players[leg.phase][leg] = None

    # --- the ear ------------------------------------------------------------------------------

    def _set(self, leg: Leg, playlist: Playlist | None, stands_in: bool = False) -> None:
        leg.playlist = playlist
        leg.stands_in = stands_in
        if playlist is not None:
            self.seat(leg)
        else:
            leg.told_end = True
            leg.out.flowing = False
        leg.settle_ear()

    def _hand_to_bridge(self, leg: Leg) -> None:
        """The ear is the bridge's: the other side is heard, or music while it is silent."""
        peer = leg.peer
        if peer is not None and peer.timed_out and any(leg.bridge_then):
            leg.told_end = True
            self._set(leg, Playlist((), leg.bridge_then), stands_in=True)
        elif leg.playlist is not None:
            self._set(leg, None)
        else:
            leg.settle_ear()

    def _put_aside(self, leg: Leg) -> None:
        play, leg.play = leg.play, ""
        if play and leg.playlist is not None:
            if leg.aside is not None:
                _remember(leg, leg.aside.play)
            leg.aside = Aside(play, leg.playlist, leg.told_end, leg.stop_on_digit)
        else:
            _remember(leg, play)

    def _fall_back(self, leg: Leg, then: tuple[bytes, ...]) -> None:
        if leg.playlist is None or leg.stands_in:
            _remember(leg, leg.play)
            leg.play = ""
            self._set(leg, Playlist((), then))


def _remember(leg: Leg, play: str) -> None:
    if play:
        leg.past_plays = (*leg.past_plays[1 - PLAYS_KEPT :], play)
