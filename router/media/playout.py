"""What a session hears when we play: the clock, the RTP numbers and the audio of each packet.

Packets carry 20 ms: 160 samples, 160 bytes of G.711. RTP times are in 1/8000 s.
"""

from __future__ import annotations

FRAME = 160
STEP_US = 5_000
STEPS_PER_FRAME = 4
CATCH_UP_STEPS = 40  # late by more than 200 ms: the rest is skipped, not sent in a burst

ULAW_SILENCE = b"\xff" * FRAME


class Cadence:
    """Counts the steps of 5 ms since the start: deadlines by multiplication, so none drifts."""

    __slots__ = ("_next", "_start_us", "skipped")

    def __init__(self, start_us: int) -> None:
        self._start_us = start_us
        self._next = 0
        self.skipped = 0

    @property
    def deadline_us(self) -> int:
        """When the next step is due."""
        return self._start_us + self._next * STEP_US

    def at_us(self, number: int) -> int:
        """When a step is due."""
        return self._start_us + number * STEP_US

    @property
    def next(self) -> int:
        """The number of the next step."""
        return self._next

    def pass_over(self, number: int, now_us: int) -> None:
        """The steps before ``number`` have nothing to do: those that are past are not due."""
        past = (now_us - self._start_us) // STEP_US + 1
        self._next = max(self._next, min(number, past))

    def due(self, now_us: int) -> range:
        """The steps due by now, each once. A stall of over 200 ms loses the oldest of them;
        ``skipped`` is how many this call lost."""
        end = (now_us - self._start_us) // STEP_US + 1
        first = self._next
        self.skipped = max(0, end - first - CATCH_UP_STEPS)
        first += self.skipped
        if end > first:
            self._next = end
        return range(first, max(first, end))


class OutStream:
    """The RTP numbers that we send to one far end: one SSRC, no gap between sources.

    ``sequence`` and ``timestamp`` are those of the last packet sent; ``at`` is when that
    timestamp was now.
    """

    __slots__ = ("at", "flowing", "octets", "sent", "sequence", "ssrc", "timestamp")

    def __init__(self, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.sequence = sequence & 0xFFFF
        self.timestamp = timestamp & 0xFFFFFFFF
        self.at: int | None = None
        self.flowing = False
        self.sent = 0
        self.octets = 0

    def start(self, now: int) -> None:
        """Move on to a packet that begins a talkspurt: time has passed since the last."""
        self.sequence = (self.sequence + 1) & 0xFFFF
        if self.at is not None:
            self.timestamp = (self.timestamp + max(FRAME, now - self.at)) & 0xFFFFFFFF
        self.at = now
        self.flowing = True

    def follow(self, now: int) -> bool:
        """Move on to the next packet of what we play. True: it begins a talkspurt (marker)."""
        if not self.flowing:
            self.start(now)
            return True
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + FRAME) & 0xFFFFFFFF
        self.at = now
        return False

    def repeat(self) -> None:
        """Move on to a further packet of the same timestamp (a telephone-event's update)."""
        self.sequence = (self.sequence + 1) & 0xFFFF

    def align(self, sequence: int, timestamp: int, now: int) -> tuple[int, int]:
        """Begin to relay another stream with this packet of it: what to add to each of its
        sequence numbers and timestamps."""
        self.start(now)
        return (self.sequence - sequence) & 0xFFFF, (self.timestamp - timestamp) & 0xFFFFFFFF

    def settle(self, sequence: int, timestamp: int, at: int) -> None:
        """A relay ended with these numbers (ours, not the source's)."""
        self.sequence = sequence & 0xFFFF
        self.timestamp = timestamp & 0xFFFFFFFF
        self.at = at
        self.flowing = False


class Playlist:
    """Mu-law audio cut into packets: ``files`` once in order, then ``then`` for ever.

    Files follow each other without a gap; with nothing in ``then`` silence follows, or ``alone``
    while there is nobody whose next command would end that silence (``keep_company``).
    """

    __slots__ = ("_alone", "_current", "_files", "_loop", "_position", "_then", "ended")

    def __init__(
        self,
        files: tuple[bytes, ...],
        then: tuple[bytes, ...] = (),
        alone: tuple[bytes, ...] = (),
    ) -> None:
        self._files = [audio for audio in reversed(files) if audio]
        self._loop = self._then = tuple(audio for audio in then if audio)
        self._alone = tuple(audio for audio in alone if audio)
        self._current = b""
        self._position = 0
        self.ended = not self._files
        self._next_file()

    @property
    def loops(self) -> bool:
        """There is something to hear after the files."""
        return bool(self._then)

    def keep_company(self, alone: bool) -> None:
        """Play ``alone`` where silence would follow, or no more."""
        if self._then or not self._alone:
            return
        self._loop = self._alone if alone else ()
        if self.ended:
            self._files = []
            self._next_file()

    def _next_file(self) -> None:
        self._position = 0
        if not self.ended and self._files:
            self._current = self._files.pop()
            return
        if not self.ended or not self._files:
            self._files = list(reversed(self._loop))
            self.ended = True
        self._current = self._files.pop() if self._files else b""

    def skip(self) -> None:
        """End the files now."""
        if not self.ended:
            self.ended = True
            self._files = []
            self._next_file()

    def frame(self) -> bytes:
        """The next 160 bytes."""
        end = self._position + FRAME
        frame = self._current[self._position : end]
        self._position = end
        if end < len(self._current):
            return frame
        if not self._current:
            return ULAW_SILENCE
        while True:
            self._next_file()
            missing = FRAME - len(frame)
            if not self._current:
                return frame + ULAW_SILENCE[:missing]
            frame += self._current[:missing]
            self._position = missing
            if missing < len(self._current):
                return frame
