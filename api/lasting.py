"""What outlasts the engine: questions to the records, facts that people add to the journal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from api.errors import UnavailableError
from engine.engine import Engine

log = logging.getLogger(__name__)

ASK_S_MAX = 10.0
KEEP_S_MAX = 5.0

Answer = TypeVar("Answer")


async def ask(question: Awaitable[Answer]) -> Answer:
    """The store's answer; UnavailableError where the store is away or takes longer than 10 s."""
    try:
        async with asyncio.timeout(ASK_S_MAX):
            return await question
    except (OSError, SQLAlchemyError) as error:
        log.warning("the records do not answer: %s", type(error).__name__)
        raise UnavailableError("the records do not answer at present; nothing is lost") from error


async def keep(engine: Engine, call: str, fact: object) -> None:
    """Write a person's fact; returns when it is on disk, so that what was accepted stays."""
    if engine.journal.full:
        raise UnavailableError("the journal takes nothing at present; try again")
    engine.journal_fact(call, fact)
    await on_disk(engine)


async def on_disk(engine: Engine) -> None:
    """Return when everything up to now is on disk: what is answered survives a crash."""
    try:
        async with asyncio.timeout(KEEP_S_MAX):
            await engine.journal.flush()
    except TimeoutError:
        raise UnavailableError("the disk does not answer; this may or may not be kept") from None
