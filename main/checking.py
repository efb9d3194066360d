"""``offhook check``: the configuration, the flows and their prompts, without starting anything."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from config.errors import PeerError
from config.settings import Settings
from engine.sounds import sounds_of
from ivr.loader import FlowSet
from ivr.prompts import PromptStore
from ivr.tts import find_tts
from main.loading import load


def check(config: Path | None) -> int:
    """0 where all is well; 2 and every problem with file, line and remedy where it is not."""
    try:
        settings, flows = load(config)
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_prepare(Path(folder), settings, flows))
    except PeerError as error:
        print(error, file=sys.stderr)
        return 2
    for missing, so in (
        (not settings.trunks, "no trunk: nobody outside can call"),
        (not settings.numbers, "no number: a call that comes leads nowhere"),
        (not settings.agents, "no agent: nobody answers"),
    ):
        if missing:
            print(f"note: {so}", file=sys.stderr)
    print(
        f"well: {len(settings.queues)} queues, {len(settings.agents)} agents, "
        f"{len(settings.trunks)} trunks, {len(settings.numbers)} numbers, "
        f"{len(flows.flows)} flows"
    )
    return 0


async def _prepare(folder: Path, settings: Settings, flows: FlowSet) -> None:
    prompts = PromptStore(folder, await find_tts())
    await prompts.prepare(flows, (settings.language,))
    await sounds_of(settings, prompts)
