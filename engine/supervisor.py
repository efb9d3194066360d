"""The process that stays: it opens the listeners, starts the others, restarts what dies.

It is lean and has no state worth losing: standard library only, one thread, everything it does
follows from a signal, a message or a deadline. Children run in process groups of their own, so
that a Ctrl-C reaches only the supervisor, and get a signal from the kernel should it die.

Engines are forks of a spare, a process that has loaded everything and holds nothing
(engine.stand_by), so that an engine that dies is followed in a moment.

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
from engine.births import Births
from engine.children import Backoff, Child, Started, begin, inherited, kill
from engine.control import Control, callbacks_text, left_text
from engine.family import ENGINE, NEXT, SPARE, SPARES, UNWANTED, Family
from engine.handover import EXIT_CONFIG, Handover, SupervisorPlan, WorkerAt, control_path
from engine.held import Held
from engine.line import Heard, Line, hand_over
from engine.lineage import adopt_orphans
from engine.listeners import listening, open_listeners
from engine.run_files import lock, say, url_of, write_state
from engine.upgrade import Upgrade
from engine.waiting import Waiter

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
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
        self._commands = dict.fromkeys(SPARES, plan.engine)
        self._commands |= {worker.name: worker.command for worker in plan.workers}
        self._backoff = {name: Backoff() for name in (ENGINE, *self._commands)}
        self._starts = dict.fromkeys(self._backoff, 0)
        self._family = Family(waiter, plan.start_s, self._take)
        self._due: dict[str, float] = {}  # what is to be started, and when
        self._ending = ""  # "", ENGINE while it drains, "workers"
        self._kill_at = 0.0
        self._status = 0
        self._held = Held(plan.streams_max)
        self._control = Control(control_path(plan.data_dir), waiter)
        self._upgrade = Upgrade(self)
        self._births = Births()
        self._engine_waits = False  # for a spare to be loaded
        self._drain: str | None = None  # where new calls are sent while it drains, "" for nowhere

    def run(self) -> int:
        adopt_orphans()
        if self._plan.first is not None:
            self._starts[SPARE] += 1
            self._adopt(SPARE, inherited(self._plan.first), first=True)
        for name in (ENGINE, *(worker.name for worker in self._plan.workers)):
            self.start(name)
        while self._family.by_pid or not self._ending:
            self._family.flush()
            signals, fds = self._waiter.wait(self._patience_s())
            if signals & {signal.SIGTERM, signal.SIGINT}:
                self._end()
            elif signal.SIGHUP in signals and not self._ending:
                self._upgrade.begin()
            self._family.hear(fds)
            for request in self._control.heard(fds):
                self._obey(request)
            self._family.look_for_hanging()
            for child, code, worked in self._family.reap():
                self._follow(child, code, worked)
            if time.monotonic() >= self._upgrade.deadline:
                self._upgrade.late()
            self._start_what_is_due()
            self._end_goes_on()
        self._control.close()
        self._held.close()
        return self._status

    def child(self, name: str) -> Child | None:
        return self._family.child(name)

    def dismiss(self, name: str) -> None:
        self._family.dismiss(name)

    def rename(self, name: str, new: str) -> None:
        self._family.rename(name, new)

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
        """Start a child that does not run."""
        self._due.pop(name, None)
        if self.child(name) is not None:
            return
        if name == ENGINE:
            self._bear()
            return
        self._starts[name] += 1
        first = name == SPARE and self._engine_waits
        role = "first" if first else name if name in SPARES else ""
        self._adopt(name, begin(self._commands[name], role), first)

    def _adopt(self, name: str, started: Started, first: bool = False) -> None:
        self._family.adopt(name, started)
        if first and started.line is not None:
            started.line.say({"begin": True})
        self._write_state()

    def _bear(self) -> None:
        """Have an engine forked, at once or as soon as a spare is loaded."""
        if self._births.expected is not None:
            return
        source = self.child(self._upgrade.source) or self.child(SPARE)
        loaded = source is not None and bool(source.version)
        self._engine_waits = not loaded
        if source is None:
            if SPARE not in self._due:
                self.start(SPARE)
        elif loaded and not self._births.begin(source, time.monotonic()):
            self._not_born(source, "cannot be told")

    def _not_born(self, source: Child, why: str) -> None:
        """That spare is of no use; its end is followed by the next one."""
        self._births.give_up()
        self._engine_waits = True
        say(f"{source.name} (pid {source.pid}) {why} and is killed")
        kill(source.pid, signal.SIGKILL)

    def _born(self, source_pid: int, pid: int) -> None:
        expected = self._births.born(source_pid)
        if expected is None:
            return
        if self._ending:
            expected.line.close()
            expected.pulse.close()
            return
        source = expected.source
        self._starts[ENGINE] += 1
        engine = Child(ENGINE, pid, time.monotonic(), expected.line, source.version)
        self._family.take_in(engine, expected.pulse)
        self._hand_over(expected.line)
        self._write_state()
        if source.name == NEXT:
            self._upgrade.took_over()

    def _hand_over(self, line: Line) -> None:
        """Where it is dead already its end is reaped like any other."""
        workers = tuple(WorkerAt(worker.name, worker.socket) for worker in self._plan.workers)
        starts = self._starts[ENGINE]
        handover = Handover(self._sip, self._api, workers, starts, self._drain)
        listeners = [item.fd for item in (*self._sip, self._api)]
        closed = self._held.give(line)
        hand_over(line, handover, self._held.ledger_fd, listeners)
        if closed:
            say(f"{closed} TCP streams were cut in the middle of a message and are closed")

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
            self._is_loaded(pid, str(message["waiting"]))
        elif "failed" in message:
            self._upgrade.failed(str(message["failed"]))
        elif "forked" in message:
            self._born(pid, int(message["forked"]))
        elif "unforked" in message:
            self._births.give_up()
            say(f"no engine can be forked: {message['unforked']}")
            self._due[ENGINE] = time.monotonic() + self._backoff[ENGINE].died(1, False, 0.0)
        elif "up" in message:
            self._is_up(pid, int(message["up"]))
        elif "reloaded" in message:
            why = str(message["reloaded"])
            self._control.tell("reload", why or "the configuration is reloaded", 1 if why else 0)
        elif "left" in message:
            self._control.tell("drain", left_text(*message["left"]))
        elif "drained" in message and self._drain is not None and not self._ending:
            self.tell("drain", f"drained{callbacks_text(message['drained'])}; offhook ends", 0)
            self._end()

    def _is_loaded(self, pid: int, version: str) -> None:
        """A spare waits."""
        spare = self._family.by_pid[pid] = self._family.by_pid[pid]._replace(version=version)
        if spare.name == NEXT:
            self._upgrade.loaded(version)
        elif self._engine_waits:
            self.start(ENGINE)
        self._write_state()

    def _is_up(self, pid: int, calls: int) -> None:
        """The engine works."""
        self._family.by_pid[pid] = self._family.by_pid[pid]._replace(up=True)
        self._upgrade.up(calls)
        if not self._plan.spare:
            self._due.pop(SPARE, None)
            self.dismiss(SPARE)
        elif self.child(SPARE) is None and not self._ending:
            self._due[SPARE] = time.monotonic() + SPARE_AFTER_S
        self._write_state()

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        expected = self._births.expected
        if expected is not None and now >= expected.deadline:
            self._not_born(expected.source, "does not fork an engine")
        for name in [name for name, at in self._due.items() if at <= now]:
            self.start(name)

    def _follow(self, child: Child, code: int, worked: bool) -> None:
        """A child has ended."""
        if self._ending:
            say(f"{child.name} (pid {child.pid}) ended: {code}")
        elif child.name == ENGINE and code == EXIT_CONFIG and self._starts[ENGINE] == 1:
            say("the engine cannot run with this configuration")
            self._status = EXIT_CONFIG
            self._end()
        else:
            self._died(child, code, worked)

    def _died(self, child: Child, code: int, worked: bool) -> None:
        """Who follows, and when."""
        expected = self._births.expected
        if expected is not None and expected.source.pid == child.pid:
            self._births.give_up()
            self._engine_waits = True
        if child.name == NEXT:
            self._upgrade.failed(f"the version on disk does not start ({code})")
        elif child.name == ENGINE and self._upgrade.engine_died(code):
            self._due[ENGINE] = time.monotonic()
        elif child.name != UNWANTED:
            lived_s = time.monotonic() - child.started
            pause_s = self._backoff[child.name].died(code, worked, lived_s)
            looping = ", it dies again and again" if pause_s >= 1.0 else ""
            say(
                f"{child.name} (pid {child.pid}) died after {lived_s:.1f} s: {code}; "
                f"it starts again in {pause_s:.2f} s{looping}"
            )
            self._due[child.name] = time.monotonic() + pause_s
        if self._engine_waits and child.name in (*SPARES, UNWANTED):
            self._due.setdefault(ENGINE, time.monotonic())

    def _patience_s(self) -> float:
        """Seconds until something is to be done without a signal."""
        deadlines = [self._family.next_look, *self._due.values(), self._upgrade.deadline]
        if self._ending:
            deadlines.append(self._kill_at)
        if self._births.expected is not None:
            deadlines.append(self._births.expected.deadline)
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
        self._births.give_up()
        self._family.signal(signal.SIGKILL, *SPARES)  # who holds nothing may be killed
        self._kill_at = time.monotonic() + self._plan.engine_stop_s
        self._family.signal(signal.SIGTERM, ENGINE)

    def _end_goes_on(self) -> None:
        if not self._ending:
            return
        if self._ending == ENGINE and self.child(ENGINE) is None:
            self._ending = "workers"
            self._kill_at = time.monotonic() + self._plan.worker_stop_s
            self._family.signal(signal.SIGTERM)
        if self._family.by_pid and time.monotonic() >= self._kill_at:
            names = (ENGINE, *SPARES) if self._ending == ENGINE else ()
            for child in self._family.by_pid.values():
                if not names or child.name in names:
                    say(f"{child.name} (pid {child.pid}) does not end and is killed")
            self._family.signal(signal.SIGKILL, *names)
            self._kill_at = time.monotonic() + 1.0

    # --- the state file -----------------------------------------------------------------------

    def _write_state(self) -> None:
        """``run/supervisor.json``: who runs and where, for ``offhook`` and for people."""
        pids = {child.name: child.pid for child in self._family.by_pid.values()}
        engine, spare = self.child(ENGINE), self.child(SPARE)
        state = {
            "pid": os.getpid(),
            "sip": [item._asdict() for item in self._sip],
            "api": {**self._api._asdict(), "url": url_of(*self._api[1:3])},
            "engine": {
                "pid": pids.get(ENGINE),
                "starts": self._starts[ENGINE],
                "up": bool(engine and engine.up),
            },
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
