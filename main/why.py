"""``offhook why CALL``: why a call was answered by whom, in plain words."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config.settings import Settings
    from queues.why.decisions import StoredFact

ASK_S = 15.0
_END = 2**63 - 1


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "why", help="say why a call was answered by whom, or what it waits for"
    )
    command.add_argument("call", help="the call's id, as tickets and GET /calls show it")
    command.add_argument(
        "-c", "--config", type=Path, default=None, help="default: the shipped configuration"
    )


def run(options: argparse.Namespace) -> int:
    return why(options.call, options.config)


def why(call: str, config: Path | None) -> int:
    """0 and the story on stdout; 1 where nothing is known of the call."""
    from config.loading import load_settings

    settings = load_settings(config)
    text = _from_node(settings, call)
    if text is None:
        print("the node does not answer; this is from its log and records", file=sys.stderr)
        text = asyncio.run(_from_disk(settings, call))
    if not text:
        print(f"the floor knows nothing of a call {call}", file=sys.stderr)
        return 1
    print(text)
    return 0


def _from_node(settings: Settings, call: str) -> str | None:
    """What the running node says, "" for a call that it does not know; None where it is down."""
    import httpx

    from config.credentials import FILE

    try:
        state = json.loads((settings.data_dir / "run" / "supervisor.json").read_text())
        token = json.loads((settings.data_dir / FILE).read_text())["own"]["admin_token"]
        found = httpx.get(
            f"{state['api']['url']}/calls/{call}/why",
            headers={"Authorization": f"Bearer {token}"},
            timeout=ASK_S,
        )
        if found.status_code in (404, 422):
            return ""
        return str(found.raise_for_status().json()["text"])
    except (OSError, ValueError, KeyError, httpx.HTTPError):
        return None


async def _from_disk(settings: Settings, call: str) -> str:
    """From the log and the records of a node that is down; nothing is written."""
    from engine.registry import product_registry
    from engine.why import Place, Question, answer, names_of, told
    from main.cli import version
    from main.replay import journal_of

    stored = await _stored(settings, call)
    place = Place(journal_of(settings), product_registry(), version(), _END)
    found = answer(Question(call, names_of(settings), stored), place)
    return told(found) if found is not None else ""


async def _stored(settings: Settings, call: str) -> list[StoredFact]:
    """The records' facts of the call; none where the database is away or not there."""
    from config.store import database_url, open_database
    from queues.why.decisions import DecisionStore

    url = database_url(settings.store.database, settings.data_dir)
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
        return []
    database = open_database(settings.store.database, settings.data_dir)
    try:
        return await DecisionStore(database).of_call(call)
    except Exception as error:
        print(f"the records do not answer: {type(error).__name__}", file=sys.stderr)
        return []
    finally:
        await database.dispose()
