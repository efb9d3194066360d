"""What a waiting caller gets: from the queue's settings and sounds, as the call core wants it."""

from __future__ import annotations

from collections.abc import Callable

from config.queueing import QueueSettings
from config.settings import Settings
from engine.sounds import Sounds
from queues.rules import PERSONAL, personal_queue
from router import inputs as on

NUMBER = "number:"
ANNOUNCE_PERSONAL_S = 45.0

Resolve = Callable[[str], tuple[on.Destination, tuple[str, ...]]]


class Cares:
    """The care of every queue, agents' personal ones included."""

    def __init__(self, settings: Settings, sounds: Sounds) -> None:
        self._sounds = sounds
        self._of_queue = {queue.name: _care(queue, sounds) for queue in settings.queues}
        self._agents = {personal_queue(agent.id) for agent in settings.agents}
        self._language = settings.language

    def of(self, queue: str) -> on.QueueCare | None:
        """None for a queue that there is not."""
        if queue.startswith(PERSONAL):
            return self._personal(queue) if queue in self._agents else None
        return self._of_queue.get(queue)

    def music_of(self, queue: str) -> str | None:
        return self._sounds.music.get(queue)

    def way_out(self, to: str, reason: str, resolve: Resolve) -> on.Overflowed:
        """A way out of the configuration as the call core takes it."""
        if to.startswith(NUMBER):
            _, targets = resolve(to.removeprefix(NUMBER))
            return on.Overflowed(to, reason, targets=targets)
        announcement = self._sounds.announcements.get(to)
        return on.Overflowed(to, reason, prompts=(announcement,) if announcement else ())

    def _personal(self, queue: str) -> on.QueueCare:
        """Nobody is told a position, and there is nobody else who could call back."""
        return on.QueueCare(
            queue,
            announce_s=ANNOUNCE_PERSONAL_S,
            callback_key="",
            language=self._language,
            tells_position=False,
            tells_wait=False,
        )


def _care(queue: QueueSettings, sounds: Sounds) -> on.QueueCare:
    return on.QueueCare(
        queue.name,
        queue.target_s,
        queue.short_abandon_s,
        queue.announce_interval_s,
        queue.callback_key,
        queue.language,
        queue.announce_position,
        queue.announce_wait,
        sounds.messages.get(queue.name, ()),
        queue.message_interval_s,
    )
