"""Reports that the engine has not acknowledged yet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from router.media.frames import encode_report
from router.media.protocol import Digit, Report

KEPT_MAX = 20_000


class Outbox:
    """Numbers reports from 1 and keeps them, encoded, until they are acknowledged.

    At ``kept_max`` the oldest digit goes (an engine that has been away for so long can do
    nothing with it), without any the oldest report of all: each session has one prompt at most
    that ends meanwhile, and a caller whose PlayEnded is forgotten is stuck. ``discarded`` counts
    them. The engine sees it as a gap in the numbers.
    """

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._fleeting: OrderedDict[int, None] = OrderedDict()
        self._kept_max = kept_max
        self._last = 0
        self.discarded = 0

    def add(self, report: Report) -> bytes:
        """Keep a report; returns its frame."""
        self._last += 1
        if len(self._kept) >= self._kept_max:
            oldest = next(iter(self._fleeting or self._kept))
            del self._kept[oldest]
            self._fleeting.pop(oldest, None)
            self.discarded += 1
        frame = encode_report(self._last, report)
        self._kept[self._last] = frame
        if isinstance(report, Digit):
            self._fleeting[self._last] = None
        return frame

    def acknowledge(self, number: int) -> None:
        """Drop every report up to and including ``number``."""
        while self._kept:
            oldest = next(iter(self._kept))
            if oldest > number:
                return
            del self._kept[oldest]
            self._fleeting.pop(oldest, None)

    @property
    def first(self) -> int:
        """The number of the oldest kept report, 0 when there is none."""
        return next(iter(self._kept), 0)

    def frames(self) -> Iterator[bytes]:
        """Every kept report, oldest first."""
        return iter(self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)
