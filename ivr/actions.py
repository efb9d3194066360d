"""What goes into the machine and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from config.values import value

# --- prompts: what a caller hears -----------------------------------------------------------


@value(frozen=True, slots=True)
class Audio:
    """An audio file: absolute path."""

    file: str


@value(frozen=True, slots=True)
class Speech:
    """Text for the TTS engine."""

    text: str
    language: str


@value(frozen=True, slots=True)
class Phrase:
    """A shipped phrase by name, or one put together from shipped words.

    ``number-42``, ``digits-0371``, ``position-3``, ``wait-5`` (minutes) are put together.
    """

    name: str
    language: str


Prompt = Audio | Speech | Phrase

# --- inputs ---------------------------------------------------------------------------------


@value(frozen=True, slots=True)
class Digit:
    """A key: one of 0-9 * # A-D."""

    key: str


@value(frozen=True, slots=True)
class PlayEnded:
    """The last Say is over (not an earlier one's report that came late)."""


@value(frozen=True, slots=True)
class Tick:
    """The position's deadline is reached. Too early a tick does nothing."""


@value(frozen=True, slots=True)
class LookupDone:
    """The JSON object of the answer."""

    fields: Mapping[str, Any]


@value(frozen=True, slots=True)
class LookupFailed:
    reason: str


@value(frozen=True, slots=True)
class DialEnded:
    """``answered`` (and over), ``busy``, ``no-answer``, ``refused`` or ``failed``."""

    result: str


@value(frozen=True, slots=True)
class QueueLeft:
    """The queue gave the caller back: ``overflow``, ``callback-key``, ``full``, ``closed``..."""

    reason: str


@value(frozen=True, slots=True)
class VoicemailEnded:
    """The message is full, or the caller pressed #. (A hang-up ends the call, not the flow.)"""

    seconds: float = 0.0


Input = (
    Digit | PlayEnded | Tick | LookupDone | LookupFailed | DialEnded | QueueLeft | VoicemailEnded
)

# --- actions --------------------------------------------------------------------------------


@value(frozen=True, slots=True)
class Say:
    """Play these, in place of whatever plays; a key stops them where ``barge_in``."""

    prompts: tuple[Prompt, ...]
    barge_in: bool


@value(frozen=True, slots=True)
class Lookup:
    """``body`` is JSON text, "" for none."""

    url: str = field(repr=False)
    method: Literal["GET", "POST"] = "GET"
    timeout_s: float = 3.0
    body: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@value(frozen=True, slots=True)
class Enqueue:
    """``prompts`` are heard first, while the call has its place already."""

    queue: str
    priority: int
    rank: int | None
    skills: Mapping[str, int]
    variables: Mapping[str, str]
    prompts: tuple[Prompt, ...] = ()


@value(frozen=True, slots=True)
class Dial:
    target: str
    timeout_s: float
    prompts: tuple[Prompt, ...] = ()


@value(frozen=True, slots=True)
class Voicemail:
    """Play the greeting and a beep, then record. VoicemailEnded follows, or the hang-up."""

    greeting: tuple[Prompt, ...]
    max_s: float


@value(frozen=True, slots=True)
class RequestCallback:
    number: str
    queue: str


@value(frozen=True, slots=True)
class HangUp:
    """Play the prompts, then end the call. The flow is over."""

    prompts: tuple[Prompt, ...]
    completed: bool
    reason: str


Action = Say | Lookup | Enqueue | Dial | Voicemail | RequestCallback | HangUp
