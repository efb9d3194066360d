"""A seeded world on a virtual clock: callers, agents, a disk that takes its time, crashes.

It runs the very cores and turns of the engine (call, IVR, floor, statistics, recovery); only
the wire is played: legs and prompts take seeded times and fail in seeded ways.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Hashable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from config.settings import AgentSettings, Number, QueueSettings, Settings
from engine import recovery
from engine.call_timers import CallTimers
from engine.callbacks import Callbacks
from engine.callers import Callers
from engine.engine import Engine
from engine.floorside import FloorSide
from engine.flows import Flows
from engine.holds import Holds
from engine.journal import Entry
from engine.keeping import Keeping
from engine.turns import Turns, register
from ivr.loader import SHIPPED_DIR, load_flows
from queues.figures.statistics import Statistics
from router import effects as do
from router import events as facts
from router import inputs as on
from router.call import Call, CallRules

AGENTS = ("anna", "boris", "clara")
FLOWS = load_flows(SHIPPED_DIR, queues=frozenset({"support"}))
SETTINGS = Settings(
    queues=(QueueSettings(name="support", wrap_up_s=5.0, ring_timeout_s=12.0, wait_max_s=180.0),),
    numbers=(Number(number="*", flow="main"),),
    agents=tuple(
        AgentSettings(id=name, name=name, extension=str(101 + at), queues={"support": 1})
        for at, name in enumerate(AGENTS)
    ),
)


class Clock:
    def __init__(self, at: float) -> None:
        self.at = at

    def now(self) -> float:
        return self.at


class Agenda:
    """Timers on virtual time, with the interface of engine.timers.Timers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Hashable, Callable[[], None]]] = []
        self._latest: dict[Hashable, int] = {}
        self._count = 0

    @property
    def now(self) -> float:
        return self._clock.at

    def set(self, name: Hashable, at: float, call: Callable[[], None]) -> None:
        self._count += 1
        self._latest[name] = self._count
        heapq.heappush(self._heap, (max(at, self._clock.at), self._count, name, call))

    def clear(self, name: Hashable) -> None:
        self._latest.pop(name, None)

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self.set(("once", self._count), self._clock.at + seconds, call)

    def step(self, until: float) -> bool:
        """Run the next thing due by ``until``; False where there is none."""
        while self._heap and self._heap[0][0] <= until:
            at, count, name, call = heapq.heappop(self._heap)
            if self._latest.get(name) == count:
                del self._latest[name]
                self._clock.at = max(self._clock.at, at)
                call()
                return True
        return False

    def forget_timers(self) -> None:
        """An engine died, and its timers with it; what happens outside happens."""
        for name in list(self._latest):
            if not (isinstance(name, tuple) and name[0] == "once"):
                del self._latest[name]

    def close(self) -> None:
        self._heap.clear()
        self._latest.clear()


class Disk:
    """A journal whose entries become durable when its disk gets to it: a group at a time, as what
    was appended before the write began. States are written down as the group ends."""

    generation = 1
    full = False
    dead = False

    def __init__(self, agenda: Agenda, random_: random.Random, kept: list[Entry]) -> None:
        self._agenda = agenda
        self._random = random_
        self.entries = list(kept)
        self.durable_seq = self.last_seq = len(kept)
        self.recovered = SimpleNamespace(held=0)
        self.on_durable: Callable[[Entry], None] = lambda entry: None
        self._waiting: list[tuple[int, Callable[[], None]]] = []
        self._states: dict[object, Callable[[], object]] = {}
        self._writing = False

    def append(self, call: str, event: object, at: float) -> Entry:
        self.last_seq += 1
        entry = Entry(self.last_seq, at, call, event)
        self.entries.append(entry)
        self._write_soon()
        return entry

    def keep(self, name: object, write: Callable[[], object]) -> None:
        self._states[name] = write
        self._write_soon()

    def when_durable(self, seq: int, callback: Callable[[], None]) -> None:
        if seq <= self.durable_seq:
            callback()
        else:
            self._waiting.append((seq, callback))

    def _write_soon(self) -> None:
        if not self._writing:
            self._writing = True
            self._agenda.after(0.0, self._hand_over)

    def _hand_over(self) -> None:
        if self.dead:
            return
        states, self._states = self._states, {}
        for write in states.values():
            write()
        group = self.last_seq
        delay = self._random.choice((0.0005, 0.002, 0.03))
        self._agenda.after(delay, lambda: self._synced(group))

    def _synced(self, group: int) -> None:
        if self.dead:
            return
        self._writing = False
        fresh = self.entries[self.durable_seq : group]
        self.durable_seq = group
        if self.last_seq > group or self._states:
            self._write_soon()
        for entry in fresh:
            self.on_durable(entry)
        due = [call for seq, call in self._waiting if seq <= self.durable_seq]
        self._waiting = [item for item in self._waiting if item[0] > self.durable_seq]
        for callback in due:
            callback()

    def hold(self, name: str, after: int) -> None:
        return None

    def read(self, after: int) -> Iterator[Entry]:
        return iter(self.entries[after : self.durable_seq])


