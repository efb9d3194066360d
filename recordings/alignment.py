"""Where each packet of a recording belongs in time: on the wire's clock, within 20 ms. Pure.

All in samples at 8 kHz; ``arrival`` counts from the recording's start. The RTP timestamp says
how packets of one source lie among each other (RFC 3550 5.1: its start is random, its rate the
sender's own). Where the whole lies is told by the packets that were delayed least: with
``delay = arrival - timestamp``, the smallest delay in the neighbourhood is the anchor, and
``position = timestamp + anchor``. So jitter, loss, bursts, duplicates and reordering move
nothing, while a sender's clock that runs fast or slow is followed, a sample at a time.

Two stages, both with a bounded look ahead. ``Cutter`` cuts a source into runs wherever the
relation of timestamp and arrival changes for good (a jump of the timestamp, a hold during which
it stood still). ``Follower`` keeps the anchor within a run. ``Aligner`` is the two for all
sources of one side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

RATE = 8000
MS = RATE // 1000

STEP = 12 * MS  # a difference of anchors that cuts a run
STEP_FEW = 100 * MS  # the same, where there are only FEW packets to tell by
FEW = 5
LATE = 15 * MS  # a packet so much later than its timestamp says may begin another run
JUMP = 100 * MS  # looking ahead, a jump of the timestamp beyond this ends the view
VIEW_PACKETS = 50  # packets, and
VIEW = 1000 * MS  # time, that one looks ahead to judge a cut; both have to be reached
VIEW_MAX = 2000 * MS  # unless this much time went by
PAST_PACKETS = 100  # packets behind a possible cut that it is compared with

AROUND = 2500 * MS  # the anchor is the least delay within so much before and after
DEAD = 4 * MS  # an anchor is not moved for less
BEHIND = 20 * MS  # an anchor that is off by more jumps, instead of creeping

SOURCES_MAX = 8  # of one side at once; beyond, the oldest is finished first


class Packet(NamedTuple):
    """One packet: ``time`` is the timestamp unwrapped, ``doubtful`` if a run may begin here."""

    arrival: int
    time: int
    doubtful: bool
    jumped: bool
    payload: bytes


class Placed(NamedTuple):
    """A payload and the position of its first sample, from the recording's start."""

    position: int
    codec: int
    payload: bytes


