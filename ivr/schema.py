"""The shape of a flow file, as a person writes it (docs/ivr.md). Checked, then made values."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from config.queueing import Level
from config.schedule import Schedule
from config.section import Name, Section
from ivr import patterns

Variable = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Key = Annotated[str, Field(pattern=r"^[0-9*#]{1,4}$")]
Seconds = Annotated[float, Field(gt=0, le=120)]
KINDS = ("text", "audio", "phrase", "number", "digits")


class PromptItem(Section):
    """Something to say: exactly one of text, audio, phrase, number and digits."""

    text: str | None = Field(None, max_length=2000)
    audio: str | None = Field(None, max_length=500)
    phrase: str | None = None
    number: str | None = None
    digits: str | None = None
    language: str | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> PromptItem:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of {', '.join(KINDS)}")
        if not getattr(self, given[0]).strip():
            raise ValueError("the prompt is empty; say something, or leave the key out")
        return self

    @property
    def kind(self) -> str:
        return next(kind for kind in KINDS if getattr(self, kind) is not None)


def _as_items(value: Any) -> Any:
    """A text, one item or a list of both."""
    if value is None:
        raise ValueError("the prompt is missing; write a text, {phrase: ...} or {audio: ...}")
    if not isinstance(value, list | tuple):
        value = [value]
    if not value:
        raise ValueError("the prompt is empty; say something, or leave the key out")
    return [{"text": str(item)} if isinstance(item, str | int | float) else item for item in value]


Prompt = Annotated[tuple[PromptItem, ...], Field(max_length=32), BeforeValidator(_as_items)]


class Say(Section):
    type: Literal["say"]
    prompt: Prompt
    barge_in: bool = True
    next: Name


class Menu(Section):
    type: Literal["menu"]
    prompt: Prompt
    choices: dict[Key, Name] = Field(min_length=1, max_length=100)
    timeout_s: Seconds = 6.0
    between_s: Seconds = 2.0
    retries: int = Field(2, ge=0, le=10)
    on_timeout: Name | None = None
    on_invalid: Name | None = None
    invalid: Prompt | None = None
    no_input: Prompt | None = None
    barge_in: bool = True


class Collect(Section):
    type: Literal["collect"]
    prompt: Prompt
    save: Variable
    digits: int | None = Field(None, ge=1, le=32)
    min: int = Field(1, ge=1, le=32)
    max: int = Field(32, ge=1, le=32)
    terminator: Literal["#", "*", ""] = "#"
    timeout_s: Seconds = 6.0
    between_s: Seconds = 3.0
    retries: int = Field(2, ge=0, le=10)
    confirm: bool = False
    hidden: bool = False
    barge_in: bool = True
    next: Name
    on_failure: Name | None = None

    @model_validator(mode="after")
    def _lengths_and_secrets_fit(self) -> Collect:
        if self.digits is not None and self.model_fields_set & {"min", "max"}:
            raise ValueError("give either digits: or min: and max:")
        if self.min > self.max:
            raise ValueError("min: is larger than max:; swap them")
        if self.confirm and self.hidden:
            raise ValueError("hidden digits are not read back; remove confirm:")
        return self


class Hours(Section):
    type: Literal["hours"]
    schedule: Name
    open: Name
    closed: Name
    holiday: Name | None = None


class Set(Section):
    type: Literal["set"]
    values: dict[Variable, str] = Field(min_length=1, max_length=50)
    next: Name


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else [value]


Operands = Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(_as_list)]
TESTS = ("prefix", "equals", "in", "matches", "at_least")


class Case(Section):
    """A condition on the value of the branch's variable (or of its own ``on``)."""

    on: Variable | None = None
    prefix: Operands | None = None
    equals: str | None = None
    in_: Operands | None = Field(None, alias="in")
    matches: str | None = None
    at_least: float | None = None
    next: Name

    @field_validator("matches")
    @classmethod
    def _is_tame(cls, value: str | None) -> str | None:
        if value is not None:
            patterns.check(value)
        return value

    @model_validator(mode="after")
    def _tests_one_thing(self) -> Case:
        if len(self.given()) != 1:
            raise ValueError(f"name exactly one of {', '.join(TESTS)}")
        return self

    def given(self) -> list[tuple[str, tuple[str, ...]]]:
        """(test, operands) of every test named."""
        pairs: list[tuple[str, Any]] = [
            ("prefix", self.prefix),
            ("equals", self.equals),
            ("in", self.in_),
            ("matches", self.matches),
            ("at_least", self.at_least),
        ]
        return [
            (test, value if isinstance(value, tuple) else (str(value),))
            for test, value in pairs
            if value is not None
        ]


