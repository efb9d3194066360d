"""Where a caller is in a flow: a frozen, JSON-like value that a journal can keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from config.values import changed, value
from ivr.flow import CollectNode, Flow

WaitingFor = Literal[
    "play",  # the end of an announcement
    "prompt",  # a key, while the prompt plays
    "keys",  # a key, the prompt is over: the deadline runs
    "confirm-prompt",  # a yes or no to the digits read back, while they play
    "confirm-keys",
    "lookup",
    "dial",
    "queue",
    "voicemail",
    "ended",
]


@value(frozen=True, slots=True)
class CallerFacts:
    """What is known of the call when its flow begins."""

    caller: str
    dialled: str
    trunk: str = ""
    language: str = "en"
    earlier_calls: int = 0
    last_outcome: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


@value(frozen=True, slots=True)
class Position:
    """``deadline`` is in the caller's ``now``. ``ahead``: keys pressed before anything asked.

    ``collected``: keys of the input in progress. ``attempts``: failures in this node.
    ``entered``: nodes entered since the start of the call. ``secrets``: hidden input.
    """

    flow: str
    node: str
    waiting_for: WaitingFor
    language: str
    deadline: float | None = None
    collected: str = field(default="", repr=False)
    ahead: str = field(default="", repr=False)
    attempts: int = 0
    entered: int = 0
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        return self.waiting_for == "ended"


def hidden(flow: Flow, position: Position) -> bool:
    """Whether a key pressed now must be journaled as ``*``.

    So it is while a node asks for hidden keys, and while keys wait for a node that may.
    """
    node = flow.nodes.get(position.node)
    if isinstance(node, CollectNode) and node.keys.hidden:
        return True
    return flow.hides and position.waiting_for in ("play", "lookup")


def journaled(flow: Flow, position: Position) -> Position:
    """The position without hidden input: the form that may be stored.

    Restored from it, a caller in the middle of a PIN gives the PIN again.
    """
    if not flow.hides:
        return position
    clean = changed(position, secrets={}, ahead="")
    return changed(clean, collected="") if hidden(flow, position) else clean
