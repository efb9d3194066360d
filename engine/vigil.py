"""Who hangs: processes whose pulse does not change, seen by one that is on time itself.

A look that comes late proves that the machine has no time for anybody; it accuses no one, and
the count begins anew.
"""

from __future__ import annotations

from router.pulse import SILENT_S_MAX, Pulse

LOOK_EVERY_S = 1.0
LATE_S = 0.5


class Vigil:
    """Looks at pulses by pid; time is given (monotonic seconds).

    ``start_s``: how long one that has not begun to work may come on no further.
    """

    def __init__(self, start_s: float) -> None:
        self._start_looks = max(1, round(start_s / LOOK_EVERY_S))
        self._pulses: dict[int, Pulse] = {}
        self._seen: dict[int, tuple[int, int]] = {}  # the count, for how many looks
        self.next_look = 0.0

    def watch(self, pid: int, pulse: Pulse) -> None:
        self._pulses[pid] = pulse

    def forget(self, pid: int) -> bool:
        """Whether it ever worked."""
        pulse = self._pulses.pop(pid, None)
        self._seen.pop(pid, None)
        if pulse is None:
            return False
        worked = pulse.works
        pulse.close()
        return worked

    def look(self, now: float) -> list[int]:
        """The pids that hang, told again after as many looks if they are still there."""
        if now < self.next_look:
            return []
        late = now - self.next_look > LATE_S
        self.next_look = now + LOOK_EVERY_S
        hanging = []
        for pid, pulse in self._pulses.items():
            count = pulse.count
            before, looks = self._seen.get(pid, (0, 0))
            looks = 0 if late or count != before else looks + 1
            if looks >= (SILENT_S_MAX if pulse.works else self._start_looks):
                hanging.append(pid)
                looks = 0
            self._seen[pid] = count, looks
        return hanging
