"""Which of the closed set of outcomes a call had (GLOSSARY.md, "Outcome").

Where two fit, the first row of ``PRECEDENCE`` that applies decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from router.events import Outcome
from router.inputs import Cause


@dataclass(slots=True)
class Milestones:
    """When what happened to the call, unix seconds; 0.0 is never."""

    arrived: float = 0.0
    picked_up: float = 0.0
    queued: float = 0.0  # start of the visit that counts (the latest)
    waited_s: float = 0.0  # of the visit that ended last
    short_abandon_s: float = 5.0
    sent_on: float = 0.0  # policy ended the wait: what the caller leaves then is no queue
    connected: float = 0.0  # an agent joined
    dialled: float = 0.0  # a party outside joined
    talk_cut: float = 0.0  # a talk ended by loss and was not resumed
    message: float = 0.0  # a voicemail began to be recorded
    callback: float = 0.0
    completed: float = 0.0  # the flow says the caller got what they came for
    overflowed: float = 0.0  # policy sent the call out of Offhook
    refused: float = 0.0  # closed, blocked, no such number
    ended: float = 0.0


def _missed(marks: Milestones, cause: Cause) -> bool:
    return marks.queued > 0


def _short(marks: Milestones, cause: Cause) -> bool:
    left = marks.queued > 0 and not marks.sent_on and cause in LEFT
    return left and marks.waited_s < marks.short_abandon_s


LEFT: frozenset[Cause] = frozenset({"bye", "cancel"})

PRECEDENCE: tuple[tuple[Outcome, Callable[[Milestones, Cause], bool]], ...] = (
    ("callback-requested", lambda marks, cause: marks.callback > 0),
    ("voicemail", lambda marks, cause: marks.message > 0),
    ("dropped", lambda marks, cause: marks.talk_cut > 0),
    ("answered", lambda marks, cause: marks.connected > 0),
    ("overflowed", lambda marks, cause: marks.overflowed > 0),
    ("dialled-out", lambda marks, cause: marks.dialled > 0),
    ("short-abandoned", _short),
    ("missed", _missed),
    ("refused", lambda marks, cause: marks.refused > 0),
    ("failed", lambda marks, cause: cause == "failed"),
    ("completed-in-ivr", lambda marks, cause: marks.completed > 0),
    ("left-in-ivr", lambda marks, cause: True),
)


def outcome_of(marks: Milestones, cause: Cause) -> Outcome:
    """The call's one outcome; ``cause`` is how the caller's leg ended."""
    return next(name for name, fits in PRECEDENCE if fits(marks, cause))