class Cutter:
    """One source's packets in order of arrival -> the same, told where a new run begins."""

    def __init__(self) -> None:
        self._waiting: deque[Packet] = deque()
        self._past: deque[int] = deque(maxlen=PAST_PACKETS)
        self._last_arrival = 0
        self._last_stamp = -1
        self._last_sequence = 0
        self._last_size = 0
        self._time = 0

    def push(self, arrival: int, sequence: int, stamp: int, payload: bytes) -> None:
        """Take a packet in. ``sequence`` and ``stamp`` as on the wire (16 and 32 bits)."""
        doubtful = jumped = False
        if self._last_stamp < 0:
            self._time = stamp
            doubtful = True
        else:
            moved = ((stamp - self._last_stamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            steps = ((sequence - self._last_sequence + 0x8000) & 0xFFFF) - 0x8000
            self._time += moved
            jumped = abs(moved - steps * self._last_size) > MS
            doubtful = jumped or arrival - self._last_arrival - moved > LATE
        self._waiting.append(Packet(arrival, self._time, doubtful, jumped, payload))
        self._last_arrival, self._last_stamp = arrival, stamp
        self._last_sequence, self._last_size = sequence, len(payload)

    def take(self, now: int, *, all_of_it: bool = False) -> Iterator[tuple[Packet, bool]]:
        """Packets that can be judged at ``now``, each with: it begins a run."""
        waiting, past = self._waiting, self._past
        while waiting:
            first = waiting[0]
            begins = False
            if first.doubtful:
                delay = first.arrival - first.time
                behind = min(past) if past else None
                # A late packet begins a run only upwards; ahead is never above its own delay.
                if behind is None or first.jumped or delay - behind > STEP:
                    ready = all_of_it or now - first.arrival >= VIEW_MAX
                    enough = None if behind is None or first.jumped else behind + STEP
                    ahead, count, complete = self._ahead(enough)
                    if not complete and not ready:
                        return
                    begins = behind is None or self._differs(
                        ahead - behind, min(count, len(past)), first.jumped
                    )
            waiting.popleft()
            if begins:
                past.clear()
            past.append(first.arrival - first.time)
            yield first, begins

    def judged_up_to(self, now: int) -> int:
        """No packet that arrived before this is still held back at ``now``."""
        return self._waiting[0].arrival if self._waiting else now

    def _ahead(self, enough: int | None) -> tuple[int, int, bool]:
        """(least delay ahead, packets it rests on, whether that can be judged by).

        It can when the whole view is there, or at the first delay down to ``enough``.
        """
        first = self._waiting[0]
        least, count, last = first.arrival - first.time, 1, first.arrival - first.time
        for packet in islice(self._waiting, 1, None):
            delay = packet.arrival - packet.time
            if packet.jumped and abs(delay - last) > JUMP:
                return least, count, True
            if delay < least:
                least = delay
                if enough is not None and least <= enough:
                    return least, count, True
            last, count = delay, count + 1
            if count >= VIEW_PACKETS and packet.arrival - first.arrival >= VIEW:
                return least, count, True
        return least, count, False

    @staticmethod
    def _differs(change: int, evidence: int, jumped: bool) -> bool:
        size = STEP if evidence > FEW else STEP_FEW
        return change > size or (jumped and change < -size)


class Follower:
    """Packets with their runs -> positions, the anchor kept by the least delay around."""

    def __init__(self, codec: int) -> None:
        self._codec = codec
        self._waiting: deque[Packet] = deque()
        self._around: deque[tuple[int, int]] = deque()  # (arrival, delay), delay rising
        self._anchor: int | None = None
        self._creeping = False
        self._end = 0  # of the last payload, by its timestamp

    def push(self, packet: Packet) -> None:
        """Take a packet of the present run in."""
        self._waiting.append(packet)
        delay, around = packet.arrival - packet.time, self._around
        while around and around[-1][1] >= delay:
            around.pop()
        around.append((packet.arrival, delay))

    def take(self, now: int, *, all_of_it: bool = False) -> Iterator[Placed]:
        """Payloads whose surroundings are known at ``now``."""
        waiting, around = self._waiting, self._around
        while waiting and (all_of_it or now - waiting[0].arrival > AROUND):
            packet = waiting.popleft()
            while around[0][0] < packet.arrival - AROUND:
                around.popleft()
            yield self._place(packet, around[0][1])

    def finish_run(self) -> Iterator[Placed]:
        """The run is over: all that waits."""
        yield from self.take(0, all_of_it=True)
        self._around.clear()
        self._anchor = None
        self._creeping = False

    def _place(self, packet: Packet, least: int) -> Placed:
        payload, after_gap = packet.payload, packet.time > self._end
        self._end = packet.time + len(payload)
        anchor = self._anchor
        if anchor is None:
            self._anchor = least
            return Placed(packet.time + least, self._codec, payload)
        error = least - anchor
        if packet.arrival - packet.time < anchor - STEP:
            self._anchor = anchor = least  # it came before its time: the anchor is too late
        elif error > BEHIND or (after_gap and DEAD < abs(error) <= STEP):
            self._anchor = anchor = least  # in a gap nobody hears it
        elif self._creeping or abs(error) > DEAD:
            self._creeping = error != 0
            if -STEP <= error < 0:
                self._anchor = anchor = anchor - 1
            elif error > 0:
                # The sample's hole is filled by the one after it.
                self._anchor = anchor = anchor + 1
                return Placed(packet.time + anchor - 1, self._codec, payload[:1] + payload)
        return Placed(packet.time + anchor, self._codec, payload)


class _Source:
    def __init__(self, codec: int) -> None:
        self.cutter = Cutter()
        self.follower = Follower(codec)

    def take(self, now: int, *, all_of_it: bool = False) -> Iterator[Placed]:
        for packet, begins in self.cutter.take(now, all_of_it=all_of_it):
            if begins:
                yield from self.follower.finish_run()
            self.follower.push(packet)
        yield from self.follower.take(self.cutter.judged_up_to(now), all_of_it=all_of_it)


class Aligner:
    """All packets of one side, in order of arrival, laid out in time.

    Whatever comes out lies at most a few seconds behind ``now`` (VIEW_MAX + AROUND, and as
    long as the network held packets back), and never after its arrival by more than BEHIND.
    """

    def __init__(self) -> None:
        self._sources: dict[tuple[int, int], _Source] = {}

    def push(
        self, arrival: int, ssrc: int, codec: int, sequence: int, stamp: int, payload: bytes
    ) -> Iterator[Placed]:
        """Take a packet in; yields what can be placed now. ``codec``: RTP payload type."""
        source = self._sources.get((ssrc, codec))
        if source is None:
            if len(self._sources) >= SOURCES_MAX:
                yield from self._sources.pop(next(iter(self._sources))).take(0, all_of_it=True)
            source = self._sources[ssrc, codec] = _Source(codec)
        source.cutter.push(arrival, sequence, stamp, payload)
        yield from source.take(arrival)

    def advance(self, now: int) -> Iterator[Placed]:
        """Time went on (also while this side is silent): yields what can be placed now."""
        for source in self._sources.values():
            yield from source.take(now)

    def finish(self) -> Iterator[Placed]:
        """The side is over, or another session speaks there from here: all the rest."""
        for source in self._sources.values():
            yield from source.take(0, all_of_it=True)
        self._sources.clear()
