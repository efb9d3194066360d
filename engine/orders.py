"""What the supervisor asks of the running engine: to make way, to drain, to reload."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.line import Line
from engine.tasks import Tasks
from router.pulse import EVERY_S, Pulse

if TYPE_CHECKING:
    from engine.engine import Engine

log = logging.getLogger(__name__)

COUNT_EVERY_S = 1.0


class Orders:
    """Listens on the line; answers go back over it."""

    def __init__(
        self,
        line: Line,
        pulse: Pulse,
        engine: Engine,
        drain: str | None,
        reload: Callable[[], None],
    ) -> None:
        self._line = line
        self._engine = engine
        self._reload = reload
        self._tasks = Tasks("orders")
        self._left: tuple[int, int] = (-1, -1)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(line.fileno(), self._hear)
        line.on_unsent = self._flush_when_it_can
        if line.unsent:
            self._flush_when_it_can()
        self._pulse = pulse
        self._beat()
        if drain is not None:
            self._drain(drain)

    def _flush_when_it_can(self) -> None:
        self._loop.add_writer(self._line.fileno(), self._flush)

    def _flush(self) -> None:
        if not self._line.flush() or not self._line.unsent:
            self._loop.remove_writer(self._line.fileno())

    def _beat(self) -> None:
        """The loop turns: the supervisor kills an engine that hangs."""
        self._pulse.beat()
        self._next_beat = self._loop.call_later(EVERY_S, self._beat)

    async def close(self) -> None:
        """The pulse goes on: a process that hangs at its end is killed like any other."""
        self._loop.remove_reader(self._line.fileno())
        self._loop.remove_writer(self._line.fileno())
        self._line.on_unsent = lambda: None
        self._engine.timers.clear("drain")
        await self._tasks.close()

    def _hear(self) -> None:
        while True:
            try:
                heard = self._line.hear()
            except BlockingIOError:
                return
            if heard is None:  # the supervisor is gone; the kernel tells us to end
                self._loop.remove_reader(self._line.fileno())
                return
            for fd in heard.fds:
                os.close(fd)
            if "end" in heard.message:
                self._tasks.start(self._make_way())
            elif "drain" in heard.message:
                self._drain(str(heard.message["drain"]))
            elif "reload" in heard.message:
                self._reload()

    async def _make_way(self) -> None:
        """Another engine takes the calls over: nothing ends, everything is on disk."""
        await self._engine.journal.flush()
        for _ in range(2):  # what waited for that goes out
            await asyncio.sleep(0)
        log.info("making way for the next engine")
        os._exit(0)

    def _drain(self, to: str) -> None:
        if self._engine.arrivals.drains_to is None:
            log.info("draining: new calls go %s", "to a peer" if to else "elsewhere")
        self._engine.arrivals.drains_to = to
        self._left = (-1, -1)
        self._count()

    def _count(self) -> None:
        """Tell how many are left, when that changes; a person watches."""
        engine = self._engine
        calls = len(engine.turns.calls)
        left = calls, sum(not call.on_line for call in engine.floor.floor.waiting())
        if left != self._left:
            self._left = left
            self._line.say({"left": left})
        if calls:
            engine.timers.set("drain", engine.clock.now() + COUNT_EVERY_S, self._count)
        else:
            self._line.say({"drained": left[1]})
