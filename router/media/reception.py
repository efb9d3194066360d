"""What came in from one source: order, loss and jitter (RFC 3550 A.1, A.3, A.8)."""

from __future__ import annotations

MAX_DROPOUT = 3000
MAX_MISORDER = 100
JITTER_STEP_MAX = 8000  # a jump of the sender's clock by over a second is no jitter

ADVANCED, LATE, RESTARTED, DROPPED = range(4)


class Reception:
    """Figures of the packets of one sender, over changes of its SSRC.

    Times are in 1/8000 s. The worker's loop reads and writes the attributes itself for a
    packet that is exactly the next (``sequence == next``), which is why ``received`` is not
    counted but follows from the sequence: expected less missing.
    """

    __slots__ = (
        "bad",
        "base",
        "cycles",
        "earlier_lost",
        "earlier_received",
        "heard",
        "jitter16",
        "missing",
        "next",
        "reported_expected",
        "reported_missing",
        "ssrc",
        "transit",
    )

    def __init__(self) -> None:
        self.ssrc = -1
        self.next = 0  # the sequence after the highest; 65536 where it wraps
        self.cycles = 0
        self.base = 0
        self.missing = 0
        self.bad = -1
        self.transit = 0
        self.heard = 0
        self.jitter16 = 0
        self.earlier_received = 0
        self.earlier_lost = 0
        self.reported_expected = 0
        self.reported_missing = 0

    def take(self, ssrc: int, sequence: int, timestamp: int, now: int) -> int:
        """Count one packet; tell whether it ADVANCED the highest sequence, is LATE (or a
        duplicate), RESTARTED the count (a new SSRC, or a jump that its follower confirmed:
        A.1), or is DROPPED as a jump that nothing confirms yet."""
        if ssrc != self.ssrc:
            self._restart(ssrc, sequence, timestamp, now)
            return RESTARTED
        delta = (sequence - self.next) & 0xFFFF
        if delta < MAX_DROPOUT:
            self.missing += delta
            self._advance(sequence)
            verdict = ADVANCED
        elif delta >= 0x10000 - MAX_MISORDER:
            self.missing -= 1
            verdict = LATE
        elif sequence == self.bad:
            self._restart(ssrc, sequence, timestamp, now)
            return RESTARTED
        else:
            self.bad = (sequence + 1) & 0xFFFF
            return DROPPED
        self.bad = -1
        self._measure(timestamp, now)
        return verdict

    def _advance(self, sequence: int) -> None:
        if sequence < (self.next & 0xFFFF) or self.next > 0xFFFF:
            self.cycles += 0x10000
        self.next = sequence + 1

    def _measure(self, timestamp: int, now: int) -> None:
        transit = now - timestamp
        step = (transit - self.transit) & 0xFFFFFFFF
        if step > 0x7FFFFFFF:
            step = 0x100000000 - step
        self.transit = transit
        self.heard = now
        if step < JITTER_STEP_MAX:
            self.jitter16 += step - ((self.jitter16 + 8) >> 4)

    def _restart(self, ssrc: int, sequence: int, timestamp: int, now: int) -> None:
        self.earlier_received = self.received
        self.earlier_lost = self.lost
        self.ssrc = ssrc
        self.base = sequence
        self.next = sequence + 1
        self.cycles = 0
        self.missing = 0
        self.bad = -1
        self.transit = now - timestamp
        self.heard = now
        self.reported_expected = 0
        self.reported_missing = 0

    @property
    def timestamp(self) -> int:
        """The sender's timestamp of the latest packet."""
        return (self.heard - self.transit) & 0xFFFFFFFF

    @property
    def highest(self) -> int:
        """The extended highest sequence number received."""
        return self.cycles + self.next - 1

    @property
    def expected(self) -> int:
        return self.highest - self.base + 1 if self.ssrc >= 0 else 0

    @property
    def received(self) -> int:
        return self.earlier_received + self.expected - self.missing

    @property
    def lost(self) -> int:
        """Expected less received since the beginning; duplicates make it smaller (A.3)."""
        return self.earlier_lost + self.missing

    @property
    def jitter(self) -> int:
        """Interarrival jitter in timestamp units."""
        return self.jitter16 >> 4

    def fraction_lost(self) -> int:
        """The fraction of 256 lost since the last call (A.3)."""
        expected = self.expected - self.reported_expected
        lost = self.missing - self.reported_missing
        self.reported_expected = self.expected
        self.reported_missing = self.missing
        return min(255, (lost << 8) // expected) if expected > 0 and lost > 0 else 0
