"""The ACD floor: who gets which call, when. One writer; every method decides at once.

Signatures first; the engine is written against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from queues.agents import AgentView
from queues.events import VisitEnd
from queues.offers import Effect, FloorEvent
from queues.rules import FloorRules
from queues.waiting import WaitingView


class Floor:
    """``now`` is unix seconds and never steps back (MisuseError). Unknown agents, queues and
    calls are MisuseError too; a command that the agent's presence does not know is ignored ([]).
    """

    version: int

    def __init__(self, rules: FloorRules) -> None:
        raise NotImplementedError

    @property
    def next_deadline(self) -> float | None:
        raise NotImplementedError

    def tick(self, now: float) -> list[Effect]:
        raise NotImplementedError

    def enqueue(
        self,
        call: str,
        queue: str,
        now: float,
        *,
        priority: int = 0,
        skills: Mapping[str, int] | None = None,
        rank: int | None = None,
        head: bool = False,
    ) -> list[Effect]:
        raise NotImplementedError

    def leave(self, call: str, now: float, end: VisitEnd) -> list[Effect]:
        """[] where the call does not wait (any more): a hang-up may cross an answer."""
        raise NotImplementedError

    def sign_in(self, agent: str, now: float) -> list[Effect]:
        raise NotImplementedError

    def sign_out(self, agent: str, now: float) -> list[Effect]:
        """While talking: signs out after the wrap-up."""
        raise NotImplementedError

    def ready(self, agent: str, now: float) -> list[Effect]:
        raise NotImplementedError

    def take_break(self, agent: str, now: float, reason: str) -> list[Effect]:
        """While talking: the break follows the wrap-up."""
        raise NotImplementedError

    def end_wrap_up(self, agent: str, now: float) -> list[Effect]:
        raise NotImplementedError

    def accept(self, agent: str, fence: int, now: float) -> list[Effect]:
        raise NotImplementedError

    def refuse(
        self,
        agent: str,
        fence: int,
        now: float,
        end: Literal["refused", "rung-out", "unreachable"],
        cause: str,
    ) -> list[Effect]:
        raise NotImplementedError

    def finished(self, agent: str, now: float) -> list[Effect]:
        raise NotImplementedError

    def lost(self, agent: str, now: float, cause: str) -> list[Effect]:
        """The agent's leg died while talking: on break "phone unreachable", no wrap-up. The
        shell then enqueues the caller with ``head=True``."""
        raise NotImplementedError

    def set_reachable(self, agent: str, reachable: bool, now: float) -> list[Effect]:
        raise NotImplementedError

    def busy(self, agent: str, now: float, reason: str, *, call: str = "") -> list[Effect]:
        """The agent's own outgoing call, or a call (``call``) put through in person."""
        raise NotImplementedError

    def free(self, agent: str, now: float) -> list[Effect]:
        raise NotImplementedError

    def reload(self, rules: FloorRules, now: float) -> list[Effect]:
        raise NotImplementedError

    def apply(self, call: str, event: FloorEvent, now: float) -> None:
        """Recovery: take over a journaled fact without deciding. Call ``tick`` afterwards."""
        raise NotImplementedError

    def position(self, call: str) -> int:
        raise NotImplementedError

    def waiting(self, queue: str | None = None) -> list[WaitingView]:
        raise NotImplementedError

    def agents(self) -> list[AgentView]:
        raise NotImplementedError
