"""``offhook check``: the configuration, the flows and their prompts, without starting anything."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from config.errors import PeerError
from config.loading import load_settings
from ivr.loader import FlowSet
from ivr.prompts import PromptStore
from ivr.tts import find_tts
from main.serve import flows_of


def check(config: Path | None) -> int:
    """0 where all is well; 2 and every problem with file, line and remedy where it is not."""
    try:
        settings = load_settings(config)
        flows = flows_of(settings)
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(_prepare(Path(folder), flows, settings.language))
    except PeerError as error:
        print(error, file=sys.stderr)
        return 2
    missing = [
        f"number {number.number} leads to the flow {number.flow!r}, which is in no file; "
        f"known: {', '.join(sorted(flows.flows))}"
        for number in settings.numbers
        if number.flow is not None and flows.get(number.flow) is None
    ]
    for problem in missing:
        print(problem, file=sys.stderr)
    if missing:
        return 2
    print(
        f"well: {len(settings.queues)} queues, {len(settings.agents)} agents, "
        f"{len(settings.trunks)} trunks, {len(settings.numbers)} numbers, "
        f"{len(flows.flows)} flows"
    )
    return 0


async def _prepare(folder: Path, flows: FlowSet, language: str) -> None:
    await PromptStore(folder, await find_tts()).prepare(flows, (language,))