class Branch(Section):
    type: Literal["branch"]
    on: Variable | None = None
    cases: tuple[Case, ...] = Field(min_length=1, max_length=100)
    otherwise: Name


class Lookup(Section):
    type: Literal["lookup"]
    url: str = Field(max_length=1000)
    method: Literal["GET", "POST"] = "GET"
    timeout_s: float = Field(3.0, gt=0, le=30)
    headers: dict[str, str] = Field(default_factory=dict, max_length=20)
    body: dict[str, Any] | None = None
    fields: dict[Variable, str] = Field(default_factory=dict, max_length=50)
    prompt: Prompt | None = None
    next: Name
    on_failure: Name

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        scheme, separator, rest = value.partition("://")
        if scheme not in ("http", "https") or not separator or rest[:1] in ("", "/", "{"):
            raise ValueError("write http://host/... or https://host/... with a fixed host")
        if "{" in rest.partition("/")[0]:
            raise ValueError("a variable must not name the host; put it after the first '/'")
        return value

    @field_validator("headers")
    @classmethod
    def _headers_are_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if not name.replace("-", "").isalnum() or not name.isascii():
                raise ValueError(f"{name!r} is no header name; letters, digits and '-' only")
        return value

    @model_validator(mode="after")
    def _body_is_posted(self) -> Lookup:
        if self.body is not None and self.method != "POST":
            raise ValueError("a body needs method: POST")
        return self


class Queue(Section):
    type: Literal["queue"]
    queue: Name
    priority: int = Field(0, ge=-100, le=100)
    rank: int | None = Field(None, ge=0, le=9)
    skills: dict[Name, Level] = Field(default_factory=dict, max_length=20)
    variables: tuple[Variable, ...] = ()
    prompt: Prompt | None = None
    on: dict[str, Name] = Field(default_factory=dict)
    next: Name | None = None


class Dial(Section):
    type: Literal["dial"]
    target: str = Field(min_length=1, max_length=200)
    timeout_s: float = Field(30.0, gt=0, le=180)
    prompt: Prompt | None = None
    on: dict[Literal["answered", "busy", "no-answer", "refused", "failed"], Name] = Field(
        default_factory=dict
    )
    next: Name | None = None


class Voicemail(Section):
    type: Literal["voicemail"]
    prompt: Prompt = (PromptItem(phrase="voicemail-greeting"),)
    max_s: float = Field(120.0, gt=0, le=600)
    next: Name | None = None


class Callback(Section):
    type: Literal["callback"]
    queue: Name
    number: Literal["caller", "ask"] = "caller"
    prompt: Prompt = (PromptItem(phrase="callback-number"),)
    confirmed: Prompt = (PromptItem(phrase="callback-confirmed"),)
    min: int = Field(3, ge=1, le=15)
    max: int = Field(15, ge=1, le=15)
    confirm: bool = True
    timeout_s: Seconds = 8.0
    retries: int = Field(2, ge=0, le=10)
    on_failure: Name | None = None


class HangUp(Section):
    type: Literal["hangup"]
    prompt: Prompt | None = None
    completed: bool = True
    reason: str = Field("flow ended", max_length=100)


Node = Annotated[
    Say
    | Menu
    | Collect
    | Hours
    | Set
    | Branch
    | Lookup
    | Queue
    | Dial
    | Voicemail
    | Callback
    | HangUp,
    Field(discriminator="type"),
]


class FlowFile(Section):
    """One flow: the file's name without .yaml is the flow's name."""

    language: str | None = None
    timezone: str = "UTC"
    variables: dict[Variable, str] = Field(default_factory=dict, max_length=100)
    schedules: dict[Name, Schedule] = Field(default_factory=dict, max_length=50)
    start: Name
    nodes: dict[Name, Node] = Field(min_length=1, max_length=1000)
