"""What people ask of an engine: presence, hang-up, transfer, facts that they add."""

from __future__ import annotations

from config.settings import Settings
from engine.floorside import FloorSide
from engine.supervision import Supervision
from engine.turns import Turns
from router import inputs as on


class People:
    """The wishes of agents and supervisors, from the API and from dialled codes. Who may is the
    asker's business; an unknown agent or a call that is over is no error but the answer."""

    settings: Settings
    floor: FloorSide
    turns: Turns
    supervision: Supervision

    def presence(self, agent: str) -> str:
        return next(
            (view.presence for view in self.floor.agents() if view.agent == agent), "signed-out"
        )

    def sign_in(self, agent: str) -> None:
        self.floor.sign_in(agent)

    def sign_out(self, agent: str) -> None:
        self.floor.change(lambda now: self.floor.floor.sign_out(agent, now))

    def ready(self, agent: str) -> None:
        self.floor.change(lambda now: self.floor.floor.ready(agent, now))

    def take_break(self, agent: str, reason: str = "") -> str:
        """ "" or why not. Without a reason (a dialled code) the first of the configured breaks."""
        breaks = self.settings.floor.breaks
        return self.supervision.take_break(agent, reason or self.supervision.default_break(breaks))

    def end_wrap_up(self, agent: str) -> None:
        self.floor.change(lambda now: self.floor.floor.end_wrap_up(agent, now))

    def hang_up(self, call: str, by: str) -> bool:
        """End a call; False where it is over already."""
        if call not in self.turns.calls:
            return False
        self.turns.feed(call, on.HangUpAsked(by))
        return True

    def transfer(self, call: str, target: str) -> str:
        """Blind transfer of a call in its talk; "" or why not."""
        found = self.turns.calls.get(call)
        if found is None:
            return "the call is over"
        if found.phase != "talking":
            return f"the call is {found.phase}, only a talk can be transferred"
        destination, phones = self.floor.through(target)
        if destination.kind == "nowhere":
            return "no such queue, agent or number"
        if destination.kind in ("agent", "external") and not phones:
            return "that agent has no phone registered"
        self.turns.feed(call, on.TransferAsked("", destination, phones))
        return ""

    def journal_fact(self, call: str, event: object) -> None:
        """A fact that a person adds (disposition, comment): the readers bring it to the records."""
        self.turns.fact(call, event)
