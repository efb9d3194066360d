"""The media worker: ``python -m router.media.worker --name w0 --socket PATH --ports 20000-29999``.

A process of its own that outlives the engine: it plays, relays and records until it is told
otherwise, whether or not an engine is connected. SIGTERM ends it, recordings closed.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import resource
import signal
import socket
import sys
import time

from router.media.disk import ThreadDisk
from router.media.exchange import VISIT_STEPS, Exchange
from router.media.link import Link, log
from router.media.loop import Loop
from router.media.playout import STEPS_PER_FRAME
from router.media.ports import PortPool
from router.media.protocol import WorkerFigures
from router.media.tapes import FLUSH_STEPS
from router.pulse import EVERY_S, own_pulse

FIGURES_US = 5_000_000
ALONE_US = 1_500_000  # without an engine: the next one is there after half a second
BEAT_US = int(EVERY_S * 1_000_000)
FAULTS_MAX = 100
CLOSED_BEFORE_COLLECT = 100  # a closed leg is a cycle of some kB; collecting takes a millisecond


class Worker:
    """Puts loop, exchange and link together."""

    def __init__(
        self, name: str, listener: socket.socket, hosts: tuple[str, str], ports: PortPool
    ) -> None:
        self.name = name
        self.figures_due_us = FIGURES_US
        self.beat_due_us = 0
        self.engine_at_us = 0
        self.pulse = own_pulse()
        self.faults = 0
        self.loop = Loop()
        disk = ThreadDisk()
        self.exchange = Exchange(
            hosts, ports, self.loop, self.loop.clock, self._report, _random32, disk
        )
        self.loop.watch(disk.wake_fd, lambda _: disk.take_closed())
        self.link = Link(name, listener, self.loop, self.exchange.handle, self._sessions)

    def _report(self, report: object) -> None:
        self.link.report(report)  # type: ignore[arg-type]

    def _sessions(self) -> int:
        return len(self.exchange.legs)

    def send_figures(self) -> None:
        """Tell the engine how this worker does; also the moment to tidy up."""
        legs = self.exchange.legs.values()
        figures = [leg.figures() for leg in legs]
        exchange = self.exchange
        self.link.figure(
            WorkerFigures(
                worker=self.name,
                sessions=len(figures),
                ports_free=exchange.ports.free,
                received=exchange.received_before + sum(each.received for each in figures),
                sent=exchange.sent_before + sum(each.sent for each in figures),
                lost=exchange.lost_before + sum(each.lost for each in figures),
                loop_lag_ms_max=self.loop.lag_us_max / 1000,
                cpu_s=time.process_time(),
            )
        )
        self.loop.lag_us_max = 0
        self.loop.clock.follow_wall()
        if self.exchange.closed >= CLOSED_BEFORE_COLLECT:
            self.exchange.closed = 0
            gc.collect()

    def _more(self) -> bool:
        self.link.proceed()
        self._look_for_engine()
        if self.loop.clock.now_us >= self.beat_due_us:
            self.beat_due_us = self.loop.clock.now_us + BEAT_US
            self.pulse.beat()
        if self.loop.clock.now_us >= self.figures_due_us:
            self.figures_due_us = self.loop.clock.now_us + FIGURES_US
            self.send_figures()
        return bool(self.link.busy)

    def _look_for_engine(self) -> None:
        now_us = self.loop.clock.now_us
        if self.link.engine is not None:
            self.engine_at_us = now_us
        alone = now_us - self.engine_at_us > ALONE_US
        if alone != self.exchange.ears.alone:
            self.exchange.ears.keep_company(alone)

    def _idle(self) -> bool:
        return not self.exchange.legs and not self.exchange.tapes.recorders

    def _busy_step(self, number: int) -> int:
        """The next step from ``number`` on, within 20 ms, that has something to do."""
        exchange = self.exchange
        players, visits, flushes = exchange.ears.players, exchange.visits, exchange.tapes.flushes
        for ahead in range(number, number + STEPS_PER_FRAME):
            if (
                players[ahead % STEPS_PER_FRAME]
                or visits[ahead % VISIT_STEPS]
                or flushes[ahead % FLUSH_STEPS]
            ):
                return ahead
        return number + STEPS_PER_FRAME

    def run(self) -> None:
        """Serve until SIGTERM."""
        stop_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        signal.signal(signal.SIGTERM, lambda *_: os.eventfd_write(stop_fd, 1))
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's; the supervisor decides
        self.loop.watch(stop_fd, lambda _: self.loop.stop())
        gc.collect()
        gc.freeze()
        gc.disable()
        while not self.loop.stopping:
            try:
                exchange = self.exchange
                self.loop.run(
                    exchange.step, self._busy_step, exchange.skipped, self._idle, self._more
                )
            except Exception as error:
                # A fault of ours about one packet must not end every call of this worker; one
                # that repeats must (the supervisor starts another).
                self.faults += 1
                sys.excepthook(type(error), error, error.__traceback__)
                if self.faults > FAULTS_MAX:
                    raise
        self.exchange.tapes.finish_all()
        self.send_figures()
        log(f"{self.name}: stopped with {self._sessions()} sessions open")


def _random32() -> int:
    return int.from_bytes(os.urandom(4), "big")


def _listen(path: str, fd: int) -> socket.socket:
    if fd >= 0:
        return socket.socket(fileno=fd)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(mask)
    listener.listen(8)
    return listener


def _port_range(text: str) -> tuple[int, int]:
    lowest, _, highest = text.partition("-")
    return int(lowest), int(highest)


def main(arguments: list[str] | None = None) -> int:
    """Run a worker with command line arguments; returns the exit status."""
    parser = argparse.ArgumentParser(prog="router.media.worker")
    parser.add_argument("--name", default="w0")
    parser.add_argument("--socket", default="", help="unix socket to create and listen on")
    parser.add_argument("--socket-fd", type=int, default=-1, help="inherited listening socket")
    parser.add_argument("--host", default="127.0.0.1", help="IPv4 address that RTP binds to")
    parser.add_argument("--host6", default="::1", help="IPv6 address that RTP binds to")
    parser.add_argument("--ports", type=_port_range, default=(20_000, 29_999), metavar="LOW-HIGH")
    parser.add_argument("--rest", type=float, default=10.0, help="seconds a freed port rests")
    options = parser.parse_args(arguments)
    if not options.socket and options.socket_fd < 0:
        parser.error("name --socket or --socket-fd")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hosts = options.host, options.host6
    listener = _listen(options.socket, options.socket_fd)
    lowest, highest = options.ports
    pool = PortPool(lowest, highest, options.rest, begin=_random32())
    Worker(options.name, listener, hosts, pool).run()
    if options.socket:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(options.socket)
    return 0


if __name__ == "__main__":
    sys.exit(main())
