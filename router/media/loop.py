"""The worker's loop: epoll, the clock, and the relay of the common packet, inlined.

One datagram is read of each ready socket at each turn, so that no socket starves the others.
What the inlined path does is what ``Inbound.arrive`` does for a packet that is the next in
order; tests hold the two against each other.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from router.media.inbound import BUFFER, FAST
from router.media.playout import Cadence
from router.media.reception import JITTER_STEP_MAX
from router.media.recording import PREFIX
from router.media.rtp import HEADER_BYTES

if TYPE_CHECKING:
    from router.media.inbound import Inbound
    from router.media.leg import Leg

EVENTS_PER_TURN = 128
IDLE_US = 1_000_000
PROMPT_TURNS = 4  # within a step; busier than that, sockets are looked at once in NAP_S
NAP_S = 0.001


class LoopClock:
    """Microseconds since the start, read once a turn; unix time that never steps back."""

    def __init__(
        self,
        time_ns: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.time_ns = time_ns
        self.start_ns = time_ns()
        self.now_us = 0
        self._wall = wall
        self._unix_at_start = wall()

    def read(self) -> int:
        self.now_us = now_us = (self.time_ns() - self.start_ns) // 1000
        return now_us

    def unix(self) -> float:
        return self._unix_at_start + self.now_us / 1e6

    def follow_wall(self) -> None:
        """Catch up with a wall clock that runs ahead; one that fell behind is not followed."""
        self._unix_at_start = max(self._unix_at_start, self._wall() - self.read() / 1e6)


class Loop:
    """Implements ``Wiring``; ``run`` until ``stop``."""

    def __init__(self, clock: LoopClock | None = None) -> None:
        self.clock = clock or LoopClock()
        self.epoll = select.epoll()
        self.fast: list[Inbound | None] = [None] * 64
        self.handlers: dict[int, Callable[[int], None]] = {}
        self.watched: dict[int, int] = {}
        self.stopping = False
        self.lag_us_max = 0

    # --- Wiring -------------------------------------------------------------------------------

    def watch(self, fd: int, handler: Callable[[int], None]) -> None:
        self.handlers[fd] = handler
        self._register(fd)

    def watch_leg(self, fd: int, leg: Leg) -> None:
        if fd >= len(self.fast):
            self.fast.extend([None] * (fd + 64 - len(self.fast)))
        self.fast[fd] = leg.inbound
        self._register(fd)

    def _register(self, fd: int) -> None:
        if fd not in self.watched:
            self.watched[fd] = select.EPOLLIN
            if fd >= len(self.fast):
                self.fast.extend([None] * (fd + 64 - len(self.fast)))
            self.epoll.register(fd, select.EPOLLIN)

    def unwatch(self, fd: int) -> None:
        if self.watched.pop(fd, 0):
            self.handlers.pop(fd, None)
            self.fast[fd] = None
            self.epoll.unregister(fd)

    def want_write(self, fd: int, wanted: bool) -> None:
        events = select.EPOLLIN | select.EPOLLOUT if wanted else select.EPOLLIN
        if self.watched.get(fd, events) != events:
            self.watched[fd] = events
            self.epoll.modify(fd, events)

    def close(self) -> None:
        self.epoll.close()

    # --- running ------------------------------------------------------------------------------

    def stop(self) -> None:
        self.stopping = True

    def run(
        self,
        step: Callable[[int], None],
        busy_step: Callable[[int], int],
        skipped: Callable[[], None],
        idle: Callable[[], bool],
        more: Callable[[], bool],
    ) -> None:
        """Serve sockets; call ``step`` every 5 ms with its number, ``skipped`` after a stall.

        ``busy_step(number)`` is the next step from ``number`` on that has something to do, or an
        earlier one; those before it are not waited for.
        While ``idle()`` no steps are needed; ``more()`` works off what is left over and tells
        whether there is still some.
        """
        clock = self.clock
        cadence = Cadence(clock.read())
        resting = True
        left_over = False
        while not self.stopping:
            now_us = clock.now_us
            number = busy_step(cadence.next)
            until_us = now_us + IDLE_US if resting else cadence.at_us(number)
            self.turns(now_us if left_over else until_us)
            now_us = clock.now_us
            if resting:
                cadence = Cadence(now_us)
            else:
                cadence.pass_over(number, now_us)
            if now_us >= cadence.deadline_us:
                self.lag_us_max = max(self.lag_us_max, now_us - cadence.deadline_us)
                numbers = cadence.due(now_us)
                if cadence.skipped:
                    skipped()
                for number in numbers:
                    step(number)
                clock.read()
            left_over = more()
            resting = idle()

    def turns(self, until_us: int) -> None:
        """Serve packets until a time, or until another socket than a latched leg's had its turn."""
        buffer, unpack, pack_into = BUFFER, FAST.unpack_from, FAST.pack_into
        prefix, payload_at, jump = PREFIX.pack, HEADER_BYTES, JITTER_STEP_MAX
        fast, handlers, clock = self.fast, self.handlers, self.clock
        nap, poll = time.sleep, self.epoll.poll
        time_ns, start_ns = clock.time_ns, clock.start_ns
        now_us = clock.now_us
        other, prompt = False, PROMPT_TURNS
        while not other:
            if prompt < 0:
                nap(NAP_S)
            prompt -= 1
            events = poll((until_us - now_us) / 1e6 if until_us > now_us else 0, EVENTS_PER_TURN)
            clock.now_us = now_us = (time_ns() - start_ns) // 1000
            now = now_us // 125
            for fd, _ in events:
                inbound = fast[fd]
                if inbound is None:
                    handler = handlers.get(fd)
                    if handler is not None:
                        handler(now_us)
                    other = True
                    continue
                try:
                    size = inbound.receive(buffer)
                except OSError:
                    continue  # nothing there after all, or an ICMP error about an earlier packet
                first, sequence, timestamp, ssrc = unpack(buffer)
                if not (
                    first == inbound.first
                    and sequence == inbound.next
                    and size == inbound.size
                    and ssrc == inbound.ssrc
                ):
                    inbound.leg.read_twin(size, now_us)
                    continue
                # RFC 3550 A.1, A.8 (Reception.take)
                inbound.next = sequence + 1
                transit = now - timestamp
                change = (transit - inbound.transit) & 0xFFFFFFFF
                if change > 0x7FFFFFFF:
                    change = 0x100000000 - change
                inbound.transit = transit
                inbound.heard = now
                if change < jump:
                    inbound.jitter16 += change - ((inbound.jitter16 + 8) >> 4)
                recorder = inbound.recorder
                if recorder is not None:
                    records = recorder.buffer
                    records += prefix(inbound.side, size, now_us - recorder.zero_us)
                    records += inbound.view
                    recorder.counts[inbound.side] += 1
                if inbound.table is not None:
                    buffer[payload_at:size] = buffer[payload_at:size].translate(inbound.table)
                pack_into(
                    buffer,
                    0,
                    inbound.out_first,
                    (sequence + inbound.sequence_offset) & 0xFFFF,
                    (timestamp + inbound.timestamp_offset) & 0xFFFFFFFF,
                    inbound.out_ssrc,
                )
                try:
                    inbound.out_send(inbound.view)
                except OSError:
                    continue  # lost like on the wire
                inbound.out_stream.sent += 1
            if now_us >= until_us:
                return
