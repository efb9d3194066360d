"""The queues' own sounds, made playable before the first caller needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from config.queueing import ANNOUNCEMENT
from config.settings import Settings
from ivr.actions import Audio
from ivr.prompts import PromptStore


@dataclass(frozen=True, slots=True)
class Sounds:
    """``music`` by queue; ``messages`` by queue, in turn; ``announcements`` by way out. Files
    that a worker can play."""

    music: Mapping[str, str] = field(default_factory=dict)
    messages: Mapping[str, tuple[Audio, ...]] = field(default_factory=dict)
    announcements: Mapping[str, Audio] = field(default_factory=dict)


async def sounds_of(settings: Settings, prompts: PromptStore) -> Sounds:
    """Raises PeerError for a file that is no audio."""

    async def playable(file: str) -> str:
        return str(await prompts.resolve(Audio(file)))

    ways = {settings.floor.personal.overflow}
    for queue in settings.queues:
        ways |= {queue.overflow, *queue.overflow_on.values()}
    return Sounds(
        {queue.name: await playable(queue.music) for queue in settings.queues if queue.music},
        {
            queue.name: tuple([Audio(await playable(file)) for file in queue.messages])
            for queue in settings.queues
            if queue.messages
        },
        {
            way: Audio(await playable(way.removeprefix(ANNOUNCEMENT)))
            for way in sorted(ways)
            if way.startswith(ANNOUNCEMENT)
        },
    )
