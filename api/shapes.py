"""What all requests and answers have in common: exact, frozen models; ids; times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, StringConstraints


class Shape(BaseModel):
    """Base of all models: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def moment(at: float | None) -> datetime | None:
    """Unix seconds as a time in UTC; None and 0.0 are never."""
    return datetime.fromtimestamp(at, UTC) if at else None


def instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
AgentId = Annotated[str, Path(pattern=NAME, description="the agent's id in the configuration")]
CALL = r"^[0-9A-Za-z_-]{1,64}$"
QueueName = Annotated[str, Path(pattern=NAME)]
CallId = Annotated[str, Path(pattern=CALL)]
RecordingId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_-]{1,80}$")]
TicketNumber = Annotated[
    str, Path(pattern=r"^(T-)?[0-9]{1,12}$", description="T-000042, or only 42")
]

# A line that a person wrote: no control characters (line ends, escapes, NUL).
Line = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")
]
# A text that a person wrote: line ends and tabs are fine.
Text = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, max_length=10_000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
    ),
]


def ticket_number(text: str) -> int:
    """T-000042 -> 42."""
    return int(text.removeprefix("T-"))
