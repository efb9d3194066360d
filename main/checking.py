"""``offhook check``: the configuration, the flows and their prompts, without starting anything."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.credentials import absent
from config.errors import PeerError
from config.queueing import LEVEL_MAX
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
    for note in _otherwise_than_meant(settings):
        print(f"note: {note}", file=sys.stderr)
    for lacking in absent(settings):
        print(f"note: serve would not start here: {lacking}", file=sys.stderr)
    print(
        f"well: {len(settings.queues)} queues, {len(settings.agents)} agents, "
        f"{len(settings.trunks)} trunks, {len(settings.numbers)} numbers, "
        f"{len(flows.flows)} flows"
    )
    return 0


def _otherwise_than_meant(settings: Settings) -> Iterator[str]:
    """What can be run, but hardly is what was meant."""
    dials = any(trunk.outbound for trunk in settings.trunks)
    for queue in settings.queues:
        levels = [agent.skills for agent in settings.agents if queue.name in agent.queues]
        for skill, weakest in queue.skills.items():
            if not any(skills.get(skill, LEVEL_MAX + 1) <= weakest for skills in levels):
                yield (
                    f"queue {queue.name!r} needs the skill {skill!r} at level {weakest} or better, "
                    "and no agent of it has it: nobody answers its calls until a step of "
                    "widening drops it"
                )
        for way in queue.ways_out:
            if way.startswith("number:") and not dials:
                yield (
                    f"queue {queue.name!r} leads to {way}, and no trunk has outbound: such calls "
                    "reach nobody"
                )


async def _prepare(folder: Path, settings: Settings, flows: FlowSet) -> None:
    prompts = PromptStore(folder, await find_tts())
    await prompts.prepare(flows, (settings.language,))
    await sounds_of(settings, prompts)
