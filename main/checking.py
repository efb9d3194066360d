"""``offhook check``: the configuration, the flows and their prompts, without starting anything."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from config.errors import PeerError
from config.loading import load_settings
from ivr.loader import load_flows
from ivr.prompts import PromptStore


def check(config: Path | None) -> int:
    """0 where all is well; 2 and every problem with file, line and remedy where it is not."""
    try:
        settings = load_settings(config)
        flows = load_flows(
            settings.flows_dir, queues=frozenset(queue.name for queue in settings.queues)
        )
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(PromptStore(Path(folder)).prepare(flows))
    except PeerError as error:
        print(error, file=sys.stderr)
        return 2
    missing = [
        f"number {number.number} leads to the flow {number.flow!r}, which is in no file; "
        f"known: {', '.join(sorted(flows.names()))}"
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
        f"{len(flows.names())} flows"
    )
    return 0
