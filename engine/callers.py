"""Earlier calls of a caller, in memory: the IVR and the queues ask at second 0 and must not wait
for a store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from engine.journal import Entry
from queues.events import CallbackEnded
from router.events import CallArrived, CallEnded, SecondLifeEnded

CALLERS_MAX = 100_000


class Callers:
    """Count, last outcome and the last agent by caller; the least recently seen leave at the
    limit."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, tuple[int, str, str]] = OrderedDict()
        self._of_call: dict[str, str] = {}

    def take(self, entry: Entry) -> None:
        """Follow the log."""
        event = entry.event
        if isinstance(event, CallArrived):
            self.arrived(entry.call, event.caller)
        elif isinstance(event, CallEnded):
            self.ended(entry.call, event.outcome, event.agent)
        elif isinstance(event, SecondLifeEnded):
            self.called_back(entry.call, event.agent)
        elif isinstance(event, CallbackEnded) and event.end != "connected":
            self.called_back(entry.call, "")

    def arrived(self, call: str, caller: str) -> None:
        self._of_call[call] = caller

    def called_back(self, call: str, agent: str) -> None:
        """The callback of a call is over; ``agent`` talked to the caller, "" for nobody."""
        caller = self._of_call.pop(call, "")
        if caller and agent and caller in self._seen:
            count, outcome, _ = self._seen[caller]
            self.note(caller, count, outcome, agent)

    def ended(self, call: str, outcome: str, agent: str = "") -> None:
        promised = outcome == "callback-requested"  # then the callback's end is still to come
        caller = self._of_call.get(call, "") if promised else self._of_call.pop(call, "")
        if caller:
            count, _, last_agent = self._seen.get(caller, (0, "", ""))
            self.note(caller, count + 1, outcome, agent or last_agent)

    def note(self, caller: str, count: int, outcome: str, agent: str = "") -> None:
        self._seen[caller] = (count, outcome, agent)
        self._seen.move_to_end(caller)
        if len(self._seen) > CALLERS_MAX:
            self._seen.popitem(last=False)

    def seed(self, known: Iterable[tuple[str, int, str, str]]) -> None:
        """What the records hold of (caller, calls, last outcome, its agent), latest first.

        A caller who is in the log already keeps the log's last outcome.
        """
        for caller, count, outcome, agent in known:
            if len(self._seen) >= CALLERS_MAX and caller not in self._seen:
                return
            seen, last, knows = self._seen.get(caller, (0, outcome, agent))
            self._seen[caller] = (max(seen, count), last, knows or agent)
            if not seen:
                self._seen.move_to_end(caller, last=False)

    def earlier(self, caller: str) -> tuple[int, str]:
        """(number of earlier calls, outcome of the last or "")."""
        return self._seen.get(caller, (0, "", ""))[:2]

    def agent_of(self, caller: str) -> str:
        """Who talked to this caller last, "" for nobody."""
        return self._seen.get(caller, (0, "", ""))[2]
