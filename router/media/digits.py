"""Keys as telephone-events (RFC 4733): each press once, whatever is lost, doubled or late.

Times are in 1/8000 s. An event's packets share the RTP timestamp of its start, so a timestamp
not seen before is a new press: it is told with the first packet of it that arrives, and
needs no end to be told.
"""

from __future__ import annotations

import struct
from collections import deque

KEYS = "0123456789*#ABCD"
EVENT = struct.Struct(">BBH")

SEGMENT = 0xFFFF  # a press of over 8.19 s goes on as a further segment (2.5.1.3)
REMEMBERED = 64
WINDOW = 16_000
KEYS_PER_WINDOW_MAX = 64

KEYS_WAITING_MAX = 64
VOLUME = 10  # -10 dBm0
PAUSE_STEPS = 4
END_PACKETS = 3  # 2.5.1.4
STEP = 160


class DigitReceiver:
    """Presses of one session. At most 64 in two seconds; what is over is ignored."""

    __slots__ = ("_event", "_pressed", "_seen", "_ssrc")

    def __init__(self) -> None:
        self._ssrc = -1
        self._event = -1
        self._seen: deque[int] = deque(maxlen=REMEMBERED)
        self._pressed: deque[int] = deque(maxlen=KEYS_PER_WINDOW_MAX)

    def take(self, payload: bytes, timestamp: int, marker: bool, ssrc: int, now: int) -> str:
        """The key that this packet tells for the first time, or ""."""
        if len(payload) < EVENT.size:
            return ""
        event = payload[0]
        if event >= len(KEYS):
            return ""
        if ssrc != self._ssrc:
            self._ssrc = ssrc
            self._event = -1
            self._seen.clear()
        if timestamp in self._seen:
            return ""
        goes_on = (
            not marker and event == self._event and (timestamp - SEGMENT) & 0xFFFFFFFF in self._seen
        )
        full = len(self._pressed) == KEYS_PER_WINDOW_MAX and now - self._pressed[0] < WINDOW
        if full and not goes_on:
            return ""
        self._seen.append(timestamp)
        self._event = event
        if goes_on:
            return ""
        self._pressed.append(now)
        return KEYS[event]


class DigitSender:
    """The packets of some keys, one for each step of 20 ms (RFC 4733 2.5.1)."""

    __slots__ = ("_at", "_keys", "_left", "_pause")

    def __init__(self) -> None:
        self._keys: deque[tuple[int, int]] = deque()
        self._at = 0
        self._left = END_PACKETS
        self._pause = 0

    def add(self, digits: str, duration_ms: int) -> None:
        """Append keys of ``KEYS``, each 40 to 8000 ms long. Raises ValueError, also where more
        than 64 would wait."""
        if not digits or any(key not in KEYS for key in digits):
            raise ValueError("digits are 0-9, *, #, A-D")
        if not 40 <= duration_ms <= 8000:
            raise ValueError("duration is 40 to 8000 ms")
        if len(self._keys) + len(digits) > KEYS_WAITING_MAX:
            raise ValueError("too many digits wait")
        steps = -(-duration_ms // 20)
        self._keys.extend((KEYS.index(key), steps) for key in digits)

    @property
    def done(self) -> bool:
        return not self._keys and not self._pause

    def step(self) -> tuple[bool, bytes] | None:
        """The packet of this step as (first of its event, payload), None in a pause."""
        if self._pause or not self._keys:
            self._pause = max(0, self._pause - 1)
            return None
        event, steps = self._keys[0]
        self._at += 1
        end = self._at >= steps
        payload = EVENT.pack(event, 0x80 | VOLUME if end else VOLUME, min(self._at, steps) * STEP)
        first = self._at == 1
        if end:
            self._left -= 1
            if self._left == 0:
                self._keys.popleft()
                self._at = 0
                self._left = END_PACKETS
                self._pause = PAUSE_STEPS
        return first, payload
