"""The process that stays: it opens the listeners, starts the others, restarts what dies.

It is lean and has no state worth losing: standard library only, one thread, everything it does
follows from a signal, a message or a deadline. Children run in process groups of their own, so
that a Ctrl-C reaches only the supervisor, and get a signal from the kernel should it die.

A spare engine stands by: a process that has loaded everything and holds nothing, so that an
engine that dies is followed in a moment.

Order of an end (SIGTERM, SIGINT): the engine first, which drains; then the workers. A second
signal does not wait for the drain. SIGHUP is an upgrade (engine.upgrade), which reads the
configuration anew, too.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
import time
from typing import Any

from config.errors import PeerError
from engine.children import Backoff, Child, kill, reap, start
from engine.control import Control, callbacks_text, left_text
from engine.handover import EXIT_CONFIG, Handover, SupervisorPlan, WorkerAt, control_path
from engine.held import Held
from engine.line import VARIABLE, Heard, Line, hand_over, pair
from engine.listeners import listening, open_listeners
from engine.run_files import lock, say, url_of, write_state
from engine.upgrade import Upgrade
from engine.vigil import Vigil
from engine.waiting import Waiter
from router import pulse

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# The engine; the one that is loaded and waits for its death; the one that an upgrade replaces it
# by; one that waited and is not wanted any more.
ENGINE, SPARE, NEXT, UNWANTED = "engine", "spare", "next", "unwanted"
ENGINES = (ENGINE, SPARE, NEXT)
SPARE_AFTER_S = 0.5  # an engine that has just begun has the machine for itself


def run(plan: SupervisorPlan) -> int:
    """Run until told to end; the exit status. PeerError where it cannot begin."""
    folder = os.path.join(plan.data_dir, "run")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    locked = lock(folder)
    _, files_max = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    try:
        waiter = Waiter(_SIGNALS)
        sockets = open_listeners((*plan.sip, plan.api))
        try:
            return Supervisor(plan, folder, sockets, waiter).run()
        finally:
            for sock in sockets:
                sock.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, "supervisor.json"))
    finally:
        os.close(locked)


class Supervisor:
    """One run: the children by pid, what is to be started when, and how far the end is."""

    def __init__(
        self, plan: SupervisorPlan, folder: str, sockets: list[socket.socket], waiter: Waiter
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._waiter = waiter
        bound = [
            listening(listener, sock)
            for listener, sock in zip((*plan.sip, plan.api), sockets, strict=True)
        ]
        self._sip, self._api = tuple(bound[:-1]), bound[-1]
        self._commands = {worker.name: worker.command for worker in plan.workers}
        self._commands |= dict.fromkeys(ENGINES, plan.engine)
        self._backoff = {name: Backoff() for name in self._commands}
        self._starts = dict.fromkeys(self._commands, 0)
        self._children: dict[int, Child] = {}
        self._due: dict[str, float] = {}  # what is to be started, and when
        self._ending = ""  # "", ENGINE while it drains, "workers"
        self._kill_at = 0.0
        self._status = 0
        self._held = Held(plan.streams_max)
        self._control = Control(control_path(plan.data_dir), waiter)
        self._upgrade = Upgrade(self)
        self._vigil = Vigil()
        self._drain: str | None = None  # where new calls are sent while it drains, "" for nowhere

    def run(self) -> int:
        for name in self._commands:
            if name not in (SPARE, NEXT):
                self.start(name)
        while self._children or not self._ending:
            self._flush()
            signals, fds = self._waiter.wait(self._patience_s())
            if signals & {signal.SIGTERM, signal.SIGINT}:
                self._end()
            elif signal.SIGHUP in signals and not self._ending:
                self._upgrade.begin()
            for child in [c for c in self._children.values() if c.line and c.line.fileno() in fds]:
                self._hear(child)
            for request in self._control.heard(fds):
                self._obey(request)
            self._look_for_hanging()
            self._reap()
            self._start_what_is_due()
            if self._upgrade.stage and time.monotonic() >= self._upgrade.deadline:
                self._upgrade.late()
            self._end_goes_on()
        self._control.close()
        self._held.close()
        return self._status

    def child(self, name: str) -> Child | None:
        return next((child for child in self._children.values() if child.name == name), None)

    def tell(self, what: str, text: str, status: int | None = None) -> None:
        """To the log, and to those who asked for ``what``."""
        say(text)
        self._control.tell(what, text, status)

    def _obey(self, request: dict[str, Any]) -> None:
        """Somebody at a terminal."""
        what = str(request.get("do"))
        engine = self.child(ENGINE)
        line = engine.line if engine is not None else None
        if self._ending:
            self._control.tell(what, "offhook is ending", 1)
        elif what == "upgrade":
            self._upgrade.begin()
        elif what == "drain":
            self._drain = str(request.get("to") or "")
            self.tell(what, "draining: no new calls are taken")
            if line is not None:
                line.say({"drain": self._drain})
        elif what != "reload":
            self._control.tell(what, f"this version knows no {what}", 2)
        elif line is None or not line.say({"reload": True}):
            self._control.tell(what, "no engine runs at this moment; ask again", 1)

    # --- starting and restarting --------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a child; an engine that is loaded already need not be started."""
        self._due.pop(name, None)
        if name == ENGINE and self._promote():
            return
        if name == SPARE and self.child(SPARE) is not None:
            return
        self._starts[name] += 1
        environment, inherited, line = dict(os.environ), [], None
        environment.setdefault("MALLOC_ARENA_MAX", "2")  # threads that mostly wait need no more
        if name in ENGINES:
            line, theirs = pair()
            environment[VARIABLE] = f"{theirs.fileno()} {name}"
            inherited = [theirs.fileno()]
        fd = pulse.pulse_fd()
        environment[pulse.VARIABLE] = str(fd)
        pid = start(self._commands[name], environment, [*inherited, fd])
        self._vigil.watch(pid, pulse.Pulse(fd))
        os.close(fd)
        if line is not None:
            theirs.close()
            self._waiter.watch(line.fileno())
        self._children[pid] = Child(name, pid, time.monotonic(), line)
        if name == ENGINE:
            self._hand_over(line)
        self._write_state()

    def _promote(self) -> bool:
        """One that waits, where there is one, is the engine from now on: the next version, or
        the spare."""
        following, spare = self.child(NEXT), self.child(SPARE)
        if following is not None and (following.version or spare is None):
            chosen = following
            if spare is not None:  # of the old version
                self._children[spare.pid] = spare._replace(name=UNWANTED)
                kill(spare.pid, signal.SIGKILL)
        elif spare is not None:
            chosen = spare
        else:
            return False
        self._starts[ENGINE] += 1
        self._children[chosen.pid] = chosen._replace(name=ENGINE, started=time.monotonic())
        self._hand_over(chosen.line)
        if chosen.name == NEXT:
            self._upgrade.took_over()
        self._write_state()
        return True

    def _hand_over(self, line: Line | None) -> None:
        """Where it is dead already its end is reaped like any other."""
        workers = tuple(WorkerAt(worker.name, worker.socket) for worker in self._plan.workers)
        starts = self._starts[ENGINE]
        handover = Handover(self._sip, self._api, workers, starts, self._drain)
        if line is not None:
            listeners = [item.fd for item in (*self._sip, self._api)]
            closed = self._held.give(line)
            hand_over(line, handover, self._held.ledger_fd, listeners)
            if closed:
                say(f"{closed} TCP streams were cut in the middle of a message and are closed")

    def _hear(self, child: Child) -> None:
        """What an engine says, all of it."""
        line = child.line
        while line is not None:
            try:
                heard = line.hear()
            except BlockingIOError:
                return
            if heard is None:
                self._waiter.forget(line.fileno())
                line.close()
                self._children[child.pid] = self._children[child.pid]._replace(line=None)
                return
            self._take(child.pid, heard)

    def _take(self, pid: int, heard: Heard) -> None:
        message = heard.message
        if "hold" in message:
            self._held.hold(message["hold"], heard.fds)
            return
        for fd in heard.fds:
            os.close(fd)
        if "drop" in message:
            self._held.drop(int(message["drop"]))
        elif "waiting" in message:
            self._children[pid] = self._children[pid]._replace(version=str(message["waiting"]))
            if self._children[pid].name == NEXT:
                self._upgrade.loaded(self._children[pid].version)
            self._write_state()
        elif "failed" in message:
            self._upgrade.failed(str(message["failed"]))
        elif "up" in message:
            self._upgrade.up(int(message["up"]))
            if self._plan.spare and not self._ending:
                self._due[SPARE] = time.monotonic() + SPARE_AFTER_S
        elif "reloaded" in message:
            why = str(message["reloaded"])
            self._control.tell("reload", why or "the configuration is reloaded", 1 if why else 0)
        elif "left" in message:
            self._control.tell("drain", left_text(*message["left"]))
        elif "drained" in message and self._drain is not None and not self._ending:
            self.tell("drain", f"drained{callbacks_text(message['drained'])}; offhook ends", 0)
            self._end()

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for name in [name for name, at in self._due.items() if at <= now]:
            self.start(name)

    def _reap(self) -> None:
        for pid, code in reap(self._children):
            self._hear(self._children[pid])  # what it said before
            child = self._children.pop(pid)
            self._vigil.forget(pid)
            if child.line is not None:
                self._waiter.forget(child.line.fileno())
                child.line.close()
            lived_s = time.monotonic() - child.started
            if self._ending:
                say(f"{child.name} (pid {pid}) ended: {code}")
                continue
            if child.name == ENGINE and code == EXIT_CONFIG and self._starts[ENGINE] == 1:
                say("the engine cannot run with this configuration")
                self._status = EXIT_CONFIG
                self._end()
                continue
            if child.name == UNWANTED:
                continue
            if child.name == NEXT:
                self._upgrade.failed(f"the version on disk does not start ({code})")
                continue
            if child.name == ENGINE and self._upgrade.stage == "ending":
                self._due[ENGINE] = time.monotonic()
                continue
            if child.name == ENGINE:
                self._upgrade.engine_died(code)
            pause_s = self._backoff[child.name].died(lived_s)
            looping = ", it dies again and again" if pause_s >= 1.0 else ""
            say(
                f"{child.name} (pid {pid}) died after {lived_s:.1f} s: {code}; "
                f"it starts again in {pause_s:.2f} s{looping}"
            )
            self._due[child.name] = time.monotonic() + pause_s

    def _flush(self) -> None:
        """A spare that is loading reads what it is told afterwards."""
        for line in [child.line for child in self._children.values() if child.line is not None]:
            line.flush()
            self._waiter.watch(line.fileno(), writable=line.unsent > 0)

    def _look_for_hanging(self) -> None:
        """One that hangs is worse than one that is dead: nobody takes its place."""
        for pid in self._vigil.look(time.monotonic()):
            say(f"{self._children[pid].name} (pid {pid}) shows no sign of life and is killed")
            kill(pid, signal.SIGKILL)

    def _patience_s(self) -> float:
        """Seconds until something is to be done without a signal."""
        deadlines = [self._vigil.next_look, *self._due.values()]
        if self._ending:
            deadlines.append(self._kill_at)
        if self._upgrade.stage:
            deadlines.append(self._upgrade.deadline)
        return max(min(deadlines) - time.monotonic(), 0.0)

    # --- the end ------------------------------------------------------------------------------

    def _end(self) -> None:
        """Begin to end; asked again, do not wait any longer."""
        self._due.clear()
        if self._ending:
            self._kill_at = time.monotonic()
            return
        say("ending: the engine drains")
        self._ending = ENGINE
        self._end_spares()
        self._kill_at = time.monotonic() + self._plan.engine_stop_s
        self._signal_engine(signal.SIGTERM)

    def _end_goes_on(self) -> None:
        if not self._ending:
            return
        engine_lives = any(child.name == ENGINE for child in self._children.values())
        if self._ending == ENGINE and not engine_lives:
            self._ending = "workers"
            self._kill_at = time.monotonic() + self._plan.worker_stop_s
            for pid in self._children:
                kill(pid, signal.SIGTERM)
        if self._children and time.monotonic() >= self._kill_at:
            late = [
                child
                for child in self._children.values()
                if self._ending != ENGINE or child.name in ENGINES
            ]
            for child in late:
                say(f"{child.name} (pid {child.pid}) does not end and is killed")
                kill(child.pid, signal.SIGKILL)
            self._kill_at = time.monotonic() + 1.0

    def _end_spares(self) -> None:
        """Who waits holds nothing: it may be killed at any moment."""
        for child in self._children.values():
            if child.name in (SPARE, NEXT):
                kill(child.pid, signal.SIGKILL)

    def _signal_engine(self, number: signal.Signals) -> None:
        for child in self._children.values():
            if child.name == ENGINE:
                kill(child.pid, number)

    # --- the state file -----------------------------------------------------------------------

    def _write_state(self) -> None:
        """``run/supervisor.json``: who runs and where, for ``offhook`` and for people."""
        pids = {child.name: child.pid for child in self._children.values()}
        spare = self.child(SPARE)
        state = {
            "pid": os.getpid(),
            "sip": [item._asdict() for item in self._sip],
            "api": {**self._api._asdict(), "url": url_of(*self._api[1:3])},
            "engine": {"pid": pids.get(ENGINE), "starts": self._starts[ENGINE]},
            "spare": {"pid": spare.pid if spare else None, "waits": bool(spare and spare.version)},
            "workers": [
                {
                    "name": worker.name,
                    "pid": pids.get(worker.name),
                    "starts": self._starts[worker.name],
                    "socket": worker.socket,
                }
                for worker in self._plan.workers
            ],
        }
        write_state(self._folder, state)


def main(arguments: list[str]) -> int:
    """``python -m engine.supervisor FD``: the plan as JSON comes from this descriptor."""
    with open(int(arguments[0]), encoding="utf-8") as file:
        plan = SupervisorPlan.from_json(file.read())
    try:
        return run(plan)
    except PeerError as error:
        say(str(error))
        return EXIT_CONFIG


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
