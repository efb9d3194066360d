"""Log lines: one a line, UTC, telephone numbers masked whatever a message holds."""

from __future__ import annotations

import logging
import re
import time

# Not within a word (an id), a path or an address of four numbers.
NUMBER = re.compile(r"(?<![\w./+])\+?\d{7,15}(?![\w/]|\.\d)")


def mask(text: str) -> str:
    """All but the last two digits of anything that looks like a telephone number."""
    return NUMBER.sub(lambda found: "*" * (len(found.group()) - 2) + found.group()[-2:], text)


class MaskingFormatter(logging.Formatter):
    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


def set_up(level: str) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(MaskingFormatter("%(asctime)sZ %(name)s: %(levelname)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler])
    for noisy in ("uvicorn.access", "httpx", "httpcore", "sqlalchemy", "alembic", "aiosqlite"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
