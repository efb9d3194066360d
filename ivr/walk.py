"""One step in the making: the position as it changes and the actions so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from config.errors import MisuseError
from config.values import changed
from ivr.actions import Action, Audio, HangUp, Phrase, Prompt, Say, Speech
from ivr.flow import BUILT_IN, Flow, Line, Node, Prompts
from ivr.position import Position, WaitingFor
from ivr.templates import expand

PLAY_S_MAX = 600.0  # an announcement's end that nobody reports is taken for granted after this
PROMPTS_MAX = 32
VALUE_MAX = 500
VARIABLES_MAX = 200

Kind = TypeVar("Kind", bound=Node)


class Walk:
    """Mutable for the length of one step; nothing of it outlives the step."""

    def __init__(self, flow: Flow, position: Position, now: float) -> None:
        self.flow = flow
        self.position = position
        self.now = now
        self.actions: list[Action] = []

    def node(self, kind: type[Kind]) -> Kind:
        """The node the call is in, which must be of this kind."""
        node = self.flow.nodes[self.position.node]
        if not isinstance(node, kind):
            raise MisuseError(f"{self.position.node} waits for {self.position.waiting_for}")
        return node

    def wait(self, waiting_for: WaitingFor, seconds: float | None = None) -> None:
        """Wait, at most ``seconds``."""
        deadline = None if seconds is None else self.now + seconds
        self.position = changed(self.position, waiting_for=waiting_for, deadline=deadline)

    def say(self, prompts: tuple[Prompt, ...], waiting_for: WaitingFor, barge_in: bool) -> bool:
        """Play and wait for the end. False where there is nothing to play."""
        if not prompts:
            return False
        self.actions.append(Say(prompts, barge_in))
        self.wait(waiting_for, PLAY_S_MAX)
        return True

    def end(self, prompts: tuple[Prompt, ...], *, completed: bool, reason: str) -> str | None:
        """The flow is over. Returns None, which is what a node gives back that has no next."""
        self.actions.append(HangUp(prompts, completed, reason))
        self.position = changed(self.position, collected="", ahead="", secrets={})
        self.wait("ended")
        return None

    def fail(self, reason: str) -> str | None:
        """The flow has nothing more for this caller: say goodbye."""
        return self.end((self.phrase("goodbye"),), completed=False, reason=reason)

    def phrase(self, name: str) -> Phrase:
        return Phrase(name, self.position.language)

    def render(self, prompts: Prompts) -> tuple[Prompt, ...]:
        """The prompts with this call's values in them; empty ones fall out."""
        found = (self._render(line) for line in prompts[:PROMPTS_MAX])
        return tuple(prompt for prompt in found if prompt is not None)

    def _render(self, line: Line) -> Prompt | None:
        text = line.value
        if line.kind != "audio":
            text = expand(text, self.position.variables)
        return prompt_of(line, text, line.language or self.position.language)

    def assign(self, values: Mapping[str, str]) -> None:
        """Set variables; ``language`` changes the call's language where it is a known one."""
        variables = dict(self.position.variables)
        language = self.position.language
        for name, value in values.items():
            if name == "language":
                if value in self.flow.languages:
                    language = value
                    variables[name] = value
            elif (name == "result" or name not in BUILT_IN) and (
                name in variables or len(variables) < VARIABLES_MAX
            ):
                variables[name] = value[:VALUE_MAX]
        self.position = changed(self.position, variables=variables, language=language)


def prompt_of(line: Line, text: str, language: str) -> Prompt | None:
    """What a line of a flow says, its values filled in; None where that is nothing."""
    text = text.strip()
    if not text:
        return None
    match line.kind:
        case "audio":
            return Audio(text)
        case "phrase":
            return Phrase(text, language)
        case "number":
            return _number(text, language)
        case "digits":
            return _digits(text, language)
        case "text":
            return Speech(text, language)


def _number(text: str, language: str) -> Prompt | None:
    """A whole number is said by shipped words, anything else digit by digit."""
    whole = text.removesuffix(".0")
    if whole.isascii() and whole.isdigit() and len(whole) <= 3:
        return Phrase(f"number-{int(whole)}", language)
    return _digits(text, language)


def _digits(text: str, language: str) -> Prompt | None:
    keys = "".join(key for key in text if key in "0123456789*#")[:32]
    return Phrase(f"digits-{keys}", language) if keys else None
