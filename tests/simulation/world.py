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
from engine.callbacks import Callbacks
from engine.callers import Callers
from engine.engine import Engine
from engine.floorside import FloorSide
from engine.flows import Flows
from engine.holds import Holds
from engine.journal import Entry
from engine.turns import Turns, register
from ivr.loader import SHIPPED_DIR, load_flows
from queues.statistics import Statistics
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

    def close(self) -> None:
        self._heap.clear()
        self._latest.clear()


class Disk:
    """A journal whose entries become durable when its disk gets to it."""

    generation = 1
    full = False

    def __init__(self, agenda: Agenda, random_: random.Random, kept: list[Entry]) -> None:
        self._agenda = agenda
        self._random = random_
        self.entries = list(kept)
        self.durable_seq = self.last_seq = len(kept)
        self.recovered = SimpleNamespace(held=0)
        self.on_durable: Callable[[Entry], None] = lambda entry: None
        self._waiting: list[tuple[int, Callable[[], None]]] = []

    def append(self, call: str, event: object, at: float) -> Entry:
        self.last_seq += 1
        entry = Entry(self.last_seq, at, call, event)
        self.entries.append(entry)
        self._agenda.after(self._random.choice((0.0005, 0.002, 0.03)), self._sync)
        return entry

    def when_durable(self, seq: int, callback: Callable[[], None]) -> None:
        if seq <= self.durable_seq:
            callback()
        else:
            self._waiting.append((seq, callback))

    def _sync(self) -> None:
        fresh = self.entries[self.durable_seq :]
        self.durable_seq = self.last_seq
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


class World:
    """One life of an engine; ``World.crash`` gives the next one what its disk kept."""

    def __init__(self, seed: int, kept: list[Entry] | None = None, at: float = 1e9) -> None:
        self.random = random.Random(seed)
        self.clock = Clock(at)
        self.agenda = Agenda(self.clock)
        self.disk = Disk(self.agenda, self.random, kept or [])
        self.turns = Turns(cast(Any, self.clock), cast(Any, self.disk))
        self.reachable: set[str] = set()
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
        self.alive: dict[str, str] = {}  # leg: whose, "" a caller's
        self.rung: dict[str, str] = {}  # agent: leg
        self.seen_outside: list[str] = []
        self._wire()
        if kept:
            recovery.settle(cast(Engine, self))
        self.legs_made = 0

    @property
    def journal(self) -> Disk:
        return self.disk

    def _wire(self) -> None:
        register(
            self.turns.inner,
            {
                do.SetTimer: lambda call, effect: self.agenda.set(
                    (call.id, effect.name),
                    effect.at,
                    lambda: self.turns.feed(call.id, on.TimerFired(effect.name)),
                ),
                do.ClearTimer: lambda call, effect: self.agenda.clear((call.id, effect.name)),
            },
        )
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
        self.callbacks.ended(call.id)

    # --- the wire, played -----------------------------------------------------------------------

    def _pick_up(self, call: Call, effect: do.PickUp) -> None:
        self.seen_outside.append(call.id)
        self.agenda.after(0.01, lambda: self.turns.feed(call.id, on.LegUp(effect.leg)))

    def _play(self, call: Call, effect: do.Play) -> None:
        seconds = 3.0 if effect.prompts else 0.0
        if seconds:
            self.agenda.after(
                seconds, lambda: self.turns.feed(call.id, on.PlayDone(effect.leg, effect.play))
            )

    def _join(self, call: Call, effect: do.Join) -> None:
        for leg in (effect.left, effect.right):
            assert leg in self.alive, "a leg that is gone was bridged"
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

    def _forget(self, leg: str) -> None:
        agent = self.alive.pop(leg, "")
        if agent and self.rung.get(agent) == leg:
            del self.rung[agent]

    def _drop(self, call: Call, effect: do.Drop) -> None:
        self._forget(effect.leg)

    def _dial(self, call: Call, effect: do.Dial) -> None:
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
        if leg in self.alive:
            self.turns.feed(call, on.LegUp(leg))

    # --- people -----------------------------------------------------------------------------------

    def arrive(self) -> str:
        self.legs_made += 1
        call = Call(f"c{len(self.disk.entries)}-{self.legs_made}", CallRules(recordings_dir="/r"))
        leg = f"in-{call.id}"
        self.alive[leg] = ""
        self.turns.calls[call.id] = call
        caller = f"+3712{self.random.randrange(50):07d}"
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

    def run(self, seconds: float, check: Callable[[World], None]) -> None:
        """Arrivals about every 6 s, agents' doings about every 20 s, checks in between."""
        until = self.clock.at + seconds

        def arrivals() -> None:
            if self.clock.at > until:
                return
            self.arrive()
            self.agenda.after(self.random.expovariate(1 / 6), arrivals)

        def doings() -> None:
            if self.clock.at > until:
                return
            self.agent_acts()
            self.agenda.after(self.random.expovariate(1 / 20), doings)

        arrivals()
        for _ in AGENTS:
            self.agent_acts()
        doings()
        while self.agenda.step(until):
            check(self)
        self.clock.at = until

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
