"""Who asks, and what they may do: bearer tokens with roles.

An agent sees and changes what is their own; a supervisor all of the floor, calls, tickets and
recordings; an operator figures and health only, no personal data; an admin everything. A
token stands in the Authorization header only, and is compared by its SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.errors import ForbiddenError, UnauthenticatedError
from engine.engine import Engine

Role = Literal["agent", "supervisor", "operator", "admin"]
TOKEN_CHARACTERS_MAX = 512

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="`offhook token` makes one; the administrator's is in secrets.json of data_dir",
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose token it is. ``agent`` is the agent's id with role agent, else ""."""

    name: str
    role: Role
    agent: str = ""

    @property
    def signs_as(self) -> str:
        """The name under what this person changes."""
        return self.agent or self.name

    @property
    def sees_all(self) -> bool:
        return self.role in ("supervisor", "admin")


async def engine_of(request: Request) -> Engine:
    engine: Engine = request.app.state.engine
    return engine


TheEngine = Annotated[Engine, Depends(engine_of)]


def recognise(engine: Engine, token: str) -> Principal | None:
    """The principal of a token; every known hash is compared, so that time tells nothing."""
    digest = hashlib.sha256(token[: TOKEN_CHARACTERS_MAX + 1].encode()).hexdigest()
    found: Principal | None = None
    if hmac.compare_digest(digest, engine.admin_token_sha256):
        found = Principal("admin", "admin")
    for known in engine.settings.tokens:
        if hmac.compare_digest(digest, known.sha256):
            found = Principal(known.name, known.role, known.agent or "")
    return found


async def known(
    engine: TheEngine,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Principal:
    """Whoever has a known token."""
    if given is None:
        raise UnauthenticatedError("send the header Authorization: Bearer <token>")
    found = recognise(engine, given.credentials)
    if found is None:
        raise UnauthenticatedError("this token is not known")
    return found


def allow(*roles: Role) -> Callable[..., Coroutine[Any, Any, Principal]]:
    """A dependency that lets these roles in."""

    async def allowed(who: Annotated[Principal, Depends(known)]) -> Principal:
        if who.role not in roles:
            raise ForbiddenError(f"this needs the role {' or '.join(roles)}; yours is {who.role}")
        return who

    return allowed


async def figures_reader(
    request: Request,
    engine: TheEngine,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> None:
    """Who may read /metrics: operators and above, or all where the configuration says so."""
    if engine.settings.api.metrics_public:
        return
    await allow("operator", "supervisor", "admin")(await known(engine, given))


Anyone = Annotated[Principal, Depends(known)]
Staff = Annotated[Principal, Depends(allow("agent", "supervisor", "admin"))]
Leader = Annotated[Principal, Depends(allow("supervisor", "admin"))]
