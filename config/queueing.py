"""What the configuration says about queues, agents and callers: the floor's share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from config.section import DialString, Language, Name, Section

Strategy = Literal[
    "longest-idle",
    "least-occupied",
    "fewest-calls",
    "round-robin",
    "linear",
    "best-skill",
    "weighted-random",
    "ring-all",
]
Staffed = Literal["always", "signed-in", "working"]
OverflowCause = Literal["waited", "expected", "full", "closed", "unstaffed"]

LEVEL_MAX = 99
ANNOUNCEMENT = "announcement:"
_WAY_OUT = re.compile(
    r"voicemail|callback|hang-up|queue:[a-z0-9][a-z0-9_-]{0,63}|announcement:\S.{0,499}"
    r"|number:\+?[0-9]{2,32}"
)
_CALLERS = re.compile(r"\+?[0-9]{1,32}\*?|anonymous|[0-9A-Za-z._-]{1,64}")


def _way_out(text: str) -> str:
    if _WAY_OUT.fullmatch(text) is None:
        raise ValueError(
            f"{text!r} leads nowhere; write voicemail, callback, hang-up, queue:<name>, "
            "announcement:<audio file> or number:<telephone number>"
        )
    return text


WayOut = Annotated[str, AfterValidator(_way_out)]
Level = Annotated[int, Field(ge=1, le=LEVEL_MAX)]


def _numbers(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if _CALLERS.fullmatch(value) is None:
            raise ValueError(
                f"{value!r} is no caller; write a number, its beginning with a star "
                "(+4930*), or anonymous"
            )
    return values


CallerNumbers = Annotated[
    tuple[str, ...], Field(min_length=1, max_length=10_000), AfterValidator(_numbers)
]


class Widening(Section):
    """From ``after_s`` of waiting on: agents up to ``level`` in the queue, and without the
    skills in ``drop``. Steps add up; before a step that names a level every level may answer."""

    after_s: float = Field(ge=0, description="seconds of waiting")
    level: Level | None = Field(None, description="weakest level in the queue, 1 is best")
    drop: tuple[Name, ...] = Field((), description="skills that are not required any more")


class CallbackSettings(Section):
    """How a callback that keeps its place is made."""

    attempts: int = Field(3, ge=1, le=20)
    retry_s: float = Field(300.0, ge=1, description="after an attempt that nobody answered")
    ring_s: float = Field(30.0, ge=5, le=120)
    expires_s: float = Field(14_400.0, ge=60, description="given up so long after the request")


class QueueSettings(Section):
    """A queue: its aim, its rank, who answers, and what the waiting caller hears."""

    name: Name
    target_s: float = Field(20.0, gt=0, description="aim of the service level")
    target_share: float = Field(0.80, gt=0, le=1)
    rank: int = Field(
        5, ge=0, le=9, description="class: 0 is emergency, a smaller number goes strictly first"
    )
    credit_s: float = Field(5.0, ge=0, description="seconds that one point of priority buys")
    short_abandon_s: float = Field(5.0, ge=0)
    strategy: Strategy = "longest-idle"
    ring_all_max: int = Field(5, ge=1, le=20, description="ring-all: phones that ring at once")
    ring_timeout_s: float = Field(15.0, gt=0)
    wrap_up_s: float = Field(10.0, ge=0)
    wrap_up_max_s: float = Field(300.0, ge=0, description="the longest an agent may extend it to")
    skills: dict[Name, Level] = Field(
        default_factory=dict, description="required skill: weakest level allowed (1 best)"
    )
    widening: tuple[Widening, ...] = Field((), max_length=20)
    sticky_s: float = Field(
        0.0, ge=0, description="wait so long for the agent who knows the caller; 0: never"
    )
    resume_s: float = Field(
        120.0, ge=0, description="who hangs up and redials within this has the old place"
    )
    hours: Name | None = Field(None, description="of hours:; without it always open")
    join_when: Staffed = Field(
        "always", description="who must be there to let a caller in: working is not on break"
    )
    stay_while: Staffed = Field("always", description="the same for those who wait")
    waiting_max: int | None = Field(None, ge=1, description="more callers overflow")
    wait_max_s: float = Field(1800.0, gt=0, description="after so long: the overflow")
    expected_max_s: float | None = Field(
        None, gt=0, description="a caller who would probably wait longer overflows at once"
    )
    overflow: WayOut = "callback"
    overflow_on: dict[OverflowCause, WayOut] = Field(
        default_factory=dict, description="another way out for one cause"
    )
    announce_interval_s: float = Field(30.0, ge=5)
    announce_position: bool = True
    announce_wait: bool = True
    messages: tuple[str, ...] = Field(
        (), max_length=20, description="audio files played in turn while callers wait"
    )
    message_interval_s: float = Field(60.0, ge=10)
    callback_key: Literal["", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "#"] = "1"
    callback: CallbackSettings = CallbackSettings()
    music: str | None = Field(None, description="audio file; default: the shipped music")
    language: Language = "en"

    @field_validator("widening")
    @classmethod
    def _widens_in_order(cls, steps: tuple[Widening, ...]) -> tuple[Widening, ...]:
        times = [step.after_s for step in steps]
        if times != sorted(set(times)):
            raise ValueError("each step needs a later after_s than the one before")
        first = next((step for step in steps if step.level is not None), None)
        if first is not None and first.after_s > 0:
            raise ValueError(
                "every level may answer from the start, so this widens nothing; begin with "
                "{after_s: 0, level: 1}"
            )
        levels = [step.level for step in steps if step.level is not None]
        if levels != sorted(levels):
            raise ValueError("a later step must not take agents away; its level is smaller")
        return steps

    @model_validator(mode="after")
    def _wrap_up_fits(self) -> QueueSettings:
        if "wrap_up_max_s" in self.model_fields_set and self.wrap_up_max_s < self.wrap_up_s:
            raise ValueError(
                f"'wrap_up_max_s' is {self.wrap_up_max_s:g} and wrap_up_s {self.wrap_up_s:g}: the "
                "longest wrap-up cannot be shorter than every wrap-up; write at least "
                f"{self.wrap_up_s:g}"
            )
        return self

    def way_out(self, cause: OverflowCause) -> str:
        """Where a call goes that leaves the queue for this cause."""
        return self.overflow_on.get(cause, self.overflow)

    @property
    def ways_out(self) -> tuple[WayOut, ...]:
        """All that are named, whatever the cause."""
        return (self.overflow, *self.overflow_on.values())


class AgentSettings(Section):
    """A person, the phones that ring for them and what they can do."""

    id: Name
    name: str
    extension: str = Field(pattern=r"^[0-9]{2,10}$", description="also the SIP user name")
    queues: dict[str, Level] = Field(default_factory=dict, description="queue: level (1 best)")
    skills: dict[Name, Level] = Field(default_factory=dict, description="skill: level (1 best)")
    position: int = Field(0, ge=0, description="for linear queues: the smallest is rung first")
    weight: float = Field(1.0, gt=0, le=1000, description="for weighted-random queues")
    devices: Literal["all", "in-order"] = Field(
        "all", description="several phones of this extension ring at once, or one after another"
    )
    device_ring_s: float = Field(8.0, ge=2, description="in-order: before the next phone rings")
    redirects: Literal["never", "extensions", "anywhere"] = Field(
        "never", description="whether a phone may send an offer on (302), and how far"
    )
    password_env: str | None = Field(None, description="variable with the phone's SIP password")
    password_file: Path | None = None


class BreakReason(Section):
    """A named break: how long it may take, how many may take it at once."""

    name: str = Field(min_length=1, max_length=64)
    limit_s: float | None = Field(None, gt=0, description="longer is shown as overrun")
    agents_max: int | None = Field(None, ge=1, description="of all agents, at the same time")


class PersonalQueue(Section):
    """The queue that every agent has for calls put through to this person."""

    ring_timeout_s: float = Field(20.0, gt=0)
    wait_max_s: float = Field(120.0, gt=0)
    overflow: WayOut = "voicemail"


class Codes(Section):
    """Numbers an agent dials to change presence."""

    sign_in: DialString = "*11"
    sign_out: DialString = "*12"
    on_break: DialString = "*13"
    ready: DialString = "*14"


class Floor(Section):
    """Rules across all queues."""

    starvation_s: float = Field(300.0, gt=0, description="waited so long: over all but emergency")
    idle_step_s: float = Field(10.0, gt=0, description="idle times compare in steps of this")
    lease_s: float = Field(60.0, gt=0, description="an unanswered offer lapses after this")
    waiting_max: int = Field(10_000, ge=1)
    breaks: tuple[BreakReason, ...] = Field(
        (), max_length=50, description="the breaks there are; without any: any word"
    )
    personal: PersonalQueue = PersonalQueue()
    random_seed: int = Field(0, ge=0, description="of weighted-random queues")

    @model_validator(mode="after")
    def _breaks_differ(self) -> Floor:
        names = [reason.name for reason in self.breaks]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"break {sorted(twice)[0]!r} is named twice; each needs its own")
        return self


class Vip(Section):
    """Callers who get a head start."""

    numbers: CallerNumbers
    queues: tuple[Name, ...] = Field((), description="only there; without: everywhere")
    priority: int = Field(0, ge=-100, le=100, description="points added to the call's own")
    rank: int | None = Field(None, ge=1, le=9, description="class instead of the queue's")


class Blocked(Section):
    """Callers who are not let in."""

    numbers: CallerNumbers
    queues: tuple[Name, ...] = Field((), description="only there; without: everywhere")


class CallerLists(Section):
    """Who is treated otherwise, by the caller's number. The first list that fits counts."""

    vip: tuple[Vip, ...] = Field((), max_length=100)
    blocked: tuple[Blocked, ...] = Field((), max_length=100)
