"""Earlier calls of a caller, in memory: the IVR asks at second 0 and must not wait for a store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

CALLERS_MAX = 100_000


class Callers:
    """Count and last outcome by caller; the least recently seen leave at the limit."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._of_call: dict[str, str] = {}

    def arrived(self, call: str, caller: str) -> None:
        self._of_call[call] = caller

    def ended(self, call: str, outcome: str) -> None:
        caller = self._of_call.pop(call, "")
        if caller:
            self.note(caller, self._seen.get(caller, (0, ""))[0] + 1, outcome)

    def note(self, caller: str, count: int, outcome: str) -> None:
        self._seen[caller] = (count, outcome)
        self._seen.move_to_end(caller)
        if len(self._seen) > CALLERS_MAX:
            self._seen.popitem(last=False)

    def seed(self, known: Iterable[tuple[str, int, str]]) -> None:
        """What the records hold of (caller, calls, last outcome), latest first.

        A caller who is in the log already keeps the log's last outcome.
        """
        for caller, count, outcome in known:
            if len(self._seen) >= CALLERS_MAX and caller not in self._seen:
                return
            seen, last = self._seen.get(caller, (0, outcome))
            self._seen[caller] = (max(seen, count), last)
            if not seen:
                self._seen.move_to_end(caller, last=False)

    def earlier(self, caller: str) -> tuple[int, str]:
        """(number of earlier calls, outcome of the last or "")."""
        return self._seen.get(caller, (0, ""))