SUPERVISOR = "supervisor/1/1"


class World:
    """Callers, phones and one engine at a time. ``kill`` is kill -9 of the engine alone: phones,
    sockets and workers are there for the next one. ``crash`` is a reboot: the world that follows
    has what the disk kept, and nobody on the line."""

    def __init__(self, seed: int, kept: list[Entry] | None = None, at: float = 1e9) -> None:
        self.random = random.Random(seed)
        self.clock = Clock(at)
        self.agenda = Agenda(self.clock)
        self.reachable: set[str] = set()
        self.alive: dict[str, str] = {}  # leg: whose, "" a caller's
        self.rung: dict[str, str] = {}  # agent: leg
        self.numbers: dict[str, str] = {}  # a caller's leg: their number
        self.leaving: dict[str, tuple[str, on.Cause, int]] = {}  # by the far end, and since when
        self.joined: set[tuple[str, str]] = set()
        self.dialled: set[str] = set()
        self.answered: set[str] = set()  # legs whose far end heard our 200, or gave its own
        self.seen_outside: list[str] = []
        self.legs_made = 0
        self._build(kept or [])
        if kept:
            recovery.settle(cast(Engine, self))
        self.disk.append("", facts.EngineStarted(1, "1", SUPERVISOR), self.clock.at)

    def _build(self, kept: list[Entry]) -> None:
        """A new engine on a disk."""
        self.disk = Disk(self.agenda, self.random, kept)
        self.turns = Turns(cast(Any, self.clock), cast(Any, self.disk))
        self.floor = FloorSide(
            self.turns,
            cast(Any, self.agenda),
            SETTINGS,
            lambda agent: (f"sip:{agent}",) if agent in self.reachable else (),
        )
        self.callers = Callers()
        self.flows = Flows(
            self.turns,
            cast(Any, self.agenda),
            FLOWS,
            cast(Any, None),
            lambda target: (on.Destination("nowhere"), ()),
            self.callers.earlier,
        )
        self.floor.takes_back = self.flows.takes_back
        self.callbacks = Callbacks(
            self.turns,
            cast(Any, self.agenda),
            self.floor,
            lambda number, trunk: (f"trunk:out:{number}",),
            CallRules,
        )
        self.statistics = Statistics()
        self.holds = Holds(cast(Any, self.disk))
        self.disk.on_durable = self.statistics.apply
        self.legs = SimpleNamespace(by_id={}, owed=set())
        self.taping = SimpleNamespace(
            of=lambda call: (),
            adopt=lambda tape: None,
            adopt_owed=lambda *what: None,
            look_after=lambda running: None,
        )
        self.directions = SimpleNamespace(target=lambda agent, text: (None, None, ""))
        self.workers = SimpleNamespace(
            home_of=lambda call: "",
            music=lambda call: ("",),
            adopt=lambda *what: None,
            recording=set(),
        )
        self.phone = SimpleNamespace(
            adopt=lambda *what: None,
            legs=lambda: {*self.alive, *self.leaving},
            hang_up=self._hang_up,
        )
        self.call_timers = CallTimers(self.turns, cast(Any, self.agenda))
        self.keeping = Keeping(
            cast(Any, self.disk),
            cast(Any, self.clock),
            self.turns,
            cast(Any, self.legs),
            self.flows,
            cast(Any, self.taping),
            cast(Any, self.workers),
            self.call_timers,
        )
        self._wire()

    def kill(self) -> None:
        """kill -9 of the engine, now. What was not durable is gone, its timers too."""
        self.disk.dead = True
        self.agenda.forget_timers()
        durable = self.disk.durable_seq
        again = [leg for leg, (_, _, seq) in self.leaving.items() if seq > durable]
        self.leaving = {leg: self.leaving[leg] for leg in again}
        self._build(self.disk.entries[: self.disk.durable_seq])
        self.turns.pause()
        settled = recovery.settle(
            cast(Engine, self), supervisor=SUPERVISOR, phones=lambda: sorted(self.reachable)
        )
        self.disk.append("", facts.EngineStarted(2, "1", SUPERVISOR), self.clock.at)
        settled.takeover.go_on()
        self.turns.resume()
        for leg in again:
            self._say_again(leg)
        for leg, number in list(self.numbers.items()):
            known = any(leg in call.legs for call in self.turns.calls.values())
            if leg in self.alive and not known and leg not in self.answered:
                self._forget(leg)  # nobody answered the INVITE: it is sent again
                self._invite(number)

    @property
    def journal(self) -> Disk:
        return self.disk

    def _wire(self) -> None:
        register(
            self.turns.outer,
            {
                do.PickUp: self._pick_up,
                do.Dial: self._dial,
                do.Drop: self._drop,
                do.Play: self._play,
                do.TellPosition: lambda call, effect: None,
                do.Join: self._join,
                do.Record: lambda call, effect: None,
                do.StopRecording: lambda call, effect: None,
                do.SendKey: lambda call, effect: None,
                do.Probe: lambda call, effect: None,
                do.TransferFate: lambda call, effect: None,
            },
        )
        self.turns.on_finished = self._finished

    def _finished(self, call: Call) -> None:
        self.flows.forget(call.id)
        self.turns.calls.pop(call.id, None)
        self.call_timers.forget(call.id)
        self.turns.forget_later(call.id, self.forget)
        self.callbacks.ended(call.id)

    def forget(self, call: str) -> None:
        self.keeping.gone(call)

    def _hang_up(self, leg: str, status: int, reason: str) -> None:
        self._forget(leg)

    # --- the wire, played -----------------------------------------------------------------------

    def _pick_up(self, call: Call, effect: do.PickUp) -> None:
        self.seen_outside.append(call.id)
        self.answered.add(effect.leg)

        def up() -> None:
            found = self.turns.calls.get(call.id)
            leg = found.legs.get(effect.leg) if found is not None else None
            if leg is not None and leg.state not in ("up", "held"):
                self.turns.feed(call.id, on.LegUp(effect.leg))

        self.agenda.after(0.01, up)

    def _play(self, call: Call, effect: do.Play) -> None:
        seconds = 3.0 if effect.prompts else 0.0
        if seconds:
            self.agenda.after(
                seconds, lambda: self.turns.feed(call.id, on.PlayDone(effect.leg, effect.play))
            )

    def _join(self, call: Call, effect: do.Join) -> None:
        for leg in (effect.left, effect.right):
            if leg not in self.alive:
                assert call.phase == "ended", "a leg that is gone was bridged"
                return
        if (effect.left, effect.right) in self.joined:  # an engine took over: told once more
            return
        self.joined.add((effect.left, effect.right))
        if self.random.random() < 0.15:
            leg = self.random.choice((effect.left, effect.right))
            self.agenda.after(self.random.uniform(0, 20), lambda: self._lose(call.id, leg, "lost"))
        self.agenda.after(
            self.random.expovariate(1 / 40), lambda: self._lose(call.id, effect.right, "bye")
        )

    def _lose(self, call: str, leg: str, cause: on.Cause) -> None:
        if leg in self.alive:
            self._forget(leg)
            self.turns.feed(call, on.LegGone(leg, cause))
            self.leaving[leg] = (call, cause, self.disk.last_seq)

    def _say_again(self, leg: str) -> None:
        """A BYE that nobody confirmed is sent again."""
        call, cause, _ = self.leaving[leg]
        found = self.turns.calls.get(call)
        if found is not None and leg in found.legs and found.legs[leg].state != "gone":
            self.turns.feed(call, on.LegGone(leg, cause))
        self.leaving[leg] = (call, cause, self.disk.last_seq)

    def _forget(self, leg: str) -> None:
        agent = self.alive.pop(leg, "")
        if agent and self.rung.get(agent) == leg:
            del self.rung[agent]

    def _drop(self, call: Call, effect: do.Drop) -> None:
        self._forget(effect.leg)

    def _dial(self, call: Call, effect: do.Dial) -> None:
        if effect.leg in self.dialled:  # the same INVITE again: a retransmission
            return
        self.dialled.add(effect.leg)
        agent = call.legs[effect.leg].agent
        assert agent not in self.rung, f"{agent} is rung for two calls"
        self.alive[effect.leg] = agent
        if agent:  # else the caller of a callback
            self.rung[agent] = effect.leg
        fate = self.random.random()
        after = self.random.uniform(0.2, 14.0)
        if fate < 0.7:
            self.agenda.after(after, lambda: self._answer(call.id, effect.leg))
        elif fate < 0.85:
            cause: on.Cause = self.random.choice(("busy", "refused", "unreachable"))
            self.agenda.after(after, lambda: self._lose(call.id, effect.leg, cause))

    def _answer(self, call: str, leg: str) -> None:
        """The phone says so until it is acknowledged: until an engine has it on disk."""
        if leg not in self.alive:
            return
        found = self.turns.calls.get(call)
        known = found.legs.get(leg) if found is not None else None
        if known is not None and known.state in ("dialling", "ringing"):
            self.turns.feed(call, on.LegUp(leg))
            self.agenda.after(0.5, lambda: self._answer(call, leg))

    # --- people -----------------------------------------------------------------------------------

    def arrive(self) -> str:
        return self._invite(f"+3712{self.random.randrange(50):07d}")

    def _invite(self, caller: str) -> str:
        self.legs_made += 1
        call = Call(f"c{len(self.disk.entries)}-{self.legs_made}", CallRules(recordings_dir="/r"))
        leg = f"in-{call.id}"
        self.alive[leg] = ""
        self.numbers[leg] = caller
        self.turns.calls[call.id] = call
        self.turns.feed(
            call.id, on.Arrive(leg, caller, "100", "trunk", on.Destination("flow", "main"))
        )
        for _ in range(self.random.randrange(3)):
            key = self.random.choice("11112305#")
            self.agenda.after(
                self.random.uniform(0, 15),
                lambda key=key: self.turns.feed(call.id, on.KeyPressed(leg, key)),
            )
        if self.random.random() < 0.6:
            patience = self.random.expovariate(1 / 60)
            self.agenda.after(patience, lambda: self._lose(call.id, leg, "bye"))
        return call.id

    def agent_acts(self) -> None:
        agent = self.random.choice(AGENTS)
        floor = self.floor
        match self.random.randrange(6):
            case 0:
                floor.change(lambda now: floor.floor.sign_out(agent, now))
            case 1:
                floor.change(lambda now: floor.floor.take_break(agent, now, "tea"))
            case 2:
                self.reachable.discard(agent)
                floor.change(lambda now: floor.floor.set_reachable(agent, False, now))
            case _:
                self.reachable.add(agent)
                floor.change(lambda now: floor.floor.set_reachable(agent, True, now))
                floor.change(lambda now: floor.floor.sign_in(agent, now))
                floor.change(lambda now: floor.floor.ready(agent, now))

    def run(
        self,
        seconds: float,
        check: Callable[[World], None],
        until: Callable[[], bool] = lambda: False,
    ) -> None:
        """Arrivals about every 6 s, agents' doings about every 20 s, checks in between."""
        stop, ends = until, self.clock.at + seconds

        def arrivals() -> None:
            if self.clock.at > ends:
                return
            self.arrive()
            self.agenda.after(self.random.expovariate(1 / 6), arrivals)

        def doings() -> None:
            if self.clock.at > ends:
                return
            self.agent_acts()
            self.agenda.after(self.random.expovariate(1 / 20), doings)

        arrivals()
        for _ in AGENTS:
            self.agent_acts()
        doings()
        while self.agenda.step(ends):
            check(self)
            if stop():
                return
        self.clock.at = ends

    def drain(self, seconds: float = 4000.0) -> None:
        """No new callers; whoever is there hangs up in the end."""
        for call in list(self.turns.calls.values()):
            leg = call.caller_leg
            self.agenda.after(
                self.random.uniform(0, 600),
                lambda call=call, leg=leg: self._lose(call.id, leg, "bye"),
            )
        until = self.clock.at + seconds
        while (self.turns.calls or self.turns.waiting_for_disk) and self.agenda.step(until):
            pass
        floor = self.floor
        for view in floor.waiting():  # places of callbacks: nobody is called back any more
            floor.change(lambda now, call=view.call: floor.floor.cancel_callback(call, now, "end"))
        while self.turns.waiting_for_disk and self.agenda.step(until + 60.0):
            pass

    def crash(self, seed: int) -> World:
        """kill -9: the next engine finds what was durable, and nobody on the line."""
        return World(seed, self.disk.entries[: self.disk.durable_seq], self.clock.at + 1.0)

    def ended(self) -> dict[str, list[facts.CallEnded]]:
        out: dict[str, list[facts.CallEnded]] = {}
        for entry in self.disk.entries:
            if isinstance(entry.event, facts.CallArrived):
                out.setdefault(entry.call, [])
            elif isinstance(entry.event, facts.CallEnded):
                out[entry.call].append(entry.event)
        return out
