"""A flow as values: what the machine walks. Frozen, plain, complete - the loader checked it.

Text fields that may hold ``{variable}`` are called templates. Times are seconds. ``next`` and
its kin name a node of the same flow; "" where a node may end the call by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from config.hours import Schedule

LineKind = Literal["text", "audio", "phrase", "number", "digits"]

BUILT_IN = frozenset(
    {"caller", "dialled", "trunk", "language", "earlier_calls", "last_outcome", "result"}
)
"""Variables that every call has. ``result``: how the last lookup, dial or queue visit ended."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to say. ``value``: a template; for audio the absolute path of the file.

    ``language`` "" is the call's own.
    """

    kind: LineKind
    value: str
    language: str = ""


Prompts = tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """How digits are asked for: ``least``..``most`` of them, ended by ``terminator`` if any.

    ``timeout_s`` runs from the end of the prompt, ``between_s`` from each key. ``hidden`` keys
    (PINs, cards) never leave the machine but in a lookup.
    """

    prompt: Prompts
    least: int
    most: int
    terminator: str = "#"
    timeout_s: float = 6.0
    between_s: float = 3.0
    retries: int = 2
    confirm: bool = False
    hidden: bool = False
    barge_in: bool = True


@dataclass(frozen=True, slots=True)
class SayNode:
    prompt: Prompts
    next: str
    barge_in: bool = True


@dataclass(frozen=True, slots=True)
class MenuNode:
    """``choices``: keys pressed -> node. After ``retries`` failures on_timeout or on_invalid."""

    prompt: Prompts
    choices: Mapping[str, str]
    timeout_s: float = 6.0
    between_s: float = 2.0
    retries: int = 2
    on_timeout: str = ""
    on_invalid: str = ""
    invalid: Prompts = ()
    no_input: Prompts = ()
    barge_in: bool = True


@dataclass(frozen=True, slots=True)
class CollectNode:
    keys: Keys
    save: str
    next: str
    on_failure: str = ""


@dataclass(frozen=True, slots=True)
class HoursNode:
    schedule: Schedule
    open: str
    closed: str
    holiday: str


@dataclass(frozen=True, slots=True)
class SetNode:
    """``values``: variable -> template. ``language`` may be among them."""

    values: Mapping[str, str]
    next: str


@dataclass(frozen=True, slots=True)
class Case:
    """One condition on the value of a variable; the first that holds wins."""

    variable: str
    test: Literal["prefix", "equals", "in", "matches", "at_least"]
    operands: tuple[str, ...]
    next: str


@dataclass(frozen=True, slots=True)
class BranchNode:
    cases: tuple[Case, ...]
    otherwise: str


@dataclass(frozen=True, slots=True)
class LookupNode:
    """``fields``: variable -> path in the JSON answer, as ``customer.name`` or ``items.0.id``.

    ``url``, ``headers`` and the texts in ``body`` are templates; ``body`` is JSON.
    """

    url: str
    method: Literal["GET", "POST"]
    timeout_s: float
    fields: Mapping[str, str]
    next: str
    on_failure: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None
    prompt: Prompts = ()


@dataclass(frozen=True, slots=True)
class QueueNode:
    """``on``: reason of leaving -> node, else ``next``. ``variables`` go to the agent's screen."""

    queue: str
    priority: int = 0
    rank: int | None = None
    skills: Mapping[str, int] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    prompt: Prompts = ()
    on: Mapping[str, str] = field(default_factory=dict)
    next: str = ""


@dataclass(frozen=True, slots=True)
class DialNode:
    """``on``: result -> node, else ``next``. ``target`` is a template."""

    target: str
    timeout_s: float = 30.0
    prompt: Prompts = ()
    on: Mapping[str, str] = field(default_factory=dict)
    next: str = ""


@dataclass(frozen=True, slots=True)
class VoicemailNode:
    greeting: Prompts
    max_s: float = 120.0
    next: str = ""


@dataclass(frozen=True, slots=True)
class CallbackNode:
    """Call back the caller's own number, or one asked for (also where theirs is withheld)."""

    queue: str
    number: Literal["caller", "ask"]
    keys: Keys
    confirmed: Prompts
    on_failure: str = ""


@dataclass(frozen=True, slots=True)
class HangUpNode:
    """``completed``: the caller got what they came for (outcome completed-in-ivr)."""

    prompt: Prompts = ()
    completed: bool = True
    reason: str = "flow ended"


Node = (
    SayNode
    | MenuNode
    | CollectNode
    | HoursNode
    | SetNode
    | BranchNode
    | LookupNode
    | QueueNode
    | DialNode
    | VoicemailNode
    | CallbackNode
    | HangUpNode
)


@dataclass(frozen=True, slots=True)
class Flow:
    """``language`` "" takes the call's. ``variables``: first values, before the call's own.

    ``file`` and ``lines`` (of each node) say where it was written.
    """

    name: str
    start: str
    nodes: Mapping[str, Node]
    language: str = ""
    languages: frozenset[str] = frozenset({"en"})
    variables: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def hides(self) -> bool:
        """Whether any node asks for hidden keys."""
        return any(
            isinstance(node, CollectNode) and node.keys.hidden for node in self.nodes.values()
        )


def silent_edges(node: Node) -> tuple[str, ...]:
    """Nodes that a caller who presses nothing may come to without meeting anybody."""
    match node:
        case SayNode():
            return (node.next,)
        case MenuNode():
            return (node.on_timeout,)
        case CollectNode() | CallbackNode():
            return (node.on_failure,)
        case HoursNode():
            return (node.open, node.closed, node.holiday)
        case SetNode():
            return (node.next,)
        case BranchNode():
            return (*(case.next for case in node.cases), node.otherwise)
        case LookupNode():
            return (node.next, node.on_failure)
        case _:
            return ()


def edges(node: Node) -> tuple[str, ...]:
    """Every node that may come next ("" stands for the end of the call)."""
    match node:
        case MenuNode():
            return (*node.choices.values(), node.on_timeout, node.on_invalid)
        case CollectNode():
            return (node.next, node.on_failure)
        case QueueNode() | DialNode():
            return (*node.on.values(), node.next)
        case VoicemailNode():
            return (node.next,)
        case _:
            return silent_edges(node)


def prompts_of(node: Node) -> Prompts:
    """Everything the node may say of its own."""
    match node:
        case SayNode() | LookupNode() | QueueNode() | DialNode() | HangUpNode():
            return node.prompt
        case MenuNode():
            return node.prompt + node.invalid + node.no_input
        case CollectNode():
            return node.keys.prompt
        case CallbackNode():
            return node.keys.prompt + node.confirmed
        case VoicemailNode():
            return node.greeting
        case _:
            return ()
