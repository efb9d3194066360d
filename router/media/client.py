"""The engine's end of the socket to one media worker (asyncio)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from config.errors import PeerError
from router.media.frames import (
    ANSWER,
    REPORT,
    UNANSWERED,
    FrameError,
    Splitter,
    decode_from_worker,
    encode_command,
)
from router.media.protocol import (
    Acknowledge,
    Answer,
    Command,
    Figure,
    Hello,
    Refused,
    Report,
    Welcome,
)

log = logging.getLogger(__name__)

UNSENT_BYTES_MAX = 16 * 1024 * 1024
ANSWER_S_MAX = 5.0

OnReport = Callable[[str, int, Report], None]
OnFigures = Callable[[Figure], None]
OnLost = Callable[[str], None]


class WorkerLost(PeerError):
    """The connection to the worker is gone, or it did not answer in time."""


class WorkerClient(asyncio.Protocol):
    """Sends commands in order, batched by turn of the event loop; gives reports to callbacks.

    ``on_report(worker, number, report)`` may come again for a report that was not acknowledged
    on an earlier connection. ``on_lost(worker)`` comes once, not after ``close``. Callbacks run
    in the event loop and must not block.
    """

    def __init__(
        self,
        generation: int,
        on_report: OnReport,
        on_figures: OnFigures,
        on_lost: OnLost,
    ) -> None:
        self.name = ""
        self.welcome: Welcome | None = None
        self._generation = generation
        self._on_report = on_report
        self._on_figures = on_figures
        self._on_lost = on_lost
        self._splitter = Splitter()
        self._transport: asyncio.WriteTransport | None = None
        self._number = 0
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._wanted: dict[int, tuple[Callable[[Answer], None], asyncio.TimerHandle]] = {}
        self._batch: list[bytes] = []
        self._closing = False

    @classmethod
    async def connect(
        cls,
        path: str,
        generation: int,
        engine_name: str,
        on_report: OnReport,
        on_figures: OnFigures,
        on_lost: OnLost,
    ) -> WorkerClient:
        """Connect, say Hello and wait for Welcome (then in ``welcome``).

        Raises OSError where nobody listens; WorkerLost where the worker refuses (a newer
        engine is there) or does not answer.
        """
        loop = asyncio.get_running_loop()
        client = cls(generation, on_report, on_figures, on_lost)
        await loop.create_unix_connection(lambda: client, path)
        try:
            answer = await client.ask(Hello(engine_name))
        except BaseException:
            client.close()
            raise
        if not isinstance(answer, Welcome):
            client.close()
            raise WorkerLost(f"{path}: {answer}")
        return client

    # --- to the worker ------------------------------------------------------------------------

    def send(self, command: Command) -> None:
        """Send a command and forget it; a refusal is logged. Dropped when the worker is lost."""
        self._write(encode_command(self._generation, UNANSWERED, command))

    async def ask(self, command: Command, timeout_s: float = ANSWER_S_MAX) -> Answer:
        """Send a command and wait for its answer. Raises WorkerLost."""
        self._number += 1
        number = self._number
        if self._transport is None:
            raise WorkerLost(f"worker {self.name} is not connected")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        self._write(encode_command(self._generation, number, command))
        try:
            return await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            raise WorkerLost(f"worker {self.name}: no answer in {timeout_s} s") from None
        finally:
            self._asked.pop(number, None)

    def request(self, command: Command, then: Callable[[Answer], None]) -> None:
        """Send a command now; ``then`` gets its answer, or Refused where none comes."""
        self._number += 1
        number = self._number
        loop = asyncio.get_running_loop()
        if self._transport is None:
            loop.call_soon(then, Refused(f"worker {self.name} is gone"))
            return
        patience = loop.call_later(ANSWER_S_MAX, self._give_up)
        self._wanted[number] = (then, patience)
        self._write(encode_command(self._generation, number, command))

    def _give_up(self) -> None:
        """A worker that hangs is lost like one that died, or it would be given every new call:
        it has the fewest. Should it wake up, its sessions are compared at the next connection."""
        if self._transport is not None:
            log.error("worker %s: no answer in %s s, connection cut", self.name, ANSWER_S_MAX)
            self._transport.abort()

    def acknowledge(self, number: int) -> None:
        """Every report up to ``number`` is journaled: the worker forgets them."""
        self.send(Acknowledge(number))

    def close(self) -> None:
        """Send what is batched and end the connection; the worker goes on by itself."""
        self._closing = True
        self._flush()
        if self._transport is not None:
            self._transport.close()

    @property
    def connected(self) -> bool:
        return self._transport is not None and not self._closing

    def _write(self, frame: bytes) -> None:
        if self._transport is None:
            return
        if not self._batch:
            asyncio.get_running_loop().call_soon(self._flush)
        self._batch.append(frame)

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        transport = self._transport
        if not batch or transport is None:
            return
        transport.write(b"".join(batch))
        if transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            log.error("worker %s does not read, connection cut", self.name)
            transport.abort()

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._splitter.feed(data)
        try:
            while (frame := self._splitter.next()) is not None:
                self._take(frame)
        except FrameError as error:
            log.error("worker %s: %s", self.name, error)
            if self._transport is not None:
                self._transport.abort()

    def _take(self, frame: bytes) -> None:
        kind, number, body = decode_from_worker(frame)
        if kind == ANSWER:
            if isinstance(body, Welcome):
                self.welcome = body
                self.name = body.worker
            wanted = self._wanted.pop(number, None)
            future = self._asked.get(number)
            if wanted is not None:
                wanted[1].cancel()
                wanted[0](body)  # type: ignore[arg-type]
            elif future is not None:
                if not future.done():
                    future.set_result(body)  # type: ignore[arg-type]
            elif isinstance(body, Refused):
                log.warning("worker %s refused a command: %s", self.name, body.reason)
        elif kind == REPORT:
            self._on_report(self.name, number, body)  # type: ignore[arg-type]
        else:
            self._on_figures(body)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._batch = []
        for future in self._asked.values():
            if not future.done():
                future.set_exception(WorkerLost(f"worker {self.name} is gone"))
        unanswered, self._wanted = self._wanted, {}
        for then, patience in unanswered.values():
            patience.cancel()
            then(Refused(f"worker {self.name} is gone"))
        if not self._closing:
            self._closing = True
            if self.welcome is not None:  # else whoever connects is told by WorkerLost
                self._on_lost(self.name)
