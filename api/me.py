"""Whose token this is."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import Anyone, Role
from api.errors import declared
from api.shapes import Shape

router = APIRouter(tags=["me"])


class Me(Shape):
    """``agent`` is the agent's id with role agent, else null."""

    name: str
    role: Role
    agent: str | None


@router.get("/me", responses=declared())
async def get_me(who: Anyone) -> Me:
    """Name and role of the token in use."""
    return Me(name=who.name, role=who.role, agent=who.agent or None)
