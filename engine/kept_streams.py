"""The engine's side of streams that outlive it: what the supervisor must know of each.

A stream is in hand from the bytes that were read until all that they caused is on disk and has
left. An engine that dies with one in hand loses it; its peer then knows that something was lost.
"""

from __future__ import annotations

import socket

from engine.handover import HeldStream
from engine.journal import Journal
from engine.ledger import READING, WRITING, Ledger
from engine.line import Line
from router.sip.streams import Stream
from router.sip.transport import StreamBack


class KeptStreams:
    """Tells the supervisor of streams; brings back those of the engine before this one."""

    def __init__(
        self, line: Line, ledger: Ledger, journal: Journal, back: list[tuple[HeldStream, int]]
    ) -> None:
        self._line = line
        self._ledger = ledger
        self._journal = journal
        self._slots: dict[int, int] = {held.number: held.slot for held, _ in back}
        used = set(self._slots.values())
        self._free = [slot for slot in reversed(range(ledger.slots)) if slot not in used]
        self._steps: dict[int, int] = {}  # how often each was read from
        self._untold: list[int] = []  # slots that the supervisor has yet to hear are free
        self.back: list[StreamBack] = [
            (
                held.number,
                held.listener,
                held.place if held.place[0] else None,
                socket.socket(fileno=fd),
            )
            for held, fd in back
        ]

    @property
    def numbers(self) -> dict[int, int]:
        """Streams that are back, as legs know them: their numbers there and here."""
        return {number: number for number, *_ in self.back}

    @property
    def first_number(self) -> int:
        """No stream of another engine has a number from here on: a leg that is taken over never
        takes a stranger's stream for its own."""
        return self._journal.generation << 20

    def opened(self, stream: Stream, fd: int) -> None:
        """A stream that no engine had before. Without a free slot it dies with this engine."""
        if not self._free:
            return
        slot = self._free.pop()
        self._ledger.clear(slot)
        told = (slot, stream.number, stream.flow.listener, stream.opened_for or ("", 0))
        if self._tell_untold() and self._line.say({"hold": told}, [fd]):
            self._slots[stream.number] = slot
        else:
            self._free.append(slot)

    def reading(self, number: int) -> None:
        """Before anything is made of bytes that were read."""
        slot = self._slots.get(number)
        if slot is not None:
            self._steps[number] = self._steps.get(number, 0) + 1
            self._ledger.mark(slot, READING, True)

    def done(self, number: int) -> None:
        """All that was read are whole messages, and they were dealt with."""
        slot = self._slots.get(number)
        if slot is None:
            return
        step = self._steps.get(number, 0)

        def durable() -> None:
            if self._slots.get(number) == slot and self._steps.get(number, 0) == step:
                self._ledger.mark(slot, READING, False)

        # Before what that allows shows to a peer, who may be quicker than the next callback.
        seq = self._journal.group_seq
        self._journal.when_durable(seq, durable, urgent=False, ahead=True)

    def writing(self, number: int, on: bool) -> None:
        slot = self._slots.get(number)
        if slot is not None:
            self._ledger.mark(slot, WRITING, on)

    def closed(self, number: int) -> None:
        slot = self._slots.pop(number, None)
        self._steps.pop(number, None)
        if slot is not None:
            self._untold.append(slot)
            self._tell_untold()

    def _tell_untold(self) -> bool:
        """A supervisor that is behind is told later: in its hands a stream stays open."""
        while self._untold and self._line.say({"drop": self._untold[0]}):
            self._free.append(self._untold.pop(0))
        return not self._untold
