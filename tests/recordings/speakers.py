"""Synthetic speakers: RTP streams with known sounds, through a network with known faults."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from router.media import recording as log
from router.media.g711 import encode_alaw, encode_ulaw

RATE = 8000
FRAME = 160

_CODES = {
    (codec, freq): encode(
        array(
            "h", (round(9000 * math.sin(2 * math.pi * freq * i / RATE)) for i in range(RATE))
        ).tobytes()
    )
    for codec, encode in ((0, encode_ulaw), (8, encode_alaw))
    for freq in (400, 500, 800, 1000)
}
_SILENCE = {0: b"\xff", 8: b"\xd5"}


@dataclass(frozen=True)
class Sent:
    """A packet on its way: ``sent`` and ``arrival`` in seconds."""

    sent: float
    arrival: float
    sequence: int
    stamp: int
    ssrc: int
    codec: int
    payload: bytes


@dataclass(frozen=True)
class Beeps:
    """Sound on the sender's side: ``freq`` in every second between its ``on`` and ``off``."""

    freq: int = 400
    codec: int = 0
    on: float = 0.3
    off: float = 0.7

    def frame(self, at: float) -> bytes:
        """The G.711 of the 20 ms from ``at`` on."""
        tone, silence = _CODES[self.codec, self.freq], _SILENCE[self.codec]
        start = round(at * RATE)
        phase = start % RATE
        first, last = round(self.on * RATE), round(self.off * RATE)
        if first <= phase and phase + FRAME <= last:
            return tone[phase - first : phase - first + FRAME]
        return b"".join(
            tone[(start + i) % RATE - first : (start + i) % RATE - first + 1]
            if first <= (start + i) % RATE < last
            else silence
            for i in range(FRAME)
        )


def speak(
    beeps: Beeps,
    start: float,
    end: float,
    *,
    delay: float = 0.05,
    jitter: Callable[[], float] = lambda: 0.0,
    skew_ppm: float = 0.0,
    ssrc: int = 0x1234,
    sequence: int = 65_500,
    stamp: int = 0xFFFF_F000,
) -> list[Sent]:
    """Packets from ``start`` to ``end`` (seconds), a frame each 20 ms of the sender's clock.

    With a skew the sender's crystal runs fast: it counts, and samples the beeps, by real time.
    """
    packets: list[Sent] = []
    period = FRAME / RATE / (1 + skew_ppm / 1e6)
    for number in range(int((end - start) / period)):
        at = start + number * period
        packets.append(
            Sent(
                at,
                at + delay + jitter(),
                sequence + number & 0xFFFF,
                stamp + FRAME * number & 0xFFFF_FFFF,
                ssrc,
                beeps.codec,
                beeps.frame(at),
            )
        )
    return packets


def lost(packets: Iterable[Sent], share: float, seed: int = 1) -> list[Sent]:
    """Without a share of them."""
    rng = random.Random(seed)
    return [packet for packet in packets if rng.random() >= share]


def doubled(packets: Iterable[Sent], seed: int = 1) -> list[Sent]:
    """Every fifth a second time, up to 40 ms later."""
    rng = random.Random(seed)
    out: list[Sent] = []
    for packet in packets:
        out.append(packet)
        if rng.random() < 0.2:
            out.append(replace(packet, arrival=packet.arrival + 0.04 * rng.random()))
    return out


def shifted(packets: Iterable[Sent], at: float, samples: int) -> list[Sent]:
    """The timestamp jumps by so many samples at ``at``."""
    return [
        replace(p, stamp=(p.stamp + samples) & 0xFFFF_FFFF) if p.sent >= at else p for p in packets
    ]


def uniform(width: float, seed: int = 1) -> Callable[[], float]:
    """Jitter between 0 and ``width`` seconds."""
    rng = random.Random(seed)
    return lambda: rng.random() * width


def write_log(
    path: Path,
    left: Sequence[Sent],
    right: Sequence[Sent] = (),
    *,
    started: float = 1_000_000.0,
    end: float | None = None,
    marks: Sequence[tuple[float, int, int, str]] = (),
) -> str:
    """A worker's file of these packets; ``end``: seconds at which it was closed, None: cut off.

    ``marks`` are (seconds, kind, side, session).
    """
    records: list[tuple[int, int, bytes]] = []
    for side, packets in enumerate((left, right)):
        for p in packets:
            us = round(p.arrival * 1e6)
            packet = log.RTP.pack(0x80, p.codec, p.sequence, p.stamp, p.ssrc) + p.payload
            records.append((us, len(records), log.encode_packet(side, us, packet)))
    for at, kind, side, session in marks:
        us = round(at * 1e6)
        records.append((us, -1, log.encode_mark(kind, us, side, session)))
    records.sort()
    with path.open("wb") as file:
        file.write(log.encode_header(log.RecordingHeader("r", started, "caller", "agent")))
        for _, _, data in records:
            file.write(data)
        if end is not None:
            file.write(log.encode_mark(log.END, round(end * 1e6)))
    return str(path)
