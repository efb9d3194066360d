"""Which RTP ports are free, in use, or resting before the next call gets them."""

from __future__ import annotations

from collections import deque

from config.errors import MisuseError


class PortPool:
    """Pairs of an even RTP port and the odd RTCP port above it, from one range.

    A freed port rests, so that what is still on its way to the last call reaches nobody; the
    port that has been free the longest goes first. ``now`` is in seconds.

    ``begin``, any number, says with which pair to begin: to a worker's first ports the calls of
    the process before it may still be sending, from hosts that the latch lets in.
    """

    def __init__(self, lowest: int, highest: int, rest_s: float, begin: int = 0) -> None:
        first = lowest + (lowest & 1)
        self._free = deque(range(first, highest, 2))
        if not self._free:
            raise MisuseError(f"no pair of ports in {lowest}-{highest}")
        self._free.rotate(-(begin % len(self._free)))
        self._known = range(first, highest, 2)
        self._resting: deque[tuple[float, int]] = deque()
        self._used: set[int] = set()
        self._rest_s = rest_s

    def take(self, now: float, wanted: int = 0) -> int | None:
        """A free port, or ``wanted`` (resting or not); None where there is none."""
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        if wanted:
            return self._take_wanted(wanted)
        if not self._free:
            return None
        port = self._free.popleft()
        self._used.add(port)
        return port

    def _take_wanted(self, wanted: int) -> int | None:
        if wanted in self._used or wanted not in self._known:
            return None
        if wanted in self._free:
            self._free.remove(wanted)
        else:
            self._resting = deque(item for item in self._resting if item[1] != wanted)
        self._used.add(wanted)
        return wanted

    def give_back(self, port: int, now: float) -> None:
        """The port's session is closed (or somebody else holds the port): it rests."""
        if port not in self._used:
            raise MisuseError(f"port {port} is not in use")
        self._used.discard(port)
        self._resting.append((now + self._rest_s, port))

    @property
    def free(self) -> int:
        """Ports not in use, those that rest included."""
        return len(self._free) + len(self._resting)
