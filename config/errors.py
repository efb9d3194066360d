"""Who is to blame lives in the type of the error."""

from __future__ import annotations


class PeerError(Exception):
    """The other side (a caller, phone, trunk, client of the API, a file's author) did wrong."""


class MisuseError(Exception):
    """We did wrong: a call of an interface that its state or contract forbids."""


class ConfigError(PeerError):
    """A configuration or flow file is wrong.

    ``str()`` reads ``file:line: field: what is wrong; what would be right`` (line 0, of a file
    that cannot be read at all, is not shown).
    """

    def __init__(self, file: str, line: int, field: str, problem: str) -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {field}: {problem}" if field else f"{place}: {problem}")
        self.file = file
        self.line = line
        self.field = field
        self.problem = problem


class StoreWentBackError(PeerError):
    """A store has less than it said it had (it crashed, or a replica took its place): what
    follows ``position`` must be given to it again."""

    def __init__(self, position: int) -> None:
        super().__init__(f"the store went back to {position}")
        self.position = position
